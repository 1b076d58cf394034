"""Words that others use: what is asked for is named as it is called here."""

import inspect
import os
import sys
import types

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from small import small, small_conv

import skae
from skae import AutoencoderTransformer, ConvNetwork

X = (load_digits().data[:100] / 16).astype(np.float32)

# --------------------------------------------------------------- names of parameters


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n_components", "Here it is latent_dim"),
        ("validation_split", "early_stopping=True and validation_fraction"),
        ("max_iter", "Here it is epochs"),
        ("hidden_layer_sizes", r"network=DenseNetwork\(hidden_layer_sizes"),
        ("filters", r"network=ConvNetwork\(filters"),
        ("axes", r"network=ConvNetwork\(axes"),
        ("cell", r"network=RecurrentNetwork\(cell"),
    ],
)
def test_a_parameter_by_another_name_is_named(name, words):
    with pytest.raises(TypeError, match=f"unexpected .*'{name}'.*{words}"):
        AutoencoderTransformer(**{name: 3})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("validation_split", "early_stopping=True.*of the constructor"),
        ("epochs", r"constructor: AutoencoderTransformer\(epochs=...\)"),
        ("callbacks", r"constructor: AutoencoderTransformer\(callbacks=...\)"),
        ("y_true", "Here it is target"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_argument_of_fit_by_another_name_is_named(method, name, words):
    with pytest.raises(TypeError, match=f"unexpected .*'{name}'.*{words}"):
        getattr(small(), method)(X, **{name: 3})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "sample_weight",
            r"third of each batch of the source: \(X, y, sample_weight\)",
        ),
        ("target", "second of each batch of the source, with targets=True"),
        ("y", "second of each batch"),
        ("epochs", r"constructor: AutoencoderTransformer\(epochs=...\)"),
    ],
)
def test_what_comes_with_a_source_is_named(name, words):
    with pytest.raises(TypeError, match=f"unexpected .*'{name}'.*{words}"):
        small().fit_dataset(X, **{name: X})


def test_validation_data_are_an_argument_of_fit():
    for call in (AutoencoderTransformer, lambda **kw: small().partial_fit(X, **kw)):
        with pytest.raises(TypeError, match=r"Here it is an argument of `fit`\.$"):
            call(validation_data=X)


def test_unknown_names_are_refused_as_ever():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'nonsense'\.$"):
        AutoencoderTransformer(nonsense=1)


def test_signatures_are_those_of_the_documentation():
    assert next(iter(inspect.signature(AutoencoderTransformer).parameters)) == (
        "latent_dim"
    )
    assert list(inspect.signature(small().fit).parameters) == [
        "X", "y", "sample_weight", "target", "validation_data",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"optimizer__learning_rate": 0.1}, r"Adam\(learning_rate.*`learning_rate`"),
        ({"network__filters": (4,)}, r"network='conv'.*network=ConvNetwork\(filters"),
        ({"network": "dense", "network__hidden_layer_sizes": ()}, "=DenseNetwork"),
        ({"loss__delta": 1}, r"loss=keras\.losses\.Huber\(delta"),
        ({"objective__noise": 1}, r"objective=Denoising\(noise"),
        ({"latent_dim__size": 1}, "latent_dim=10 is no object"),
    ],
)
def test_parts_of_a_name_are_refused(params, words):
    ae = AutoencoderTransformer(network="conv")
    with pytest.raises(ValueError, match=f"Invalid parameter .*{words}"):
        ae.set_params(**params)


def test_parts_of_an_object_are_set():
    ae = AutoencoderTransformer(network=ConvNetwork())
    assert ae.set_params(network__filters=(4,)).network.filters == (4,)
    ae = AutoencoderTransformer().set_params(network=ConvNetwork(), network__strides=3)
    assert ae.network.strides == 3


# ------------------------------------------------------------------- objects of Keras


def test_a_keras_model_is_no_network():
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(3)], name="mine")
    words = "Keras model, 'mine'.*KerasNetwork.*latent_layer"
    with pytest.raises(ValueError, match=words):
        small(network=model).fit(X)


@pytest.mark.parametrize("name", ["optimizer", "loss", "activation"])
def test_an_object_of_keras_2_is_told(monkeypatch, name):
    module = types.ModuleType("tf_keras")
    kind = type("Adam", (), {"__module__": "tf_keras.src.x", "__call__": print})
    module.Model = kind
    monkeypatch.setitem(sys.modules, "tf_keras", module)
    with pytest.raises(ValueError, match=f"'{name}' parameter .*tf_keras.*Keras 3"):
        small_conv(**{name: kind()}).fit(X)


# ------------------------------------------------------------------------------ files


def save(path):
    small().fit(X).save(path)


def export(path):
    small().fit(X).export(path, format="tf_saved_model")


@pytest.mark.parametrize("write", [save, export])
@pytest.mark.parametrize("to", [str, os.fsencode])
def test_a_missing_folder_is_named(tmp_path, write, to):
    with pytest.raises(FileNotFoundError, match=r"no folder .*none.*makedirs") as told:
        write(to(str(tmp_path / "none" / "file")))
    assert str(tmp_path / "none" / "file") in str(told.value)


@pytest.mark.parametrize("write", [save, export])
def test_a_folder_that_is_read_only_is_named(tmp_path, write, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    module = "skae._files.export.tempfile.mkdtemp" if write is export else None
    if module is None:
        monkeypatch.setattr("builtins.open", refuse)
    else:
        monkeypatch.setattr(module, refuse)
    path = str(tmp_path / "file")
    words = "denied.*writable"
    with pytest.raises(PermissionError, match=words) as told:
        write(path)
    assert str(told.value).endswith(repr(path))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a directory.*Name a file in it"):
        save(tmp_path)


def test_a_path_of_bytes_is_a_path(tmp_path):
    path = os.fsencode(tmp_path / "ae.skae")
    ae = small().fit(X)
    ae.save(path)
    assert_array_equal(skae.load(path).transform(X), ae.transform(X))
    small().fit_dataset([X], checkpoint=os.fsencode(tmp_path / "run.skae"))


@pytest.mark.parametrize(
    ("name", "format", "words"),
    [
        ("x.tflite", "onnx", "format='litert'"),
        ("x.ONNX", "litert", "format='onnx'"),
        ("x.onnx", "tf_saved_model", "format='onnx'"),
    ],
)
def test_an_ending_that_says_another_format_is_refused(tmp_path, name, format, words):
    with pytest.raises(ValueError, match=f"ending of.*Take {words}"):
        small().fit(X).export(tmp_path / name, format=format)
