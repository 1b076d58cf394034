"""What stands for a value in the header of a file."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import hashlib
from importlib import import_module
from numbers import Integral, Real
from typing import Any

import numpy as np

from skae._files.layers import has_place, layers_to_json
from skae._fingerprints import digest
from skae._keras_models import KerasNetwork, Settled, parts_in
from skae._networks import ConvNetwork, DenseNetwork
from skae._objectives.combined import Combined
from skae._objectives.denoising import Denoising
from skae._objectives.masking import Masking
from skae._objectives.sparse import Sparse
from skae._objectives.variational import Variational
from skae._recurrent import RecurrentNetwork

# The objects that a file may name, by what they are.
CLASSES: dict[str, dict[str, type]] = {
    "network": {
        "ConvNetwork": ConvNetwork,
        "DenseNetwork": DenseNetwork,
        "RecurrentNetwork": RecurrentNetwork,
    },
    "objective": {
        "Denoising": Denoising,
        "Masking": Masking,
        "Sparse": Sparse,
        "Variational": Variational,
    },
}

# Manifold learners that a file may name, by where they are; one that is not installed
# is missed when it is read.
LEARNERS = {
    **dict.fromkeys(
        (
            *("Isomap", "LocallyLinearEmbedding", "MDS"),
            *("SpectralEmbedding", "TSNE"),
        ),
        "sklearn.manifold",
    ),
    **dict.fromkeys(
        (
            *("FactorAnalysis", "FastICA", "KernelPCA", "NMF", "PCA"),
            *("SparsePCA", "TruncatedSVD"),
        ),
        "sklearn.decomposition",
    ),
    "LinearDiscriminantAnalysis": "sklearn.discriminant_analysis",
    "NeighborhoodComponentsAnalysis": "sklearn.neighbors",
    "PaCMAP": "pacmap",
    "UMAP": "umap",
}


def is_learner(value: Any) -> bool:
    """Tell whether a file may name the class of a manifold learner."""
    module = type(value).__module__
    name = type(value).__name__
    return name in LEARNERS and module.startswith(f"{LEARNERS[name]}.")


def make_learner(name: str, parameters: dict[str, Any]) -> Any:
    """Make a manifold learner that a file names; it is not fitted."""
    try:
        module = import_module(LEARNERS[name])
    except ImportError as error:
        raise ImportError(
            f"The transformer was fitted with arrange={name}(...), and {error}. "
            f"Install what holds {name} to load it."
        ) from error
    return getattr(module, name)(**parameters)


def numbered(tensors: dict[str, np.ndarray], kind: str) -> list[np.ndarray]:
    """Give the arrays of a kind, in order."""
    count = sum(name.startswith(f"{kind}_") for name in tensors)
    return [tensors[f"{kind}_{i}"] for i in range(count)]


def to_words(value: Any, name: str) -> Any:
    """Give what tells a value from others: a digest stands for layers, too."""
    if type(value) in (KerasNetwork, Settled):
        return {"object": f"KerasNetwork [{digest(parts_in(value))[:16]}]"}
    return to_json(value, name, own=True)


def to_json(value: Any, name: str, own: bool = False) -> Any:
    """Give what stands for a value in the header, or say that it has no place.

    With `own`, words and a digest stand for an object of the user's own.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str, Integral, Real)):
        return value
    if isinstance(value, Combined):
        value = value.objectives
    if isinstance(value, (tuple, list)):
        return [to_json(item, name, own) for item in value]
    if type(value) in (KerasNetwork, Settled):
        if own and not has_place(value):
            return to_words(value, name)
        return layers_to_json(value, name)
    for kind, classes in CLASSES.items():
        if type(value) in classes.values():
            parameters = value.get_params(deep=False)
            return {
                kind: type(value).__name__,
                "parameters": {k: to_json(v, k, own) for k, v in parameters.items()},
            }
    if is_learner(value):
        parameters = value.get_params(deep=False)
        return {
            "arrange": type(value).__name__,
            "parameters": {k: to_json(v, k) for k, v in parameters.items()},
        }
    if isinstance(value, np.random.RandomState):
        state = value.get_state(legacy=False)
        if state["bit_generator"] == "MT19937":
            keys, position = state["state"]["key"], state["state"]["pos"]
            rest = [int(position), int(state["has_gauss"]), float(state["gauss"])]
            return {"random_state": ["MT19937", keys.tolist(), *rest]}
    if own:
        # Words for a reader, and a digest, since two functions may have one name.
        return {"object": f"{_describe(value)} [{digest(value)[:16]}]"}
    raise TypeError(
        f"`save` writes no code, and {name}={value!r} is an object of your own or of "
        "Keras. Use its name where it has one, or pickle the transformer."
    )


def _describe(value: Any) -> str:
    """Say what an object is, in words that are the same in every process."""
    if value is None or isinstance(value, (bool, str, bytes, Integral, Real)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_describe, value))}]"
    if isinstance(value, dict):
        return f"({', '.join(sorted(f'{k}={_describe(v)}' for k, v in value.items()))})"
    if isinstance(value, np.ndarray):
        return f"array {hashlib.sha256(value.tobytes()).hexdigest()[:16]}"
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_params"):
        parts = value.get_params(deep=False)
    elif hasattr(value, "get_config"):
        # Keras numbers the names of what it makes, and Huber leaves out its delta.
        parts = {**value.get_config(), **getattr(value, "_fn_kwargs", {})}
        parts.pop("name", None)
    else:
        parts = getattr(value, "__dict__", {})
    return _describe(type(value)) + _describe(parts)
