"""A recurrent network keeps the manners of the others, on series."""

import pickle

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import skae
from skae import (
    AutoencoderTransformer,
    Denoising,
    RecurrentNetwork,
    Variational,
)
from skae._models import Spec, build_models
from tests.small import need, python


def waves(n_samples=60, n_steps=12, seed=0):
    """Series of two values that differ in frequency, phase and size."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(1, 2, (2, n_samples, 1, 1))
    times = np.linspace(0, 3, n_steps)[:, np.newaxis]
    growing = np.array([1.0, 0.3]) * (1 + times)
    X = growing * np.sin(frequency * times + phase + np.arange(2))
    return X.astype(np.float32)


X = waves()
LONG_ENOUGH = {"epochs": 60, "batch_size": 20, "learning_rate": 0.01}


def small_recurrent(units=(8,), **params):
    params = {
        "latent_dim": 3,
        "network": RecurrentNetwork(units, cell=params.pop("cell", "gru")),
        "epochs": 2,
        "random_state": 0,
    } | params
    return AutoencoderTransformer(**params)


@pytest.fixture(scope="module")
def fitted():
    """A fitted transformer. Do not fit it again."""
    return small_recurrent().fit(X)


# ------------------------------------------------------------------------- it learns


@pytest.mark.long
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_series_are_learned_in_their_own_order(cell):
    data = waves(200)
    ae = small_recurrent((16,), cell=cell, **LONG_ENOUGH).fit(data)
    back = ae.inverse_transform(ae.transform(data))
    assert back.shape == data.shape
    errors = ((back - data) ** 2).mean(axis=(0, 2))
    assert (errors < 0.6 * data.var(axis=0).mean(axis=1)).all()
    backwards = ((back - data[:, ::-1]) ** 2).mean()
    assert errors.mean() < 0.05 * backwards


def test_the_decoder_writes_the_last_step_first(fitted):
    decoder = fitted.decoder_
    written = keras.Model(decoder.input, decoder.get_layer("decoder_out").output)
    Z = fitted.transform(X)
    assert_allclose(
        written.predict(Z, verbose=0)[:, ::-1], fitted.inverse_transform(Z), atol=1e-6
    )


def test_rows_are_series_of_one_value():
    rows, series = (
        small_recurrent().fit(data) for data in (X[:, :, 0], X[:, :, :1].copy())
    )
    assert rows.inverse_transform(rows.transform(X[:, :, 0])).shape == (60, 12)
    assert_array_equal(rows.transform(X[:, :, 0]), series.transform(X[:, :, :1]))


# ------------------------------------------------------------- what networks promise


@pytest.mark.parametrize("shape", [(7,), (12, 3), (1,), (1, 1)])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("units", [(8,), (5, 4, 3)])
def test_the_expected_weights_are_those_that_keras_makes(units, cell, shape):
    network = RecurrentNetwork(units, cell=cell)
    spec = Spec(network, shape, 3, "elu", "linear", "linear", "mse", "adam", "float32")
    expected = [
        tuple(weight.shape) for model in build_models(spec) for weight in model.weights
    ]
    assert network._weight_shapes(shape, 3) == expected


def test_it_has_a_learning_rate_of_its_own():
    rates = {"learning_rate": "constant", "learning_rate_init": 0.01}
    found, expected = small_recurrent(), small_recurrent(**rates)
    for ae in (found, expected):
        ae.partial_fit(X)
    assert_array_equal(found.transform(X), expected.transform(X))


def test_activations_go_where_they_are_documented():
    activations = {
        "activation": "relu",
        "latent_activation": "tanh",
        "output_activation": "sigmoid",
    }
    ae = small_recurrent(**activations).fit((X - X.min()) / np.ptp(X))
    found = {
        layer.name: layer.activation.__name__
        for model in (ae.encoder_, ae.decoder_)
        for layer in model.layers
        if hasattr(layer, "activation")
    }
    assert found == {
        "encoder_gru_0": "tanh",
        "encoder_dense_0": "tanh",
        "decoder_dense_0": "relu",
        "decoder_state_0": "tanh",
        "decoder_gru_0": "tanh",
        "decoder_out": "sigmoid",
    }


def test_the_same_seed_gives_the_same_bits(fitted):
    assert_array_equal(small_recurrent().fit(X).transform(X), fitted.transform(X))
    other = small_recurrent(random_state=1).fit(X)
    for mine, theirs in zip(fitted.weights_, other.weights_, strict=True):
        assert (mine != theirs).any()


@pytest.mark.long
def test_another_process_gives_the_same_bits(fitted, tmp_path):
    np.save(tmp_path / "X.npy", X)
    code = """
