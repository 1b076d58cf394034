"""A network that reads series step by step, and writes them backwards."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from itertools import pairwise

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import StrOptions

from skae._layers import read_sizes

__all__ = ["RecurrentNetwork"]

# Kernels side by side in a cell, and whether input and state have biases of their own.
_GATES = {"gru": (3, True), "lstm": (4, False)}


class RecurrentNetwork(BaseEstimator):
    """A network of recurrent layers, for series.

    The encoder reads a series step by step, and a dense layer makes a latent vector of
    the state that is left after the last step. The decoder begins with a state made of
    the latent vector and writes the series backwards, from the last step to the first
    [1]_: what was read last is written first. Series go in and come out in their own
    order.

    Parameters
    ----------
    units : array-like of int, default=(64,)
        The number of units of each recurrent layer of the encoder. The decoder mirrors
        them.

    cell : {"gru", "lstm"}, default="gru"
        The recurrent layers: gated recurrent units [2]_, or long short-term memory,
        which has a third more weights.

    See Also
    --------
    ConvNetwork : With `axes=1` a network for longer series, and for signals.
    AutoencoderTransformer : The transformer that trains a network.

    Notes
    -----
    Samples are windows, (steps, features), or series of one feature, (steps,), all of
    one length. The steps of flat samples are their columns.

    At each step the decoder gets what a dense layer makes of the latent vector, with
    the `activation` of hidden layers, and cosines of the time [3]_, which tell it how
    far it has come: without them, longer series are not learned. The activations within
    recurrent layers are those of the papers, "tanh" and "sigmoid".

    Each step waits for the one before, so a network like this takes several times as
    long as convolutions do. So it is on a GPU: cuDNN's recurrent layers, whose results
    may differ from run to run, are not used.

    References
    ----------
    .. [1] Srivastava, N., Mansimov, E. and Salakhutdinov, R. (2015). "Unsupervised
       learning of video representations using LSTMs". ICML.
    .. [2] Cho, K., van Merrienboer, B., Gulcehre, C., Bahdanau, D., Bougares, F.,
       Schwenk, H. and Bengio, Y. (2014). "Learning phrase representations using RNN
       encoder-decoder for statistical machine translation". EMNLP.
    .. [3] Vaswani, A. et al. (2017). "Attention is all you need". NeurIPS.

    Examples
    --------
    Waves of three values each, which differ in their frequency and their phase:

    >>> import numpy as np
    >>> from skae import AutoencoderTransformer, RecurrentNetwork
    >>> rng = np.random.default_rng(0)
    >>> frequency, phase = rng.uniform(1, 3, (2, 200, 1, 1))
    >>> times = np.linspace(0, 3, 12)[:, np.newaxis]
    >>> X = np.sin(frequency * times + phase + np.arange(3)).astype("float32")
    >>> X.shape
    (200, 12, 3)
    >>> ae = AutoencoderTransformer(
    ...     2, network=RecurrentNetwork(units=(16,)), epochs=2, random_state=0
    ... )
    >>> ae.fit(X).inverse_transform(ae.transform(X)).shape
    (200, 12, 3)
    """

    _parameter_constraints = {
        "units": ["array-like"],
        "cell": [StrOptions({"gru", "lstm"})],
    }

    # A sample has steps along one axis, as for ConvNetwork(axes=1).
    axes = 1

    def __init__(self, units=(64,), *, cell="gru"):
        self.units = units
        self.cell = cell

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        """Connect the encoder's layers to an input.

        Parameters
        ----------
        inputs : keras.KerasTensor of shape (None, steps) or (None, steps, features)
            Stands for a batch of samples.

        latent_dim : int
            The size of a latent vector.

        activation : str or callable
            The activation of the hidden layers, of which the encoder has none beside
            its recurrent layers.

        latent_activation : str or callable
            The activation of the latent layer.

        Returns
        -------
        latents : keras.KerasTensor of shape (None, latent_dim)
            The encoder's output.
        """
        from keras import layers

        units, shape = self._layout(inputs.shape[1:])
        x = inputs
        if len(inputs.shape) == 2:
            x = layers.Reshape(shape, name="as_series")(x)
        for i in range(len(units)):
            whole = i < len(units) - 1
            x = self._layer(units[i], f"encoder_{self.cell}_{i}", whole)(x)
        return layers.Dense(
            latent_dim, activation=latent_activation, name="encoder_dense_0"
        )(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        """Connect the decoder's layers to a latent vector.

        Parameters
        ----------
        latents : keras.KerasTensor of shape (None, latent_dim)
            Stands for a batch of latent vectors.

        output_shape : tuple of int
            The shape of a sample.

        activation : str or callable
            The activation of the dense layer behind the latent vector.

        output_activation : str or callable
            The activation of the last layer.

        Returns
        -------
        outputs : keras.KerasTensor of shape (None, ...)
            The decoder's output.
        """
        from keras import layers, ops

        units, (n_steps, n_features) = self._layout(output_shape)
        units = units[::-1]
        hidden = layers.Dense(units[0], activation=activation, name="decoder_dense_0")(
            latents
        )
        x = layers.RepeatVector(n_steps, name="at_each_step")(hidden)
        x = layers.Concatenate(name="with_time")([x, _waves(x)])
        for i, n in enumerate(units):
            begin = [
                layers.Dense(n, activation="tanh", name=f"decoder_{state}_{i}")(hidden)
                for state in self._states
            ]
            layer = self._layer(n, f"decoder_{self.cell}_{i}", True)
            x = layer(x, initial_state=begin)
        x = layers.Dense(n_features, activation=output_activation, name="decoder_out")(
            x
        )
        # What comes first is the last step.
        x = ops.flip(x, axis=1)
        if len(output_shape) == 1:
            x = layers.Reshape(output_shape, name="as_sample")(x)
        return x

    @property
    def _states(self):
        return ("state",) if self.cell == "gru" else ("state", "memory")

    def _layer(self, units, name, return_sequences):
        from keras import layers

        layer = layers.GRU if self.cell == "gru" else layers.LSTM
        return layer(
            units, return_sequences=return_sequences, use_cudnn=False, name=name
        )

    def _layout(self, sample_shape):
        """Give the units of layers, and the (steps, features) of a sample."""
        self._validate_params()
        units = read_sizes(self, "units")
        if not units:
            raise ValueError(
                "RecurrentNetwork needs at least one recurrent layer: expected `units` "
                "to hold one positive integer or more, got an empty sequence."
            )
        shape = tuple(sample_shape)
        if len(shape) > 2:
            raise ValueError(
                "RecurrentNetwork takes series, (n_samples, steps) or (n_samples, "
                f"steps, features). Got samples of shape {shape}. Put the axes of what "
                "is seen at a step together, for example X.reshape(n_samples, steps, "
                "-1); for images and volumes use ConvNetwork."
            )
        if len(shape) == 2 and shape[0] == 1 < shape[1]:
            raise ValueError(
                f"Series of shape {shape} look like (features, steps), and "
                "RecurrentNetwork expects (steps, features). Move the axis: "
                "np.moveaxis(X, 1, -1)."
            )
        return units, (*shape, 1)[:2]

    def _weight_shapes(self, sample_shape, latent_dim):
        """Give the shape of every weight, without building a layer."""
        units, (n_steps, n_features) = self._layout(sample_shape)

        back = units[::-1]
        gates, apart = _GATES[self.cell]

        def dense(n_inputs, n):
            return (n_inputs, n), (n,)

        def recurrent(n_inputs, n):
            bias = (2, gates * n) if apart else (gates * n,)
            return (n_inputs, gates * n), (n, gates * n), bias

        shapes = []
        for n_inputs, n in pairwise((n_features, *units)):
            shapes += recurrent(n_inputs, n)
        shapes += [*dense(units[-1], latent_dim), *dense(latent_dim, back[0])]
        for n_inputs, n in pairwise((back[0] + _n_waves(n_steps), *back)):
            for _ in self._states:
                shapes += dense(back[0], n)
            shapes += recurrent(n_inputs, n)
        return [*shapes, *dense(back[-1], n_features)]


def _n_waves(n_steps):
    return max(1, int(math.log2(n_steps)))


def _waves(x):
    """Give cosines of the time at each step, the slowest of half a period."""
    from keras import ops

    n_steps = x.shape[1]
    turns = np.pi * 2 ** np.arange(_n_waves(n_steps)) / n_steps
    # Constants, since the last bits of cosines depend on how a batch is cut.
    waves = np.cos(np.outer(np.arange(1, n_steps + 1), turns)).astype(x.dtype)
    return ops.ones_like(x[:, :, :1]) * waves
