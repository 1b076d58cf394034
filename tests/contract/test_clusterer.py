"""`AutoencoderClusterer`: scikit-learn's contract, and what users rely on."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine, make_blobs
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap
from sklearn.metrics import confusion_matrix
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import skae
from skae import AutoencoderClusterer, AutoencoderTransformer, Denoising

BLOBS, KINDS = make_blobs(300, 8, centers=4, random_state=0)
DIGITS, NUMBERS = load_digits(return_X_y=True)
DIGITS = (DIGITS / 16).astype(np.float32)


@parametrize_with_checks([AutoencoderClusterer(3, transformer=PCA())])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.long
@pytest.mark.versions
@parametrize_with_checks([AutoencoderClusterer(3)])
def test_scikit_learn_check_of_the_default(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        name
        for name in (
            "check_dataframe_column_names_consistency",
            "check_param_validation",
            "check_set_output_transform_pandas",
            "check_set_output_transform_polars",
            "check_transformer_get_feature_names_out",
            "check_transformer_get_feature_names_out_pandas",
        )
        if hasattr(estimator_checks, name)
    ],
)
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
def test_check_that_scikit_learn_keeps_for_its_own(check):
    clusterer = AutoencoderClusterer(3, transformer=PCA())
    getattr(estimator_checks, check)("AutoencoderClusterer", clusterer)


@pytest.fixture(scope="module")
def digits_fit():
    """A clusterer, fitted once for all on digits. Do not fit it again."""
    return AutoencoderClusterer(10, random_state=0).fit(DIGITS)


def accuracy(labels, y):
    counts = confusion_matrix(y, labels)
    rows, columns = linear_sum_assignment(-counts)
    return counts[rows, columns].sum() / len(y)


@pytest.mark.kernel
def test_digits_come_together_far_better_than_by_their_pixels(digits_fit):
    pixels = KMeans(10, n_init=10, random_state=0).fit_predict(DIGITS)
    assert accuracy(digits_fit.labels_, NUMBERS) > accuracy(pixels, NUMBERS) + 0.04
    assert accuracy(digits_fit.labels_, NUMBERS) > 0.84


def test_a_row_belongs_to_the_nearest_centre(digits_fit):
    latents = digits_fit.transformer_.transform(DIGITS)
    distances = euclidean_distances(latents, digits_fit.cluster_centers_)
    np.testing.assert_allclose(digits_fit.transform(DIGITS), distances, rtol=1e-3)
    labels = digits_fit.predict(DIGITS)
    np.testing.assert_array_equal(labels, digits_fit.labels_)
    np.testing.assert_array_equal(labels, digits_fit.transform(DIGITS).argmin(axis=1))
    assert len(np.unique(labels)) == 10


def test_centres_are_decoded(digits_fit):
    images = digits_fit.inverse_transform(digits_fit.cluster_centers_)
    assert images.shape == (10, 64)
    means = np.stack([DIGITS[digits_fit.labels_ == i].mean(axis=0) for i in range(10)])
    nearest = euclidean_distances(images, means).argmin(axis=1)
    np.testing.assert_array_equal(nearest, np.arange(10))


@pytest.mark.parametrize("n_latents", [3, 4])
def test_distances_are_decoded_as_the_nearest_centre(n_latents):
    """Also where there are as many clusters as latent values: a frame says it."""
    transformer = PCA(n_latents)
    clusterer = AutoencoderClusterer(4, transformer=transformer, random_state=0)
    distances = clusterer.set_output(transform="pandas").fit_transform(BLOBS)
    centers = clusterer.inverse_transform(clusterer.cluster_centers_)
    decoded = clusterer.inverse_transform(distances)
    np.testing.assert_array_equal(decoded, centers[clusterer.labels_])
    with pytest.raises(ValueError, match=r"Got the columns .*3', 'autoencoder"):
        clusterer.inverse_transform(distances.iloc[:, ::-1])


def test_latent_vectors_in_another_order_are_refused():
    """By the names that the autoencoder gives the columns of a frame."""
    ae = AutoencoderTransformer(3, epochs=2)
    clusterer = AutoencoderClusterer(4, transformer=ae, random_state=0).fit(BLOBS)
    names = clusterer.transformer_.get_feature_names_out()
    frame = pd.DataFrame(clusterer.cluster_centers_, columns=names)
    np.testing.assert_array_equal(
        clusterer.inverse_transform(frame),
        clusterer.inverse_transform(clusterer.cluster_centers_),
    )
    with pytest.raises(ValueError, match="feature names should match"):
        clusterer.inverse_transform(frame[frame.columns[::-1]])


def test_distances_that_nothing_tells_from_latent_vectors_are_warned_of():
    clusterer = AutoencoderClusterer(4, transformer=PCA(4), random_state=0).fit(BLOBS)
    with pytest.warns(UserWarning, match="looks like distances"):
        clusterer.inverse_transform(clusterer.transform(BLOBS))


def test_wrong_latent_vectors_are_refused_in_words():
    clusterer = AutoencoderClusterer(4, transformer=PCA(3), random_state=0).fit(BLOBS)
    with pytest.raises(ValueError, match=r"\(n_samples, 3\).*Got an array of .*8\)"):
        clusterer.inverse_transform(BLOBS)
    with pytest.raises(ValueError, match="Reshape your data"):
        clusterer.inverse_transform(clusterer.cluster_centers_[0])


def test_the_centre_of_each_row_is_decoded():
    """It is the way out that words name; as many latent values as clusters."""
    clusterer = AutoencoderClusterer(4, transformer=PCA(4), random_state=0).fit(BLOBS)
    centers = clusterer.inverse_transform(clusterer.cluster_centers_)
    nearest = clusterer.cluster_centers_[clusterer.predict(BLOBS)]
    decoded = clusterer.inverse_transform(nearest)
    np.testing.assert_array_equal(decoded, centers[clusterer.labels_])


def test_new_rows_are_told_apart_as_well():
    clusterer = AutoencoderClusterer(10, random_state=0).fit(DIGITS[:1200])
    assert accuracy(clusterer.predict(DIGITS[1200:]), NUMBERS[1200:]) > 0.75


def test_the_model_still_reconstructs(digits_fit):
    plain = AutoencoderTransformer(random_state=0).fit(DIGITS)
    score = digits_fit.transformer_.score(DIGITS)
    assert score > 1.3 * plain.score(DIGITS)


def test_the_transformer_is_one_that_can_be_kept(digits_fit, tmp_path):
    """It has no parameters of the clusterer's own, and a file holds it."""
    default = AutoencoderTransformer(early_stopping=False)
    expected = {**default.get_params(), "random_state": None}
    given = {**digits_fit.transformer_.get_params(), "random_state": None}
    assert given == expected
    digits_fit.transformer_.save(tmp_path / "model.skae")
    loaded = skae.load(tmp_path / "model.skae")
    np.testing.assert_array_equal(
        loaded.transform(DIGITS), digits_fit.transformer_.transform(DIGITS)
    )


