"""The Keras side of KerasAutoencoderTransformer: build, cut, train and run a network.

Keras and scikeras are imported where they are used: both take seconds, and scikeras
changes how Keras models are pickled in the whole process.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import clone

from skae._cutting import Cut, as_graph
from skae._keras_checks import shaped
from skae._process import import_tensorflow
from skae._tiles import Tiles

# Rows in one forward pass: enough to keep the processor busy, and few enough for
# the activations of a convolutional network to fit in memory.
_ROWS = 512

# One network is built at a time, because building borrows process-wide generators.
_BUILDING = threading.RLock()


def build(regressor: Any, X: np.ndarray) -> Any:
    """Return a clone of the user's regressor with its network built, not trained."""
    regressor = _new_regressor(regressor, X)
    with _unseeded(regressor):
        return regressor.initialize(X, _stand_in(X))


def _new_regressor(regressor: Any, X: np.ndarray) -> Any:
    """Clone the user's regressor, or make one for the dense autoencoder below."""
    import_tensorflow()
    import keras
    from scikeras.wrappers import BaseWrapper, KerasClassifier, KerasRegressor

    if regressor is None:
        return KerasRegressor(
            model=_dense_autoencoder,
            # Keras computes a loss given by its name in float32, whatever the network.
            loss=keras.losses.MeanSquaredError(dtype=X.dtype.name),
            optimizer="adam",
            optimizer__learning_rate=0.005,
            epochs=20,
            batch_size=64,
            verbose=0,
        )
    if not isinstance(regressor, BaseWrapper) or isinstance(regressor, KerasClassifier):
        raise TypeError(
            "Expected regressor to be a scikeras.wrappers.KerasRegressor. Received "
            f"{type(regressor).__name__}. Wrap the function that builds the network: "
            "KerasRegressor(model=build, loss='mse')."
        )
    return clone(regressor)


