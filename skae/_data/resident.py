"""Data in memory."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import zlib
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from skae._data import limits
from skae._data.pairs import inputs_of, outputs_of
from skae._data.schema import Schema
from skae._engines.protocol import Put, Trainer
from skae._warn import warn

# Rows that are copied to be encoded at once.
_ENCODED_ROWS = 1024
Part = tuple[Put, np.ndarray]


class Resident:
    """Data in memory: an epoch is one part."""

    streamed = False
    rows_stay = True

    def __init__(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        schema: Schema,
        paired: bool = False,
    ):
        self._X = X
        # Whether a row is a sample and what is to be made of it.
        self.paired = paired
        self.weight = sample_weight
        self._rows = np.flatnonzero(sample_weight)
        self._aside: np.ndarray | None = None
        self.schema = schema
        self.dtype = X.dtype
        self.n_rows = len(X)

    @property
    def n_train(self) -> int:
        return len(self._rows)

    def of_rows_to_train(self, column: np.ndarray) -> np.ndarray:
        """Give the values of the rows to train on, of those of all rows."""
        return column[self._rows]

    def facts(self) -> dict[str, Any]:
        """Give what tells these data from others, by name."""
        return {
            "the shape of X": self._X.shape,
            "the rows of X": self._X[[0, len(self._X) // 2, -1]],
            "`sample_weight`": self.weight,
        }

    def range(self) -> tuple[float, float]:
        """Give the least and the greatest value to reconstruct, by positive weight."""
        wanted = outputs_of(self._X, self.paired)
        kept = wanted if self.weight.all() else wanted[self.weight > 0]
        return kept.min(), kept.max()

    def set_aside(self, fraction: float, random_state: np.random.RandomState) -> None:
        """Leave a part of the rows out of training, for validation."""
        self._rows, self._aside = set_aside(self._X, self._rows, fraction, random_state)

    def bring(self, trainer: Trainer, dtype: str, batch_size: int) -> None:
        """Bring the data to the trainer."""
        del batch_size
        self._trainer, self._dtype = trainer, dtype
        weight = self.weight.astype(dtype, copy=False)
        self._put = trainer.put(self._X, weight)

    def set_targets(self, targets: np.ndarray) -> None:
        """Give each row to train on what its latent vector is drawn to."""
        column = np.zeros((self.n_rows, targets.shape[1]), self._dtype)
        column[self._rows] = targets
        self._put = self._trainer.put_targets(self._put, column)

    def epoch(
        self, random_state: np.random.RandomState, first: int
    ) -> Generator[Part, None, None]:
        """Give the parts of an epoch from the `first` on."""
        order = self._rows[random_state.permutation(len(self._rows))]
        if not first:
            yield self._put, order

    def validation(self) -> Part | None:
        return None if self._aside is None else (self._put, self._aside)

    def sample(self) -> np.ndarray:
        """Give some rows to train on, drawn at random but always the same."""
        n = limits.sample_rows(math.prod(self._X.shape[1:]))
        return self._X[np.random.RandomState(0).permutation(self._rows)[:n]]

    def encode_some(
        self, encode: Callable, n: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Encode n of the rows to train on, drawn at random, in random order."""
        rows = random_state.permutation(self._rows)[:n]
        blocks = np.split(rows, range(_ENCODED_ROWS, len(rows), _ENCODED_ROWS))
        X = inputs_of(self._X, self.paired)
        return np.concatenate([encode(X[block]) for block in blocks])

    def encode_all(self, encode: Callable) -> np.ndarray:
        """Encode the rows to train on, in an order that `set_targets` knows."""
        X = inputs_of(self._X, self.paired)
        if len(self._rows) == self.n_rows:
            return encode(X)
        blocks = np.split(self._rows, range(_ENCODED_ROWS, self.n_train, _ENCODED_ROWS))
        return np.concatenate([encode(X[block]) for block in blocks])


def set_aside(
    X: np.ndarray,
    rows: np.ndarray,
    fraction: float,
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows into those to train on and a fraction for validation.

    Equal samples stay on one side, so that no sample is validated on its twin, and
    a weight of two does what two copies do.
    """
    sums = np.array([zlib.crc32(X[row].tobytes()) for row in rows])
    kinds = np.unique(sums)
    if len(kinds) < 2:
        warn(
            "early_stopping=True sets samples aside for validation, and all samples of "
            "positive weight are equal: they are validated on themselves. Fit on more "
            "samples, or take early_stopping=False."
        )
        return rows, rows
    n_aside = min(math.ceil(fraction * len(kinds)), len(kinds) - 1)
    aside = np.isin(sums, random_state.permutation(kinds)[:n_aside])
    return rows[~aside], rows[aside]
