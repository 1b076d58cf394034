"""Loss by epoch."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._drawing import merge_kwargs, one_axes
from skae.plotting._estimators import best_of
from skae.plotting._labels_colors import line_color
from skae.plotting._text import as_written

# A legend beside the curves would leave them too little of a narrower figure (inches).
_NARROW = 5.5
_WORDS = {"loss": "training", "val_loss": "validation"}


class LossCurveDisplay:
    """Training and validation loss by epoch, of one fit or of several.

    It is recommended to use
    :func:`~skae.plotting.LossCurveDisplay.from_estimator` or
    :func:`~skae.plotting.LossCurveDisplay.from_history` to create a display.
    All parameters are stored as attributes.

    Parameters
    ----------
    histories : dict of str to dict
        By the name of each fit its history: `{"loss": [...], "val_loss": [...]}`,
        one value an epoch; "val_loss" may be missing or empty.

    Attributes
    ----------
    lines_ : dict of str to dict of str to matplotlib Line2D
        By the name of each fit the lines of "loss" and of "val_loss".

    best_ : dict of str to matplotlib Line2D
        The mark at the best epoch of each fit that held samples out.

    best_epochs_ : dict of str to int
        The epoch, counted from 1, of the lowest validation loss. A fit that held
        nothing out has none: the lowest training loss says when it ended.

    legend_ : matplotlib Legend or None
        The legend, where there is more than one line: an entry for each fit, and
        one for each kind of line.

    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure with the curves.

    See Also
    --------
    ReconstructionDisplay : What the loss means to the eye.

    Examples
    --------
    >>> from skae.plotting import LossCurveDisplay
    >>> history = {"loss": [0.9, 0.5, 0.4], "val_loss": [0.9, 0.6, 0.7]}
    >>> display = LossCurveDisplay({"ELU": history}).plot()
    >>> display.best_epochs_
    {'ELU': 2}
    """

    def __init__(self, histories):
        self.histories = histories

    def plot(
        self,
        ax=None,
        *,
        log_scale=False,
        line_kwargs=None,
        val_line_kwargs=None,
        best_kwargs=None,
        legend_kwargs=None,
    ):
        """Draw the curves.

        Each fit has a colour of its own; training is dashed and validation solid.
        Of more than four entries the legend stands beside the curves, or below them
        in a narrow figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        log_scale : bool, default=False
            Draw the loss on a logarithmic scale.

        line_kwargs : dict, default=None
            Keywords of `Axes.plot` for the training loss.

        val_line_kwargs : dict, default=None
            Keywords of `Axes.plot` for the validation loss.

        best_kwargs : dict, default=None
            Keywords of `Axes.plot` for the marks at the best epochs.

        legend_kwargs : dict, default=None
            Keywords of `Axes.legend`.

        Returns
        -------
        display : :class:`~skae.plotting.LossCurveDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If a history has no loss, or curves of different lengths.
        """
        histories = {
            str(name): _checked(name, one) for name, one in self.histories.items()
        }
        self.ax_ = ax = one_axes(ax)
        self.figure_ = ax.figure
        self.lines_, self.best_, self.best_epochs_ = {}, {}, {}
        some_held_out = any("val_loss" in curves for curves in histories.values())
        for position, (name, curves) in enumerate(histories.items()):
            color = line_color(position, ax)
            lines = {}
            for kind, user in (("loss", line_kwargs), ("val_loss", val_line_kwargs)):
                if kind in curves:
                    lines[kind] = self._draw_line(
                        name, kind, curves[kind], color, some_held_out, user
                    )
            self.lines_[name] = lines
            best = _best_epoch(curves)
            if best is not None:
                self.best_epochs_[name] = best
                self.best_[name] = self._mark(best, curves, lines, best_kwargs)
        self._label_axes(log_scale)
        n_lines = sum(map(len, self.lines_.values()))
        self.legend_ = self._draw_legend(legend_kwargs) if n_lines > 1 else None
        return self

    @classmethod
    def from_estimator(cls, estimators, *, ax=None, **plot_kwargs):
        """Draw the loss curves of fitted estimators.

        Parameters
        ----------
        estimators : estimator instance or dict of str to estimator instance
            Fitted estimators, by name where there are several. Each has `history_`
            or `loss_curve_`, is a Pipeline with such a step, or a search over these,
            of which the best is taken.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.LossCurveDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.LossCurveDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If an estimator keeps no losses.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.neural_network import MLPRegressor
        >>> from skae.plotting import LossCurveDisplay
        >>> X, _ = load_digits(return_X_y=True)
        >>> net = MLPRegressor(hidden_layer_sizes=[8], max_iter=20, tol=1.0)
        >>> _ = net.fit(X / 16, X / 16)
        >>> display = LossCurveDisplay.from_estimator({"8 neurons": net})
        >>> display.ax_.get_xlabel()
        'Epoch'
        """
        if not isinstance(estimators, dict):
            estimators = {type(estimators).__name__: estimators}
        histories = {name: _history_of(one) for name, one in estimators.items()}
        return cls(histories).plot(ax=ax, **plot_kwargs)

    @classmethod
    def from_history(cls, history, *, ax=None, **plot_kwargs):
        """Draw loss curves from the losses themselves.

        Parameters
        ----------
        history : dict or Keras History, or dict of str to those
            `{"loss": [...], "val_loss": [...]}`, what `keras.Model.fit` returns, or
            several of them by name.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.LossCurveDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.LossCurveDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If a history has no loss, or curves of different lengths.

        Examples
        --------
        >>> from skae.plotting import LossCurveDisplay
        >>> display = LossCurveDisplay.from_history({"loss": [0.9, 0.5, 0.4]})
        >>> list(display.lines_)
        ['fit']
        """
        if not isinstance(history, dict) or "loss" in history:
            history = {"fit": history}
        return cls(history).plot(ax=ax, **plot_kwargs)

    def _draw_line(self, name, kind, values, color, some_held_out, user):
        from matplotlib.lines import Line2D

        defaults = {
            "color": color,
            "linestyle": "--" if kind == "loss" and some_held_out else "-",
            "linewidth": 1.2 if kind == "loss" else 1.8,
            "label": f"{name}, {_WORDS[kind]}",
        }
        kwargs = merge_kwargs(defaults, user, Line2D)
        return self.ax_.plot(np.arange(1, len(values) + 1), values, **kwargs)[0]

    def _mark(self, best, curves, lines, best_kwargs):
        from matplotlib.lines import Line2D

        defaults = {
            "color": lines["val_loss"].get_color(),
            "marker": "o",
            "linestyle": "",
            "markersize": 8,
            "markerfacecolor": self.ax_.get_facecolor(),
            "markeredgewidth": 2,
            "zorder": 3,
            "label": f"best epoch {best}",
        }
        kwargs = merge_kwargs(defaults, best_kwargs, Line2D)
        return self.ax_.plot(best, curves["val_loss"][best - 1], **kwargs)[0]

    def _draw_legend(self, legend_kwargs):
        """Name each fit once, and each kind of line once."""
        from copy import copy

        handles, words = [], []
        if len(self.lines_) > 1:
            for name, lines in self.lines_.items():
                best = self.best_epochs_.get(name)
                handles.append(copy(lines.get("val_loss", lines["loss"])))
                words.append(name if best is None else f"{name}, best epoch {best}")
        first = next(
            (one for one in self.lines_.values() if "val_loss" in one),
            next(iter(self.lines_.values())),
        )
        if len(first) > 1:
            kinds = [(first[kind], _WORDS[kind]) for kind in ("val_loss", "loss")]
            if self.best_:
                epoch = next(iter(self.best_epochs_.values()))
                word = f"best epoch {epoch}" if len(self.lines_) == 1 else "best epoch"
                kinds.append((next(iter(self.best_.values())), word))
            for line, word in kinds:
                handles.append(self._entry(line))
                words.append(word)
        legend = self._place_legend(handles, words, legend_kwargs or {})
        as_written(legend.get_texts())
        return legend

    def _entry(self, line):
        """Return a line for the legend: grey where it stands for that of any fit."""
        from copy import copy

        line = copy(line)
        if len(self.lines_) > 1:
            line.set_color("0.5")
            line.set_markeredgecolor("0.5")
        return line

    def _place_legend(self, handles, words, legend_kwargs):
        # More entries would cover the curves; only a layout engine makes room.
        place: dict = {"loc": "best"}
        if len(handles) > 4 and self.figure_.get_layout_engine() is not None:
            place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1)}
            height = self.figure_.get_figheight() * 72
            for size in (10, 8, 6):
                place["fontsize"] = size
                if len(handles) * 1.7 * size < height:
                    break
            place["ncols"] = int(np.ceil(len(handles) * 1.7 * size / height))
            if self.figure_.get_figwidth() < _NARROW:
                place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}
                place |= {"ncols": 2, "fontsize": "x-small"}
        return self.ax_.legend(handles, words, **{**place, **legend_kwargs})

    def _label_axes(self, log_scale):
        from matplotlib.ticker import MaxNLocator

        self.ax_.set(xlabel="Epoch", ylabel="Loss")
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True))
        if log_scale:
            self.ax_.set_yscale("log")


def _history_of(estimator):
    """Return the losses that an estimator, or a step of a Pipeline, has kept."""
    estimator = best_of(estimator)
    steps = [step for _, step in getattr(estimator, "steps", [])]
    # What stands on a transformer, such as a clusterer, keeps it by this name.
    inner = [
        one.transformer_ for one in [estimator, *steps] if hasattr(one, "transformer_")
    ]
    for one in map(best_of, [estimator, *reversed(steps), *inner]):
        if hasattr(one, "history_"):
            return one.history_
        if hasattr(one, "loss_curve_"):
            return {"loss": one.loss_curve_}
    raise ValueError(
        "Expected a fitted estimator with `history_` or `loss_curve_`. Received "
        f"{type(estimator).__name__}, which has neither. Fit it first, or give the "
        "losses themselves to LossCurveDisplay.from_history."
    )


def _best_epoch(curves):
    """Return the epoch of the lowest validation loss, or None where there is none."""
    values = curves.get("val_loss", np.empty(0))
    return int(np.nanargmin(values)) + 1 if np.isfinite(values).any() else None


def _checked(name, history):
    """Return the curves of one history as arrays, without those that are empty."""
    history = getattr(history, "history", history)
    curves = {
        kind: np.asarray(history[kind], dtype=float)
        for kind in ("loss", "val_loss")
        if kind in history and len(history[kind]) > 0
    }
    lengths = {kind: len(values) for kind, values in curves.items()}
    if "loss" not in curves or len(set(lengths.values())) > 1:
        raise ValueError(
            "Expected a history with one 'loss', and perhaps one 'val_loss', for each "
            f"epoch. Received for {name!r} the lengths {lengths}. Give "
            "{'loss': [...], 'val_loss': [...]} of one fit, or leave 'val_loss' out."
        )
    return curves
