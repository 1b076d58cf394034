"""AutoencoderImputer: scikit-learn's checks, and what its imputers promise."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderImputer, AutoencoderTransformer, DenseNetwork

TABLE, LABELS = load_breast_cancer(return_X_y=True)
MISSING = np.random.RandomState(0).uniform(size=TABLE.shape) < 0.3
X = np.where(MISSING, np.nan, TABLE)


def quick(**params):
    transformer = AutoencoderTransformer(
        3, network=DenseNetwork((16,)), missing="mask", arrange=None, epochs=20
    )
    return AutoencoderImputer(transformer, **{"random_state": 0, **params})


def error(filled):
    return np.square((filled - TABLE) / TABLE.std(axis=0))[MISSING].mean()


@parametrize_with_checks([quick(), quick(add_indicator=True)])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.long
@pytest.mark.versions
@parametrize_with_checks([AutoencoderImputer()])
def test_scikit_learn_check_of_the_default(estimator, check):
    check(estimator)


@pytest.mark.long
def test_holes_are_filled_in_the_units_of_each_column():
    filled = AutoencoderImputer(random_state=0).fit_transform(X)
    assert error(filled) < 0.35
    assert error(filled) < 0.4 * error(SimpleImputer().fit_transform(X))


def test_units_do_not_matter():
    factors = 2.0 ** np.arange(-15, 15)
    filled = quick().fit_transform(X * factors) / factors
    np.testing.assert_allclose(filled, quick().fit_transform(X), rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_known_values_stay_as_they_are(dtype):
    given = X.astype(dtype)
    filled = quick().fit_transform(given)
    assert filled.dtype == dtype
    assert (filled[~MISSING] == given[~MISSING]).all()


def test_what_is_filled_in_lies_within_what_fit_saw():
    wild = X[:50].copy()
    wild[:, ::2] *= 1e3
    filled = quick().fit(X).transform(wild)
    holes = MISSING[:50]
    assert (filled <= np.nanmax(X, axis=0))[holes].all()
    assert (filled >= np.nanmin(X, axis=0))[holes].all()


def test_the_same_seed_fills_the_same():
    one, other = quick().fit(X), quick().fit(X)
    assert (one.transform(X) == other.transform(X)).all()
    assert (pickle.loads(pickle.dumps(one)).transform(X) == one.transform(X)).all()
    assert (quick(random_state=1).fit_transform(X) != one.transform(X)).any()


def test_the_transformer_of_the_user_stays_unfitted():
    imputer = quick().fit(X)
    assert not hasattr(imputer.transformer, "weights_")
    assert imputer.transformer_.latent_dim == 3
    assert imputer.transformer_.n_features_in_ == X.shape[1]


@pytest.mark.parametrize("transformer", [PCA(2), AutoencoderTransformer(2), "mask"])
def test_a_transformer_that_takes_no_nan_is_refused(transformer):
    with pytest.raises(TypeError, match="missing='mask'"):
        AutoencoderImputer(transformer).fit(X)


def test_it_goes_into_pipelines_and_searches():
    pipe = make_pipeline(quick(), LogisticRegression(max_iter=10_000))
    search = GridSearchCV(
        make_pipeline(quick(), PCA(2)).set_params(),
        {"autoencoderimputer__transformer__mask_fraction": [0.1, 0.3]},
        scoring=lambda model, X, y=None: -np.abs(model.transform(X)).mean(),
        cv=2,
    )
    assert search.fit(X[:100]).best_index_ in (0, 1)
    pipe[-1].set_params(solver="newton-cholesky")
    assert pipe.fit(X, LABELS).score(X, LABELS) > 0.9


# ------------------------------------------- the tests of scikit-learn's own imputers

MARKED = np.array(
    [
        [np.nan, 1, 5, np.nan, 1],
        [2, np.nan, 1, np.nan, 2],
        [6, 3, np.nan, np.nan, 3],
        [1, 2, 9, np.nan, 4],
    ]
)
INDICATED = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
EMPTY_COLUMN = pytest.mark.filterwarnings("ignore:Columns without a known value")


def test_imputation_missing_value_in_test_array():
    imputer = quick(add_indicator=True).fit([[1], [2]])
    assert np.isfinite(imputer.transform([[3], [np.nan]])).all()


@EMPTY_COLUMN
def test_imputers_add_indicator():
    imputer = quick(add_indicator=True)
    filled = imputer.fit_transform(MARKED)
    np.testing.assert_array_equal(filled[:, -4:], INDICATED)
    np.testing.assert_array_equal(imputer.indicator_.features_, [0, 1, 2, 3])
    without = clone(imputer).set_params(add_indicator=False)
    np.testing.assert_array_equal(filled[:, :-4], without.fit_transform(MARKED))
    assert without.indicator_ is None


@EMPTY_COLUMN
@pytest.mark.parametrize("add_indicator", [True, False])
def test_imputers_pandas_na_integer_array_support(add_indicator):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(MARKED, dtype="Int16", columns=[*"abcde"])
    imputer = quick(add_indicator=add_indicator)
    expected = imputer.fit_transform(MARKED)
    np.testing.assert_allclose(imputer.fit_transform(frame), expected)


@EMPTY_COLUMN
@pytest.mark.parametrize("add_indicator", [True, False])
def test_imputers_feature_names_out_pandas(add_indicator):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(MARKED, columns=[*"abcde"])
    names = quick(add_indicator=add_indicator).fit(frame).get_feature_names_out()
    added = [f"missingindicator_{name}" for name in "abcd"] * add_indicator
    assert [*names] == [*"abce", *added]


@pytest.mark.parametrize("method", ["fit_transform", "transform"])
def test_empty_features_are_left_out_as_by_iterative_imputer(method):
    empty = np.array([[np.nan, 1], [np.nan, 2], [np.nan, 3]])
    imputer = quick()
    with pytest.warns(UserWarning, match="left out: 0"):
        imputer.fit(empty)
    with pytest.warns(UserWarning, match="observed"):
        expected = IterativeImputer().fit_transform(empty)
    if method == "transform":
        np.testing.assert_array_equal(imputer.transform(empty), expected)
        assert imputer.transform([[5.0, np.nan]]).shape == (1, 1)


@pytest.mark.parametrize("value", [np.nan, 1])
def test_indicator_is_there_if_add_indicator_is_true(value):
    imputer = quick(add_indicator=True).fit([[0, np.nan], [1, 2]])
    filled = imputer.transform([[0, value], [1, 2]])
    assert filled.shape == (2, 3)
    np.testing.assert_array_equal(filled[:, -1], [np.isnan(value), 0])


def test_a_row_of_which_nothing_is_known_is_filled():
    rows = X.copy()
    rows[4] = np.nan
    filled = quick().fit(rows).transform(rows)
    assert np.isfinite(filled).all()
    means, spread = np.nanmean(X, axis=0), np.nanstd(X, axis=0)
    assert (np.abs(filled[4] - means) < 2 * spread).all()


def test_nothing_known_at_all_is_said():
    with pytest.raises(ValueError, match="no known value"):
        quick().fit(np.full((4, 2), np.nan))


# ------------------------------------------------------------------------------ frames


@pytest.mark.parametrize("add_indicator", [False, True])
def test_frames_of_pandas_keep_names_index_and_dtypes(add_indicator):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "small": np.array([1, np.nan, 3, 4], np.float32),
            "whole": [1, 2, 3, 4],
            "null": pd.array([1, None, 2, 3], dtype="Int64"),
            "nullable": pd.array([0.5, None, 1.5, 2.5], dtype="Float64"),
        },
        index=[*"wxyz"],
    )
    imputer = quick(add_indicator=add_indicator).set_output(transform="pandas")
    filled = imputer.fit_transform(frame)
    assert [*filled.index] == [*"wxyz"]
    assert [*filled.columns] == [*imputer.get_feature_names_out()]
    assert [*filled.columns[:4]] == [*frame.columns]
    kinds = [str(dtype) for dtype in filled.dtypes[:4]]
    assert kinds == ["float32", "int64", "float64", "Float64"]
    assert not filled.isna().any(axis=None)
    assert frame.isna().sum().sum() == 3
    if add_indicator:
        assert [*filled["missingindicator_null"]] == [False, True, False, False]


@pytest.mark.parametrize("add_indicator", [False, True])
def test_frames_of_polars_keep_names_and_dtypes(add_indicator):
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(
        {
            "small": pl.Series([1.0, None, 3.0, 4.0], dtype=pl.Float32),
            "whole": [1, 2, 3, 4],
            "null": [1, None, 2, 3],
        }
    )
    imputer = quick(add_indicator=add_indicator).set_output(transform="polars")
    filled = imputer.fit_transform(frame)
    assert filled.columns == [*imputer.get_feature_names_out()]
    assert filled.dtypes[:3] == [pl.Float32, pl.Int64, pl.Float64]
    assert sum(filled.null_count().row(0)) == 0
    if add_indicator:
        assert filled["missingindicator_null"].to_list() == [0, 1, 0, 0]


def test_another_container_is_what_output_is_set_to():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = [f"x{i}" for i in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names)
    filled = quick().set_output(transform="polars").fit_transform(frame)
    assert isinstance(filled, pl.DataFrame)
    assert filled.columns == names
