"""The scikit-learn side: an autoencoder as a transformer."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import math
import zlib
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from skae._dense_program import DenseProgram
from skae._inference import ACTIVATIONS
from skae._models import Spec, build_models, join_models, resolve
from skae._networks import ConvNetwork, DenseNetwork
from skae._program import get_program
from skae._training import (
    EarlyStopping,
    KerasCallbacks,
    ProgressBar,
    SklearnCallbacks,
    run_epochs,
)

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:
        """Stands for scikit-learn's class of this name."""

    def with_callbacks(method):
        return method


__all__ = ["AutoencoderTransformer"]

_NETWORKS = {"dense": DenseNetwork, "conv": ConvNetwork}
# These dtypes are kept and converted batch by batch: a copy in float32 would take
# four times the memory of uint8 images.
_SMALL_DTYPES = tuple(np.dtype(name) for name in ("bool", "u1", "i1", "u2", "i2", "f2"))
# Up to this many multiplications a sample a step takes less time in NumPy than in
# TensorFlow: see the benchmarks.
_MAX_NUMPY_WORK = 2**18
# `epochs="auto"` takes at least this many steps, in at most this many epochs.
_AUTO_STEPS, _AUTO_MIN_EPOCHS, _AUTO_MAX_EPOCHS = 3000, 10, 200


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
        half a period of a cosine [2]_. A Keras schedule is evaluated at each step.
        "auto" is "constant" for an optimizer by name, and its own learning rate
        for an optimizer of Keras. `partial_fit`, which does not know how long the
        run will be, takes "cosine" as "constant".

    learning_rate_init : float, default=0.001
        The learning rate of the first step, for "constant" and "cosine".

    epochs : int or "auto", default="auto"
        How often `fit` goes through the data. "auto" takes as many epochs as 3000
        steps need, but at least 10 and at most 200.

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
    ...     def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
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
        # Any object of the right kind will do; `_resolve_network`, `make_spec` and
        # `_learning_rates` check these.
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
        learning_rate_init=0.001,
        epochs="auto",
        batch_size="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
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
        X, sample_weight, validated = self._validate_fit(X, sample_weight, not goes_on)
        return self._fit(X, sample_weight, validated, goes_on)

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
        X, sample_weight, validated = self._validate_fit(X, sample_weight, not goes_on)
        return self._fit(X, sample_weight, validated, goes_on, partial=True)

    def transform(self, X):
        """Map samples to their latent vectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, *sample_shape_)
            The samples, in the shape that `fit` saw.

        Returns
        -------
        X_new : ndarray of shape (n_samples, latent_dim)
            The latent vectors.
        """
        check_is_fitted(self)
        return self._encode(self._validate(X, reset=False))

    def inverse_transform(self, X):
        """Map latent vectors back to samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, latent_dim)
            Latent vectors.

        Returns
        -------
        X_original : ndarray of shape (n_samples, *sample_shape_)
            The reconstructions, in the shape that `fit` saw.
        """
        check_is_fitted(self)
        columns = getattr(X, "columns", None)
        X = check_array(X, dtype=[np.float64, np.float32], estimator=self)
        if X.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} columns, but inverse_transform of "
                f"{type(self).__name__} is expecting latent vectors of shape "
                f"(n_samples, {self._n_features_out}), as `transform` returns them."
            )
        names = list(self.get_feature_names_out())
        if columns is not None and sorted(map(str, columns)) == sorted(names):
            if list(map(str, columns)) != names:
                raise ValueError(
                    "The columns of X are the latent ones in another order. Pass them "
                    f"in the order of get_feature_names_out(): {names}."
                )
        return self._decode(X)

    def score(self, X, y=None, sample_weight=None):
        """Give minus the mean squared reconstruction error.

        The sign makes higher scores better, as scikit-learn's model selection
        expects.

        Parameters
        ----------
        X : array-like of shape (n_samples, *sample_shape_)
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
        X = self._validate(X, reset=False)
        if sample_weight is not None:
            sample_weight = _check_weights(sample_weight, X)
        return float(np.average(self._sample_scores(X), weights=sample_weight))

    def score_samples(self, X):
        """Give minus the mean squared reconstruction error of each sample.

        Outliers reconstruct badly, so they score low, as with scikit-learn's
        outlier detectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, *sample_shape_)
            The samples.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the squared error of each sample, averaged over its features.
        """
        check_is_fitted(self)
        return self._sample_scores(self._validate(X, reset=False))

    @property
    def encoder_(self):
        """The encoder as a plain Keras model."""
        return self._keras_models()[0]

    @property
    def decoder_(self):
        """The decoder as a plain Keras model."""
        return self._keras_models()[1]

    def __getstate__(self):
        state = super().__getstate__().copy()
        # Keras objects are built again when asked for.
        for name in ("_models", "_programs", "callbacks_"):
            state.pop(name, None)
        return state

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

    def _validate_fit(self, X, sample_weight, reset):
        """Check the training data; give them and what they set, but set nothing."""
        checked = copy.copy(self)
        for name in ("n_features_in_", "feature_names_in_", "sample_shape_"):
            if reset:
                vars(checked).pop(name, None)
        X = checked._validate(X, reset=reset)
        if sample_weight is None:
            dtype = X.dtype if X.dtype.kind == "f" else np.float32
            sample_weight = np.ones(len(X), np.promote_types(dtype, np.float32))
        else:
            sample_weight = _check_weights(sample_weight, X)
        names = ("n_features_in_", "feature_names_in_", "sample_shape_")
        return (
            X,
            sample_weight,
            {name: getattr(checked, name) for name in names if hasattr(checked, name)},
        )

    def _validate(self, X, reset):
        """Check rows or images; give them as an array of shape (n, *sample_shape)."""
        if isinstance(X, (list, tuple)) and np.ndim(X[:1]) > 2:
            X = np.asarray(X)
        shape = getattr(X, "shape", ())
        images = len(shape) in (3, 4) and all(shape[1:])
        if not reset and (images or len(self.sample_shape_) > 1):
            if tuple(shape[1:]) != self.sample_shape_:
                expected = ", ".join(map(str, self.sample_shape_))
                raise ValueError(
                    f"X has shape {tuple(shape)}, but {type(self).__name__} is "
                    f"expecting shape (n_samples, {expected}), the one of the samples "
                    "that fit saw. Reshape X, or fit again on samples of the new shape."
                )
        if images:
            sample_shape = tuple(shape[1:])
            X = np.asarray(X).reshape(shape[0], math.prod(sample_shape))
        X = validate_data(self, X, reset=reset, dtype=_kept_dtype(X), order="C")
        if not images:
            sample_shape = X.shape[1:]
        if reset:
            self.sample_shape_ = sample_shape
        return X.reshape(len(X), *sample_shape)

    def _resolve_spec(self, X, sample_shape, goes_on):
        """Decide what there is to compute; going on, what was decided holds."""
        output_activation = self.output_activation
        if goes_on:
            output_activation = self._spec.output_activation
        elif output_activation == "auto":
            in_unit_interval = X.min() >= 0 and X.max() <= 1
            output_activation = "sigmoid" if in_unit_interval else "linear"
        return Spec(
            network=_resolve_network(self.network),
            sample_shape=tuple(sample_shape),
            latent_dim=int(self.latent_dim),
            activation=_activation_name(self.activation),
            latent_activation=_activation_name(self.latent_activation),
            output_activation=_activation_name(output_activation),
            loss=self.loss,
            optimizer=self.optimizer,
            dtype="float64" if X.dtype == np.float64 else "float32",
        )

    # -------------------------------------------------------------- training

    def _fit(self, X, sample_weight, validated, goes_on, partial=False):
        random_state = check_random_state(self.random_state)
        if partial and goes_on:
            random_state = copy.deepcopy(self._random_state)
        spec = self._resolve_spec(X, validated["sample_shape_"], goes_on)
        if goes_on:
            spec = spec._replace(dtype=self._spec.dtype)
        program = _training_program(spec)
        weights = self.weights_ if goes_on else program.initial_weights(random_state)
        state = self._optimizer_state if partial and goes_on else None
        stopping = self.early_stopping and not partial
        rows, validation_rows = self._split(X, sample_weight, random_state, stopping)
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = 200
        batch_size = min(batch_size, len(rows))
        n_steps = -(-len(rows) // batch_size)
        epochs = 1 if partial else self._n_epochs(n_steps)
        rates = self._learning_rates(epochs, state, partial)
        sample_weight = sample_weight.astype(spec.dtype, copy=False)

        with program.lease() as trainer:
            _load(trainer, weights, state, int(random_state.randint(2**31 - 1)))
            watchers = []
            if stopping:
                stopper = EarlyStopping(trainer, self.n_iter_no_change, self.tol)
                watchers.append(stopper)
            if not partial:
                watchers += self._watchers(trainer, spec, X, validated, epochs, n_steps)
            history = run_epochs(
                trainer,
                trainer.put(X, sample_weight),
                rows,
                validation_rows,
                epochs=epochs,
                batch_size=batch_size,
                rates=rates,
                random_state=random_state,
                watchers=watchers,
            )
            weights = stopper.best_weights if stopping else trainer.weights()
            state = trainer.state()
        _refuse_non_finite(weights)
        fitted = self._fitted_attributes(
            spec, validated, weights, history, len(history["loss"])
        )
        if goes_on and (partial or self.warm_start):
            fitted["history_"] = _joined(self.history_, history)
        if partial and goes_on:
            fitted["n_iter_"] += self.n_iter_
        fitted["_optimizer_state"] = state
        fitted["_random_state"] = random_state
        for watcher in watchers:
            if isinstance(watcher, KerasCallbacks):
                fitted["callbacks_"] = watcher.callbacks
        # Everything at once, and last: a fit that fails changes nothing.
        for name in ("feature_names_in_", "callbacks_", "_models"):
            if name not in fitted and (name != "feature_names_in_" or not goes_on):
                vars(self).pop(name, None)
        vars(self).update(fitted)
        return self

    def _fitted_attributes(self, spec, validated, weights, history, n_iter):
        return {
            **validated,
            "weights_": weights,
            "history_": {name: list(values) for name, values in history.items()},
            "n_iter_": n_iter,
            "output_activation_": spec.output_activation,
            "_spec": spec,
        }

    def _n_epochs(self, n_steps):
        if self.epochs != "auto":
            return self.epochs
        enough = math.ceil(_AUTO_STEPS / n_steps)
        return min(max(enough, _AUTO_MIN_EPOCHS), _AUTO_MAX_EPOCHS)

    def _learning_rates(self, epochs, state, partial):
        """Give the function from an epoch and its steps to their learning rates."""
        rate, initial = self.learning_rate, self.learning_rate_init
        if isinstance(rate, str) and rate == "auto":
            rate = "constant"
            if not isinstance(self.optimizer, str):
                rate = _own_learning_rate(self.optimizer)
        if isinstance(rate, Real) and not isinstance(rate, bool) and rate > 0:
            rate, initial = "constant", rate
        first = 0 if state is None else int(state[0])

        def constant(epoch, n_steps):
            return np.full(n_steps, float(initial))

        def cosine(epoch, n_steps):
            done = (epoch * n_steps + np.arange(n_steps)) / (epochs * n_steps)
            return initial * (1 + np.cos(np.pi * done)) / 2

        def scheduled(epoch, n_steps):
            start = first + epoch * n_steps
            return np.array([float(rate(i)) for i in range(start, start + n_steps)])

        if isinstance(rate, str) and rate in ("constant", "cosine"):
            return constant if rate == "constant" or partial else cosine
        if not isinstance(rate, (str, type)) and hasattr(rate, "get_config"):
            return scheduled
        raise ValueError(
            "The 'learning_rate' parameter of AutoencoderTransformer must be a positive "
            "number, 'auto', 'constant', 'cosine' or a schedule of "
            f"keras.optimizers.schedules. Got {rate!r} instead."
        )

    def _split(self, X, sample_weight, random_state, stopping):
        """Give the rows to train on, and those set aside for validation or None.

        Equal samples stay on one side, so that no sample is validated on its twin
        and a weight of two does what two copies do.
        """
        rows = np.flatnonzero(sample_weight)
        if not stopping:
            return rows, None
        sums = np.array([zlib.crc32(np.ascontiguousarray(X[row])) for row in rows])
        kinds = np.unique(sums)
        if len(kinds) < 2:
            return rows, rows
        n_aside = math.ceil(self.validation_fraction * len(kinds))
        n_aside = min(n_aside, len(kinds) - 1)
        aside = np.isin(sums, random_state.permutation(kinds)[:n_aside])
        return rows[~aside], rows[aside]

    def _watchers(self, trainer, spec, X, validated, epochs, n_steps):
        watchers = []
        if self.callbacks is not None:
            model = join_models(*build_models(spec))
            optimizer = resolve("optimizer", spec.optimizer)
            optimizer = type(optimizer).from_config(
                {**optimizer.get_config(), "learning_rate": self.learning_rate_init}
            )
            model.compile(optimizer, resolve("loss", spec.loss))
            watchers.append(
                KerasCallbacks(self.callbacks, trainer, model, epochs, n_steps)
            )
        if self.verbose:
            watchers.append(ProgressBar(type(self).__name__, epochs))
        if getattr(self, "_skl_callbacks", None):
            context = self._init_callback_context(max_subtasks=epochs)
            context.call_on_fit_task_begin(estimator=self, X=X)

            def attributes():
                return self._fitted_attributes(
                    spec, validated, trainer.weights(), {"loss": []}, 0
                )

            watchers.append(SklearnCallbacks(self, context, X, attributes))
        return watchers

    # ------------------------------------------------------------- inference

    def _encode(self, X):
        return _program(self._spec).encode(self.weights_, X)

    def _decode(self, Z):
        X = _program(self._spec).decode(self.weights_, Z)
        return X.reshape(len(X), *self.sample_shape_)

    def _sample_scores(self, X):
        scores = np.empty(len(X))
        block = 4096
        for start in range(0, len(X), block):
            part = X[start : start + block]
            difference = self._decode(self._encode(part))
            difference -= part
            difference *= difference
            flat = difference.reshape(len(part), -1)
            scores[start : start + block] = -flat.mean(axis=1, dtype=np.float64)
        return scores

    def _keras_models(self):
        if not hasattr(self, "weights_"):
            raise AttributeError(
                f"This {type(self).__name__} has no encoder_ and decoder_ yet: call "
                "'fit' first."
            )
        models = vars(self).get("_models")
        if models is None:
            models = build_models(self._spec)
            n_encoder = len(models[0].weights)
            models[0].set_weights(self.weights_[:n_encoder])
            models[1].set_weights(self.weights_[n_encoder:])
            self._models = models
        return models


def _kept_dtype(X):
    """Give the dtype to validate X with: its own where that can be computed with."""
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype):
        native = dtype.newbyteorder("=")
        if native in _SMALL_DTYPES or native in (np.float32, np.float64):
            return native
    return [np.float64, np.float32]


def _check_weights(sample_weight, X):
    dtype = np.float64 if X.dtype == np.float64 else np.float32
    sample_weight = _check_sample_weight(sample_weight, X, dtype=dtype)
    if (sample_weight < 0).any():
        raise ValueError(
            "Negative values in data passed to `sample_weight`: expected weights of zero "
            "or more."
        )
    if not sample_weight.any():
        raise ValueError(
            "All values of `sample_weight` are zero: expected at least one sample of "
            "positive weight."
        )
    return sample_weight


def _resolve_network(network):
    if isinstance(network, str) and network in _NETWORKS:
        return _NETWORKS[network]()
    if not isinstance(network, (str, type)) and all(
        callable(getattr(network, name, None))
        for name in ("build_encoder", "build_decoder")
    ):
        return copy.deepcopy(network)
    raise ValueError(
        "The 'network' parameter of AutoencoderTransformer must be 'dense', 'conv' or an "
        "object with the methods build_encoder and build_decoder, such as "
        f"DenseNetwork() or ConvNetwork(). Got {network!r} instead."
    )


def _activation_name(activation):
    """Give Keras' own activations by name, so that NumPy finds them too."""
    name = getattr(activation, "__name__", None)
    module = getattr(activation, "__module__", None) or ""
    if name in ACTIVATIONS and module.startswith("keras."):
        return name
    return activation


