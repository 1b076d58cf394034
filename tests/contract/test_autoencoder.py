"""The transformer: what it learns, what it promises, what it leaves alone."""

import copy
import io
import os
import pickle
import random
import sys
import threading

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from small import SMALL, python, small, small_conv

from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork

DIGITS = load_digits()
X = (DIGITS.data[:300] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)


# Keras itself calls `np.array(variable)` in some of its callbacks.
KERAS_WARNS = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.fixture(scope="module")
def digits_fit():
    """Default parameters on all digits. Do not fit it again."""
    data = DIGITS.data.astype(np.float32) / 16
    return AutoencoderTransformer(8, epochs=100, random_state=0).fit(data[:1500])


# ------------------------------------------------------------------ it learns


def test_reconstructs_unseen_digits_better_than_pca(digits_fit):
    data = DIGITS.data.astype(np.float32) / 16
    train, test = data[:1500], data[1500:]
    pca = PCA(8, random_state=0).fit(train)
    pca_error = ((pca.inverse_transform(pca.transform(test)) - test) ** 2).mean()
    assert -digits_fit.score(test) < 0.75 * pca_error


def test_loss_falls(digits_fit):
    loss = digits_fit.history_["loss"]
    assert len(loss) == digits_fit.n_iter_ == 100
    # It begins at the error of PCA.
    assert loss[0] > 2 * loss[-1]


@SMALL
def test_each_engine_learns(make):
    ae = make(epochs=60, learning_rate=0.01).fit(IMAGES)
    assert ae.history_["loss"][0] > 2 * ae.history_["loss"][-1]
    mean_error = ((IMAGES - IMAGES.mean(axis=0)) ** 2).mean()
    assert -ae.score(IMAGES) < 0.8 * mean_error


def test_auto_epochs_take_more_rounds_for_less_data():
    tiny = small(epochs="auto").fit(X[:30])  # a step an epoch
    few = small(epochs="auto", batch_size=1).fit(X[:30])  # 30 steps an epoch
    many = small(epochs="auto", batch_size=1).fit(X)  # 300 steps an epoch
    # 20 times the root of the number of rows.
    assert tiny.n_iter_ == 110
    assert few.n_iter_ == 5
    assert many.n_iter_ == 5


# ------------------------------------------------------------- shapes and names


@SMALL
@pytest.mark.parametrize("shape", [(64,), (8, 8), (8, 8, 1), (4, 4, 4)])
def test_shapes(make, shape):
    data = X[:50].reshape(-1, *shape)
    ae = make(latent_dim=2, epochs=1)
    latents = ae.fit_transform(data)
    assert latents.shape == (50, 2)
    assert ae.transform(data[:1]).shape == (1, 2)
    assert ae.inverse_transform(latents[:7]).shape == (7, *shape)
    assert ae.score_samples(data).shape == (50,)
    assert isinstance(ae.score(data), float)
    assert ae.sample_shape_ == shape
    assert ae.n_features_in_ == 64


def test_feature_names():
    frame = pd.DataFrame(X[:50], columns=[f"pixel{i}" for i in range(64)])
    ae = small(latent_dim=2, epochs=1).fit(frame)
    assert list(ae.feature_names_in_) == list(frame.columns)
    assert list(ae.get_feature_names_out()) == [
        "autoencodertransformer0",
        "autoencodertransformer1",
    ]
    assert not hasattr(ae.fit(X[:50]), "feature_names_in_")


def test_auto_output_activation_depends_on_the_range():
    assert small(epochs=1).fit(X).output_activation_ == "sigmoid"
    assert small(epochs=1).fit(X - 0.1).output_activation_ == "linear"
    assert small(epochs=1).fit(X * 2).output_activation_ == "linear"
    fixed = small(epochs=1, output_activation="tanh").fit(X)
    assert fixed.output_activation_ == "tanh"


# ----------------------------------------------------------------------- scores


@SMALL
def test_score_is_minus_the_mean_squared_error(make):
    ae = make().fit(IMAGES)
    errors = (ae.inverse_transform(ae.transform(IMAGES)) - IMAGES) ** 2
    assert_allclose(ae.score_samples(IMAGES), -errors.mean(axis=(1, 2)), rtol=1e-5)
    assert_allclose(ae.score(IMAGES), -errors.mean(), rtol=1e-5)


def test_score_takes_weights():
    ae = small().fit(X)
    weights = np.arange(300)
    expected = np.average(ae.score_samples(X), weights=weights)
    assert_allclose(ae.score(X, sample_weight=weights), expected, rtol=1e-6)
    assert ae.score(X, sample_weight=weights) != ae.score(X)


def test_outliers_score_low(digits_fit):
    digits = DIGITS.data[:200].astype(np.float32) / 16
    shuffled = np.random.default_rng(0).permuted(digits, axis=1)
    assert np.percentile(digits_fit.score_samples(digits), 5) > np.percentile(
        digits_fit.score_samples(shuffled), 95
    )


# ----------------------------------------------------------------------- dtypes

COUNTS = DIGITS.data[:60]  # whole numbers from 0 to 16

