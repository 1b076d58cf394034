"""What stands for a value in the header of a file."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from numbers import Integral, Real
from typing import Any

import numpy as np

from skae._fingerprints import digest
from skae._networks import ConvNetwork, DenseNetwork
from skae._objectives.denoising import Denoising

# The objects that a file may name, by what they are.
CLASSES: dict[str, dict[str, type]] = {
    "network": {"ConvNetwork": ConvNetwork, "DenseNetwork": DenseNetwork},
    "objective": {"Denoising": Denoising},
}


def numbered(tensors: dict[str, np.ndarray], kind: str) -> list[np.ndarray]:
    """Give the arrays of a kind, in order."""
    count = sum(name.startswith(f"{kind}_") for name in tensors)
    return [tensors[f"{kind}_{i}"] for i in range(count)]


def to_json(value: Any, name: str, own: bool = False) -> Any:
    """Give what stands for a value in the header, or say that it has no place.

    With `own`, a digest stands for an object of the user's own.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str, Integral, Real)):
        return value
    if isinstance(value, (tuple, list)):
        return [to_json(item, name, own) for item in value]
    for kind, classes in CLASSES.items():
        if type(value) in classes.values():
            parameters = value.get_params(deep=False)
            return {
                kind: type(value).__name__,
                "parameters": {k: to_json(v, k) for k, v in parameters.items()},
            }
    if isinstance(value, np.random.RandomState):
        state = value.get_state(legacy=False)
        if state["bit_generator"] == "MT19937":
            keys, position = state["state"]["key"], state["state"]["pos"]
            rest = [int(position), int(state["has_gauss"]), float(state["gauss"])]
            return {"random_state": ["MT19937", keys.tolist(), *rest]}
    if own:
        return {"object": digest(value)}
    raise TypeError(
        f"`save` writes no code, and {name}={value!r} is an object of your own or of "
        "Keras. Use its name where it has one, or pickle the transformer."
    )
