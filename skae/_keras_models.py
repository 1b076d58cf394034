"""A network that is made of the user's Keras models."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import inspect
import pickle
from collections import OrderedDict
from numbers import Integral
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import validate_parameter_constraints

from skae._connecting import Building, asked_names, last_activation
from skae._fingerprints import fingerprint
from skae._layer_values import WHAT, Parts, parts_of
from skae._models import Spec, find_sizes

__all__ = ["KerasNetwork"]

_PARTS = ("encoder", "decoder")
# What a finished model has settled, and a function may ask for.
_SETTLED = ("activation", "latent_activation", "output_activation")
# Sizes of latent vectors that models were found to have; each takes a build.
_MAX_FOUND = 64
_found: OrderedDict = OrderedDict()


class KerasNetwork(BaseEstimator):
    """A network of Keras models that you have, or of functions that build them.

    The models are copied, and never trained or changed themselves. With `keep_weights`
    training starts from their weights; layers that are frozen stay frozen.

    Parameters
    ----------
    encoder : keras.Model, keras.layers.Layer, list of layers or callable
        What maps samples to latent vectors; with `latent_layer` the whole autoencoder.
        A model has one input and one output. A list of layers is a sequence of them.
        A function is called with a Keras tensor that stands for a batch of samples,
        and with those of `latent_dim`, `activation` and `latent_activation` that it
        names as parameters. It gives the tensor of latent vectors, or a model or
        layers that the samples are to go through; one that has no parameters, or whose
        first one is among these, needs no tensor.

    decoder : keras.Model, keras.layers.Layer, list of layers, callable or None, \
            default=None
        What maps latent vectors to samples, likewise; a function is called with the
        tensor of latent vectors, and with those of `output_shape`, `activation` and
        `output_activation` that it names. None where `latent_layer` says where the
        decoder begins.

    latent_layer : str, int or None, default=None
        The layer of an autoencoder whose output is the latent vector, by its name or
        its index in `model.layers`. None where encoder and decoder are given apart.

    keep_weights : bool, default=False
        Whether training starts from the weights of the models, in each `fit` anew.
        False draws new ones by the initializers of the layers, as `random_state` says.
        In either case, frozen layers keep their weights, and so do those that training
        does not change, such as an adapted `Normalization`. What a function gives
        starts as the function leaves it: from weights that it has set or loaded, or
        from new ones.

    See Also
    --------
    DenseNetwork : A network of dense layers, for tables.
    KerasAutoencoderTransformer : A Keras autoencoder, trained through scikeras.

    Notes
    -----
    A finished model settles its latent size and its activations. `latent_dim` of the
    transformer may be left as it is, and is then the model's; `activation`,
    `latent_activation` and `output_activation` must be left as they are, unless a
    function takes them. Anything else is refused, as is a model that does not go with
    the samples. A sample is handed to a model in the shape of the model's input when it
    holds that number of values, and a latent vector likewise: images may be flat to
    a convolutional model, and latents may be feature maps.

    Layers are made anew of what their `get_config` gives, with their weights, also
    those of classes of your own; `save` takes those of Keras alone, and a pickle asks
    for classes that can be imported. A Python function in a `Lambda` layer, or as an
    activation, has no place in a configuration: give a function that builds the
    layers, or register it by `keras.saving.register_keras_serializable`.

    Examples
    --------
    >>> import keras
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, KerasNetwork
    >>> X = load_digits().data / 16
    >>> encoder = keras.Sequential(
    ...     [
    ...         keras.Input((64,)),
    ...         keras.layers.Dense(32, activation="relu"),
    ...         keras.layers.Dense(5),
    ...     ]
    ... )
    >>> decoder = keras.Sequential(
    ...     [
    ...         keras.Input((5,)),
    ...         keras.layers.Dense(32, activation="relu"),
    ...         keras.layers.Dense(64, activation="sigmoid"),
    ...     ]
    ... )
    >>> ae = AutoencoderTransformer(network=KerasNetwork(encoder, decoder), epochs=2)
    >>> ae.fit_transform(X).shape
    (1797, 5)

    Functions adapt to the data, and can take what is to be searched:

    >>> def build_encoder(inputs, latent_dim, activation):
    ...     x = keras.layers.Dense(32, activation=activation)(inputs)
    ...     return keras.layers.Dense(latent_dim)(x)
    >>> def build_decoder(latents, output_shape):
    ...     return [keras.layers.Dense(32), keras.layers.Dense(output_shape[0])]
    >>> network = KerasNetwork(build_encoder, build_decoder)
    >>> ae = AutoencoderTransformer(3, network=network, epochs=2)
    >>> ae.fit_transform(X).shape
    (1797, 3)
    """

    _parameter_constraints = {
        "latent_layer": [str, Integral, None],
        "keep_weights": ["boolean"],
    }

    def __init__(self, encoder, decoder=None, *, latent_layer=None, keep_weights=False):
        self.encoder = encoder
        self.decoder = decoder
        self.latent_layer = latent_layer
        self.keep_weights = keep_weights

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        """Connect the encoder's layers to an input.

        Parameters
        ----------
        inputs : keras.KerasTensor of shape (None, ...)
            Stands for a batch of samples.

        latent_dim : int
            The size of a latent vector, for a function that asks for it.

        activation : str or callable
            The activation of the hidden layers, likewise.

        latent_activation : str or callable
            The activation of the latent layer, likewise.

        Returns
        -------
        latents : keras.KerasTensor of shape (None, latent_dim)
            The encoder's output.
        """
        given = {
            "latent_dim": latent_dim,
            "activation": activation,
            "latent_activation": latent_activation,
        }
        return self._settled().begin_building(given).build_encoder(inputs, **given)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        """Connect the decoder's layers to a latent vector.

        Parameters
        ----------
        latents : keras.KerasTensor of shape (None, latent_dim)
            Stands for a batch of latent vectors.

        output_shape : tuple of int
            The shape of a sample.

        activation : str or callable
            The activation of the hidden layers, for a function that asks for it.

        output_activation : str or callable
            The activation of the last layer, likewise.

        Returns
        -------
        outputs : keras.KerasTensor of shape (None, ...)
            The decoder's output.
        """
        given = {
            "output_shape": output_shape,
            "activation": activation,
            "output_activation": output_activation,
        }
        return self._settled().begin_building(given).build_decoder(latents, **given)

    def _settled(self):
        """Give what a fit starts from, as values."""
        validate_parameter_constraints(
            self._parameter_constraints,
            {name: getattr(self, name) for name in self._parameter_constraints},
            caller_name=WHAT,
        )
        parts = parts_in(self)
        _check_parts(parts, self.latent_layer)
        layers = parts.layers
        if self.keep_weights and not (layers.n_arrays or parts.functions):
            raise ValueError(
                "KerasNetwork has keep_weights=True, and its layers have no weights "
                "yet: they get some when a model is built, for instance by an Input of "
                "its own. Give layers that are built, or keep_weights=False."
            )
        parts = parts._replace(layers=layers.as_starts(self.keep_weights))
        return Settled(parts, self.latent_layer)

    # ------------------------------------------------------------ copies, pickles

    def _of(self, parts):
        """Give a copy that holds values."""
        copied = type(self).__new__(type(self))
        kept = {k: v for k, v in vars(self).items() if k not in (*_PARTS, "_parts")}
        copied.__dict__ = {**kept, "_parts": parts}
        return copied

    def __getattr__(self, name):
        # A copy makes Keras layers when they are first asked for.
        if name not in _PARTS or "_parts" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        made = dict(zip(_PARTS, self._parts.make(), strict=True))
        kept = {k: v for k, v in vars(self).items() if k != "_parts"}
        self.__dict__ = {**made, **kept}
        return vars(self)[name]

    def __copy__(self):
        copied = type(self).__new__(type(self))
        copied.__dict__ = {**vars(self)}
        return copied

    def __deepcopy__(self, memo):
        return self._of(parts_in(self))

    def __sklearn_clone__(self):
        return self._of(parts_in(self))

    def __getstate__(self):
        parts = parts_in(self)
        for cls in parts.layers.classes:
            _refuse_lost(cls)
        return vars(self._of(parts))


def parts_in(network: Any) -> Parts:
    """Give the layers of a network as values, and its functions as they are."""
    if isinstance(network, Settled):
        return network.parts
    held = vars(network)
    if "_parts" in held and not {*_PARTS} & {*held}:
        return held["_parts"]
    return parts_of(network.encoder, network.decoder)


def network_of(parts: Parts, latent_layer: Any, keep_weights: bool) -> KerasNetwork:
    """Give a network that makes its layers when it is asked for them."""
    network = KerasNetwork(None, latent_layer=latent_layer, keep_weights=keep_weights)
    return network._of(parts)


class Settled:
    """What a fit starts from, and its programs know: layers as values, and functions.

    It is not changed once it is made.
    """

    def __init__(self, parts: Parts, latent_layer: str | int | None):
        self.parts, self.latent_layer = parts, latent_layer

    def __deepcopy__(self, memo: dict) -> "Settled":
        return self

    def begin_building(self, offered: dict[str, Any]) -> Building:
        """Give an object that connects layers of its own, the same ones in both parts.

        Encoder and decoder may share some.
        """
        return Building(self.parts, self.latent_layer, offered)

    def specified(self, spec: Spec, estimator: Any) -> Spec:
        """Take from the models what they settle, and refuse what they can't follow."""
        asked = asked_names(self.parts)
        defaults = inspect.signature(type(estimator)).parameters
        for name in _SETTLED:
            given, default = getattr(estimator, name), defaults[name].default
            if name not in asked and given != default:
                raise ValueError(
                    f"KerasNetwork settles its activations, and got {name}={given!r}: "
                    f"leave it {default!r}, and choose activations in the layers, or "
                    f"give a function that builds them and has a parameter {name}."
                )
        key = fingerprint(tuple(spec._replace(loss=None, optimizer=None)))
        found = _found.get(key)
        if found is None:
            free = spec.latent_dim == defaults["latent_dim"].default
            found = _found[key] = _find(spec, asked, free)
            while len(_found) > _MAX_FOUND:
                _found.popitem(last=False)
        return spec._replace(**found)