DTYPES = [np.float64, np.float32, np.uint8, np.int64, np.int8, np.float16, ">f4", ">f8"]


@SMALL
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_follows_the_data(make, dtype):
    ae = make(epochs=2)
    data = COUNTS.astype(dtype)
    latents = ae.fit_transform(data)
    wide = np.dtype(dtype).newbyteorder("=") in (np.float64, np.int64)
    expected = np.dtype(np.float64 if wide else np.float32)
    assert latents.dtype == expected
    assert ae.inverse_transform(latents).dtype == expected
    # The numbers are those of the plain array.
    plain = make(epochs=2).fit_transform(COUNTS.astype(expected))
    assert_array_equal(latents, plain)
    assert ae.score(data) == ae.score(COUNTS.astype(expected))


@SMALL
def test_bool_is_zero_and_one(make):
    mask = COUNTS > 8
    assert_array_equal(
        make().fit_transform(mask), make().fit_transform(mask.astype(np.float32))
    )


def backwards(data):
    return np.ascontiguousarray(data[::-1, ::-1])[::-1, ::-1]


def read_only(data):
    data = data.copy()
    data.flags.writeable = False
    return data


LAYOUTS = {
    "fortran": np.asfortranarray,
    "negative strides": backwards,
    "every other column": lambda data: np.repeat(data, 2, axis=1)[:, ::2],
    "read-only": read_only,
}


@SMALL
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(60, 64), (60, 8, 8)])
def test_memory_layout_does_not_change_the_numbers(make, layout, shape):
    plain = COUNTS.reshape(shape)
    data = LAYOUTS[layout](plain)
    assert_array_equal(data, plain)
    kept = data.copy()
    ae, expected = make(epochs=2), make(epochs=2).fit(plain)
    assert_array_equal(ae.fit(data).transform(data), expected.transform(plain))
    assert_array_equal(data, kept)
    latents = LAYOUTS[layout](np.tile(expected.transform(plain), 2))[:, :3]
    assert_array_equal(
        ae.inverse_transform(latents), expected.inverse_transform(latents.copy())
    )


@pytest.mark.parametrize(
    ("container", "dtype"),
    [
        (np.ndarray.tolist, np.float64),
        (pl.DataFrame, np.float64),
        (pl.DataFrame, np.float32),
        (pd.DataFrame, np.float64),
        (pd.DataFrame, np.float32),
    ],
)
def test_containers_do_not_change_the_numbers(container, dtype):
    counts = COUNTS.astype(dtype)
    expected = small().fit(counts)
    data = container(counts)
    ae = small().fit(data)
    assert_array_equal(ae.transform(data), expected.transform(counts))
    assert ae.score(data) == expected.score(counts)


def test_lists_of_images():
    images = COUNTS.reshape(-1, 8, 8)
    ae, expected = small().fit(images.tolist()), small().fit(images)
    assert_array_equal(ae.transform(images.tolist()), expected.transform(images))


def test_float64_is_computed_in_float64():
    data = COUNTS / 16
    coarse = small().fit_transform(data.astype(np.float32))
    fine = small().fit_transform(data)
    assert_allclose(fine, coarse, atol=1e-4)
    assert (fine != coarse).any()


# ---------------------------------------------------------------- reproducibility


@SMALL
def test_same_seed_same_bytes(make):
    first = make().fit_transform(IMAGES).tobytes()
    assert make().fit_transform(IMAGES).tobytes() == first
    assert make(random_state=1).fit_transform(IMAGES).tobytes() != first
    by_state = make(random_state=np.random.RandomState(0))
    assert by_state.fit_transform(IMAGES).tobytes() == first


@SMALL
def test_no_seed_draws_anew(make):
    make = make(random_state=None).fit_transform
    assert make(IMAGES).tobytes() != make(IMAGES).tobytes()


@SMALL
def test_refit_does_not_depend_on_the_fit_before(make):
    expected = make().fit_transform(IMAGES).tobytes()
    ae = make().fit(IMAGES[:70] * 3)
    assert ae.fit_transform(IMAGES).tobytes() == expected


@SMALL
@pytest.mark.usefixtures("other_people")
def test_other_work_of_tensorflow_does_not_move_the_bits(make):
    import keras

    expected = make().fit_transform(IMAGES).tobytes()
    make(random_state=None).fit(IMAGES)
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    model.compile("adam", "mse")
    model.fit(X[:40], X[:40], verbose=0)
    assert make().fit_transform(IMAGES).tobytes() == expected
    keras.backend.clear_session()
    assert make().fit_transform(IMAGES).tobytes() == expected


