"""Rows for networks of Keras, such that none depends on how many come with it."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Callable

import numpy as np

# Kernels that multiply matrices treat rows left over in another way than tiles of
# them, and the last bits would depend on how a batch is cut.
_ROWS = 8


def in_tiles(function: Callable, rows: np.ndarray) -> np.ndarray:
    """Apply a function of a batch to rows, filled up to a multiple of eight."""
    n_rows = len(rows)
    if n_rows % _ROWS:
        more = np.repeat(rows[-1:], -n_rows % _ROWS, axis=0)
        rows = np.concatenate([rows, more])
    given: np.ndarray = function(rows)
    return given[:n_rows]
