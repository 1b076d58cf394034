"""Inference on many rows: block by block, and batch by batch."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import functools
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

import numpy as np
from sklearn.utils._set_output import _wrap_data_with_container

from skae._data import limits
from skae._data.arrays import ArraySource, large_array
from skae._data.checks import BatchChecks
from skae._data.source import Source, reading
from skae._data.sparse import SparseRows, sliced
from skae._data.streamed import ahead
from skae._data.validation import check_samples


def over_blocks(
    estimator: Any,
    X: Any,
    function: Callable,
    check: Callable | None = None,
    width: int | None = None,
) -> np.ndarray:
    """Apply a function to samples, block by block where there are many.

    A block holds whole tiles of rows, so that the results do not depend on it.
    What is not made of samples has its own `check`; `width` is the number of values of
    a row of the result, if that is what takes memory.
    """
    if check is None:
        X = sliced(X)
        check = functools.partial(check_samples, estimator, reset=False)
    # What is sparse takes little memory, and a dense copy should, too.
    sparse = isinstance(X, SparseRows)
    limit = limits.BLOCK_BYTES if sparse else limits.MAX_RESIDENT_BYTES
    if not large_array(X, limit, width):
        return function(check(X))
    out, start = None, 0
    for label, batch in ArraySource(X, width=width).ordered():
        with reading(label):
            result = function(check(batch.X))
        if out is None:
            out = np.empty((X.shape[0], *result.shape[1:]), result.dtype)
        out[start : start + len(result)] = result
        start += len(result)
        del batch
    assert out is not None
    return out


def over_batches(
    estimator: Any, source: Source, function: Callable
) -> Generator[Any, None, None]:
    """Apply a function to the samples of each batch, in order, as `transform` would."""
    checks = BatchChecks(estimator, reset=False)
    with closing(ahead(source.ordered())) as batches:
        for label, batch in batches:
            X = checks.check(label, batch)[0]
            if len(X):
                Z = _wrap_data_with_container(
                    "transform", function(X), batch.X, estimator
                )
                yield Z