@SMALL
@pytest.mark.usefixtures("other_people")
def test_nothing_global_is_drawn_or_changed(make):
    import keras
    import tensorflow as tf

    def state():
        return {
            "environ": dict(os.environ),
            "random": random.getstate(),
            "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
            "policy": keras.config.dtype_policy().name,
            "floatx": keras.config.floatx(),
            "image format": keras.config.image_data_format(),
            "printing": np.get_printoptions(),
            "errors": np.geterr(),
            "threads": threading.active_count(),
            "deterministic": tf.config.experimental.is_op_determinism_enabled()
            if hasattr(tf.config.experimental, "is_op_determinism_enabled")
            else None,
        }

    def draws():
        """What the user's own seeds give, with a fit before them or not."""
        keras.utils.set_random_seed(5)
        yield
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        yield (
            random.random(),
            np.random.random(),  # noqa: NPY002
            float(tf.random.uniform(())),
            model.get_weights()[0].tolist(),
        )

    # A network that no other test has traced.
    ae = make(network=ConvNetwork((3,)) if make is small_conv else DenseNetwork((7,)))
    before = state()
    ae.fit(IMAGES.astype(np.float64)).transform(IMAGES)
    assert ae.encoder_.count_params()
    assert state() == before
    _, undisturbed = draws()
    disturbed = draws()
    next(disturbed)
    make(network=clone(ae.network), latent_dim=5).fit(IMAGES)
    assert next(disturbed) == undisturbed


# ------------------------------------------------------------------ a fresh process


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """What a fresh process, which is handed pickled transformers, finds out."""
    path = tmp_path_factory.mktemp("elsewhere") / "fitted.pickle"
    fitted = {"small": small().fit(IMAGES), "conv": small_conv().fit(IMAGES)}
    path.write_bytes(pickle.dumps(fitted))
    np.save(path.with_suffix(".npy"), IMAGES)
    code = """
import json, pickle, sys
import numpy as np

def loaded():
    heavy = ("tensorflow", "keras", "matplotlib", "scikeras")
    return [name for name in heavy if name in sys.modules]

import skae
out = {"import": loaded()}
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
images = np.load(sys.argv[2])
with open(sys.argv[1], "rb") as file:
    fitted = pickle.load(file)
latents = fitted["small"].transform(images)
fitted["small"].inverse_transform(latents), fitted["small"].score(images)
out["transform"] = loaded()
out["transform small"] = latents.tobytes().hex()
out["fit small"] = fitted["small"].fit_transform(images).tobytes().hex()
out["fit"] = loaded()
out["transform conv"] = fitted["conv"].transform(images).tobytes().hex()
out["fit conv"] = fitted["conv"].fit_transform(images).tobytes().hex()
print(json.dumps(out))
"""
    return python(code, path, path.with_suffix(".npy"))


@pytest.mark.long
@pytest.mark.versions
def test_import_is_light(elsewhere):
    assert elsewhere["import"] == []


def test_a_dense_transformer_works_without_tensorflow(elsewhere):
    assert elsewhere["transform"] == []
    assert elsewhere["fit"] == []


@pytest.mark.parametrize("name", ["small", "conv"])
def test_another_process_gives_the_same_bytes(elsewhere, name):
    make = {"small": small, "conv": small_conv}[name]
    expected = make().fit_transform(IMAGES).tobytes().hex()
    assert elsewhere[f"transform {name}"] == expected
    assert elsewhere[f"fit {name}"] == expected


# ---------------------------------------------------------------- sample weights


@SMALL
def test_weight_of_k_is_k_copies(make):
    data = X[:40].astype(np.float64)
    weights = np.arange(40) % 4 + 1
    # One step an epoch, so that the batches hold the same rows.
    weighted = make(batch_size=1000).fit(data, sample_weight=weights)
    copies = make(batch_size=1000).fit(np.repeat(data, weights, axis=0))
    plain = make(batch_size=1000).fit(data)
    assert_allclose(weighted.transform(data), copies.transform(data), rtol=1e-9)
    assert_allclose(weighted.history_["loss"], copies.history_["loss"], rtol=1e-9)
    assert (abs(weighted.transform(data) - plain.transform(data)) > 1e-6).any()


@SMALL
def test_zero_weight_is_absence(make):
    weights = (np.arange(300) % 3 > 0).astype(float)
    spoilt = np.where(weights[:, np.newaxis] > 0, X, 7)
    with_zeros = make(batch_size=50).fit(spoilt, sample_weight=weights)
    without = make(batch_size=50).fit(X[weights > 0])
    assert_array_equal(with_zeros.transform(X), without.transform(X))


@SMALL
def test_scale_of_weights_does_not_matter(make):
    weights = np.arange(1.0, 301.0)
    one = make().fit(X, sample_weight=weights)
    eight = make().fit(X, sample_weight=8 * weights)
    assert_allclose(one.transform(X), eight.transform(X), atol=1e-5)


def test_partial_fit_takes_weights():
    weights = np.r_[np.zeros(200), np.ones(100)]
    weighted = small().partial_fit(X, sample_weight=weights)
    alone = small().partial_fit(X[200:])
    assert_array_equal(weighted.transform(X), alone.transform(X))


# ----------------------------------------------------------------- early stopping