def _dense_autoencoder(meta: dict[str, Any]) -> Any:
    """Build a small dense autoencoder in the dtype of the data."""
    import keras

    dtype = meta["X_dtype_"].name
    n_features = math.prod(meta["X_shape_"][1:])
    inputs = keras.Input((n_features,), dtype=dtype)
    hidden = keras.layers.Dense(64, activation="elu", dtype=dtype)(inputs)
    n_latent = min(10, math.ceil(n_features / 2))
    latent = keras.layers.Dense(n_latent, name="latent", dtype=dtype)(hidden)
    hidden = keras.layers.Dense(64, activation="elu", dtype=dtype)(latent)
    return keras.Model(inputs, keras.layers.Dense(n_features, dtype=dtype)(hidden))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make what is built inside depend on `seed` alone, and leave no trace.

    Keras takes the seed of every initializer and dropout layer that has none of its
    own from Python's `random`. A seed for TensorFlow is therefore not needed, and
    TensorFlow offers no way to put its generator back.
    """
    with _BUILDING:
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


@contextmanager
def _unseeded(regressor: Any) -> Iterator[None]:
    """Keep scikeras from building anew and from seeding, which it does globally.

    Its seeding switches on TensorFlow's op determinism, which outlives the fit: what
    draws without a seed later in the process then raises.
    """
    before = {name: getattr(regressor, name) for name in ("random_state", "warm_start")}
    regressor.set_params(random_state=None, warm_start=True)
    try:
        yield
    finally:
        regressor.set_params(**before)


def reshaped(
    model: Any, name: str, given: tuple[int, ...], wanted: tuple[int, ...]
) -> Any:
    """Return a network that takes and gives samples or latents as the user has them."""
    import keras

    inputs = x = keras.Input(given, dtype=model.inputs[0].dtype, name=name)
    if len(model.input_shape) != len(x.shape):
        x = keras.layers.Reshape(model.input_shape[1:])(x)
    x = model(x)
    if x.shape[1:] != wanted:
        x = keras.layers.Reshape(wanted)(x)
    return keras.Model(inputs, x)


def run(model: Any, X: np.ndarray) -> np.ndarray:
    """Apply a network to all rows of `X`, without the overhead of `predict`."""
    import keras

    def apply(rows: np.ndarray) -> np.ndarray:
        outputs: np.ndarray = keras.ops.convert_to_numpy(model(rows, training=False))
        return outputs

    # What overflows is refused by those who call this, in words.
    with np.errstate(all="ignore"):
        return Tiles(model, _ROWS).apply(apply, X)


def _stand_in(X: np.ndarray) -> np.ndarray:
    """Return a target for scikeras to inspect, of the size of `X` but no memory.

    scikeras refuses targets of more than two dimensions, such as images, and warns
    of integers. The target of training is `X` itself: see `train`.
    """
    return np.broadcast_to(np.asarray(0.5, X.dtype), (len(X), math.prod(X.shape[1:])))


def train(
    regressor: Any, X: np.ndarray, weight: np.ndarray | None, cut: Cut, seed: int
) -> None:
    """Let scikeras compile its network and train it, on data that we feed.

    Keras shuffles by TensorFlow's global generator, and scikeras takes no images as
    target. So the network's `fit` is replaced while scikeras calls it, by one with
    the same parameters that orders the samples by `seed`.
    """
    model = regressor.model_
    arrays = _arrays(model, X, weight, cut)

    def fit(
        x: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        batch_size: int | None = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        **kwargs: Any,
    ) -> Any:
        n_train = len(X) - math.ceil(len(X) * validation_split)
        if not n_train:
            raise ValueError(
                f"Expected samples to train on. Received {len(X)} with "
                f"validation_split={validation_split}, which leaves none. Pass more, "
                "or lower regressor__validation_split."
            )
        batch_size = min(batch_size or 32, n_train)
        if validation_split:
            kwargs["validation_data"] = tuple(a[n_train:] for a in arrays)
        kwargs.setdefault("steps_per_epoch", math.ceil(n_train / batch_size))
        # Left to the first step, this would make TensorFlow trace it twice.
        model.optimizer.build(model.trainable_variables)
        batches = _batches([a[:n_train] for a in arrays], batch_size, shuffle, seed)
        return type(model).fit(model, batches, shuffle=False, **kwargs)

    model.fit = fit
    if not hasattr(model, "outputs"):
        # scikeras would count the outputs of the graph, and a subclass has no graph.
        regressor.n_outputs_expected_ = None
    try:
        # What overflows is refused below, in words.
        with _unseeded(regressor), np.errstate(all="ignore"):
            regressor.fit(X, _stand_in(X))
    finally:
        del model.fit
    if not all(np.isfinite(values).all() for values in model.get_weights()):
        raise ValueError(
            "Expected training to end with finite weights. Received NaN or infinity: "
            "training diverged. Scale X, to [0, 1] for instance, or lower "
            "regressor__optimizer__learning_rate."
        )


def _arrays(
    model: Any, X: np.ndarray, weight: np.ndarray | None, cut: Cut
) -> list[np.ndarray]:
    """Give inputs, targets and, where there are any, weights, as Keras takes them."""
    arrays = [shaped(X, cut.input_shape, "input")]
    # Only a first output tells the shape of every kind of network.
    arrays.append(shaped(X, run(model, arrays[0][:1]).shape[1:], "output"))
    if weight is not None:
        # One weight a sample, whatever the number of losses in a sample.
        weight = weight.reshape(-1, *(1,) * (arrays[1].ndim - 2))
        arrays.append(weight * (len(X) / weight.sum()))
    return arrays


def _batches(
    arrays: list[np.ndarray], batch_size: int, shuffle: bool, seed: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield batches for ever, in a new order at each pass."""
    rng = np.random.RandomState(seed)
    order = np.arange(len(arrays[0]))
    while True:
        if shuffle:
            rng.shuffle(order)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield tuple(array[rows] for array in arrays)


def pack(
    regressor: Any, cut: Cut
) -> tuple[Any, tuple[dict[str, Any], list[np.ndarray]]]:
    """Split a fitted regressor into one without network, and the network as values.

    The callbacks stay behind: they hold the network, open files and local functions.
    So does the optimizer, which only more training would need.
    """
    import keras

    bare = copy.copy(regressor)
    model = vars(bare).pop("model_")
    bare._fit_callbacks = bare._predict_callbacks = []
    for name in {"callbacks", "fit__callbacks", "predict__callbacks"} & {*vars(bare)}:
        setattr(bare, name, None)
    if not type(model).__module__.startswith("keras."):
        # A class of the user's may not exist where the pickle is opened.
        model = as_graph(model, cut)
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    return bare, (config, model.get_weights())


def unpack(packed: tuple[dict[str, Any], list[np.ndarray]]) -> Any:
    """Make the network of `pack` again."""
    import keras

    config, weights = packed
    # The initial weights are overwritten; seeded, they draw nothing from the user's
    # generators. A pickle can run any code, so a lambda in a layer is no new risk.
    with seeded(0):
        model = keras.saving.deserialize_keras_object(config, safe_mode=False)
    model.set_weights(weights)
    return model
