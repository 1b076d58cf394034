"""The scikit-learn side: an autoencoder as a transformer."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import math
import warnings
from contextlib import nullcontext
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae import __version__
from skae._data import limits
from skae._data.arrays import ArraySource, large_array
from skae._data.blocks import over_batches, over_blocks
from skae._data.resident import Resident
from skae._data.sources import open_source
from skae._data.streamed import Streamed
from skae._data.validation import (
    check_finite,
    check_latents,
    check_samples,
    check_weights,
)
from skae._engines.choice import (
    activation_name,
    dense_program,
    resolve_network,
    training_program,
)
from skae._engines.tensorflow.program import get_program
from skae._engines.tensorflow.workers import agree, outside_strategy
from skae._files.export import export
from skae._files.store import save
from skae._fitting.callbacks import KerasCallbacks, SklearnCallbacks
from skae._fitting.checkpoint import Checkpoint
from skae._fitting.diagnostics import warn_of_useless_fit
from skae._fitting.epochs import (
    Position,
    check_weights_learned,
    in_own_context,
    run_epochs,
)
from skae._fitting.progress import ProgressBar, RowsBar
from skae._fitting.schedules import learning_rates
from skae._fitting.watchers import EarlyStopping, Watcher
from skae._models import Spec, build_models, join_models, resolve
from skae._networks import ConvNetwork, DenseNetwork
from skae._objectives.spectral import (
    BEGIN,
    MAX_DIMENSION,
    MIN_DIMENSION,
    MIN_EPOCHS,
    MIN_STEPS,
    SpectralPull,
)
from skae._objectives.whitening import (
    MAX_SAMPLES,
    MIN_SAMPLES_PER_DIMENSION,
    fold,
    local_whitening,
)
from skae._threads import one_blas_thread

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands for scikit-learn's class of this name."""

    def with_callbacks(method):
        return method


__all__ = ["AutoencoderTransformer"]

# What validation sets.
_SEEN = ("n_features_in_", "feature_names_in_", "sample_shape_")
# What is built again when asked for, and no pickle holds.
_REBUILT = ("callbacks_", "_models", "_engine")
# What `epochs="auto"` aims at: see the docstring.
_AUTO_STEPS, _AUTO_MIN_EPOCHS = 7500, 5
_AUTO_MAX_EPOCHS, _AUTO_FEW_STEPS = 200, 1000