@SMALL
def test_early_stopping_restores_the_best_weights(make):
    params = {"early_stopping": True, "learning_rate": 0.03, "tol": 0.0}
    params["validation_fraction"] = 0.3
    ae = make(epochs=200, n_iter_no_change=4, **params).fit(X[:60])
    losses = ae.history_["val_loss"]
    best = int(np.argmin(losses))
    assert ae.n_iter_ == len(losses) == len(ae.history_["loss"]) == best + 5 < 200
    shorter = make(epochs=best + 1, n_iter_no_change=4, **params).fit(X[:60])
    assert_array_equal(ae.transform(X), shorter.transform(X))
    one_more = make(epochs=best + 2, n_iter_no_change=4, **params).fit(X[:60])
    assert_array_equal(ae.transform(X), one_more.transform(X))


def test_early_stopping_stops_by_its_tolerance():
    ae = small(early_stopping=True, tol=0.9, n_iter_no_change=2, epochs=50)
    # Behind the five epochs in which the learning rate rises.
    assert ae.fit(X).n_iter_ == 7
    assert ae.set_params(learning_rate="constant").fit(X).n_iter_ == 3


def test_no_validation_without_early_stopping():
    assert list(small().fit(X).history_) == ["loss"]


def test_validation_fraction_changes_what_is_trained_on():
    few, many = (
        small(early_stopping=True, validation_fraction=f).fit(X) for f in (0.1, 0.5)
    )
    assert (few.transform(X) != many.transform(X)).any()


# ------------------------------------------------------------------------ going on


@SMALL
def test_warm_start_goes_on(make):
    ae = make(warm_start=True, epochs=5, learning_rate=0.01).fit(X)
    first = list(ae.history_["loss"])
    weights = [weight.copy() for weight in ae.weights_]
    ae.fit(X)
    assert ae.history_["loss"][:5] == first
    assert len(ae.history_["loss"]) == 10
    assert ae.history_["loss"][5] < first[0]
    assert ae.history_["loss"][9] < first[4]
    assert any((new != old).any() for new, old in zip(ae.weights_, weights, strict=1))
    cold = make(epochs=5, learning_rate=0.01).fit(X).fit(X)
    assert cold.history_["loss"] == first


@SMALL
def test_partial_fit_learns_from_chunks(make):
    ae = make(learning_rate=0.01)
    for _ in range(15):
        for chunk in np.array_split(X, 3):
            ae.partial_fit(chunk)
    assert ae.n_iter_ == len(ae.history_["loss"]) == 45
    assert ae.history_["loss"][0] > 2 * np.mean(ae.history_["loss"][-3:])


@SMALL
def test_partial_fit_after_unpickling_is_partial_fit(make):
    ae = make(learning_rate=0.01)
    for chunk in np.array_split(X, 3):
        ae.partial_fit(chunk)
    twin = pickle.loads(pickle.dumps(ae))
    before = twin.transform(X)
    assert_array_equal(twin.partial_fit(X).transform(X), ae.partial_fit(X).transform(X))
    assert (twin.transform(X) != before).any()


def test_partial_fit_refuses_another_shape():
    ae = small().partial_fit(IMAGES)
    before = ae.transform(IMAGES)
    with pytest.raises(ValueError, match="expecting shape"):
        ae.partial_fit(IMAGES[:, :7])
    assert_array_equal(ae.transform(IMAGES), before)


# ------------------------------------------------------------------ learning rates


def test_constant_is_the_initial_rate():
    expected = small(learning_rate=0.004).fit_transform(X)
    constant = small(learning_rate="constant", learning_rate_init=0.004)
    assert_array_equal(constant.fit_transform(X), expected)
    assert (small(learning_rate_init=0.004).fit_transform(X) != expected).any()
    assert (small().fit_transform(X) != expected).any()


@SMALL
def test_cosine_falls_to_zero_over_the_run(make):
    import keras

    class Watch(keras.callbacks.Callback):
        def __init__(self):
            self.rates, self.weights = [], []

        def on_epoch_end(self, epoch, logs=None):
            self.rates.append(float(self.model.optimizer.learning_rate.numpy()))
            self.weights.append(
                np.concatenate([*map(np.ravel, self.model.get_weights())])
            )

    params = {"learning_rate": "cosine", "learning_rate_init": 0.02, "epochs": 8}
    (watch,) = make(callbacks=[Watch()], **params).fit(X).callbacks_
    # Two steps an epoch; the callbacks see the rate of an epoch's first step.
    done = (2 * np.arange(8) + 1) / 17
    expected = 0.02 * np.minimum(1, done / 0.1) * (1 + np.cos(np.pi * done)) / 2
    assert_allclose(watch.rates, expected, rtol=1e-6)
    moved = np.abs(np.diff(watch.weights, axis=0)).mean(axis=1)
    assert moved[-1] < 0.1 * moved[0]


@SMALL
def test_schedules_of_keras(make):
    import keras

    flat = keras.optimizers.schedules.ExponentialDecay(0.01, 5, decay_rate=1.0)
    falling = keras.optimizers.schedules.ExponentialDecay(0.01, 1, decay_rate=0.5)
    expected = make(learning_rate=0.01).fit_transform(X)
    assert_allclose(make(learning_rate=flat).fit_transform(X), expected, atol=1e-4)
    slower = make(learning_rate=falling).fit_transform(X)
    assert abs(slower - expected).max() > 1e-2


