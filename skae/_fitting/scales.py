"""Whether the columns of a table have units of their own, and which."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from typing import Any

import numpy as np

from skae._data import Data
from skae._data.pairs import inputs_of
from skae._engines.scaled import Scaling
from skae._fitting.fitted import Fitted
from skae._layers import is_chain

# Rows, and their bytes in float64, that scales are told from; and how few are too few.
_MAX_ROWS, _MAX_BYTES, _MIN_ROWS = 20_000, 2**25, 10
# Columns are alike whose largest standard deviation is so many times the smallest.
_MAX_RATIO = 5.0
# They share a range, as pixels do, where half of them reach over so much of the widest.
_SHARED = 0.8
# The share of zeros from which on how often a column is not zero is what makes its
# standard deviation, as that of a word in texts.
_MOSTLY_ZERO = 0.7
# Alike, they are left as they are where their standard deviation is within these.
_PLAIN = 0.1, 10.0
# The losses that mean the same of scaled columns.
_LOSSES = ("mse", "mean_squared_error", "mae", "mean_absolute_error")


def find_scaling(
    estimator: Any, network: Any, data: Data, before: Fitted | None
) -> Scaling | None:
    """Give what makes the columns of a table alike, where they are not.

    Going on, what was found before holds.
    """
    if before is not None:
        return before.scaling
    plain = (
        estimator.scale == "auto"
        and estimator.missing == "error"
        and estimator.objective is None
        and isinstance(estimator.loss, str)
        and estimator.loss in _LOSSES
        and isinstance(estimator.output_activation, str)
        and estimator.output_activation in ("auto", "linear")
    )
    if not plain or len(data.schema.sample_shape) > 1 or not is_chain(network):
        return None
    if data.n_kinds < _MIN_ROWS:
        return None
    X, weight = _some(data)
    X = X.astype(np.float64)
    with np.errstate(all="ignore"):
        center = np.average(X, axis=0, weights=weight)
        scale = np.sqrt(np.average((X - center) ** 2, axis=0, weights=weight))
    # What varies by rounding alone is constant.
    varies = scale > 1e-6 * np.abs(X).max(axis=0)
    if not varies.any() or not np.isfinite(scale).all():
        return None
    spread = scale[varies]
    X = X[:, varies]
    alike = spread.max() <= _MAX_RATIO * spread.min()
    if alike or _share_a_range(X) or _are_rare(X):
        whole = float(np.sqrt(np.square(spread).mean()))
        if _PLAIN[0] <= whole <= _PLAIN[1]:
            return None
        return Scaling(center, np.full_like(scale, whole))
    return Scaling(center, np.where(varies, scale, 1.0))


def has_rare_columns(data: Data) -> bool:
    """Tell whether columns are rarely anything but zero, as words in texts are."""
    if len(data.schema.sample_shape) > 1:
        return False
    X = _some(data)[0]
    if np.isnan(X).any():
        X = np.nan_to_num(X)  # what is missing tells neither
    if np.count_nonzero(X) > (1 - _MOSTLY_ZERO) * X.size:
        return False
    X = X[:, X.any(axis=0)].astype(np.float64)
    if not X.size or not _are_rare(X) or _share_a_range(X):
        return False
    return data.n_kinds >= _MIN_ROWS


def _some(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Give rows to tell scales from, and their weights."""
    n_values = data.schema.n_features_in * (1 + data.paired)
    rows, weight = data.some(min(_MAX_ROWS, max(2, _MAX_BYTES // (8 * n_values))))
    return inputs_of(rows, data.paired), weight


def _share_a_range(X: np.ndarray) -> bool:
    width = np.ptp(X, axis=0)
    return bool((width >= _SHARED * width.max()).mean() >= 0.5)


def _are_rare(X: np.ndarray) -> bool:
    """Tell whether columns are rarely anything but zero, and then of one size.

    Divided by its standard deviation, the rarest would weigh as much as any other, and
    say the least. Nine columns of ten must be of one size, and none far beyond.
    """
    found = X != 0
    if found.mean() > 1 - _MOSTLY_ZERO:
        return False
    with np.errstate(all="ignore"):
        size = np.sqrt(np.square(X).sum(axis=0) / found.sum(axis=0))
        low, high = np.quantile(size, [0.05, 0.95])
    return bool(high <= _MAX_RATIO * low and size.max() <= _MAX_RATIO * high)