def test_a_pickle_gives_the_same(digits_fit):
    copy = pickle.loads(pickle.dumps(digits_fit))
    np.testing.assert_array_equal(copy.transform(DIGITS), digits_fit.transform(DIGITS))


def test_a_seed_gives_one_model():
    fits = [AutoencoderClusterer(4, random_state=3).fit(BLOBS) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].cluster_centers_, fits[1].cluster_centers_)


def test_blobs_have_a_high_silhouette_and_a_cube_has_a_low_one():
    X = np.random.default_rng(0).uniform(size=(1000, 5))
    cube = AutoencoderClusterer(4, random_state=0).fit(X)
    blobs = AutoencoderClusterer(4, random_state=0).fit(BLOBS)
    assert accuracy(blobs.labels_, KINDS) > 0.98
    assert blobs.silhouette_ > 0.5 > 2 * cube.silhouette_


@pytest.mark.parametrize(
    "transformer",
    [
        PCA(3),
        make_pipeline(StandardScaler(), PCA(3)),
        AutoencoderTransformer(3, epochs=20),
    ],
    ids=["PCA", "pipeline", "autoencoder"],
)
def test_any_transformer_will_do(transformer):
    clusterer = AutoencoderClusterer(4, transformer=transformer, random_state=0)
    labels = clusterer.fit_predict(BLOBS)
    assert accuracy(labels, KINDS) > 0.98
    assert clusterer.cluster_centers_.shape == (4, 3)
    np.testing.assert_array_equal(clone(clusterer).fit_predict(BLOBS), labels)
    assert clusterer.inverse_transform(clusterer.cluster_centers_).shape == (4, 8)
    # What the user gave is left alone.
    assert not hasattr(transformer, "n_features_in_")


