"""The arrays of one fit of a chain of dense layers, and its steps."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from skae._engines.numpy.chain import Chain
from skae._engines.numpy.workspace import (
    BETA_1,
    BETA_2,
    Batch,
    Spoiling,
    Workspace,
)
from skae._engines.protocol import Put, Sums, Weights, refuse_other_shapes
from skae._objectives.masking import known_factors
from skae._threads import one_blas_thread

# From this many multiplications a batch, forwards, two threads are worth their meeting.
_SHARED_WORK = 2**23
# Rows that are evaluated at once.
_EVALUATED_ROWS = 4096


Inputs = Callable[[np.ndarray, Any], np.ndarray]


class DenseTrainer:
    """The arrays of one fit.

    The rows of a large batch are cut into two shares. Two threads run a share each
    forwards and backwards, meet, and update the parameters together. How the work is
    cut follows from the sizes alone, so the bits do not depend on who does what.
    """

    def __init__(self, chain: Chain, n_threads: int = 1, inputs: Inputs | None = None):
        self.chain = chain
        self._n_threads = n_threads
        self._inputs = inputs
        dtype, shapes = chain.dtype, chain.shapes
        # One flat array each, so that Adam runs over many parameters at once: the
        # weights, and the running means of the gradients and of their squares.
        self._flat = np.zeros((3, sum(map(math.prod, shapes))), dtype)
        self._weights, *moments = (_views(flat, shapes) for flat in self._flat)
        # Of the columns, where values may be missing.
        self._means: np.ndarray | None = None
        self._moments = [view for views in moments for view in views]
        self._n_steps = 0
        self._seed = np.zeros(2, np.uint32)
        self._strength, self._root = 0.0, False
        self._workspaces: dict[tuple[int, int], Workspace] = {}

    def load(self, weights: Weights, state: Weights | None, seed: int) -> None:
        """Set the weights and the optimizer's state (None: that of a new one)."""
        self._seed = np.array([seed, 0], np.uint32)
        self._strength, self._root = 0.0, False
        self.load_weights(weights)
        if state is None:
            self._n_steps = 0
            self._flat[1:] = 0
        else:
            refuse_other_shapes(state, [(), *self.chain.shapes * 2], "a state of Adam")
            self._n_steps = int(state[0])
            for mine, given in zip(self._moments, state[1:], strict=True):
                mine[...] = given

    def load_weights(self, weights: Weights) -> None:
        refuse_other_shapes(weights, self.chain.weight_shapes)
        means, trained = self.chain.split(weights)
        if means is not None:
            self._means = np.array(means, self.chain.dtype)
        for mine, given in zip(self._weights, trained, strict=True):
            mine[...] = given

    def weights(self) -> list[np.ndarray]:
        return [weight.copy() for weight in self._all_weights()]

    def _all_weights(self) -> list[np.ndarray]:
        means = [] if self._means is None else [self._means]
        return [*means, *self._weights]

    def state(self) -> list[np.ndarray]:
        return [np.array(self._n_steps), *(moment.copy() for moment in self._moments)]

    def seeds(self) -> list[np.ndarray]:
        return [] if self._inputs is None else [self._seed.copy()]

    def load_seeds(self, seeds: Weights) -> None:
        for seed in seeds:
            self._seed = np.array(seed, np.uint32)

    def set_strength(self, strength: float, root: bool = False) -> None:
        """Say what the mean square distance of a latent to its target costs."""
        self._strength, self._root = strength, root

    def set_penalty_share(self, share: float) -> None:
        """Objectives with penalties are left to TensorFlow."""

    def finish(self) -> None:
        pass

    def put(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        targets: np.ndarray | None = None,
    ) -> Put:
        return X.reshape(len(X), -1), sample_weight, targets

    put_own = put

    def put_targets(self, put: Put, targets: np.ndarray) -> Put:
        return *put[:2], targets.astype(self.chain.dtype, copy=False)

    def train(
        self,
        put: Put,
        order: np.ndarray,
        rates: np.ndarray,
        batch_size: int,
        sums: Sums,
    ) -> Sums:
        """Take a step a batch; add sum(w l) and sum(w) to `sums`."""
        X, sample_weight, targets = put
        dtype = self.chain.dtype
        weights = sample_weight[order]
        starts = range(0, len(order), batch_size)
        batch_weights = np.add.reduceat(weights, starts, dtype=np.float64)
        n_features = self.chain.n_features
        # The mean over the features, the mean over the weights, Adam's first factor.
        factors = 2 * (1 - BETA_1) / (n_features * batch_weights)
        scales = weights * np.repeat(factors, batch_size)[: len(order)].astype(dtype)
        scales = scales[:, np.newaxis]
        steps = self._adam_steps(rates)
        drawn = targets is not None and self._strength
        if drawn:
            pulls = scales * np.array(drawn * n_features / targets.shape[1], dtype)
        n_shares = 2 if self.chain.work * batch_size >= _SHARED_WORK else 1
        seed, root = self._seed, self._root

        def run(shares: Sequence[int], meet: Callable[[], object]) -> float:
            total, here = 0.0, seed
            # In each thread, since OpenMP counts threads for each. What overflows is
            # refused later, in words.
            with one_blas_thread(), np.errstate(all="ignore"):
                for start, step, batch_weight in zip(
                    starts, steps, batch_weights, strict=True
                ):
                    some = slice(start, start + batch_size)
                    rows = order[some]
                    pull = (targets[rows], pulls[some], root) if drawn else None
                    space = self._workspace(len(rows), n_shares)
                    spoiling = self._spoiling(X, rows, here)
                    scale = scales[some]
                    if spoiling is not None and self.chain.masked:
                        scale = scale * spoiling.known_factors()
                    batch = Batch(X, rows, scale, pull, spoiling)
                    for share in shares:
                        total += space.propagate(share, batch) * batch_weight
                    here = here if spoiling is None else spoiling.seed
                    meet()
                    for share in shares:
                        space.update(share, step)
                    meet()
            self._seed = here
            return total / (2 * (1 - BETA_1))

        if n_shares == 1 or self._n_threads == 1:
            total = run(range(n_shares), _go_on)
        else:
            total = _run_in_threads(run, n_shares)
        self._n_steps += len(rates)
        return sums[0] + float(total), sums[1] + float(batch_weights.sum())

    def _spoiling(
        self, X: np.ndarray, rows: np.ndarray, seed: np.ndarray
    ) -> Spoiling | None:
        n_features = self.chain.n_features
        if self._inputs is None and X.shape[1] == n_features:
            return None
        # Of a pair, the second half is what is to be made of the first.
        batch = X[rows].astype(self.chain.dtype)
        given, wanted = batch[:, :n_features], batch[:, -n_features:]
        return Spoiling(self._inputs, given, seed, wanted, self._means)

    def evaluate(self, put: Put, rows: np.ndarray, batch_size: int) -> Sums:
        """Give sum(w l) and sum(w) over the rows."""
        X, sample_weight, _ = put
        weights = self._all_weights()
        n_features = self.chain.n_features
        total = weight = 0.0
        for start in range(0, len(rows), _EVALUATED_ROWS):
            batch = rows[start : start + _EVALUATED_ROWS]
            x, w = X[batch].astype(self.chain.dtype, copy=False), sample_weight[batch]
            # Of a pair, the second half is what is to be made of the first.
            x, wanted = x[:, :n_features], x[:, -n_features:]
            latents = self.chain.encode(weights, x)
            difference = self.chain.decode(weights, latents)
            difference -= wanted
            factors: Any = 1
            if self.chain.masked:
                missing = np.isnan(wanted)
                np.copyto(difference, 0, where=missing)
                factors = known_factors(missing)[:, 0]
            squares = np.einsum("ij,ij->i", difference, difference) * factors
            total += float(squares @ w) / x.shape[1]
            weight += float(w.sum())
        return total, weight

    def _workspace(self, n_rows: int, n_shares: int) -> "Workspace":
        # An epoch has two sizes of batch at most; any number of threads may ask.
        key = n_rows, n_shares
        if key not in self._workspaces:
            space = Workspace(self.chain, self._weights, self._flat, *key)
            self._workspaces.setdefault(key, space)
        return self._workspaces[key]

    def _adam_steps(self, rates: np.ndarray) -> list[np.ndarray]:
        """Give the factor of each update, with Adam's correction of its bias."""
        i = self._n_steps + np.arange(1, len(rates) + 1)
        steps = rates * np.sqrt(1 - BETA_2**i) / (1 - BETA_1**i)
        # NumPy takes arrays without a dimension faster than numbers.
        return [np.array(step, self.chain.dtype) for step in steps]


def _go_on() -> None:
    """Meet nobody."""


def _run_in_threads(run: Callable, n_shares: int) -> float:
    """Call `run` for each share in a thread of its own; add up what they give."""
    barrier = threading.Barrier(n_shares)

    def run_share(share: int) -> float:
        try:
            return run([share], barrier.wait)
        except BaseException:
            # The others wait for this one no longer.
            barrier.abort()
            raise

    with ThreadPoolExecutor(n_shares - 1) as pool:
        others = [pool.submit(run_share, share) for share in range(1, n_shares)]
        try:
            total = run_share(0)
        except threading.BrokenBarrierError:
            for other in others:
                other.result()  # raises what has happened there
            raise
        return total + sum(other.result() for other in others)


def _views(flat: np.ndarray, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [
        part.reshape(shape)
        for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)
    ]
