"""What others call our parameters: names of ours for names that are none."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import functools
import inspect
from collections.abc import Callable
from typing import Any

_DENSE = "network=DenseNetwork(hidden_layer_sizes=...)"
_STOPPING = "early_stopping=True and validation_fraction"
_OF_FIT = "an argument of `fit`"
# By the word that PCA, Keras, PyTorch or scikit-learn's MLPs have for it.
_OURS = {
    "n_components": "latent_dim",
    "n_latent": "latent_dim",
    "latent_size": "latent_dim",
    "encoding_dim": "latent_dim",
    "code_size": "latent_dim",
    "validation_split": _STOPPING,
    "validation_data": _OF_FIT,
    "validation_freq": _STOPPING,
    "patience": "n_iter_no_change",
    "max_iter": "epochs",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "nb_epoch": "epochs",
    "lr": "learning_rate",
    "solver": "optimizer",
    "criterion": "loss",
    "metrics": "callbacks, whose Keras objects see each epoch, or `score`",
    "hidden_layer_sizes": _DENSE,
    "hidden_layers": _DENSE,
    "units": _DENSE,
    "filters": "network=ConvNetwork(filters=...)",
    "kernel_size": "network=ConvNetwork(kernel_size=...)",
    "image_shape": "network=ConvNetwork(image_shape=...)",
    "axes": "network=ConvNetwork(axes=...)",
    "cell": "network=RecurrentNetwork(cell=...)",
    "noise": "objective=Denoising(noise=...)",
    "whiten": "arrange='whiten'",
    "spectral": "arrange='spectral'",
    "seed": "random_state",
    "shuffle": "random_state: the samples are always shuffled",
    "steps_per_epoch": "batch_size",
    "class_weight": "sample_weight",
    "y_true": "target",
    "targets": "target",
}
# What `fit` has arguments for, and a source brings along.
_OF_SOURCE = {
    "sample_weight": "the third of each batch of the source: (X, y, sample_weight)",
    "target": "the second of each batch of the source, with targets=True: (X, target)",
    "y": "the second of each batch of the source: (X, y)",
}


def with_hints(method: Callable) -> Callable:
    """Let a method name ours where it gets the name that others have for it."""
    known = set(inspect.signature(method).parameters)
    constructs = method.__name__ == "__init__"

    @functools.wraps(method)
    def hinting(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not known.issuperset(kwargs):
            name = next(iter(kwargs.keys() - known))
            owner = type(self).__name__
            who = owner if constructs else f"{owner}.{method.__name__}"
            raise TypeError(f"{who}() got an unexpected keyword argument {name!r}."
                            + _hint(self, name, method.__name__))  # fmt: skip
        return method(self, *args, **kwargs)

    return hinting


def _hint(estimator: Any, name: str, method: str) -> str:
    constructs = method == "__init__"
    if method == "fit_dataset" and name in _OF_SOURCE:
        return f" Here it is {_OF_SOURCE[name]}."
    own = inspect.signature(type(estimator)).parameters
    if name in own:  # of the constructor, and so not of this method
        return f" It is a parameter of the constructor: {type(estimator).__name__}" \
               f"({name}=...)."  # fmt: skip
    if name not in _OURS:
        return ""
    of_methods = _OF_FIT, "target", "sample_weight"
    where = "" if constructs or _OURS[name] in of_methods else " of the constructor"
    return f" Here it is {_OURS[name]}{where}."


def refuse_parts_of_names(estimator: Any, params: dict[str, Any]) -> None:
    """Refuse parameters of what is no object with parameters, and say what to pass."""
    examples = {
        "dense": "DenseNetwork({}=...)",
        "conv": "ConvNetwork({}=...)",
        "optimizer": "keras.optimizers.Adam({}=...)",
        "loss": "keras.losses.Huber({}=...)",
        "objective": "Denoising({}=...)",
    }
    for key in params:
        name, _, part = key.partition("__")
        if not part or name not in inspect.signature(type(estimator)).parameters:
            continue
        value = params.get(name, getattr(estimator, name))
        if hasattr(value, "set_params"):
            continue
        named = value if isinstance(value, str) else None
        example = examples.get(named or "", examples.get(name))
        way = f"{name}={example.format(part)}" if example else f"{name}=..."
        if isinstance(value, (list, tuple)):
            way = f"set it by its class, as in {name}__denoising__noise, or {name}=..."
        ours = " For the learning rate there is `learning_rate`." * (
            key in ("optimizer__learning_rate", "optimizer__lr")
        )
        raise ValueError(
            f"Invalid parameter {key!r}: {name}={value!r} is no object with parameters "
            f"of its own. Pass the object: {way}.{ours}"
        )
