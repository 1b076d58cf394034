"""Sizes and chains of layers, of which networks are made."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from itertools import pairwise
from numbers import Integral


def with_channels(shape):
    """Give (height, width) its one channel; leave (height, width, channels)."""
    return (*shape, 1) if len(shape) == 2 else tuple(shape)


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


def chain(x, prefix, sizes, activation, last_activation):
    from keras import layers

    for i, units in enumerate(sizes):
        last = i == len(sizes) - 1
        x = layers.Dense(
            units,
            activation=last_activation if last else activation,
            name=f"{prefix}_dense_{i}",
        )(x)
    return x


def image_shape(network, sample_shape):
    """Give the (*size, channels) shape that a sample has for a convolution."""
    n_features = math.prod(sample_shape)
    given = network.image_shape
    if given is not None:
        given = read_sizes(network, "image_shape")
        if len(given) not in (2, 3) or math.prod(given) != n_features:
            raise ValueError(
                "`image_shape` of ConvNetwork must be (height, width) or (height, "
                f"width, channels) and hold the {n_features} features of a sample; "
                f"got {network.image_shape!r}. Leave it None to take the shape from "
                "image-shaped samples."
            )
        if len(sample_shape) > 1 and with_channels(given) != with_channels(
            sample_shape
        ):
            raise ValueError(
                f"ConvNetwork has image_shape={network.image_shape!r}, but the "
                f"samples are images of shape {sample_shape}. Leave `image_shape` "
                "None for image-shaped samples."
            )
        return with_channels(given)
    if len(sample_shape) > 1:
        return with_channels(sample_shape)
    side = math.isqrt(n_features)
    return (side, side, 1) if side**2 == n_features else (n_features, 1)


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
