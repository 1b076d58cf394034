"""Warnings at the end of a fit whose numbers say less than they seem to.

They look at a sample of the training data, at most a thousand rows.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skae._data import Data
from skae._data.pairs import inputs_of, outputs_of
from skae._engines.protocol import Program
from skae._engines.scaled import Scaling
from skae._fitting.epochs import refuse_absurd_weights
from skae._fitting.fitted import Fitted
from skae._fitting.linear_start import principal_components
from skae._fitting.plan import Plan
from skae._layers import has_path
from skae._models import Spec
from skae._threads import one_blas_thread
from skae._warn import warn

# The mean of fewer rows than this is no rival worth naming.
_MIN_ROWS = 20
# Columns differ too much when the largest has this many times the variance, and the
# square of this many times the range, of half of the others. Rare categories, one hot,
# and pixels at the edge of an image differ in one of the two only.
_VARIANCE_RATIO, _RANGE_RATIO = 1e4, 1e2
# Principal components of fewer rows for each are those of the rows alone; and a fit
# counts as worse that has so many times their error.
_ROWS_OF_COMPONENT, _WORSE = 10, 1.1
# Who has left `latent_dim` as it is has hardly chosen it.
_DEFAULT_LATENT_DIM = 10
# What an activation can give.
_LIMITS = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0),
           "tanh": (-1.0, 1.0), "softsign": (-1.0, 1.0), "relu": (0.0, math.inf),
           "softplus": (0.0, math.inf)}  # fmt: skip


def judge(fitted: Fitted, plan: Plan, program: Program, data: Data) -> None:
    """Refuse a fit that has diverged, and warn of one that came to nothing."""
    refuse_absurd_weights(fitted.weights)
    if not plan.partial:
        warn_of_useless_fit(
            program, fitted.weights, plan.spec, data, plan.whole, plan.scaling
        )


def warn_of_useless_fit(
    program: Program,
    weights: list[np.ndarray],
    spec: Spec,
    data: Data,
    whole: bool,
    scaling: Scaling | None = None,
) -> None:
    """Warn of data that no fit can do justice to, and of a fit that came to nothing.

    `whole` says whether the fit was as long as it takes to be held to its error, and
    `scaling` what the loss weighs columns by.
    """
    rows = data.sample()
    X, wanted = inputs_of(rows, data.paired), outputs_of(rows, data.paired)
    sample = wanted.reshape(len(X), -1).astype(spec.dtype)
    missing = np.isnan(sample)
    sample = _filled(sample, missing)
    low, high = sample.min(axis=0), sample.max(axis=0)
    varies = low < high
    # Of equal samples, equal latent vectors are the right ones.
    if not varies.any():
        return
    # Values near the largest float overflow when squared: too much is too much.
    with np.errstate(all="ignore"):
        unit = 1.0 if scaling is None else scaling.scale
        variance = sample.var(axis=0, dtype=np.float64) / np.square(unit)
        if len(spec.sample_shape) == 1 and len(X) >= _MIN_ROWS and scaling is None:
            _warn_of_unscaled_columns(variance[varies], (high - low)[varies])
        _warn_of_many_latents(spec, sample.shape[1])
        _warn_of_output_range(spec, float(low.min()), float(high.max()))
        _warn_of_pixels(spec, float(low.min()), float(high.max()))
        _warn_of_probabilities(spec, float(low.min()), float(high.max()))
        latents = program.encode(weights, X)
        advice = _revive(spec, float(low.min()), float(high.max()))
        if _warn_of_constant_latents(latents, sample, advice):
            return
        outputs = program.decode(weights, latents).reshape(len(X), -1)
        squares = np.square((outputs - sample) / unit, dtype=np.float64)
        # Where the variance of a column has none, either.
        squares[missing] = 0
        error = float(squares.mean())
        if _constant_columns(outputs)[varies].all():
            warn(
                "The decoder gives the same reconstruction for every sample: a layer "
                f"of it is dead or saturated. {advice}",
                ConvergenceWarning,
            )
        elif whole and spec.loss in ("mse", "mae") and len(X) >= _MIN_ROWS:
            advice = _teach(float(low.min()), float(high.max()))
            _warn_of_rivals(spec, sample / unit, error, variance.mean(), advice)


def _warn_of_rivals(
    spec: Spec, sample: np.ndarray, error: float, variance: float, advice: str
) -> None:
    """Warn of a fit that reconstructs worse than simpler means would."""
    if not error < variance:
        warn(
            "The reconstructions are no better than the mean of the training data "
            f"(mean squared error {error:.3g} against {variance:.3g}). {advice}",
            ConvergenceWarning,
        )
        return
    if has_path(spec.network) or len(sample) <= _ROWS_OF_COMPONENT * spec.latent_dim:
        return
    mean = sample.mean(axis=0)
    share, unit = np.full(len(sample), 1 / len(sample)), np.ones(len(mean))
    with one_blas_thread():
        V = principal_components(sample, share, spec.latent_dim, mean, unit)
        left = (sample - mean) - ((sample - mean) @ V) @ V.T
    rival = float(np.square(left).mean())
    if error > _WORSE * rival:
        warn(
            f"PCA reconstructs better from as many latent values: its mean squared "
            f"error is {rival:.3g}, and that of this fit {error:.3g}. Raise `epochs`, "
            "choose another `learning_rate_init` or more layers, or take "
            "network='dense', which starts at PCA.",
            ConvergenceWarning,
        )


def _warn_of_many_latents(spec: Spec, n_features: int) -> None:
    chosen = spec.latent_dim != _DEFAULT_LATENT_DIM and spec.objective is None
    if chosen and spec.latent_dim >= n_features:
        warn(
            f"latent_dim={spec.latent_dim} is at least the {n_features} features of "
            "a sample: nothing is left to compress, and some latent values say nothing "
            "that others do not say. Choose a smaller `latent_dim`."
        )


def _filled(sample: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Put the mean of its column in place of what is missing."""
    if not missing.any():
        return sample
    n_known = np.maximum((~missing).sum(axis=0), 1)
    means = np.where(missing, 0, sample).sum(axis=0) / n_known
    return np.where(missing, means, sample).astype(sample.dtype)


