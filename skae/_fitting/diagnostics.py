"""Warnings at the end of a fit whose numbers say less than they seem to.

They look at a sample of the training data, at most a thousand rows.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import os
import sys
import warnings

import joblib
import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning

from skae._data import Data
from skae._engines.protocol import Program
from skae._fitting.epochs import refuse_absurd_weights
from skae._fitting.fitted import Fitted
from skae._fitting.plan import Plan
from skae._models import Spec

# The mean of fewer rows than this is no rival worth naming.
_MIN_ROWS = 20
# Columns differ too much when the largest has this many times the variance, and the
# square of this many times the range, of half of the others. Rare categories, one hot,
# and pixels at the edge of an image differ in one of the two only.
_VARIANCE_RATIO, _RANGE_RATIO = 1e4, 1e2
# What an activation can give.
_LIMITS = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0),
           "tanh": (-1.0, 1.0), "softsign": (-1.0, 1.0), "relu": (0.0, math.inf),
           "softplus": (0.0, math.inf)}  # fmt: skip


def judge(fitted: Fitted, plan: Plan, program: Program, data: Data) -> None:
    """Refuse a fit that has diverged, and warn of one that came to nothing."""
    refuse_absurd_weights(fitted.weights)
    if not plan.partial:
        warn_of_useless_fit(program, fitted.weights, plan.spec, data, plan.whole)


def warn_of_useless_fit(
    program: Program,
    weights: list[np.ndarray],
    spec: Spec,
    data: Data,
    whole: bool,
) -> None:
    """Warn of data that no fit can do justice to, and of a fit that came to nothing.

    `whole` says whether the fit was as long as it takes to be held to its error.
    """
    X = data.sample()
    sample = X.reshape(len(X), -1).astype(spec.dtype)
    low, high = sample.min(axis=0), sample.max(axis=0)
    varies = low < high
    # Of equal samples, equal latent vectors are the right ones.
    if not varies.any():
        return
    # Values near the largest float overflow when squared: too much is too much.
    with np.errstate(all="ignore"):
        variance = sample.var(axis=0, dtype=np.float64)
        if len(spec.sample_shape) == 1 and len(X) >= _MIN_ROWS:
            _warn_of_unscaled_columns(variance[varies], (high - low)[varies])
        _warn_of_output_range(spec, float(low.min()), float(high.max()))
        latents = program.encode(weights, X)
        if _warn_of_constant_latents(latents):
            return
        outputs = program.decode(weights, latents).reshape(len(X), -1)
        error = float(np.square(outputs - sample, dtype=np.float64).mean())
        if _constant_columns(outputs)[varies].all():
            _warn(
                "The decoder gives the same reconstruction for every sample: a layer "
                f"of it is dead or saturated. {_REVIVE}"
            )
        elif (
            whole
            and spec.loss in ("mse", "mae")
            and len(X) >= _MIN_ROWS
            and not error < variance.mean()
        ):
            _warn(
                "The reconstructions are no better than the mean of the training data "
                f"(mean squared error {error:.3g} against {variance.mean():.3g}). "
                "Scale the data first, for example with MinMaxScaler or "
                "StandardScaler, or raise `epochs` or `learning_rate_init`."
            )


_REVIVE = (
    "Scale the data first, for example with StandardScaler, take activation='elu' "
    "(and latent_activation='linear'), or lower the learning rate."
)


# The folders of code that no warning is about.
_INSIDE = tuple(
    os.path.join(os.path.dirname(path), "")
    for path in (os.path.dirname(__file__), joblib.__file__, sklearn.__file__)
)


def _warn(words: str, category: type[Warning] = ConvergenceWarning) -> None:
    """Warn at the line that called skae, or the part of scikit-learn that did."""
    # From Python 3.12 on this is the argument `skip_file_prefixes`.
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(words, category, stacklevel=level)


def _constant_columns(values: np.ndarray) -> np.ndarray:
    """Say which columns are constant, up to rounding."""
    rounding = 8 * np.finfo(values.dtype).eps * np.abs(values).max(axis=0)
    return np.ptp(values, axis=0) <= rounding


def _warn_of_constant_latents(latents: np.ndarray) -> bool:
    dead = np.flatnonzero(_constant_columns(latents))
    if len(dead) == latents.shape[1]:
        _warn(
            "The latent vector is the same for every sample: a layer of the encoder "
            f"is dead or saturated, and `transform` tells nothing. {_REVIVE}"
        )
        return True
    if len(dead):
        names = ", ".join(map(str, dead[:10])) + (", ..." if len(dead) > 10 else "")
        _warn(
            f"{len(dead)} of {latents.shape[1]} latent columns are the same for every "
            f"sample and tell nothing: {names}. {_REVIVE}"
        )
    return False


def _warn_of_unscaled_columns(variance: np.ndarray, width: np.ndarray) -> None:
    def ratio(values: np.ndarray) -> float:
        return values.max() / np.sort(values)[(len(values) - 1) // 2]

    if ratio(variance) > _VARIANCE_RATIO and ratio(width) > _RANGE_RATIO:
        _warn(
            "The columns of X differ in scale so much that the loss is that of the "
            f"largest alone: its variance is {ratio(variance):.1g} times that of half "
            "of the others. Scale them first, for example with StandardScaler in a "
            "Pipeline.",
            UserWarning,
        )


def _warn_of_output_range(spec: Spec, low: float, high: float) -> None:
    least, most = _LIMITS.get(spec.output_activation, (-math.inf, math.inf))
    slack = 0.05 * (most - least) if math.isfinite(most) else 0.05 * high
    if low < least - slack or high > most + slack:
        _warn(
            f"The data reach from {low:.3g} to {high:.3g}, but the output activation "
            f"{spec.output_activation!r} gives no value outside of [{least:g}, "
            f"{most:g}]: reconstructions saturate there. Scale the data with "
            "MinMaxScaler, or use output_activation='auto' or 'linear'.",
            UserWarning,
        )
