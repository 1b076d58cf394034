"""KerasAutoencoderTransformer: scikit-learn's contract, and what it adds to it."""

import copy
import importlib
import pickle
import random
import subprocess
import sys
import warnings

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import KerasAutoencoderTransformer

X = load_digits().data[:200].astype(np.float32) / 16


@pytest.fixture(scope="module", autouse=True)
def _import_keras_quietly():
    """Import what warns when imported: Keras 3.8 does, through matplotlib."""
    with warnings.catch_warnings(action="ignore"):
        importlib.import_module("scikeras.wrappers")


@pytest.mark.long
@pytest.mark.versions
@parametrize_with_checks([KerasAutoencoderTransformer()])
def test_sklearn_contract(estimator, check):
    check(estimator)


def build_dense(meta, latent_dim=3):
    import keras

    inputs = keras.Input(meta["X_shape_"][1:])
    hidden = keras.layers.Dense(16, activation="elu", name="hidden")(inputs)
    latent = keras.layers.Dense(latent_dim, name="latent")(hidden)
    dropped = keras.layers.Dropout(0.1, name="dropout")(latent)
    return keras.Model(
        inputs, keras.layers.Dense(meta["n_features_in_"], name="output")(dropped)
    )


def build_convolutional():
    import keras

    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 2, strides=2, activation="elu", name="latent"),
            keras.layers.Conv2DTranspose(1, 2, strides=2, name="output"),
        ]
    )


def build_skipping(meta):
    import keras

    inputs = keras.Input(meta["X_shape_"][1:])
    latent = keras.layers.Dense(3, name="latent")(inputs)
    joined = keras.layers.Concatenate()([latent, inputs])
    return keras.Model(inputs, keras.layers.Dense(meta["n_features_in_"])(joined))


def build_nested(meta):
    import keras

    encoder = keras.Sequential([keras.layers.Dense(3)], name="encoder")
    decoder = keras.Sequential(
        [keras.layers.Dense(meta["n_features_in_"])], name="decoder"
    )
    return keras.Sequential([encoder, decoder])


def build_subclass(meta):
    import keras

    class Autoencoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = keras.layers.Dense(3, name="encoder")
            self.decoder = keras.layers.Dense(meta["n_features_in_"])

        def call(self, inputs):
            return self.decoder(self.encoder(inputs))

    return Autoencoder()


def build_shared(meta):
    import keras

    inputs = keras.Input(meta["X_shape_"][1:])
    layer = keras.layers.Dense(meta["n_features_in_"], name="latent")
    return keras.Model(inputs, layer(layer(inputs)))


def build_two_outputs(meta):
    import keras

    inputs = keras.Input(meta["X_shape_"][1:])
    latent = keras.layers.Dense(3, name="latent")(inputs)
    return keras.Model(inputs, [latent, keras.layers.Dense(64)(latent)])


def make_regressor(model=build_dense, **params):
    from scikeras.wrappers import KerasRegressor

    params = {"loss": "mse", "optimizer": "adam", "epochs": 2, "verbose": 0} | params
    return KerasRegressor(model=model, **params)


def make(model=build_dense, latent_layer="latent", random_state=0, **params):
    return KerasAutoencoderTransformer(
        make_regressor(model, **params),
        latent_layer=latent_layer,
        random_state=random_state,
    )


@pytest.fixture(scope="module")
def fitted():
    """One fitted transformer for the tests that only look at it: do not refit it."""
    return make(epochs=10, optimizer__learning_rate=0.01, batch_size=20).fit(X)