def _revive(spec: Spec, low: float, high: float) -> str:
    """Say what may help layers that are dead, without what is so already."""
    others = [] if _is_scaled(low, high) else [_SCALE]
    wanted = {"activation": "elu", "latent_activation": "linear"}
    words = [f"{k}='{v}'" for k, v in wanted.items() if getattr(spec, k) != v]
    if words:
        others.append(f"take {' and '.join(words)}")
    advice = ", or ".join([*others, "lower the learning rate"])
    return f"{advice[0].upper()}{advice[1:]}."


def _teach(low: float, high: float) -> str:
    """Say what may help a fit that has learned too little."""
    longer = "raise `epochs` or `learning_rate_init`."
    if _is_scaled(low, high):
        return longer.capitalize()
    return f"Scale the data first, with MinMaxScaler or StandardScaler, or {longer}"


_SCALE = "scale the data first, for example with StandardScaler"


def _is_scaled(low: float, high: float) -> bool:
    """Tell whether all values lie between -1 and 1, and fill a tenth of it."""
    return low >= -1 and high <= 1 and high - low >= 0.1


def _constant_columns(values: np.ndarray) -> np.ndarray:
    """Say which columns are constant, up to rounding."""
    rounding = 8 * np.finfo(values.dtype).eps * np.abs(values).max(axis=0)
    return np.ptp(values, axis=0) <= rounding


def _warn_of_constant_latents(
    latents: np.ndarray, sample: np.ndarray, advice: str
) -> bool:
    dead = np.flatnonzero(_constant_columns(latents))
    if len(dead) == latents.shape[1]:
        warn(
            "The latent vector is the same for every sample: a layer of the encoder "
            f"is dead or saturated, and `transform` tells nothing. {advice}",
            ConvergenceWarning,
        )
        return True
    if not len(dead):
        return False
    # Of more values than there are features, or different rows, some have nothing to
    # tell.
    if latents.shape[1] < min(sample.shape[1], len(np.unique(sample, axis=0))):
        names = ", ".join(map(str, dead[:10])) + (", ..." if len(dead) > 10 else "")
        warn(
            f"{len(dead)} of {latents.shape[1]} latent columns are the same for every "
            f"sample and tell nothing: {names}. {advice}",
            ConvergenceWarning,
        )
    return False


def _warn_of_unscaled_columns(variance: np.ndarray, width: np.ndarray) -> None:
    def ratio(values: np.ndarray) -> float:
        return values.max() / np.sort(values)[(len(values) - 1) // 2]

    if ratio(variance) > _VARIANCE_RATIO and ratio(width) > _RANGE_RATIO:
        warn(
            "The columns of X differ in scale so much that the loss is that of the "
            f"largest alone: its variance is {ratio(variance):.1g} times that of half "
            "of the others. Leave scale='auto', which takes a network of dense layers "
            "with a linear output, or scale them first, for example with "
            "StandardScaler in a Pipeline."
        )


def _warn_of_output_range(spec: Spec, low: float, high: float) -> None:
    least, most = _LIMITS.get(spec.output_activation, (-math.inf, math.inf))
    slack = 0.05 * (most - least) if math.isfinite(most) else 0.05 * high
    if low < least - slack or high > most + slack:
        warn(
            f"The data reach from {low:.3g} to {high:.3g}, but the output activation "
            f"{spec.output_activation!r} gives no value outside of [{least:g}, "
            f"{most:g}]: reconstructions saturate there. Scale the data with "
            "MinMaxScaler, or use output_activation='auto' or 'linear'."
        )


def _warn_of_pixels(spec: Spec, low: float, high: float) -> None:
    """Warn of images whose pixels are still bytes.

    A directory of images is read as numbers from 0 to 1; an array or a data set of the
    same pixels is taken as it is, since nothing says that they are pixels.
    """
    if len(spec.sample_shape) > 1 and low >= 0 and 128 < high <= 255:
        warn(
            f"The images reach from {low:.3g} to {high:.3g}, as bytes do. Unlike those "
            "of a directory they are not scaled, and the loss is in squares of such "
            "numbers. Divide them by 255 first: X / 255, or dataset.map."
        )


def _warn_of_probabilities(spec: Spec, low: float, high: float) -> None:
    """Warn where a cross-entropy gets what is no probability."""
    name = getattr(spec.loss, "name", getattr(spec.loss, "__name__", spec.loss))
    words = str(name).lower().replace("_", "")
    if "binary" in words and "crossentropy" in words and (low < 0 or high > 1):
        warn(
            f"The data reach from {low:.3g} to {high:.3g}, and {name!r} expects values "
            "from 0 to 1: its lowest value is not at a right reconstruction. Scale the "
            "data with MinMaxScaler, or take loss='mse'."
        )
