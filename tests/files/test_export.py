import logging
import os
import random
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from small import EXPORT_NEEDS, long, need, python

from skae import (
    AutoencoderTransformer,
    ConvNetwork,
    DenseNetwork,
    KerasAutoencoderTransformer,
)
from skae._engines.numpy.activations import ACTIVATIONS

INPUTS = {"encoder": "samples", "decoder": "latents", "autoencoder": "samples"}
X = (load_digits().data[:60] / 16).astype(np.float32)


@pytest.fixture(params=EXPORT_NEEDS)
def format(request):
    """Each format whose packages are installed."""
    need(request.param)
    return request.param


class DropoutNetwork(BaseEstimator):
    """A network of one's own, with layers that act only while it trains."""

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        from keras import layers

        x = layers.Dense(8, activation=activation)(inputs)
        x = layers.Dropout(0.5)(layers.LayerNormalization()(x))
        return layers.Dense(latent_dim, activation=latent_activation)(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        from keras import layers

        x = layers.GaussianNoise(1.0)(layers.Dense(8, activation=activation)(latents))
        return layers.Dense(output_shape[0], activation=output_activation)(x)


DATA = {
    "dense": X,
    "dense on images": X.reshape(-1, 8, 8),
    "conv": X,
    "conv on odd images": np.random.RandomState(0)
    .uniform(size=(20, 27, 31, 3))
    .astype(np.float32),
    "own": X - 0.5,
}
NETWORKS = {
    "dense": DenseNetwork((16,)),
    "dense on images": DenseNetwork((16,)),
    "conv": ConvNetwork((4, 6)),
    "conv on odd images": ConvNetwork((4, 6)),
    "own": DropoutNetwork(),
}


@pytest.fixture(scope="module")
def fitted():
    """Fitted transformers by name. Do not fit them again."""
    return {
        name: AutoencoderTransformer(
            3, network=NETWORKS[name], epochs=2, random_state=0
        ).fit(DATA[name])
        for name in DATA
    }


def run(format, path, x):
    """Run an exported file; give its outputs and the names of its inputs."""
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        names = [given.name for given in session.get_inputs()]
        return session.run(None, {names[0]: x})[0], names
    if format == "litert":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(model_path=str(path)).get_signature_runner()
        names = list(runner.get_input_details())
        return next(iter(runner(**{names[0]: x}).values())), names
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    signature = loaded.signatures["serving_default"].structured_input_signature[1]
    return loaded.serve(x).numpy(), list(signature)


# The lowest versions see a network of each kind, samples of one axis and of three.
LONG = {"dense on images", "conv"}
NAMES = [
    pytest.param(name, marks=pytest.mark.long) if name in LONG else long(name)
    for name in DATA
    if name != "dense"
]


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize("part", INPUTS)
@pytest.mark.parametrize("name", ["dense", *NAMES])
def test_what_is_exported_computes_what_the_transformer_does(
    fitted, name, format, part, tmp_path
):
    ae, samples = fitted[name], DATA[name]
    latents = ae.transform(samples)
    x = latents if part == "decoder" else samples
    expected = latents if part == "encoder" else ae.inverse_transform(latents)
    path = tmp_path / "exported"
    ae.export(path, format=format, part=part)
    for n in (1, 7):
        outputs, names = run(format, path, x[:n])
        assert names == [INPUTS[part]]
        assert outputs.dtype == np.float32
        assert_allclose(outputs, expected[:n], rtol=0, atol=1e-6)
    assert os.listdir(tmp_path) == ["exported"]


def test_the_encoder_in_onnx_is_the_default(fitted, tmp_path):
    need("onnx")
    fitted["dense"].export(str(tmp_path / "a.onnx"))
    outputs, names = run("onnx", tmp_path / "a.onnx", X)
    assert outputs.shape == (60, 3)
    assert names == ["samples"]


def test_the_weights_are_the_transformer_s_own(tmp_path):
    ae = AutoencoderTransformer(2, epochs=1, random_state=0).fit(X)
    ae.encoder_.set_weights([w * 2 for w in ae.encoder_.get_weights()])
    ae.export(tmp_path / "model", format="tf_saved_model")
    outputs, _ = run("tf_saved_model", tmp_path / "model", X)
    assert_allclose(outputs, ae.transform(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("format", ["tf_saved_model", "onnx"])
def test_float64_where_the_format_has_it(format, tmp_path):
    need(format)
    double = X.astype(np.float64)
    ae = AutoencoderTransformer(2, epochs=1, random_state=0).fit(double)
    ae.export(tmp_path / "model", format=format)
    outputs, _ = run(format, tmp_path / "model", double)
    assert outputs.dtype == np.float64
    assert_allclose(outputs, ae.transform(double), rtol=0, atol=1e-12)


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_float64_is_refused_where_it_has_not(format, tmp_path):
    need(format)
    network = DropoutNetwork() if format == "onnx" else "dense"
    ae = AutoencoderTransformer(2, network=network, epochs=1)
    ae.fit(X.astype(np.float64))
    with pytest.raises(ValueError, match=r"Fit on X\.astype\(np\.float32\)"):
        ae.export(tmp_path / "model", format=format)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("parameter", ["format", "part"])
def test_other_words_are_refused(fitted, parameter, tmp_path):
    message = f"The '{parameter}' parameter of AutoencoderTransformer.export must be"
    with pytest.raises(ValueError, match=message):
        fitted["dense"].export(tmp_path / "model", **{parameter: "torch"})
    assert os.listdir(tmp_path) == []


def test_a_transformer_that_is_not_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        AutoencoderTransformer().export(tmp_path / "model")


def test_a_missing_package_is_named_with_its_extra(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr("skae._files.export.find_spec", lambda name: None)
    monkeypatch.setattr("keras.__version__", "3.15.1")
    needed = r'needs onnx and onnxruntime\. .*"skae\[export\]"'
    with pytest.raises(ImportError, match=needed):
        fitted["dense"].export(tmp_path / "model")
    with pytest.raises(ImportError, match=r'tf2onnx.*"skae\[export\]"'):
        fitted["own"].export(tmp_path / "model")
    with pytest.raises(ImportError, match=r'LiteRT.*ai_edge_litert.*"skae\[export\]"'):
        fitted["dense"].export(tmp_path / "model", format="litert")


def test_a_keras_without_litert_is_named(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr("keras.__version__", "3.12.1")
    with pytest.raises(ImportError, match=r"Keras 3\.13 or newer.*3\.12\.1"):
        fitted["dense"].export(tmp_path / "model", format="litert")


def test_what_was_there_is_replaced(fitted, format, tmp_path):
    path = tmp_path / "model"
    fitted["dense"].export(path, format=format, part="decoder")
    fitted["dense"].export(path, format=format)
    assert run(format, path, X)[1] == ["samples"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_directory_of_other_things_is_not_replaced(fitted, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("all of it")
    with pytest.raises(FileExistsError, match="Choose another name"):
        fitted["dense"].export(tmp_path / "model", format="tf_saved_model")
    with pytest.raises(IsADirectoryError, match="Name a file in it"):
        fitted["dense"].export(tmp_path / "model", format="onnx")
    assert os.listdir(tmp_path / "model") == ["thesis.txt"]
    (tmp_path / "file").write_text("one")
    with pytest.raises(FileExistsError, match="Choose another name"):
        fitted["dense"].export(tmp_path / "file", format="tf_saved_model")
    assert (tmp_path / "file").read_text() == "one"


def test_a_failure_leaves_what_was_there(fitted, format, tmp_path, monkeypatch):
    path = tmp_path / "model"
    fitted["own"].export(path, format=format)

    def fail(*args, **kwargs):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("keras.Model.export", fail)
        with pytest.raises(OSError, match="disk full"):
            fitted["own"].export(path, format=format, part="decoder")
    assert run(format, path, X)[1] == ["samples"]
    assert os.listdir(tmp_path) == ["model"]


def test_other_numbers_than_the_transformer_s_are_refused(
    fitted, tmp_path, monkeypatch
):
    import keras

    export = keras.Model.export

    def export_wrongly(model, *args, **kwargs):
        model.set_weights([2 * weight for weight in model.get_weights()])
        return export(model, *args, **kwargs)

    monkeypatch.setattr("keras.Model.export", export_wrongly)
    with pytest.raises(RuntimeError, match=r"to SavedModel: the outputs .* differ by"):
        fitted["dense"].export(tmp_path / "model", format="tf_saved_model")
    assert os.listdir(tmp_path) == []


def test_the_numbers_of_a_dense_network_are_compared_too(fitted, tmp_path, monkeypatch):
    need("onnx")
    monkeypatch.setattr(
        "skae._files.onnx_graph.Graph.activation", lambda graph, x, name: x
    )
    with pytest.raises(RuntimeError, match=r"to ONNX: the outputs .* differ by"):
        fitted["dense"].export(tmp_path / "model")
    assert os.listdir(tmp_path) == []


DENSE = """
import json, sys, time
import numpy as np
from skae import AutoencoderTransformer
X = np.random.RandomState(0).uniform(size=(30, 64))
ae = AutoencoderTransformer(2, epochs=1, arrange=None).fit(X)
ae.export(sys.argv[1] + ".onnx")
ae.export(sys.argv[1] + ".onnx", part="decoder")
print(json.dumps("tensorflow" in sys.modules or "keras" in sys.modules))
"""


def test_a_dense_network_goes_to_onnx_without_tensorflow(tmp_path):
    need("onnx")
    assert python(DENSE, tmp_path / "model") is False


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_is_written_as_it_is_computed(activation, dtype, tmp_path):
    """In float64 ONNX Runtime has no function that "gelu" needs, but in float32."""
    need("onnx")
    rng = np.random.RandomState(0)
    ae = AutoencoderTransformer(
        3, network=DenseNetwork((8,)), activation=activation, epochs=1, arrange=None
    ).fit(rng.normal(size=(40, 5)).astype(dtype))
    ae.weights_ = [3 * rng.normal(size=w.shape).astype(dtype) for w in ae.weights_]
    samples = rng.normal(size=(200, 5)).astype(dtype)
    expected = ae.transform(samples)
    ae.export(tmp_path / "model")
    outputs, _ = run("onnx", tmp_path / "model", samples)
    digits = 1e-6 if dtype == np.float32 or activation == "gelu" else 1e-14
    assert_allclose(outputs, expected, rtol=0, atol=digits * np.abs(expected).max())


def bessel(x):
    import tensorflow as tf

    return tf.math.bessel_i1e(x)


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_a_layer_that_the_format_has_not(format, tmp_path):
    need(format)
    ae = AutoencoderTransformer(2, activation=bessel, epochs=1).fit(X)
    with pytest.raises(RuntimeError, match=r"can't be exported to .*another format"):
        ae.export(tmp_path / "model", format=format)
    assert os.listdir(tmp_path) == []


def test_nothing_global_changes(fitted, format, tmp_path):
    import keras
    import tensorflow as tf

    def state():
        return (
            dict(os.environ),
            "object" in vars(np),
            random.getstate(),
            str(np.random.get_state()),  # noqa: NPY002
            keras.config.dtype_policy().name,
            keras.config.floatx(),
            keras.config.is_interactive_logging_enabled(),
            tf.executing_eagerly(),
            (logging.root.level, list(logging.root.handlers)),
            os.getcwd(),
        )

    before = state()
    fitted["own"].export(tmp_path / "model", format=format)
    assert state() == before


SCRIPT = """
import os, sys
import numpy as np
import tensorflow as tf
from skae import AutoencoderTransformer, ConvNetwork
X = np.random.RandomState(0).uniform(size=(30, 64)).astype(np.float32)
ae = AutoencoderTransformer(2, network=ConvNetwork((4,)), epochs=1).fit(X)
os.write(1, b"start"), os.write(2, b"start")
for format in sys.argv[2:]:
    ae.export(sys.argv[1] + format, format=format)
os.write(1, b"end"), os.write(2, b"end")
assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
"""


@pytest.mark.long
@pytest.mark.versions
def test_it_is_silent_whatever_tensorflow_s_log_level(tmp_path):
    for format in EXPORT_NEEDS:
        need(format)
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "model", *EXPORT_NEEDS],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "startend"
    assert done.stderr.endswith("startend")


def build_dense(meta):
    import keras

    inputs = keras.Input(meta["X_shape_"][1:])
    latent = keras.layers.Dense(3, name="latent")(inputs)
    dropped = keras.layers.Dropout(0.5)(latent)
    return keras.Model(inputs, keras.layers.Dense(64)(dropped))


def build_convolutional():
    import keras

    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(4, 2, strides=2, activation="elu", name="latent"),
        keras.layers.Conv2DTranspose(1, 2, strides=2),
    ]
    return keras.Sequential(layers)


def build_skipping(meta):
    import keras

    inputs = keras.Input(meta["X_shape_"][1:])
    latent = keras.layers.Dense(3, name="latent")(inputs)
    joined = keras.layers.Concatenate()([latent, inputs])
    return keras.Model(inputs, keras.layers.Dense(64)(joined))


def fit_keras(build, samples):
    wrappers = pytest.importorskip("scikeras.wrappers")
    regressor = wrappers.KerasRegressor(build, loss="mse", epochs=1, verbose=0)
    return KerasAutoencoderTransformer(regressor, random_state=0).fit(samples)


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (build_dense, (64,)),
        pytest.param(build_convolutional, (64,), marks=pytest.mark.long),
        pytest.param(build_convolutional, (8, 8), marks=pytest.mark.long),
        long(build_convolutional, (8, 8, 1)),
    ],
)
def test_any_keras_network(build, shape, format, tmp_path):
    samples = X.reshape(-1, *shape)
    ae = fit_keras(build, samples)
    Z = ae.transform(samples)
    reconstructed = ae.inverse_transform(Z)
    for part, x, expected in [
        ("encoder", samples, Z),
        ("decoder", Z, reconstructed),
        ("autoencoder", samples, reconstructed),
    ]:
        ae.export(tmp_path / part, format=format, part=part)
        for n in (1, 7):
            outputs, names = run(format, tmp_path / part, x[:n])
            assert names == [INPUTS[part]]
            assert_allclose(outputs, expected[:n], rtol=0, atol=1e-6)


def test_a_keras_network_that_cannot_be_cut_has_no_decoder(tmp_path):
    ae = fit_keras(build_skipping, X)
    with pytest.raises(ValueError, match="decoder expects a network whose output"):
        ae.export(tmp_path / "model", format="tf_saved_model", part="decoder")
    assert os.listdir(tmp_path) == []
    ae.export(tmp_path / "model", format="tf_saved_model", part="autoencoder")
    outputs, _ = run("tf_saved_model", tmp_path / "model", X)
    error = np.square(outputs - X).mean(axis=1)
    assert_allclose(error, -ae.score_samples(X), rtol=1e-4)
