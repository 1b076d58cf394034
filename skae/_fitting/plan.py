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
from skae._engines.scaled import Scaling
from skae._fitting.fitted import Fitted
from skae._fitting.scales import find_scaling, has_rare_columns
from skae._fitting.schedules import learning_rates, warm_up_epochs
from skae._layers import has_linear_ends, has_path
from skae._models import Spec, of_keras_2, resolve
from skae._networks import ConvNetwork, DenseNetwork
from skae._objectives.arrangement import make_arrangement
from skae._objectives.combined import resolve_objective
from skae._objectives.masking import Masking, loss_of_values
from skae._objectives.objective import Facts, hook, hooks, is_masked, shapes_latents
from skae._recurrent import RecurrentNetwork

_NETWORKS = {"dense": DenseNetwork, "conv": ConvNetwork}
# What `epochs="auto"` aims at: see the docstring of the transformer.
_AUTO_STEPS, _AUTO_MIN_EPOCHS = 7500, 5
_AUTO_STEPS_OF_ROOT, _AUTO_STEPS_OF_ROW = 20, 1 / 8
_AUTO_BATCH_SIZE = 200
# How many rows `early_stopping="auto"` sets some aside of, and the steps that may pass
# without progress where `n_iter_no_change` is "auto".
_FEW_ROWS = 8, 10_000
_PATIENCE_EPOCHS, _PATIENCE_STEPS = 10, 100
# Steps in which convolutions learn more at a constant rate than along a cosine.
_SHORT_RUN = 1000
# What training hides with missing="mask".
_AUTO_MASK_FRACTION = 0.3


@dataclass(frozen=True)
class Plan:
    """What a run does with its data."""

    spec: Spec
    scaling: Scaling | None
    n_epochs: int
    batch_size: int
    # Of an epoch.
    n_steps: int
    # From an epoch and its number of steps to their learning rates.
    rates: Callable[[int, int], np.ndarray] = field(repr=False)
    learning_rate_init: float
    # Epochs in which the learning rate first rises.
    n_warm_up: int
    partial: bool
    # Who has set rows aside, to keep the weights that are best on them: the user, by
    # early_stopping=True ("asked"), or "auto"; or nobody.
    held_out: str
    # The epochs that may pass without progress.
    patience: int
    # Whether the run is long enough to be held to its error.
    whole: bool
    arrangement: Any = field(repr=False)
    arranged: str


def make_spec(
    estimator: Any, data: Data, before: Fitted | None
) -> tuple[Spec, Scaling | None]:
    """Decide what there is to compute; going on, what was decided holds.

    Beside it, what the columns of a table are scaled by.
    """
    network = resolve_network(estimator.network)
    scaling = find_scaling(estimator, network, data, before)
    output_activation = estimator.output_activation
    dtype = "float64" if data.dtype == np.float64 else "float32"
    auto = isinstance(output_activation, str) and output_activation == "auto"
    if before is not None:
        dtype = before.spec.dtype
        if auto:
            output_activation = before.spec.output_activation
        elif scaling is not None and _activation_name(output_activation) != "linear":
            raise ValueError(
                f"output_activation={output_activation!r} does not go with what was "
                "fitted: its columns are scaled, which takes 'linear'. Set it back; or "
                "to start anew use `fit` with warm_start=False."
            )
    elif auto:
        low, high = data.range()
        in_unit_interval = low >= 0 and high <= 1 and scaling is None
        # Words are weighed alike whatever else is asked for: see `find_scaling`.
        in_unit_interval = in_unit_interval and not has_rare_columns(data)
        # A linear map gives back what loses nothing; a sigmoid never reaches 0 or 1.
        dense = isinstance(network, DenseNetwork)
        lossless = dense and estimator.latent_dim >= data.schema.n_features_in
        plain = lossless or not in_unit_interval
        output_activation = "linear" if plain else "sigmoid"
    spec = Spec(
        network=network,
        sample_shape=data.schema.sample_shape,
        latent_dim=int(estimator.latent_dim),
        activation=_activation_name(estimator.activation),
        latent_activation=_activation_name(estimator.latent_activation),
        output_activation=_activation_name(output_activation),
        loss=estimator.loss,
        optimizer=estimator.optimizer,
        dtype=dtype,
        objective=_objective(estimator, data.schema.sample_shape),
    )
    if data.paired and hook(spec.objective, "samples") is not None:
        raise ValueError(
            f"The objective {estimator.objective!r} changes samples, and not the "
            "targets that belong to them. Change pairs before they come to "
            "`fit_dataset`, with cache=False, or leave the targets out."
        )
    if isinstance(spec.network, DenseNetwork):
        spec.network.linear_path = _resolve_path(spec)
    # One that is made of finished models has settled what these settle.
    specified = getattr(spec.network, "specified", None)
    return (spec if specified is None else specified(spec, estimator)), scaling


