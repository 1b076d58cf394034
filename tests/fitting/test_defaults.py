"""Defaults that nobody has to know about: no table is done worse than PCA does it."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, ConvNetwork, load
from tests.small import small

WINE, CANCER = load_wine().data, load_breast_cancer().data
DIGITS = load_digits().data / 16


def halves(X, seed=0):
    rows = np.random.RandomState(seed).permutation(len(X))
    n = len(X) * 3 // 4
    return X[rows[:n]], X[rows[n:]]


@pytest.mark.parametrize("latent_dim", [2, 5, 10])
@pytest.mark.parametrize(
    "table", [WINE, CANCER, load_iris().data], ids=["wine", "cancer", "iris"]
)
def test_no_table_is_done_worse_than_by_pca(table, latent_dim):
    """On rows that were not seen, in the units in which the loss weighs columns."""
    latent_dim = min(latent_dim, table.shape[1] - 1)
    train, test = halves(table)
    ae = AutoencoderTransformer(latent_dim, random_state=0).fit(train)
    scaler = StandardScaler(with_std=ae.scale_ is not None).fit(train)
    pca = PCA(latent_dim).fit(scaler.transform(train))
    wanted = scaler.transform(test)
    ours = scaler.transform(ae.inverse_transform(ae.transform(test)))
    theirs = pca.inverse_transform(pca.transform(wanted))
    error = np.square(ours - wanted).mean()
    assert error <= 1.1 * np.square(theirs - wanted).mean()


def test_as_many_latent_values_as_features_lose_nothing():
    train, test = halves(StandardScaler().fit_transform(WINE))
    with pytest.warns(UserWarning, match="latent_dim=13 is at least the 13 features"):
        ae = AutoencoderTransformer(13, random_state=0).fit(train)
    assert -ae.score(test) < 1e-6


# ------------------------------------------------------------------------- scales


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_units_do_not_matter(dtype):
    """Metres or millimetres: the latent vectors are the same."""
    units = np.array([2.0**i for i in np.arange(13) % 7 * 3])
    # Rows are set aside by their content, which units change.
    params = {"latent_dim": 3, "early_stopping": False, "random_state": 0}
    X, Y = WINE.astype(dtype), (WINE * units).astype(dtype)
    one = AutoencoderTransformer(**params).fit(X)
    other = AutoencoderTransformer(**params).fit(Y)
    assert_allclose(one.transform(X), other.transform(Y), atol=2e-2)
    assert_allclose(
        one.inverse_transform(one.transform(X)),
        other.inverse_transform(other.transform(Y)) / units,
        rtol=0.05,
        atol=0.05,
    )
    assert_allclose(other.scale_, one.scale_ * units, rtol=1e-5)


def test_what_was_found_is_told():
    ae = small().fit(WINE)
    assert_allclose(ae.center_, WINE.mean(axis=0))
    assert_allclose(ae.scale_, WINE.std(axis=0))
    assert ae.output_activation_ == "linear"


@pytest.mark.parametrize(
    "table",
    [
        DIGITS,
        StandardScaler().fit_transform(WINE),
        np.random.RandomState(0).rand(99, 4),
    ],
    ids=["pixels", "standardised", "alike"],
)
def test_columns_that_are_alike_stay_as_they_are(table):
    ae = small().fit(table)
    assert ae.scale_ is None
    assert ae.center_ is None


def test_columns_that_are_alike_and_large_share_a_scale():
    ae = small().fit(DIGITS * 4000)
    assert np.ptp(ae.scale_) == 0
    plain = small().fit(DIGITS)
    error = ae.score(DIGITS * 4000) / 4000**2
    assert error > 2 * plain.score(DIGITS)


@pytest.mark.parametrize(
    "params",
    [
        {"scale": None},
        {"network": ConvNetwork((4,))},
        {"output_activation": "softplus"},
        {"loss": "huber"},
    ],
    ids=lambda params: next(iter(params)),
)
def test_where_nothing_is_scaled_columns_stay_as_they_are(params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert small(**params).fit(WINE).scale_ is None


def test_a_constant_column_is_given_back():
    X = np.column_stack([WINE, np.full(len(WINE), 7.0)])
    ae = AutoencoderTransformer(3, random_state=0).fit(X)
    given = ae.inverse_transform(ae.transform(X))[:, -1]
    assert_allclose(given, 7, atol=0.05)


def test_keras_models_take_columns_as_they_are():
    ae = small().fit(WINE)
    Z = ae.transform(WINE)
    assert_allclose(ae.encoder_.predict(WINE, verbose=0), Z, atol=1e-5)
    assert_allclose(
        ae.decoder_.predict(Z, verbose=0), ae.inverse_transform(Z), rtol=1e-4
    )


def test_files_and_later_fits_keep_the_scales(tmp_path):
    ae = small().fit(WINE)
    ae.save(tmp_path / "ae.skae")
    again = load(tmp_path / "ae.skae")
    assert_array_equal(again.scale_, ae.scale_)
    assert_array_equal(again.transform(WINE), ae.transform(WINE))
    more = WINE * 3
    for one in (ae, again):
        one.partial_fit(more)
        assert_allclose(one.scale_, WINE.std(axis=0))
    assert_array_equal(again.transform(WINE), ae.transform(WINE))


def test_a_run_that_was_cut_off_comes_to_the_same(tmp_path):
    """The weights for scaled columns are in the checkpoint to the last bit."""
    params = {"epochs": 4, "random_state": 0}
    whole = small(**params).fit_dataset(WINE)

    class Stop(Exception):
        pass

    def batches():
        return WINE

    ae = small(**params)
    import skae._fitting.checkpoint as module

    kept = module.Checkpoint.keep
    calls = []

    def keep(self, whole_epoch):
        kept(self, whole_epoch)
        calls.append(whole_epoch)
        if len(calls) == 2:
            raise Stop

    module.Checkpoint.keep = keep
    try:
        with pytest.raises(Stop):
            ae.fit_dataset(batches(), checkpoint=tmp_path / "run")
    finally:
        module.Checkpoint.keep = kept
    ae.fit_dataset(batches(), checkpoint=tmp_path / "run")
    for mine, theirs in zip(ae.weights_, whole.weights_, strict=True):
        assert_array_equal(mine, theirs)


# ------------------------------------------------------------------- length of a run


def test_few_rows_are_held_to_rows_set_aside():
    ae = AutoencoderTransformer(5, random_state=0).fit(DIGITS[:300])
    assert len(ae.history_["val_loss"]) == ae.n_iter_
    for params in ({"early_stopping": False}, {"epochs": 3}, {"objective": Nothing()}):
        ae = AutoencoderTransformer(5, random_state=0, **params).fit(DIGITS[:300])
        assert "val_loss" not in ae.history_


class Nothing:
    """An objective that changes nothing."""

    def end(self, view):
        pass


def test_many_rows_are_all_trained_on():
    X = np.random.RandomState(0).rand(10_050, 3).astype("f4")
    ae = AutoencoderTransformer(2, random_state=0, batch_size=1000).fit(X)
    assert "val_loss" not in ae.history_


def test_noise_is_not_learned_by_heart():
    """There is nothing but noise beyond the first two columns."""
    random = np.random.RandomState(0)
    X = random.randn(120, 20)
    X[:, :2] *= 3
    train, test = halves(X)
    ae = AutoencoderTransformer(2, random_state=0).fit(train)
    pca = PCA(2).fit(train)
    theirs = np.square(pca.inverse_transform(pca.transform(test)) - test).mean()
    assert -ae.score(test) <= 1.05 * theirs


def test_patience_is_counted_in_steps_on_few_rows():
    params = {"early_stopping": True, "epochs": 150, "learning_rate": 1e-9}
    ae = small(latent_dim=2, **params).fit(DIGITS[:100])
    # The first epoch counts as a fall; a hundred more, a step each, do not.
    assert ae.n_iter_ >= 100
    ae = small(latent_dim=2, n_iter_no_change=3, **params).fit(DIGITS[:100])
    assert ae.n_iter_ < 10


# ------------------------------------------------------------------------ arrangement


def test_scales_that_mean_something_are_left_alone():
    """A long thin cloud stays long and thin."""
    random = np.random.RandomState(0)
    X = random.randn(600, 8) * np.array([3, 1, 1, 1, 1, 1, 1, 1])
    ae = AutoencoderTransformer(8, random_state=0, scale=None)
    with pytest.warns(UserWarning, match="latent_dim=8"):
        ae.fit(X * [9, 1, 1, 1, 1, 1, 1, 1])
    assert "it would stretch one direction" in ae.arranged_
    # Who asks for it gets it.
    ae.set_params(arrange="whiten")
    with pytest.warns(UserWarning, match="latent_dim=8"):
        assert ae.fit(X).arranged_ == "whiten"


def test_digits_are_arranged():
    ae = AutoencoderTransformer(random_state=0).fit(DIGITS)
    assert ae.arranged_ == "whiten, spectral"


def test_batches_are_alike_where_their_size_is_left_to_skae():
    """A small last batch would be a step that follows the noise of few rows."""
    data = np.random.default_rng(0).random((410, 6))
    by_hand, of_200, by_itself = (
        small(batch_size=size, epochs=2).fit_transform(data)
        for size in (137, 200, "auto")
    )
    assert_array_equal(by_itself, by_hand)
    assert not np.allclose(by_itself, of_200)
