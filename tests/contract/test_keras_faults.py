"""What KerasAutoencoderTransformer holds of the faults that the other class survives.

The notes of its docstring say what it cannot hold, and why.
"""

import hashlib
import pickle
import signal
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits

from skae import KerasAutoencoderTransformer

with warnings.catch_warnings(action="ignore"):  # Keras 3.8 warns when imported
    from scikeras.wrappers import KerasRegressor

X = (load_digits().data[:100] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)
FRAME = pd.DataFrame(X[:, 20:30], columns=list("abcdefghij"))
NAME = "KerasAutoencoderTransformer"


def build(meta, latent_dim=3):
    import keras

    inputs = keras.Input(meta["X_shape_"][1:])
    flat = keras.layers.Flatten()(inputs)
    latent = keras.layers.Dense(latent_dim, name="latent")(flat)
    return keras.Model(inputs, keras.layers.Dense(flat.shape[1])(latent))


def make(**params):
    params = {"loss": "mse", "optimizer": "adam", "epochs": 1, "verbose": 0} | params
    return KerasAutoencoderTransformer(KerasRegressor(build, **params), random_state=0)


@pytest.fixture(scope="module")
def fitted():
    """One fitted transformer for the tests that only look at it: do not refit it."""
    return make().fit(X)


@pytest.fixture(scope="module")
def of_images():
    """One fitted on images; do not refit it."""
    return make().fit(IMAGES)


@pytest.fixture(scope="module")
def of_frame():
    """One fitted on a frame; do not refit it."""
    return make().fit(FRAME)


def with_value(value, data=X):
    data = data.astype(np.float64)
    data[(3,) * data.ndim] = value
    return data


# ------------------------------------------------------------------------ bad data

