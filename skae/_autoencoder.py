"""The scikit-learn side: an autoencoder as a transformer."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import math
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae import __version__
from skae._copies import copy_with_keras, found_by_keras, refuse_lost_classes
from skae._data import limits
from skae._data.arrays import ArraySource, large_array
from skae._data.blocks import over_batches, over_blocks
from skae._data.checks import BatchChecks
from skae._data.kinds import takes_missing
from skae._data.missing import mean_squares, refuse_unknown, with_known
from skae._data.pairs import (
    Targets,
    check_length,
    check_target,
    pair,
    tell_of_unused_target,
)
from skae._data.resident import Resident
from skae._data.schema import ATTRIBUTES, Schema
from skae._data.sources import open_source
from skae._data.sparse import sliced
from skae._data.survey import survey
from skae._data.validation import (
    check_finite,
    check_latents,
    check_samples,
    check_weights,
)
from skae._engines.choice import (
    dense_program,
    inference_program,
    training_program,
)
from skae._engines.tensorflow.program import Inference, get_program
from skae._engines.tensorflow.workers import outside_strategy
from skae._files.export import export
from skae._files.onnx_graph import Dense
from skae._files.store import write
from skae._fitting.checkpoint import Checkpoint
from skae._fitting.diagnostics import judge
from skae._fitting.fitted import Fitted
from skae._fitting.plan import held_out, make_plan, make_spec
from skae._fitting.progress import RowsBar
from skae._fitting.run import Run, begin, lease
from skae._hints import refuse_parts_of_names, with_hints
from skae._links import doc_link_template
from skae._models import (
    UnbuiltModel,
    build_models,
    join_models,
    latent_models,
    with_input,
)
from skae._objectives.combined import named
from skae._objectives.objective import hook

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands for scikit-learn's class of this name."""

    def with_callbacks(method):
        return method


__all__ = ["AutoencoderTransformer"]

