"""`LossCurveDisplay`."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.plotting import LossCurveDisplay

HISTORY = {"loss": [0.9, 0.5, 0.4, 0.3], "val_loss": [0.9, 0.6, 0.5, 0.7]}


@pytest.mark.parametrize("constructor", ["from_estimator", "from_history"])
def test_both_constructors_draw_both_losses(pyplot, constructor):
    fitted = SimpleNamespace(history_=HISTORY)
    if constructor == "from_estimator":
        display = LossCurveDisplay.from_estimator({"ELU": fitted})
    else:
        display = LossCurveDisplay.from_history({"ELU": HISTORY})
    lines = display.lines_["ELU"]
    np.testing.assert_array_equal(lines["loss"].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(lines["loss"].get_ydata(), HISTORY["loss"])
    np.testing.assert_array_equal(lines["val_loss"].get_ydata(), HISTORY["val_loss"])
    assert lines["loss"].get_linestyle() != lines["val_loss"].get_linestyle()
    assert display.best_epochs_ == {"ELU": 3}
    assert display.best_["ELU"].get_xdata() == [3]
    assert display.ax_.get_xlabel() == "Epoch"
    assert display.figure_ is display.ax_.figure


def test_several_fits_share_the_axes_in_colours_of_their_own(pyplot):
    _, ax = pyplot.subplots()
    display = LossCurveDisplay.from_history({"a": HISTORY, "b": HISTORY}, ax=ax)
    assert display.ax_ is ax
    assert len(ax.lines) == 6
    first, second = display.lines_["a"], display.lines_["b"]
    assert first["loss"].get_color() == first["val_loss"].get_color()
    assert first["loss"].get_color() != second["loss"].get_color()
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == [
        "a, best epoch 3",
        "b, best epoch 3",
        "validation",
        "training",
        "best epoch",
    ]


def test_users_keywords_win_over_defaults(pyplot):
    display = LossCurveDisplay.from_history(
        HISTORY,
        log_scale=True,
        line_kwargs={"c": "red", "ls": ":"},
        val_line_kwargs={"lw": 5},
        best_kwargs={"marker": "s"},
        legend_kwargs={"title": "losses"},
    )
    lines = display.lines_["fit"]
    assert lines["loss"].get_color() == "red"
    assert lines["loss"].get_linestyle() == ":"
    assert lines["val_loss"].get_linewidth() == 5
    assert display.best_["fit"].get_marker() == "s"
    assert display.legend_.get_title().get_text() == "losses"
    assert display.ax_.get_yscale() == "log"


def test_losses_are_found_in_pipelines_keras_and_scikit_learn(pyplot):
    fitted = SimpleNamespace(history_=HISTORY)
    pipe = make_pipeline(StandardScaler(), StandardScaler())
    pipe.steps[0] = ("ae", fitted)
    assert LossCurveDisplay.from_estimator(pipe).best_epochs_ == {"Pipeline": 3}

    keras_history = SimpleNamespace(history=HISTORY)
    display = LossCurveDisplay.from_history(keras_history)
    assert display.best_epochs_ == {"fit": 3}
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["validation", "training", "best epoch 3"]

    X = np.random.default_rng(0).random((40, 2))
    net = MLPRegressor(hidden_layer_sizes=[2], max_iter=20, tol=1.0).fit(X, X)
    display = LossCurveDisplay.from_estimator(net)
    assert set(display.lines_["MLPRegressor"]) == {"loss"}
    assert display.lines_["MLPRegressor"]["loss"].get_linestyle() == "-"


def test_a_fit_that_diverged_is_drawn_without_a_best_epoch(pyplot):
    display = LossCurveDisplay.from_history({"loss": [np.nan, np.nan]})
    assert display.best_ == {}
    late = {"loss": [1.0, np.nan], "val_loss": [2.0, np.nan]}
    assert LossCurveDisplay.from_history(late).best_epochs_ == {"fit": 1}


def test_the_lowest_training_loss_is_no_best_epoch(pyplot):
    display = LossCurveDisplay.from_history({"loss": [1.0, 0.5], "val_loss": []})
    assert display.best_epochs_ == {}
    assert display.best_ == {}
    assert display.legend_ is None


def test_the_legend_of_very_many_fits_stays_in_the_figure(pyplot):
    display = LossCurveDisplay.from_history({str(i): HISTORY for i in range(60)})
    display.figure_.canvas.draw()
    legend, figure = display.legend_.get_window_extent(), display.figure_.bbox
    assert legend.y0 >= figure.y0
    assert legend.x1 <= figure.x1
    assert display.ax_.get_window_extent().width > 150


def test_training_is_dashed_also_for_a_fit_that_held_nothing_out(pyplot):
    display = LossCurveDisplay.from_history({"a": HISTORY, "b": {"loss": [1.0, 0.5]}})
    styles = {lines["loss"].get_linestyle() for lines in display.lines_.values()}
    assert styles == {"--"}
    alone = LossCurveDisplay.from_history({"loss": [1.0, 0.5]})
    assert alone.lines_["fit"]["loss"].get_linestyle() == "-"


def test_the_legend_of_many_fits_stands_beside_the_curves(pyplot):
    display = LossCurveDisplay.from_history({f"fit ${i}$": HISTORY for i in range(6)})
    display.figure_.canvas.draw()
    assert len(display.legend_.get_texts()) == 9
    beside = display.legend_.get_window_extent().x0
    assert beside >= display.ax_.get_window_extent().x1
    assert not display.legend_.get_texts()[0].get_parse_math()


def test_the_legend_stands_below_in_a_narrow_figure(pyplot):
    _, ax = pyplot.subplots(figsize=(4, 4), layout="constrained")
    display = LossCurveDisplay.from_history({str(i): HISTORY for i in range(4)}, ax=ax)
    display.figure_.canvas.draw()
    legend, curves = (one.get_window_extent() for one in (display.legend_, ax))
    assert legend.y1 <= curves.y0
    assert legend.y0 >= 0
    assert curves.height > 100


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_lines_stand_out_on_the_page(pyplot, style):
    with pyplot.style.context(style):
        display = LossCurveDisplay.from_history({str(i): HISTORY for i in range(12)})
    page = pyplot.matplotlib.colors.to_rgb(display.ax_.get_facecolor())
    colors = [lines["loss"].get_color() for lines in display.lines_.values()]
    assert len(set(colors)) == 12
    for color in colors:
        red, green, blue = pyplot.matplotlib.colors.to_rgb(color)
        # Too light for a line on white: nearer to the page than to black.
        light = 0.299 * red + 0.587 * green + 0.114 * blue
        assert abs(light - page[0]) > 0.25


@pytest.mark.parametrize(
    "history",
    [
        {"loss": []},
        {"a": {"val_loss": [1.0]}},
        {"loss": [1.0, 2.0], "val_loss": [1.0]},
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(pyplot, history):
    with pytest.raises(ValueError, match=r"Expected a history .* Received .* Give"):
        LossCurveDisplay.from_history(history)


def test_an_estimator_without_losses_is_refused_with_the_way_out(pyplot):
    with pytest.raises(ValueError, match=r"StandardScaler, which has neither. Fit it"):
        LossCurveDisplay.from_estimator(StandardScaler())