BAD_DATA = {
    "NaN": (with_value(np.nan), ValueError, "Input X contains NaN"),
    "inf": (with_value(np.inf), ValueError, "Input X contains infinity"),
    "NaN in float16": (with_value(np.nan).astype("f2"), ValueError, "contains NaN"),
    "strings": ([["x"] * 64] * 2, ValueError, "could not convert string"),
    "objects": (np.full((9, 64), object()), TypeError, "argument must be .* number"),
    "complex": (X + 1j, ValueError, "Complex data not supported"),
    "no samples": (X[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "no features": (X[:, :0], ValueError, r"0 feature\(s\)"),
    "1-D": (X[0], ValueError, "Expected 2D array, got 1D array instead"),
    "scalar": (np.float32(3), ValueError, "Expected 2D array, got scalar array"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous"),
    "sparse": (sparse.csr_array(X), TypeError, "Sparse data was passed"),
    "None": (None, ValueError, "Expected 2D array, got scalar array instead"),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize(
    "method", ["fit", "transform", "score", "score_samples", "inverse_transform"]
)
def test_bad_data_are_refused(fitted, method, case):
    data, error, words = BAD_DATA[case]
    with pytest.raises(error, match=words):
        getattr(make() if method == "fit" else fitted, method)(data)


BAD_IMAGES = {
    "NaN": (with_value(np.nan, IMAGES), "Input X contains NaN"),
    "inf": (with_value(-np.inf, IMAGES), "Input X contains infinity"),
    "no images": (IMAGES[:0], r"Found array with 0 sample\(s\)"),
    "complex": (IMAGES + 1j, "Complex data not supported"),
    "strings": (np.full((9, 8, 8), "x"), "could not convert string"),
}
OTHER_IMAGES = {
    "wider": np.zeros((9, 8, 9)),
    "another of the same size": X.reshape(-1, 4, 16),
    "flat": X,
    "a channel more": IMAGES[..., np.newaxis],
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_refused(of_images, case):
    data, words = BAD_IMAGES[case]
    for call in (make().fit, of_images.transform, of_images.score):
        with pytest.raises(ValueError, match=words):
            call(data)


@pytest.mark.parametrize("case", OTHER_IMAGES)
def test_other_shapes_are_refused(of_images, case):
    for call in (of_images.transform, of_images.score):
        with pytest.raises(ValueError, match=r"expecting samples of shape \(8, 8\)"):
            call(OTHER_IMAGES[case])


FRAMES = {
    "reordered": FRAME[FRAME.columns[::-1]],
    "missing": FRAME.drop(columns="c"),
    "extra": FRAME.assign(k=1.0),
    "renamed": FRAME.rename(columns={"c": "z"}),
}


@pytest.mark.parametrize("case", FRAMES)
@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas])
def test_other_columns_are_refused(of_frame, convert, case):
    for call in (of_frame.transform, of_frame.score):
        with pytest.raises(ValueError, match="feature names should match those that"):
            call(convert(FRAMES[case]))


@pytest.mark.parametrize("value", [None, pd.NA, np.nan])
def test_missing_values_of_pandas_are_refused(of_frame, value):
    frame = FRAME.astype("Float64")
    frame.iloc[2, 3] = value
    for call in (make().fit, of_frame.transform, of_frame.score):
        with pytest.raises(ValueError, match="contains NaN"):
            call(frame)


LATENT_NAMES = [f"{NAME.lower()}{i}" for i in range(3)]
LATENT_FRAMES = {
    "reordered": (LATENT_NAMES[::-1], "must be in the same order"),
    "missing": (LATENT_NAMES[:2], f"missing:\n- {LATENT_NAMES[2]}\n"),
    "extra": ([*LATENT_NAMES, "label"], "not among them:\n- label\n"),
    "one renamed": ([*LATENT_NAMES[:2], "z"], "not among them:\n- z\n"),
}


@pytest.mark.parametrize("case", LATENT_FRAMES)
def test_latents_of_other_columns_are_refused(fitted, case):
    columns, words = LATENT_FRAMES[case]
    frame = pd.DataFrame(np.zeros((5, len(columns))), columns=columns)
    with pytest.raises(ValueError, match=f"(?s)names should match those of.*{words}"):
        fitted.inverse_transform(frame)


# ----------------------------------------------------------------- thin, huge, laid out

THIN = {
    "one sample": (X[:1], {}),
    "one feature": (X[:, 20:21], {}),
    "constant columns": (np.full((20, 4), 7.0), {}),
    "all zeros": (np.zeros((20, 4)), {}),
    "more latents than features": (X[:, 20:24], {"model__latent_dim": 9}),
    "a batch larger than the data": (X[:, 20:24], {"batch_size": 1000}),
}


@pytest.mark.parametrize("case", THIN)
def test_thin_data_give_finite_numbers(case):
    data, params = THIN[case]
    ae = make(**params).fit(data)
    Z = ae.transform(data)
    assert np.isfinite(Z).all()
    assert np.isfinite(ae.inverse_transform(Z)).all()
    assert np.isfinite(ae.score(data))


HUGE = [(1e30, np.float32), (1e30, np.float64), (1e200, np.float64)]


@pytest.mark.parametrize(("size", "dtype"), HUGE)
def test_fit_on_huge_values_is_finite_or_refused(size, dtype):
    ae = KerasAutoencoderTransformer(random_state=0)
    try:
        Z = ae.fit_transform(X.astype(dtype) * dtype(size))
    except ValueError as error:
        assert "diverged. Scale X" in str(error)  # noqa: PT017
        assert not hasattr(ae, "regressor_")
    else:
        assert np.isfinite(Z).all()


@pytest.mark.parametrize(("size", "dtype"), HUGE)
@pytest.mark.parametrize("method", ["transform", "score_samples", "inverse_transform"])
def test_huge_values_give_finite_numbers_or_are_refused(fitted, method, size, dtype):
    data = X.astype(dtype)[:, : 3 if method == "inverse_transform" else 64]
    data[4, 2] = size
    try:
        out = getattr(fitted, method)(data)
    except ValueError as error:
        assert "too large for what this" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(out).all()


COUNTS = np.random.default_rng(0).integers(0, 2, (60, 64)).astype(np.float32)
WRITTEN = {
    "fortran": np.asfortranarray,
    "negative strides": lambda data: np.ascontiguousarray(data[::-1, ::-1])[::-1, ::-1],
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "bool": lambda data: data.astype(bool),
    "uint8": lambda data: data.astype(np.uint8),
    "float16": lambda data: data.astype(np.float16),
    "big-endian": lambda data: data.astype(">f4"),
    "list": np.ndarray.tolist,
    "int64": lambda data: data.astype(np.int64),
    "big-endian float64": lambda data: data.astype(">f8"),
}


@pytest.fixture(scope="module")
def plain():
    """Latents and score of the plain arrays, by the name of their dtype."""
    found = {}
    for dtype in (np.float32, np.float64):
        ae = make().fit(COUNTS.astype(dtype))
        data = COUNTS.astype(dtype)
        found[np.dtype(dtype)] = ae.transform(data), ae.score(data)
    return found


@pytest.mark.parametrize("case", WRITTEN)
def test_the_numbers_are_those_of_the_plain_array(plain, case):
    data = WRITTEN[case](COUNTS)
    ae = make().fit(data)
    Z = ae.transform(data)
    assert_array_equal(Z, plain[Z.dtype][0])
    assert ae.score(data) == plain[Z.dtype][1]
    exact = case in ("list", "int64", "big-endian float64")
    assert Z.dtype == (np.float64 if exact else np.float32)


def test_a_memory_mapped_array_stays_as_it_is(plain, tmp_path):
    np.save(tmp_path / "x.npy", COUNTS)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    Z = make().fit(mapped).transform(mapped)
    assert_array_equal(Z, plain[Z.dtype][0])


# ------------------------------------------------------------------------- weights

BAD_WEIGHTS = {
    "negative": (-np.ones(100), "Negative values in data passed to `sample_weight`"),
    "one negative": (np.r_[np.ones(99), -1e-9], "Negative values"),
    "NaN": (np.full(100, np.nan), "sample_weight contains NaN"),
    "inf": (np.full(100, np.inf), "sample_weight contains infinity"),
    # scikit-learn has words for it from 1.8 on.
    "all zero": (np.zeros(100), "are zero|at least one non-zero number"),
    "short": (np.ones(99), r"sample_weight.shape == \(99,\), expected \(100,\)"),
    "2-D": (np.ones((100, 1)), "Sample weights must be 1D array or scalar"),
    "strings": (["heavy"] * 100, "could not convert string"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights_are_refused(fitted, case):
    weights, words = BAD_WEIGHTS[case]
    for call in (make().fit, fitted.score):
        with pytest.raises(ValueError, match=words):
            call(X, sample_weight=weights)


# -------------------------------------------------------------- Ctrl-C, many threads


def bits(ae):
    return hashlib.sha256(ae.transform(X).tobytes()).hexdigest()


class CtrlC:
    """A hook of a callback in which Ctrl-C strikes, by a real signal.

    Python drops an interrupt that happens to strike in a finalizer, where it can raise
    nothing. So Ctrl-C is pressed until it is heard, as a user would.
    """

    def __init__(self):
        self.heard = 0

    def __call__(self, *args, **kwargs):
        try:
            for _ in range(1000):
                signal.raise_signal(signal.SIGINT)
                time.sleep(0.01)  # where a handler that comes late may strike
        except KeyboardInterrupt:
            self.heard += 1
            raise
        pytest.fail(f"Ctrl-C is not heard: {signal.getsignal(signal.SIGINT)}")

    def __deepcopy__(self, memo):
        return self  # clone copies callbacks, and the test looks at this one


@pytest.mark.filterwarnings("ignore:(?s)Exception ignored .*KeyboardInterrupt")
def test_ctrl_c_in_a_fit_leaves_the_fit_before():
    import keras

    ae = make().fit(X[:50])
    before, expected = bits(ae), bits(make().fit(X))
    for hook in ("on_train_begin", "on_epoch_begin", "on_train_batch_end"):
        interrupt, ctrl_c = keras.callbacks.Callback(), CtrlC()
        setattr(interrupt, hook, ctrl_c)
        ae.set_params(regressor__callbacks=[interrupt])
        with pytest.raises(KeyboardInterrupt):
            ae.fit(X)
        assert ctrl_c.heard == 1
        assert bits(ae) == before
    ae.set_params(regressor__callbacks=None)
    assert bits(ae.fit(X)) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_has_the_same_bits_however_a_batch_is_cut(dtype):
    """Also where sums are so long that TensorFlow cuts them for its threads."""
    wide = np.random.default_rng(0).random((300, 1000)).astype(dtype)
    regressor = KerasRegressor(build, loss="mse", epochs=1, verbose=0)
    ae = KerasAutoencoderTransformer(regressor, latent_layer="latent", random_state=0)
    latents = ae.fit(wide[:20]).transform(wide)
    for n in (1, 3, 8, 50, 290):
        assert_array_equal(ae.transform(wide[:n]), latents[:n])


@pytest.mark.long
def test_threads_give_the_bits_of_one_after_another():
    def fits(seed):
        return [make().set_params(random_state=seed).fit(X) for _ in range(2)]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fits, range(4)))
    for seed, pair in enumerate(together):
        assert {bits(ae) for ae in pair} == {bits(fits(seed)[0])}

    ae = pickle.loads(pickle.dumps(together[0][0]))  # that has not run yet

    def transforms(i):
        return [ae.transform(X[i : i + 1 + j % 50]) for j in range(50)]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(transforms, range(8)))
    for i, parts in enumerate(together):
        assert all(map(np.array_equal, parts, transforms(i)))
