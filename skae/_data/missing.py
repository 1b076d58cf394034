"""Missing values: what is known in rows that have some."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from typing import Any

import numpy as np

from skae._data.pairs import inputs_of, outputs_of

# Rows that are added up at once.
_BLOCK = 4096


def with_known(weight: np.ndarray, rows: np.ndarray, paired: bool) -> np.ndarray:
    """Give weights that are zero where nothing to reconstruct is known."""
    wanted = outputs_of(rows, paired)
    missing = np.isnan(wanted.reshape(len(wanted), -1)).all(axis=1)
    return weight if not missing.any() else weight * ~missing


def refuse_unknown(weight: np.ndarray) -> None:
    """Refuse rows of which none with a positive weight has a known value."""
    if not weight.any():
        raise ValueError(
            "X has no known value in a sample of positive weight: expected at least "
            "one to learn from."
        )


def least_and_greatest(values: np.ndarray) -> tuple[Any, Any]:
    """Give the least and the greatest of the values that are not missing."""
    low, high = values.min(), values.max()
    if low != low:
        return np.nanmin(values), np.nanmax(values)
    return low, high


def mean_squares(differences: np.ndarray) -> np.ndarray:
    """Give the mean square of the known differences of each row; NaN without any."""
    missing = np.isnan(differences)
    n_known: Any = differences.shape[1]
    if missing.any():
        differences = np.where(missing, 0, differences)
        n_known = n_known - missing.sum(axis=1)
    with np.errstate(all="ignore"):
        squares = np.einsum("ij,ij->i", differences, differences, dtype=np.float64)
        return squares / n_known


class Means:
    """Adds up the known values of each column."""

    def __init__(self) -> None:
        self.sums: Any = 0.0
        self.weights: Any = 0.0

    def add(self, rows: np.ndarray, weight: np.ndarray, paired: bool) -> None:
        for start in range(0, len(rows), _BLOCK):
            some = slice(start, start + _BLOCK)
            X = inputs_of(rows[some], paired)
            X = X.reshape(len(X), -1).astype(np.float64)
            known, w = ~np.isnan(X), weight[some].astype(np.float64)
            self.sums = self.sums + w @ np.where(known, X, 0)
            self.weights = self.weights + w @ known

    def means(self) -> np.ndarray:
        """Give the means of the columns; one of which nothing is known has zero."""
        known = np.where(self.weights > 0, self.weights, 1)
        return np.asarray(self.sums / known)
