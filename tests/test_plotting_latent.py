"""`LatentDisplay`."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

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
    place = Z.mean(axis=0)
    place[4] = np.percentile(Z[:, 4], 90)
    drawn = display.images_[1, 2].get_array()
    np.testing.assert_allclose(drawn, _decoded(place[None])[0], atol=1e-6)
    ticks = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert ticks == ["2", "4"]


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
    # The latents of PCA have a mean of zero.
    np.testing.assert_allclose(places[..., 2:], 0, atol=1e-9)


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
        ({"decode": load_iris}, r""),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(pyplot, kwargs, message):
    kwargs = {"Z": Z, "decode": _decoded, **kwargs}
    if kwargs["decode"] is load_iris:
        kwargs["decode"] = lambda places: np.ones((len(places), 5))
        message = r"Expected pictures. Received rows of 5 columns .* Give the shape"
    with pytest.raises(ValueError, match=message):
        LatentDisplay.from_latents(**kwargs)


def test_no_grid_and_no_way_back_are_refused(pyplot):
    with pytest.raises(ValueError, match=r"a grid of pictures .* \(3, 8, 8\). Draw"):
        LatentDisplay(np.ones((3, 8, 8))).plot()
    with pytest.raises(ValueError, match=r"Received KMeans. Give what"):
        LatentDisplay.from_estimator(KMeans(), X)
