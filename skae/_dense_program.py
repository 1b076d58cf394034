"""Training a chain of dense layers in NumPy.

TensorFlow spends some two microseconds on each operation of a graph, whatever
its size, and a second or more on its import and on tracing. A small network is
done sooner without it. The twin of `skae._program`, with the same interface.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from skae._activations import ACTIVATIONS
from skae._inference import Layer, forward, one_blas_thread

# Adam's constants: Kingma and Ba (2015), with the epsilon of Keras.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7
# Adam reads and writes the parameters a piece at a time, so that a piece stays in
# the cache for all of its dozen operations.
_PIECE = 65536
# From this many multiplications a batch, forwards, two threads are worth their meeting.
_SHARED_WORK = 2**23
# Rows that are evaluated at once.
_EVALUATED_ROWS = 4096


class DenseProgram:
    """A chain of dense layers, trained by Adam on the mean squared error."""

    draws = True

    def __init__(
        self,
        encoder_sizes: Sequence[int],
        decoder_sizes: Sequence[int],
        activation: str,
        latent_activation: str,
        output_activation: str,
        dtype: np.dtype,
    ):
        self.sizes = (decoder_sizes[-1], *encoder_sizes, *decoder_sizes)
        self.activations = (
            *[activation] * (len(encoder_sizes) - 1),
            latent_activation,
            *[activation] * (len(decoder_sizes) - 1),
            output_activation,
        )
        self.n_encoder_layers = len(encoder_sizes)
        self.dtype = np.dtype(dtype)

    @property
    def n_encoder_weights(self) -> int:
        return 2 * self.n_encoder_layers

    @property
    def work(self) -> int:
        """Multiplications a sample."""
        return sum(a * b for a, b in pairwise(self.sizes))

    def initial_weights(self, random_state: np.random.RandomState) -> list[np.ndarray]:
        """Draw kernels as Keras does (Glorot and Bengio, 2010); biases are zero."""
        weights = []
        for fan_in, fan_out in pairwise(self.sizes):
            limit = np.sqrt(6 / (fan_in + fan_out))
            kernel = random_state.uniform(-limit, limit, (fan_in, fan_out))
            weights += [kernel.astype(self.dtype), np.zeros(fan_out, self.dtype)]
        return weights

    def check(self, weights: Sequence[np.ndarray]) -> None:
        """Check that weights from elsewhere have the shapes of this network."""
        expected: list[tuple[int, ...]] = []
        for pair in pairwise(self.sizes):
            expected += [pair, pair[1:]]
        shapes = [weight.shape for weight in weights]
        if shapes != expected:
            raise ValueError(f"expected weights of shapes {expected}, got {shapes}")

    def layers(self, weights: Sequence[np.ndarray]) -> list[Layer]:
        parts = zip(weights[::2], weights[1::2], self.activations, strict=True)
        return [Layer(*part) for part in parts]

    def encode(self, weights: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        layers = self.layers(weights)[: self.n_encoder_layers]
        return forward(layers, X.reshape(len(X), -1), self.dtype)

    def decode(self, weights: Sequence[np.ndarray], Z: np.ndarray) -> np.ndarray:
        return forward(self.layers(weights)[self.n_encoder_layers :], Z, self.dtype)

    @contextmanager
    def lease(self) -> Iterator["DenseTrainer"]:
        with one_blas_thread() as n_threads:
            yield DenseTrainer(self, n_threads)


class DenseTrainer:
    """The arrays of one fit.

    The rows of a large batch are cut into two shares. Two threads run a share each
    forwards and backwards, meet, and update the parameters together. How the work is
    cut follows from the sizes alone, so the bits do not depend on who does what.
    """

    def __init__(self, program: DenseProgram, n_threads: int = 1):
        self.program = program
        self._n_threads = n_threads
        sizes, dtype = program.sizes, program.dtype
        shapes: list[tuple[int, ...]] = [
            shape for pair in pairwise(sizes) for shape in (pair, pair[1:])
        ]
        # One flat array each, so that Adam runs over many parameters at once: the
        # weights, and the running means of the gradients and of their squares.
        self._flat = np.zeros((3, sum(map(math.prod, shapes))), dtype)
        self._weights, *moments = (_views(flat, shapes) for flat in self._flat)
        self._moments = [view for views in moments for view in views]
        self._n_steps = 0
        self._targets: np.ndarray | None = None
        self._strength = 0.0
        self._workspaces: dict[tuple[int, int], _Workspace] = {}

    def load(
        self, weights: Sequence[np.ndarray], state: Sequence | None, seed: int
    ) -> None:
        """Set the weights and the optimizer's state (None: that of a new one)."""
        del seed  # dense layers draw nothing while they train
        self._targets, self._strength = None, 0.0
        self.load_weights(weights)
        if state is None:
            self._n_steps = 0
            self._flat[1:] = 0
        else:
            self._n_steps = int(state[0])
            for mine, given in zip(self._moments, state[1:], strict=True):
                mine[...] = given

    def load_weights(self, weights: Sequence[np.ndarray]) -> None:
        for mine, given in zip(self._weights, weights, strict=True):
            mine[...] = given

    def weights(self) -> list[np.ndarray]:
        return [weight.copy() for weight in self._weights]

    def state(self) -> list[np.ndarray]:
        return [np.array(self._n_steps), *(moment.copy() for moment in self._moments)]

    def seeds(self) -> list[np.ndarray]:
        return []

    def load_seeds(self, seeds: Sequence[np.ndarray]) -> None:
        pass

    def draw_to(self, targets: np.ndarray, strength: float) -> None:
        """Add to the loss the mean square distance of each latent to its target."""
        self._targets = targets.astype(self.program.dtype, copy=False)
        self._strength = strength

    def finish(self) -> None:
        pass

    def put(self, X: np.ndarray, sample_weight: np.ndarray) -> tuple:
        return X.reshape(len(X), -1), sample_weight

    def train(
        self,
        data: tuple,
        order: np.ndarray,
        rates: np.ndarray,
        batch_size: int,
        sums: tuple[float, float],
    ) -> tuple[float, float]:
        """Take a step a batch; add sum(w l) and sum(w) to `sums`."""
        X, sample_weight = data
        dtype = self.program.dtype
        weights = sample_weight[order]
        starts = range(0, len(order), batch_size)
        batch_weights = np.add.reduceat(weights, starts, dtype=np.float64)
        # The mean over the features, the mean over the weights, Adam's first factor.
        factors = 2 * (1 - _BETA_1) / (X.shape[1] * batch_weights)
        scales = weights * np.repeat(factors, batch_size)[: len(order)].astype(dtype)
        scales = scales[:, np.newaxis]
        steps = self._adam_steps(rates)
        latents = None
        if self._targets is not None:
            drawn = self._strength * X.shape[1] / self._targets.shape[1]
            latents = self._targets, scales * np.array(drawn, dtype)
        n_shares = 2 if self.program.work * batch_size >= _SHARED_WORK else 1

        def run(shares: Sequence[int], meet: Callable[[], object]) -> float:
            total = 0.0
            # What overflows is refused later, in words.
            with np.errstate(all="ignore"):
                for start, step, batch_weight in zip(
                    starts, steps, batch_weights, strict=True
                ):
                    rows = order[start : start + batch_size]
                    scale = scales[start : start + batch_size]
                    pull = None
                    if latents is not None:
                        targets, pulls = latents
                        pull = targets[rows], pulls[start : start + batch_size]
                    space = self._workspace(len(rows), n_shares)
                    for share in shares:
                        product = space.propagate(share, X, rows, scale, pull)
                        total += product * batch_weight
                    meet()
                    for share in shares:
                        space.update(share, step)
                    meet()
            return total / (2 * (1 - _BETA_1))

        if n_shares == 1 or self._n_threads == 1:
            total = run(range(n_shares), _go_on)
        else:
            total = _run_in_threads(run, n_shares)
        self._n_steps += len(rates)
        return sums[0] + float(total), sums[1] + float(batch_weights.sum())

    def evaluate(
        self, data: tuple, rows: np.ndarray, batch_size: int
    ) -> tuple[float, float]:
        """Give sum(w l) and sum(w) over the rows."""
        X, sample_weight = data
        layers = self.program.layers(self._weights)
        total = weight = 0.0
        for start in range(0, len(rows), _EVALUATED_ROWS):
            batch = rows[start : start + _EVALUATED_ROWS]
            x, w = X[batch].astype(self.program.dtype, copy=False), sample_weight[batch]
            difference = forward(layers, x, self.program.dtype)
            difference -= x
            squares = np.einsum("ij,ij->i", difference, difference)
            total += float(squares @ w) / x.shape[1]
            weight += float(w.sum())
        return total, weight

    def _workspace(self, n_rows: int, n_shares: int) -> "_Workspace":
        # An epoch has two sizes of batch at most; any number of threads may ask.
        key = n_rows, n_shares
        if key not in self._workspaces:
            space = _Workspace(self.program, self._weights, self._flat, *key)
            self._workspaces.setdefault(key, space)
        return self._workspaces[key]

    def _adam_steps(self, rates: np.ndarray) -> list[np.ndarray]:
        """Give the factor of each update, with Adam's correction of its bias."""
        i = self._n_steps + np.arange(1, len(rates) + 1)
        steps = rates * np.sqrt(1 - _BETA_2**i) / (1 - _BETA_1**i)
        # NumPy takes arrays without a dimension faster than numbers.
        return [np.array(step, self.program.dtype) for step in steps]


