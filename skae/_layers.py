"""Sizes and chains of layers, of which networks are made."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from itertools import pairwise
from numbers import Integral
from typing import NamedTuple

# How near to 0 and 1 the linear path may come where it ends in the logits of a sigmoid.
LEAST_OUTPUT = 0.01


def auto_layer_sizes(n_features):
    if n_features >= 256:
        return (256, 128, 512)
    return (min(max(4 * n_features, 32), 128),) * 2


def read_sizes(network, name):
    """Read a parameter of positive integers, or say what is wrong with it."""
    value = getattr(network, name)
    sizes = tuple(value)
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(
            f"The {name!r} parameter of {type(network).__name__} must hold positive "
            f"integers only. Got {value!r} instead."
        )
    return tuple(int(size) for size in sizes)


def chain_shapes(sizes):
    """Give the shapes of the kernels and the biases of a chain of dense layers."""
    return [shape for pair in pairwise(sizes) for shape in (pair, pair[1:])]


def has_path(network):
    """Tell whether a network has a linear path, once "auto" is decided."""
    return getattr(network, "linear_path", False) is True


class Ends(NamedTuple):
    """Numbers of the weights that begin or end at samples or at latent vectors."""

    # Kernels, each with the bias that is added to what it gives.
    from_samples: tuple[tuple[int, int], ...]
    to_samples: tuple[tuple[int, int], ...]
    # Kernels and biases alike; of the path last.
    to_latents: tuple[int, ...]
    from_latents: tuple[int, ...]


def ends(n_encoder, path):
    """Give the ends of dense layers, of which the encoder has so many weights.

    `path` says whether there is a linear path, whose weights come after the others of
    the encoder and of the decoder.
    """
    if not path:
        latent = n_encoder - 2, n_encoder - 1
        return Ends(((0, 1),), ((-2, -1),), latent, (n_encoder,))
    bias, kernel = n_encoder - 2, n_encoder - 1
    return Ends(
        from_samples=((0, 1), (kernel, bias)),
        to_samples=((-4, -3), (-2, -1)),
        to_latents=(n_encoder - 3, bias, kernel),
        from_latents=(n_encoder, -2),
    )


def path_shapes(n_features, latent_dim):
    """Give the shapes of the linear path: of the encoder, and of the decoder."""
    return [(n_features, latent_dim)], [(latent_dim, n_features), (n_features,)]


def chain(x, prefix, sizes, activation, last_activation, last_kernel="glorot_uniform"):
    from keras import layers

    for i, units in enumerate(sizes):
        last = i == len(sizes) - 1
        x = layers.Dense(
            units,
            activation=last_activation if last else activation,
            kernel_initializer=last_kernel if last else "glorot_uniform",
            name=f"{prefix}_dense_{i}",
        )(x)
    return x


def chain_with_path(x, prefix, sizes, activation, last_activation):
    """Connect a chain of dense layers and, beside it, a linear path.

    The path of a decoder that ends in a sigmoid gives an output, whose logits are added
    to those of the chain.
    """
    from keras import Input, Model, layers, ops

    decoder = prefix == "decoder"
    beside = chain(x, prefix, sizes, activation, "linear", "zeros")
    path = layers.Dense(
        sizes[-1], use_bias=decoder, kernel_initializer="zeros", name=f"{prefix}_path"
    )
    if decoder and last_activation == "sigmoid":
        # One layer of the model, so that its weights come after those of the chain.
        start = Input(x.shape[1:], dtype=x.dtype)
        end = ops.clip(path(start), LEAST_OUTPUT, 1 - LEAST_OUTPUT)
        path = Model(start, ops.log(end / (1 - end)), name=f"{prefix}_logits")
    path = path(x)
    x = layers.Add(name=f"{prefix}_sum")([beside, path])
    if last_activation == "linear":
        return x
    return layers.Activation(last_activation, name=f"{prefix}_activation")(x)


def is_chain(network):
    """Tell whether a network is nothing but the chain that its `layer_sizes` names.

    A class that has overridden what builds the layers, and not said anew how many
    units they have, is another network than the one it derives from.
    """
    return _says_last("layer_sizes", network)


def has_linear_ends(network):
    """Tell whether plain dense layers lie before and after the latent vector.

    They do in the networks of skae, and in those that derive from them and build their
    layers as they do.
    """
    return _says_last("_weight_shapes", network)


def _says_last(name, network):
    """Tell whether no class overrides what builds the layers of one that has `name`."""
    if {"build_encoder", "build_decoder"} & {*vars(network)}:
        return False
    for cls in type(network).__mro__:
        if name in vars(cls):
            return True
        if {"build_encoder", "build_decoder"} & {*vars(cls)}:
            return False
    return False
