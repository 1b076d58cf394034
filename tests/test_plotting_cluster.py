"""`ClusterDisplay`."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skae.plotting import ClusterDisplay

X, y = load_digits(return_X_y=True)
PIPE = make_pipeline(PCA(16, random_state=0), KMeans(10, n_init=1, random_state=0)).fit(
    X
)
CLUSTERS = PIPE.predict(X)
CENTERS = PIPE[-1].cluster_centers_


class OneWay(TransformerMixin, BaseEstimator):
    """A step without a way back."""

    def fit(self, X, y=None):
        """Learn nothing."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        """Return X."""
        return X


def _rows(display, i):
    """Which samples are drawn in row i."""
    pictures = [one.get_array().ravel() for one in display.images_[i] if one]
    return [int(np.flatnonzero((one == X).all(axis=1))[0]) for one in pictures]


@pytest.mark.parametrize("constructor", ["from_estimator", "from_clusters"])
def test_both_constructors_draw_a_row_for_each_cluster(pyplot, constructor):
    if constructor == "from_estimator":
        display = ClusterDisplay.from_estimator(PIPE, X, y)
    else:
        display = ClusterDisplay.from_clusters(X, CLUSTERS, labels=y)
    assert display.images_.shape == (10, 10)
    assert display.center_images_.shape == (10,)
    for i in range(10):
        assert set(CLUSTERS[_rows(display, i)]) == {i}
    labels = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert labels == [str(i) for i in range(10)]
    members = y[CLUSTERS == 0]
    purity = np.bincount(members).max() / len(members)
    best = np.bincount(members).argmax()
    assert display.texts_[0].get_text() == f"{len(members):,}, {purity:.0%} {best}"
    assert display.figure_ is display.ax_.figure


def test_decoded_centres_are_those_of_the_clusterer(pyplot):
    display = ClusterDisplay.from_estimator(PIPE, X)
    expected = PIPE[:-1].inverse_transform(CENTERS)
    drawn = display.center_images_[3].get_array()
    np.testing.assert_allclose(drawn, expected[3].reshape(8, 8))
    # Centres that leave the range of the samples do not dim them.
    assert display.images_[0, 0].get_clim() == (0, 16)


def test_centres_are_left_out_where_there_is_no_way_back(pyplot):
    pipe = make_pipeline(OneWay(), KMeans(3, n_init=1, random_state=0)).fit(X)
    display = ClusterDisplay.from_estimator(pipe, X)
    assert display.center_images_ is None
    assert display.images_.shape == (3, 10)


def test_kinds_of_members(pyplot):
    distances = np.linalg.norm(PCA(64).fit_transform(X), axis=1)
    clusters = np.zeros(len(X), dtype=int)
    near = ClusterDisplay.from_clusters(X, clusters, kind="nearest", n_images=3)
    far = ClusterDisplay.from_clusters(X, clusters, kind="farthest", n_images=3)
    order = np.argsort(distances)
    assert _rows(near, 0) == order[:3].tolist()
    assert _rows(far, 0) == order[::-1][:3].tolist()

    def drawn(seed):
        display = ClusterDisplay.from_clusters(
            X, CLUSTERS, kind="random", random_state=seed
        )
        return _rows(display, 0)

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_between_lie_members_of_either_cluster_in_order(pyplot):
    display = ClusterDisplay.from_estimator(PIPE, X, kind="between", n_images=12)
    latents = PIPE[:-1].transform(X)
    for i, text in enumerate(display.ax_.get_yticklabels()):
        one, other = map(int, text.get_text().split(" to "))
        assert one == i
        rows = _rows(display, i)
        assert set(CLUSTERS[rows]) <= {one, other}
        to_one = np.linalg.norm(latents[rows] - CENTERS[one], axis=1)
        to_other = np.linalg.norm(latents[rows] - CENTERS[other], axis=1)
        assert np.all(np.diff(to_one - to_other) >= -1e-9)


def test_small_clusters_and_samples_of_none(pyplot):
    clusters = np.full(len(X), -1)
    clusters[:2], clusters[2:30] = 0, 1
    display = ClusterDisplay.from_clusters(X, clusters, n_images=5)
    assert [one is None for one in display.images_[0]] == [False] * 2 + [True] * 3
    assert [text.get_text() for text in display.texts_] == ["2", "28"]


def test_clusterers_without_predict_and_without_steps(pyplot):
    some = X[:200]
    dbscan = DBSCAN(eps=22, min_samples=3).fit(some)
    display = ClusterDisplay.from_estimator(dbscan, some)
    assert len(display.images_) == dbscan.labels_.max() + 1
    with pytest.raises(ValueError, match=r"Received DBSCAN and 100 samples. Give"):
        ClusterDisplay.from_estimator(dbscan, X[:100])

    km = KMeans(4, n_init=1, random_state=0).fit(X)
    display = ClusterDisplay.from_estimator(km, X)
    drawn = display.center_images_[1].get_array()
    np.testing.assert_allclose(drawn, km.cluster_centers_[1].reshape(8, 8))


def test_callers_axes_and_users_keywords(pyplot):
    figure, ax = pyplot.subplots()
    display = ClusterDisplay.from_estimator(
        PIPE,
        X,
        ax=ax,
        n_images=3,
        image_kwargs={"cmap": "magma"},
        text_kwargs={"c": "red", "size": 5},
    )
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.images_.shape == (10, 3)
    assert display.images_[0, 0].get_cmap().name == "magma"
    assert display.texts_[0].get_color() == "red"
    assert display.texts_[0].get_fontsize() == 5


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"X": X[:, :50]}, r"Expected pictures. Received rows of 50 columns"),
        ({"clusters": CLUSTERS[:5]}, r"for each of 1797 samples.* Received shape"),
        ({"clusters": np.full(len(X), -1)}, r"Received only -1, no cluster. Give"),
        ({"clusters": X[:, 3] + 0.5}, r"Received numbers with fractions. Give"),
        ({"latents": X[:9]}, r"for each of 1797 pictures. Received 9. Take"),
        ({"centers": CENTERS}, r"\(10, 64\), .* Received \(10, 16\). Leave"),
        ({"labels": y[:5]}, r"for each of 1797 samples.* Received shape"),
        ({"kind": "far"}, r"Expected kind .* Received 'far'"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(pyplot, kwargs, message):
    with pytest.raises(ValueError, match=message):
        ClusterDisplay.from_clusters(**{"X": X, "clusters": CLUSTERS, **kwargs})


def test_stored_parts_of_different_lengths_are_refused(pyplot):
    display = ClusterDisplay([X[:2].reshape(2, 8, 8)], names=["a", "b"], notes=["2"])
    with pytest.raises(ValueError, match=r"of one length.* 'names': 2.*from_clusters"):
        display.plot()
