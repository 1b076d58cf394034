"""Whole pipelines in ONNX Runtime give what they give in scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA, FastICA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from small import python

from skae import (
    AutoencoderClusterer,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    ConvNetwork,
    Denoising,
    DenseNetwork,
    KerasAutoencoderTransformer,
    Variational,
)

WHY = 'needs pip install "skae[export]"'
skl2onnx = pytest.importorskip("skl2onnx", reason=WHY)
onnxruntime = pytest.importorskip("onnxruntime", reason=WHY)

import skae.onnx  # noqa: E402, F401

DIGITS = load_digits().data[:400] / 16
IMAGES = DIGITS.reshape(-1, 8, 8)
WINE, CULTIVARS = load_wine(return_X_y=True)
rng = np.random.RandomState(0)
HOLES = np.where(rng.uniform(size=WINE.shape) < 0.2, np.nan, WINE)
FIT = {"epochs": 2, "random_state": 0}


def ae(n_latents=4, **parameters):
    return AutoencoderTransformer(n_latents, **{**FIT, **parameters})


def conv(**parameters):
    return ae(network=ConvNetwork((4, 6)), **parameters)


def kmeans():
    return KMeans(5, n_init=1, random_state=0)


def run(model, X):
    """Convert for rows like X, and run; give what comes out by name."""
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    if options is not None and hasattr(model, "steps"):
        options = {id(model.steps[-1][1]): options}
    written = skl2onnx.to_onnx(model, X[:1], options=options)
    return run_file(written, {"X": X})


def run_file(written, inputs):
    session = onnxruntime.InferenceSession(written.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


# What is fitted, the rows, and which methods give what comes out.
DENSE = {
    "alone": (ae(), DIGITS, ["transform"]),
    "scaled, clustered": (
        make_pipeline(StandardScaler(), ae(), kmeans()),
        DIGITS,
        ["predict", "transform"],
    ),
    "columns of their own units": (
        make_pipeline(ae(epochs=20), kmeans()),
        WINE,
        ["predict", "transform"],
    ),
    "classified": (
        make_pipeline(StandardScaler(), ae(), LogisticRegression()),
        WINE,
        ["predict", "predict_proba"],
    ),
    "some columns scaled": (
        make_pipeline(
            make_column_transformer(
                (StandardScaler(), [0, 1, 2, 3, 4]), (MinMaxScaler(), [7, 9, 12])
            ),
            ae(),
            kmeans(),
        ),
        WINE,
        ["predict", "transform"],
    ),
    "beside others": (
        make_pipeline(make_union(PCA(2), ae(), ae(3, random_state=1)), kmeans()),
        DIGITS,
        ["predict", "transform"],
    ),
    "sigmoid over a linear path": (
        make_pipeline(MinMaxScaler(), ae(output_activation="sigmoid")),
        WINE,
        ["transform"],
    ),
    "layers of one's own": (
        ae(network=DenseNetwork((16, 8)), activation="gelu"),
        DIGITS,
        ["transform"],
    ),
    "noise": (ae(objective=Denoising()), DIGITS, ["transform"]),
    "variational": (
        make_pipeline(ae(objective=Variational()), kmeans()),
        DIGITS,
        ["predict", "transform"],
    ),
    "missing values": (
        make_pipeline(StandardScaler(), ae(missing="mask")),
        HOLES,
        ["transform"],
    ),
    "images": (ae(), IMAGES, ["transform"]),
    "images with channels": (ae(), IMAGES[..., np.newaxis], ["transform"]),
    "outliers": (
        AutoencoderOutlierDetector(random_state=0),
        WINE,
        ["predict", "decision_function"],
    ),
    "outliers after a scaler": (
        make_pipeline(StandardScaler(), AutoencoderOutlierDetector(ae())),
        WINE,
        ["predict", "decision_function"],
    ),
    "outliers by PCA": (
        AutoencoderOutlierDetector(PCA(4, whiten=True), contamination=0.1),
        WINE,
        ["predict", "decision_function"],
    ),
    "clusters": (
        make_pipeline(StandardScaler(), AutoencoderClusterer(3, random_state=0)),
        WINE,
        ["predict", "transform"],
    ),
    "clusters of images": (
        AutoencoderClusterer(5, transformer=ae(), random_state=0),
        IMAGES,
        ["predict", "transform"],
    ),
    "clusters by what skl2onnx knows": (
        AutoencoderClusterer(
            5, transformer=make_pipeline(StandardScaler(), PCA(3)), random_state=0
        ),
        DIGITS,
        ["predict", "transform"],
    ),
    "filled": (AutoencoderImputer(random_state=0), HOLES, ["transform"]),
    "filled, with flags": (
        make_pipeline(
            AutoencoderImputer(add_indicator=True, random_state=0),
            ae(),
            kmeans(),
        ),
        HOLES,
        ["predict", "transform"],
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", DENSE)
def test_dense_networks(name, dtype):
    model, X, methods = DENSE[name]
    X = X.astype(dtype)
    y = CULTIVARS if len(X) == len(CULTIVARS) else None
    found = run(model.fit(X, y), X)
    # Of gelu, which the imputer takes, ONNX Runtime has a part in float32 alone.
    agree(model, X, methods, found, 1e-5 if dtype == np.float32 else 1e-6)


def agree(model, X, methods, found, digits):
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if not type(last).__module__.startswith("skae"):
        digits *= 10  # what skl2onnx makes of latent vectors rounds in its own ways
    for method, values in zip(methods, found.values(), strict=True):
        expected = getattr(model, method)(X)
        values = values.reshape(expected.shape)
        if method == "predict":
            assert_array_equal(values, expected)
        else:
            assert values.dtype == X.dtype
            largest = np.abs(expected).max()
            assert_allclose(values, expected, rtol=0, atol=digits * largest)


CONVOLUTIONS = {
    "clustered": (make_pipeline(conv(), kmeans()), IMAGES, ["predict", "transform"]),
    "scaled rows": (make_pipeline(MinMaxScaler(), conv()), DIGITS, ["transform"]),
    "two side by side": (
        make_pipeline(make_union(conv(), conv(random_state=1)), kmeans()),
        DIGITS,
        ["predict", "transform"],
    ),
    "signals": (ae(network=ConvNetwork((4,), axes=1)), DIGITS, ["transform"]),
    "variational": (conv(objective=Variational()), IMAGES, ["transform"]),
    "outliers": (
        AutoencoderOutlierDetector(conv()),
        DIGITS[:300],
        ["predict", "decision_function"],
    ),
    "clusters": (
        AutoencoderClusterer(3, transformer=conv(), random_state=0),
        IMAGES,
        ["predict", "transform"],
    ),
    "missing values": (
        conv(missing="mask"),
        np.where(rng.uniform(size=IMAGES.shape) < 0.2, np.nan, IMAGES),
        ["transform"],
    ),
}
QUICK = {"clustered", "two side by side"}
NAMES = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.long)
    for name in CONVOLUTIONS
]


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_convolutions(name, dtype):
    """Keras' exporter writes them, in float32 whatever the rows come in."""
    pytest.importorskip("tf2onnx", reason=WHY)
    model, X, methods = CONVOLUTIONS[name]
    X = X.astype(dtype)
    agree(model, X, methods, run(model.fit(X), X), 1e-5)


