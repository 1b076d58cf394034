"""Series on Displays: lines along their steps, where a network or a word says so."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline

from skae import AutoencoderClusterer, AutoencoderTransformer, ConvNetwork, DenseNetwork
from skae.plotting import (
    ClusterDisplay,
    EmbeddingDisplay,
    LatentDisplay,
    ReconstructionDisplay,
    Snapshots,
    TrainingDisplay,
)

rng = np.random.default_rng(0)
y = np.repeat([0, 1], 20)
STEPS = np.linspace(0, 2 * np.pi, 8)
# Two features of 8 steps: squares, to anyone who takes a window for an image.
X = np.stack([np.sin(STEPS + y[:, None]), np.cos(2 * STEPS + y[:, None])], axis=2)
X = X + rng.normal(scale=0.1, size=X.shape)


class Columns(TransformerMixin, BaseEstimator):
    """The first values of a window, by a network that reads series or does not."""

    def __init__(self, network=None):
        self.network = network

    def fit(self, X, y=None):
        """Keep the shape."""
        self.rest_ = np.mean(X, axis=0)
        return self

    def transform(self, X):
        """Return two values."""
        return X[:, :2, 0]

    def inverse_transform(self, Z):
        """Return windows with these two values."""
        X = np.repeat(self.rest_[None], len(Z), axis=0)
        X[:, :2, 0] = Z
        return X


SERIES = Columns(ConvNetwork(axes=1)).fit(X)


def _lines(artist):
    assert isinstance(artist, tuple)
    return artist


def test_latent_spaces_of_series_are_lines(pyplot):
    display = LatentDisplay.from_estimator(SERIES, X, kind="plane", n_steps=3)
    assert display.images_.shape == (3, 3)
    assert {len(_lines(one)) for one in display.images_.flat} == {2}
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == ["feature 0", "feature 1"]
    # Upper values are drawn above lower ones, whatever side the axes count from.
    line = display.images_[0, 0][0]
    heights = pyplot.gca().transData.transform(line.get_xydata())[:, 1]
    values = SERIES.inverse_transform(
        [[np.percentile(X[:, 0, 0], 5), np.percentile(X[:, 1, 0], 95)]]
    )[0, :, 0]
    assert (np.argsort(heights) == np.argsort(values)).all()


def test_lines_lie_within_their_places(pyplot):
    display = LatentDisplay.from_estimator(SERIES, X, kind="plane", n_steps=3)
    for i, j in np.ndindex(3, 3):
        for line in display.images_[i, j]:
            x, height = line.get_data()
            assert (np.abs(x - j) < 0.5).all()
            known = height[~np.isnan(height)]
            assert (np.abs(known - i) < 0.5).all()


@pytest.mark.parametrize("image_shape", ["auto", "series"])
def test_clusters_of_series_are_lines(pyplot, image_shape):
    if image_shape == "auto":
        pipeline = make_pipeline(SERIES, KMeans(2, n_init=1, random_state=0)).fit(X)
        display = ClusterDisplay.from_estimator(pipeline, X, y, n_images=4)
        assert [len(_lines(one)) for one in display.center_images_] == [2, 2]
    else:
        display = ClusterDisplay.from_clusters(X, y, image_shape="series", n_images=4)
    assert display.images_.shape == (2, 4)
    assert {len(_lines(one)) for one in display.images_.flat} == {2}


def test_a_clusterer_with_a_network_for_series_draws_lines(pyplot):
    transformer = AutoencoderTransformer(
        2, network=ConvNetwork((4,), axes=1), epochs=1, random_state=0
    )
    clusterer = AutoencoderClusterer(2, transformer=transformer, random_state=0)
    clusterer.fit(X.astype(np.float32))
    display = ClusterDisplay.from_estimator(clusterer, X.astype(np.float32), n_images=3)
    assert len(_lines(display.center_images_[0])) == 2


def test_series_on_a_map_are_lines_of_one_colour(pyplot):
    display = EmbeddingDisplay.from_estimator(SERIES, X, images=X, labels=y)
    assert len(display.images_) == len(display.shown_) > 0
    colors = {line.get_color() for lines in display.images_ for line in _lines(lines)}
    assert colors == {"black"}
    strokes = [line.get_linestyle() for line in display.images_[0]]
    assert strokes == ["-", "--"]


def test_the_features_that_vary_most_are_drawn(pyplot):
    wide = rng.normal(size=(6, 8, 5)) * [1, 5, 1, 6, 7]
    display = ClusterDisplay.from_clusters(
        wide, [0, 0, 0, 1, 1, 1], image_shape="series"
    )
    legend = display.ax_.get_legend()
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["feature 1", "feature 3", "feature 4"]
    assert legend.get_title().get_text() == "3 of 5 features, which vary most"


def test_signals_are_windows_of_one_feature(pyplot):
    display = ClusterDisplay.from_clusters(X[..., 0], y, image_shape="series")
    assert len(display.images_[0, 0]) == 1
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("network", [None, DenseNetwork(), ConvNetwork()])
def test_grey_images_stay_images(pyplot, network):
    images = rng.random((40, 8, 2))
    estimator = Columns(network).fit(images)
    display = LatentDisplay.from_estimator(estimator, images, kind="random", n_steps=2)
    assert display.images_[0, 0].get_array().shape == (8, 2)
    display = EmbeddingDisplay.from_estimator(estimator, images, images=images)
    assert display.images_[0].get_array().shape == (8, 2)
    pipeline = make_pipeline(estimator, KMeans(2, n_init=1)).fit(images)
    display = ClusterDisplay.from_estimator(pipeline, images)
    assert display.images_[0, 0].get_array().shape == (8, 2)


def test_image_shape_says_that_a_network_for_series_has_seen_images(pyplot):
    display = LatentDisplay.from_estimator(
        SERIES, X, kind="random", n_steps=2, image_shape=None
    )
    assert display.images_[0, 0].get_array().shape == (8, 2)


def test_reconstructions_take_the_same_word(pyplot):
    display = ReconstructionDisplay.from_reconstruction(
        X[:2], X[:2], image_shape="series"
    )
    assert display.lines_.shape == (2, 4)


def test_a_page_shows_the_lines_of_a_series(pyplot):
    display = EmbeddingDisplay(X[:, 0], images=X, image_shape="series")
    data = display.show().html.partition('"sprite": "')[2].partition('"')[0]
    sheet = np.asarray(Image.open(BytesIO(b64decode(data))))
    # Black on white: lines are few of the pixels.
    assert 0.01 < np.mean(sheet < 128) < 0.2


def test_what_cannot_draw_series_says_so(pyplot):
    with pytest.raises(ValueError, match=r"windows of series.*\(4, 8, 8, 3\)"):
        EmbeddingDisplay(
            np.zeros((4, 2)), images=np.zeros((4, 8, 8, 3)), image_shape="series"
        ).plot()
    ae = AutoencoderTransformer(2, network=DenseNetwork((4,)), epochs=1).fit(X)
    display = LatentDisplay.from_estimator(ae, X, image_shape="series")
    with pytest.raises(ValueError, match=r"Received series.*LatentDisplay\.plot"):
        display.show()


def test_a_training_on_series_is_drawn_as_lines(pyplot):
    ae = AutoencoderTransformer(
        2, network=ConvNetwork((4,), axes=1), epochs=2, callbacks=[Snapshots()]
    ).fit(X)
    display = TrainingDisplay.from_estimator(ae, X, n_images=3, random_state=0)
    *decoded, originals = display.images_
    assert [len(_lines(row[0])) for row in originals] == [2, 2, 2]
    assert len(decoded) == len(display.maps) == 3
    # One key for all, where no map is.
    assert [bool(panel.get_legend()) for panel in display.axes_.flat].count(True) == 1
    for window, (lines,) in zip(display.originals, originals, strict=True):
        low, high = display.originals.min(), display.originals.max()
        place = (lines[0].get_ydata() - lines[0].get_ydata()[0]) / (high - low)
        values = (window[:, 0] - window[0, 0]) / (high - low)
        assert np.corrcoef(place, values)[0, 1] < -0.999  # rows count downwards