class _Workspace:
    """The layers' outputs and gradients for a batch of one size, and what fills them.

    Everything is made once and written over in every step.
    """

    def __init__(
        self,
        program: DenseProgram,
        weights: list[np.ndarray],
        flat: np.ndarray,
        n_rows: int,
        n_shares: int,
    ):
        dtype, sizes = program.dtype, program.sizes
        outputs = [np.empty((n_rows, size), dtype) for size in sizes]
        gradients = [np.empty((n_rows, size), dtype) for size in sizes]
        # The derivatives of the activations; those of linear layers are all one.
        slopes = [
            None if name == "linear" else np.empty((n_rows, size), dtype)
            for name, size in zip(program.activations, sizes[1:], strict=True)
        ]
        difference, ones = np.empty((n_rows, sizes[-1]), dtype), np.ones(n_rows, dtype)
        activations = [ACTIVATIONS[name] for name in program.activations]
        self._shares = []
        for share in range(n_shares):
            rows = slice(n_rows * share // n_shares, n_rows * (share + 1) // n_shares)
            y, g, d = (
                [None if part is None else part[rows] for part in parts]
                for parts in (outputs, gradients, slopes)
            )
            layers = range(len(activations))
            forwards: list[tuple] = [
                (y[i], *weights[2 * i : 2 * i + 2], y[i + 1], activations[i], d[i])
                for i in layers
            ]
            # The first layer has nothing to hand down to.
            backwards: list[tuple] = [
                (g[i + 1], d[i], weights[2 * i].T, g[i] if i else None)
                for i in reversed(layers)
            ]
            k = program.n_encoder_layers
            self._shares.append(
                (rows, forwards, backwards, difference[rows], y[k], g[k])
            )
        pieces = _cut_into_pieces(sizes)
        size = max(stop - start for start, stop, _ in pieces)
        buffers = [np.empty((2, size), dtype) for _ in range(n_shares)]
        # What each share needs to update a piece: they differ by the buffers.
        self._pieces: list[list[tuple]] = []
        for start, stop, parts in pieces:
            self._pieces.append([])
            for gradient, scratch in buffers:
                sources: list[tuple] = []
                for layer, columns, part_start, part_stop in parts:
                    target = gradient[part_start - start : part_stop - start]
                    inputs = ones  # of a bias
                    if columns is not None:
                        inputs = outputs[layer][:, columns].T
                        target = target.reshape(len(inputs), -1)
                    sources.append((inputs, gradients[layer + 1], target))
                n = stop - start
                arrays = (*flat[:, start:stop], gradient[:n], scratch[:n])
                self._pieces[-1].append((sources, *arrays))
        self._waiting: deque[list[tuple]] = deque()
        constants = (
            _BETA_1,
            _BETA_2,
            # The gradients come with the factor 1 - beta_1 already.
            (1 - _BETA_2) / (1 - _BETA_1) ** 2,
            _EPSILON,
        )
        self._constants = [np.array(constant, dtype) for constant in constants]

    def propagate(
        self,
        share: int,
        X: np.ndarray,
        rows: np.ndarray,
        scale: np.ndarray,
        pull: tuple[np.ndarray, np.ndarray] | None,
    ) -> float:
        """Run a share forwards and backwards; give the product of error and gradient.

        `scale` turns the error of the reconstruction into the gradient of the loss.
        `pull` holds what the latents are drawn to, and the same for their distance.
        """
        if share == 0:
            self._waiting.extend(self._pieces)
        mine, forwards, backwards, difference, latent, latent_gradient = self._shares[
            share
        ]
        x = forwards[0][0]
        if X.dtype == x.dtype:
            # "clip" spares a copy; the rows are in range.
            np.take(X, rows[mine], axis=0, out=x, mode="clip")
        else:
            x[...] = X[rows[mine]]
        for inputs, kernel, bias, out, activation, slope in forwards:
            np.dot(inputs, kernel, out=out)
            out += bias
            activation(out, slope)
        gradient = backwards[0][0]
        np.subtract(out, x, out=difference)
        np.multiply(difference, scale[mine], out=gradient)
        product = float(np.vdot(difference, gradient))
        for gradient, slope, kernel_t, before in backwards:
            if slope is not None:
                gradient *= slope
            if before is not None:
                np.dot(gradient, kernel_t, out=before)
            if before is latent_gradient and pull is not None:
                targets, pulls = pull
                before += (latent - targets[mine]) * pulls[mine]
        return product

    def update(self, share: int, step: np.ndarray) -> None:
        """Update parameters by Adam (Kingma and Ba, 2015) until all are done.

        A piece stays in the cache from its gradient to its new weights. The shares take
        the next piece in turn, whoever is free.
        """
        beta_1, beta_2, fresh, epsilon = self._constants
        while True:
            try:
                piece = self._waiting.popleft()[share]
            except IndexError:
                return
            sources, weight, mean, square, gradient, scratch = piece
            for inputs, outputs, target in sources:
                np.dot(inputs, outputs, out=target)
            mean *= beta_1
            mean += gradient
            gradient *= gradient
            gradient *= fresh
            square *= beta_2
            square += gradient
            np.sqrt(square, out=scratch)
            scratch += epsilon
            np.divide(mean, scratch, out=scratch)
            scratch *= step
            weight -= scratch


def _cut_into_pieces(sizes: Sequence[int]) -> list[tuple[int, int, list[tuple]]]:
    """Cut the flat array of parameters into pieces of about `_PIECE` numbers.

    A piece is its start, its stop, and what it holds: rows of the kernel of a layer or,
    without rows, its bias, each with its own start and stop.
    """
    pieces: list[tuple[int, int, list[tuple]]] = []
    end = 0
    for layer, (n_inputs, n_units) in enumerate(pairwise(sizes)):
        n_rows = max(1, _PIECE // n_units)
        parts: list[tuple[slice | None, int]] = [
            (slice(i, i + n_rows), min(n_rows, n_inputs - i) * n_units)
            for i in range(0, n_inputs, n_rows)
        ]
        for columns, size in [*parts, (None, n_units)]:
            part = (layer, columns, end, end + size)
            if pieces and end + size - pieces[-1][0] <= _PIECE:
                start, _, others = pieces[-1]
                pieces[-1] = (start, end + size, [*others, part])
            else:
                pieces.append((end, end + size, [part]))
            end += size
    return pieces


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