class Recurrent(BaseEstimator):
    """A network of one's own, whose layers are loops in ONNX."""

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        from keras import layers

        x = layers.GRU(5)(layers.Reshape((8, 8))(inputs))
        return layers.Dense(latent_dim, activation=latent_activation)(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        from keras import layers

        return layers.Dense(output_shape[0], activation=output_activation)(latents)


@pytest.mark.parametrize("target_opset", [15, 18, None])
def test_networks_of_ones_own(target_opset):
    pytest.importorskip("tf2onnx", reason=WHY)
    X = DIGITS.astype(np.float32)
    pipeline = make_pipeline(ae(network=Recurrent()), kmeans()).fit(X)
    written = skl2onnx.to_onnx(pipeline, X[:1], target_opset=target_opset)
    agree(pipeline, X, ["predict", "transform"], run_file(written, {"X": X}), 1e-5)


def test_an_autoencoder_of_keras():
    pytest.importorskip("tf2onnx", reason=WHY)
    X = WINE.astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), KerasAutoencoderTransformer())
    pipeline.set_params(kerasautoencodertransformer__random_state=0).fit(X)
    agree(pipeline, X, ["transform"], run(pipeline, X), 1e-5)


def test_columns_far_from_zero_keep_their_digits():
    """They are centred before they are multiplied, so that float32 will do."""
    X = WINE + 100 * WINE.std(axis=0)
    model = ae(epochs=20).fit(X)
    assert model.center_ is not None
    found = run(model, X.astype(np.float32))["variable"]
    expected = model.transform(X.astype(np.float32).astype(np.float64))
    assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_frame_is_one_input_a_column():
    pandas = pytest.importorskip("pandas")
    X = WINE.astype(np.float32)
    frame = pandas.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    model = ae().fit(frame)
    written = skl2onnx.to_onnx(model, frame[:1])
    columns = {name: frame[[name]].to_numpy() for name in frame}
    found = run_file(written, columns)["variable"]
    assert_allclose(found, model.transform(frame), rtol=1e-5, atol=1e-4)