@SMALL
def test_an_optimizer_object_brings_its_own_rate(make):
    import keras

    def latents(rate, **params):
        optimizer = keras.optimizers.Adam(rate)
        return make(optimizer=optimizer, **params).fit_transform(X)

    falling = keras.optimizers.schedules.ExponentialDecay(0.01, 1, decay_rate=0.5)
    for rate in (0.01, falling):
        # Of two rates, the one taken is told.
        with pytest.warns(UserWarning, match=r"two learning rates.*not the 0\.5"):
            other = latents(0.5, learning_rate=rate)
        assert_array_equal(latents(rate), other)
    assert abs(latents(0.01) - latents(falling)).max() > 1e-2


# ------------------------------------------------------------ optimizers and losses

OPTIMIZERS = ["sgd", "rmsprop", "adamw", "nadam", "adagrad", "lion"]


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_by_name(optimizer):
    ae = small(optimizer=optimizer, learning_rate=0.01, epochs=5, batch_size=10).fit(X)
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]
    adam = small(learning_rate=0.01, epochs=5, batch_size=10).fit(X)
    assert (ae.transform(X) != adam.transform(X)).any()


@SMALL
def test_an_optimizer_object_is_not_touched(make):
    import keras

    optimizer = keras.optimizers.Adam(0.01)
    config = optimizer.get_config()
    ae = make(optimizer=optimizer).fit(X).partial_fit(X)
    assert optimizer.get_config() == config
    assert int(optimizer.iterations.numpy()) == 0
    assert not optimizer.built
    assert ae.optimizer is optimizer
    expected = ae.transform(X)
    assert_array_equal(pickle.loads(pickle.dumps(ae)).transform(X), expected)
    assert clone(ae).fit(X).transform(X).shape == expected.shape


def test_parameters_of_an_optimizer_object_count():
    import keras

    heavy = keras.optimizers.SGD(0.1, momentum=0.9)
    light = keras.optimizers.SGD(0.1)
    losses = [small(optimizer=o).fit(X).history_["loss"][-1] for o in (heavy, light)]
    assert losses[0] < losses[1]
    assert losses == [
        small(optimizer=o).fit(X).history_["loss"][-1] for o in (heavy, light)
    ]


@SMALL
@pytest.mark.parametrize("loss", ["mae", "binary_crossentropy", "mean_squared_error"])
def test_losses_by_name(make, loss):
    import keras

    ae = make(loss=loss, epochs=10, learning_rate=0.01).fit(X)
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]
    # The last loss of a step that changes nothing is Keras' own of the outputs.
    frozen = make(loss=loss, epochs=1, learning_rate=1e-30).fit(X)
    outputs = frozen.inverse_transform(frozen.transform(X))
    expected = np.mean(keras.losses.get(loss)(X, outputs))
    assert_allclose(frozen.history_["loss"], [expected], rtol=1e-4)


def test_losses_as_objects():
    import keras

    huber = keras.losses.Huber(delta=0.01)
    config = huber.get_config()
    by_object = small(loss=huber, learning_rate=0.01).fit(X)
    assert huber.get_config() == config
    by_function = small(
        loss=lambda x, y: keras.losses.huber(x, y, delta=0.01), learning_rate=0.01
    ).fit(X)
    assert_array_equal(by_object.transform(X), by_function.transform(X))
    assert by_object.history_["loss"] == by_function.history_["loss"]
    # Keras leaves `delta` out of what `get_config` says of a Huber loss.
    other = small(loss=keras.losses.Huber(delta=1.0), learning_rate=0.01).fit(X)
    assert (other.transform(X) != by_object.transform(X)).any()


def test_losses_of_the_same_class_may_differ():
    import keras

    class Power(keras.losses.Loss):
        def __init__(self, exponent):
            super().__init__()
            self.exponent = exponent

        def call(self, y_true, y_pred):
            return keras.ops.mean(abs(y_true - y_pred) ** self.exponent, axis=-1)

    square, fourth = (small(loss=Power(exponent)).fit(X) for exponent in (2, 4))
    assert square.history_["loss"][0] > 2 * fourth.history_["loss"][0]


def test_activations_as_objects():
    import keras

    expected = small(activation="relu").fit_transform(X)
    given = small(activation=keras.activations.relu).fit_transform(X)
    assert_array_equal(given, expected)
    own = small(activation=lambda x: keras.ops.maximum(x, 0)).fit_transform(X)
    assert own.shape == expected.shape


# ----------------------------------------------------------------- Keras callbacks


def count(epoch, logs):
    count.seen.append((epoch, dict(logs)))


def halve(epoch, rate):
    return rate / 2


def early_stopping(path):
    import keras

    return keras.callbacks.EarlyStopping(monitor="loss", min_delta=9, patience=1)


def model_checkpoint(path):
    import keras

    return keras.callbacks.ModelCheckpoint(path / "model.keras", monitor="loss")


def csv_logger(path):
    import keras

    return keras.callbacks.CSVLogger(path / "log.csv")


