"""What every Display draws with: panels, and defaults that users' keywords replace."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np


def merge_kwargs(defaults, user, artist):
    """Return the keywords of one kind of artist; those of the user win.

    Aliases ("lw" and "linewidth") count as one keyword: matplotlib refuses both.
    """
    from matplotlib.cbook import normalize_kwargs

    return {**normalize_kwargs(defaults, artist), **normalize_kwargs(user, artist)}


def one_axes(ax, figsize=None):
    """Return `ax`, or the axes of a new figure whose labels are never clipped."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def panels(ax, n_rows, n_cols, figsize):
    """Return the bounding axes, or None, and an array of axes (n_rows, n_cols).

    `ax` is None (a new figure), one axes, whose place the panels take, or an
    array of as many axes as there are panels.
    """
    import matplotlib.pyplot as plt
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    if ax is None:
        _, axes = plt.subplots(
            n_rows, n_cols, figsize=figsize, squeeze=False, layout="constrained"
        )
        return None, axes

    if not isinstance(ax, plt.Axes):
        axes = np.asarray(ax, dtype=object)
        if axes.size != n_rows * n_cols:
            raise ValueError(
                f"Expected one axes, or {n_rows * n_cols} for {n_rows} rows of "
                f"{n_cols} panels. Received {axes.size} axes. Give one axes, which "
                "is then divided, or leave `ax` out for a new figure."
            )
        return None, axes.reshape(n_rows, n_cols)

    if not ax.axison:
        raise ValueError(
            "Expected an axes to divide into panels. Received one whose place is "
            "taken by an earlier drawing. Give `ax=display.axes_` to draw on the "
            "same panels again, or an axes of its own."
        )
    ax.set_axis_off()
    if ax.get_subplotspec() is None:
        box = ax.get_position()
        grid = ax.figure.add_gridspec(
            n_rows, n_cols, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1
        )
    else:
        grid = GridSpecFromSubplotSpec(n_rows, n_cols, ax.get_subplotspec())
    axes = np.empty((n_rows, n_cols), dtype=object)
    for i, j in np.ndindex(n_rows, n_cols):
        axes[i, j] = ax.figure.add_subplot(grid[i, j])
    return ax, axes


def page_color(ax):
    """Return the colour that the axes are drawn on."""
    from matplotlib.colors import to_rgba

    # A see-through axes shows the figure behind it.
    red, green, blue, alpha = to_rgba(ax.get_facecolor())
    if alpha < 0.5:
        red, green, blue, _ = to_rgba(ax.figure.get_facecolor())
    return red, green, blue


def on_dark_page(ax):
    """Tell whether the axes are drawn on a dark ground."""
    red, green, blue = page_color(ax)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def diverging_map(ax):
    """Return the name of a colour map whose middle is the ground of the page."""
    return "berlin" if on_dark_page(ax) else "RdBu_r"


def set_ticks(axis, n_places, labels):
    """Put labels at places counted from 0, or none."""
    axis.set_ticks([] if labels is None else range(n_places), labels=labels)
    axis.set_tick_params(labelsize="small")


def largest_first(sizes):
    """Return positions along the last axis, the largest size first.

    Those of one size keep their order: they may differ by the rounding of a sum, which
    is not alike on every processor.
    """
    sizes = np.nan_to_num(np.asarray(sizes, dtype=float))
    largest = np.abs(sizes).max(axis=-1, keepdims=True, initial=0.0)
    shares = np.round(sizes / np.where(largest > 0, largest, 1.0), 5)
    return np.argsort(-shares, axis=-1, kind="stable")
