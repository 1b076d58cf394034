"""Those who watch the epochs of a fit.

A watcher is a context manager with `epoch_begin(epoch, rates)`, which may change
the learning rates of the epoch's steps, `part_end(n_rows, sums)`, and
`epoch_end(epoch, logs)`, which says whether to stop.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae._engines.protocol import Trainer


class Watcher:
    """Watches without a word."""

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def go_on(self, epoch: int, n_rows: int) -> None:
        """Hear, before all else, that a run goes on from some rows of an epoch."""

    def epoch_begin(self, epoch: int, rates: np.ndarray) -> np.ndarray:
        return rates

    def part_end(self, n_rows: int, sums: tuple[float, ...]) -> None:
        pass

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        return False


class EarlyStopping(Watcher):
    """Stops when the validation loss no longer falls; keeps the best weights.

    With `start`, the loss and the weights that a run starts from are the first to beat,
    by a share of the loss that is at least `margin`.
    """

    def __init__(
        self,
        trainer: Trainer,
        n_iter_no_change: int,
        tol: float,
        n_warm_up: int = 0,
        start: tuple[float, list[np.ndarray]] | None = None,
        margin: float = 0.0,
    ):
        # While learning rates rise from zero, little is learned, and no epoch counts.
        self._n_warm_up = n_warm_up
        self._trainer = trainer
        self._patience = n_iter_no_change
        self._tol = tol
        self._best = self._target = np.inf
        self._idle_epochs = 0
        self.best_weights: list[np.ndarray] = []
        self.start_loss = self.last_loss = np.inf
        if start is not None:
            self.start_loss, self.best_weights = start
            self._best = self._target = self.start_loss * (1 - margin)
        # Whether latent vectors are drawn somewhere, which loss pays for.
        self.drawn = False

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        loss = self.last_loss = logs["val_loss"]
        # A fall counts when it is a share `tol` of the best loss so far, whatever
        # the scale of the data.
        counts = epoch >= self._n_warm_up and not loss < self._target
        self._idle_epochs = self._idle_epochs + 1 if counts else 0
        if loss < self._best:
            self._best = loss
            self._target = loss - self._tol * abs(loss)
            self.best_weights = self._trainer.weights()
        return self._idle_epochs >= self._patience and not self.drawn

    def keeps_last(self) -> bool:
        """Tell whether the last weights are those to keep, and not the best."""
        return self.drawn and self.last_loss <= self.start_loss

    def state(self) -> tuple[list[float] | None, list[np.ndarray]]:
        """Give what a checkpoint holds of it; nothing before the first epoch."""
        if not self.best_weights:
            return None, []
        numbers = [self._best, self._target, self._idle_epochs]
        if np.isfinite(self.start_loss):
            numbers.append(self.start_loss)
        return numbers, self.best_weights

    def load_state(self, state: list[float], weights: list[np.ndarray]) -> None:
        self._best, self._target = state[:2]
        self._idle_epochs, self.best_weights = int(state[2]), weights
        self.start_loss = state[3] if len(state) > 3 else np.inf
