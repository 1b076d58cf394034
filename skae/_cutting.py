"""A Keras model, cut in two at its latent layer."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from typing import Any, NamedTuple


class Cut(NamedTuple):
    """Where a network is cut, and the input that it takes."""

    latent_layer: str
    input_shape: tuple[int | None, ...]
    input_dtype: str


def plan_cut(
    model: Any, latent_layer: str | int, sample_shape: tuple[int, ...], dtype: str
) -> Cut:
    """Say where to cut `model`; one not built yet takes samples as they are."""
    # An index would count the input layer in some kinds of network, not in others.
    name = _find_layer(model, latent_layer).name
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return Cut(name, sample_shape, dtype)
    inputs = only(inputs, "input")
    return Cut(name, tuple(inputs.shape[1:]), inputs.dtype)


def only(tensors: list[Any], role: str) -> Any:
    """Return the only input or output of a network."""
    if len(tensors) != 1:
        raise ValueError(
            f"Expected a network with one {role}. Received one with {len(tensors)}. "
            "Join them inside the function that builds the network."
        )
    return tensors[0]


def cut_in_two(model: Any, cut: Cut) -> tuple[Any, Any]:
    """Return the encoder, and the decoder where the latent vector suffices for it.

    Both share the layers of `model`.
    """
    import keras

    latent_layer = _find_layer(model, cut.latent_layer)
    latents: list[Any] = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        if layer is latent_layer:
            latents.append(output)
        return output

    graph = keras.models.clone_model(
        as_graph(model, cut), clone_function=lambda layer: layer, call_function=call
    )
    if len(latents) != 1 or not hasattr(latents[0], "shape"):
        raise ValueError(
            "Expected a latent layer that is called once and has one output. Received "
            f"latent_layer={cut.latent_layer!r}, called {len(latents)} times or with "
            f"several outputs. Choose another layer: {_names(model)}."
        )
    if None in latents[0].shape[1:]:
        raise ValueError(
            "Expected latent vectors of a known size. Received a latent layer with "
            f"output shape {latents[0].shape}. Give the network's input its full shape."
        )
    output = only(graph.outputs, "output")
    if output is latents[0]:
        raise ValueError(
            "Expected a latent layer before the last one. Received "
            f"latent_layer={cut.latent_layer!r}, which gives the output of the "
            f"network. Choose another layer: {_names(model)}."
        )
    return keras.Model(graph.inputs[0], latents[0]), _decoder(latents[0], output)


def _decoder(latent: Any, output: Any) -> Any:
    """Return the layers after the latent one, or None if others lead past it."""
    import keras

    try:
        decoder = keras.Model(latent, output)
    except ValueError:
        return None
    # Keras 3.8 does not refuse, but adds the input that is missing.
    inputs = [x for x in decoder.layers if isinstance(x, keras.layers.InputLayer)]
    return decoder if len(inputs) == 1 else None


def _find_layer(model: Any, latent_layer: str | int) -> Any:
    """Look a layer up by its name or by its index in `model.layers`."""
    layers = model.layers
    if isinstance(latent_layer, str):
        found = [layer for layer in layers if layer.name == latent_layer]
    else:
        inside = -len(layers) <= latent_layer < len(layers)
        found = [layers[latent_layer]] if inside else []
    if not found:
        raise ValueError(
            "Expected latent_layer to be the name or index of a layer of the network. "
            f"Received {latent_layer!r}; the {len(layers)} layers are {_names(model)}. "
            "Choose one of these, or name the layer in the function that builds the "
            "network."
        )
    return found[0]


def _names(model: Any) -> str:
    """List the names of the layers, as in an error message."""
    return ", ".join(repr(layer.name) for layer in model.layers)


def as_graph(model: Any, cut: Cut) -> Any:
    """Express a Sequential, functional or subclassed model as a graph of its layers."""
    import keras

    inputs = keras.Input(cut.input_shape, dtype=cut.input_dtype)
    try:
        if not model.built:
            model(inputs)
        return keras.Model(inputs, model.call(packed(model, inputs)))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            "Expected a network that is a graph of Keras layers, taking samples of "
            f"shape {cut.input_shape}. Received a {type(model).__name__} that could "
            "not be followed from its input to its output (the cause is above). Build "
            "it with the functional API, or use only Keras layers and keras.ops in "
            "its call method."
        ) from error


def packed(model: Any, x: Any) -> Any:
    """Give the one input of a model as it takes it: in a list, or by a name."""
    import keras

    return keras.tree.pack_sequence_as(model.input, [x]) if is_graph(model) else x


def is_graph(model: Any) -> bool:
    """Tell whether a model is one of the functional API, and of no class of its own."""
    of_keras = type(model).__module__.startswith("keras.")
    return of_keras and hasattr(model, "_nodes_by_depth")
