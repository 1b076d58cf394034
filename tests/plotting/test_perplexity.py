"""`PerplexityDisplay`."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.manifold import TSNE, Isomap
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.plotting import PerplexityDisplay
from skae.plotting._map_neighbours import neighbours_kept

X, y = load_digits(n_class=4, return_X_y=True)
X, y = X[:150], y[:150]
PCA_8 = PCA(8, random_state=0).fit(X)
Z = PCA_8.transform(X)
# Without threads, which would wait for one another on a busy machine.
QUICK = TSNE(max_iter=600, method="exact", random_state=0)


@pytest.mark.parametrize("constructor", ["from_estimator", "from_latents"])
def test_both_constructors_draw_a_panel_for_each_map(pyplot, constructor):
    reducers = {"PCA": PCA(2), "t-SNE": QUICK, "given": Z[:, 2:4]}
    if constructor == "from_estimator":
        display = PerplexityDisplay.from_estimator(PCA_8, X, reducers, labels=y)
    else:
        display = PerplexityDisplay.from_latents(Z, reducers, labels=y)
    assert display.axes_.shape == (1, 3)
    assert [ax.get_title() for ax in display.axes_[0]] == list(reducers)
    for one in display.displays_.values():
        assert len(one.scatters_[0].get_offsets()) == 150
        assert [text.get_text() for text in one.texts_] == list("0123")
    assert display.bounding_ax_ is None
    np.testing.assert_array_equal(display.maps["given"], Z[:, 2:4])


def test_neighbours_kept_tell_maps_apart(pyplot):
    display = PerplexityDisplay.from_latents(
        Z, {"t-SNE": QUICK, "PCA": PCA(2)}, n_neighbors=(5, 50, 100)
    )
    kept = display.kept
    # 100 is more than half of the samples.
    assert set(kept["PCA"]) == {5, 50}
    assert kept["t-SNE"][5] > kept["PCA"][5] + 0.1
    shares = f"{100 * kept['PCA'][5]:.0f}, {100 * kept['PCA'][50]:.0f}"
    assert display.axes_[0, 1].get_xlabel() == f"keeps {shares} %\nof 5, 50 neighbours"


def test_neighbours_kept_are_a_share_of_all(pyplot):
    line = np.arange(10.0)[:, None]
    maps = {
        "same": np.hstack([line, 0 * line]),
        "halves": np.hstack([line % 5, 0 * line]) + 1e-3 * line,
    }
    rows = np.arange(10)
    kept = neighbours_kept(line, maps, rows, [2])
    assert kept["same"] == {2: 1.0}
    # Beside each sample now lies one that was five away.
    expected = np.mean(
        [
            len(set(_two_nearest(line, i)) & set(_two_nearest(maps["halves"], i))) / 2
            for i in rows
        ]
    )
    assert kept["halves"][2] == pytest.approx(expected)


def _two_nearest(points, i):
    away = np.linalg.norm(points - points[i], axis=1)
    away[i] = np.inf
    return np.argsort(away, kind="stable")[:2]


def test_values_of_one_parameter(pyplot):
    reducer = make_pipeline(StandardScaler(), VarianceThreshold(), Isomap())
    display = PerplexityDisplay.from_latents(Z, reducer, perplexities=[20, 40])
    assert list(display.maps) == ["n_neighbors 20", "n_neighbors 40"]
    assert display.key_ is None
    # The reducer given is left as it was.
    assert reducer.get_params()["isomap__n_neighbors"] == 5
    display = PerplexityDisplay.from_latents(
        Z, Isomap(n_neighbors=60), parameter="p", perplexities=[1, 2.5]
    )
    assert list(display.maps) == ["p 1", "p 2.5"]


def test_panels_are_turned_mirrored_and_scaled_onto_the_first(pyplot):
    rng = np.random.default_rng(0)
    first = rng.normal(size=(50, 2))
    turn = np.array([[0.0, 1.0], [1.0, 0.0]])
    display = PerplexityDisplay({"a": first, "b": 7 * first @ turn + 3}).plot()
    drawn = [one.scatters_[0].get_offsets() for one in display.displays_.values()]
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-9)
    limits = [(ax.get_xlim(), ax.get_ylim()) for ax in display.axes_.flat]
    assert limits[0] == limits[1]


@pytest.mark.parametrize("key", ["colorbar", "legend"])
def test_the_key_stands_beside_the_panels(pyplot, key):
    maps = {name: np.random.default_rng(0).normal(size=(150, 2)) for name in "abcde"}
    display = PerplexityDisplay(maps, labels=y).plot(n_cols=3, key=key)
    display.figure_.canvas.draw()
    beside = display.key_.ax if key == "colorbar" else display.key_
    box = beside.get_window_extent()
    assert box.x1 <= display.figure_.bbox.x1
    for panel in display.axes_.flat:
        assert panel.get_window_extent().x1 <= box.x0


def test_callers_axes_and_users_keywords(pyplot):
    maps = {str(i): np.random.default_rng(i).normal(size=(150, 2)) for i in range(3)}
    figure, ax = pyplot.subplots()
    display = PerplexityDisplay(maps, labels=y).plot(
        ax=ax,
        n_cols=2,
        scatter_kwargs={"s": 7},
        text_kwargs={"size": 4},
        key_kwargs={"label": "digit"},
    )
    assert display.bounding_ax_ is ax
    assert display.figure_ is figure
    assert display.axes_.shape == (2, 2)
    assert not display.axes_[1, 1].axison
    assert display.displays_["0"].scatters_[0].get_sizes() == [7]
    assert display.displays_["0"].texts_[0].get_fontsize() == 4
    assert display.key_.ax.get_ylabel() == "digit"


@pytest.mark.parametrize(
    ("reducers", "kwargs", "message"),
    [
        (None, {"perplexities": (5, 150)}, r"below the number of .* \[5, 150\]. Give"),
        (PCA(), {"perplexities": (5,)}, r"Received PCA with .* Name the one"),
        ({"a": QUICK}, {"perplexities": (5,)}, r"one reducer .* a dict of 1. Give"),
        ({"a": PCA(3)}, {}, r"maps \(n_samples, 2\).* {'a': \(150, 3\)}. Use"),
        ({"a": PCA(2), "b": PCA(3)}, {}, r"'b': \(150, 3\)}. Use reducers"),
        ({"a": Z[:9, :2]}, {}, r"maps of the 150 samples.* shape \(9, 2\). Give"),
        (KNeighborsClassifier(), {}, r"Received KNeighborsClassifier, which has none"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(
    pyplot, reducers, kwargs, message
):
    with pytest.raises(ValueError, match=message):
        PerplexityDisplay.from_latents(Z, reducers, **kwargs)
