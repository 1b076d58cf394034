"""Layers of the user's models, connected to the samples and latent vectors of a fit."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import inspect
import math
from typing import Any

from skae._copies import remembered
from skae._cutting import cut_in_two, is_graph, only, packed, plan_cut

# What functions that build an encoder or a decoder may ask for by name.
ENCODER = {"latent_dim", "activation", "latent_activation"}
DECODER = {"output_shape", "activation", "output_activation"}
# Layers that give values as they are, in other places.
_MOVING = {"Flatten", "Reshape", "Permute", "Cropping1D", "Cropping2D", "Cropping3D"}


class Building:
    """The parts of a network while its models are built, with layers of their own.

    `offered` is what a function that builds a whole autoencoder may ask for.
    """

    def __init__(
        self, parts: Any, latent_layer: str | int | None, offered: dict[str, Any]
    ):
        self._encoder, self._decoder = parts.make()
        self._latent_layer = latent_layer
        self._offered = offered
        _forget_graph(self._encoder)
        _forget_graph(self._decoder)

    def build_encoder(self, inputs: Any, **given: Any) -> Any:
        """Connect the encoder to samples."""
        if self._latent_layer is not None:
            self._encoder, self._decoder = _halves(
                self._encoder, self._latent_layer, inputs, {**self._offered, **given}
            )
        code = _built(self._encoder, "encoder", inputs, ENCODER, given)
        if None in code.shape[1:]:
            raise ValueError(
                "The encoder of KerasNetwork gives latent vectors of shape "
                f"{code.shape}, and their size must be known. Give the model an Input "
                "of the whole shape of a sample, or end it in a layer that pools."
            )
        return code if len(code.shape) == 2 else _reshaped(code, (-1,))

    def build_decoder(self, latents: Any, **given: Any) -> Any:
        """Connect the decoder to latent vectors."""
        outputs = _built(self._decoder, "decoder", latents, DECODER, given)
        got, shape = tuple(outputs.shape[1:]), tuple(given["output_shape"])
        if got == shape:
            return outputs
        if None not in got and math.prod(got) != math.prod(shape):
            raise ValueError(
                f"The decoder of KerasNetwork gives reconstructions of shape {got}, "
                f"and samples have shape {shape}. Expected as many values: give a "
                "decoder that ends in them, or a function with a parameter "
                "output_shape, which builds one."
            )
        return _reshaped(outputs, shape)


def asked_for(part: Any) -> set[str]:
    """Give the names of what a function takes beside a tensor."""
    if not callable(part):
        return set()
    others = _parameters(part)[_takes_tensor(part) :]
    if any(other.kind is inspect.Parameter.VAR_KEYWORD for other in others):
        return ENCODER | DECODER
    return {other.name for other in others}


def _parameters(function: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _takes_tensor(function: Any) -> bool:
    """Tell whether the first parameter of a function is not asked for by its name."""
    named = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD
    first = _parameters(function)[:1]
    return any(p.name not in ENCODER | DECODER and p.kind not in named for p in first)


def asked_names(parts: Any) -> set[str]:
    """Give the names of what functions ask for, of what their parts are offered."""
    of_encoder = ENCODER if parts.decoder is not None else ENCODER | DECODER
    offered = ((parts.encoder, of_encoder), (parts.decoder, DECODER))
    return {name for part, names in offered for name in asked_for(part) & names}


def last_activation(model: Any) -> Any:
    """Give the name of the activation that a model ends in, or None."""
    import keras

    for last in reversed(model.operations):
        if type(last).__name__ not in _MOVING:
            if hasattr(last, "operations"):
                return last_activation(last)
            activation = getattr(last, "activation", None)
            name = getattr(activation, "__name__", "")
            known = getattr(keras.activations, name, None)
            return name if known is activation and name else None
    return None


def _built(
    part: Any, role: str, x: Any, names: set[str], offered: dict[str, Any]
) -> Any:
    """Connect a part, or what the user's function makes of a tensor."""
    if isinstance(part, list) or _is_layer(part):
        return _connected(part, role, x)
    asked = asked_for(part) & names
    with remembered() as made:
        tensor = (x,) if _takes_tensor(part) else ()
        given = part(*tensor, **{name: offered[name] for name in sorted(asked)})
    if hasattr(given, "_keras_history"):
        return given
    layers = given if isinstance(given, (list, tuple)) else [given]
    for layer in layers:
        if not _is_layer(layer):
            raise TypeError(
                f"Expected of the function that builds the {role} of KerasNetwork a "
                f"Keras tensor, a model, a layer or a list of layers. Got {layer!r}."
            )
    # A model that was there before keeps its graph, and is called as it is.
    new = {id(variable) for variable in made}
    variables = [v for layer in layers for v in layer.variables]
    held = not variables or any(id(v.value) not in new for v in variables)
    if not held:
        _forget_graph(given)
    return _connected(given, role, x, held)


