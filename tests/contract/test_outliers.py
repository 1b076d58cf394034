"""`AutoencoderOutlierDetector`: scikit-learn's contract, and what users rely on."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderOutlierDetector, AutoencoderTransformer, DenseNetwork

WINE = load_wine().data


@parametrize_with_checks([AutoencoderOutlierDetector(PCA())])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.long
@pytest.mark.versions
@parametrize_with_checks([AutoencoderOutlierDetector()])
def test_scikit_learn_check_of_the_default(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        name
        for name in (
            "check_dataframe_column_names_consistency",
            "check_outlier_contamination",
            "check_param_validation",
        )
        if hasattr(estimator_checks, name)
    ],
)
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
def test_check_that_scikit_learn_keeps_for_its_own(check):
    detector = AutoencoderOutlierDetector(PCA())
    getattr(estimator_checks, check)("AutoencoderOutlierDetector", detector)


@pytest.fixture(scope="module")
def wine_fit():
    """A detector, fitted once for all on wine. Do not fit it again."""
    return AutoencoderOutlierDetector(random_state=0).fit(WINE)


def ranks(scores):
    return scores.argsort().argsort()


@pytest.mark.kernel
def test_malignant_rows_score_below_benign_ones():
    X, benign = load_breast_cancer(return_X_y=True)
    train = np.flatnonzero(benign)[:200]
    test = np.setdiff1d(np.arange(len(X)), train)
    detector = AutoencoderOutlierDetector(random_state=0).fit(X[train])
    assert roc_auc_score(benign[test], detector.score_samples(X[test])) > 0.94


def test_outliers_among_the_training_rows_are_found():
    X = np.r_[WINE, WINE[:5] + 6 * WINE.std(axis=0)]
    detector = AutoencoderOutlierDetector(random_state=0)
    assert (detector.fit_predict(X)[-5:] == -1).all()


def test_the_line_between_outliers_and_inliers(wine_fit):
    scores, X = wine_fit.score_samples(WINE), WINE[:20]
    low, high = np.percentile(scores, [25, 75])
    assert wine_fit.offset_ == pytest.approx(low - 1.5 * (high - low))
    decided = wine_fit.decision_function(X)
    np.testing.assert_allclose(decided, scores[:20] - wine_fit.offset_)
    np.testing.assert_array_equal(wine_fit.predict(X), np.where(decided < 0, -1, 1))


def test_contamination_is_the_share_of_training_rows_called_outliers():
    detector = AutoencoderOutlierDetector(PCA(5), contamination=0.1)
    assert (detector.fit_predict(WINE) == -1).mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.kernel
def test_new_rows_and_training_rows_are_scored_alike():
    """A training row is not its own neighbour, and is not known by heart."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1600, 3)) @ rng.normal(size=(3, 12))
    X += 0.3 * rng.normal(size=X.shape)
    detector = AutoencoderOutlierDetector(contamination=0.1, random_state=0)
    detector.fit(X[:800])
    assert (detector.predict(X[800:]) == -1).mean() == pytest.approx(0.1, abs=0.04)


@pytest.mark.kernel
def test_units_do_not_matter(wine_fit):
    units = np.geomspace(1e-6, 1e6, WINE.shape[1])
    other = clone(wine_fit).fit(WINE * units + 3 * units)
    scores = other.score_samples(WINE * units + 3 * units)
    np.testing.assert_array_equal(ranks(scores), ranks(wine_fit.score_samples(WINE)))


@pytest.mark.parametrize(
    "make",
    {
        "constant": lambda rng: np.full(300, 3.0),
        "mostly zero": lambda rng: (rng.random(300) < 0.03) * rng.random(300),
        "heavy tails": lambda rng: rng.standard_cauchy(300) ** 3,
        "huge": lambda rng: 1e300 * rng.normal(size=300),
        "whole numbers": lambda rng: rng.integers(0, 2, 300),
    }.items(),
    ids=lambda item: item[0],
)
def test_an_awkward_column_does_not_hide_outliers_in_others(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1)) + 0.2 * rng.normal(size=(300, 4))
    X = np.column_stack([X, make[1](rng)])
    X[:6, 1] += 3
    scores = AutoencoderOutlierDetector(random_state=0).fit(X).score_samples(X)
    assert np.isfinite(scores).all()
    assert roc_auc_score(np.arange(300) < 6, -scores) > 0.9


