"""Digests of rows, by which a run tells its data from others."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

_BLOCK = 4096
# Of the mixing of SplitMix64, as in `skae._engines.draws`.
_GOLDEN, _MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9], np.uint64)


def digest_of_rows(X: np.ndarray, weight: np.ndarray) -> str:
    """Give a digest of rows with their weights, which are the same in any order.

    A source that shuffles its rows gives the same ones each time.
    """
    total = 0
    for start in range(0, len(X), _BLOCK):
        rows, weights = X[start : start + _BLOCK], weight[start : start + _BLOCK]
        words = np.column_stack([_words(rows), _words(weights)])
        odd = np.arange(1, words.shape[1] + 1, dtype=np.uint64) * _GOLDEN | np.uint64(1)
        keys = (words * odd).sum(axis=1)
        for _ in range(2):
            keys = (keys ^ (keys >> np.uint64(31))) * _MIX
        total += int(keys.sum())
    return f"{total % 2**64:016x}"


def _words(rows: np.ndarray) -> np.ndarray:
    """Give the bits of values as integers, in a table; small dtypes as float32."""
    dtype = np.float64 if rows.dtype == np.float64 else np.float32
    values = np.ascontiguousarray(rows, dtype).reshape(len(rows), -1)
    return values.view(f"u{np.dtype(dtype).itemsize}").astype(np.uint64)
