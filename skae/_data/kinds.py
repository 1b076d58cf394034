"""What a thing is, told without importing the package that it comes from."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skae._data.sparse import sliced

# Classes of data sets, by package; only `fit_dataset` reads them.
_DATA_SETS = (
    ("tensorflow", "data.Dataset"),
    ("datasets", "Dataset"),
    ("datasets", "IterableDataset"),
    ("keras", "utils.PyDataset"),
    ("torch", "utils.data.DataLoader"),
    ("torch", "utils.data.Dataset"),
)


def is_a(thing: Any, package: str, name: str) -> bool:
    """Tell whether a thing is of a class of a package, without importing it."""
    found = sys.modules.get(package)
    for part in name.split("."):
        found = getattr(found, part, None)
    return isinstance(found, type) and isinstance(thing, found)


def is_source(X: Any) -> bool:
    """Tell whether it is no array, but what rows can be read from."""
    if isinstance(X, (str, bytes, os.PathLike)) or hasattr(X, "__next__"):
        return True
    if any(is_a(X, *kind) for kind in _DATA_SETS):
        return True
    array = hasattr(X, "shape") or hasattr(X, "__array__") or hasattr(X, "columns")
    if array or isinstance(X, (Sequence, Mapping, set, frozenset)):
        return False
    return hasattr(X, "__iter__") or (
        hasattr(X, "__getitem__") and hasattr(X, "__len__")
    )


def is_frame(X: Any) -> bool:
    """Tell whether it has columns by name, and slices of rows."""
    shape = getattr(X, "shape", None)
    return isinstance(shape, tuple) and len(shape) == 2 and hasattr(X, "columns")


def as_array(X: Any) -> np.ndarray:
    """Give what a source holds as a dense array of NumPy, tensors of PyTorch too."""
    if hasattr(X, "detach"):  # of a device, of a graph, of a dtype that NumPy lacks
        X = X.detach().cpu()
        if str(X.dtype) == "torch.bfloat16":
            X = X.float()
    return np.asarray(sliced(X))


def takes_missing(estimator: Any) -> bool:
    """Tell whether an estimator is told to take NaN in X."""
    return getattr(estimator, "missing", "error") == "mask"


def with_nan(X: Any) -> Any:
    """Give X with NaN for None and pandas' NA among objects; other X as it is."""
    if hasattr(X, "columns") and hasattr(X, "mask") and hasattr(X, "dtypes"):
        if any(getattr(dtype, "kind", "") == "O" for dtype in X.dtypes):
            X = X.mask(X.isna(), np.nan)
        return X
    if isinstance(X, np.ndarray) and X.dtype.kind == "O":
        X = X.copy()
        X[np.vectorize(_is_missing, otypes=[bool])(X)] = np.nan
    return X


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType"