def test_integers_come_out_as_float32():
    X = load_digits().data.astype(np.uint8)
    model = ae().fit(X)
    found = run(model, X)["variable"]
    assert found.dtype == np.float32
    assert_allclose(found, model.transform(X), rtol=1e-5, atol=1e-4)


PROGRAM = """
import json, sys, time
import numpy as np
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import skae
here = set(sys.modules)
import skae.onnx
from skl2onnx import to_onnx
X = np.random.RandomState(0).uniform(size=(300, 784)).astype("f4")
pipeline = make_pipeline(
    StandardScaler(), skae.AutoencoderTransformer(epochs=1), KMeans(5)
).fit(X)
start = time.perf_counter()
to_onnx(pipeline, X[:1])
took = time.perf_counter() - start
loaded = bool({"tensorflow", "keras"} & {*sys.modules})
print(json.dumps(["skl2onnx" in here, loaded, took]))
"""


def test_a_dense_pipeline_takes_less_than_a_second_and_no_tensorflow():
    before, tensorflow, took = python(PROGRAM)
    assert not before
    assert not tensorflow
    assert took < 1


def test_without_skl2onnx_it_says_what_to_install():
    program = """
import json, sys
sys.modules["skl2onnx"] = None
try:
    import skae.onnx
except ImportError as error:
    print(json.dumps(str(error)))
"""
    assert 'pip install "skae[export]"' in python(program)


# --------------------------------------------------------------------- what is refused


def refused(error, words, model, X=DIGITS, **how):
    with pytest.raises(error, match=words):
        skl2onnx.to_onnx(model, X[:1], **how)


def test_what_is_not_fitted():
    refused(NotFittedError, "not fitted yet", ae())
    refused(NotFittedError, "not fitted yet", AutoencoderImputer())


def test_rows_of_another_size():
    words = "fitted on samples of 64 values, .* of 63. Pass rows like those of fit"
    refused(ValueError, words, ae().fit(DIGITS), DIGITS[:, 1:])


def test_an_old_opset():
    words = r"opset 13 or later, and target_opset is 12\. Leave it out"
    refused(ValueError, words, ae().fit(DIGITS), target_opset=12)


def test_operators_that_are_not_wanted():
    model = ae().fit(DIGITS)
    refused(RuntimeError, "'Gemm' is black listed", model, black_op={"Gemm"})


def test_a_detector_whose_transformer_has_no_way_back():
    model = AutoencoderOutlierDetector(FastICA(3, random_state=0)).fit(DIGITS)
    words = "both ways: AutoencoderTransformer.*, PCA. Got FastICA.* Fit it with"
    refused(NotImplementedError, words, model)


def test_a_clusterer_in_the_middle():
    pipeline = make_pipeline(AutoencoderClusterer(3, transformer=PCA(2)), kmeans())
    words = "as the last step of a pipeline alone"
    refused(NotImplementedError, words, pipeline.fit(WINE), WINE)


def bessel(x):
    import tensorflow as tf

    return tf.math.bessel_i1e(x)


def test_a_layer_that_onnx_has_not():
    pytest.importorskip("tf2onnx", reason=WHY)
    model = ae(activation=bessel).fit(DIGITS)
    words = "can't be exported to ONNX: .* no counterpart there"
    refused(RuntimeError, words, model)
