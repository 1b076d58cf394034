"""`TrainingDisplay` and `Snapshots`."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from skae.plotting import TrainingDisplay

X, y = load_digits(n_class=4, return_X_y=True)
X, y = X[:120] / 16, y[:120]
DIRECTIONS = PCA(2, random_state=0).fit(X).components_


class Linear(TransformerMixin, BaseEstimator):
    """A transformer that keeps its weights by epoch, as one with `Snapshots` does."""

    def __init__(self, directions=DIRECTIONS):
        self.directions = directions

    def fit(self, X, y=None):
        """Grow weights from noise to the directions given."""
        noise = np.random.default_rng(0).normal(size=self.directions.shape)
        kept = {
            epoch: [self.directions * epoch / 8 + noise * (1 - epoch / 8)]
            for epoch in range(9)
        }
        self.callbacks_ = [SimpleNamespace(), SimpleNamespace(kept_=kept)]
        self.weights_ = kept[8]
        return self

    def transform(self, X):
        """Project."""
        return X @ self.weights_[0].T

    def inverse_transform(self, Z):
        """Project back."""
        return Z @ self.weights_[0]


FITTED = Linear().fit(X)


def test_maps_and_reconstructions_are_those_of_each_epoch(pyplot):
    display = TrainingDisplay.from_estimator(
        FITTED, X, labels=y, n_images=3, random_state=0
    )
    assert list(display.maps) == list(range(9))
    for epoch, weights in FITTED.callbacks_[1].kept_.items():
        np.testing.assert_allclose(display.maps[epoch], X @ weights[0].T)
        back = display.originals.reshape(3, -1) @ weights[0].T @ weights[0]
        np.testing.assert_allclose(display.decoded[epoch].reshape(3, -1), back)
    # The fitted estimator is as it was.
    assert FITTED.weights_ is FITTED.callbacks_[1].kept_[8]


def test_some_epochs_are_drawn_the_first_and_the_last_among_them(pyplot):
    display = TrainingDisplay.from_estimator(
        FITTED, X, labels=y, n_images=3, n_epochs=4, random_state=0
    )
    assert display.axes_.shape == (2, 5)
    titles = [ax.get_title() for ax in display.axes_[0, :4]]
    assert titles[0] == "before training"
    assert titles[-1] == "epoch 8"
    points = display.displays_[-1].scatters_[0].get_offsets()
    np.testing.assert_allclose(points, display.maps[8])
    assert [len(one.texts_) for one in display.displays_] == [0, 0, 0, 4]
    drawn = display.images_[3][2, 0].get_array()
    np.testing.assert_allclose(drawn, display.decoded[8][2])
    original = display.images_[4][2, 0].get_array()
    np.testing.assert_allclose(original, display.originals[2])


def test_steps_before_and_a_clusterer_behind(pyplot):
    pipe = Pipeline([("pca", PCA(8)), ("ae", Linear(np.eye(2, 8))), ("km", KMeans(4))])
    pipe.fit(X)
    display = TrainingDisplay.from_estimator(pipe, X)
    expected = pipe["pca"].transform(X)[:, :2]
    np.testing.assert_allclose(display.maps[8], expected)
    assert display.decoded[0].shape == (4, 8, 8)


@pytest.mark.long
def test_longer_latent_vectors_have_one_plane_for_all_epochs(pyplot):
    fitted = Linear(PCA(5).fit(X).components_).fit(X)
    display = TrainingDisplay.from_estimator(fitted, X, n_images=0)
    last = X @ fitted.weights_[0].T
    plane = PCA(2, random_state=0).fit(last)
    np.testing.assert_allclose(display.maps[8], plane.transform(last), atol=1e-9)
    first = X @ fitted.callbacks_[1].kept_[0][0].T
    np.testing.assert_allclose(display.maps[0], plane.transform(first), atol=1e-9)
    assert display.name == "PCA"
    assert display.originals is None
    single = Linear(DIRECTIONS[:1]).fit(X)
    assert TrainingDisplay.from_estimator(single, X).maps[8].shape == (120, 2)


def test_tables_have_maps_only(pyplot):
    iris = load_iris().data
    fitted = Linear(np.eye(2, 4)).fit(iris)
    assert TrainingDisplay.from_estimator(fitted, iris).axes_.shape == (1, 5)


@pytest.mark.long
@pytest.mark.versions
def test_gif_and_page_have_a_frame_for_each_epoch(pyplot, tmp_path):
    display = TrainingDisplay.from_estimator(FITTED, X, labels=y, n_epochs=2)
    open_before = pyplot.get_fignums()
    gif = display.to_gif(tmp_path / "training.gif", dpi=30)
    with Image.open(gif) as film:
        assert film.n_frames == 9
        frames = []
        for i in (0, 8):
            film.seek(i)
            frames.append(np.asarray(film.convert("L"), dtype=float))
    assert np.abs(frames[0] - frames[1]).max() > 50
    page = display.to_html(tmp_path / "training.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") == 9
    assert pyplot.get_fignums() == open_before


def test_what_kept_nothing_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"by epoch. Received PCA. Fit it with"):
        TrainingDisplay.from_estimator(PCA(2).fit(X), X)


def test_snapshots_keep_epochs_and_can_be_copied_and_pickled():
    pytest.importorskip("keras")
    from skae.plotting import Snapshots

    kept = copy.copy(Snapshots(every=2))
    kept.set_model(SimpleNamespace(get_weights=lambda: ["weights"]))
    kept.on_train_begin()
    for epoch in range(5):
        kept.on_epoch_end(epoch)
    assert kept.kept_ == {0: ["weights"], 2: ["weights"], 4: ["weights"]}
    assert pickle.loads(pickle.dumps(Snapshots(3))).every == 3
    with pytest.raises(ValueError, match=r"a number of epochs, .* Received 0"):
        Snapshots(0)


def test_snapshots_of_a_fit_are_its_weights(pyplot):
    pytest.importorskip("keras")
    from skae import AutoencoderTransformer
    from skae.plotting import Snapshots

    ae = AutoencoderTransformer(
        2, arrange=None, epochs=3, random_state=0, callbacks=[Snapshots()]
    ).fit(X.astype(np.float32))
    display = TrainingDisplay.from_estimator(ae, X.astype(np.float32))
    assert list(display.maps) == [0, 1, 2, 3]
    np.testing.assert_allclose(
        display.maps[3], ae.transform(X.astype(np.float32)), atol=1e-4
    )
