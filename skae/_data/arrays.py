"""Arrays as sources: in memory, or on disk as memmap, HDF5 or Zarr."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import mmap
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skae._data import limits
from skae._data.source import Batch, Labelled, Source, reading
from skae._data.validation import kept_dtype
from skae._tiles import TILE_ROWS

# So many places, or more, fill the buffer; a block holds half of it.
_MIN_RUNS = 512
_MAX_RUN_ROWS = 128


class ArraySource(Source):
    """An array, or what is sliced as one: a memmap, an HDF5 or a Zarr array."""

    def __init__(
        self,
        array: Any,
        weight: np.ndarray | None = None,
        width: int | None = None,
        y: Any = None,
    ):
        self._y = y
        self._array = array
        self._weight = weight
        self._mapping = _shared_mapping(array)
        self._n_rows = int(array.shape[0])
        row_bytes = max(1, math.prod(array.shape[1:]) * np.dtype(array.dtype).itemsize)
        largest = max(row_bytes, (width or 0) * np.dtype(array.dtype).itemsize)
        block_rows = limits.BLOCK_BYTES // largest
        self._block_rows = max(1, block_rows // TILE_ROWS * TILE_ROWS or block_rows)
        self._joined_rows = max(1, limits.JOINED_BYTES // row_bytes)
        run_rows = limits.SHUFFLE_BYTES // row_bytes // _MIN_RUNS
        self._run_rows = min(max(1, run_rows), _MAX_RUN_ROWS)
        self._shuffle_bytes = limits.SHUFFLE_BYTES
        chunks = getattr(array, "chunks", None)
        if isinstance(chunks, tuple) and isinstance(chunks[0], int):
            # A chunk is read, and decompressed, whole or not at all.
            self._run_rows = chunks[0] * max(1, self._run_rows // chunks[0])
            if self._run_rows * row_bytes * _MIN_RUNS > limits.SHUFFLE_BYTES:
                self._shuffle_bytes = limits.LONG_SHUFFLE_BYTES
            self._joined_rows = max(self._joined_rows, self._run_rows)
        self.n_runs = -(-self._n_rows // self._run_rows)
        self.knows_sizes = self.n_runs > 0

    def ordered(self) -> Labelled:
        for start in range(0, self._n_rows, self._block_rows):
            stop = min(start + self._block_rows, self._n_rows)
            label = f"rows {start} to {stop - 1}"
            with reading(label):
                batch = self._slice(start, stop).numbered(start)
            yield label, batch
            del batch
            self._release()

    def some(self, runs: np.ndarray) -> Labelled:
        at_once = max(1, self._joined_rows // self._run_rows)
        unreleased = 0
        for i in range(0, len(runs), at_once):
            some = runs[i : i + at_once] * self._run_rows
            with reading(f"{len(some)} runs of rows, the first at row {some[0]}"):
                parts = [self._slice(s, s + self._run_rows) for s in map(int, some)]
                X = np.concatenate([part.X for part in parts])
                weight = None
                if self._weight is not None:
                    weight = np.concatenate([part.weight for part in parts])
                y = None
                if self._y is not None:
                    y = np.concatenate([part.y for part in parts])
            del parts
            unreleased += X.nbytes
            if unreleased >= limits.JOINED_BYTES:
                self._release()
                unreleased = 0
            numbers = some[:, np.newaxis] + np.arange(self._run_rows)
            # The last run may be shorter.
            numbers = numbers[numbers < self._n_rows]
            label = f"the runs of rows from row {some[0]} on"
            yield label, Batch(X, weight, rows=numbers, y=y)

    def sizes(self, runs: np.ndarray) -> np.ndarray:
        return np.minimum(self._run_rows, self._n_rows - runs * self._run_rows)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Give some rows; ascending order reads fastest."""
        X = np.concatenate([np.asarray(self._array[r : r + 1]) for r in rows.tolist()])
        self._release()
        return X

    def _slice(self, start: int, stop: int) -> Batch:
        weight = None if self._weight is None else self._weight[start:stop]
        y = None if self._y is None else np.asarray(self._y[start:stop])
        return Batch(np.asarray(self._array[start:stop]), weight, y=y)

    def _release(self) -> None:
        """Let go of the pages of a file that were read; they stay on disk."""
        if self._mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)


def _shared_mapping(array: Any) -> mmap.mmap | None:
    """Give the mapping of an array that shows a file as it is.

    Pages of a copy-on-write mapping may hold what no file holds, so it is left alone.
    """
    shared = False
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            shared = getattr(array, "mode", "c") != "c"
        array = array.base
    return array if shared and isinstance(array, mmap.mmap) else None


def large_array(X: Any, limit: int, width: int | None = None) -> bool:
    """Tell whether X is sliced as an array, and has more bytes than the limit.

    Where the rows of what is made of it have more values, their `width` counts.
    """
    shape, dtype = getattr(X, "shape", None), getattr(X, "dtype", None)
    if not isinstance(shape, tuple) or not isinstance(dtype, np.dtype):
        return False
    if len(shape) < 2 or issparse(X) or not all(isinstance(n, int) for n in shape):
        return False
    kept = kept_dtype(X)
    itemsize = kept.itemsize if isinstance(kept, np.dtype) else 8
    n_values = shape[0] * max(math.prod(shape[1:]), width or 0)
    return dtype.kind in "biuf" and n_values * itemsize > limit