def tensor_board(path):
    import keras

    pytest.importorskip("tensorboard")
    return keras.callbacks.TensorBoard(path / "board")


def scheduler(path):
    import keras

    return keras.callbacks.LearningRateScheduler(halve)


def plateau(path):
    import keras

    return keras.callbacks.ReduceLROnPlateau("loss", 0.1, patience=1, min_delta=9)


def lambda_callback(path):
    import keras

    return keras.callbacks.LambdaCallback(on_epoch_end=count)


CALLBACKS = pytest.mark.parametrize(
    "make_callback",
    [
        early_stopping,
        model_checkpoint,
        csv_logger,
        tensor_board,
        scheduler,
        plateau,
        lambda_callback,
    ],
)


@KERAS_WARNS
@SMALL
@CALLBACKS
def test_callbacks_leave_a_whole_transformer(make, make_callback, tmp_path):
    count.seen = []
    callback = make_callback(tmp_path)
    before = set(vars(callback))
    ae = make(callbacks=[callback]).fit(X[:60])
    assert ae.callbacks == [callback]
    assert set(vars(callback)) == before
    expected = ae.transform(X)
    assert_array_equal(copy.deepcopy(ae).transform(X), expected)
    assert_array_equal(pickle.loads(pickle.dumps(ae)).transform(X), expected)
    assert clone(ae).callbacks is not None
    again = clone(ae).fit(X[:60])
    assert_array_equal(again.transform(X), expected)


@SMALL
def test_keras_early_stopping_stops(make, tmp_path):
    ae = make(callbacks=[early_stopping(tmp_path)], epochs=9).fit(X)
    assert ae.n_iter_ == len(ae.history_["loss"]) == 2


@SMALL
def test_keras_early_stopping_restores_the_best_weights(make):
    import keras

    stop = keras.callbacks.EarlyStopping(
        "val_loss", patience=2, restore_best_weights=True
    )
    params = {"early_stopping": True, "n_iter_no_change": 100, "learning_rate": 0.1}
    ae = make(callbacks=[stop], epochs=60, **params).fit(X[:60])
    best = int(np.argmin(ae.history_["val_loss"]))
    assert ae.n_iter_ == best + 3
    params["early_stopping"] = True
    expected = make(epochs=best + 1, **params).fit(X[:60])
    assert_array_equal(ae.transform(X), expected.transform(X))


@KERAS_WARNS
@SMALL
def test_model_checkpoint_writes_the_autoencoder(make, tmp_path):
    import keras

    ae = make(callbacks=[model_checkpoint(tmp_path)]).fit(X)
    model = keras.models.load_model(tmp_path / "model.keras")
    reconstructions = ae.inverse_transform(ae.transform(X))
    assert_allclose(model(X).numpy(), reconstructions, atol=1e-5)


@SMALL
def test_csv_logger_writes_a_row_an_epoch(make, tmp_path):
    ae = make(callbacks=[csv_logger(tmp_path)]).fit(X)
    table = pd.read_csv(tmp_path / "log.csv")
    assert list(table["epoch"]) == [0, 1, 2]
    assert_allclose(table["loss"], ae.history_["loss"])


@KERAS_WARNS
@SMALL
def test_learning_rate_scheduler_rules(make, tmp_path):
    ae = make(callbacks=[scheduler(tmp_path)], epochs=6, learning_rate=0.001).fit(X)
    rates = [0.001 / 2**i for i in range(1, 7)]
    schedule = iter(rates)
    import keras

    given = keras.callbacks.LearningRateScheduler(lambda epoch: next(schedule))
    expected = make(callbacks=[given], epochs=6).fit(X)
    assert_allclose(ae.transform(X), expected.transform(X), atol=1e-6)
    undisturbed = make(epochs=6).fit(X)
    assert abs(ae.transform(X) - undisturbed.transform(X)).max() > 1e-4


@KERAS_WARNS
@SMALL
def test_reduce_lr_on_plateau_rules(make, tmp_path):
    ae = make(callbacks=[plateau(tmp_path)], epochs=6).fit(X)
    undisturbed = make(epochs=6).fit(X)
    assert ae.history_["loss"][:2] == undisturbed.history_["loss"][:2]
    assert ae.history_["loss"][-1] > undisturbed.history_["loss"][-1]


@SMALL
def test_lambda_callback_sees_the_epochs(make, tmp_path):
    count.seen = []
    ae = make(callbacks=[lambda_callback(tmp_path)], early_stopping=True).fit(X)
    assert [epoch for epoch, _ in count.seen] == [0, 1, 2]
    for name in ("loss", "val_loss"):
        assert [logs[name] for _, logs in count.seen] == ae.history_[name]


def test_tensor_board_writes_events(tmp_path):
    small(callbacks=[tensor_board(tmp_path)]).fit(X)
    assert list((tmp_path / "board").rglob("events*"))


