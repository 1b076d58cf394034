"""Which rows differ, and what their copies weigh."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import _check_sample_weight

__all__ = ["different_rows"]

# Copies are looked for in so many rows; in sparse ones by so many columns at a time.
_MOST_ROWS, _COLUMNS = 10_000, 256


def different_rows(X, sample_weight):
    """Give the rows that differ, and what each weighs; None if all weigh the same."""
    weight = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if not weight.all():
        X, weight = X[weight > 0], weight[weight > 0]
    if 0 < X.shape[0] <= _MOST_ROWS:
        first, which = _kinds(X if issparse(X) else X.reshape(len(X), -1))
        X, weight = X[first], np.bincount(which, weights=weight)
    return X, None if (weight == weight[:1]).all() else weight


def _kinds(X):
    """Give the first row of each kind, in the order of their values, and all kinds."""
    which, width = np.zeros(X.shape[0]), _COLUMNS if issparse(X) else X.shape[1]
    for start in range(0, X.shape[1], width):
        block = X[:, start : start + width]
        if issparse(X):
            block = np.column_stack([which, block.toarray()])
        _, first, which = np.unique(
            block, axis=0, return_index=True, return_inverse=True
        )
        which = which.ravel()
    return first, which
