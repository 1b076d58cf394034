"""Drawing of originals and reconstructions, as pictures or as rows of a table."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import textwrap

import numpy as np

from skae.plotting._drawing import diverging_map, largest_first, merge_kwargs
from skae.plotting._images import drawable, image_defaults, value_range
from skae.plotting._labels_colors import line_color
from skae.plotting._lines import legend_above
from skae.plotting._profiles import as_numbers, name_columns
from skae.plotting._text import as_written, shortened

# More columns than this, if they have no names, are a series, drawn in its order.
_LONGEST_TABLE = 20
# Columns drawn of each sample, if there are up to two of them, and if there are more.
_COLUMNS_OF_FEW, _COLUMNS_OF_MANY = 12, 6


def draw_pictures(axes, originals, decoded, image_kwargs, difference_kwargs):
    """Draw originals, reconstructions and differences; return the pictures."""
    limits = value_range(originals)
    kwargs = {
        **image_defaults(originals, axes[0, 0], limits),
        **(image_kwargs or {}),
    }
    change = decoded - originals
    if change.ndim == 4:
        change = change.mean(axis=-1)
    # Half of the range of the originals: one scale for all figures of the same data,
    # where that of the largest change would make every reconstruction look alike.
    bound = (limits[1] - limits[0]) / 2
    change_defaults = {
        "cmap": diverging_map(axes[0, 0]),
        "vmin": -bound,
        "vmax": bound,
        "interpolation": "nearest",
    }
    change_kwargs = {**change_defaults, **(difference_kwargs or {})}
    artists = np.empty(axes.shape, dtype=object)
    for i, j in np.ndindex(axes.shape):
        if j < 2:
            picture = drawable((originals, decoded)[j][i], limits)
            artists[i, j] = axes[i, j].imshow(picture, **kwargs)
        else:
            artists[i, j] = axes[i, j].imshow(change[i], **change_kwargs)
        axes[i, j].set(xticks=[], yticks=[])
        axes[i, j].spines[:].set_visible(False)
    return artists


def draw_scale(axes, differences):
    """Draw the colour scale that the pictures of differences share."""
    low, high = differences[0].get_clim()
    beyond = any(
        np.nanmin(one.get_array()) < low or np.nanmax(one.get_array()) > high
        for one in differences
    )
    across = len({round(ax.get_position().x0, 3) for ax in axes}) > 1
    words = "reconstruction minus original"
    words = words if across else words.replace(" ", "\n", 1)
    bar = axes[0].figure.colorbar(
        differences[0],
        ax=list(axes),
        location="bottom",
        extend="both" if beyond else "neither",
        label=words,
        aspect=30 if across else 10,
    )
    bar.ax.xaxis.label.set_fontsize("small")
    bar.ax.tick_params(labelsize="small")
    return bar


class Table:
    """Rows of a table and their reconstructions, in units that can be compared.

    Parameters
    ----------
    X, X_hat : ndarray of shape (n_samples, n_features)
        Originals and reconstructions.

    reference : array-like of shape (n_rows, n_features) or None
        Rows whose means and standard deviations are the units; None for those of X.

    feature_names : list of str or None
        Names of the columns.

    kind : {"auto", "dots", "line"}
        How the rows are drawn.
    """

    def __init__(self, X, X_hat, reference, feature_names, kind):
        series = feature_names is None and X.shape[1] > _LONGEST_TABLE
        self.kind = ("line" if series else "dots") if kind == "auto" else kind
        self.names = name_columns(feature_names, X.shape[1])
        self.unit = "value"
        self.X, self.X_hat = X, X_hat
        # The columns of a series have one unit, and a shape that scaling would undo.
        if reference is not None and self.kind == "dots":
            reference = as_numbers(reference)
            if reference.shape[1] != X.shape[1]:
                raise ValueError(
                    f"Expected a reference with the {X.shape[1]} columns of X. "
                    f"Received {reference.shape[1]}. Give rows of the same table."
                )
            center, spread = np.nanmean(reference, axis=0), np.nanstd(reference, axis=0)
            # A column of one value has no unit, and is left in its own.
            spread = np.where(spread > 0, spread, 1.0)
            self.unit = "standard deviations from the mean"
            self.X, self.X_hat = (X - center) / spread, (X_hat - center) / spread

    def n_drawn(self, n_columns):
        """Return how many columns of each sample are drawn as dots."""
        if n_columns is None:
            n_columns = _COLUMNS_OF_FEW if len(self.X) <= 2 else _COLUMNS_OF_MANY
        return min(n_columns, self.X.shape[1])

    def draw(self, axes, n_columns, kwargs):
        """Draw a panel for each sample, and one for its difference if there is room."""
        draw = self._draw_line if self.kind == "line" else self._draw_dots
        n_series = 1 + axes.shape[1]
        artists = np.empty((len(self.X), n_series), dtype=object)
        for i, panels in enumerate(axes):
            artists[i] = draw(panels, i, self.n_drawn(n_columns), kwargs[:n_series])
        return artists

    def _series(self, ax, i):
        X, X_hat = self.X[i], self.X_hat[i]
        words = "original", "reconstruction", "difference"
        colors = [line_color(position, ax) for position in range(3)]
        return zip(words, (X, X_hat, X_hat - X), (0, 0, 1), colors, strict=True)

    def _draw_line(self, panels, i, n_columns, kwargs):
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        lines = []
        series = zip(self._series(panels[0], i), kwargs, strict=False)
        for (word, values, panel, color), user in series:
            defaults = {"color": color, "label": word, "linewidth": 1.2}
            lines += panels[panel].plot(values, **merge_kwargs(defaults, user, Line2D))
        panels[0].set_ylabel(self.unit, fontsize="small")
        for panel in panels:
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        return lines

    def _draw_dots(self, panels, i, n_columns, kwargs):
        """Draw columns from top to bottom, the most changed one first."""
        from matplotlib.lines import Line2D

        change = np.abs(self.X_hat[i] - self.X[i])
        columns = largest_first(change)[:n_columns]
        y = np.arange(len(columns))
        panels[0].hlines(
            y, self.X[i, columns], self.X_hat[i, columns], colors="0.5", linewidth=1.5
        )
        dots = []
        series = zip(self._series(panels[0], i), kwargs, strict=False)
        for (word, values, panel, color), user in series:
            defaults = {
                "color": color,
                "label": word,
                "linestyle": "",
                "marker": "s" if word == "original" else "o",
                "markersize": 6,
            }
            user_wins = merge_kwargs(defaults, user, Line2D)
            dots += panels[panel].plot(values[columns], y, **user_wins)
        for panel in panels:
            panel.axvline(0, color="0.5", linewidth=0.6, zorder=0)
            panel.set_ylim(len(columns) - 0.5, -0.5)
            panel.grid(axis="y", color="0.5", alpha=0.25)
        self._name(panels, columns)
        return dots

    def _name(self, panels, columns):
        panels[0].set_yticks(
            range(len(columns)), shortened([self.names[one] for one in columns])
        )
        as_written(panels[0].get_yticklabels())
        panels[0].tick_params(axis="y", labelsize="small")
        for panel in panels[1:]:
            panel.set_yticks(range(len(columns)), [""] * len(columns))

    def remark(self, n_columns):
        """Return what the axis of values is, and how many columns are drawn."""
        n_drawn, n_all = self.n_drawn(n_columns), self.X.shape[1]
        if self.kind == "line":
            return "column"
        order = "most changed first"
        if n_drawn < n_all:
            order = f"{n_drawn} of {n_all:,} columns, {order}"
        return f"{self.unit}; {order}"


def write_words(axes, words, across, errors, text_kwargs):
    """Write what the columns or rows of pictures are, and their errors."""
    small = _small(text_kwargs)
    for j, word in enumerate(words):
        if across:
            axes[0, j].set_title(word, **small)
        else:
            axes[0, j].set_ylabel(word, **small)
    for i, error in enumerate(errors):
        axes[i, 1].set_xlabel(f"MSE {error:.3g}", **small)


def write_beside(axes, last, remark, errors, text_kwargs):
    """Write errors beside the panels of a table, and a key above the first."""
    small = _small(text_kwargs)
    for panels, error in zip(axes, errors, strict=False):
        panels[-1].text(
            1.01,
            0.5,
            f"MSE {error:.3g}",
            transform=panels[-1].transAxes,
            **{"rotation": 270, "verticalalignment": "center", **small},
        )
    if axes.shape[1] > 1:
        axes[0, 1].set_title("difference", **small)
    letters = int(axes[0, 0].get_window_extent().width / axes[0, 0].figure.dpi * 13)
    for panel in last:
        panel.set_xlabel(textwrap.fill(remark, letters), **small)
    legend_above(axes[0, 0], ncols=2)


def _small(text_kwargs):
    from matplotlib.text import Text

    return merge_kwargs({"fontsize": "small"}, text_kwargs, Text)
