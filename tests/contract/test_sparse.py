"""Sparse matrices go wherever X goes, and only blocks of their rows become dense."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from small import SMALL, small

from skae import (
    AutoencoderClusterer,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    Denoising,
    Sparse,
    Variational,
)
from skae._data import limits
from skae._fitting import linear_start

CSR = sparse.random(300, 36, 0.1, format="csr", dtype=np.float32, random_state=0)
DENSE = CSR.toarray()


@pytest.fixture
def little_memory(small_limits):
    small_limits(
        resident=20_000, part=10_000, block=2**13, shuffle=20_000, long_shuffle=20_000
    )


@pytest.fixture(params=["in memory", "streamed"])
def either_size(request):
    """Data that are made dense as a whole, and data that are streamed."""
    if request.param == "streamed":
        request.getfixturevalue("little_memory")


# ------------------------------------------------------------------- the same model


@SMALL
@pytest.mark.usefixtures("either_size")
def test_a_sparse_matrix_gives_the_model_of_the_array(make):
    ours, theirs = make().fit(CSR), make().fit(DENSE)
    assert ours.history_ == theirs.history_
    for mine, other in zip(ours.weights_, theirs.weights_, strict=True):
        assert_array_equal(mine, other)


@SMALL
@pytest.mark.usefixtures("either_size")
def test_a_sparse_matrix_gives_the_results_of_the_array(make):
    ae = make().fit(CSR)
    Z = ae.transform(CSR)
    assert Z.dtype == np.float32
    assert_array_equal(Z, ae.transform(DENSE))
    assert ae.score(CSR) == ae.score(DENSE)
    assert_array_equal(ae.score_samples(CSR), ae.score_samples(DENSE))
    assert_array_equal(np.concatenate([*ae.transform_batches(CSR)]), Z)
    assert isinstance(ae.inverse_transform(Z), np.ndarray)
    assert_array_equal(make().fit_transform(CSR), make().fit_transform(DENSE))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: sparse.csr_array(x),
        lambda x: x.tocsc(),
        lambda x: x.tocoo(),
        lambda x: x.tolil(),
        lambda x: x.todok(),
        lambda x: x.tobsr(),
        lambda x: with_long_indices(x),
        lambda x: with_duplicates(x),
        lambda x: with_explicit_zeros(x),
    ],
)
@pytest.mark.usefixtures("either_size")
def test_every_format_means_the_same(make):
    X = make(CSR)
    before = X.toarray()
    ae, expected = small().fit(X), small().fit(DENSE)
    assert_array_equal(ae.transform(X), expected.transform(DENSE))
    assert_array_equal(X.toarray(), before)


def with_long_indices(x):
    x = x.copy()
    x.indices, x.indptr = x.indices.astype(np.int64), x.indptr.astype(np.int64)
    return x


def with_duplicates(x):
    """Say each value in two halves."""
    halves = np.repeat(x.data / 2, 2), np.repeat(x.indices, 2), 2 * x.indptr
    return sparse.csr_array(halves, x.shape)


def with_explicit_zeros(x):
    """Say a zero beside each value, to its right or left."""
    data = np.column_stack([x.data, np.zeros_like(x.data)]).ravel()
    indices = np.column_stack([x.indices, (x.indices + 1) % x.shape[1]]).ravel()
    return sparse.csr_array((data, indices, 2 * x.indptr), x.shape)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "u1", "i2", "bool"])
@pytest.mark.usefixtures("either_size")
def test_the_dtype_follows_x_as_with_an_array(dtype):
    X = (10 * CSR).astype(dtype)
    ae, expected = small().fit(X), small().fit(X.toarray())
    assert [w.dtype for w in ae.weights_] == [w.dtype for w in expected.weights_]
    Z = ae.transform(X)
    assert Z.dtype == expected.transform(X.toarray()).dtype
    assert_array_equal(Z, expected.transform(X.toarray()))


def test_weights_and_partial_fit_work_as_with_an_array():
    weights = np.arange(300) % 3
    ours, theirs = (small().fit(X, sample_weight=weights) for X in (CSR, DENSE))
    for _ in range(2):
        ours.partial_fit(CSR[:100])
        theirs.partial_fit(DENSE[:100])
    assert_array_equal(ours.transform(CSR), theirs.transform(DENSE))
    scores = [ae.score(CSR, sample_weight=weights) for ae in (ours, theirs)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("as_target", [sparse.csc_array, np.asarray])
@pytest.mark.usefixtures("either_size")
def test_a_target_may_be_sparse_or_dense(as_target):
    clean = as_target(DENSE) if as_target is np.asarray else as_target(CSR)
    noisy = sparse.csr_array(DENSE * (DENSE < 0.5))
    ours = small().fit(noisy, target=clean)
    theirs = small().fit(noisy.toarray(), target=DENSE)
    assert_array_equal(ours.transform(noisy), theirs.transform(noisy.toarray()))
    assert ours.score(noisy, target=clean) == theirs.score(noisy, target=DENSE)


class Batches:
    """A source that gives batches, with labels."""

    def __init__(self, X):
        self.X = X

    def __iter__(self):
        for start in range(0, 300, 100):
            yield self.X[start : start + 100], np.zeros(100)


@pytest.mark.parametrize("make", [lambda x: x, Batches])
@pytest.mark.usefixtures("either_size")
def test_a_source_may_be_sparse(make):
    ours, theirs = (small().fit_dataset(make(x)) for x in (CSR, DENSE))
    found, expected = (
        np.concatenate([*ae.transform_batches(make(x))])
        for ae, x in ((ours, CSR), (theirs, DENSE))
    )
    assert_array_equal(found, expected)


def test_nan_is_missing_and_what_is_not_stored_is_zero():
    holes = CSR.copy()
    holes.data[::5] = np.nan
    ours = small(missing="mask").fit(holes)
    theirs = small(missing="mask").fit(holes.toarray())
    assert_array_equal(ours.transform(holes), theirs.transform(holes.toarray()))
    assert ours.score(holes) == theirs.score(holes.toarray())


# ------------------------------------------------------------------ bounded memory


@pytest.mark.long
@pytest.mark.parametrize("loss", ["mse", "mae"])  # in NumPy and in TensorFlow
def test_no_method_makes_all_of_it_dense(loss, small_limits):
    small_limits(
        resident=2**20, part=2**18, block=2**18, shuffle=2**19, long_shuffle=2**19
    )
    X = sparse.random(20_000, 625, 0.01, format="csr", dtype=np.float32, random_state=0)
    dense_bytes = 4 * 20_000 * 625
    ae = small(loss=loss, epochs=1).fit(X[:100])

    def peak_of(call):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    for method in (ae.transform, ae.score, ae.score_samples, ae.fit, ae.partial_fit):
        assert peak_of(lambda call=method: call(X)) < dense_bytes / 2, method


def test_even_what_would_fit_is_encoded_block_by_block():
    X = sparse.random(20_000, 1000, 0.001, format="csr", random_state=0)
    ae = small(epochs=1).fit(X[:200])
    tracemalloc.start()
    ae.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 * 2**20  # of 152


# ------------------------------------------------------------------ where it is used


def documents(seed=0, n_topics=4, n_documents=400, n_words=300):
    """Counts of words in documents, whose topic says which words are frequent."""
    random = np.random.RandomState(seed)
    common = 1 / np.arange(1, n_words + 1)
    words = [random.permutation(common) + 0.3 * common for _ in range(n_topics)]
    y = random.randint(n_topics, size=n_documents)
    counts = [random.multinomial(60, words[k] / words[k].sum()) for k in y]
    return sparse.csr_matrix(np.array(counts)), y


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_the_defaults_find_the_topics_of_texts(seed):
    counts, y = documents(seed)
    X = TfidfTransformer().fit_transform(counts)
    ae = AutoencoderTransformer(random_state=seed)
    found = [
        adjusted_rand_score(y, KMeans(4, n_init=10, random_state=0).fit_predict(Z))
        for Z in (ae.fit_transform(X), TruncatedSVD(10).fit_transform(X))
    ]
    assert found[0] > found[1] - 0.02


def table(kind):
    """Tables that are mostly zero, as arrays."""
    random = np.random.RandomState(0)
    if kind == "words":
        return TfidfTransformer().fit_transform(documents(n_words=900)[0]).toarray()
    town = np.eye(60)[random.randint(60, size=400)]
    if kind == "one hot beside an income":
        return np.column_stack([town, random.lognormal(10, 1, 400)])
    if kind == "rare amounts in many units":
        return town * random.lognormal(0, 1, (400, 60)) * np.logspace(-3, 3, 60)
    assert kind == "dense"
    return random.normal(size=(400, 60)) * np.logspace(-3, 3, 60)


@pytest.mark.parametrize("kind", ["one hot beside an income", "dense",
                                  "rare amounts in many units"])  # fmt: skip
def test_columns_in_units_of_their_own_are_still_made_alike(kind):
    X = table(kind)
    ae = small().fit(sparse.csr_array(X))
    np.testing.assert_allclose(ae.scale_, X.std(axis=0))


def test_words_keep_their_weights_and_latents_their_scales():
    X = table("words")
    ours = AutoencoderTransformer(epochs=5).fit(X)
    assert len(np.unique(ours.scale_)) == 1
    assert "as words in texts are" in ours.arranged_
    asked = AutoencoderTransformer(epochs=5, arrange="whiten").fit(X)
    assert asked.arranged_ == "whiten"


@pytest.mark.parametrize("form", [sparse.csr_array, np.asarray])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"scale": None},
        {"missing": "mask"},
        {"objective": Denoising(0.2, kind="mask")},
        {"objective": [Denoising(0.01), Sparse(0.001)]},
        {"objective": Variational(0.001)},
    ],
    ids=str,
)
def test_words_are_made_by_a_linear_output_whatever_else_is_asked_for(params, form):
    """A sigmoid, which suits pixels, hardly reaches the zeros that words are."""
    X = form(table("words"))
    assert small(epochs=1, **params).fit(X).output_activation_ == "linear"
    asked = small(epochs=1, output_activation="sigmoid", **params).fit(X)
    assert asked.output_activation_ == "sigmoid"
    pixels = sparse.random(300, 36, 0.2, random_state=0)
    assert small(epochs=1, **params).fit(pixels).output_activation_ == "sigmoid"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["mask", "swap"])
def test_noise_takes_no_topics_away(kind):
    """The network has to beat PCA on texts set aside, with noise as without."""
    counts, y = documents(n_topics=6, n_documents=800)
    X = TfidfTransformer().fit_transform(counts)
    ae = AutoencoderTransformer(objective=Denoising(0.1, kind=kind), random_state=0)
    Z = ae.fit_transform(X)
    found = KMeans(6, n_init=10, random_state=0).fit_predict(Z)
    assert adjusted_rand_score(y, found) > 0.95
    pca = PCA(10).fit(X.toarray())
    theirs = pca.inverse_transform(pca.transform(X.toarray()))
    assert -ae.score(X) < 1.01 * np.square(theirs - X.toarray()).mean()


def test_many_texts_start_at_the_components_of_all(small_limits, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SAMPLE_ROWS", 100)
    monkeypatch.setattr(linear_start, "_MAX_ROWS", 100)
    small_limits(resident=2**16, part=2**15, block=2**15, shuffle=2**16,
                 long_shuffle=2**16)  # fmt: skip
    X = TfidfTransformer().fit_transform(documents(n_words=900)[0])
    # A step so small that the network stays where it starts.
    ae = AutoencoderTransformer(
        4, epochs=1, learning_rate="constant", learning_rate_init=1e-12, arrange=None
    ).fit(X)
    pca = PCA(4, svd_solver="full").fit(X.toarray())
    expected = pca.inverse_transform(pca.transform(X.toarray()))
    found = ae.inverse_transform(ae.transform(X))
    error, best = (np.square(A - X.toarray()).mean() for A in (found, expected))
    assert error < 1.001 * best


def test_texts_go_through_a_pipeline():
    texts = ["green eggs and ham", "eggs and toast", "red cars and buses"] * 10
    pipe = make_pipeline(TfidfVectorizer(), small(latent_dim=2), KMeans(2, n_init=1))
    assert pipe.fit_predict(texts).shape == (30,)
    assert cross_val_score(pipe[:2], texts, cv=2).shape == (2,)
    grid = {"autoencodertransformer__latent_dim": [1, 2]}
    search = GridSearchCV(pipe[:2], grid, cv=2).fit(texts)
    assert search.best_params_ == {"autoencodertransformer__latent_dim": 2}


def test_one_hot_columns_need_no_dense_encoder():
    frame = pd.DataFrame(
        {"city": [f"c{i % 20}" for i in range(200)], "age": np.arange(200.0)}
    )
    for sparse_output in (True, False):
        encoder = OneHotEncoder(sparse_output=sparse_output)
        columns = ColumnTransformer(
            [("city", encoder, ["city"]), ("age", StandardScaler(), ["age"])]
        )
        table = columns.fit_transform(frame)
        assert sparse.issparse(table) == sparse_output
        Z = make_pipeline(columns, small()).fit_transform(frame)
        if sparse_output:
            expected = Z
    assert_array_equal(Z, expected)


@pytest.mark.parametrize("n_columns", [36, 600])
def test_clusters_of_a_sparse_table_are_those_of_the_array(n_columns):
    X = sparse.random(120, n_columns, 0.1, "csr", random_state=0)
    X = sparse.vstack([X, -X[:20], X[::-1]]).tocsr()
    ours, theirs = (
        AutoencoderClusterer(3, transformer=small(), random_state=0).fit(x)
        for x in (X, X.toarray())
    )
    assert_array_equal(ours.labels_, theirs.labels_)
    assert_array_equal(ours.cluster_centers_, theirs.cluster_centers_)
    assert_array_equal(ours.predict(X), ours.predict(X.toarray()))
    assert_array_equal(ours.transform(X), theirs.transform(X.toarray()))


def test_clusters_take_what_their_transformer_takes():
    svd = AutoencoderClusterer(3, transformer=TruncatedSVD(3), random_state=0)
    assert get_tags(svd).input_tags.sparse
    assert svd.fit(CSR).predict(CSR).shape == (300,)
    dense = AutoencoderClusterer(3, transformer=MinMaxScaler())
    assert not get_tags(dense).input_tags.sparse
    with pytest.raises(TypeError, match="Sparse data was passed"):
        dense.fit(CSR)


def test_tags_say_that_sparse_is_taken():
    assert get_tags(AutoencoderTransformer()).input_tags.sparse
    assert get_tags(make_pipeline(small(), KMeans())).input_tags.sparse


def test_latents_of_a_sparse_table_get_the_names_asked_for():
    ae = small().set_output(transform="pandas")
    assert list(ae.fit_transform(CSR).columns) == list(ae.get_feature_names_out())


def test_an_objective_takes_it():
    ae = small(objective=Denoising(0.1))
    assert ae.fit_transform(CSR).shape == (300, 3)


# ------------------------------------------------------------------- what is refused


def with_value(value, row=200):
    X = CSR.tolil()
    X[row, 3] = value
    return X.tocsr()


REFUSED = {
    "NaN": (with_value(np.nan), "Input X contains NaN"),
    "infinity": (with_value(np.inf), "Input X contains infinity"),
    "complex": (CSR.astype(complex), "Complex data not supported"),
    "no rows": (CSR[:0], r"ound array with 0 sample\(s\)"),
    "one axis": (sparse.coo_array(np.ones(5)), "Expected 2D array, got a sparse array"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("either_size")
def test_what_is_wrong_is_said(case):
    X, words = REFUSED[case]
    for call in (small().fit, small().partial_fit, small().fit_dataset):
        with pytest.raises(ValueError, match=words):
            call(X)
    ae = small().fit(DENSE)
    for call in (ae.transform, ae.score, ae.score_samples):
        with pytest.raises(ValueError, match=words):
            call(X)


@pytest.mark.usefixtures("little_memory")
def test_a_large_matrix_is_told_by_its_rows():
    with pytest.raises(ValueError, match=r"In rows \d+ to \d+ of the source: In"):
        small().fit(with_value(np.nan))


@pytest.mark.usefixtures("either_size")
def test_other_shapes_are_refused():
    ae = small().fit(CSR)
    with pytest.raises(ValueError, match=r"X has 35 features, but .* expecting 36"):
        ae.transform(CSR[:, :35])
    with pytest.raises(ValueError, match=r"`target` must hold .* 300 samples"):
        small().fit(CSR, target=CSR[:200])
    images = small().fit(DENSE.reshape(-1, 6, 6))
    with pytest.raises(ValueError, match=r"expecting shape \(n_samples, 6, 6\)"):
        images.transform(CSR)


def test_a_target_in_the_place_of_labels_is_told():
    with pytest.warns(UserWarning, match="y has the shape of X"):
        small().fit(CSR, 2 * CSR)
    small().fit(CSR, CSR)


@pytest.mark.parametrize("other", [AutoencoderImputer(), AutoencoderOutlierDetector()])
def test_estimators_that_take_no_sparse_matrix_say_so(other):
    assert not get_tags(other).input_tags.sparse
    with pytest.raises(TypeError, match="Sparse data was passed"):
        other.fit(CSR)