def test_what_has_no_way_back_clusters_and_decodes_nothing():
    clusterer = AutoencoderClusterer(4, transformer=Isomap(n_neighbors=100))
    assert accuracy(clusterer.fit(BLOBS).labels_, KINDS) > 0.9
    with pytest.raises(AttributeError, match="inverse_transform"):
        clusterer.inverse_transform(clusterer.cluster_centers_)


def test_rows_of_no_weight_have_no_say():
    far = np.r_[BLOBS, np.full((5, 8), 100.0)]
    weight = np.r_[np.ones(300), np.zeros(5)]
    weighted = AutoencoderClusterer(4, random_state=0).fit(far, sample_weight=weight)
    without = AutoencoderClusterer(4, random_state=0).fit(BLOBS)
    np.testing.assert_array_equal(weighted.cluster_centers_, without.cluster_centers_)
    assert len(weighted.labels_) == 305


def test_images_stay_images():
    images = DIGITS[:200].reshape(-1, 8, 8)
    clusterer = AutoencoderClusterer(10, random_state=0).fit(images)
    assert clusterer.n_features_in_ == 64
    assert clusterer.inverse_transform(clusterer.cluster_centers_).shape == (10, 8, 8)
    flat = clusterer.predict(images.reshape(200, 64))
    np.testing.assert_array_equal(flat, clusterer.labels_)


def test_frames_keep_their_names():
    X = load_wine(as_frame=True).data
    clusterer = AutoencoderClusterer(3, random_state=0).set_output(transform="pandas")
    distances = clusterer.fit(X).transform(X)
    assert isinstance(distances, pd.DataFrame)
    assert list(distances.columns) == [f"autoencoderclusterer{i}" for i in range(3)]
    with pytest.raises(ValueError, match="feature names"):
        clusterer.predict(X.iloc[:, ::-1])


def test_fewer_rows_than_clusters_are_refused():
    with pytest.raises(ValueError, match="n_samples=1 should be >= n_clusters=4"):
        AutoencoderClusterer(4).fit(np.ones((20, 3)))


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_latent_vectors_may_be_alike():
    X = np.c_[np.arange(20.0) // 10, 1e-9 * np.arange(20)]
    merged = FunctionTransformer(np.round, inverse_func=np.asarray, check_inverse=False)
    clusterer = AutoencoderClusterer(4, transformer=merged).fit(X)
    assert clusterer.cluster_centers_.shape == (4, 2)
    assert len(np.unique(clusterer.labels_)) == 2


@pytest.mark.long
def test_an_autoencoder_of_ones_own_is_trained_on_like_the_default_one(digits_fit):
    given = AutoencoderTransformer(early_stopping=False)
    same = AutoencoderClusterer(10, transformer=given, random_state=0).fit(DIGITS)
    assert_array_equal(same.labels_, digits_fit.labels_)
    assert_array_equal(same.cluster_centers_, digits_fit.cluster_centers_)
    assert not hasattr(given, "weights_")
    # What it learns beside goes on, and it keeps the objective that it was given.
    noisy = AutoencoderTransformer(early_stopping=False, objective=Denoising(0.1))
    other = AutoencoderClusterer(10, transformer=noisy, random_state=0).fit(DIGITS)
    assert isinstance(other.transformer_.objective, Denoising)
    assert other.transformer_.arranged_ == digits_fit.transformer_.arranged_
