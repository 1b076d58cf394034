"""What objectives see of a run between its epochs, and what they do to it."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from skae._data import Data
from skae._engines.protocol import Program, Trainer
from skae._fitting.epochs import Position
from skae._fitting.plan import Plan
from skae._fitting.watchers import EarlyStopping, Watcher
from skae._layers import ends, has_path
from skae._objectives.objective import Places, hook
from skae._threads import one_blas_thread


class Placing(Watcher):
    """Asks the objectives, before each epoch, what latent vectors are drawn to.

    It is the `View` that they get.
    """

    def __init__(
        self,
        plan: Plan,
        program: Program,
        trainer: Trainer,
        data: Data,
        position: Position,
    ):
        self._plan, self._program = plan, program
        self._trainer, self._data, self._position = trainer, data, position
        self._objectives = [
            one for one in (plan.spec.objective, plan.arrangement) if one is not None
        ]
        self.n_epochs = plan.n_epochs
        self.loss = 0.0
        # What latent vectors are drawn to now, for a checkpoint.
        self.places: Places | None = None
        self._penalty_share = 1.0
        # What `fit` was given for y, a value for each row of X.
        self.y: Any = None
        # Whether the optimizer's averages are those of the weights.
        self.state_holds = True
        # Early stopping, which is to know where latent vectors are drawn.
        self.stopping: EarlyStopping | None = None
        self._given_up = ""

    # ------------------------------------------------------------- as a watcher

    def go_on(self, epoch: int, n_rows: int) -> None:
        if self._position.history["loss"]:
            self.loss = self._position.history["loss"][-1]
        for objective in self._objectives:
            heard = hook(objective, "go_on")
            if heard is not None:
                # What comes before an epoch has happened once it has begun.
                heard(epoch + 1 if n_rows else epoch)

    def epoch_begin(self, epoch: int, rates: np.ndarray) -> np.ndarray:
        share = hook(self._plan.spec.objective, "penalty_share")
        if share is not None:
            self._penalty_share = float(share(epoch, self.n_epochs))
            self._trainer.set_penalty_share(self._penalty_share)
        if self._position.part:  # gone on from within the epoch
            return rates
        for objective in self._objectives:
            places = hook(objective, "places")
            found = None if places is None else places(epoch, self)
            if found is not None:
                self.set(*self._check(objective, found))
        return rates

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        self.loss = logs["loss"]
        return False

    def end(self) -> None:
        """Let objectives do what they do at the end of a run."""
        if self._given_up:
            return
        for objective in self._objectives:
            end = hook(objective, "end")
            if end is not None:
                end(self)

    # ------------------------------------------------------------------- places

    def set(self, targets: np.ndarray, strength: float, root: bool = False) -> None:
        """Draw latent vectors to their targets from now on."""
        self.places = targets, strength, root
        if self.stopping is not None:
            self.stopping.drawn = True
        self._data.set_targets(targets)
        self._trainer.set_strength(strength, root)

    def give_up(self, why: str) -> None:
        """Leave the latent space as it was before anything was drawn."""
        self._given_up = why

    def told(self) -> str:
        """Say how the latent vectors were arranged, and why not."""
        said, arrangement = self._plan.arranged, self._plan.arrangement
        if self._given_up:
            return f"nothing: {self._given_up}"
        if arrangement is None:
            return said
        # The plan says what was left out, the arrangement what came of the rest.
        told = arrangement.told()
        return said if said.startswith(told) else told

    def _check(self, objective: object, found: Places) -> Places:
        if not self._data.rows_stay:
            raise ValueError(
                f"{objective!r} gives places by the number of a row, and the source "
                "gives its rows in another order each time. Use a source that keeps "
                "their order, or load the data into memory and call `fit`."
            )
        if not isinstance(found, (tuple, list)) or len(found) not in (2, 3):
            raise ValueError(
                f"`places` of {objective!r} must give None or a pair: an array of "
                f"places and a strength. Got {type(found).__name__}."
            )
        targets, strength, *root = found
        shape = (self._data.n_train, self._plan.spec.latent_dim)
        if np.shape(targets) != shape:
            raise ValueError(
                f"`places` of {objective!r} must give a place for the latent vector of "
                f"each row to train on: an array of shape {shape}. Got one of shape "
                f"{np.shape(targets)}."
            )
        targets = np.asarray(targets, self._plan.spec.dtype)
        return targets, float(strength), any(root)

    # ---------------------------------------------------------------- as a view

    @property
    def rows_stay(self) -> bool:
        return self._data.rows_stay

    @property
    def n_rows(self) -> int:
        return self._data.n_train

    @property
    def labels(self) -> np.ndarray | None:
        if self.y is None:
            return None
        y = np.asarray(self.y)
        if len(y) != self._data.n_rows:
            raise ValueError(
                f"Expected a label for each of {self._data.n_rows} samples, got y of "
                f"shape {y.shape}."
            )
        return self._data.of_rows_to_train(y)

    def of_all(self, function: Callable) -> np.ndarray:
        return self._data.encode_all(function)

    def encode_all(self) -> np.ndarray:
        return self.of_all(self._encode)

    def encode_some(self, n: int) -> np.ndarray:
        return self._data.encode_some(self._encode, n, self._generator())

    def some_of(self, Z: np.ndarray, n: int) -> np.ndarray:
        return Z[self._generator().permutation(len(Z))[:n]]

    def seed(self) -> int:
        return int(self._generator().randint(2**31 - 1))

    def map_latents(self, mapping: np.ndarray) -> None:
        trainer = self._trainer
        n_encoder = self._program.n_encoder_weights
        path = has_path(self._plan.spec.network)
        weights = fold(trainer.weights(), n_encoder, mapping, path)
        seeds = trainer.seeds()
        # The optimizer's averages belong to the weights before.
        trainer.load(weights, None, 0)
        trainer.load_seeds(seeds)
        trainer.set_penalty_share(self._penalty_share)
        if self.places is not None:
            trainer.set_strength(*self.places[1:])
        self.state_holds = self._position.epoch < self.n_epochs

    def _encode(self, X: np.ndarray) -> np.ndarray:
        return self._program.encode(self._trainer.weights(), X)

    def _generator(self) -> np.random.RandomState:
        # A copy: the order of the samples stays what it would be.
        return copy.deepcopy(self._position.random_state)


@one_blas_thread()
def fold(
    weights: list[np.ndarray], n_encoder: int, mapping: np.ndarray, path: bool = False
) -> list[np.ndarray]:
    """Put a map of latent vectors into the dense layers before and after them."""
    weights = list(weights)
    back = np.linalg.inv(mapping)
    *_, before, after = ends(n_encoder, path)
    for i in before:
        weights[i] = (weights[i] @ mapping).astype(weights[i].dtype)
    for i in after:
        weights[i] = (back @ weights[i]).astype(weights[i].dtype)
    return weights
