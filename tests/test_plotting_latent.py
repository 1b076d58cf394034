"""`LatentDisplay`."""

import tracemalloc

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.plotting import LatentDisplay

X, _ = load_digits(return_X_y=True)
PCA_6 = PCA(6, random_state=0).fit(X)
Z = PCA_6.transform(X)


def _decoded(places):
    return PCA_6.inverse_transform(places).reshape(-1, 8, 8)


@pytest.mark.parametrize("constructor", ["from_estimator", "from_latents"])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [("axes", (5, 9)), ("between", (1, 9)), ("plane", (9, 9)), ("random", (9, 9))],
)
def test_both_constructors_draw_every_kind(pyplot, constructor, kind, shape):
    if constructor == "from_estimator":
        display = LatentDisplay.from_estimator(PCA_6, X, kind=kind)
        # The greys of the samples, which decoded pictures may leave.
        assert display.images_[0, 0].get_clim() == (0, 16)
    else:
        decode = PCA_6.inverse_transform
        display = LatentDisplay.from_latents(Z, decode, kind=kind)
    assert display.images_.shape == shape
    assert display.images_[0, 0].get_array().shape == (8, 8)
    assert display.figure_ is display.ax_.figure


def test_pictures_along_axes_are_decoded_from_there(pyplot):
    display = LatentDisplay.from_estimator(
        PCA_6, X, latent_axes=[2, 4], n_steps=3, percentiles=(10, 90)
    )
    # A real sample, the nearest to the mean, since the mean of all is none.
    row = np.square((Z - Z.mean(axis=0)) / Z.std(axis=0)).sum(axis=1).argmin()
    place = Z[row].copy()
    place[4] = np.percentile(Z[:, 4], 90)
    drawn = display.images_[1, 2].get_array()
    np.testing.assert_allclose(drawn, _decoded(place[None])[0], atol=1e-6)
    ticks = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert ticks == ["2", "4"]
    assert display.ax_.get_ylabel() == "latent axis, 2 of 6"
    assert display.ax_.get_xlabel().endswith(f"others as in sample {row}")
    other = LatentDisplay.from_estimator(PCA_6, X, base=7, latent_axes=[0], n_steps=1)
    place = Z[7].copy()
    place[0] = np.percentile(Z[:, 0], 5)
    drawn = other.images_[0, 0].get_array()
    np.testing.assert_allclose(drawn, _decoded(place[None])[0], atol=1e-6)


def test_it_says_how_many_latent_axes_are_shown(pyplot):
    words = LatentDisplay.from_estimator(PCA_6, X).ax_.get_ylabel()
    assert words == "latent axis, 5 of 6,\nthose of the greatest variance"
    words = LatentDisplay.from_estimator(PCA(2).fit(X), X).ax_.get_ylabel()
    assert words == "latent axis"


def test_between_starts_and_ends_at_the_samples(pyplot):
    display = LatentDisplay.from_estimator(
        PCA_6, X, kind="between", samples=(3, 8, -1), n_steps=5
    )
    assert display.images_.shape == (2, 5)
    ends = display.images_[0, 0], display.images_[1, 0], display.images_[1, 4]
    for drawn, expected in zip(ends, _decoded(Z[[3, 8, -1]]), strict=True):
        np.testing.assert_allclose(drawn.get_array(), expected, atol=1e-6)
    middle = display.images_[0, 2].get_array()
    halfway = _decoded(Z[[3, 8]].mean(axis=0, keepdims=True))[0]
    np.testing.assert_allclose(middle, halfway, atol=1e-6)


def test_values_on_the_plane_grow_to_the_right_and_upwards(pyplot):
    seen = []

    def decode(places):
        seen.append(places)
        return _decoded(places)

    LatentDisplay.from_latents(Z, decode, kind="plane", n_steps=4, latent_axes=[1, 0])
    places = seen[0].reshape(4, 4, -1)
    assert np.all(np.diff(places[0, :, 1]) > 0)
    assert np.all(np.diff(places[:, 0, 0]) < 0)
    row = np.square((Z - Z.mean(axis=0)) / Z.std(axis=0)).sum(axis=1).argmin()
    assert (places[..., 2:] == Z[row, 2:]).all()


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_the_plane_is_faint_where_no_sample_is_near(pyplot, style):
    # Two groups, with nothing between them or in the other corners.
    points = np.random.default_rng(0).normal(size=(200, 2)) * 0.3
    points[100:] += 8
    with pyplot.style.context(style):
        display = LatentDisplay.from_latents(
            points,
            lambda places: np.ones((len(places), 8, 8)),
            kind="plane",
            n_steps=5,
            percentiles=(0, 100),
        )
    alphas = np.array([[one.get_alpha() for one in row] for row in display.images_])
    assert alphas[0, -1] == alphas[-1, 0] == 1
    assert alphas[0, 0] == alphas[-1, -1] == alphas[2, 2] < 0.5
    assert display.ax_.get_xlabel() == "latent 0\n(faint: no sample is near)"
    dense = LatentDisplay.from_estimator(PCA(2).fit(X), X, kind="plane", n_steps=2)
    assert dense.ax_.get_xlabel().startswith("latent 0")


