"""Sparse matrices, of which a block of rows is dense at a time."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from typing import Any

import numpy as np
from scipy.sparse import issparse


class SparseRows:
    """A sparse matrix of any format, sliced as an array is: into dense rows."""

    def __init__(self, matrix: Any):
        if len(matrix.shape) != 2:
            raise ValueError(
                f"Expected 2D array, got a sparse array of shape {matrix.shape}. A "
                "sparse X holds a sample a row; reshape it, or pass images dense."
            )
        # Of other formats a copy, since their rows do not lie together.
        self._matrix = matrix.tocsr()
        self.shape = matrix.shape[0], matrix.shape[1]
        self.dtype = matrix.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._matrix[rows].toarray()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        del copy
        return self._matrix.toarray().astype(dtype or self.dtype, copy=False)


def sliced(X: Any) -> Any:
    """Give a sparse matrix as what is sliced into dense rows; others as they are."""
    return SparseRows(X) if issparse(X) else X
