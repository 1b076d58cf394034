"""Any Keras autoencoder as a scikit-learn transformer, through scikeras."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from skae import _keras_network as network
from skae._cutting import as_graph, cut_in_two, plan_cut
from skae._data.validation import check_finite, check_latents, check_weights
from skae._files.export import export
from skae._keras_checks import (
    check_decoder,
    check_X,
    draw_seeds,
    dtypes,
    shaped,
    unchanged_on_error,
)
from skae._links import doc_link_template

__all__ = ["KerasAutoencoderTransformer"]


class KerasAutoencoderTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Any Keras autoencoder as a transformer, trained through scikeras.

    You write the function that builds the network and name the layer that holds the
    latent vectors; scikeras routes the parameters of the network, the optimizer, the
    loss and the callbacks. For dense and convolutional autoencoders that need no
    Keras code, and fit many times faster, see :class:`AutoencoderTransformer`.

    Parameters
    ----------
    regressor : scikeras.wrappers.KerasRegressor, default=None
        How to build, compile and train the network. Its `model` is a function that
        returns a `keras.Model` with one input and one output: a functional or
        Sequential model, or a subclass whose `call` uses Keras layers and operations.
        Nested parameters are set as usual, for instance
        `regressor__optimizer__learning_rate`, `regressor__callbacks` or
        `regressor__model__latent_dim`. `fit` trains a clone. None means a dense
        autoencoder with one hidden layer of 64 units on each side and a layer
        "latent" with half as many units as there are features, 10 at most.

    latent_layer : str or int, default="latent"
        The layer whose output is the latent vector, by its name or by its index in
        `model.layers`. It may be a whole nested model, such as an encoder. An output
        with more than one dimension is flattened.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the dropout masks and the order of the
        samples. Pass an int for the same weights at each call of `fit`. None means
        the `random_state` of `regressor`.

    Attributes
    ----------
    regressor_ : scikeras.wrappers.KerasRegressor
        The clone of `regressor` that was trained; `regressor_.model_` is the network.

    encoder_ : keras.Model
        The layers up to the latent one. Shares its weights with the network.

    decoder_ : keras.Model or None
        The layers after the latent one. Shares its weights with the network. None
        when the output depends on more than the latent vector.

    history_ : dict of str to list of float
        What Keras recorded, a value for each epoch: "loss", and "val_loss" and metrics
        where `regressor` asks for them.

    sample_shape_ : tuple of int
        Shape of one sample seen during `fit`: (n_features,), (height, width) or
        (height, width, channels).

    n_features_in_ : int
        Number of features seen during `fit`; for images, the number of values of one.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    AutoencoderTransformer : Dense and convolutional autoencoders without Keras code.

    Notes
    -----
    A sample is handed to the network in the shape of the network's input when it
    holds that number of values: a convolutional network takes flat `X`, and a dense
    one takes images. The network computes in its own dtype, in Keras float32 unless
    the layers say otherwise; the results have the dtype of `X`. `sample_weight` is
    scaled to a mean of one, and samples of weight zero are dropped. `warm_start` of
    `regressor` has no effect. A pickle holds neither optimizer nor callbacks,
    and a subclassed network as the graph of its layers.

    With the same `random_state` the same data give the same bits, and no global seed
    or setting is changed. Three things cannot be held. The generators of `random` and
    `numpy.random` are seeded while the network is built, and then put back: a thread
    that draws from them at that moment draws from this seed. A layer that draws from
    `tf.random`, and not from a `keras.random.SeedGenerator` of its own, is not
    covered. On a GPU, set `tf.config.experimental.enable_op_determinism` yourself.
    Importing scikeras, which happens when the class is first fitted, replaces the way
    Keras models are pickled in the process.

    Input is checked, and a failed `fit` undone, as by :class:`AutoencoderTransformer`.
    Where Keras and scikeras do the work, the following promises of that class do not
    hold:

    - Large arrays are not streamed. They are converted to floats and copied: a `fit`
      takes up to twenty times the memory of an array of uint8, memory-mapped or not.
    - Each `fit` builds and traces a network anew, of which TensorFlow keeps some MiB
      for good. Spread thousands of fits over several processes.
    - Ctrl-C in `fit` leaves the transformer as it was. But if it strikes within Keras
      or TensorFlow, they may raise an error of their own, such as `SystemError`.
    - There is no `save`, so what that says of damaged files and killed processes is not
      said here. A pickle runs code: load none that you do not trust.
    - Nothing warns of latent vectors that are the same for every sample, or of a
      reconstruction no better than the mean.
    - The network is yours, and follows the configuration of Keras (`keras.config`) as
      it is at `fit`, such as its dtype policy and image data format.

    Examples
    --------
    >>> import keras
    >>> from scikeras.wrappers import KerasRegressor
    >>> from sklearn.datasets import load_digits
    >>> from skae import KerasAutoencoderTransformer
    >>> X = load_digits().data / 16

    A function that builds the network; `meta` tells it about the data.

    >>> def build(meta, latent_dim=4):
    ...     inputs = keras.Input(meta["X_shape_"][1:])
    ...     hidden = keras.layers.Dense(64, activation="elu")(inputs)
    ...     latent = keras.layers.Dense(latent_dim, name="latent")(hidden)
    ...     hidden = keras.layers.Dense(64, activation="elu")(latent)
    ...     return keras.Model(inputs, keras.layers.Dense(inputs.shape[1])(hidden))
    >>> regressor = KerasRegressor(
    ...     model=build, loss="mse", optimizer="adam", epochs=5, verbose=0
    ... )
    >>> ae = KerasAutoencoderTransformer(regressor, random_state=0)
    >>> ae.fit_transform(X).shape
    (1797, 4)
    >>> ae.inverse_transform(ae.transform(X[:3])).shape
    (3, 64)
    >>> ae.set_params(regressor__model__latent_dim=2).fit_transform(X).shape
    (1797, 2)
    """

    # Where the HTML representation of scikit-learn links to.
    _doc_link_module = "skae"
    _doc_link_template = property(doc_link_template)

    _parameter_constraints: dict = {
        "regressor": [HasMethods(["initialize", "fit", "set_params"]), None],
        "latent_layer": [str, Integral],
        "random_state": ["random_state"],
    }

    def __init__(self, regressor=None, *, latent_layer="latent", random_state=None):
        self.regressor = regressor
        self.latent_layer = latent_layer
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Build the network and train it to reconstruct `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width) \
                or (n_samples, height, width, channels)
            Training data.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample in the loss. None means equal weights.

        Returns
        -------
        self : object
            Returns the transformer object.

        Raises
        ------
        ValueError
            If the network has no latent layer of that name or index, if its input or
            output holds another number of values than a sample, or if training
            diverged. The transformer is then as it was before.
        TypeError
            If `regressor` is not a regressor of scikeras.
        """
        with unchanged_on_error(self):
            X = check_X(self, X, reset=True)
            if sample_weight is not None:
                sample_weight = check_weights(sample_weight, X)
                counts = sample_weight > 0
                X, sample_weight = X[counts], sample_weight[counts]
            build_seed, shuffle_seed = draw_seeds(self)
            with network.seeded(build_seed):
                regressor = network.build(self.regressor, X)
                cut = plan_cut(
                    regressor.model_, self.latent_layer, X.shape[1:], X.dtype.name
                )
                encoder, decoder = cut_in_two(regressor.model_, cut)
            network.train(regressor, X, sample_weight, cut, shuffle_seed)
            self.regressor_, self._cut = regressor, cut
            self.encoder_, self.decoder_ = encoder, decoder
            self.history_ = {k: [*map(float, v)] for k, v in regressor.history_.items()}
        return self

    def transform(self, X):
        """Compute the latent vectors of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            New data, in the shape that `fit` saw.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_latent)
            Latent vectors.
        """
        check_is_fitted(self)
        X = check_X(self, X, reset=False)
        latent = self._run(self.encoder_, X)
        return check_finite(
            self, latent.reshape(len(X), -1).astype(X.dtype, copy=False)
        )

    def inverse_transform(self, X):
        """Reconstruct samples from latent vectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_latent)
            Latent vectors, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, ...)
            Reconstructed samples, shaped as in `fit`.

        Raises
        ------
        ValueError
            If the network cannot be cut at the latent layer, or if the latent vectors
            have another size than those of `transform`.
        """
        check_is_fitted(self)
        check_decoder(self, "inverse_transform")
        X = check_latents(self, X, self.get_feature_names_out(), dtypes(X))
        latent = X.reshape(-1, *self.encoder_.output_shape[1:])
        output = check_finite(self, network.run(self.decoder_, latent))
        return output.reshape(-1, *self.sample_shape_).astype(X.dtype, copy=False)

    def score(self, X, y=None, sample_weight=None):
        """Return minus the mean squared reconstruction error.

        Higher is better, by scikit-learn's convention for scores.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Data to reconstruct.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample in the mean. None means equal weights.

        Returns
        -------
        score : float
            Minus the mean squared error over the samples and their values.
        """
        scores = self.score_samples(X)
        sample_weight = check_weights(sample_weight, scores)
        return float(np.average(scores, weights=sample_weight))

    def score_samples(self, X):
        """Return minus the mean squared reconstruction error of each sample.

        Outliers are low, by scikit-learn's convention.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Data to reconstruct.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the mean squared error over the values of each sample.
        """
        check_is_fitted(self)
        X = check_X(self, X, reset=False)
        error = self._run(self.regressor_.model_, X).reshape(X.shape) - X
        error = error.reshape(len(X), -1)
        with np.errstate(over="ignore"):
            squares = np.einsum("ij,ij->i", error, error, dtype=np.float64)
        return check_finite(self, -squares / error.shape[1])

    def export(self, path, *, format="onnx", part="encoder"):
        """Write the encoder, the decoder or both for programs that run without skae.

        As :meth:`AutoencoderTransformer.export` does. A network computes in its own
        dtype, in Keras float32 unless the layers say otherwise, whatever that of `X`.

        Parameters
        ----------
        path : str or path-like
            The file to write; for a SavedModel, the directory.

        format : {"onnx", "tf_saved_model", "litert"}, default="onnx"
            The format. ONNX and LiteRT take a network in float32, and need
            `pip install "skae[export]"`; LiteRT also needs Keras 3.13.

        part : {"encoder", "decoder", "autoencoder"}, default="encoder"
            The part. "encoder" computes what `transform` does, from an input named
            "samples"; "decoder" what `inverse_transform` does, from "latents";
            "autoencoder" the whole network, from "samples".

        Raises
        ------
        ImportError
            If a package that the format needs is missing or too old.
        FileExistsError
            If `path` is a directory that holds more than a SavedModel.
        ValueError
            If a parameter is not what is expected, if the format can't compute in the
            dtype of the network, or if the network cannot be cut at the latent layer
            and `part` is "decoder".
        RuntimeError
            If the network has a layer that the format has not.
        """
        check_is_fitted(self)
        export(type(self).__name__, path, format, part, self._part)

    def _part(self, part):
        """Give a part as a Keras model, what it computes, and if it takes NaN."""
        samples, latents = self.sample_shape_, (self._n_features_out,)
        if part == "decoder":
            check_decoder(self, "export of the decoder")
            model = network.reshaped(self.decoder_, "latents", latents, samples)
        elif part == "encoder":
            model = network.reshaped(self.encoder_, "samples", samples, latents)
        else:
            whole = as_graph(self.regressor_.model_, self._cut)
            model = network.reshaped(whole, "samples", samples, samples)
        return model, lambda X: network.run(model, X), False

    def _run(self, model, X):
        """Apply a network to `X`, its samples in the shape that the network takes."""
        return network.run(model, shaped(X, self._cut.input_shape, "input"))

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "regressor_" in state:
            # The encoder and the decoder share their layers with the network, and
            # would come back as copies of them; they are cut from it again.
            del state["encoder_"], state["decoder_"]
            bare, packed = network.pack(self.regressor_, self._cut)
            state |= {"regressor_": bare, "_packed": packed}
        return state

    def __setstate__(self, state):
        packed = state.pop("_packed", None)
        super().__setstate__(state)
        if packed is not None:
            model = network.unpack(packed)
            self.regressor_.model_ = model
            self.encoder_, self.decoder_ = cut_in_two(model, self._cut)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        """Number of transformed output features."""
        return math.prod(self.encoder_.output_shape[1:])
