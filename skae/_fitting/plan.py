"""What a fit will do: every "auto" and every "only if" becomes a value here, once."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skae._copies import copy_with_keras
from skae._data import Data
from skae._data.kinds import is_a
from skae._engines.numpy.activations import ACTIVATIONS
from skae._fitting.fitted import Fitted
from skae._fitting.schedules import learning_rates, warm_up_epochs
from skae._layers import has_linear_ends
from skae._models import Spec, of_keras_2
from skae._networks import ConvNetwork, DenseNetwork
from skae._objectives.arrangement import make_arrangement
from skae._objectives.combined import resolve_objective
from skae._objectives.objective import Facts, hooks, shapes_latents

_NETWORKS = {"dense": DenseNetwork, "conv": ConvNetwork}
# What `epochs="auto"` aims at: see the docstring of the transformer.
_AUTO_STEPS, _AUTO_MIN_EPOCHS = 7500, 5
_AUTO_MAX_EPOCHS, _AUTO_FEW_STEPS = 200, 1000
_AUTO_BATCH_SIZE = 200


@dataclass(frozen=True)
class Plan:
    """What a run does with its data."""

    spec: Spec
    n_epochs: int
    batch_size: int
    # Of an epoch.
    n_steps: int
    # From an epoch and its number of steps to their learning rates.
    rates: Callable[[int, int], np.ndarray] = field(repr=False)
    # Epochs in which the learning rate first rises.
    n_warm_up: int
    partial: bool
    early_stopping: bool
    # Whether the run is long enough to be held to its error.
    whole: bool
    arrangement: Any = field(repr=False)
    arranged: str


def make_spec(estimator: Any, data: Data, before: Fitted | None) -> Spec:
    """Decide what there is to compute; going on, what was decided holds."""
    output_activation = estimator.output_activation
    dtype = "float64" if data.dtype == np.float64 else "float32"
    if before is not None:
        output_activation, dtype = before.spec.output_activation, before.spec.dtype
    elif isinstance(output_activation, str) and output_activation == "auto":
        low, high = data.range()
        in_unit_interval = low >= 0 and high <= 1
        output_activation = "sigmoid" if in_unit_interval else "linear"
    return Spec(
        network=resolve_network(estimator.network),
        sample_shape=data.schema.sample_shape,
        latent_dim=int(estimator.latent_dim),
        activation=_activation_name(estimator.activation),
        latent_activation=_activation_name(estimator.latent_activation),
        output_activation=_activation_name(output_activation),
        loss=estimator.loss,
        optimizer=estimator.optimizer,
        dtype=dtype,
        objective=resolve_objective(estimator.objective),
    )


def make_plan(
    estimator: Any,
    spec: Spec,
    data: Data,
    n_steps_before: int,
    partial: bool,
) -> Plan:
    """Decide how long to train, at what rates, and what arranges the latent space.

    `n_steps_before` is the number of steps that the optimizer has taken.
    """
    early_stopping = estimator.early_stopping and not partial
    batch_size = estimator.batch_size
    batch_size = _AUTO_BATCH_SIZE if batch_size == "auto" else batch_size
    batch_size = min(batch_size, data.n_train)
    n_steps = math.ceil(data.n_train / batch_size)
    n_epochs = 1 if partial else _n_epochs(estimator.epochs, n_steps)
    arrangement, arranged = None, "nothing: partial_fit leaves latent vectors in place"
    if not partial:
        facts = Facts(
            n_rows=data.n_train,
            latent_dim=spec.latent_dim,
            n_epochs=n_epochs,
            n_steps=n_epochs * n_steps,
            linear_latents=has_linear_latents(spec),
            early_stopping=early_stopping,
            shaped_by=spec.objective if shapes_latents(spec.objective) else None,
        )
        arrangement, arranged = make_arrangement(estimator.arrange, facts)
    return Plan(
        spec=spec,
        n_epochs=n_epochs,
        batch_size=batch_size,
        n_steps=n_steps,
        rates=learning_rates(
            estimator.learning_rate,
            estimator.learning_rate_init,
            estimator.optimizer,
            None if partial else n_epochs,
            n_steps_before,
        ),
        n_warm_up=warm_up_epochs(
            estimator.learning_rate, estimator.optimizer, n_epochs
        ),
        partial=partial,
        early_stopping=early_stopping,
        # A run that was told when to stop is not held to its error.
        whole=estimator.epochs == "auto" and not early_stopping and not partial,
        arrangement=arrangement,
        arranged=arranged,
    )


def resolve_network(network: Any) -> Any:
    """Give the network that a parameter names, or a copy of the user's own."""
    if isinstance(network, str) and network in _NETWORKS:
        return _NETWORKS[network]()
    if not isinstance(network, (str, type)) and all(
        callable(getattr(network, name, None))
        for name in ("build_encoder", "build_decoder")
    ):
        return copy_with_keras(network, "the network")
    if is_a(network, "keras", "Model") or is_a(network, "tf_keras", "Model"):
        raise ValueError(
            f"The 'network' parameter of AutoencoderTransformer is a Keras model, "
            f"{network.name!r}. Put its layers into an object with the methods "
            "build_encoder and build_decoder (see 'A network of your own'), or hold a "
            "whole autoencoder in KerasAutoencoderTransformer."
            f"{of_keras_2(network)}"
        )
    raise ValueError(
        "The 'network' parameter of AutoencoderTransformer must be 'dense', 'conv' or "
        "an object with the methods build_encoder and build_decoder, such as "
        f"DenseNetwork() or ConvNetwork(). Got {network!r} instead."
    )


def has_linear_latents(spec: Spec) -> bool:
    """Tell whether a matrix can be put into the layers around the latent vector."""
    of_code = {"code_size", "latents", "encoded"} & hooks(spec.objective)
    linear = isinstance(spec.latent_activation, str)
    linear = linear and spec.latent_activation == "linear"
    return linear and has_linear_ends(spec.network) and not of_code


def _activation_name(activation: Any) -> Any:
    """Give Keras' own activations by name, so that NumPy finds them too."""
    name = getattr(activation, "__name__", None)
    module = getattr(activation, "__module__", None) or ""
    if name in ACTIVATIONS and module.startswith("keras."):
        return name
    return activation


def _n_epochs(epochs: Any, n_steps: int) -> int:
    if epochs != "auto":
        return epochs
    enough = max(math.ceil(_AUTO_STEPS / n_steps), _AUTO_MIN_EPOCHS)
    most = max(math.ceil(_AUTO_FEW_STEPS / n_steps), _AUTO_MAX_EPOCHS)
    return min(enough, most)
