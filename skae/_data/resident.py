"""Data in memory."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import zlib
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

# Rows that are copied to be mapped at once.
_MAPPED_ROWS = 1024
Part = tuple[tuple, np.ndarray]


class Resident:
    """Data in memory: an epoch is one part."""

    streamed = False

    def __init__(self, X: np.ndarray, sample_weight: np.ndarray, seen: dict[str, Any]):
        self._X = X
        self.weight = sample_weight
        self._rows = np.flatnonzero(sample_weight)
        self._aside: np.ndarray | None = None
        self.seen = seen
        self.dtype = X.dtype
        self.n_rows = len(X)

    @property
    def n_train(self) -> int:
        return len(self._rows)

    def facts(self) -> dict[str, Any]:
        """Give what tells these data from others, by name."""
        return {
            "the shape of X": self._X.shape,
            "the rows of X": self._X[[0, len(self._X) // 2, -1]],
            "`sample_weight`": self.weight,
        }

    def range(self) -> tuple[float, float]:
        """Give the least and the greatest value among rows of positive weight."""
        kept = self._X if self.weight.all() else self._X[self.weight > 0]
        return kept.min(), kept.max()

    def set_aside(self, fraction: float, random_state: np.random.RandomState) -> None:
        self._rows, self._aside = set_aside(self._X, self._rows, fraction, random_state)

    def bring(self, trainer: Any, dtype: str, batch_size: int) -> None:
        """Bring the data to the trainer."""
        del batch_size
        weight = self.weight.astype(dtype, copy=False)
        self._put = trainer.put(self._X, weight)

    def epoch(
        self, random_state: np.random.RandomState, first: int
    ) -> Generator[Part, None, None]:
        order = self._rows[random_state.permutation(len(self._rows))]
        if not first:
            yield self._put, order

    def validation(self) -> Part | None:
        return None if self._aside is None else (self._put, self._aside)

    def map_some(
        self, function: Callable, n: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Apply a function to n rows drawn at random, in random order."""
        rows = random_state.permutation(self._rows)[:n]
        blocks = np.split(rows, range(_MAPPED_ROWS, len(rows), _MAPPED_ROWS))
        return np.concatenate([function(self._X[block]) for block in blocks])

    def map(self, function: Callable) -> np.ndarray:
        """Apply a function to all rows."""
        return function(self._X)


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
        return rows, rows
    n_aside = min(math.ceil(fraction * len(kinds)), len(kinds) - 1)
    aside = np.isin(sums, random_state.permutation(kinds)[:n_aside])
    return rows[~aside], rows[aside]
