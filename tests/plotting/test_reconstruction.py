"""`ReconstructionDisplay`."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import ConvNetwork
from skae.plotting import ReconstructionDisplay

X, _ = load_digits(return_X_y=True)
PCA_16 = PCA(16, random_state=0).fit(X)
X_HAT = PCA_16.inverse_transform(PCA_16.transform(X))


@pytest.mark.parametrize("constructor", ["from_estimator", "from_reconstruction"])
def test_both_constructors_draw_originals_and_reconstructions(pyplot, constructor):
    if constructor == "from_estimator":
        display = ReconstructionDisplay.from_estimator(PCA_16, X, random_state=0)
    else:
        display = ReconstructionDisplay.from_reconstruction(X[:4], X_HAT[:4])
    assert display.images_.shape == (4, 2)
    assert display.axes_.shape == (2, 4)
    for i in range(4):
        original, decoded = (image.get_array() for image in display.images_[i])
        np.testing.assert_allclose(original, display.X[i].reshape(8, 8))
        np.testing.assert_allclose(decoded, display.X_hat[i].reshape(8, 8))
        # One scale of greys, or a pale reconstruction would look like a dark one.
        assert display.images_[i, 0].get_clim() == display.images_[i, 1].get_clim()
    expected = np.square(display.X - display.X_hat).mean(axis=1)
    np.testing.assert_allclose(display.errors_, expected)
    assert display.axes_[1, 0].get_xlabel() == f"MSE {expected[0]:.3g}"
    assert display.axes_[0, 0].get_ylabel() == "original"
    assert display.bounding_ax_ is None


def test_samples_are_random_without_repetition_and_follow_the_seed(pyplot):
    def drawn(seed, n_samples=4):
        return ReconstructionDisplay.from_estimator(
            PCA_16, X[:6], n_samples=n_samples, random_state=seed
        ).X

    np.testing.assert_array_equal(drawn(0), drawn(0))
    assert not np.array_equal(drawn(0), drawn(1))
    assert len(np.unique(drawn(0, n_samples=10), axis=0)) == 6


def test_columns(pyplot):
    display = ReconstructionDisplay.from_reconstruction(
        X[:4], X_HAT[:4], layout="columns"
    )
    assert display.images_.shape == display.axes_.shape == (4, 2)
    assert display.axes_[0, 0].get_title() == "original"
    assert display.scale_ is None


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_differences_have_one_scale_for_all_figures_of_the_data(pyplot, layout):
    def drawn(X_hat):
        return ReconstructionDisplay.from_reconstruction(
            X[:5], X_hat, layout=layout, difference=True
        )

    good, bad = drawn(X_HAT[:5]), drawn(np.zeros((5, 64)))
    limits = {one.get_clim() for d in (good, bad) for one in d.images_[:, 2]}
    assert limits == {(-8, 8)}
    # It is stated, and so is what goes beyond it.
    assert good.scale_.ax.get_xlabel().split() == [
        "reconstruction",
        "minus",
        "original",
    ]
    assert bad.scale_.extend == "both"


def test_rows_and_differences(pyplot):
    display = ReconstructionDisplay.from_reconstruction(
        X[:5], X_HAT[:5], difference=True
    )
    assert display.axes_.shape == (3, 5)
    assert display.images_.shape == (5, 3)
    change = display.images_[2, 2]
    np.testing.assert_allclose(change.get_array(), (X_HAT - X)[2].reshape(8, 8))
    low, high = change.get_clim()
    assert low == -high


def test_callers_axes_are_divided_or_filled(pyplot):
    figure, ax = pyplot.subplots()
    display = ReconstructionDisplay.from_reconstruction(X[:2], X_HAT[:2], ax=ax)
    assert display.bounding_ax_ is ax
    assert display.figure_ is figure
    assert len(figure.axes) == 5
    again = display.plot(ax=display.axes_)
    assert again.bounding_ax_ is None
    with pytest.raises(ValueError, match=r"taken by an earlier drawing. Give"):
        display.plot(ax=ax)
    with pytest.raises(ValueError, match=r"or 4 for 2 rows .* Received 3 axes. Give"):
        display.plot(ax=pyplot.subplots(1, 3)[1])

    # Axes placed by hand have no place in a grid to divide.
    by_hand = pyplot.figure().add_axes((0.5, 0.5, 0.4, 0.4))
    panel = display.plot(ax=by_hand).axes_[0, 0]
    assert panel.get_position().x0 >= 0.5


def test_users_keywords_win_over_defaults(pyplot):
    display = ReconstructionDisplay.from_reconstruction(
        X[:2],
        X_HAT[:2],
        difference=True,
        show_errors=False,
        image_kwargs={"cmap": "magma", "vmax": 9},
        difference_kwargs={"cmap": "PuOr"},
        text_kwargs={"color": "red", "size": 5},
    )
    assert display.images_[0, 0].get_cmap().name == "magma"
    assert display.images_[0, 1].get_clim()[1] == 9
    assert display.images_[0, 2].get_cmap().name == "PuOr"
    assert display.axes_[0, 0].yaxis.label.get_color() == "red"
    assert display.axes_[0, 0].yaxis.label.get_fontsize() == 5
    assert display.axes_[1, 0].get_xlabel() == ""


def test_tabular_rows_are_dots_in_standard_deviations_most_changed_first(pyplot):
    frame = load_iris(as_frame=True).data
    display = ReconstructionDisplay.from_estimator(
        make_pipeline(MinMaxScaler(), PCA(2)).fit(frame),
        frame,
        n_samples=3,
        random_state=0,
        difference=True,
        original_kwargs={"mfc": "black"},
    )
    assert display.images_ is None
    assert display.lines_.shape == (3, 3)
    assert display.axes_.shape == (3, 2)
    mean, spread = frame.mean().to_numpy(), frame.std(ddof=0).to_numpy()
    X = (display.X.to_numpy() - mean) / spread
    X_hat = (display.X_hat - mean) / spread
    order = np.argsort(-np.abs(X_hat - X), axis=1)
    for i in range(3):
        original, decoded, change = (line.get_xdata() for line in display.lines_[i])
        np.testing.assert_allclose(original, X[i, order[i]])
        np.testing.assert_allclose(decoded, X_hat[i, order[i]])
        np.testing.assert_allclose(change, decoded - original)
        names = [t.get_text() for t in display.axes_[i, 0].get_yticklabels()]
        assert names == list(frame.columns[order[i]])
    # The first column is on top.
    assert display.axes_[0, 0].get_ylim()[0] > display.axes_[0, 0].get_ylim()[1]
    np.testing.assert_allclose(display.errors_, np.square(X - X_hat).mean(axis=1))
    assert display.lines_[0, 0].get_markerfacecolor() == "black"
    assert "standard deviations from the mean" in display.axes_[-1, 0].get_xlabel()


def test_any_number_of_columns_is_drawn_and_what_is_left_out_is_said(pyplot):
    wide = np.random.default_rng(0).random((40, 300))
    names = [f"${i}$" for i in range(300)]
    draw = ReconstructionDisplay.from_reconstruction
    display = draw(wide[:1], wide[1:2], feature_names=names, reference=wide)
    assert len(display.lines_[0, 0].get_xdata()) == 12
    words = display.axes_[0, 0].get_xlabel().replace("\n", " ")
    assert "12 of 300 columns, most changed first" in words
    assert not display.axes_[0, 0].get_yticklabels()[0].get_parse_math()
    more = draw(wide[:4], wide[4:8], feature_names=names, n_columns=30)
    assert len(more.lines_[3, 1].get_xdata()) == 30
    with pytest.raises(ValueError, match=r"Expected 300 feature_names.* Received 1"):
        draw(wide[:1], wide[1:2], feature_names=["a"])
    with pytest.raises(ValueError, match=r"the 300 columns of X. Received 5. Give"):
        draw(wide[:1], wide[1:2], feature_names=names, reference=wide[:, :5])


def test_a_series_is_a_line_in_its_own_order_and_unit(pyplot):
    series = np.random.default_rng(0).random((40, 300))
    pca = PCA(2).fit(series)
    display = ReconstructionDisplay.from_estimator(
        pca, series, n_samples=2, random_state=0, reconstruction_kwargs={"lw": 4}
    )
    assert display.lines_[1, 1].get_linewidth() == 4
    np.testing.assert_allclose(display.lines_[1, 0].get_ydata(), display.X[1])
    np.testing.assert_allclose(display.lines_[1, 1].get_ydata(), display.X_hat[1])
    # Unless asked for dots.
    dots = ReconstructionDisplay.from_estimator(pca, series, kind="dots")
    assert len(dots.lines_[0, 0].get_ydata()) == 6


WINDOWS = np.random.default_rng(0).random((40, 30, 5))
WINDOWS_HAT = WINDOWS + np.linspace(0, 0.1, 5)


class Series(TransformerMixin, BaseEstimator):
    """A transformer whose network reads samples as series."""

    network = ConvNetwork(axes=1)

    def fit(self, X, y=None):
        self.shape_ = X.shape[1:]
        return self

    def transform(self, X):
        return X.reshape(len(X), -1)

    def inverse_transform(self, Z):
        return Z.reshape(-1, *self.shape_) + 0.1


def test_windows_are_lines_along_their_steps(pyplot):
    display = ReconstructionDisplay.from_reconstruction(
        WINDOWS[:2], WINDOWS_HAT[:2], kind="line", difference=True
    )
    assert display.images_ is None
    assert display.axes_.shape == (2, 2)
    # Three of the five features, as original, reconstruction and difference.
    assert display.lines_.shape == (2, 9)
    for j, feature in enumerate((2, 3, 4)):
        parts = WINDOWS, WINDOWS_HAT, WINDOWS_HAT - WINDOWS
        for kind, values in enumerate(parts):
            line = display.lines_[1, 3 * kind + j]
            np.testing.assert_allclose(line.get_ydata(), values[1, :, feature])
            assert line.get_color() == display.lines_[0, j].get_color()
    expected = np.square(WINDOWS_HAT - WINDOWS)[:2].mean(axis=(1, 2))
    np.testing.assert_allclose(display.errors_, expected)
    assert "3 of 5 features" in display.axes_[-1, 0].get_xlabel()
    words = [text.get_text() for text in display.axes_[0, 0].get_legend().get_texts()]
    assert words == ["feature 2", "feature 3", "feature 4", "reconstruction"]


@pytest.mark.parametrize("shape", [(30, 1), (64,), (8, 8)])
def test_what_a_network_takes_as_series_is_drawn_as_series(pyplot, shape):
    data = np.random.default_rng(0).random((6, *shape))
    pipeline = make_pipeline(Series()).fit(data)
    display = ReconstructionDisplay.from_estimator(pipeline, data, n_samples=2)
    assert display.images_ is None
    first = display.X[0].reshape(shape[0], -1)[:, 0]
    np.testing.assert_allclose(display.lines_[0, 0].get_ydata(), first)
    if shape != (8, 8):
        assert display.lines_.shape == (2, 2)


def test_n_columns_is_how_many_features_of_windows_are_drawn(pyplot):
    def draw(n_columns):
        return ReconstructionDisplay.from_reconstruction(
            WINDOWS[:2], WINDOWS_HAT[:2], kind="line", n_columns=n_columns
        )

    assert draw(1).lines_.shape == (2, 2)
    assert draw(9).lines_.shape == (2, 10)
    assert draw(9).axes_[-1, 0].get_xlabel() == "step"


def test_pictures_are_no_lines(pyplot):
    with pytest.raises(ValueError, match=r"windows.*\(4, 8, 8, 3\).*kind='auto'"):
        ReconstructionDisplay.from_reconstruction(
            np.zeros((4, 8, 8, 3)), np.zeros((4, 8, 8, 3)), kind="line"
        )


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_differences_fade_into_the_page(pyplot, style):
    with pyplot.style.context(style):
        display = ReconstructionDisplay.from_reconstruction(
            X[:1], X_HAT[:1], difference=True
        )
    page = display.axes_[0, 0].get_facecolor()
    none = display.images_[0, 2].get_cmap()(0.5)
    assert np.abs(np.subtract(none, page)[:3]).max() < 0.15


def test_image_shape_decides_whether_flat_rows_are_pictures(pyplot):
    flat = np.random.default_rng(0).random((2, 48))
    kwargs = {"X": flat, "X_hat": flat}
    assert ReconstructionDisplay.from_reconstruction(**kwargs).images_ is None
    colour = ReconstructionDisplay.from_reconstruction(**kwargs, image_shape=(4, 4, 3))
    assert colour.images_[0, 0].get_array().shape == (4, 4, 3)
    never = ReconstructionDisplay.from_reconstruction(X[:2], X[:2], image_shape=None)
    assert never.images_ is None


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_image_shaped_input_of_any_type(pyplot, dtype):
    images = (X[:2].reshape(2, 8, 8, 1)).astype(dtype)
    display = ReconstructionDisplay.from_reconstruction(images, images[::-1])
    # Bytes must not wrap round in the difference.
    expected = np.square(X[0] - X[1]).mean()
    np.testing.assert_allclose(display.errors_, expected, rtol=1e-6)


def test_a_dark_page_has_light_ink(pyplot):
    light = ReconstructionDisplay.from_reconstruction(X[:1], X_HAT[:1])
    with pyplot.style.context("dark_background"):
        dark = ReconstructionDisplay.from_reconstruction(X[:1], X_HAT[:1])
    assert light.images_[0, 0].get_cmap().name == "gray_r"
    assert dark.images_[0, 0].get_cmap().name == "gray"
    # A photograph, whose border is no empty ground, is never turned into a negative.
    photo = np.random.default_rng(0).random((1, 8, 8))
    display = ReconstructionDisplay.from_reconstruction(photo, photo)
    assert display.images_[0, 0].get_cmap().name == "gray"


def test_what_does_not_fit_is_refused_with_the_way_out(pyplot):
    draw = ReconstructionDisplay.from_reconstruction
    with pytest.raises(ValueError, match=r"one shape.*\(4, 64\) and \(4, 8, 8\). Give"):
        draw(X[:4], X[:4].reshape(4, 8, 8))
    with pytest.raises(ValueError, match=r"Received an array of shape .* Put the"):
        draw(np.ones((2, 3, 8, 8)), np.ones((2, 3, 8, 8)))
    with pytest.raises(ValueError, match=r"Expected layout .* Received layout='row'"):
        draw(X[:4], X[:4], layout="row")
    with pytest.raises(ValueError, match=r"Received KMeans. Give what"):
        ReconstructionDisplay.from_estimator(KMeans(), X)


@pytest.mark.parametrize("seed", range(5))
def test_columns_that_changed_alike_are_drawn_in_their_order(pyplot, seed):
    # A sum rounds in its own way on each processor, and with each draw of samples.
    data = np.random.default_rng(seed).random((3, 8, 8))
    lines = ReconstructionDisplay.from_reconstruction(
        data, data + 0.1, kind="line", n_columns=2
    )
    drawn = [line.get_ydata() for line in lines.lines_[0][:2]]
    np.testing.assert_array_equal(drawn, data[0, :, :2].T)
    table = data[:, 0]
    dots = ReconstructionDisplay.from_reconstruction(
        table, table + 0.1, kind="dots", n_columns=3
    )
    np.testing.assert_array_equal(dots.lines_[0][0].get_xdata(), table[0, :3])
