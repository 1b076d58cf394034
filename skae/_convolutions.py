"""Convolutions of `ConvNetwork`: along which axes they go, and their layers."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from itertools import pairwise
from numbers import Integral

from skae._layers import chain_shapes, read_sizes

# By the number of axes: what samples are called, and the sizes that one has.
_SAMPLES = {1: "signals", 2: "images", 3: "volumes"}
_SIZES = {
    1: ("steps",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}


def conv_layout(network, sample_shape):
    """Give the filters and kernel sizes of convolutions, and the shape they take."""
    filters = read_sizes(network, "filters")
    if not filters:
        raise ValueError(
            "ConvNetwork needs at least one convolution: expected `filters` to "
            "hold one positive integer or more, got an empty sequence. For a "
            "network without convolutions use DenseNetwork."
        )
    kernels = (network.kernel_size,) * len(filters)
    if not isinstance(network.kernel_size, Integral):
        kernels = read_sizes(network, "kernel_size")
    if len(kernels) != len(filters):
        raise ValueError(
            f"ConvNetwork has {len(filters)} convolutions: expected `kernel_size` "
            f"to be one integer or {len(filters)} of them, got "
            f"{network.kernel_size!r}."
        )
    return filters, kernels, _shape_with_channels(network, tuple(sample_shape))


def conv_shapes(network, sample_shape, latent_dim):
    """Give the shape of every weight of convolutions, without building a layer."""
    filters, kernels, (*size, channels) = conv_layout(network, sample_shape)
    convs: list = []
    deconvs: list = []
    widths = pairwise((channels, *filters))
    for kernel, (outer, inner) in zip(kernels, widths, strict=True):
        window = (kernel,) * len(size)
        convs += [(*window, outer, inner), (inner,)]
        deconvs = [(*window, outer, inner), (outer,), *deconvs]
    hidden = read_sizes(network, "hidden_layer_sizes")
    n_flat = math.prod(coarse_size(network, size)) * filters[-1]
    dense = chain_shapes((n_flat, *hidden, latent_dim, *hidden[::-1], n_flat))
    return [*convs, *dense, *deconvs]


def coarse_size(network, size):
    """Give the size of the feature maps of the last convolution."""
    shrunk = network.strides ** len(read_sizes(network, "filters"))
    # "same" convolutions round up.
    return [-(-s // shrunk) for s in size]


def conv_layer(x, n_axes, *, transposed, name, filters, kernel, strides, activation):
    """Connect a convolution, or a transposed one, along so many axes."""
    from keras import layers

    layer = getattr(layers, f"Conv{n_axes}D{'Transpose' * transposed}")
    return layer(
        filters,
        kernel,
        strides=strides,
        padding="same",
        data_format="channels_last",
        activation=activation,
        name=name,
    )(x)


def crop(x, size):
    """Leave out what transposed convolutions give beyond the size of a sample."""
    from keras import layers

    excess = [(0, have - want) for have, want in zip(x.shape[1:-1], size, strict=True)]
    if not any(after for _, after in excess):
        return x
    if len(size) == 1:
        return layers.Cropping1D(excess[0], name="crop")(x)
    cropping = layers.Cropping2D if len(size) == 2 else layers.Cropping3D
    return cropping(excess, data_format="channels_last", name="crop")(x)


def _shape_with_channels(network, sample_shape):
    """Give the (*size, channels) shape that a sample has for a convolution."""
    n_axes = _n_axes(network, sample_shape)
    if network.image_shape is not None:
        shape = _given_shape(network, sample_shape, n_axes)
    elif len(sample_shape) > 1:
        shape = sample_shape
        if len(shape) not in (n_axes, n_axes + 1):
            samples, sizes = _SAMPLES[n_axes], ", ".join(_SIZES[n_axes])
            raise ValueError(
                f"ConvNetwork has axes={n_axes}, which takes {samples}, (n_samples, "
                f"{sizes}) or (n_samples, {sizes}, channels). Got samples of shape "
                f"{sample_shape}. Reshape X, or choose the number of axes that it has."
            )
        _refuse_channels_first(shape, n_axes)
    elif n_axes == 2:
        shape = (_side(network, *sample_shape),) * 2
    elif n_axes == 3:
        raise ValueError(
            "ConvNetwork has axes=3, and samples are flat. Say what their "
            f"{sample_shape[0]} features are by image_shape=(depth, height, width) or "
            "(depth, height, width, channels)."
        )
    else:
        shape = sample_shape
    return (*shape, 1) if len(shape) == n_axes else tuple(shape)


def _n_axes(network, sample_shape):
    """Give the number of axes to convolve along."""
    # A network that an older version pickled has no `axes`.
    axes = getattr(network, "axes", None)
    if axes is not None:
        return int(axes)
    if network.image_shape is not None:
        return 3 if len(network.image_shape) == 4 else 2
    if len(sample_shape) == 1:
        return 2 if math.isqrt(sample_shape[0]) ** 2 == sample_shape[0] else 1
    return 3 if len(sample_shape) == 4 else 2


def _side(network, n_features):
    side = math.isqrt(n_features)
    if side**2 != n_features:
        raise ValueError(
            f"ConvNetwork has axes=2, and the {n_features} features of a sample are no "
            "square image. Say which it is by image_shape=(height, width)."
        )
    return side


def _given_shape(network, sample_shape, n_axes):
    """Check `image_shape` against the samples."""
    n_features = math.prod(sample_shape)
    given = read_sizes(network, "image_shape")
    if len(given) not in (n_axes, n_axes + 1) or math.prod(given) != n_features:
        sizes = ", ".join(_SIZES[n_axes])
        plain = f"({sizes})" if n_axes > 1 else f"({sizes},)"
        raise ValueError(
            f"`image_shape` of ConvNetwork must be {plain} or ({sizes}, channels) and "
            f"hold the {n_features} features of a sample; got {network.image_shape!r}. "
            "Leave it None to take the shape from samples that have one; for a signal "
            "say axes=1, for a volume axes=3."
        )

    def with_channels(shape):
        return (*shape, 1) if len(shape) == n_axes else tuple(shape)

    if len(sample_shape) > 1 and with_channels(given) != with_channels(sample_shape):
        raise ValueError(
            f"ConvNetwork has image_shape={network.image_shape!r}, but the samples are "
            f"{_SAMPLES[n_axes]} of shape {sample_shape}. Leave `image_shape` None for "
            "samples that are not flat."
        )
    return given


def _refuse_channels_first(sample_shape, n_axes):
    """Refuse samples of PyTorch's order, of which the first size is the channels."""
    first, *_, last = sample_shape
    # Series of sktime and aeon have that order, too. A signal of one step is none.
    signal, image = first == 1 and last > 1, first in (1, 3) and last > 4
    looks_so = signal if n_axes == 1 else image
    if len(sample_shape) == n_axes + 1 and looks_so:
        sizes = ", ".join(_SIZES[n_axes])
        raise ValueError(
            f"{_SAMPLES[n_axes].capitalize()} of shape {sample_shape} look like "
            f"(channels, {sizes}), and ConvNetwork expects ({sizes}, channels). Move "
            f"the axis: np.moveaxis(X, 1, -1). If {first} is the first size, not the "
            f"channels, say ConvNetwork(axes={n_axes}, image_shape={sample_shape})."
        )