import json, sys
import numpy as np
from skae import AutoencoderTransformer, RecurrentNetwork
X = np.load(sys.argv[1])
network = RecurrentNetwork((8,))
ae = AutoencoderTransformer(3, network=network, epochs=2, random_state=0)
print(json.dumps(ae.fit_transform(X).tolist()))
"""
    assert_array_equal(python(code, tmp_path / "X.npy"), fitted.transform(X))


def test_results_do_not_depend_on_how_rows_are_cut(fitted):
    Z = fitted.transform(X)
    back = fitted.inverse_transform(Z)
    for part in (slice(0, 1), slice(3, 5), slice(7, 20), slice(59, 60)):
        assert_array_equal(fitted.transform(X[part]), Z[part])
        assert_array_equal(fitted.inverse_transform(Z[part]), back[part])


def test_float64_stays(fitted):
    ae = small_recurrent().fit(X.astype(np.float64))
    assert ae.transform(X.astype(np.float64)).dtype == np.float64
    assert {weight.dtype for weight in ae.weights_} == {np.dtype(np.float64)}
    assert_allclose(ae.transform(X.astype(np.float64)), fitted.transform(X), atol=0.05)


def test_it_is_a_parameter_object():
    network = RecurrentNetwork((5, 4), cell="lstm")
    assert repr(clone(network)) == repr(network)
    ae = AutoencoderTransformer(network=network)
    assert ae.get_params()["network__units"] == (5, 4)
    search = GridSearchCV(
        small_recurrent(**LONG_ENOUGH),
        {"network__units": [(1,), (16,)]},
        cv=2,
        error_score="raise",
    ).fit(X)
    assert search.best_params_ == {"network__units": (16,)}


# --------------------------------------------------------------- to keep, and to go on


def test_pickles_and_files_without_code(fitted, tmp_path):
    fitted.save(tmp_path / "ae.skae")
    copies = pickle.loads(pickle.dumps(fitted)), skae.load(tmp_path / "ae.skae")
    for copy in copies:
        assert repr(copy.network) == repr(fitted.network)
        Z = copy.transform(X)
        assert_array_equal(Z, fitted.transform(X))
        assert_array_equal(copy.inverse_transform(Z), fitted.inverse_transform(Z))


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_keras_loads_its_models_without_skae(fitted, tmp_path):
    fitted.encoder_.save(tmp_path / "encoder.keras")
    fitted.decoder_.save(tmp_path / "decoder.keras")
    np.save(tmp_path / "X.npy", X)
    code = """
import json, sys
import keras, numpy as np
X = np.load(sys.argv[1] + "/X.npy")
for part in ("encoder", "decoder"):
    X = keras.saving.load_model(f"{sys.argv[1]}/{part}.keras").predict(X, verbose=0)