def test_a_constant_column_that_varies_in_new_rows_makes_them_odd():
    X = np.column_stack([WINE, np.full(len(WINE), 3.0)])
    detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    odd = X[:3].copy()
    odd[:, -1] = 50
    assert (detector.predict(odd) == -1).all()
    assert (detector.contributions(odd).argmax(axis=1) == X.shape[1] - 1).all()


@pytest.mark.parametrize("make", [None, PCA(5)], ids=["default", "PCA"])
def test_contributions_are_shares(make):
    detector = AutoencoderOutlierDetector(make, random_state=0).fit(WINE)
    shares = detector.contributions(WINE)
    assert shares.shape == WINE.shape
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


@pytest.mark.kernel
def test_a_far_value_is_named_first():
    X = load_breast_cancer().data
    rng = np.random.default_rng(0)
    detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    rows, columns = X[rng.integers(0, len(X), 100)], rng.integers(0, 30, 100)
    size = rng.choice([-1, 1], 100) * rng.uniform(5, 8, 100)
    rows[np.arange(100), columns] += size * X.std(axis=0)[columns]
    named = detector.contributions(rows).argmax(axis=1)
    assert (named == columns).mean() >= 0.95


@pytest.mark.kernel
def test_an_ordinary_value_that_goes_not_with_the_others_is_named_first():
    rng = np.random.default_rng(0)
    X = np.tanh(rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 12)))
    X += 0.1 * rng.normal(size=X.shape)
    detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    rows, columns = X[:100].copy(), rng.integers(0, 12, 100)
    every = np.arange(100)
    low = rows[every, columns] < np.median(X, axis=0)[columns]
    other = np.percentile(X, [10, 90], axis=0)[low.astype(int), columns]
    rows[every, columns] = other
    named = detector.contributions(rows).argmax(axis=1)
    assert (named == columns).mean() >= 0.8


def test_a_row_among_its_own_kind_is_odd_in_no_column():
    detector = AutoencoderOutlierDetector(random_state=0).fit(np.ones((20, 4)))
    np.testing.assert_allclose(detector.contributions(np.ones((2, 4))), 0.25)


def test_transformer_speaks_the_units_of_the_user(wine_fit):
    latents = wine_fit.transformer_.transform(WINE)
    decoded = wine_fit.transformer_.inverse_transform(latents)
    assert decoded.shape == WINE.shape
    error = ((decoded - WINE) ** 2).mean(axis=0)
    assert (error < WINE.var(axis=0)).all()


@pytest.mark.parametrize(
    "transformer",
    [
        PCA(4),
        make_pipeline(StandardScaler(), PCA(4)),
        AutoencoderTransformer(4, network=DenseNetwork((16,)), arrange=None, epochs=20),
    ],
    ids=["PCA", "pipeline", "autoencoder"],
)
def test_any_transformer_with_a_way_back_will_do(transformer):
    X = np.r_[WINE, WINE[:5] + 6 * WINE.std(axis=0)]
    detector = AutoencoderOutlierDetector(transformer, random_state=0)
    scores = detector.fit(X).score_samples(X)
    assert scores[-5:].max() < np.median(scores)
    np.testing.assert_allclose(scores, clone(detector).fit(X).score_samples(X))
    # What the user gave is left alone.
    assert not hasattr(transformer, "n_features_in_")


def test_what_has_no_way_back_is_refused():
    with pytest.raises(ValueError, match="inverse_transform"):
        AutoencoderOutlierDetector(Isomap()).fit(WINE)


def test_a_way_back_to_other_columns_is_refused():
    half = FunctionTransformer(
        lambda X: X[:, :6], inverse_func=lambda Z: Z, check_inverse=False
    )
    with pytest.raises(ValueError, match="goes back to the columns it has seen"):
        AutoencoderOutlierDetector(half).fit(WINE)


def test_frames_keep_their_names():
    X = load_wine(as_frame=True).data
    detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    assert list(detector.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="feature names"):
        detector.predict(X.iloc[:, ::-1])
    frame = pd.DataFrame(detector.contributions(X), columns=X.columns)
    assert frame.idxmax(axis=1).isin(X.columns).all()


def test_a_pickle_scores_the_same(wine_fit):
    copy = pickle.loads(pickle.dumps(wine_fit))
    np.testing.assert_array_equal(
        copy.score_samples(WINE), wine_fit.score_samples(WINE)
    )


def test_wide_tables_need_no_matrix_of_columns_by_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 400))
    X[0] += 3
    detector = AutoencoderOutlierDetector(PCA(10)).fit(X[1:])
    assert detector.score_samples(X).argmin() == 0
    assert detector._members[0].directions.shape == (59, 410)