def _objective(estimator: Any, sample_shape: tuple[int, ...]) -> Any:
    """Give what is learned; what is missing is a part of it."""
    objective = resolve_objective(estimator.objective)
    fraction = estimator.mask_fraction
    if estimator.missing == "error":
        if fraction is not None:
            raise ValueError(
                f"mask_fraction={fraction!r} is the share of known values that "
                "training hides for the sake of missing ones, and missing='error' "
                "takes none. Take missing='mask', or leave mask_fraction None; to "
                "learn from spoilt samples, take objective=Denoising(kind='mask')."
            )
        return objective
    network = estimator.network
    image = isinstance(network, ConvNetwork) or network == "conv"
    if image and len(sample_shape) == 1 and getattr(network, "axes", None) != 1:
        raise ValueError(
            "With missing='mask' a ConvNetwork takes images as images, since what is "
            "known goes in as channels. Reshape X to (n, height, width), or to "
            "(n, height, width, channels); for signals say axes=1."
        )
    if getattr(network, "image_shape", None) is not None and image:
        raise ValueError(
            "With missing='mask' a ConvNetwork takes the shape of images from X, and "
            f"got image_shape={network.image_shape!r}. Reshape X to it, and leave "
            "image_shape None."
        )
    loss = estimator.loss
    found = None if loss in ("mse", "mean_squared_error") else resolve("loss", loss)
    fraction = _AUTO_MASK_FRACTION if fraction is None else float(fraction)
    return Masking(fraction, objective, own_loss=not loss_of_values(loss, found))


def _batches(batch_size: Any, n_rows: int) -> tuple[int, int]:
    """Give the size of a batch, and how many an epoch has."""
    chosen = min(_AUTO_BATCH_SIZE if batch_size == "auto" else batch_size, n_rows)
    n_steps = math.ceil(n_rows / chosen)
    # A small last batch is a step that follows the noise of few rows.
    return math.ceil(n_rows / n_steps) if batch_size == "auto" else chosen, n_steps


