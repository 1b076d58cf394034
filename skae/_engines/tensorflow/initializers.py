"""What the weights of a network start from: draws of `random_state`, or set values."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from skae._copies import how_drawn
from skae._engines.draws import glorot_uniform

# Fits in other threads may draw by the same functions.
_seeding = threading.RLock()


def find_starts(model: Any) -> list:
    """Give for each weight of a Keras model its initializer, or its value.

    A value is what the user has set: by `set_weights` or `adapt` while the network was
    built, or in a model that was trained before. Training starts from it.
    """
    starts = [how_drawn(weight) for weight in model.weights]
    return [
        np.array(weight.numpy()) if start is None else start
        for weight, start in zip(model.weights, starts, strict=True)
    ]


def draw(start: Any, random_state: np.random.RandomState, variable: Any) -> np.ndarray:
    """Draw a weight by its initializer, or give the value that was set.

    What dense layers and convolutions start from by default is drawn by NumPy, so that
    both engines start from the same weights.
    """
    import keras

    if isinstance(start, np.ndarray):
        return start.copy()
    shape, dtype = tuple(variable.shape), str(variable.dtype)
    if type(start) is keras.initializers.GlorotUniform:
        return glorot_uniform(random_state, shape, dtype)
    config = start.get_config() if hasattr(start, "get_config") else {}
    if "seed" in config:
        seed = int(random_state.randint(np.iinfo(np.int32).max))
        start = type(start).from_config({**config, "seed": seed})
        # Keras draws other numbers in float64: the dtype makes no other model.
        dtype = "float32"
    with _seeded_within(start, random_state):
        value = start(shape, dtype=dtype)
    return np.array(value, str(variable.dtype))


@contextmanager
def _seeded_within(start: Any, random_state: np.random.RandomState) -> Iterator[None]:
    """Seed the initializers that a function calls, as recurrent cells have some."""
    import keras

    reached: list[Any] = []
    if inspect.isfunction(start):
        held = list(inspect.getclosurevars(start).nonlocals.values())
        reached = [
            *held,
            *(y for x in held for y in getattr(x, "__dict__", {}).values()),
        ]
    inner = {
        id(one): one
        for one in reached
        if isinstance(one, keras.initializers.Initializer) and hasattr(one, "seed")
    }
    with _seeding:
        before = {key: one.seed for key, one in inner.items()}
        try:
            for one in inner.values():
                one.seed = int(random_state.randint(np.iinfo(np.int32).max))
            yield
        finally:
            for key, one in inner.items():
                one.seed = before[key]
