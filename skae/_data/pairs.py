"""Samples, and what is to be made of them, side by side.

Rows of pairs have an axis more than samples, (n, 2, *sample_shape), and go all the ways
that rows go: into a shuffle buffer, to a validation set, to a worker. Engines tell them
by that axis.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
from typing import Any

import numpy as np

from skae._data.kinds import as_array
from skae._data.sparse import sliced
from skae._data.validation import check_samples
from skae._warn import warn


def check_target(estimator: Any, target: Any, n_rows: int) -> np.ndarray:
    """Check what is to be made of samples: as many, of the same shape."""
    # Columns go by their places: the names that X has are not asked for.
    estimator = copy.copy(estimator)
    vars(estimator).pop("feature_names_in_", None)
    target = target.to_numpy() if hasattr(target, "columns") else target
    try:
        target = check_samples(estimator, target, reset=False)
    except (ValueError, TypeError) as error:
        raise type(error)(
            "`target` must hold what is to be made of each sample of X, in the shape "
            f"of X: {error}"
        ) from error
    check_length(target, n_rows)
    return target


def pair(X: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.stack([X, target], axis=1)


def inputs_of(rows: np.ndarray, paired: bool) -> np.ndarray:
    """Give what the encoder gets."""
    return rows[:, 0] if paired else rows


def outputs_of(rows: np.ndarray, paired: bool) -> np.ndarray:
    """Give what the decoder is to give."""
    return rows[:, 1] if paired else rows


def tell_of_unused_target(X: Any, y: Any, way: str) -> None:
    """Warn of a y that looks like what is to be made of X, and is not looked at.

    Labels stay unused without a word, and so does X itself, which Keras wants twice.
    """
    shapes = [tuple(getattr(part, "shape", ())) for part in (X, y)]
    if y is X or shapes[0] != shapes[1] or len(shapes[0]) < 2 or shapes[0][1] < 2:
        return
    values = as_array(y)
    if values.dtype.kind != "f" or np.array_equal(values, as_array(X)):
        return
    warn(
        f"y has the shape of X, {shapes[0]}, and is not used: an autoencoder is "
        f"trained to reconstruct X. If y is what is to be made of X, {way}."
    )


def check_length(target: Any, n_rows: int) -> None:
    if len(target) != n_rows:
        raise ValueError(
            f"`target` must hold what is to be made of each of the {n_rows} samples of "
            f"X; got {len(target)}."
        )


class Targets:
    """Gives the targets of one block of X after the other."""

    def __init__(self, estimator: Any, target: Any, X: Any):
        target = sliced(target)
        check_length(target, X.shape[0] if hasattr(X, "shape") else len(X))
        self._estimator, self._target, self._start = estimator, target, 0

    def next(self, n_rows: int) -> np.ndarray:
        some = self._target[self._start : self._start + n_rows]
        self._start += n_rows
        return check_target(self._estimator, some, n_rows)
