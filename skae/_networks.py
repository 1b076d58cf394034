"""What a network is: which layers its encoder and its decoder have."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from numbers import Integral

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions

from skae._convolutions import (
    coarse_size,
    conv_layer,
    conv_layout,
    conv_shapes,
    crop,
)
from skae._layers import (
    auto_layer_sizes,
    chain,
    chain_shapes,
    chain_with_path,
    has_path,
    path_shapes,
    read_sizes,
)

__all__ = ["ConvNetwork", "DenseNetwork"]


class DenseNetwork(BaseEstimator):
    """A network of dense layers.

    The encoder is a chain of dense layers that ends in `latent_dim` units, the
    decoder a chain from there back to the number of features. Image-shaped
    samples are flattened on the way in and given their shape on the way out.

    Parameters
    ----------
    hidden_layer_sizes : "auto" or array-like of int, default="auto"
        The number of units of each hidden layer of the encoder, from the input
        towards the latent layer. An empty tuple makes a single layer. "auto"
        chooses by the number of features: see Notes.

    decoder_layer_sizes : array-like of int or None, default=None
        The number of units of each hidden layer of the decoder, from the latent
        layer towards the output. None mirrors the encoder.

    linear_path : bool or "auto", default="auto"
        Whether a linear map leads around the hidden layers of the encoder, and another
        around those of the decoder. `fit` starts both at the principal components of
        the data and the layers beside them at zero, so that training begins at the
        reconstruction error of PCA, and learns what PCA misses. It takes linear
        latents, and an output that is linear or a sigmoid. "auto" has it wherever it
        can be had and `hidden_layer_sizes` is "auto"; layers that you choose are all
        there are.

    See Also
    --------
    ConvNetwork : A network of convolutions, for images and signals.
    AutoencoderTransformer : The transformer that trains a network.

    Notes
    -----
    With `hidden_layer_sizes="auto"` data of 256 features or more get layers of
    256, 128 and 512 units: narrow layers in front of a wide one, as in the
    autoencoder of DEC [1]_ at a quarter of its width. Fewer features get two layers
    of `4 * n_features` units, at least 32 and at most 128.

    A network is anything with the methods `build_encoder` and `build_decoder`.
    A third method, `layer_sizes`, says that the network is nothing but a chain
    of dense layers, which lets it run without TensorFlow. To write a network of
    your own, see :class:`AutoencoderTransformer`.

    References
    ----------
    .. [1] Xie, J., Girshick, R. and Farhadi, A. (2016). "Unsupervised deep
       embedding for clustering analysis". ICML.

    Examples
    --------
    The encoder 64-32-16-2, and a decoder of one layer:

    >>> from skae import DenseNetwork
    >>> network = DenseNetwork(hidden_layer_sizes=(32, 16), decoder_layer_sizes=())
    >>> network.layer_sizes(n_features=64, latent_dim=2)
    ((32, 16, 2), (64,))
    """

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", StrOptions({"auto"})],
        "decoder_layer_sizes": ["array-like", None],
        "linear_path": ["boolean", StrOptions({"auto"})],
    }

    def __init__(
        self,
        hidden_layer_sizes="auto",
        *,
        decoder_layer_sizes=None,
        linear_path="auto",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.decoder_layer_sizes = decoder_layer_sizes
        self.linear_path = linear_path

    def layer_sizes(self, n_features, latent_dim):
        """Give the number of units of every layer.

        Parameters
        ----------
        n_features : int
            The number of features of a sample.

        latent_dim : int
            The size of a latent vector.

        Returns
        -------
        encoder_sizes : tuple of int
            The units of the encoder's layers; the last is `latent_dim`.

        decoder_sizes : tuple of int
            The units of the decoder's layers; the last is `n_features`.

        Raises
        ------
        ValueError
            If a layer size is not a positive integer.
        """
        self._validate_params()
        if isinstance(self.hidden_layer_sizes, str):
            hidden = auto_layer_sizes(n_features)
        else:
            hidden = read_sizes(self, "hidden_layer_sizes")
        if self.decoder_layer_sizes is None:
            mirrored = hidden[::-1]
        else:
            mirrored = read_sizes(self, "decoder_layer_sizes")
        return (*hidden, latent_dim), (*mirrored, n_features)

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        """Connect the encoder's layers to an input.

        Parameters
        ----------
        inputs : keras.KerasTensor of shape (None, ...)
            Stands for a batch of samples.

        latent_dim : int
            The size of a latent vector.

        activation : str or callable
            The activation of the hidden layers.

        latent_activation : str or callable
            The activation of the latent layer.

        Returns
        -------
        latents : keras.KerasTensor of shape (None, latent_dim)
            The encoder's output.
        """
        import keras

        x = inputs
        if len(inputs.shape) > 2:
            x = keras.layers.Flatten("channels_last", name="flatten")(x)
        sizes, _ = self.layer_sizes(x.shape[-1], latent_dim)
        connect = chain_with_path if has_path(self) else chain
        return connect(x, "encoder", sizes, activation, latent_activation)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        """Connect the decoder's layers to a latent vector.

        Parameters
        ----------
        latents : keras.KerasTensor of shape (None, latent_dim)
            Stands for a batch of latent vectors.

        output_shape : tuple of int
            The shape of a sample.

        activation : str or callable
            The activation of the hidden layers.

        output_activation : str or callable
            The activation of the last layer.

        Returns
        -------
        outputs : keras.KerasTensor of shape (None, ...)
            The decoder's output.
        """
        import keras

        _, sizes = self.layer_sizes(math.prod(output_shape), latents.shape[-1])
        connect = chain_with_path if has_path(self) else chain
        x = connect(latents, "decoder", sizes, activation, output_activation)
        if len(output_shape) > 1:
            x = keras.layers.Reshape(output_shape, name="reshape")(x)
        return x

    def _weight_shapes(self, sample_shape, latent_dim):
        """Give the shape of every weight, without building a layer."""
        n_features = math.prod(sample_shape)
        encoder, decoder = self.layer_sizes(n_features, latent_dim)
        shapes = chain_shapes((n_features, *encoder, *decoder))
        if has_path(self):
            ends = path_shapes(n_features, latent_dim)
            n = 2 * len(encoder)
            shapes = [*shapes[:n], *ends[0], *shapes[n:], *ends[1]]
        return shapes


class ConvNetwork(BaseEstimator):
    """A network of convolutions, for images, signals and volumes.

    The encoder is a stack of strided convolutions and a dense latent layer; the
    decoder a dense layer and a stack of transposed convolutions. Sizes that the
    strides do not divide are padded on the way in and cropped on the way out,
    so that every sample comes back in its own size.

    Parameters
    ----------
    filters : array-like of int, default=(32, 64)
        The number of filters of each convolution of the encoder. The decoder
        mirrors them.

    kernel_size : int or array-like of int, default=3
        The width and height of every kernel, in pixels or steps, or of each
        convolution's. The decoder mirrors them.

    strides : int, default=2
        By how much each convolution shrinks the sample, and each transposed
        convolution enlarges it.

    hidden_layer_sizes : array-like of int, default=()
        The number of units of each dense layer between the convolutions and the
        latent layer. The decoder mirrors them.

    image_shape : tuple of int or None, default=None
        What flat samples hold row by row: (height, width) or (height, width,
        channels) of an image, (steps, channels) of a window with axes=1, and (depth,
        height, width) with axes=3, or (depth, height, width, channels), of a volume.
        None takes the shape from samples that are not flat; of flat ones see `axes`.

    axes : {1, 2, 3} or None, default=None
        The number of axes to convolve along. 1 takes a sample as a signal, (steps,),
        or as a window of several, (steps, channels); 2 as an image, (height, width) or
        (height, width, channels); 3 as a volume, (depth, height, width) or (depth,
        height, width, channels). None takes samples of two or three sizes as images
        and of four as volumes; flat ones as square grey images where the number of
        features is a square (784 is 28 x 28), and else as signals.

    See Also
    --------
    DenseNetwork : A network of dense layers, for tables.
    RecurrentNetwork : A network that reads series step by step.
    AutoencoderTransformer : The transformer that trains a network.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, ConvNetwork
    >>> images = load_digits().images / 16
    >>> ae = AutoencoderTransformer(
    ...     network=ConvNetwork(filters=(8, 16)), epochs=1, random_state=0
    ... )
    >>> ae.fit(images).inverse_transform(ae.transform(images[:3])).shape
    (3, 8, 8)
    """

    _parameter_constraints = {
        "filters": ["array-like"],
        "kernel_size": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "strides": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "image_shape": ["array-like", None],
        "axes": [Options(Integral, {1, 2, 3}), None],
    }

    def __init__(
        self,
        filters=(32, 64),
        *,
        kernel_size=3,
        strides=2,
        hidden_layer_sizes=(),
        image_shape=None,
        axes=None,
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.hidden_layer_sizes = hidden_layer_sizes
        self.image_shape = image_shape
        self.axes = axes

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        """Connect the encoder's layers to an input.

        Parameters
        ----------
        inputs : keras.KerasTensor of shape (None, ...)
            Stands for a batch of samples.

        latent_dim : int
            The size of a latent vector.

        activation : str or callable
            The activation of the hidden layers.

        latent_activation : str or callable
            The activation of the latent layer.

        Returns
        -------
        latents : keras.KerasTensor of shape (None, latent_dim)
            The encoder's output.
        """
        from keras import layers

        self._validate_params()
        filters, kernels, shape = conv_layout(self, inputs.shape[1:])
        x = inputs
        if tuple(inputs.shape[1:]) != shape:
            x = layers.Reshape(shape, name="as_image")(x)
        for i, (n_filters, kernel) in enumerate(zip(filters, kernels, strict=True)):
            x = conv_layer(
                x,
                len(shape) - 1,
                transposed=False,
                name=f"encoder_conv_{i}",
                filters=n_filters,
                kernel=kernel,
                strides=self.strides,
                activation=activation,
            )
        x = layers.Flatten("channels_last", name="flatten")(x)
        sizes = (*read_sizes(self, "hidden_layer_sizes"), latent_dim)
        return chain(x, "encoder", sizes, activation, latent_activation)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        """Connect the decoder's layers to a latent vector.

        Parameters
        ----------
        latents : keras.KerasTensor of shape (None, latent_dim)
            Stands for a batch of latent vectors.

        output_shape : tuple of int
            The shape of a sample.

        activation : str or callable
            The activation of the hidden layers.

        output_activation : str or callable
            The activation of the last layer.

        Returns
        -------
        outputs : keras.KerasTensor of shape (None, ...)
            The decoder's output.
        """
        from keras import layers

        self._validate_params()
        filters, kernels, shape = conv_layout(self, output_shape)
        *size, channels = shape
        coarse = coarse_size(self, size)
        sizes = read_sizes(self, "hidden_layer_sizes")[::-1]
        sizes = (*sizes, math.prod(coarse) * filters[-1])
        x = chain(latents, "decoder", sizes, activation, activation)
        x = layers.Reshape((*coarse, filters[-1]), name="as_feature_maps")(x)
        outputs = [*filters[-2::-1], channels]
        steps = zip(outputs, kernels[::-1], strict=True)
        for i, (n_filters, kernel) in enumerate(steps):
            last = i == len(outputs) - 1
            x = conv_layer(
                x,
                len(size),
                transposed=True,
                name=f"decoder_conv_{i}",
                filters=n_filters,
                kernel=kernel,
                strides=self.strides,
                activation=output_activation if last else activation,
            )
        x = crop(x, size)
        if tuple(output_shape) != shape:
            x = layers.Reshape(output_shape, name="as_sample")(x)
        return x

    def _weight_shapes(self, sample_shape, latent_dim):
        """Give the shape of every weight, without building a layer."""
        self._validate_params()
        return conv_shapes(self, sample_shape, latent_dim)
