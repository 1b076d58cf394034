"""What is no X, and what to do about it: in words, before NumPy converts it."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from skae._data.kinds import is_source

_RAGGED = ("inhomogeneous", "setting an array element with a sequence")


def refuse_what_is_no_array(estimator: Any, X: Any, fits: bool) -> None:
    """Refuse what an array could be made of, but not one that means the same."""
    name = type(estimator).__name__
    if is_source(X):
        method = "fit_dataset" if fits else "transform_batches"
        what = repr(X) if isinstance(X, (str, bytes)) else f"a {type(X).__name__}"
        raise TypeError(
            f"X must be an array of samples, got {what}. Data sets, generators and "
            f"directories of files are for `{method}`: {name}(...).{method}(source)."
        )
    if isinstance(X, np.ma.MaskedArray) and np.ma.getmaskarray(X).any():
        raise ValueError(
            f"X is a masked array, and {name} would see the values under the mask. "
            "Fill it first: X.filled(X.mean(axis=0)), or X.filled(np.nan) before an "
            "imputer of sklearn.impute."
        )
    times = sorted(_times(X))
    if times:
        raise TypeError(
            f"X holds dates or durations ({', '.join(times)}), which are no numbers: "
            "as floats they would be nanoseconds. Turn them into features first, for "
            "example the hour and the weekday, or drop these columns."
        )
    if len(getattr(X, "shape", ())) == 1 and hasattr(X, "to_frame"):
        raise ValueError(
            "Expected 2D array, got 1D array instead: a single column of a frame. "
            "Pass a frame of one column: df[['a']] for df['a'], or X.to_frame()."
        )
    refuse_many_axes(name, len(getattr(X, "shape", ())))


def refuse_many_axes(name: str, n_axes: int) -> None:
    if n_axes > 5:
        raise ValueError(
            f"Found array with dim {n_axes}. {name} expected <= 5: rows of features, "
            "series (n, steps, channels), images (n, height, width, channels) or "
            "volumes (n, depth, height, width, channels). Put axes of a sample "
            "together, for example X.reshape(len(X), -1), and give the shape back to "
            "what inverse_transform gives."
        )


def _times(X: Any) -> set[str]:
    """Give the dtypes of X that stand for dates or durations."""
    dtypes: list[Any]
    if isinstance(X, (list, tuple)):
        with np.errstate(all="ignore"):
            try:
                first = np.asarray(X[0]) if len(X) else np.empty(0)
            except ValueError:  # ragged, which is said elsewhere
                return set()
        dtypes = [first.dtype]
    elif hasattr(X, "dtypes"):
        found = X.dtypes
        dtypes = list(found) if hasattr(found, "__iter__") else [found]
    else:
        dtypes = [getattr(X, "dtype", None)]
    words = ("Date", "Time", "Duration")  # polars has these, and no kinds
    return {
        str(dtype)
        for dtype in dtypes
        if getattr(dtype, "kind", "") in ("m", "M") or str(dtype).startswith(words)
    }


def _way(estimator: Any) -> str:
    """Say what to do about missing values."""
    way = (
        "Fill them before it, in a Pipeline with an imputer of sklearn.impute such as "
        "SimpleImputer or KNNImputer; or drop the rows or columns that have them."
    )
    if hasattr(estimator, "missing"):
        way += " Or take missing='mask', which leaves them out of the loss."
    return way


@contextmanager
def in_our_words(estimator: Any) -> Iterator[None]:
    """Say more than NumPy and scikit-learn of what is wrong with X."""
    name = type(estimator).__name__
    try:
        yield
    except ValueError as error:
        said = str(error)
        if said.startswith("Input X contains NaN"):
            raise ValueError(
                f"Input X contains NaN.\n{name} does not accept missing values encoded "
                f"as NaN natively. {_way(estimator)}"
            ) from error
        if any(words in said for words in _RAGGED):
            raise ValueError(
                "X is inhomogeneous: expected samples of one shape, got some of "
                "different lengths or sizes. Cut or pad sequences to one length, and "
                "resize images to one size, before they are put into X."
            ) from error
        raise