def test_importing_the_module_imports_no_keras():
    code = (
        "import sys, skae._keras; skae.KerasAutoencoderTransformer();"
        "assert not {'keras', 'scikeras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=".")


def test_a_fitted_estimator_is_shown_in_silence(fitted, capfd):
    for ae in (fitted, make_pipeline(fitted)):
        assert "regressor_" in dir(fitted)
        assert "KerasRegressor" in repr(ae) + ae._repr_html_()
    assert capfd.readouterr() == ("", "")


def test_default_network_reconstructs():
    transformer = KerasAutoencoderTransformer(random_state=0).fit(X)
    assert transformer.transform(X).shape == (200, 10)
    assert transformer.score(X) > -0.6 * X.var(axis=0).mean()


def test_fitted_attributes(fitted):
    assert fitted.n_features_in_ == 64
    assert fitted.sample_shape_ == (64,)
    assert fitted.transform(X).dtype == np.float32
    assert fitted.transform(X.astype(np.float64)).dtype == np.float64
    assert fitted.get_feature_names_out()[0] == "kerasautoencodertransformer0"
    assert fitted.regressor_ is not fitted.regressor
    assert not hasattr(fitted.regressor, "model_")
    assert fitted.history_["loss"][-1] < 0.7 * fitted.history_["loss"][0]
    network = fitted.regressor_.model_
    assert fitted.encoder_.weights[0] is network.weights[0]
    assert fitted.decoder_.weights[-1] is network.weights[-1]


def test_inverse_transform_completes_the_network(fitted):
    expected = fitted.regressor_.model_(X, training=False)
    restored = fitted.inverse_transform(fitted.transform(X))
    np.testing.assert_allclose(restored, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(fitted.regressor_.predict(X), expected, atol=1e-6)


def test_score_is_minus_the_mean_squared_error(fitted):
    error = np.square(fitted.inverse_transform(fitted.transform(X)) - X).mean(axis=1)
    np.testing.assert_allclose(fitted.score_samples(X), -error, rtol=1e-5)
    assert fitted.score(X) == pytest.approx(-error.mean(), rel=1e-5)
    weight = np.r_[np.ones(50), np.zeros(150)]
    assert fitted.score(X, sample_weight=weight) == pytest.approx(
        -error[:50].mean(), rel=1e-5
    )


@pytest.mark.parametrize("latent_layer", [2, -3])
def test_latent_layer_by_index(fitted, latent_layer):
    by_index = make(latent_layer=latent_layer, **tuned()).fit(X)
    np.testing.assert_array_equal(by_index.transform(X), fitted.transform(X))


def tuned():
    return {"epochs": 10, "optimizer__learning_rate": 0.01, "batch_size": 20}


@pytest.mark.parametrize("build", [build_nested, build_subclass])
def test_latent_layer_in_other_kinds_of_network(build):
    transformer = make(build, "encoder").fit(X)
    Z = transformer.transform(X)
    assert Z.shape == (200, 3)
    expected = transformer.regressor_.model_(X, training=False)
    np.testing.assert_allclose(transformer.inverse_transform(Z), expected, atol=1e-6)
    loaded = cloudpickle.loads(cloudpickle.dumps(transformer))
    np.testing.assert_array_equal(loaded.transform(X), Z)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (8, 8, 1)])
@pytest.mark.parametrize("model", [build_convolutional, None])
def test_images_and_flat_samples(model, shape):
    images = X.reshape(-1, *shape)
    transformer = KerasAutoencoderTransformer(
        model and make_regressor(model), random_state=0
    ).fit(images, sample_weight=np.arange(1, 201))
    Z = transformer.transform(images)
    assert Z.shape == (200, 64 if model else 10)
    assert transformer.inverse_transform(Z).shape == images.shape
    assert transformer.n_features_in_ == 64
    assert transformer.score_samples(images).shape == (200,)


def test_parameters_are_routed():
    transformer = make()
    transformer.set_params(
        regressor__optimizer__learning_rate=0.125,
        regressor__model__latent_dim=5,
        regressor__epochs=1,
    ).fit(X)
    assert transformer.transform(X).shape == (200, 5)
    assert float(transformer.regressor_.model_.optimizer.learning_rate) == 0.125
    assert len(transformer.history_["loss"]) == 1
    assert clone(transformer).get_params()["regressor__model__latent_dim"] == 5


def test_callbacks_are_routed_and_copied():
    import keras

    stopper = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    transformer = make(epochs=9).set_params(regressor__callbacks=[stopper]).fit(X)
    assert len(transformer.history_["loss"]) == 2
    assert stopper.model is None
    assert pickle.loads(pickle.dumps(transformer)).regressor_.callbacks is None
    by_class = make(
        epochs=9,
        callbacks=keras.callbacks.EarlyStopping,
        callbacks__monitor="loss",
        callbacks__min_delta=1e9,
    ).fit(X)
    assert len(by_class.history_["loss"]) == 2