def make_plan(
    estimator: Any,
    spec: Spec,
    scaling: Scaling | None,
    data: Data,
    n_steps_before: int,
    held_out: str,
    partial: bool,
) -> Plan:
    """Decide how long to train, at what rates, and what arranges the latent space.

    `n_steps_before` is the number of steps that the optimizer has taken.
    """
    batch_size, n_steps = _batches(estimator.batch_size, data.n_train)
    n_epochs = 1 if partial else _n_epochs(estimator.epochs, data.n_kinds, n_steps)
    patience = estimator.n_iter_no_change
    if patience == "auto":
        patience = max(_PATIENCE_EPOCHS, math.ceil(_PATIENCE_STEPS / n_steps))
    arrangement, arranged = None, "nothing: partial_fit leaves latent vectors in place"
    if not partial:
        facts = Facts(
            n_rows=data.n_kinds,
            latent_dim=spec.latent_dim,
            n_epochs=n_epochs,
            n_steps=n_epochs * n_steps,
            linear_latents=has_linear_latents(spec),
            early_stopping=held_out == "asked",
            shaped_by=spec.objective if shapes_latents(spec.objective) else None,
            rare=str(estimator.arrange) == "spectral" and has_rare_columns(data),
        )
        arrangement, arranged = make_arrangement(estimator.arrange, facts)
    rate, initial = _learning_rate(
        estimator, spec, math.inf if partial else n_epochs * n_steps
    )
    return Plan(
        spec=spec,
        scaling=scaling,
        n_epochs=n_epochs,
        batch_size=batch_size,
        n_steps=n_steps,
        learning_rate_init=initial,
        rates=learning_rates(
            rate,
            initial,
            estimator.optimizer,
            None if partial else n_epochs,
            n_steps_before,
        ),
        n_warm_up=warm_up_epochs(rate, estimator.optimizer, n_epochs),
        partial=partial,
        held_out=held_out,
        patience=patience,
        # A run that was told when to stop is not held to its error.
        whole=estimator.epochs == "auto" and held_out != "asked" and not partial,
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
        settled = getattr(network, "_settled", None)
        return copy_with_keras(network, "the network") if settled is None else settled()
    if is_a(network, "keras", "Model") or is_a(network, "tf_keras", "Model"):
        raise ValueError(
            f"The 'network' parameter of AutoencoderTransformer is a Keras model, "
            f"{network.name!r}. Pass KerasNetwork(encoder, decoder), or of one model "
            "KerasNetwork(model, latent_layer=...)."
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


def _resolve_path(spec: Spec) -> bool:
    """Decide whether a network of dense layers has a linear path, and where it can."""
    network = spec.network
    # A network that an older version pickled has no `linear_path`.
    asked = getattr(network, "linear_path", False)
    if asked is False:
        return False
    why_not = None
    if is_masked(spec.objective):
        why_not = "missing='error'"
    elif not has_linear_latents(spec):
        why_not = (
            "latent_activation='linear', an objective without a code of its own and a "
            "class that builds its layers as DenseNetwork does"
        )
    elif spec.output_activation not in ("linear", "sigmoid"):
        why_not = "output_activation='linear' or 'sigmoid'"
    if why_not is not None and asked is True:
        raise ValueError(
            f"DenseNetwork has linear_path=True, which takes {why_not}. Got "
            f"{spec._replace(network=None)!r}. Leave linear_path='auto' to have it "
            "where it can be had."
        )
    chosen = type(network).layer_sizes is DenseNetwork.layer_sizes and isinstance(
        network.hidden_layer_sizes, str
    )
    return why_not is None and (asked is True or chosen)


def _activation_name(activation: Any) -> Any:
    """Give Keras' own activations by name, so that NumPy finds them too."""
    name = getattr(activation, "__name__", None)
    module = getattr(activation, "__module__", None) or ""
    if name in ACTIVATIONS and module.startswith("keras."):
        return name
    return activation


def _learning_rate(estimator: Any, spec: Spec, n_steps: float) -> tuple[Any, float]:
    """Decide the schedule, and the learning rate that it starts from.

    In a short run convolutions learn more at Keras' own constant rate, and recurrent
    networks learn slowly: see the docs of the parameter.
    """
    rate, initial = estimator.learning_rate, estimator.learning_rate_init
    if initial != "auto":
        return rate, initial
    if isinstance(spec.network, RecurrentNetwork):
        return rate, 0.01
    named = isinstance(rate, str) and rate == "auto"
    named = named and isinstance(estimator.optimizer, str)
    short = isinstance(spec.network, ConvNetwork) and n_steps < _SHORT_RUN
    return ("constant", 0.001) if named and short else (rate, 0.003)


def held_out(estimator: Any, spec: Spec, data: Data, partial: bool, new: bool) -> str:
    """Decide whether rows are set aside, to keep the weights that are best on them.

    See `Plan.held_out`. "auto" takes a run of a length of its own, from PCA on.
    """
    asked = estimator.early_stopping
    if partial or asked is False:
        return ""
    if asked is True:
        return "asked"
    least, most = _FEW_ROWS
    # What latent vectors are asked to be like is learned, whatever it costs.
    plain = estimator.epochs == "auto" and not shapes_latents(spec.objective)
    plain = plain and (estimator.arrange is None or isinstance(estimator.arrange, str))
    if not (new and plain and data.n_kinds >= least and has_path(spec.network)):
        return ""
    few = spec.objective is None and data.n_kinds <= most
    # Of words, each of which few texts have, many texts are few, too.
    return "auto" if few or has_rare_columns(data) else ""


def _n_epochs(epochs: Any, n_kinds: int, n_steps: int) -> int:
    if epochs != "auto":
        return epochs
    wanted = max(_AUTO_STEPS_OF_ROOT * math.sqrt(n_kinds), _AUTO_STEPS_OF_ROW * n_kinds)
    return max(math.ceil(min(wanted, _AUTO_STEPS) / n_steps), _AUTO_MIN_EPOCHS)