def _connected(part: Any, role: str, x: Any, held: bool = False) -> Any:
    """Connect a sequence of layers, or those of a model by themselves.

    Those of a model that is `held` stay in it.
    """
    import keras

    if isinstance(part, keras.Sequential) and not held:
        x, part = _fitting(x, part, role), part.layers
    for layer in part if isinstance(part, (list, tuple)) else [part]:
        x = _fitting(x, layer, role)
        inline = layer is part and is_graph(layer) and not held
        try:
            given = (layer.call if inline else layer)(packed(layer, x))
        except Exception as error:
            raise ValueError(
                f"The layer {layer.name!r} of the {role} of KerasNetwork does not take "
                f"what it gets here, of shape {tuple(x.shape)}. Give X another shape, "
                f"or a function that builds the {role} for it. Keras says: {error}"
            ) from error
        x = only(keras.tree.flatten(given), "output")
    return x


def _fitting(x: Any, layer: Any, role: str) -> Any:
    """Give a tensor the shape that a layer takes, if it holds as many values."""
    given = tuple(x.shape[1:])
    inputs = getattr(layer, "inputs", None) if hasattr(layer, "layers") else None
    if not inputs:
        least = getattr(getattr(layer, "input_spec", None), "min_ndim", None) or 0
        return _reshaped(x, (*given, 1)) if least == len(x.shape) + 1 else x
    only(layer.outputs, "output")
    wanted = tuple(only(inputs, "input").shape[1:])
    for shape in (given, (*given, 1)):
        if len(shape) == len(wanted) and all(
            n in (None, m) for n, m in zip(wanted, shape, strict=True)
        ):
            return x if shape == given else _reshaped(x, shape)
    if None in (*wanted, *given) or math.prod(wanted) != math.prod(given):
        what = "samples" if role == "encoder" else "latent vectors"
        raise ValueError(
            f"The {role} of KerasNetwork takes inputs of shape {wanted}, and the "
            f"{what} have shape {given}. Expected as many values: give a model for "
            f"them, or a function that builds the {role} from what it gets."
        )
    return _reshaped(x, wanted)


def _reshaped(x: Any, shape: tuple[int | None, ...]) -> Any:
    import keras

    # Names of their own, as models of other processes have those that Keras numbers.
    name = f"as_{'_by_'.join(map(str, shape))}_{x._keras_history.operation.name}"
    if shape == (-1,):
        return keras.layers.Flatten("channels_last", name="as_latent_vector")(x)
    return keras.layers.Reshape(shape, name=name)(x)


def _halves(
    whole: Any, latent_layer: str | int, inputs: Any, offered: dict[str, Any]
) -> tuple[Any, Any]:
    """Cut an autoencoder at its latent layer."""
    import keras

    if callable(whole) and not _is_layer(whole):
        samples = keras.Input(inputs.shape[1:], dtype=inputs.dtype)
        outputs = _built(whole, "encoder", samples, ENCODER | DECODER, offered)
        whole = keras.Model(samples, outputs)
    if isinstance(whole, list):
        whole = keras.Sequential(whole)
    if not hasattr(whole, "layers"):
        raise ValueError(
            "KerasNetwork has latent_layer, and expects a model that has layers. Got "
            f"{whole!r}."
        )
    shape = tuple(inputs.shape[1:])
    cut = plan_cut(whole, latent_layer, shape, inputs.dtype)
    encoder, decoder = cut_in_two(whole, cut)
    if decoder is None:
        raise ValueError(
            "The output of the model depends on more than its latent layer "
            f"{latent_layer!r}: layers before it lead past it. Remove that connection, "
            "or name a later layer."
        )
    _forget_graph(encoder)
    _forget_graph(decoder)
    return encoder, decoder


def _is_layer(value: Any) -> bool:
    import keras

    return isinstance(value, keras.layers.Layer)


def _forget_graph(model: Any) -> None:
    """Let the layers of a model forget their places in its graph.

    The model still knows them, and can be called; where that is done is then the only
    place of a layer, which is what who asks it for its output expects.
    """
    import keras

    if is_graph(model) or isinstance(model, keras.Sequential):
        for operation in model.operations if is_graph(model) else model.layers:
            operation._inbound_nodes.clear()
            operation._outbound_nodes.clear()
