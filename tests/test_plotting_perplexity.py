"""`PerplexityDisplay`."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.plotting import PerplexityDisplay

X, y = load_digits(n_class=4, return_X_y=True)
X, y = X[:150], y[:150]
PCA_8 = PCA(8, random_state=0).fit(X)
# Without threads, which would wait for one another on a busy machine.
QUICK = TSNE(max_iter=250, method="exact", random_state=0)


@pytest.mark.parametrize("constructor", ["from_estimator", "from_latents"])
def test_both_constructors_draw_a_panel_for_each_perplexity(pyplot, constructor):
    kwargs = {"labels": y, "perplexities": (5, 30), "reducer": QUICK}
    if constructor == "from_estimator":
        display = PerplexityDisplay.from_estimator(PCA_8, X, **kwargs)
    else:
        display = PerplexityDisplay.from_latents(PCA_8.transform(X), **kwargs)
    assert display.axes_.shape == (1, 2)
    for ax, value, trust in zip(
        display.axes_[0], (5, 30), display.trustworthiness, strict=True
    ):
        assert ax.get_title() == f"perplexity {value}\ntrustworthiness {trust:.3f}"
        assert 0.8 < trust <= 1
    for one in display.displays_:
        assert len(one.scatters_[0].get_offsets()) == 150
        assert [text.get_text() for text in one.texts_] == list("0123")
    assert display.key_ is not None
    assert display.bounding_ax_ is None


def test_neighbourhood_sizes_of_any_reducer(pyplot):
    reducer = make_pipeline(StandardScaler(), Isomap())
    display = PerplexityDisplay.from_latents(
        PCA_8.transform(X), perplexities=[20, 40], reducer=reducer
    )
    assert display.parameter == "n_neighbors"
    assert display.axes_[0, 1].get_title().startswith("n_neighbors 40")
    assert display.key_ is None
    # The reducer given is left as it was.
    assert reducer.get_params()["isomap__n_neighbors"] == 5


def test_panels_are_turned_mirrored_and_scaled_onto_the_first(pyplot):
    rng = np.random.default_rng(0)
    first = rng.normal(size=(50, 2))
    turn = np.array([[0.0, 1.0], [1.0, 0.0]])
    display = PerplexityDisplay([first, 7 * first @ turn + 3], [5, 15]).plot()
    drawn = [one.scatters_[0].get_offsets() for one in display.displays_]
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-9)
    limits = [(ax.get_xlim(), ax.get_ylim()) for ax in display.axes_.flat]
    assert limits[0] == limits[1]


def test_callers_axes_and_users_keywords(pyplot):
    maps = [np.random.default_rng(i).normal(size=(150, 2)) for i in range(3)]
    figure, ax = pyplot.subplots()
    display = PerplexityDisplay(maps, [1, 2, 3], labels=y).plot(
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
    assert display.displays_[0].scatters_[0].get_sizes() == [7]
    assert display.displays_[0].texts_[0].get_fontsize() == 4
    assert display.key_.ax.get_ylabel() == "digit"


def test_what_does_not_fit_is_refused_with_the_way_out(pyplot):
    Z = PCA_8.transform(X)
    with pytest.raises(ValueError, match=r"below the number of .* \[5, 150\]. Give"):
        PerplexityDisplay.from_latents(Z, perplexities=(5, 150))
    with pytest.raises(ValueError, match=r"Received PCA with .* Name the one"):
        PerplexityDisplay.from_latents(Z, reducer=PCA())
    with pytest.raises(ValueError, match=r"2 maps of shapes .* for 1 values. Use"):
        PerplexityDisplay([Z[:, :2], Z[:, :2]], [5]).plot()
    with pytest.raises(ValueError, match=r"one map \(n_samples, 2\)"):
        PerplexityDisplay([Z], [5]).plot()