def test_callbacks_see_the_model_with_the_current_weights(tmp_path):
    import keras

    class Peek(keras.callbacks.Callback):
        def __init__(self):
            self.losses = []

        def on_epoch_end(self, epoch, logs=None):
            self.losses.append(np.mean((self.model(X).numpy() - X) ** 2))

    ae = small(callbacks=[Peek()]).fit(X)
    (peek,) = ae.callbacks_
    assert_allclose(peek.losses[-1], -ae.score(X), rtol=1e-5)
    assert len(set(peek.losses)) == 3


@SMALL
def test_a_callback_that_raises_leaves_the_transformer_as_it_was(make):
    import keras

    class Broken(keras.callbacks.Callback):
        ended = 0

        def on_epoch_end(self, epoch, logs=None):
            if epoch:
                raise OSError("disk full")

        def on_train_end(self, logs=None):
            type(self).ended += 1

    ae = make().fit(X)
    expected, state = ae.transform(X), sorted(vars(ae))
    ae.set_params(callbacks=[Broken()])
    with pytest.raises(OSError, match="disk full"):
        ae.fit(X * 2)
    # As in Keras, a fit that failed has no end.
    assert Broken.ended == 0
    assert sorted(vars(ae)) == state
    assert_array_equal(ae.transform(X), expected)
    # The next fit is a fit like any other.
    assert_array_equal(ae.set_params(callbacks=None).fit(X).transform(X), expected)


@pytest.mark.parametrize("callbacks", [["bar"], [print], 3])
def test_what_is_no_callback_is_refused(callbacks):
    with pytest.raises(TypeError, match=r"keras\.callbacks\.Callback"):
        small(callbacks=callbacks).fit(X)


# ---------------------------------------------------------- scikit-learn's callbacks


@SMALL
def test_progress_bar_of_scikit_learn(make, capsys):
    callback = pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    ae = make().set_callbacks(callback.ProgressBar())
    expected = make().fit_transform(X)
    assert_array_equal(ae.fit_transform(X), expected)
    shown = "".join(capsys.readouterr())
    assert "AutoencoderTransformer" in shown
    assert "100%" in shown
    assert_array_equal(pickle.loads(pickle.dumps(ae)).transform(X), expected)
    assert_array_equal(clone(ae).fit_transform(X), expected)


@SMALL
def test_scoring_monitor_scores_each_epoch(make):
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring={"minus error": negative_error})
    ae = make(learning_rate=0.01).set_callbacks(monitor).fit(X)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 3
    scores = [row["minus error"] for row in rows]
    assert scores == sorted(scores)
    assert_allclose(scores[-1], ae.score(X), rtol=1e-6)
    assert ae.history_["loss"] == make(learning_rate=0.01).fit(X).history_["loss"]


def negative_error(estimator, X, y=None):
    return estimator.score(X)


@SMALL
def test_scoring_monitor_within_a_pipeline(make):
    callback = pytest.importorskip("sklearn.callback")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    monitor = callback.ScoringMonitor(scoring={"minus error": negative_error})
    ae = make().set_callbacks(monitor)
    make_pipeline(MinMaxScaler(), ae).fit(X)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 3


# ----------------------------------------------------------------------- verbosity


@SMALL
def test_verbose_shows_a_bar_and_silence_is_silent(make, capfd):
    make().fit(X)  # whatever TensorFlow says at its start
    capfd.readouterr()
    make(early_stopping=True).fit(X).transform(X)
    assert capfd.readouterr() == ("", "")
    make(verbose=1, early_stopping=True).fit(X)
    out, err = capfd.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "loss=" in err
    assert "val_loss=" in err


# --------------------------------------------------------------------- Keras' models


@SMALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_encoder_and_decoder_are_keras_models(make, dtype):
    import keras

    data = IMAGES.astype(dtype)
    ae = make().fit(data)
    assert isinstance(ae.encoder_, keras.Model)
    assert isinstance(ae.decoder_, keras.Model)
    assert ae.encoder_ is ae.encoder_
    latents = ae.transform(data)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert_allclose(ae.encoder_.predict(data, verbose=0), latents, atol=tolerance)
    assert_allclose(
        ae.decoder_.predict(latents, verbose=0),
        ae.inverse_transform(latents),
        atol=tolerance,
    )
    pairs = zip(
        ae.encoder_.get_weights() + ae.decoder_.get_weights(), ae.weights_, strict=True
    )
    for theirs, ours in pairs:
        assert_array_equal(theirs, ours)


def test_the_keras_models_are_copies():
    ae = small().fit(X)
    expected = ae.transform(X)
    ae.encoder_.set_weights([weight * 0 for weight in ae.encoder_.get_weights()])
    assert_array_equal(ae.transform(X), expected)


def test_the_keras_models_follow_a_refit():
    ae = small().fit(X)
    old = ae.encoder_(X).numpy()
    ae.fit(1 - X)
    assert_allclose(ae.encoder_(X).numpy(), ae.transform(X), atol=1e-5)
    ae.partial_fit(X)
    assert_allclose(ae.encoder_(X).numpy(), ae.transform(X), atol=1e-5)
    assert abs(ae.encoder_(X).numpy() - old).max() > 1e-3


# ------------------------------------------------------------------- what stays put


