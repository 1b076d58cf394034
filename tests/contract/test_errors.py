"""Bad input, and what is said of it: scikit-learn's words where it has them."""

import re
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from small import small as any_small

from skae import ConvNetwork, DenseNetwork

X = (load_digits().data[:100] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)
FRAME = pd.DataFrame(X[:, 20:30], columns=list("abcdefghij"))


small = partial(any_small, epochs=1)


def with_value(value, data=X):
    data = data.astype(np.float64)
    data[(3,) * data.ndim] = value
    return data


def frame_with(value):
    frame = FRAME.astype("Float64")
    frame.iloc[2, 3] = value
    return frame


class TooWide:
    """A network whose encoder forgets the size of the latent vector."""

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        import keras

        return keras.layers.Dense(latent_dim + 2)(inputs)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        import keras

        return keras.layers.Dense(output_shape[0])(latents)


class TooNarrow(TooWide):
    """A network whose decoder forgets the size of a sample."""

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        import keras

        return keras.layers.Dense(latent_dim)(inputs)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        import keras

        return keras.layers.Dense(output_shape[0] - 1)(latents)


class Halfway:
    """Half a network."""

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        raise AssertionError


# ------------------------------------------------------ data that nothing accepts

BAD_DATA = {
    "NaN": (with_value(np.nan), ValueError, "Input X contains NaN"),
    "inf": (with_value(np.inf), ValueError, "Input X contains infinity"),
    "NaN in float32": (
        with_value(np.nan).astype("f4"),
        ValueError,
        "Input X contains NaN",
    ),
    "NaN in float16": (
        with_value(np.nan).astype("f2"),
        ValueError,
        "Input X contains NaN",
    ),
    "strings": ([["x"] * 64] * 2, ValueError, "could not convert string"),
    "objects": (
        np.full((9, 64), object()),
        TypeError,
        "argument must be .* real number",
    ),
    "complex": (X + 1j, ValueError, "Complex data not supported"),
    "no samples": (X[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "1-D": (X[0], ValueError, "Expected 2D array, got 1D array instead"),
    "scalar": (
        np.float32(3),
        ValueError,
        "Expected 2D array, got scalar array instead",
    ),
    "6-D": (np.zeros((2,) * 6), ValueError, "Found array with dim 6"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous"),
    "None": (None, ValueError, "Expected 2D array, got scalar array instead"),
}
BAD_IMAGES = {
    "NaN": (with_value(np.nan, IMAGES), ValueError, "Input X contains NaN"),
    "inf": (with_value(-np.inf, IMAGES), ValueError, "Input X contains infinity"),
    "no images": (IMAGES[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "complex": (IMAGES + 1j, ValueError, "Complex data not supported"),
    "strings": (np.full((9, 8, 8), "x"), ValueError, "could not convert string"),
    "6-D": (np.zeros((9, 8, 8, 1, 1, 1)), ValueError, "dim 6|shape"),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
def test_fit_refuses(method, case):
    data, error, words = BAD_DATA[case]
    with pytest.raises(error, match=words):
        getattr(small(), method)(data)


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("method", ["transform", "score", "score_samples"])
def test_transform_refuses(method, case):
    data, error, words = BAD_DATA[case]
    with pytest.raises(error, match=words):
        getattr(small().fit(X), method)(data)


@pytest.mark.filterwarnings("ignore:latent_dim=64 is at least:UserWarning")
@pytest.mark.parametrize("case", BAD_DATA)
def test_inverse_transform_refuses(case):
    data, error, words = BAD_DATA[case]
    ae = small(latent_dim=64).fit(X)
    if case in ("5-D", "ragged"):
        words += "|Found array with dim"
    with pytest.raises(error, match=words):
        ae.inverse_transform(data)


@pytest.mark.parametrize("case", BAD_IMAGES)
@pytest.mark.parametrize("network", [DenseNetwork((16,)), ConvNetwork((4,))])
def test_images_are_refused(network, case):
    data, error, words = BAD_IMAGES[case]
    with pytest.raises(error, match=words):
        small(network=network).fit(data)
    with pytest.raises(error, match=f"{words}|X has shape"):
        small(network=network).fit(IMAGES).transform(data)


@pytest.mark.parametrize("value", [None, pd.NA, np.nan])
def test_missing_values_of_pandas_are_refused(value):
    ae = small().fit(FRAME)
    for call in (small().fit, ae.transform, ae.score):
        with pytest.raises(ValueError, match="contains NaN"):
            call(frame_with(value))
    latents = pd.DataFrame(ae.transform(FRAME)).astype("Float64")
    latents.iloc[2, 1] = value
    with pytest.raises(ValueError, match="contains NaN"):
        ae.inverse_transform(latents)


def test_features_none():
    with pytest.raises(ValueError, match=r"0 feature\(s\) \(shape=\(9, 0\)\)"):
        small().fit(X[:9, :0])


# --------------------------------------------------------- data that fit never saw

AE = "AutoencoderTransformer"
OTHER_SHAPES = {
    "a feature less": (
        X,
        X[:, :63],
        f"X has 63 features, but {AE} is expecting 64 feat",
    ),
    "a feature more": (
        X[:, 1:],
        X,
        f"X has 64 features, but {AE} is expecting 63 feat",
    ),
    "a wider image": (
        np.zeros((9, 28, 28)),
        np.zeros((9, 28, 30)),
        r"X has shape \(9, 28, 30\), but .* expecting shape \(n_samples, 28, 28\)",
    ),
    "another image of the same size": (
        IMAGES,
        X.reshape(-1, 4, 16),
        r"X has shape \(100, 4, 16\), but .* expecting shape \(n_samples, 8, 8\)",
    ),
    "a channel more": (
        IMAGES,
        IMAGES[..., np.newaxis].repeat(3, 3),
        r"X has shape \(100, 8, 8, 3\), but .* shape \(n_samples, 8, 8\)",
    ),
    "flat after images": (
        IMAGES,
        X,
        r"X has shape \(100, 64\), but .* shape \(n_samples, 8, 8\).*Reshape X",
    ),
    "images after flat": (
        X,
        IMAGES,
        r"X has shape \(100, 8, 8\), but .* shape \(n_samples, 64\).*Reshape X",
    ),
    "one image, not a list of one": (
        IMAGES,
        IMAGES[0],
        r"X has shape \(8, 8\), but .* shape \(n_samples, 8, 8\)",
    ),
}


@pytest.mark.parametrize("case", OTHER_SHAPES)
@pytest.mark.parametrize(
    "method", ["transform", "score", "score_samples", "partial_fit", "fit"]
)
def test_other_shapes_are_refused(method, case):
    seen, data, words = OTHER_SHAPES[case]
    # fit accepts any shape, unless it has to go on from the last one.
    ae = small(warm_start=method == "fit").fit(seen)
    with pytest.raises(ValueError, match=words):
        getattr(ae, method)(data)


FRAMES = {
    "reordered": FRAME[FRAME.columns[::-1]],
    "missing": FRAME.drop(columns="c"),
    "extra": FRAME.assign(k=1.0),
    "renamed": FRAME.rename(columns={"c": "z"}),
}


@pytest.mark.parametrize("case", FRAMES)
@pytest.mark.parametrize("method", ["transform", "score", "partial_fit"])
@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas])
def test_other_columns_are_refused(convert, method, case):
    ae = small().fit(convert(FRAME))
    with pytest.raises(ValueError, match="feature names should match those that were"):
        getattr(ae, method)(convert(FRAMES[case]))


# -------------------------------------------------------- latents that do not fit

BAD_LATENTS = {
    "too few": (np.zeros((5, 2)), ValueError, r"2 columns.*\(n_samples, 3\)"),
    "too many": (np.zeros((5, 64)), ValueError, r"64 columns.*\(n_samples, 3\)"),
    "1-D": (np.zeros(3), ValueError, "Expected 2D array, got 1D"),
    "3-D": (np.zeros((5, 3, 1)), ValueError, "Found array with dim 3"),
    "NaN": (np.full((5, 3), np.nan), ValueError, "contains NaN"),
    "inf": (np.full((5, 3), np.inf), ValueError, "contains infinity"),
    "sparse": (sparse.csr_array(np.eye(3)), TypeError, "Sparse data was passed"),
}


@pytest.mark.parametrize("case", BAD_LATENTS)
def test_bad_latents_are_refused(case):
    data, error, words = BAD_LATENTS[case]
    with pytest.raises(error, match=words):
        small().fit(X).inverse_transform(data)


LATENT_NAMES = [f"{AE.lower()}{i}" for i in range(3)]
LATENT_FRAMES = {
    "reordered": (LATENT_NAMES[::-1], "must be in the same order"),
    "missing": (LATENT_NAMES[:2], f"missing:\n- {LATENT_NAMES[2]}\n"),
    "extra": ([*LATENT_NAMES, "label"], "not among them:\n- label\n"),
    "one renamed": (
        [*LATENT_NAMES[:2], "z"],
        f"not among them:\n- z\n.*missing:\n- {LATENT_NAMES[2]}\n",
    ),
    "twice": ([*LATENT_NAMES, LATENT_NAMES[0]], "in the same order, each once"),
    "two of other names": (["a", "b"], r"2 columns.*\(n_samples, 3\)"),
}


@pytest.mark.parametrize("case", LATENT_FRAMES)
def test_latents_of_other_columns_are_refused(case):
    columns, words = LATENT_FRAMES[case]
    words = words if "columns" in words else f"(?s)names should match those of.*{words}"
    frame = pd.DataFrame(np.zeros((5, len(columns))), columns=columns)
    with pytest.raises(ValueError, match=words):
        small().fit(X).inverse_transform(frame)


@pytest.mark.parametrize("columns", [LATENT_NAMES, list("abc"), range(3)])
@pytest.mark.parametrize("to", [lambda frame: frame, pl.from_pandas])
def test_latents_in_a_frame_are_those_of_the_array(to, columns):
    ae = small().fit(X)
    latents = ae.transform(X)
    frame = to(pd.DataFrame(latents, columns=columns))
    assert_array_equal(ae.inverse_transform(frame), ae.inverse_transform(latents))


# ---------------------------------------------------------------------- parameters

BAD_PARAMS = {
    "latent_dim": [
        (-1, r"'latent_dim' parameter of Auto\w+ must be an int in the range \[1"),
        (0, "'latent_dim' parameter"),
        (2.5, "'latent_dim' parameter"),
        ("many", "'latent_dim' parameter"),
    ],
    "network": [
        ("nope", "'network' parameter .*'dense', 'conv' or an object.*'nope'"),
        (DenseNetwork, r"'network' parameter .*DenseNetwork\(\)"),
        (Halfway(), "'network' parameter .*build_encoder and build_decoder"),
        (None, "'network' parameter"),
        (3, "'network' parameter"),
        (TooWide(), r"`build_encoder` .* shape \(None, 3\), got \(None, 5\)"),
        (TooNarrow(), r"`build_decoder` .* shape \(None, 64\), got \(None, 63\)"),
        (DenseNetwork((0,)), "'hidden_layer_sizes' parameter of DenseNetwork.*0"),
        (DenseNetwork((8, -2)), "'hidden_layer_sizes' parameter of DenseNetwork"),
        (DenseNetwork((2.5,)), "'hidden_layer_sizes' parameter of DenseNetwork"),
        (DenseNetwork("big"), "'hidden_layer_sizes' parameter of DenseNetwork"),
        (DenseNetwork(5), "'hidden_layer_sizes' parameter of DenseNetwork"),
        (
            DenseNetwork((8,), decoder_layer_sizes=(0,)),
            "'decoder_layer_sizes' parameter of DenseNetwork",
        ),
        (ConvNetwork(()), "at least one convolution"),
        (ConvNetwork((0,)), "'filters' parameter of ConvNetwork"),
        (ConvNetwork(kernel_size=0), "'kernel_size' parameter of ConvNetwork"),
        (ConvNetwork(strides=0), "'strides' parameter of ConvNetwork"),
        (ConvNetwork(image_shape=(5, 5)), r"`image_shape` .*64 features.*\(5, 5\)"),
        (ConvNetwork(image_shape=(64,)), "`image_shape` .*height, width"),
        (ConvNetwork(image_shape=8), "'image_shape' parameter of ConvNetwork"),
    ],
    "activation": [
        ("nope", "'activation' parameter must be the name.*keras.activations.*'nope'"),
        (3, "'activation' parameter"),
    ],
    "latent_activation": [("nope", "'latent_activation' parameter .*'nope'")],
    "output_activation": [("nope", "'output_activation' parameter .*'nope'")],
    "loss": [
        ("nope", "'loss' parameter must be the name.*keras.losses.*'nope'"),
        (3, "'loss' parameter"),
    ],
    "optimizer": [
        ("nope", "'optimizer' parameter must be the name.*keras.optimizers.*'nope'"),
        (3, "'optimizer' parameter"),
        (None, "'optimizer' parameter"),
    ],
    "learning_rate": [
        (rate, "'learning_rate' parameter .*positive number.*'cosine'")
        for rate in (0, -0.1, "fast", np.nan, True, None)
    ],
    "learning_rate_init": [(0, "'learning_rate_init' parameter")],
    "epochs": [(0, "'epochs' parameter"), ("many", "'epochs' parameter")],
    "batch_size": [(0, "'batch_size' parameter"), ("big", "'batch_size' parameter")],
    "early_stopping": [("yes", "'early_stopping' parameter")],
    "validation_fraction": [
        (fraction, "'validation_fraction' parameter") for fraction in (2, 1, 0, -0.1)
    ],
    "n_iter_no_change": [(0, "'n_iter_no_change' parameter")],
    "tol": [(-1, "'tol' parameter")],
    "warm_start": [("yes", "'warm_start' parameter")],
    "verbose": [(-1, "'verbose' parameter"), ("loud", "'verbose' parameter")],
    "random_state": [("now", "'random_state' parameter"), (-1, "'random_state' par")],
}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [(name, *case) for name, cases in BAD_PARAMS.items() for case in cases],
)
def test_bad_parameters_are_refused(name, value, words):
    ae = small(**{name: value})  # the constructor only stores
    for call in (ae.fit, clone(ae).partial_fit):
        with pytest.raises(ValueError, match=f"(?s){words}"):
            call(X)
    fitted = small().fit(X)
    expected = fitted.transform(X)
    fitted.set_params(**{name: value})
    assert_array_equal(fitted.transform(X), expected)


def test_an_image_shape_that_contradicts_the_images():
    with pytest.raises(ValueError, match=r"image_shape=\(4, 16\).*shape \(8, 8\)"):
        small(network=ConvNetwork((4,), image_shape=(4, 16))).fit(IMAGES)


@pytest.mark.parametrize(
    "params", [{"latent_dim": 4}, {"network": DenseNetwork((9,))}, {"network": "conv"}]
)
@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_going_on_with_another_network_is_refused(method, params):
    ae = small(warm_start=True).fit(X)
    expected = ae.transform(X)
    ae.set_params(**params)
    with pytest.raises(ValueError, match="weights of the last fit do not go with"):
        getattr(ae, method)(X)
    assert_array_equal(ae.transform(X), expected)


# ------------------------------------------------------------------------ weights

BAD_WEIGHTS = {
    "negative": (-np.ones(100), "Negative values in data passed to `sample_weight`"),
    "one negative": (np.r_[np.ones(99), -1e-9], "Negative values"),
    "NaN": (np.full(100, np.nan), "sample_weight contains NaN"),
    "inf": (np.full(100, np.inf), "sample_weight contains infinity"),
    # scikit-learn has words for it from 1.8 on.
    "all zero": (np.zeros(100), "are zero|at least one non-zero number"),
    "short": (np.ones(99), r"sample_weight.shape == \(99,\), expected \(100,\)"),
    "long": (np.ones(101), r"sample_weight.shape == \(101,\), expected \(100,\)"),
    "2-D": (np.ones((100, 1)), "Sample weights must be 1D array or scalar"),
    "strings": (["heavy"] * 100, "could not convert string"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
def test_bad_weights_are_refused(method, case):
    weights, words = BAD_WEIGHTS[case]
    ae = small().fit(X)
    expected = ae.transform(X)
    with pytest.raises(ValueError, match=words):
        getattr(ae, method)(X, sample_weight=weights)
    assert_array_equal(ae.transform(X), expected)


# ---------------------------------------------------------------------- before fit


@pytest.mark.parametrize(
    "method", ["transform", "inverse_transform", "score", "score_samples"]
)
def test_calls_before_fit(method):
    words = re.escape(f"This {AE} instance is not fitted yet. Call 'fit'")
    with pytest.raises(NotFittedError, match=words):
        getattr(small(), method)(X)


def test_names_before_fit():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        small().get_feature_names_out()


@pytest.mark.parametrize("name", ["encoder_", "decoder_", "weights_", "history_"])
def test_attributes_before_fit(name):
    with pytest.raises(AttributeError, match=name):
        getattr(small(), name)
    assert not hasattr(small(), name)


# --------------------------------------------------------------- numbers too large

NETWORKS = pytest.mark.parametrize("network", [DenseNetwork((16,)), ConvNetwork((4,))])
HUGE = [(1e30, np.float32), (1e30, np.float64), (1e200, np.float64)]


@NETWORKS
@pytest.mark.parametrize(("size", "dtype"), HUGE)
def test_fit_on_huge_values_is_finite_or_refused(network, size, dtype):
    data = X.astype(dtype) * dtype(size)
    ae = small(network=network, epochs=3)
    try:
        latents = ae.fit_transform(data)
    except ValueError as error:
        assert re.search("diverged.*[Ss]cale the data", str(error))  # noqa: PT017
        assert not hasattr(ae, "weights_")
    else:
        assert np.isfinite(latents).all()
        assert np.isfinite(ae.inverse_transform(latents)).all()
        assert np.isfinite(ae.history_["loss"]).all()


@NETWORKS
@pytest.mark.parametrize("fit_dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "dtype"), HUGE)
@pytest.mark.parametrize("method", ["transform", "score_samples"])
def test_transform_of_huge_values_is_finite_or_refused(
    method, size, dtype, fit_dtype, network
):
    data = X.copy().astype(dtype)
    data[4, 20] = size
    ae = small(network=network).fit(X.astype(fit_dtype))
    try:
        out = getattr(ae, method)(data)
    except ValueError as error:
        assert "large" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(out).all()


@NETWORKS
@pytest.mark.parametrize("size", [1e30, 1e200])
def test_inverse_transform_of_huge_values_is_finite_or_refused(network, size):
    ae = small(network=network).fit(X)
    try:
        out = ae.inverse_transform(np.full((2, 3), size))
    except ValueError as error:
        assert "large" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(out).all()


@NETWORKS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_huge_learning_rate_is_refused(dtype, network):
    ae = small(network=network, epochs=8, learning_rate=1e30, activation="linear")
    ae.set_params(output_activation="linear")
    with pytest.raises(ValueError, match=r"Training diverged .*learning_rate"):
        ae.fit(X.astype(dtype))


@NETWORKS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_huge_learning_rate_never_gives_nan(dtype, network):
    # ELU and a sigmoid saturate: the loss stays finite whatever the weights are.
    ae = small(network=network, epochs=5, learning_rate=1e30)
    try:
        latents = ae.fit_transform(X.astype(dtype))
    except ValueError as error:
        assert "diverged" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(latents).all()
        assert np.isfinite(ae.inverse_transform(latents)).all()


# ------------------------------------------------- values that would mean another thing

MASKED = np.ma.masked_greater(X.copy(), 0.9)
LOST = {
    "masked": (MASKED, ValueError, r"masked array.*X\.filled"),
    "masked images": (MASKED.reshape(-1, 8, 8), ValueError, r"masked array.*X\.filled"),
    "dates": (np.full((9, 4), np.datetime64("2020-01-01")), TypeError, "dates.*hour"),
    "durations": (np.full((9, 4), np.timedelta64(3, "s")), TypeError, "dates.*hour"),
    "a list of dates": ([[np.datetime64("2020-01-01")] * 4] * 9, TypeError, "dates"),
    "a frame of dates": (
        pd.DataFrame({"a": [1.0, 2.0], "b": pd.to_datetime(["2020", "2021"])}),
        TypeError,
        r"dates or durations \(datetime64.*drop these columns",
    ),
    "dates of polars": (
        pl.DataFrame({"a": [1.0, 2.0]}).with_columns(b=pl.date(2020, 1, 1)),
        TypeError,
        r"dates or durations \(Date",
    ),
    "a column": (pd.Series(np.arange(9)), ValueError, r"Expected 2D.*df\[\['a'\]\]"),
    "a column of floats": (FRAME["a"], ValueError, r"Expected 2D.*df\[\['a'\]\]"),
    "a column of polars": (pl.Series([1, 2, 3]), ValueError, "Expected 2D.*to_frame"),
    "six axes": (np.zeros((9, 2, 2, 2, 2, 2)), ValueError, r"dim 6.*reshape\(len\(X\)"),
    "a list of six axes": (np.zeros((2,) * 6).tolist(), ValueError, "dim 6.*reshape"),
    "ragged rows": ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous.*pad"),
    "ragged arrays": ([np.zeros(3), np.zeros(4)], ValueError, "inhomogeneous.*pad"),
    "ragged images": (
        [np.zeros((3, 3)), np.zeros((3, 4))],
        ValueError,
        "inhomogeneous.*resize",
    ),
    "NaN": (with_value(np.nan), ValueError, "contains NaN.*SimpleImputer"),
}  # fmt: skip


@pytest.mark.parametrize("case", LOST)
def test_what_would_lose_its_meaning_is_refused(case):
    data, error, words = LOST[case]
    for call in (small().fit, small().partial_fit, small().fit(X).transform):
        with pytest.raises(error, match=f"(?s){words}"):
            call(data)


def test_a_masked_array_without_a_mask_is_an_array():
    expected = small().fit(X).transform(X)
    assert_array_equal(small().fit(np.ma.masked_array(X)).transform(X), expected)


SMALL_FRAMES = {
    "uint8": (lambda values: pd.DataFrame(values), np.uint8),
    "mixed": (
        lambda values: pd.DataFrame(values).astype({0: np.int16, 1: bool}),
        np.int16,
    ),
    "nullable": (lambda values: pd.DataFrame(values).astype("UInt8"), np.float32),
    "polars": (lambda values: pl.DataFrame(values), np.float32),
}


@pytest.mark.parametrize("case", SMALL_FRAMES)
def test_a_frame_of_small_numbers_is_computed_as_its_array(case):
    make, _ = SMALL_FRAMES[case]
    values = (load_digits().data[:100, 18:22] > 7).astype(np.uint8)
    ae, expected = small(latent_dim=2), small(latent_dim=2).fit(values)
    latents = ae.fit(make(values)).transform(make(values))
    assert latents.dtype == np.float32
    assert_array_equal(latents, expected.transform(values))