class AutoencoderTransformer(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Dimensionality reduction by an autoencoder.

    An encoder network maps each sample to a latent vector, a decoder network maps
    latent vectors back to samples, and both are trained together to make the
    reconstruction error small. It is what PCA does with linear maps; with hidden
    layers in between it is nonlinear, and reconstructs far better from the same
    number of latent values [1]_.

    Parameters
    ----------
    latent_dim : int, default=10
        The size of a latent vector: the number of columns of what `transform`
        returns.

    network : {"dense", "conv"} or object, default="dense"
        The network. "dense" is `DenseNetwork()`, "conv" is `ConvNetwork()`. Any
        object with the methods `build_encoder` and `build_decoder` will do: see
        Notes.

    activation : str or callable, default="elu"
        The activation of the hidden layers, by its Keras name or as a Keras
        activation.

    latent_activation : str or callable, default="linear"
        The activation of the latent layer.

    output_activation : str or callable, default="auto"
        The activation of the decoder's last layer. "auto" takes "sigmoid" where
        all training data lie in [0, 1], else "linear"; `output_activation_` holds
        the choice.

    loss : str, keras.losses.Loss or callable, default="mse"
        The reconstruction loss, by its Keras name, as a Keras loss or as a function
        of inputs and outputs. It is averaged over the features of a sample.

    optimizer : str or keras.optimizers.Optimizer, default="adam"
        The optimizer, by its Keras name or as a Keras optimizer, which is copied.

    learning_rate : float, {"auto", "constant", "cosine"} or \
            keras.optimizers.schedules.LearningRateSchedule, default="auto"
        A number is a constant learning rate. "constant" stays at
        `learning_rate_init`. "cosine" falls from there to zero over the run, along
        half a period of a cosine [2]_, after it has risen in the first tenth of the
        run. A Keras schedule is evaluated at each step. "auto" is "cosine" for an
        optimizer by name, and its own learning rate for an optimizer of Keras.
        `partial_fit`, which does not know how long the run will be, takes "cosine"
        as "constant".

    learning_rate_init : float, default=0.003
        The learning rate of "constant", and the highest of "cosine".

    epochs : int or "auto", default="auto"
        How often `fit` goes through the data. "auto" takes as many epochs as 7500
        steps need, but no fewer than 5, and no more than 200 or, on very small data,
        as 1000 steps need.

    batch_size : int or "auto", default="auto"
        The number of samples of a step. "auto" is `min(200, n_samples)`.

    early_stopping : bool, default=False
        Whether to set aside a part of the data, to stop when the loss on it no
        longer falls, and to keep the weights for which it was lowest. `partial_fit`
        does not stop early.

    validation_fraction : float, default=0.1
        The part of the data to set aside for early stopping. Must be between 0 and
        1. Only used if `early_stopping` is True.

    n_iter_no_change : int, default=10
        How many epochs may pass without a fall of the validation loss. Only used if
        `early_stopping` is True.

    tol : float, default=1e-4
        The fall that counts, as a share of the lowest validation loss so far. Only
        used if `early_stopping` is True.

    whiten : bool, default=True
        Whether `fit` chooses the scales of the latent space so that nearest neighbours
        differ by as much in every direction, which brings out clusters. It is a linear
        map, put into the layers before and after the latent vector; reconstructions
        stay as they are. Done with `latent_activation="linear"`, the
        two networks of skae, and at least 200 samples for each latent dimension.

    spectral : bool, default=True
        Whether `fit` draws the latent vectors, in the last two fifths of the epochs,
        to a spectral embedding of the graph of their nearest neighbours [3]_, while
        the decoder goes on training. Clusters are set apart, and K-means finds them in
        most of its runs; the reconstruction error is some 5 to 15 percent higher. Done
        by `fit` on data in memory, without early stopping and without a strategy of
        `tf.distribute`, for at least 5 epochs, 500 steps and 4 to 20 latent dimensions,
        and under the conditions of `whiten`.

    warm_start : bool, default=False
        Whether `fit` starts from the weights of the last fit instead of new ones.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks for `fit`. They see a `keras.Model` with the current weights
        at the beginning and the end of each epoch; the hooks of single batches are
        not called, since an epoch is one call. They are copied, and `callbacks_`
        holds the copies.

    verbose : int, default=0
        1 shows a progress bar with the loss and the time left; 0 shows nothing.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the order of the samples, the validation
        set and whatever random layers draw. Pass an int for reproducible results
        across multiple function calls.

    Attributes
    ----------
    weights_ : list of ndarray
        The weights, in the order of `encoder_.weights + decoder_.weights`.

    history_ : dict of list of float
        The training loss ("loss") and, with early stopping, the validation loss
        ("val_loss") of each epoch. `warm_start` and `partial_fit` go on with it.

    n_iter_ : int
        The number of epochs of the last fit; `partial_fit` adds to it.

    output_activation_ : str or callable
        The activation of the decoder's last layer.

    sample_shape_ : tuple of int
        The shape of a sample: (n_features,), (height, width) or
        (height, width, channels).

    encoder_ : keras.Model
        The encoder as a plain Keras model, built when first asked for. It is a
        copy: training it leaves the transformer as it is.

    decoder_ : keras.Model
        The decoder, likewise.

    callbacks_ : list of keras.callbacks.Callback
        The callbacks that ran, if `callbacks` were given. They are not pickled.

    n_features_in_ : int
        Number of features seen during fit; for images, the number of values of one.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    KerasAutoencoderTransformer : Any Keras autoencoder as a transformer.
    sklearn.decomposition.PCA : The linear counterpart.

    Notes
    -----
    Data in float64 are computed and returned in float64, at about half the speed;
    data in float32 in float32; small integers, bool and float16 become float32,
    batch by batch.

    **A network of your own** is an object with two methods that connect Keras
    layers. If it derives from `sklearn.base.BaseEstimator`, its parameters can be
    searched as `network__...`. Here, one with residual blocks and dropout:

    >>> import keras
    >>> from sklearn.base import BaseEstimator
    >>> class ResidualNetwork(BaseEstimator):
    ...     def __init__(self, width=32, n_blocks=2, rate=0.1):
    ...         self.width = width
    ...         self.n_blocks = n_blocks
    ...         self.rate = rate
    ...
    ...     def _blocks(self, x, activation):
    ...         x = keras.layers.Dense(self.width)(x)
    ...         for _ in range(self.n_blocks):
    ...             h = keras.layers.Dense(self.width, activation=activation)(x)
    ...             x = x + keras.layers.Dropout(self.rate)(h)
    ...         return x
    ...
    ...     def build_encoder(
    ...         self, inputs, *, latent_dim, activation, latent_activation
    ...     ):
    ...         x = self._blocks(inputs, activation)
    ...         return keras.layers.Dense(latent_dim, activation=latent_activation)(x)
    ...
    ...     def build_decoder(
    ...         self, latents, *, output_shape, activation, output_activation
    ...     ):
    ...         x = self._blocks(latents, activation)
    ...         return keras.layers.Dense(
    ...             output_shape[0], activation=output_activation
    ...         )(x)

    It goes in as any other:

    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> X = load_digits().data / 16
    >>> ae = AutoencoderTransformer(network=ResidualNetwork(), epochs=2)
    >>> ae.fit_transform(X).shape
    (1797, 10)

    References
    ----------
    .. [1] Hinton, G. E. and Salakhutdinov, R. R. (2006). "Reducing the
       dimensionality of data with neural networks". Science 313, 504-507.
    .. [2] Loshchilov, I. and Hutter, F. (2017). "SGDR: stochastic gradient descent
       with warm restarts". ICLR.
    .. [3] Ng, A. Y., Jordan, M. I. and Weiss, Y. (2001). "On spectral clustering:
       analysis and an algorithm". NIPS 14, 849-856.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> X = load_digits().data / 16
    >>> ae = AutoencoderTransformer(latent_dim=5, random_state=0).fit(X)
    >>> ae.transform(X).shape
    (1797, 5)

    The reconstruction error is below that of PCA at the same latent size:

    >>> from sklearn.decomposition import PCA
    >>> pca = PCA(5).fit(X)
    >>> error = ((pca.inverse_transform(pca.transform(X)) - X) ** 2).mean()
    >>> bool(-ae.score(X) < error)
    True
    """

    _parameter_constraints = {
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        # Any object of the right kind will do. Those who use them check them.
        "network": "no_validation",
        "activation": [str, callable],
        "latent_activation": [str, callable],
        "output_activation": [str, callable],
        "loss": [str, callable],
        "optimizer": "no_validation",
        "learning_rate": "no_validation",
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "epochs": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "whiten": ["boolean"],
        "spectral": ["boolean"],
        "warm_start": ["boolean"],
        "callbacks": "no_validation",
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # Where the HTML representation of scikit-learn links to.
    _doc_link_module = "skae"
    _doc_link_template = (
        "https://skae.readthedocs.io/en/stable/generated/"
        "{estimator_module}.{estimator_name}.html"
    )

    def __init__(
        self,
        latent_dim=10,
        *,
        network="dense",
        activation="elu",
        latent_activation="linear",
        output_activation="auto",
        loss="mse",
        optimizer="adam",
        learning_rate="auto",
        learning_rate_init=0.003,
        epochs="auto",
        batch_size="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        whiten=True,
        spectral=True,
        warm_start=False,
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.latent_dim = latent_dim
        self.network = network
        self.activation = activation
        self.latent_activation = latent_activation
        self.output_activation = output_activation
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.whiten = whiten
        self.spectral = spectral
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels)
            The training data: rows of features, or images.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            The weight of each sample in the loss. None is a weight of one each.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If the data or a parameter are not what is expected, or if the training
            diverges. What was fitted before stays as it was.
        """
        goes_on = self.warm_start and hasattr(self, "weights_")
        data = self._validate_fit(X, sample_weight, goes_on)
        return self._fit(data, X, goes_on)

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_dataset(self, source, *, checkpoint=None):
        """Train the autoencoder on data that are larger than memory.

        The source is read once to count and check its rows, and then once for each
        epoch, in another order, while training goes on. A source that holds no more
        than 256 MiB is read only once and kept: what comes of it is what `fit` gives.

        Parameters
        ----------
        source : tf.data.Dataset, datasets.Dataset, keras.utils.PyDataset, array-like \
                of shape (n_samples, ...), iterable of batches, str or path-like
            Where the samples come from. An array is whatever has a shape, a dtype and
            slices, such as an `h5py.Dataset` or a `zarr.Array`. An iterable must start
            anew each time it is iterated over. A batch is an array of samples, a tuple
            (X,), (X, y) or (X, y, sample_weight), or a dict of columns: the only one,
            the one named "X", or columns of numbers, which are the features. A path is
            that of a directory of parquet files, or of images of one size, whose
            pixels are read as numbers from 0 to 1.

        checkpoint : str or path-like, default=None
            A file that the run is written to after each epoch, and within an epoch
            every 30 seconds. If it is there, the run goes on from it, and ends with
            the same weights as one that was never interrupted; if it holds the end of
            the run, that is taken over. `skae.load` reads the transformer as of then,
            if it has no parameters that are objects of your own or of Keras. With
            several workers of a `tf.distribute` strategy, the first one writes the
            file and all of them read it: the path must be one that they share.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If a batch is not what is expected, which the message names, if the
            checkpoint is of another run, or if the training diverges. What was fitted
            before stays as it was; but once this call has written a checkpoint, the
            transformer is the one in it.
        RuntimeError
            If reading the source fails.
        TypeError
            If the source is of no known kind or can be read only once, or if
            `checkpoint` is given and there are `callbacks`, whose state no file holds.
        ImportError
            If the source needs a package that is not installed.

        See Also
        --------
        partial_fit : One epoch on a chunk that you read yourself.
        transform_batches : The latent vectors of such data.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skae import AutoencoderTransformer
        >>> class Batches:
        ...     def __iter__(self):
        ...         X = load_digits().data / 16
        ...         for start in range(0, len(X), 500):
        ...             yield X[start : start + 500]
        >>> ae = AutoencoderTransformer(5, epochs=2).fit_dataset(Batches())
        >>> [len(Z) for Z in ae.transform_batches(Batches())]
        [500, 500, 500, 297]
        """
        goes_on = self.warm_start and hasattr(self, "weights_")
        kept = None if checkpoint is None else Checkpoint(checkpoint, self)
        data = Streamed(open_source(source), self, reset=not goes_on)
        data = self._survey(data)
        try:
            return self._fit(data, source, goes_on, checkpoint=kept)
        except BaseException:
            if kept is not None and kept.written:
                self._store(kept.fitted(), goes_on, partial=False)
            raise

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch on X, from where the last call left off.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) \
                or (n_samples, height, width, channels)
            A chunk of the training data.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            The weight of each sample in the loss. None is a weight of one each.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        goes_on = hasattr(self, "weights_")
        data = self._validate_fit(X, sample_weight, goes_on)
        return self._fit(data, X, goes_on, partial=True)

    def transform(self, X):
        """Map samples to their latent vectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The samples, in the shape that `fit` saw.

        Returns
        -------
        X_new : ndarray of shape (n_samples, latent_dim)
            The latent vectors.
        """
        check_is_fitted(self)
        return over_blocks(self, X, self._encode)

    def transform_batches(self, source):
        """Map the samples of a source to their latent vectors, batch by batch.

        Parameters
        ----------
        source : object
            What :meth:`fit_dataset` takes. A generator will do, too, since the source
            is read once.

        Returns
        -------
        batches : generator of ndarray of shape (n_samples_of_batch, latent_dim)
            The latent vectors of each batch, in the order of the source. Arrays are
            read in blocks of some 32 MiB.

        Raises
        ------
        ValueError
            If a batch is not what is expected, which the message names.
        RuntimeError
            If reading the source fails.

        See Also
        --------
        fit_dataset : Train on such a source.
        """
        check_is_fitted(self)
        return over_batches(self, open_source(source, once=True), self._encode)

    def inverse_transform(self, X):
        """Map latent vectors back to samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, latent_dim)
            Latent vectors.

        Returns
        -------
        X_original : ndarray of shape (n_samples, ...)
            The reconstructions, in the shape that `fit` saw.
        """
        check_is_fitted(self)
        names = self.get_feature_names_out()
        return over_blocks(
            self,
            X,
            self._decode,
            check=lambda Z: check_latents(self, Z, names),
            width=math.prod(self.sample_shape_),
        )

    def score(self, X, y=None, sample_weight=None):
        """Give minus the mean squared reconstruction error.

        The sign makes higher scores better, as scikit-learn's model selection
        expects.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The samples.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            The weight of each sample in the mean. None is a weight of one each.

        Returns
        -------
        score : float
            Minus the squared error, averaged over features and samples.
        """
        check_is_fitted(self)
        scores = over_blocks(self, X, self._sample_scores)
        sample_weight = check_weights(sample_weight, scores)
        return float(np.average(scores, weights=sample_weight))

    def score_samples(self, X):
        """Give minus the mean squared reconstruction error of each sample.

        Outliers reconstruct badly, so they score low, as with scikit-learn's
        outlier detectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The samples.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the squared error of each sample, averaged over its features.
        """
        check_is_fitted(self)
        return over_blocks(self, X, self._sample_scores)

    @property
    def encoder_(self):  # numpydoc ignore=RT01
        """The encoder as a plain Keras model."""
        return self._keras_models()[0]

    @property
    def decoder_(self):  # numpydoc ignore=RT01
        """The decoder as a plain Keras model."""
        return self._keras_models()[1]

    def save(self, path):
        """Write the fitted transformer to a file that holds no code.

        `skae.load` reads it. The file is written whole or not at all: a file of that
        name that was there before stays until the new one is complete.

        Parameters
        ----------
        path : str or path-like
            The file to write.

        Raises
        ------
        TypeError
            If a parameter is an object of your own or of Keras, which only a pickle
            can hold.
        """
        check_is_fitted(self)
        save(self, path)

    def export(self, path, *, format="onnx", part="encoder"):
        """Write the encoder, the decoder or both for programs that run without skae.

        Keras writes the file, which is then run: it takes its place once its outputs
        agree with those of this transformer. It takes any number of samples, in the
        shape that `fit` saw.

        Parameters
        ----------
        path : str or path-like
            The file to write; for a SavedModel, the directory. A file of that name is
            replaced when the new one is complete, and so is a directory that holds
            a SavedModel and nothing else.

        format : {"onnx", "tf_saved_model", "litert"}, default="onnx"
            The format. "onnx" is run by ONNX Runtime and many others, "tf_saved_model"
            by TensorFlow and TensorFlow Serving, "litert", once TensorFlow Lite, on
            phones and small devices. ONNX and LiteRT take a transformer that was fitted
            on float32, and need `pip install "skae[export]"`; LiteRT also needs Keras
            3.13.

        part : {"encoder", "decoder", "autoencoder"}, default="encoder"
            The part. "encoder" computes what `transform` does, from an input named
            "samples"; "decoder" what `inverse_transform` does, from "latents";
            "autoencoder" one after the other, from "samples".

        Raises
        ------
        ImportError
            If a package that the format needs is missing or too old.
        FileExistsError
            If `path` is a directory that holds more than a SavedModel.
        ValueError
            If a parameter is not what is expected, or the format can't compute in the
            dtype of this transformer.
        RuntimeError
            If the network has a layer that the format has not.

        See Also
        --------
        save : Write the transformer for skae.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import tensorflow as tf
        >>> from sklearn.datasets import load_digits
        >>> from skae import AutoencoderTransformer
        >>> X = load_digits().data / 16
        >>> ae = AutoencoderTransformer(4, epochs=2, random_state=0).fit(X)
        >>> folder = Path(tempfile.mkdtemp())
        >>> ae.export(folder / "encoder", format="tf_saved_model")
        >>> encoder = tf.saved_model.load(folder / "encoder")
        >>> encoder.serve(X[:5]).shape
        TensorShape([5, 4])
        """
        check_is_fitted(self)
        export(type(self).__name__, path, format, part, self._part)

    def __getstate__(self):
        state = super().__getstate__().copy()
        # Keras objects are built again when asked for.
        for name in _REBUILT:
            state.pop(name, None)
        state["_skae_version"] = __version__
        return state

    def __setstate__(self, state):
        version = state.pop("_skae_version", __version__)
        if version != __version__:
            warnings.warn(
                f"This {type(self).__name__} was pickled by skae {version} and is read "
                f"by {__version__}. It may not work; use `save` and `skae.load` to go "
                "from version to version.",
                stacklevel=2,
            )
        super().__setstate__(state)
        if hasattr(self, "_spec"):
            self._engine = dense_program(self._spec)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "weights_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return self._spec.latent_dim

    # ------------------------------------------------------------ validation

    def _validate_fit(self, X, sample_weight, goes_on):
        """Check the training data, setting nothing; what is large stays where it is."""
        limit = limits.MAX_RESIDENT_BYTES
        if large_array(X, limit):
            if sample_weight is not None:
                sample_weight = check_weights(sample_weight, X)
            source = ArraySource(X, sample_weight)
            return self._survey(Streamed(source, self, reset=not goes_on))
        checked = copy.copy(self)
        if not goes_on:
            for name in _SEEN:
                checked.__dict__.pop(name, None)
        X = check_samples(checked, X, reset=not goes_on)
        seen = {name: vars(checked)[name] for name in _SEEN if name in vars(checked)}
        data = Resident(X, check_weights(sample_weight, X), seen)
        if X.nbytes <= limit:
            return data
        # A list or a frame, and so in memory, but too large to have all of it twice.
        source = ArraySource(X, None if sample_weight is None else data.weight)
        return self._survey(Streamed(source, self, reset=not goes_on, seen=seen))

    @outside_strategy
    def _survey(self, data):
        with RowsBar("reading") if self.verbose else nullcontext() as bar:
            return data.survey(limits.MAX_RESIDENT_BYTES, bar)

    def _resolve_spec(self, data, goes_on):
        """Decide what there is to compute; going on, what was decided holds."""
        output_activation = self.output_activation
        dtype = "float64" if data.dtype == np.float64 else "float32"
        if goes_on:
            output_activation, dtype = self._spec.output_activation, self._spec.dtype
        elif output_activation == "auto":
            low, high = data.range()
            in_unit_interval = low >= 0 and high <= 1
            output_activation = "sigmoid" if in_unit_interval else "linear"
        return Spec(
            network=resolve_network(self.network),
            sample_shape=tuple(data.seen["sample_shape_"]),
            latent_dim=int(self.latent_dim),
            activation=activation_name(self.activation),
            latent_activation=activation_name(self.latent_activation),
            output_activation=activation_name(output_activation),
            loss=self.loss,
            optimizer=self.optimizer,
            dtype=dtype,
        )

    # -------------------------------------------------------------- training

    @in_own_context
    @outside_strategy
    def _fit(self, data, X, goes_on, partial=False, checkpoint=None):
        random_state = check_random_state(self.random_state)
        if partial and goes_on:
            random_state = copy.deepcopy(self._random_state)
        spec = self._resolve_spec(data, goes_on)
        program = training_program(spec)
        random_state = agree(self, random_state, data.facts(), goes_on)
        weights = self.weights_ if goes_on else program.initial_weights(random_state)
        state = self._optimizer_state if partial and goes_on else None
        found = None
        if checkpoint is not None:
            start = weights if goes_on else None
            found = checkpoint.open(data, spec, start, random_state)
            if found is not None and found[0]["finished"]:
                self._store(checkpoint.fitted(), goes_on, partial)
                return self
        if self.early_stopping and not partial:
            data.set_aside(self.validation_fraction, random_state)
        batch_size = 200 if self.batch_size == "auto" else self.batch_size
        batch_size = min(batch_size, data.n_train)
        n_steps = math.ceil(data.n_train / batch_size)
        epochs = 1 if partial else self._n_epochs(n_steps)

        arranged, pull = not partial and self._can_arrange(spec, data), None
        # A checkpoint does not hold what latents are drawn to.
        drawn = arranged and checkpoint is None
        drawn = drawn and self._can_draw(spec, data, program, epochs, n_steps)

        def whitened(weights):
            return self._whiten(weights, program, data, random_state)

        with program.lease() as trainer:
            _load(trainer, weights, state, int(random_state.randint(2**31 - 1)))
            data.bring(trainer, spec.dtype, batch_size)
            position, watchers = Position(random_state), []

            def attributes():
                history = copy.deepcopy(position.history)
                return self._fitted_attributes(spec, data.seen, trainer, history)

            if not partial:
                watchers = self._watchers(trainer, spec, X, data, epochs, n_steps)
                if drawn:
                    begin = math.ceil(BEGIN * epochs)
                    scale = whitened if self.whiten else None
                    pull = SpectralPull(
                        trainer, program, data, begin, random_state, scale
                    )
                    watchers.append(pull)
            if checkpoint is not None:
                checkpoint.bind(position, trainer, watchers, attributes)
                if found is not None:
                    checkpoint.resume(*found)
                    for watcher in watchers:
                        watcher.go_on(position.epoch, position.step * batch_size)
            run_epochs(
                trainer,
                data,
                position,
                epochs=epochs,
                batch_size=batch_size,
                rates=learning_rates(
                    self.learning_rate,
                    self.learning_rate_init,
                    self.optimizer,
                    None if partial else epochs,
                    0 if state is None else int(state[0]),
                ),
                watchers=watchers,
                keep=None if checkpoint is None else checkpoint.write,
            )
            fitted = attributes()
            for watcher in watchers:
                fitted.update(watcher.attributes())
            if self.whiten and arranged and not (pull and pull.begun):
                fitted["weights_"] = whitened(fitted["weights_"])
                # The optimizer's averages belong to the weights before.
                fitted["_optimizer_state"] = None
        check_weights_learned(fitted["weights_"])
        if not partial:
            # A run that was told when to stop is not held to its error.
            whole = self.epochs == "auto" and not self.early_stopping
            warn_of_useless_fit(program, fitted["weights_"], spec, data, whole)
        fitted["_random_state"] = random_state
        if checkpoint is not None:
            checkpoint.finish(fitted)
        self._store(fitted, goes_on, partial)
        return self

    def _can_arrange(self, spec, data):
        """Tell whether the latent space may be given another shape, and will gain."""
        return (
            spec.latent_activation == "linear"
            and isinstance(spec.network, (DenseNetwork, ConvNetwork))
            and data.n_train >= MIN_SAMPLES_PER_DIMENSION * spec.latent_dim
        )

    def _can_draw(self, spec, data, program, epochs, n_steps):
        return (
            self.spectral
            and not self.early_stopping
            and not data.streamed
            and program.draws
            and MIN_DIMENSION <= spec.latent_dim <= MAX_DIMENSION
            and epochs >= MIN_EPOCHS
            and epochs * n_steps >= MIN_STEPS
        )

    def _whiten(self, weights, program, data, random_state):
        """Fold the map of `local_whitening` into the weights."""

        def encode(X):
            return program.encode(weights, X)

        Z = data.map_some(encode, MAX_SAMPLES, random_state)
        with one_blas_thread():
            mapping = local_whitening(Z)
        return fold(weights, program.n_encoder_weights, mapping)

    def _store(self, fitted, goes_on, partial):
        """Set the fitted attributes at once, so that a failed fit changes nothing."""
        if goes_on:
            history = fitted["history_"]
            for name in {**self.history_, **history}:
                earlier = self.history_.get(name, [])
                history[name] = [*earlier, *history.get(name, [])]
        if goes_on and partial:
            fitted["n_iter_"] += self.n_iter_
        gone = ("feature_names_in_", *_REBUILT)
        kept = {name: vars(self)[name] for name in vars(self) if name not in gone}
        # One assignment, so that Ctrl-C finds the old state or the new one.
        self.__dict__ = {**kept, **fitted}

    def _fitted_attributes(self, spec, seen, trainer, history):
        return {
            **seen,
            "weights_": trainer.weights(),
            "history_": history,
            "n_iter_": len(history["loss"]),
            "output_activation_": spec.output_activation,
            "_spec": spec,
            "_optimizer_state": trainer.state(),
            "_engine": dense_program(spec),
        }

    def _n_epochs(self, n_steps):
        if self.epochs != "auto":
            return self.epochs
        epochs = max(math.ceil(_AUTO_STEPS / n_steps), _AUTO_MIN_EPOCHS)
        most = max(math.ceil(_AUTO_FEW_STEPS / n_steps), _AUTO_MAX_EPOCHS)
        return min(epochs, most)

    def _watchers(self, trainer, spec, X, data, epochs, n_steps):
        watchers: list[Watcher] = []
        if self.early_stopping:
            watchers.append(EarlyStopping(trainer, self.n_iter_no_change, self.tol))
        if self.callbacks is not None:
            model = join_models(*build_models(spec))
            optimizer = resolve("optimizer", spec.optimizer)
            optimizer = type(optimizer).from_config(
                {**optimizer.get_config(), "learning_rate": self.learning_rate_init}
            )
            # Keras refuses to load a model saved with an optimizer not built.
            optimizer.build(model.trainable_variables)
            model.compile(optimizer, resolve("loss", spec.loss))
            watchers.append(
                KerasCallbacks(self.callbacks, trainer, model, epochs, n_steps)
            )
        if self.verbose:
            bar = ProgressBar("fit", epochs)
            if data.streamed:
                bar = RowsBar("fit", data.n_train, epochs)
            watchers.append(bar)
        if getattr(self, "_skl_callbacks", None):
            context = self._init_callback_context(max_subtasks=epochs)
            context.call_on_fit_task_begin(estimator=self, X=X)

            def attributes():
                return self._fitted_attributes(spec, data.seen, trainer, {"loss": []})

            watchers.append(SklearnCallbacks(self, context, X, attributes))
        return watchers

    # ------------------------------------------------------------- inference

    @outside_strategy
    def _encode(self, X):
        # What overflows is refused, in words.
        with np.errstate(all="ignore"):
            return check_finite(self, self._program().encode(self.weights_, X))

    @outside_strategy
    def _decode(self, Z):
        with np.errstate(all="ignore"):
            X = check_finite(self, self._program().decode(self.weights_, Z))
        return X.reshape(len(X), *self.sample_shape_)

    def _program(self):
        return self._engine or get_program(self._spec)

    def _sample_scores(self, X):
        scores = np.empty(len(X))
        block = 4096
        for start in range(0, len(X), block):
            part = X[start : start + block]
            difference = self._decode(self._encode(part))
            difference -= part
            flat = difference.reshape(len(part), -1)
            with np.errstate(over="ignore"):
                squares = np.einsum("ij,ij->i", flat, flat, dtype=np.float64)
            scores[start : start + block] = -squares / flat.shape[1]
        return check_finite(self, scores)

    @outside_strategy
    def _keras_models(self):
        if not hasattr(self, "weights_"):
            raise AttributeError(
                f"This {type(self).__name__} has no encoder_ and decoder_ yet: call "
                "'fit' first."
            )
        models = vars(self).get("_models")
        if models is None:
            models = self._models = self._new_keras_models()
        return models

    def _new_keras_models(self):
        models = build_models(self._spec)
        n_encoder = len(models[0].weights)
        models[0].set_weights(self.weights_[:n_encoder])
        models[1].set_weights(self.weights_[n_encoder:])
        return models

    def _part(self, part):
        """Give a part as a Keras model, and the function that it computes."""
        # Not encoder_ and decoder_, which the user may have trained.
        encoder, decoder = self._new_keras_models()
        return {
            "encoder": (encoder, self._encode),
            "decoder": (decoder, self._decode),
            "autoencoder": (
                join_models(encoder, decoder),
                lambda X: self._decode(self._encode(X)),
            ),
        }[part]


def _load(trainer, weights, state, seed):
    try:
        trainer.load(weights, state, seed)
    except ValueError as error:
        raise ValueError(
            "The weights of the last fit do not go with the network that the "
            "parameters now describe. To go on from them, set the parameters back; to "
            "start anew, use `fit` with warm_start=False."
        ) from error