def test_validation_split_is_the_last_part():
    wild = np.r_[X[:160], X[160:] * 100]
    history = make(validation_split=0.2).fit(wild).history_
    assert history["val_loss"][0] > 100 * history["loss"][0]
    assert len(history["val_loss"]) == 2


@pytest.mark.long
def test_grid_search_over_latent_dim():
    grid = {"regressor__model__latent_dim": [1, 20]}
    search = GridSearchCV(
        make(**tuned()), grid, cv=2, error_score="raise", n_jobs=1
    ).fit(X)
    assert search.best_params_ == {"regressor__model__latent_dim": 20}
    threads = GridSearchCV(make(**tuned()), grid, cv=2, error_score="raise", n_jobs=2)
    with joblib.parallel_config("threading"):
        threads.fit(X)
    np.testing.assert_array_equal(
        threads.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )


def test_pipeline_with_kmeans():
    pipeline = make_pipeline(
        MinMaxScaler(), make(), KMeans(10, n_init=1, random_state=0)
    ).fit(X)
    assert pipeline.predict(X).shape == (200,)


def test_set_output(fitted):
    frame = copy.deepcopy(fitted).set_output(transform="pandas").transform(X)
    assert list(frame.columns) == list(fitted.get_feature_names_out())


@pytest.mark.parametrize("module", [pickle, cloudpickle])
def test_pickle(fitted, module):
    loaded = module.loads(module.dumps(fitted))
    np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))
    assert loaded.score(X) == fitted.score(X)
    assert loaded.encoder_.weights[0] is loaded.regressor_.model_.weights[0]
    assert fitted.regressor_.model_ is not None
    np.testing.assert_array_equal(
        loaded.fit(X).transform(X), make(**tuned()).fit(X).transform(X)
    )


@pytest.mark.long
@pytest.mark.versions
def test_pickle_in_a_fresh_process(tmp_path):
    transformer = KerasAutoencoderTransformer(random_state=0).fit(X)
    Z = transformer.transform(X)
    joblib.dump(transformer, tmp_path / "transformer.joblib")
    np.savez(tmp_path / "arrays.npz", X=X, Z=Z, R=transformer.inverse_transform(Z))
    code = (
        "import sys, joblib, numpy as np\n"
        "arrays = np.load(sys.argv[1] + '/arrays.npz')\n"
        "transformer = joblib.load(sys.argv[1] + '/transformer.joblib')\n"
        "Z = transformer.transform(arrays['X'])\n"
        "np.testing.assert_array_equal(Z, arrays['Z'])\n"
        "np.testing.assert_array_equal(transformer.inverse_transform(Z), arrays['R'])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=".")


@pytest.mark.usefixtures("other_people")
def test_same_seed_same_bits_whatever_came_before():
    import tensorflow as tf

    expected = make().fit(X).transform(X)
    tf.random.set_seed(7)
    tf.random.normal((3,))
    random.random()
    np.testing.assert_array_equal(make().fit(X).transform(X), expected)
    assert (make(random_state=1).fit(X).transform(X) != expected).any()
    by_regressor = make(random_state=None).set_params(regressor__random_state=4)
    np.testing.assert_array_equal(
        by_regressor.fit(X).transform(X), make(random_state=4).fit(X).transform(X)
    )
    assert by_regressor.regressor_.random_state == 4


def test_fit_leaves_nothing_global_behind():
    import keras
    import tensorflow as tf
    from tensorflow.python.eager import context

    def state():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            context.global_seed(),
            tf.config.experimental.get_synchronous_execution(),
            keras.config.dtype_policy().name,
            keras.config.floatx(),
            keras.backend.image_data_format(),
        )

    before = state()
    transformer = make(random_state=None).set_params(regressor__random_state=0)
    pickle.loads(pickle.dumps(transformer.fit(X)))
    assert state() == before
    # With op determinism left on, drawing without a seed raises.
    tf.random.normal((2,))