def _own_learning_rate(optimizer):
    """Give the learning rate, or the schedule, that a Keras optimizer holds."""
    import keras

    rate = resolve("optimizer", optimizer).get_config()["learning_rate"]
    if isinstance(rate, dict):
        return keras.optimizers.schedules.deserialize(rate)
    return float(rate)


def _dense_program(spec):
    """Give the NumPy program of a spec, or None where only TensorFlow will do."""
    activations = (spec.activation, spec.latent_activation, spec.output_activation)
    if not hasattr(spec.network, "layer_sizes") or not all(
        isinstance(name, str) and name in ACTIVATIONS for name in activations
    ):
        return None
    n_features = math.prod(spec.sample_shape)
    sizes = spec.network.layer_sizes(n_features, spec.latent_dim)
    return DenseProgram(*sizes, *activations, spec.dtype)


def _program(spec):
    return _dense_program(spec) or get_program(spec)


def _training_program(spec):
    dense = _dense_program(spec)
    if (
        dense is not None
        and dense.trainable
        and dense.work <= _MAX_NUMPY_WORK
        and isinstance(spec.loss, str)
        and spec.loss in ("mse", "mean_squared_error")
        and isinstance(spec.optimizer, str)
        and spec.optimizer == "adam"
    ):
        return dense
    return get_program(spec)


def _load(trainer, weights, state, seed):
    try:
        trainer.load(weights, state, seed)
    except ValueError as error:
        raise ValueError(
            "The weights of the last fit do not go with the network that the parameters "
            "now describe. To go on from them, set the parameters back; to start anew, "
            "use `fit` with warm_start=False."
        ) from error


def _refuse_non_finite(weights):
    if not all(np.isfinite(weight).all() for weight in weights):
        raise ValueError(
            "Training diverged in the last epoch: weights are not finite. Scale the "
            "data first, for example with MinMaxScaler or StandardScaler, or lower "
            "`learning_rate`."
        )


def _joined(before, now):
    return {
        name: [*before.get(name, []), *now.get(name, [])] for name in {**before, **now}
    }
