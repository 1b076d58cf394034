"""How many rows are multiplied at a time, such that none depends on the others.

Kernels that multiply matrices treat rows left over in another way than tiles of them,
and the last bits would depend on how a batch is cut.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

# Rows of a tile of OpenBLAS, and of TensorFlow.
MATRIX_ROWS, _ROWS = 12, 8
# OpenBLAS has kernels of their own for products of up to so many multiplications, which
# add in another order: all products with a matrix are small, or none is.
_SMALL_WORK = 10**6
# Long sums for few outputs are cut into pieces for threads to add up, in other places
# for another number of rows: for kernels of more rows than the one and at most as many
# columns as the other. Convolutions are never cut so.
_LONG_SUM, _FEW_OUTPUTS = 64, 256
# Rows of a tile where a network goes through steps, each of which takes time.
_ROWS_OF_STEPS = 32
# Whole tiles of both.
TILE_ROWS = math.lcm(MATRIX_ROWS, _ROWS)


def in_tiles(x: np.ndarray) -> np.ndarray:
    """Add rows of zeros up to whole tiles of a matrix product."""
    lacking = -len(x) % MATRIX_ROWS
    if not lacking:
        return x
    filled = np.zeros((len(x) + lacking, x.shape[1]), x.dtype)
    filled[: len(x)] = x
    return filled


def multiply(x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Multiply rows by a matrix in NumPy; no row depends on how many there are."""
    n_rows, n_out = len(x), matrix.shape[1]
    if n_out == 1:
        # What OpenBLAS does with a vector depends on where a row stands.
        matrix = np.repeat(matrix, 2, axis=1)
    x = in_tiles(x)
    at_once = len(x)
    if MATRIX_ROWS * matrix.size <= _SMALL_WORK:
        at_once = _SMALL_WORK // (MATRIX_ROWS * max(1, matrix.size)) * MATRIX_ROWS
    if len(x) <= at_once:
        return (x @ matrix)[:n_rows, :n_out]
    out = np.empty((len(x), matrix.shape[1]), x.dtype)
    for start in range(0, len(x), at_once):
        part = slice(start, start + at_once)
        np.matmul(x[part], matrix, out=out[part])
    return out[:n_rows, :n_out]


class Tiles:
    """How rows go through a model: in blocks, of which the last is filled to a tile."""

    def __init__(self, model: Any, most: int):
        self._tile, self._most = _ROWS, most
        if any(_is_cut(weight) for weight in model.weights):
            # As many rows each time, and so the same sums.
            layers = model._flatten_layers()
            steps = any(hasattr(layer, "return_sequences") for layer in layers)
            self._tile = self._most = _ROWS_OF_STEPS if steps else _ROWS

    def apply(self, function: Callable, rows: np.ndarray) -> np.ndarray:
        """Apply a function of a batch to rows."""
        if len(rows) <= self._most:
            return self._apply(function, rows)
        blocks = np.split(rows, range(self._most, len(rows), self._most))
        return np.concatenate([self._apply(function, block) for block in blocks])

    def _apply(self, function: Callable, rows: np.ndarray) -> np.ndarray:
        n_rows = len(rows)
        if n_rows % self._tile:
            more = np.repeat(rows[-1:], -n_rows % self._tile, axis=0)
            rows = np.concatenate([rows, more])
        given: np.ndarray = function(rows)
        return given[:n_rows]


def _is_cut(weight: Any) -> bool:
    """Tell whether a product with a kernel is cut into pieces of its sums."""
    shape = tuple(weight.shape)
    long = len(shape) == 2 and shape[0] > _LONG_SUM and shape[1] <= _FEW_OUTPUTS
    return long and (str(weight.dtype).endswith("float64") or not _adds_in_one_order())


@functools.cache
def _adds_in_one_order() -> bool:
    """Tell whether float32 is multiplied by oneDNN with AVX-512, which cuts no sums."""
    # Nothing public says so: it follows from the build, the processor and a variable.
    from tensorflow.python.util import _pywrap_util_port

    # What TensorFlow finds of the processor, OpenBLAS finds, too, and tells.
    kernels = {pool.get("architecture") for pool in threadpool_info()}
    return bool(_pywrap_util_port.IsMklEnabled()) and "SkylakeX" in kernels