def test_sample_weight_is_repetition():
    weight = np.arange(200) % 3
    params = {"batch_size": -1, "epochs": 3, "model": build_without_dropout}
    weighted = make(**params).fit(X, sample_weight=weight)
    repeated = make(**params).fit(X.repeat(weight, axis=0))
    np.testing.assert_allclose(
        weighted.transform(X), repeated.transform(X), rtol=1e-3, atol=1e-4
    )
    scaled = make(**params).fit(X, sample_weight=weight * 8.0)
    np.testing.assert_array_equal(scaled.transform(X), weighted.transform(X))


def build_without_dropout(meta):
    import keras

    inputs = keras.Input(meta["X_shape_"][1:])
    latent = keras.layers.Dense(3, name="latent")(inputs)
    return keras.Model(inputs, keras.layers.Dense(meta["n_features_in_"])(latent))


# Keras' own way to copy a model warns with NumPy 2, in Keras 3.15 at least.
@pytest.mark.filterwarnings("ignore:.*copy keyword:DeprecationWarning")
def test_prebuilt_network_is_copied():
    network = build_convolutional()
    before = [w.copy() for w in network.get_weights()]
    make(network).fit(X)
    for now, then in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (lambda: make(latent_layer="z"), "the 5 layers are .*'hidden', 'latent'"),
        (lambda: make(latent_layer=5), "Received 5; the 5 layers are"),
        (lambda: make(latent_layer=-1), "before the last one"),
        (lambda: make(build_shared), "called 2 times"),
        (lambda: make(build_two_outputs), "one output. Received one with 2"),
        (lambda: make(loss=None), "must provide a loss"),
        (lambda: make(optimizer__learning_rate=1e30), "training diverged"),
    ],
)
def test_networks_that_cannot_serve(transformer, message):
    transformer = transformer()
    with pytest.raises(ValueError, match=message):
        transformer.fit(X)
    with pytest.raises(NotFittedError):
        transformer.transform(X)


def test_failed_fit_leaves_the_last_one(fitted):
    transformer = copy.deepcopy(fitted).set_params(latent_layer="z")
    with pytest.raises(ValueError, match="Expected latent_layer"):
        transformer.fit(X[:, :60])
    np.testing.assert_array_equal(transformer.transform(X), fitted.transform(X))


def test_wrong_regressor():
    from scikeras.wrappers import KerasClassifier

    with pytest.raises(TypeError, match="Received KerasClassifier"):
        KerasAutoencoderTransformer(KerasClassifier(build_dense)).fit(X)
    with pytest.raises(ValueError, match="'regressor' parameter"):
        KerasAutoencoderTransformer(build_dense).fit(X)


def test_skipping_connection_has_no_inverse():
    transformer = make(build_skipping).fit(X)
    assert transformer.decoder_ is None
    assert transformer.score(X) < 0
    with pytest.raises(ValueError, match="connection that skips it"):
        transformer.inverse_transform(transformer.transform(X))


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.full((9, 64), np.nan), ValueError, "contains NaN"),
        (np.full((9, 64), "a"), ValueError, "could not convert|not compatible"),
        (np.ones((9, 64)) * 1j, ValueError, "Complex data"),
        (np.ones((0, 64)), ValueError, "0 sample"),
        (np.ones((9, 63)), ValueError, "63 features"),
        (np.ones((9, 8, 8)), ValueError, "dim 3"),
    ],
)
def test_bad_input_to_transform(fitted, bad, error, message):
    with pytest.raises(error, match=message):
        fitted.transform(bad)


def test_bad_input_of_other_shapes(fitted):
    with pytest.raises(ValueError, match=r"2 columns.*\(n_samples, 3\)"):
        fitted.inverse_transform(np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"validation_split=0\.2, which leaves none"):
        make(validation_split=0.2).fit(X[:1])
    with pytest.raises(ValueError, match=r"of shape \(8, 8, 1\). Received.*\(60,\)"):
        make(build_convolutional).fit(X[:, :60])
    images = make(build_convolutional).fit(X.reshape(-1, 8, 8))
    with pytest.raises(ValueError, match=r"\(4, 16\).*expecting.*\(8, 8\)"):
        images.transform(X.reshape(-1, 4, 16))
    frame = pd.DataFrame(X[:, :4], columns=list("abcd"))
    named = KerasAutoencoderTransformer(random_state=0).fit(frame)
    assert list(named.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        named.transform(frame[list("dcba")])
