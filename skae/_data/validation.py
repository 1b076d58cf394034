"""What may come in: rows of features, images, weights, latent vectors."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight, validate_data

from skae._data.kinds import as_array, takes_missing, with_nan
from skae._data.refusals import (
    in_our_words,
    refuse_many_axes,
    refuse_what_is_no_array,
)
from skae._data.sparse import SparseRows, sliced

# These dtypes are kept and converted batch by batch: a copy in float32 would take
# four times the memory of uint8 images.
_SMALL_DTYPES = tuple(np.dtype(name) for name in ("bool", "u1", "i1", "u2", "i2", "f2"))

# Up to this many values the time that scikit-learn's checks take shows.
_FEW_VALUES = 2**16


def check_samples(estimator, X, reset):
    """Check rows, series, images or volumes; give an array (n, *sample_shape).

    With `reset` it sets `n_features_in_`, `feature_names_in_` and `sample_shape_`;
    without, it compares with them.
    """
    if not reset and _is_plain(estimator, X):
        return X
    refuse_what_is_no_array(estimator, X, fits=reset)
    X = sliced(X)
    if hasattr(X, "detach") or isinstance(X, SparseRows):
        X = as_array(X)
    if isinstance(X, (list, tuple)):
        with in_our_words(estimator):
            X = np.asarray(X) if np.ndim(X[:1]) > 2 else X
        refuse_many_axes(type(estimator).__name__, len(getattr(X, "shape", ())))
    if takes_missing(estimator):
        X = with_nan(X)
    shape = tuple(getattr(X, "shape", ()))
    images = len(shape) in (3, 4, 5) and all(shape[1:])
    if not reset and (images or len(estimator.sample_shape_) > 1):
        _compare_shapes(estimator, shape)
    if images:
        X = np.asarray(X).reshape(shape[0], math.prod(shape[1:]))
    with in_our_words(estimator):
        X = validate_data(
            estimator,
            X,
            reset=reset,
            dtype=kept_dtype(X),
            order="C",
            ensure_all_finite="allow-nan" if takes_missing(estimator) else True,
        )
    sample_shape = shape[1:] if images else X.shape[1:]
    if reset:
        estimator.sample_shape_ = sample_shape
    return X.reshape(len(X), *sample_shape)


def _is_plain(estimator, X):
    """Tell at once that all is well, where nothing has to be converted or said.

    On a single row, scikit-learn's checks take longer than the network.
    """
    return (
        type(X) is np.ndarray
        and X.dtype in (np.float32, np.float64)
        and X.flags.c_contiguous
        and 0 < X.size <= _FEW_VALUES
        and X.shape[1:] == estimator.sample_shape_
        and not hasattr(estimator, "feature_names_in_")
        and (np.isfinite(X).all() or _has_only_holes(estimator, X))
    )


def _has_only_holes(estimator, X):
    return takes_missing(estimator) and not np.isinf(X).any()


def _compare_shapes(estimator, shape):
    if shape[1:] != estimator.sample_shape_:
        expected = ", ".join(map(str, estimator.sample_shape_))
        raise ValueError(
            f"X has shape {shape}, but {type(estimator).__name__} is expecting shape "
            f"(n_samples, {expected}), the one of the samples that fit saw. Reshape X, "
            "or fit again on samples of the new shape."
        )


def kept_dtype(X):
    """Give the dtype to validate X with: its own where that can be computed with."""
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype):
        native = dtype.newbyteorder("=")
        if native in _SMALL_DTYPES or native in (np.float32, np.float64):
            return native
    if len(getattr(X, "shape", ())) == 2 and hasattr(X, "columns"):
        return _dtype_of_frame(X)
    return [np.float64, np.float32]


def _dtype_of_frame(frame):
    """Give a frame the dtype that the array of its columns has."""
    names = {str(dtype).lower() for dtype in frame.dtypes}
    names = {"bool" if name == "boolean" else name for name in names}
    small = {dtype.name for dtype in _SMALL_DTYPES} | {"float32"}
    if not names or not names <= small:
        return [np.float64, np.float32]
    found = np.result_type(*map(np.dtype, names))
    # Dtypes of pandas' own and of polars may have holes, which an integer can't say.
    plain = all(isinstance(dtype, np.dtype) for dtype in frame.dtypes)
    return found if plain and found in _SMALL_DTYPES else np.dtype(np.float32)


def check_weights(sample_weight, X, all_zero=False):
    """Check sample weights; None is a weight of one each.

    All may be zero where X is but a part of the samples.
    """
    dtype = np.float64 if X.dtype == np.float64 else np.float32
    if sample_weight is None:
        return np.ones(len(X), dtype)
    sample_weight = _check_sample_weight(sample_weight, X, dtype=dtype)
    if (sample_weight < 0).any():
        raise ValueError(
            "Negative values in data passed to `sample_weight`: expected weights of "
            "zero or more."
        )
    if not all_zero and not sample_weight.any():
        raise ValueError(
            "All values of `sample_weight` are zero: expected at least one sample of "
            "positive weight."
        )
    return sample_weight


def check_finite(estimator, result):
    """Check that nothing overflowed on the way to a result."""
    if not np.isfinite(result).all():
        raise ValueError(
            "Input X contains a value too large for what this "
            f"{type(estimator).__name__} computes with: the result overflows. Scale X "
            "as the training data were scaled."
        )
    return result


def check_latents(estimator, Z, names, dtype=(np.float64, np.float32)):
    """Check latent vectors; `names` are those of their columns."""
    _check_latent_names(list(getattr(Z, "columns", ())), list(names))
    Z = check_array(Z, dtype=list(dtype), estimator=estimator, input_name="X")
    if Z.shape[1] != len(names):
        raise ValueError(
            f"X has {Z.shape[1]} columns, but inverse_transform of "
            f"{type(estimator).__name__} is expecting latent vectors of shape "
            f"(n_samples, {len(names)}), as `transform` returns them."
        )
    return Z


def _check_latent_names(columns, names):
    """Refuse a frame that has some of the names, but not each in its place.

    A frame that has none of them is taken as the array in it, as by PCA.
    """
    if columns == names or not {*columns} & {*names}:
        return
    message = "The feature names should match those of get_feature_names_out().\n"
    unexpected = [str(name) for name in columns if name not in names]
    missing = [name for name in names if name not in columns]
    for words, found in (
        ("Feature names that are not among them:", unexpected),
        ("Feature names that are missing:", missing),
    ):
        if found:
            message += "\n- ".join([words, *found[:5], *["..."] * (len(found) > 5)])
            message += "\n"
    if not unexpected and not missing:
        message += "Feature names must be in the same order, each once.\n"
    raise ValueError(
        f"{message}Pass what `transform` returns, or an array without names."
    )
