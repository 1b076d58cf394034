"""Learning rates, step by step."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from inspect import signature
from numbers import Real

import numpy as np

from skae._models import resolve
from skae._warn import warn

# The part of a run in which "cosine" first rises.
_WARM_UP = 0.1


def learning_rates(rate, initial, optimizer, epochs, first_step=0):
    """Give the function from an epoch and its steps to their learning rates.

    `rate` and `initial` are the parameters `learning_rate` and `learning_rate_init`;
    `epochs` is None where the length of the run is not known, `first_step` the
    number of steps taken before.
    """
    _tell_of_two_rates(rate, initial, optimizer)
    if isinstance(rate, str) and rate == "auto":
        rate = "cosine"
        if not isinstance(optimizer, str):
            rate = _own_learning_rate(optimizer)
    if isinstance(rate, Real) and not isinstance(rate, bool) and float(rate) > 0:
        rate, initial = "constant", rate

    def constant(epoch, n_steps):
        return np.full(n_steps, float(initial))

    def cosine(epoch, n_steps):
        done = (epoch * n_steps + np.arange(1, n_steps + 1)) / (epochs * n_steps + 1)
        warm_up = np.minimum(1, done / _WARM_UP)
        return initial * warm_up * (1 + np.cos(np.pi * done)) / 2

    def scheduled(epoch, n_steps):
        start = first_step + epoch * n_steps
        return np.array([float(rate(i)) for i in range(start, start + n_steps)])

    if isinstance(rate, str) and rate in ("constant", "cosine"):
        return constant if rate == "constant" or epochs is None else cosine
    if not isinstance(rate, (str, type)) and hasattr(rate, "get_config"):
        return scheduled
    raise ValueError(
        "The 'learning_rate' parameter must be a positive number, 'auto', 'constant', "
        f"'cosine' or a schedule of keras.optimizers.schedules. Got {rate!r} instead."
    )


def warm_up_epochs(rate, optimizer, epochs):
    """Give the number of epochs in which the learning rate first rises."""
    named = isinstance(rate, str) and isinstance(optimizer, str)
    cosine = (isinstance(rate, str) and rate == "cosine") or (named and rate == "auto")
    return math.ceil(_WARM_UP * epochs) if cosine else 0


def _tell_of_two_rates(rate, initial, optimizer):
    """Warn where the learning rate of an optimizer of Keras is not the one taken."""
    if isinstance(optimizer, (str, type)) or (isinstance(rate, str) and rate == "auto"):
        return
    own = _own_learning_rate(optimizer)
    named = isinstance(rate, str)
    taken = initial if named else rate
    if not isinstance(own, float) or (isinstance(taken, Real) and _equal(taken, own)):
        return
    default = signature(type(optimizer)).parameters.get("learning_rate")
    if named and default is not None and _equal(own, default.default):
        return  # it was hardly chosen
    what = f"learning_rate_init={initial!r}" if named else f"learning_rate={rate!r}"
    warn(
        f"There are two learning rates: {what} is taken, and not the {own:g} of the "
        f"optimizer. Leave learning_rate='auto' to take the optimizer's, or make the "
        "optimizer with the same."
    )


def _equal(rate, other):
    """Tell whether two rates are equal in float32, which Keras keeps them in."""
    return np.float32(rate) == np.float32(other)


def _own_learning_rate(optimizer):
    """Give the learning rate, or the schedule, that a Keras optimizer holds."""
    import keras

    rate = resolve("optimizer", optimizer).get_config()["learning_rate"]
    if isinstance(rate, dict):
        return keras.optimizers.schedules.deserialize(rate)
    return float(rate)