@SMALL
def test_set_params_does_not_change_a_fitted_transformer(make):
    network = DenseNetwork((16,)) if make is small else ConvNetwork((4,))
    ae = make(network=network).fit(IMAGES)
    latents = ae.transform(IMAGES)
    outputs = ae.inverse_transform(latents)
    names = list(ae.get_feature_names_out())
    ae.set_params(
        latent_dim=9,
        activation="relu",
        latent_activation="tanh",
        output_activation="linear",
        network="dense",
        loss="mae",
    )
    network.set_params(
        **{"hidden_layer_sizes": (5,)} if make is small else {"filters": (2, 2)}
    )
    for transformer in (ae, pickle.loads(pickle.dumps(ae)), copy.deepcopy(ae)):
        assert_array_equal(transformer.transform(IMAGES), latents)
        assert_array_equal(transformer.inverse_transform(latents), outputs)
        assert list(transformer.get_feature_names_out()) == names
        assert transformer.encoder_.output_shape == (None, 3)


@SMALL
def test_fit_leaves_the_parameters_alone(make):
    ae = make(early_stopping=True)
    before = {name: repr(value) for name, value in ae.get_params().items()}
    network = ae.network
    ae.fit(IMAGES).partial_fit(IMAGES)
    assert {name: repr(value) for name, value in ae.get_params().items()} == before
    assert ae.network is network


FAILURES = {
    "NaN in the data": ({}, np.where(X > 0.9, np.nan, X)),
    "diverges": ({"learning_rate": 1e30}, X),
    "unknown activation": ({"activation": "nope"}, X),
    "unknown loss": ({"loss": "nope"}, X),
    "unknown network": ({"network": "nope"}, X),
    "no latents": ({"latent_dim": 0}, X),
}


@SMALL
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_failed_fit_changes_nothing(make, failure, method):
    ae = make().fit(IMAGES)
    latents, state = ae.transform(IMAGES), sorted(vars(ae))
    history = copy.deepcopy(ae.history_)
    params, data = FAILURES[failure]
    ae.set_params(**params)
    with pytest.raises(ValueError):  # noqa: PT011 (the words are in test_errors.py)
        getattr(ae, method)(data.reshape(-1, 8, 8))
    assert sorted(vars(ae)) == state
    assert ae.history_ == history
    assert_array_equal(ae.transform(IMAGES), latents)
    fresh = clone(ae)
    with pytest.raises(ValueError):  # noqa: PT011
        fresh.fit(data)
    assert not hasattr(fresh, "n_features_in_")
    assert not fresh.__sklearn_is_fitted__()


# ------------------------------------------------------------------------- the edges


@pytest.mark.filterwarnings("ignore:early_stopping=True sets samples aside")
@SMALL
@pytest.mark.parametrize(
    "data",
    [
        X[:1],
        X[:20, :1],
        np.zeros((20, 64)),
        np.full((20, 64), 3.0),
        np.where(np.arange(64) % 2, X, 1),
    ],
    ids=["one sample", "one feature", "zeros", "constant", "constant columns"],
)
@pytest.mark.filterwarnings("ignore:latent_dim=70 is at least:UserWarning")
def test_thin_data_give_finite_numbers(make, data):
    ae = make(latent_dim=70, batch_size=1000, early_stopping=True).fit(data)
    latents = ae.transform(data)
    assert np.isfinite(latents).all()
    assert np.isfinite(ae.inverse_transform(latents)).all()
    assert np.isfinite(ae.score(data))


def test_transform_of_parts_is_part_of_transform():
    data = np.tile(X, (5, 1))
    for ae in (small().fit(X), small_conv().fit(X)):
        whole = ae.transform(data)
        parts = [ae.transform(data[i : i + 600]) for i in range(0, 1500, 600)]
        assert_allclose(np.concatenate(parts), whole, atol=1e-6)


@SMALL
def test_memory_mapped_data_stay_as_they_are(make, tmp_path):
    counts = COUNTS.astype(np.uint8)
    np.save(tmp_path / "counts.npy", counts)
    mapped = np.load(tmp_path / "counts.npy", mmap_mode="r")
    latents = make().fit(mapped).transform(mapped)
    assert_array_equal(latents, make().fit_transform(counts))


def test_verbose_bar_is_closed_when_a_fit_fails(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    with pytest.raises(ValueError, match="diverged"), np.errstate(all="ignore"):
        small(verbose=1, learning_rate=1e30).fit(X)
    assert shown.getvalue().endswith("\n")


def test_what_a_callback_holds_is_left_alone():
    import keras

    class Gather(keras.callbacks.Callback):
        def __init__(self, found):
            self.found = found

        def on_epoch_end(self, epoch, logs=None):
            self.found.append(epoch)

    mine = []
    ae = small(callbacks=[Gather(mine)]).fit(X)
    assert mine == []
    assert ae.callbacks_[0].found == [0, 1, 2]
    # A function is shared, and so is what it closes over.
    log = keras.callbacks.LambdaCallback(on_epoch_end=lambda *args: mine.append(args))
    small(callbacks=[log]).fit(X)
    assert len(mine) == 3
