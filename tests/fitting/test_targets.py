"""What is to be made of X may be something else than X: in every engine and way in."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small import SMALL, small, small_conv

from skae import Denoising

CLEAN = (load_digits().data[:300] / 16).astype(np.float32)
NOISY = CLEAN + np.random.RandomState(0).normal(0, 0.3, CLEAN.shape).astype("f4")
NOISY = NOISY.clip(0, 1)
WEIGHT = np.r_[np.zeros(50), np.ones(250)]


def mse(ae, X, target):
    return np.mean((ae.inverse_transform(ae.transform(X)) - target) ** 2)


@SMALL
def test_a_target_is_learned(make):
    ae = make(epochs=60, latent_dim=10, learning_rate=0.01).fit(NOISY, target=CLEAN)
    plain = make(epochs=60, latent_dim=10, learning_rate=0.01).fit(NOISY)
    assert mse(ae, NOISY, CLEAN) < 0.95 * mse(plain, NOISY, CLEAN)
    assert_allclose(ae.score(NOISY, target=CLEAN), -mse(ae, NOISY, CLEAN), rtol=1e-5)
    assert ae.sample_shape_ == (64,)


@SMALL
def test_x_as_its_own_target_is_the_plain_fit(make):
    ae, plain = make().fit(NOISY, target=NOISY), make().fit(NOISY)
    assert_allclose(ae.history_["loss"], plain.history_["loss"], rtol=1e-5)
    assert_allclose(ae.transform(NOISY), plain.transform(NOISY), rtol=1e-3, atol=1e-4)
    assert ae.score(NOISY, target=NOISY) == ae.score(NOISY)


def test_both_engines_learn_the_same_from_a_target():
    ae = small(loss="mse").fit(NOISY, target=CLEAN)
    other = small(loss="mean_squared_error", optimizer="Adam").fit(NOISY, target=CLEAN)
    assert_allclose(ae.history_["loss"], other.history_["loss"], rtol=1e-4)


@SMALL
@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True},
        {"objective": Denoising(0.1)},
        {"arrange": "whiten"},
        {"epochs": 6, "batch_size": 3, "latent_dim": 4},  # spectral
    ],
)
def test_a_target_goes_with_all_else(make, params):
    ae = make(**params).fit(NOISY, target=CLEAN, sample_weight=WEIGHT)
    assert np.isfinite(ae.score(NOISY, target=CLEAN))
    if "early_stopping" in params:
        assert len(ae.history_["val_loss"]) == ae.n_iter_


@SMALL
def test_a_target_of_weight_zero_counts_for_nothing(make):
    spoilt = CLEAN.copy()
    spoilt[:50] = 9
    ae = make().fit(NOISY, target=CLEAN, sample_weight=WEIGHT)
    other = make().fit(NOISY, target=spoilt, sample_weight=WEIGHT)
    assert_array_equal(ae.transform(NOISY), other.transform(NOISY))


@SMALL
def test_images_partial_fits_and_frames_have_targets(make):
    images = [X.reshape(-1, 8, 8) for X in (NOISY, CLEAN)]
    ae = make().fit(images[0], target=images[1])
    assert ae.inverse_transform(ae.transform(images[0])).shape == (300, 8, 8)
    ae, plain = make().partial_fit(NOISY, target=CLEAN), make().partial_fit(NOISY)
    assert ae.history_ != plain.history_
    frame, clean = (pd.DataFrame(X).add_prefix("p") for X in (NOISY, CLEAN))
    expected = make().fit(NOISY, target=CLEAN).history_
    assert make().fit(frame, target=clean).history_ == expected
    assert make().fit(frame, target=CLEAN).history_ == expected
    assert (
        make().fit(NOISY, target=clean.rename(columns=str.upper)).history_ == expected
    )


def test_targets_go_to_the_devices_of_a_strategy():
    tf = pytest.importorskip("tensorflow")
    expected = small_conv().fit(NOISY, target=CLEAN).history_["loss"]
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        ae = small_conv().fit(NOISY, target=CLEAN)
    assert_allclose(ae.history_["loss"], expected, rtol=1e-4)


def test_the_range_of_the_target_says_what_the_output_is():
    assert small().fit(9 * NOISY, target=CLEAN).output_activation_ == "sigmoid"
    assert small().fit(CLEAN, target=9 * NOISY).output_activation_ == "linear"


# ------------------------------------------------------------------------- sources


def halves():
    return list(
        zip(*(np.array_split(column, 3) for column in (NOISY, CLEAN)), strict=True)
    )


@SMALL
def test_a_source_of_pairs_has_targets(make):
    ae = make().fit_dataset(halves(), targets=True)
    expected = make().fit(NOISY, target=CLEAN)
    assert_array_equal(ae.transform(NOISY), expected.transform(NOISY))
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices((NOISY, CLEAN)).batch(100)
    ae = make().fit_dataset(dataset, targets=True)
    assert_array_equal(ae.transform(NOISY), expected.transform(NOISY))


@SMALL
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"latent_dim": 4}])
def test_targets_are_streamed(make, params, small_limits, tmp_path):
    params = {"epochs": 8, "batch_size": 20, **params}
    expected = make(**params).fit(NOISY, target=CLEAN).score(NOISY, target=CLEAN)
    small_limits(resident=20_000, part=20_000, block=2**14, shuffle=60_000)
    small_limits(long_shuffle=60_000)
    ae = make(**params).fit_dataset(halves(), targets=True)
    assert_allclose(ae.score(NOISY, target=CLEAN), expected, rtol=0.2)
    ae = make(**params).fit(NOISY, target=CLEAN)
    assert_allclose(ae.score(NOISY, target=CLEAN), expected, rtol=0.2)
    np.save(tmp_path / "clean.npy", CLEAN)
    again = make(**params).fit(NOISY, target=np.load(tmp_path / "clean.npy", "r"))
    assert_array_equal(again.transform(NOISY), ae.transform(NOISY))
    run = tmp_path / "run.skae"
    ae = make(**params).fit_dataset(halves(), targets=True, checkpoint=run)
    again = make(**params).fit_dataset(halves(), targets=True, checkpoint=run)
    assert_array_equal(again.transform(NOISY), ae.transform(NOISY))


# ------------------------------------------------------------------ model selection


@pytest.mark.filterwarnings("ignore:.*enable_metadata_routing")
def test_targets_are_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        ae = small().set_fit_request(target=True).set_score_request(target=True)
        search = GridSearchCV(ae, {"latent_dim": [2, 3]}, cv=KFold(2))
        search.fit(NOISY, target=CLEAN)
        train, test = next(iter(KFold(2).split(NOISY)))
        fitted = small(latent_dim=2).fit(NOISY[train], target=CLEAN[train])
        assert_allclose(
            search.cv_results_["split0_test_score"][0],
            fitted.score(NOISY[test], target=CLEAN[test]),
        )
        pipe = make_pipeline(FunctionTransformer(), ae).fit(NOISY, target=CLEAN)
        assert_array_equal(
            pipe[-1].transform(NOISY),
            small().fit(NOISY, target=CLEAN).transform(NOISY),
        )


# --------------------------------------------------------------------------- words

BAD = {
    "a row less": (CLEAN[1:], ValueError, "each of the 300 samples.*got 299"),
    "a column less": (CLEAN[:, 1:], ValueError, "in the shape of X.*63 features"),
    "images": (CLEAN.reshape(-1, 8, 8), ValueError, "shape of X.*expecting shape"),
    "NaN": (np.full_like(CLEAN, np.nan), ValueError, "`target` must.*NaN"),
    "labels": (load_digits().target[:300], ValueError, "`target` must.*1D array"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_target_is_refused(case):
    target, error, words = BAD[case]
    for call in (small().fit, small().partial_fit, small().fit(NOISY).score):
        with pytest.raises(error, match=f"(?s){words}"):
            call(NOISY, target=target)


def test_a_source_without_targets_is_refused():
    with pytest.raises(ValueError, match=r"expects pairs \(X, target\)"):
        small().fit_dataset([NOISY], targets=True)


@pytest.mark.parametrize("to", [lambda X: X, pd.DataFrame])
def test_a_y_that_looks_like_a_target_is_told(to):
    for call in (small().fit, small().partial_fit):
        with pytest.warns(UserWarning, match=r"not used.*fit\(X, target=y\)"):
            call(to(NOISY), to(CLEAN))
    with pytest.warns(UserWarning, match=r"not used.*targets=True"):
        small().fit_dataset(halves())


@SMALL
def test_labels_and_x_itself_are_ignored_as_ever(make):
    labels = load_digits().target[:300]
    for y in (labels, labels.astype(float), np.eye(10)[labels], NOISY, NOISY.copy()):
        make().fit(NOISY, y)
    make().fit_dataset([(NOISY, NOISY), (CLEAN, labels)])
