"""Windows of series, (steps, features), drawn as lines along their steps."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._drawing import (
    largest_first,
    merge_kwargs,
    on_dark_page,
    page_color,
)
from skae.plotting._labels_colors import line_color

# More lines in a panel than these and their reconstructions are not told apart.
MOST_FEATURES = 3
# On a map colours are labels, and lines are told apart by their strokes.
_STROKES = ("-", "--", ":")
# Height and width of a window as a picture in a page, in pixels.
_PAGE_SIZE = 48, 72


def draw_window(ax, window, features, keywords, place=None, limits=None):
    """Draw features of a window as lines, in data units or within a place.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.

    window : ndarray of shape (n_steps, n_features)
        The values.

    features : list of int
        The features to draw.

    keywords : list of dict
        Keywords of `Axes.plot` for each of them, beside colour and width.

    place : tuple of float, default=None
        Left, right, bottom and top of where the lines lie; what is beyond `limits`
        is left out. By default steps and values are those of the axes.

    limits : tuple of float, default=None
        Values at the bottom and at the top of the place.

    Returns
    -------
    lines : list of Line2D
        One for each feature.
    """
    from matplotlib.lines import Line2D

    steps = np.arange(len(window), dtype=float)
    lines = []
    for j, (feature, user) in enumerate(zip(features, keywords, strict=True)):
        x, y = steps, window[:, feature]
        if place is not None:
            left, right, bottom, top = place
            low, high = limits
            x = left + (right - left) * steps / max(1, len(window) - 1)
            y = np.where((y >= low) & (y <= high), y, np.nan)
            y = bottom + (top - bottom) * (y - low) / (high - low)
        defaults = {"color": line_color(j, ax), "linewidth": 1.2}
        lines += ax.plot(x, y, **merge_kwargs(defaults, user, Line2D))
    return lines


def most(sizes, n_features=MOST_FEATURES):
    """Return the features of the largest sizes, in their order."""
    return np.sort(largest_first(sizes)[:n_features])


def draw_in_place(ax, window, extent, features, limits, user=None):
    """Draw a window in a box of its own, left, right, bottom and top."""
    from matplotlib.patches import Rectangle

    left, right, bottom, top = extent
    box = Rectangle((left, bottom), right - left, top - bottom)
    ax.add_patch(box).set(facecolor="none", edgecolor="0.8", linewidth=0.6)
    return tuple(
        draw_window(ax, window, features, [user] * len(features), extent, limits)
    )


def draw_on_map(ax, window, extent, features, limits, user=None):
    """Draw a window on a map, in black, on a ground that hides what is below."""
    from matplotlib.patches import Rectangle

    left, right, bottom, top = extent
    ground = Rectangle((left, bottom), right - left, top - bottom, zorder=3)
    ax.add_patch(ground).set(facecolor=page_color(ax), edgecolor="none")
    ink = {"color": "white" if on_dark_page(ax) else "black", "zorder": 3.5}
    keywords = [
        {**ink, "linewidth": 0.8, "linestyle": stroke, **(user or {})}
        for stroke in _STROKES[: len(features)]
    ]
    return tuple(draw_window(ax, window, features, keywords, extent, limits))


def name_lines(ax, lines, windows):
    """Say above the axes which line is which feature, if there are several."""
    n_features = windows.shape[2]
    if n_features == 1:
        return
    features = most(np.nanstd(windows, axis=(0, 1)))
    words = f"{len(features)} of {n_features:,} features, which vary most"
    legend_above(
        ax,
        lines,
        [f"feature {feature}" for feature in features],
        ncols=len(features),
        title=words if len(features) < n_features else None,
        title_fontsize="small",
    )


def legend_above(ax, *args, **kwargs):
    """Write a key of lines above the axes."""
    ax.legend(
        *args,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        frameon=False,
        fontsize="small",
        borderaxespad=0.1,
        columnspacing=1,
        **kwargs,
    )


def pictures_of(windows):
    """Return windows as grey pictures of their lines, for a page."""
    from PIL import Image, ImageDraw

    height, width = _PAGE_SIZE
    features = most(np.nanstd(windows, axis=(0, 1)))
    low, high = np.nanmin(windows), np.nanmax(windows)
    span = high - low if high > low else 1.0
    x = np.linspace(2, width - 3, windows.shape[1])
    pictures = np.zeros((len(windows), height, width), dtype=np.float32)
    for i, window in enumerate(windows):
        picture = Image.new("L", (width, height))
        pen = ImageDraw.Draw(picture)
        # The first line is the darkest, and drawn last.
        for j in reversed(range(len(features))):
            y = height - 3 - (height - 6) * (window[:, features[j]] - low) / span
            known = np.isfinite(y)
            points = [*zip(x[known].tolist(), y[known].tolist(), strict=True)]
            pen.line(points, fill=255 - 80 * j, width=1)
        pictures[i] = np.asarray(picture) / 255
    return pictures