assert "skae" not in sys.modules
print(json.dumps(X.tolist()))
"""
    back = fitted.inverse_transform(fitted.transform(X))
    assert_allclose(python(code, tmp_path, warnings="ignore"), back, atol=1e-5)


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("format", ["onnx", "tf_saved_model"])
def test_it_is_exported(cell, format, tmp_path):
    if format == "onnx":
        pytest.importorskip("tf2onnx")
    path = tmp_path / "exported"
    ae = small_recurrent(cell=cell, epochs=1).fit(X)
    # It runs what it has written, and compares.
    ae.export(path, format=format, part="autoencoder")
    assert path.exists()


def test_litert_has_no_such_layers(fitted, tmp_path):
    need("litert")
    with pytest.raises(RuntimeError, match=r"can't be exported to LiteRT.*counterpart"):
        fitted.export(tmp_path / "ae.tflite", format="litert")
    assert not (tmp_path / "ae.tflite").exists()


def test_chunks_streams_and_checkpoints(tmp_path):
    ae = small_recurrent()
    for chunk in np.split(X, 3):
        ae.partial_fit(chunk)
    assert ae.n_iter_ == 3
    streamed = small_recurrent().fit_dataset(X, checkpoint=tmp_path / "run.skae")
    again = small_recurrent().fit_dataset(X, checkpoint=tmp_path / "run.skae")
    assert_array_equal(again.transform(X), streamed.transform(X))
    longer = streamed.set_params(warm_start=True).fit(X)
    assert len(longer.history_["loss"]) == 4


@pytest.mark.scale
def test_under_a_strategy_it_trains_as_alone():
    code = """
import json
import numpy as np, tensorflow as tf
from skae import AutoencoderTransformer, RecurrentNetwork
X = np.random.default_rng(0).random((40, 5, 2)).astype("float32")
ae = AutoencoderTransformer(
    2, network=RecurrentNetwork((4,)), arrange=None, epochs=2, random_state=0
)
alone = ae.fit(X).history_["loss"]
with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
    print(json.dumps([alone, ae.fit(X).history_["loss"]]))
"""
    alone, shared = python(code, warnings="default")
    assert_allclose(shared, alone, rtol=1e-4)


# -------------------------------------------------------------------------- objectives


def test_objectives_of_batches(tmp_path):
    ae = small_recurrent(objective=[Denoising(0.1), Variational(0.01)]).fit(X)
    assert ae.sample(4, random_state=0).shape == (4, 12, 2)
    ae.save(tmp_path / "ae.skae")
    assert_array_equal(skae.load(tmp_path / "ae.skae").transform(X), ae.transform(X))


@pytest.mark.long
def test_latent_vectors_are_whitened_and_placed():
    plain, whitened = (
        small_recurrent(arrange=arrange, latent_dim=2, **LONG_ENOUGH).fit(X)
        for arrange in (None, "whiten")
    )
    assert whitened.arranged_ == "whiten"
    assert_allclose(whitened.score(X), plain.score(X), rtol=1e-4)
    assert abs(whitened.transform(X) - plain.transform(X)).max() > 0.01


@pytest.mark.long
def test_series_of_several_lengths_are_padded_with_missing_values(tmp_path):
    data = waves(200)
    for i, length in enumerate(np.random.default_rng(0).integers(6, 13, len(data))):
        data[i, length:] = np.nan
    ae = small_recurrent((16,), missing="mask", arrange=None, **LONG_ENOUGH).fit(data)
    back = ae.inverse_transform(ae.transform(data))
    known = ~np.isnan(data)
    assert ((back - data)[known] ** 2).mean() < 0.3 * data[known].var()
    ae.save(tmp_path / "ae.skae")
    assert_array_equal(
        skae.load(tmp_path / "ae.skae").transform(data), ae.transform(data)
    )


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("network", "shape", "words"),
    [
        (RecurrentNetwork(()), (12, 2), "at least one recurrent layer.*empty"),
        (RecurrentNetwork((0,)), (12, 2), "'units'.*positive integers"),
        (RecurrentNetwork(8), (12, 2), "'units' parameter of RecurrentNetwork"),
        (RecurrentNetwork(cell="rnn"), (12, 2), "'cell' parameter.*'rnn'"),
        (RecurrentNetwork(), (1, 12), r"\(features, steps\).*np\.moveaxis"),
        (RecurrentNetwork(), (8, 8, 3), r"\(8, 8, 3\).*at a step together"),
    ],
)
def test_what_is_no_series_is_refused(network, shape, words):
    ae = AutoencoderTransformer(2, network=network)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        ae.fit(np.random.default_rng(0).random((9, *shape)))
