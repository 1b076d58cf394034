"""`ClusterDisplay`."""

import itertools

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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
    assert display.texts_[0].get_text() == f"{len(members):,}, {best} ({purity:.0%})"
    heads = [text.get_text().replace("\n", " ") for text in display.headings_]
    assert heads == ["centre", "nearest to the centre", "samples, commonest label"]
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


def test_between_says_what_both_clusters_hold(pyplot):
    plain = ClusterDisplay.from_estimator(PIPE, X, y)
    notes = [text.get_text() for text in plain.texts_]
    display = ClusterDisplay.from_estimator(PIPE, X, y, kind="between")
    for text, name in zip(display.texts_, display.names, strict=True):
        one, other = map(int, name.split(" to "))
        assert text.get_text() == f"{notes[one]}\n{notes[other]}"


def test_purity_is_whole_only_where_all_members_have_the_label(pyplot):
    labels = np.zeros(len(X), dtype=int)
    labels[0] = 1
    display = ClusterDisplay.from_clusters(X, np.zeros(len(X)), labels=labels)
    assert display.texts_[0].get_text() == "1,797, 0 (99.9%)"


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_all_words_are_inside_small_axes_of_a_caller(pyplot, layout):
    figure, ax = pyplot.subplots(figsize=(4, 3), layout=layout)
    names = [f"digit {i}" for i in range(10)]
    display = ClusterDisplay.from_estimator(PIPE, X, y, ax=ax, class_names=names)
    figure.canvas.draw()
    frame = figure.bbox
    boxes = [t.get_window_extent() for t in [*display.texts_, *display.headings_]]
    for box in boxes:
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1
    rows = boxes[: len(display.texts_)]
    for above, below in itertools.pairwise(rows):
        assert above.y0 >= below.y1 - 1
    pictures = display.images_[0, -1].get_window_extent()
    assert all(pictures.x1 <= box.x0 for box in rows)


def test_of_many_clusters_the_largest_are_drawn_and_it_is_said(pyplot):
    clusters = np.arange(len(X)) % 120
    clusters[clusters > 100] = 7
    clusters[:18] = -1
    display = ClusterDisplay.from_clusters(X, clusters, n_images=2)
    assert display.images_.shape == (30, 2)
    assert "7" in display.names
    assert display.ax_.get_xlabel() == (
        "the 30 largest of 101 clusters; 18 of 1,797 samples in no cluster"
    )
    every = ClusterDisplay.from_clusters(X, clusters, n_images=2, n_clusters=101)
    assert len(every.names) == 101


def test_noise_of_hdbscan_is_no_cluster(pyplot):
    clusters = np.where(np.arange(len(X)) < 10, -2, CLUSTERS)
    display = ClusterDisplay.from_clusters(X, clusters)
    assert display.names == [str(i) for i in range(10)]
    assert display.remark == "10 of 1,797 samples in no cluster"


def test_rows_of_a_table_have_a_profile_in_their_units(pyplot):
    wine = load_wine(as_frame=True)
    pipe = make_pipeline(
        StandardScaler(), PCA(3), KMeans(3, n_init=1, random_state=0)
    ).fit(wine.data)
    display = ClusterDisplay.from_estimator(pipe, wine.data, wine.target, n_columns=4)
    assert display.images_ is None
    assert display.cells_.shape == (3, 4)
    clusters = pipe.predict(wine.data)
    columns = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert columns[0] == "flavanoids"
    mean = wine.data["flavanoids"][clusters == 1].mean()
    assert display.cells_[1, 0].get_text() == f"{mean:.3g}"
    away = (mean - wine.data["flavanoids"].mean()) / wine.data["flavanoids"].std(ddof=0)
    drawn = display.ax_.images[0].get_array()
    np.testing.assert_allclose(drawn[1, 0], away)
    assert "4 of 13 columns" in display.key_.ax.get_xlabel().replace("\n", " ")
    assert len(display.texts_) == 3


def test_profiles_of_arrays_with_holes_and_names(pyplot):
    values = np.array([[0, np.nan], [2, 4], [8, 6], [10, 8.0]])
    display = ClusterDisplay.from_clusters(
        values, ["a", "a", "b", "b"], feature_names=["$x$", "y"], kind="profile"
    )
    assert {cell.get_text() for cell in display.cells_[0]} == {"1", "4"}
    with pytest.raises(ValueError, match=r"Expected 2 feature_names.* Received 1"):
        ClusterDisplay.from_clusters(values, [0, 0, 1, 1], feature_names=["x"])
    words = np.array([[1, "red"], [2, "blue"]], dtype=object)
    with pytest.raises(ValueError, match=r"Received the value 'red'. Leave"):
        ClusterDisplay.from_clusters(words, [0, 1])


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
        (
            {"X": X[:, :50], "kind": "random"},
            r"pictures for kind='random'. Received rows of 50 columns .* or kind='prof",
        ),
        ({"labels": X[:, 3] + 0.5}, r"labels that are classes, for the purity"),
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


def test_heads_of_a_profile_cover_nothing_in_small_axes(pyplot):
    wine = load_wine(as_frame=True)
    figure, ax = pyplot.subplots(figsize=(4, 3), layout="constrained")
    clusters = KMeans(3, n_init=1, random_state=0).fit_predict(wine.data)
    display = ClusterDisplay.from_clusters(
        wine.data, clusters, labels=wine.target, ax=ax
    )
    figure.canvas.draw()
    heading = display.headings_[0]
    # All heads are slanted alike, and begin side by side.
    assert {one.get_rotation() for one in ax.get_xticklabels()} == {40}
    assert heading.get_rotation() == 40
    last = ax.get_xticklabels()[-1].get_position()[0]
    assert heading.get_position()[0] > last + 0.9