# What is built again when asked for, and no pickle holds.
_REBUILT = ("callbacks_", "_models", "_program")


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
        returns. Left as it is, it follows the models of a :class:`KerasNetwork`.

    network : {"dense", "conv"} or object, default="dense"
        The network. "dense" is `DenseNetwork()`, "conv" is `ConvNetwork()`; series
        and signals take `ConvNetwork(axes=1)` or a :class:`RecurrentNetwork`, and
        :class:`KerasNetwork` takes Keras models of yours. Any object with the methods
        `build_encoder` and `build_decoder` will do: see Notes.

    objective : object, list of objects or None, default=None
        What is learned beside the reconstruction: :class:`Denoising`,
        :class:`Variational`, :class:`Sparse`, or any object with one of the hooks of
        an objective. A list combines several, and their parameters are named by their
        classes, as in `objective__denoising__noise`. None is the plain autoencoder.

    arrange : {"spectral", "whiten"}, object or None, default="spectral"
        How `fit` arranges the latent vectors, beside learning to reconstruct.
        "whiten" chooses the scales of the latent space at the end, so that nearest
        neighbours differ by as much in every direction, which brings out clusters. It
        is a linear map, put into the layers before and after the latent vector;
        reconstructions stay as they are. It needs `latent_activation="linear"`, one of
        the networks of skae, and 20 different samples for each latent dimension.
        "spectral" does so where no direction would be stretched more than 3 times as
        much as another, and X holds no word weights (see `scale`). It also draws the
        latent vectors, in the last two fifths of the epochs, to a spectral embedding of
        the graph of their nearest neighbours [3]_, while the decoder goes on training.
        Clusters are set apart, and K-means finds them in most of its runs; the error is
        some 5 to 20 percent higher. It needs 5 epochs, 500 steps, 4 to 20 latent
        dimensions, and no early stopping.
        An object with the method `fit_transform`, such as
        `sklearn.manifold.TSNE(perplexity=15)` or `umap.UMAP()`, maps the samples, and
        the latent vectors learn its map, centred and scaled to the variance one, while
        the decoder goes on training [5]_: new samples have places, and places have
        samples. It takes no early stopping, and no objective that says what latent
        vectors are like. The object is copied; where its `random_state` or
        its `n_components` is None, they follow ours. Of more than 10,000 samples as
        many are mapped, and the others lie where their nearest ones do. The user guide
        says what helps new samples find their places.
        `arranged_` says what was done, and why not. `partial_fit` arranges nothing.

    scale : "auto" or None, default="auto"
        Whether columns of a table that have units of their own are made alike. "auto"
        centres each column and divides it by its standard deviation in training, and
        puts the same into the weights at the end: the loss weighs columns alike,
        whatever their units, and the network takes and gives them as they are. It does
        so where the largest standard deviation is more than five times the smallest,
        unless half of the columns share one range, as pixels do, or seven values in ten
        are zero and the others of one size, as in word weights of texts; columns that
        are alike are divided by one number where their standard deviation is below 0.1
        or above 10. It takes a network of dense layers with a linear output, loss "mse"
        or "mae", no `objective`, and missing="error". The losses in `history_` are then
        those of scaled columns, while `score` is in the units of X. `center_` and
        `scale_` hold what was found, which `warm_start` and `partial_fit` keep. None
        leaves columns as they are.

    activation : str or callable, default="elu"
        The activation of the hidden layers, by its Keras name or as a Keras
        activation.

    latent_activation : str or callable, default="linear"
        The activation of the latent layer.

    output_activation : str or callable, default="auto"
        The activation of the decoder's last layer. "auto" takes "sigmoid" where
        all training data lie in [0, 1], `scale` leaves them there, they are no word
        weights of texts (see `scale`), and `latent_dim` is below the number of
        features, else "linear"; `output_activation_` holds the choice.

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

    learning_rate_init : float or "auto", default="auto"
        The learning rate of "constant", and the highest of "cosine". "auto" is 0.003,
        and 0.01 for a :class:`RecurrentNetwork`; but where `learning_rate` is "auto",
        too, a :class:`ConvNetwork` that trains for less than 1000 steps has the
        constant rate 0.001, at which it learns more in so short a run.

    epochs : int or "auto", default="auto"
        How often `fit` goes through the data. "auto" takes as many epochs as some
        number of steps needs, and 5 at least: 20 times the square root of the number
        of samples, from 25,600 samples on an eighth of it, and 7500 at most.

    batch_size : int or "auto", default="auto"
        The number of samples of a step. "auto" is 200 at most, and such that all
        batches of an epoch are alike.

    early_stopping : bool or "auto", default="auto"
        Whether to set aside a part of the data, to stop when the loss on it no
        longer falls, and to keep the weights for which it was lowest. "auto" does so
        on 8 to 10,000 samples, and on more of word weights (see `scale`), where
        `epochs` is "auto", there is no `objective` (for word weights: none that says
        what latent vectors are like), and the network starts at PCA (see
        :class:`DenseNetwork`): the weights that it starts from are the first to beat,
        so that few samples are not learned by heart. `partial_fit` does not stop early.

    validation_fraction : float, default=0.1
        The part of the data to set aside for early stopping. Must be between 0 and
        1. Only used with early stopping.

    n_iter_no_change : int or "auto", default="auto"
        How many epochs may pass without a fall of the validation loss. Those in which
        the learning rate of "cosine" rises do not count. "auto" is 10, or as many as
        100 steps take where these are more. Only used with early stopping.

    tol : float, default=1e-4
        The fall that counts, as a share of the lowest validation loss so far. Only
        used with early stopping.

    missing : {"error", "mask"}, default="error"
        What to do about missing values, NaN, None or pandas' NA. "error" refuses them.
        "mask" takes them wherever samples go in: the encoder gets the mean of its
        column for what is missing, and, beside the values, which of them are known;
        the loss is the mean over the known values of a sample, and so is the score.

    mask_fraction : float or None, default=None
        The share of the known values that training hides from the encoder, and still
        asks the decoder for, so that it learns to say what is missing [4]_. From 0,
        which hides none, to below 1. None is 0.3 with `missing="mask"`; with
        `missing="error"` it must be None.

    warm_start : bool, default=False
        Whether `fit` starts from the weights of the last fit instead of new ones.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks for `fit`. They see a `keras.Model` with the current weights
        at the beginning and the end of each epoch, and may set others; the hooks of
        single batches are not called, since an epoch is one call. They are copied, and
        `callbacks_` holds the copies. The user guide lists those that cannot work.

    verbose : int, default=0
        1 shows a progress bar with the loss and the time left; 2 or more writes a line
        for each epoch, for log files; 0 shows nothing.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the order of the samples, the validation
        set and whatever random layers draw. Pass an int for reproducible results
        across multiple function calls.

    Attributes
    ----------
    weights_ : list of ndarray
        The weights, in the order of `encoder_.weights + decoder_.weights`. Where
        TensorFlow has computed with an array, it is read-only: put another in its
        place.

    history_ : dict of list of float
        The training loss ("loss") and, with early stopping or `validation_data`, the
        validation loss ("val_loss") of each epoch; where the objective has a penalty,
        also what they are made of ("reconstruction", "penalty"). `warm_start` and
        `partial_fit` go on with it.

    n_iter_ : int
        The number of epochs of the last fit; `partial_fit` adds to it.

    output_activation_ : str, callable or None
        The activation of the decoder's last layer; None where a model of yours ends in
        none that Keras has a name for.

    arranged_ : str
        What was done of what `arrange` asks for, and why not all of it: for instance
        "whiten, spectral", or "whiten; not spectral: " and a reason.

    center_ : ndarray of shape (n_features,) or None
        The mean of each column, where `scale` has made them alike. None elsewhere.

    scale_ : ndarray of shape (n_features,) or None
        What each column was divided by in training, its standard deviation. None where
        columns were left as they are.

    sample_shape_ : tuple of int
        The shape of a sample: (n_features,), (steps, channels), (height, width),
        (height, width, channels) or (depth, height, width, channels).

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

    **Sparse matrices** go wherever samples go in, and are made dense some rows at a
    time. With `missing="mask"` a NaN that is stored is missing, and what is not stored
    is zero. What comes out is dense. A learner as `arrange` gets dense rows, at most
    10,000.

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
    .. [4] Gondara, L. and Wang, K. (2018). "MIDA: multiple imputation using denoising
       autoencoders". PAKDD.
    .. [5] Duque, A. F., Morin, S., Wolf, G. and Moon, K. R. (2020). "Extendable and
       invertible manifold learning with geometry regularized autoencoders". IEEE Big
       Data.

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
        "objective": "no_validation",
        "arrange": "no_validation",
        "scale": [StrOptions({"auto"}), None],
        "activation": [str, callable],
        "latent_activation": [str, callable],
        "output_activation": [str, callable],
        "loss": [str, callable],
        "optimizer": "no_validation",
        "learning_rate": "no_validation",
        "learning_rate_init": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"auto"}),
        ],
        "epochs": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "tol": [Interval(Real, 0, None, closed="left")],
        "missing": [StrOptions({"error", "mask"})],
        "mask_fraction": [Interval(Real, 0, 1, closed="left"), None],
        "warm_start": ["boolean"],
        "callbacks": "no_validation",
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # Where the HTML representation of scikit-learn links to.
    _doc_link_module = "skae"
    _doc_link_template = property(doc_link_template)

    # encoder_ and decoder_, once they were asked for.
    _models = None

    @with_hints
    def __init__(
        self,
        latent_dim=10,
        *,
        network="dense",
        objective=None,
        arrange="spectral",
        scale="auto",
        activation="elu",
        latent_activation="linear",
        output_activation="auto",
        loss="mse",
        optimizer="adam",
        learning_rate="auto",
        learning_rate_init="auto",
        epochs="auto",
        batch_size="auto",
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change="auto",
        tol=1e-4,
        missing="error",
        mask_fraction=None,
        warm_start=False,
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.latent_dim = latent_dim
        self.network = network
        self.objective = objective
        self.arrange = arrange
        self.scale = scale
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
        self.missing = missing
        self.mask_fraction = mask_fraction
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def set_params(self, **params):
        """Set the parameters of this transformer.

        Parameters
        ----------
        **params : dict
            Parameters, and as `network__...` or `objective__...` those of an object
            that has some.

        Returns
        -------
        self : object
            The transformer.
        """
        several = named(params.get("objective", self.objective))
        of_several: dict[str, dict] = {}
        for name in [name for name in params if several and name.count("__") > 1]:
            whole, part, rest = name.split("__", 2)
            if whole == "objective" and hasattr(several.get(part), "set_params"):
                of_several.setdefault(part, {})[rest] = params.pop(name)
        refuse_parts_of_names(self, params)
        super().set_params(**params)
        for part, values in of_several.items():
            several[part].set_params(**values)
        return self

    def get_params(self, deep=True):
        """Get the parameters of this transformer.

        Parameters
        ----------
        deep : bool, default=True
            Whether to give those of objects that are parameters, too.

        Returns
        -------
        params : dict
            The parameters by name.
        """
        params = super().get_params(deep)
        for part, one in named(self.objective).items() if deep else ():
            if hasattr(one, "get_params"):
                values = one.get_params()
                params |= {f"objective__{part}__{k}": v for k, v in values.items()}
        return params

    @with_hints
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, *, target=None, validation_data=None):
        """Train the autoencoder on X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), \
                (n_samples, height, width) or (n_samples, height, width, channels)
            The training data: rows of features, or images; windows of series,
            (n_samples, steps, channels); or volumes, of one axis more than images. A
            sparse matrix, of any format, gives the model of the same array. Up to 256
            MiB it is trained on as that array; of a larger one only some rows at a time
            are made dense.

        y : array-like of shape (n_samples,), default=None
            Labels for an `arrange` that learns from some, such as UMAP or
            `LinearDiscriminantAnalysis`. Ignored otherwise.

        sample_weight : array-like of shape (n_samples,), default=None
            The weight of each sample in the loss. None is a weight of one each.

        target : {array-like, sparse matrix} of the shape of X, default=None
            What is to be made of each sample, where that is not the sample itself:
            clean images for noisy ones, for instance. None is X.

        validation_data : array-like of shape (n_validation_samples, ...), or a tuple \
                (X, target) of two, default=None
            Samples of your own for validation, with what is to be made of them where
            there is a `target`. Early stopping takes them in the place of a part of X;
            `history_` and callbacks have their loss in any case, as "val_loss".

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
        data = self._validate_fit(X, y, sample_weight, target, goes_on)
        self._validate_on(data, validation_data)
        return self._fit(data, _told(X, y, sample_weight), goes_on)

    @with_hints
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_dataset(
        self,
        source,
        *,
        checkpoint=None,
        targets=False,
        cache=True,
        validation_data=None,
    ):
        """Train the autoencoder on data that are larger than memory.

        The source is read once to count and check its rows, and then once for each
        epoch, in another order, while training goes on; once more with early stopping,
        to set rows aside, and once more where latent vectors are arranged. A source
        that holds no more than 256 MiB is read only once and kept: what comes of it is
        what `fit` gives.

        Parameters
        ----------
        source : tf.data.Dataset, datasets.Dataset, keras.utils.PyDataset, \
                torch.utils.data.Dataset or DataLoader, array-like of shape \
                (n_samples, ...), iterable of batches, str or path-like
            Where the samples come from. An array is whatever has a shape, a dtype and
            slices, such as an `h5py.Dataset` or a `zarr.Array`; a frame or a sparse
            matrix will do. An iterable must start anew each time it is iterated over,
            and ends where its length, if it has one, says so. A batch is an array or a
            sparse matrix of samples, a tuple or list (X,), (X, y) or
            (X, y, sample_weight) of them, or a dict of columns: the only one, the one
            named "X", or columns of numbers, which are the features. A data set of
            PyTorch gives single samples, any other batches. A path is that of a
            directory of parquet files, or of images of one size, which are turned as
            their cameras were held and whose pixels are read as numbers from 0 to 1.
            Those of any other source are taken as they are.

        checkpoint : str or path-like, default=None
            A file that the run is written to after each epoch, and within an epoch
            every 30 seconds. If it is there, the run goes on from it, and ends with
            the same weights as one that was never interrupted; if it holds the end of
            the run, that is taken over. `skae.load` reads the transformer as of then,
            where `save` could write it: with layers of Keras in a `KerasNetwork`, but
            no other objects of Keras or of your own. With several workers of a
            `tf.distribute` strategy, the first one writes the file and all of them
            read it: the path must be one that they share.

        targets : bool, default=False
            Whether the y of each batch is the target: what is to be made of its
            samples, in their shape. With False it is ignored, as labels are.

        cache : bool, default=True
            Whether a source of no more than 256 MiB is kept once it is read. False
            reads it anew in each epoch, so that a source which changes its samples at
            random shows others each time. See :class:`Augmented`, too.

        validation_data : array-like of shape (n_validation_samples, ...), or a tuple \
                (X, target) of two, default=None
            Samples in memory for validation: see `fit`.

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
        before = Fitted.of(self) if goes_on else None
        checks = BatchChecks(self, reset=not goes_on, paired=targets)
        data = self._survey(open_source(source), checks, cache)
        self._validate_on(data, validation_data)
        try:
            return self._fit(data, _told(source), goes_on, checkpoint=kept)
        except BaseException:
            if kept is not None and kept.written is not None:
                self._adopt(kept.written, before)
            raise

    @with_hints
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None, *, target=None):
        """Train for one epoch on X, from where the last call left off.

        It stops at nothing, arranges nothing, and calls no `callbacks`, which it says.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), \
                (n_samples, height, width) or (n_samples, height, width, channels)
            A chunk of the training data.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            The weight of each sample in the loss. None is a weight of one each.

        target : {array-like, sparse matrix} of the shape of X, default=None
            What is to be made of each sample, where that is not the sample itself:
            clean images for noisy ones, for instance. None is X.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        goes_on = hasattr(self, "weights_")
        data = self._validate_fit(X, y, sample_weight, target, goes_on)
        return self._fit(data, _told(X, y, sample_weight), goes_on, partial=True)

    def transform(self, X):
        """Map samples to their latent vectors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, ...)
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

    def sample(self, n_samples=1, random_state=None):
        """Draw new samples, where the objective is one that can: `Variational`.

        Parameters
        ----------
        n_samples : int, default=1
            The number of samples.

        random_state : int, RandomState instance or None, default=None
            Determines what is drawn. Pass an int for reproducible results across
            multiple function calls.

        Returns
        -------
        X : ndarray of shape (n_samples, ...)
            The samples, in the shape that `fit` saw: the reconstructions of latent
            vectors that are drawn from a standard normal distribution.

        Raises
        ------
        ValueError
            If the transformer was fitted with an objective that says nothing of where
            latent vectors lie.
        """
        check_is_fitted(self)
        prior = hook(self._spec.objective, "prior")
        if prior is None:
            raise ValueError(
                "`sample` draws latent vectors from the distribution that an objective "
                "gives them, and this transformer was fitted with "
                f"objective={self._spec.objective!r}, which gives them none. Fit it "
                "with objective=Variational(); or draw latent vectors yourself, for "
                "instance by sklearn.mixture.GaussianMixture fitted on those of "
                "`transform`, and pass them to `inverse_transform`."
            )
        n_samples = check_scalar(n_samples, "n_samples", Integral, min_val=1)
        shape = n_samples, self._spec.latent_dim
        Z = prior(shape, check_random_state(random_state))
        return self.inverse_transform(Z.astype(self._spec.dtype))

    def score(self, X, y=None, sample_weight=None, *, target=None):
        """Give minus the mean squared reconstruction error.

        The sign makes higher scores better, as scikit-learn's model selection
        expects.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, ...)
            The samples.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            The weight of each sample in the mean. None is a weight of one each.

        target : {array-like, sparse matrix} of the shape of X, default=None
            What is to be made of each sample, where that is not the sample itself:
            clean images for noisy ones, for instance. None is X.

        Returns
        -------
        score : float
            Minus the squared error, averaged over features and samples. With
            `missing="mask"` the features of a sample are those known, and samples
            without any are left out.
        """
        check_is_fitted(self)
        targets = None if target is None else Targets(self, target, X)

        scores = over_blocks(
            self,
            X,
            lambda block: self._sample_scores(
                block, None if targets is None else targets.next(len(block))
            ),
        )
        sample_weight = check_weights(sample_weight, scores)
        known = ~np.isnan(scores)
        if not sample_weight[known].any():
            raise ValueError(
                "X has no known value in a sample of positive weight: expected some to "
                "compare reconstructions with."
            )
        return float(np.average(scores[known], weights=sample_weight[known]))

    def score_samples(self, X):
        """Give minus the mean squared reconstruction error of each sample.

        Outliers reconstruct badly, so they score low, as with scikit-learn's
        outlier detectors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, ...)
            The samples.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the squared error of each sample, averaged over its features; over
            those known with `missing="mask"`, and 0 where there is none.
        """
        check_is_fitted(self)
        return np.nan_to_num(over_blocks(self, X, self._sample_scores))

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
        parameters = self.get_params(deep=False)
        write(path, *Fitted.of(self).to_file(parameters))

    def export(self, path, *, format="onnx", part="encoder"):
        """Write the encoder, the decoder or both for programs that run without skae.

        What is written is run: the file takes its place once its outputs agree with
        those of this transformer. It takes any number of samples, in the shape that
        `fit` saw. Dense networks are written to ONNX without TensorFlow, all else by
        Keras.

        Parameters
        ----------
        path : str or path-like
            The file to write; for a SavedModel, the directory. A file of that name is
            replaced when the new one is complete, and so is a directory that holds
            a SavedModel and nothing else.

        format : {"onnx", "tf_saved_model", "litert"}, default="onnx"
            The format. "onnx" is run by ONNX Runtime and many others, "tf_saved_model"
            by TensorFlow and TensorFlow Serving, "litert", once TensorFlow Lite, on
            phones and small devices. LiteRT, and ONNX of other than dense networks,
            take a transformer that was fitted on float32. Both need
            `pip install "skae[export]"`; LiteRT also needs Keras 3.13.

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
        skae.onnx : Whole pipelines as ONNX.

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
        export(type(self).__name__, path, format, part, self._part, self._dense_part)

    def __sklearn_clone__(self):
        with found_by_keras(self.get_params(deep=False)):
            return super().__sklearn_clone__()

    def __copy__(self):
        copied = type(self).__new__(type(self))
        # Keras objects are built again when asked for.
        kept = {k: v for k, v in vars(self).items() if k not in _REBUILT}
        copied.__dict__ = kept
        if hasattr(copied, "_spec"):
            copied._program = inference_program(copied._spec)
        return copied

    def __deepcopy__(self, memo):
        copied = memo[id(self)] = copy.copy(self)
        state = {k: v for k, v in vars(copied).items() if k != "_program"}
        copied.__dict__ |= copy_with_keras(state, "the network", memo)
        return copied

    def __getstate__(self):
        refuse_lost_classes(self.network)
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
            self._program = inference_program(self._spec)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "weights_")

    def _shown(self):
        """Give a stand-in to show: scikit-learn reads every property for that.

        Building Keras models for a line in a table, or for the names that a notebook
        completes, would import TensorFlow.
        """
        shown = object.__new__(type(self))
        shown.__dict__ = {"_models": (UnbuiltModel(),) * 2, **vars(self)}
        return super(AutoencoderTransformer, shown)

    def __dir__(self):
        return self._shown().__dir__()

    def _get_fitted_attr_html(self, *args, **kwargs):
        return self._shown()._get_fitted_attr_html(*args, **kwargs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = takes_missing(self)
        tags.input_tags.sparse = True
        return tags

    @property
    def _n_features_out(self):
        return self._spec.latent_dim

    # ------------------------------------------------------------ validation

    def _validate_fit(self, X, y, sample_weight, target, goes_on):
        """Check the training data, setting nothing; what is large stays where it is."""
        paired = target is not None
        X, target = sliced(X), sliced(target)
        if large_array(X, limits.MAX_RESIDENT_BYTES):
            if sample_weight is not None:
                sample_weight = check_weights(sample_weight, X)
            if paired:
                check_length(target, X.shape[0])
            checks = BatchChecks(self, reset=not goes_on, paired=paired)
            return self._survey(ArraySource(X, sample_weight, y=target), checks)
        if not paired:
            tell_of_unused_target(X, y, "pass it by name: fit(X, target=y)")
        checked = copy.copy(self)
        if not goes_on:
            for name in ATTRIBUTES:
                checked.__dict__.pop(name, None)
        X = check_samples(checked, X, reset=not goes_on)
        schema, weight = Schema.of(checked), check_weights(sample_weight, X)
        if paired:
            target = check_target(checked, target, len(X))
        if X.nbytes * (1 + paired) <= limits.MAX_RESIDENT_BYTES:
            X = pair(X, target) if paired else X
            if takes_missing(self):
                weight = with_known(weight, X, paired)
                refuse_unknown(weight)
            return Resident(X, weight, schema, paired)
        # A list or a frame, and so in memory, but too large to have all of it twice.
        checks = BatchChecks(self, not goes_on, schema, paired)
        weight = None if sample_weight is None else weight
        return self._survey(ArraySource(X, weight, y=target), checks)

    def _validate_on(self, data, validation_data):
        """Check samples for validation, and give them to the data to train on."""
        if validation_data is None:
            return
        X, target = validation_data, None
        if isinstance(validation_data, tuple):
            if not data.paired or len(validation_data) != 2:
                raise ValueError(
                    "`validation_data` is a tuple of "
                    f"{len(validation_data)}: expected samples, or with targets a "
                    "tuple (X, target). Labels say nothing to an autoencoder: leave "
                    "them out."
                )
            X, target = validation_data
        elif data.paired:
            raise ValueError(
                "Expected `validation_data` to be a tuple (X, target), since what is "
                "to be made of samples is not they themselves; got samples alone."
            )
        checked = copy.copy(self)
        for name, value in data.schema.attributes().items():
            setattr(checked, name, value)
        try:
            X = check_samples(checked, X, reset=False)
            if data.paired:
                X = pair(X, check_target(checked, target, len(X)))
        except (TypeError, ValueError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"In `validation_data`: {error}") from error
        weight = np.ones(len(X))
        if takes_missing(self):
            weight = with_known(weight, X, data.paired)
        if not weight.any():
            raise ValueError(
                "`validation_data` has no known value: expected some to compare "
                "reconstructions with. Leave it out to train without."
            )
        data.validate_on(X.astype(data.dtype, copy=False), weight)

    @outside_strategy
    def _survey(self, source, checks, cache=True):
        if self.verbose != 1:
            return survey(source, checks, cache=cache)
        bar = RowsBar("reading")
        with bar:
            return survey(source, checks, bar.update, cache)

    # -------------------------------------------------------------- training

    @outside_strategy
    def _fit(self, data, told, goes_on, partial=False, checkpoint=None):
        """Train on checked data, and take over what came of it, all at once."""
        before = Fitted.of(self) if goes_on else None
        spec, scaling = make_spec(self, data, before)
        program = training_program(spec)
        start = begin(self, spec, scaling, program, data, before, partial)
        if checkpoint is not None:
            start = checkpoint.open(spec, data, start, before)
            if start.fitted is not None:
                return self._adopt(start.fitted, before, program=program)
        aside = held_out(self, spec, data, partial, new=before is None)
        # Those of `validation_data` take the place of a part.
        if aside and not data.n_aside:
            must, fraction = aside == "asked", self.validation_fraction
            if not data.set_aside(fraction, start.random_state, must=must):
                aside = ""
        plan = make_plan(self, spec, scaling, data, start.n_steps, aside, partial)
        with lease(program, plan) as trainer:
            run = Run(plan, program, trainer, data, start)
            run.watch(self, told)
            if checkpoint is not None:
                checkpoint.bind(run, start)
            run.epochs(None if checkpoint is None else checkpoint.keep)
            fitted = run.fitted()
        judge(fitted, plan, program, data)
        run.end(fitted if before is None else fitted.after(before, partial))
        if checkpoint is not None:
            checkpoint.finish(fitted)
        return self._adopt(fitted, before, partial, program)

    def _adopt(self, fitted, before=None, partial=False, program=None):
        """Take over what a fit left, so that a failed one changes nothing."""
        if before is not None:
            fitted = fitted.after(before, partial)
        gone = ("feature_names_in_", *_REBUILT)
        kept = {name: vars(self)[name] for name in vars(self) if name not in gone}
        program = inference_program(fitted.spec, program)
        # One assignment, so that Ctrl-C finds the old state or the new one.
        self.__dict__ = {**kept, **fitted.attributes(), "_program": program}
        return self

    # ------------------------------------------------------------- inference

    @outside_strategy
    def _encode(self, X):
        # What overflows is refused, in words.
        with np.errstate(all="ignore"):
            return check_finite(self, self._inference().encode(self.weights_, X))

    @outside_strategy
    def _decode(self, Z):
        with np.errstate(all="ignore"):
            X = check_finite(self, self._inference().decode(self.weights_, Z))
        return X.reshape(len(X), *self.sample_shape_)

    def _inference(self):
        """Give the program of the fit: what it was made of may have changed since."""
        program = vars(self).get("_program")
        if program is None:
            program = self._program = Inference(get_program(self._spec))
        return program

    def _sample_scores(self, X, target=None):
        scores = np.empty(len(X))
        block = 4096
        for start in range(0, len(X), block):
            part = X[start : start + block]
            difference = self._decode(self._encode(part))
            difference -= part if target is None else target[start : start + block]
            flat = difference.reshape(len(part), -1)
            scores[start : start + block] = -mean_squares(flat)
        check_finite(self, scores[~np.isnan(scores)])
        return scores

    @outside_strategy
    def _keras_models(self):
        if not hasattr(self, "weights_"):
            raise AttributeError(
                f"This {type(self).__name__} has no encoder_ and decoder_ yet: call "
                "'fit' first."
            )
        models = self._models
        if models is None:
            try:
                models = self._models = self._new_keras_models()
            except ModuleNotFoundError as error:
                # Who looks at all attributes shall find that there are none.
                raise AttributeError(
                    f"encoder_ and decoder_ are models of Keras: {error}"
                ) from error
        return models

    def _new_keras_models(self, dtype=None):
        spec = self._spec._replace(dtype=dtype or self._spec.dtype)
        models = latent_models(*build_models(spec), spec)
        n_encoder = len(models[0].weights)
        models[0].set_weights(self.weights_[:n_encoder])
        models[1].set_weights(self.weights_[n_encoder:])
        return models

    def _stages(self):
        """Give encoder and decoder as dense layers; None where they are others."""
        program = dense_program(self._spec)
        if program is None:
            return None
        return program.chain.encoder(self.weights_), program.chain.decoder(
            self.weights_
        )

    def _dense_part(self, part):
        """Give a part as dense layers, and the function that it computes, or None."""
        stages = self._stages()
        if stages is None:
            return None
        samples, latents = self.sample_shape_, (self._spec.latent_dim,)
        kept, ends = {
            "encoder": (stages[:1], ("samples", samples, "latents", latents)),
            "decoder": (stages[1:], ("latents", latents, "reconstructions", samples)),
            "autoencoder": (stages, ("samples", samples, "reconstructions", samples)),
        }[part]
        center = None if part == "decoder" else getattr(self, "center_", None)
        return (
            Dense([*kept], np.dtype(self._spec.dtype), *ends, center),
            self._function(part),
        )

    def _function(self, part):
        return {
            "encoder": self._encode,
            "decoder": self._decode,
            "autoencoder": lambda X: self._decode(self._encode(X)),
        }[part]

    def _part(self, part, dtype=None):
        """Give a part as a Keras model, what it computes, and if it takes NaN."""
        # Not encoder_ and decoder_, which the user may have trained.
        encoder, decoder = self._new_keras_models(dtype)
        models = {"encoder": encoder, "decoder": decoder}
        model = models.get(part) or join_models(encoder, decoder)
        model = with_input(model, "latents" if part == "decoder" else "samples")
        masked = part != "decoder" and takes_missing(self)
        return model, self._function(part), masked


def _told(X, y=None, sample_weight=None):
    """Give what scikit-learn's callbacks are told of the data."""
    metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}