def test_random_places_say_where_they_come_from_and_copy_nothing(pyplot):
    many = np.random.default_rng(0).normal(size=(200_000, 8))
    tracemalloc.start()
    display = LatentDisplay.from_latents(
        many,
        lambda places: np.ones((len(places), 8, 8)),
        kind="random",
        n_steps=2,
        random_state=0,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "normal distribution" in display.ax_.get_xlabel()
    assert peak < many.nbytes / 2


WINE = load_wine(as_frame=True).data
SCALED = make_pipeline(StandardScaler(), PCA(4)).fit(WINE)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("axes", (4, 9, 6)),
        ("between", (1, 9, 6)),
        ("plane", (9, 9, 4)),
        ("random", (1, 81, 6)),
    ],
)
def test_tables_draw_the_columns_that_change_most(pyplot, kind, shape):
    display = LatentDisplay.from_estimator(SCALED, WINE, kind=kind, random_state=0)
    assert display.images_ is None
    assert display.table["deviations"].shape == shape
    words = display.key_.ax.get_xlabel().replace("\n", " ")
    assert f"{shape[-1]} of 13 columns, which change most" in words
    display.figure_.canvas.draw()


def test_the_colours_of_a_table_are_standard_deviations_of_the_samples(pyplot):
    display = LatentDisplay.from_estimator(
        SCALED, WINE, kind="between", samples=(0, 100), n_steps=3
    )
    latents = SCALED.transform(WINE)
    halfway = SCALED.inverse_transform(latents[[0, 100]].mean(axis=0, keepdims=True))
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    column = WINE.columns.get_loc(names[2])
    expected = (halfway[0, column] - WINE[names[2]].mean()) / WINE[names[2]].std(ddof=0)
    np.testing.assert_allclose(display.table_.get_array()[2, 1], expected, atol=1e-6)

    # Without samples the unit is the spread of what is decoded.
    Z_wine = SCALED.transform(WINE)
    own = LatentDisplay.from_latents(
        Z_wine, SCALED.inverse_transform, kind="between", samples=(0, 100)
    )
    decoded = SCALED.inverse_transform(Z_wine)
    (row,) = own.table["columns"]
    ends = own.table["deviations"][0, [0, -1], 0]
    values = (decoded[[0, 100]] - decoded.mean(axis=0)) / decoded.std(axis=0)
    np.testing.assert_allclose(ends, values[:, int(row[0])], atol=1e-6)


def test_random_places_have_the_spread_of_the_latents_and_follow_the_seed(pyplot):
    seen = []

    def decode(places):
        seen.append(places)
        return _decoded(places)

    for seed in (0, 0, 1):
        LatentDisplay.from_latents(
            Z, decode, kind="random", n_steps=20, random_state=seed
        )
    np.testing.assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
    np.testing.assert_allclose(seen[0].std(axis=0), Z.std(axis=0), rtol=0.2)


def test_latents_keep_their_type(pyplot):
    types = []

    def decode(places):
        types.append(places.dtype)
        return _decoded(places)

    LatentDisplay.from_latents(Z.astype(np.float32), decode, kind="random")
    assert types == [np.float32]


def test_callers_axes_and_users_keywords(pyplot):
    figure, ax = pyplot.subplots()
    display = LatentDisplay.from_estimator(
        PCA_6, X, ax=ax, image_kwargs={"cmap": "magma", "vmin": -3}
    )
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.images_[0, 0].get_cmap().name == "magma"
    assert display.images_[0, 0].get_clim()[0] == -3


def test_colour_pictures(pyplot):
    display = LatentDisplay(np.random.default_rng(0).random((2, 3, 4, 5, 3))).plot()
    assert display.images_[1, 2].get_array().shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"kind": "line"}, r"Expected kind .* Received 'line'"),
        ({"Z": Z[0]}, r"\(n_samples, latent_dim\). Received shape \(6,\). Flatten"),
        ({"latent_axes": [6]}, r"among 0 to 5. Received \[6\]"),
        ({"kind": "plane", "Z": Z[:, :1]}, r"two latent axes .* Use kind='axes'"),
        ({"kind": "between", "samples": [0]}, r"at least two samples.* \[0\]"),
        ({"kind": "between", "samples": [0, 9999]}, r"rows of the 1797 .* 9999"),
        ({"base": 9999}, r"a row of the 1797 latent vectors.* Received 9999"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(pyplot, kwargs, message):
    kwargs = {"Z": Z, "decode": _decoded, **kwargs}
    with pytest.raises(ValueError, match=message):
        LatentDisplay.from_latents(**kwargs)


def test_no_grid_and_no_way_back_are_refused(pyplot):
    with pytest.raises(ValueError, match=r"a grid of pictures .* \(3, 8, 8\). Draw"):
        LatentDisplay(np.ones((3, 8, 8))).plot()
    with pytest.raises(ValueError, match=r"Received KMeans. Give what"):
        LatentDisplay.from_estimator(KMeans(), X)