def _check_parts(parts: Parts, latent_layer: Any) -> None:
    if parts.encoder is None or (parts.decoder is None) == (latent_layer is None):
        raise ValueError(
            "KerasNetwork takes an encoder and a decoder, or one model and its "
            "latent_layer. Got "
            + ("a" if parts.decoder is not None else "no")
            + f" decoder and latent_layer={latent_layer!r}."
        )


def _find(spec: Spec, asked: set[str], free: bool) -> dict[str, Any]:
    """Build the models, and find what they have settled.

    `free` says that nobody has chosen `latent_dim`.
    """
    settled = "latent_dim" not in asked
    try:
        found, decoder = find_sizes(
            spec, lambda size: _latent_dim(spec, size, free and settled)
        )
    except ValueError as error:
        if not getattr(spec.objective, "masks", False):
            raise
        raise ValueError(
            f"{error} With missing='mask' the encoder gets the values and, beside "
            "them, which of them are known: twice as many, for images as channels."
        ) from error
    activation = found.output_activation
    if "output_activation" not in asked:
        activation = last_activation(decoder)
    return {"latent_dim": found.latent_dim, "output_activation": activation}


def _latent_dim(spec: Spec, size: int, free: bool) -> int:
    """Give the size of the latent vectors whose code has a size."""
    if spec.code_size == size:
        return spec.latent_dim
    sizes = range(1, size + 1)
    fitting = [n for n in sizes if spec._replace(latent_dim=n).code_size == size]
    if free and fitting:
        return fitting[0]
    code = "" if fitting == [size] else f" for {fitting} of {spec.objective!r}"
    raise ValueError(
        f"latent_dim={spec.latent_dim} does not go with the encoder of KerasNetwork, "
        f"which gives {size} values{code}. Leave `latent_dim` as it is by default to "
        "have what the encoder gives, or give a function that builds the encoder and "
        "has a parameter latent_dim."
    )


def _refuse_lost(cls: type) -> None:
    try:
        pickle.dumps(cls)
    except Exception as error:
        raise TypeError(
            f"Can't pickle layers of `{cls.__qualname__}`: {error}. Define the class "
            "at the top of a module."
        ) from error
