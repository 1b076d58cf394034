"""The initial weights of a network, drawn anew from `random_state`."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from typing import Any

import numpy as np

from skae._engines.draws import glorot_uniform


def find_initializers(model: Any) -> list:
    """Find the initializer of each weight of a Keras model.

    Keras layers keep it as an attribute, `kernel_initializer` for `kernel`; the
    variable itself forgets it. A weight without one must start from a constant.
    """
    import keras

    found: dict[int, Any] = {}
    # The public `layers` of a model leaves out the layers inside of layers.
    for layer in model._flatten_layers(include_self=False):
        for name, value in vars(layer).items():
            initializer = getattr(layer, f"{name.lstrip('_')}_initializer", None)
            if isinstance(value, keras.Variable) and initializer is not None:
                found[id(value)] = keras.initializers.get(initializer)
    for weight in model.weights:
        if id(weight) in found:
            continue
        value = weight.numpy()
        if value.size and (value != value.flat[0]).any():
            raise ValueError(
                f"The weight {weight.path!r} of the network starts from random values, "
                "but its layer does not say how they are drawn. Expected an attribute "
                f"`{weight.name}_initializer` beside the attribute `{weight.name}`, as "
                "in Keras' own layers, so that `random_state` can draw them anew."
            )
        found[id(weight)] = keras.initializers.Constant(value.flat[0])
    return [found[id(weight)] for weight in model.weights]


def draw(
    initializer: Any, random_state: np.random.RandomState, variable: Any
) -> np.ndarray:
    """Draw a weight by the initializer of its layer.

    What dense layers and convolutions start from by default is drawn by NumPy, so that
    both engines start from the same weights.
    """
    import keras

    shape, dtype = tuple(variable.shape), str(variable.dtype)
    if type(initializer) is keras.initializers.GlorotUniform:
        return glorot_uniform(random_state, shape, dtype)
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    if "seed" in config:
        seed = int(random_state.randint(np.iinfo(np.int32).max))
        initializer = type(initializer).from_config({**config, "seed": seed})
    value = initializer(shape, dtype=variable.dtype)
    return value.numpy().copy()
