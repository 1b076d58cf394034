"""What tells which colour is which label: a colour bar or a legend."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._drawing import page_color
from skae.plotting._labels_colors import COLORS, UNLABELLED_COLOR, class_marker
from skae.plotting._text import as_written, wrapped

# A legend that takes more of the figure's width would leave no map.
_WIDEST_LEGEND = 0.45
# Far more than fit at any size; making them takes seconds.
_MOST_ENTRIES = 250


def draw_key(key, axes, points, codes, names, key_kwargs):
    """Draw what tells which colour is which label, beside the last of `axes`."""
    if key is None or codes is None or not points or points[0].get_array() is None:
        return None
    if key == "auto":
        many = names is not None and len(names) > len(COLORS)
        key = "legend" if many else "colorbar"
    if axes[-1].name == "3d" and key == "colorbar":
        # The axis labels of a 3-D map reach out of its axes.
        key_kwargs = {"pad": 0.12, "shrink": 0.8, **(key_kwargs or {})}
    if names is None:
        solid = points[0]
        bar = axes[-1].figure.colorbar(solid, ax=axes, **(key_kwargs or {}))
        bar.solids.set_alpha(1)
        return bar
    draw = _colorbar if key == "colorbar" else _legend
    return draw(axes, wrapped(names), bool(np.any(codes < 0)), points, key_kwargs or {})


def _colorbar(axes, names, some_unlabelled, points, key_kwargs):
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    colors = [points[0].cmap(i % len(COLORS)) for i in range(len(names))]
    first = 0
    if some_unlabelled:
        names, colors, first = ["unlabelled", *names], [UNLABELLED_COLOR, *colors], -1
    ticks = np.arange(first, first + len(names))
    norm = BoundaryNorm(np.append(ticks - 0.5, ticks[-1] + 0.5), len(names))
    bar = axes[-1].figure.colorbar(
        ScalarMappable(norm, ListedColormap(colors)), ax=axes, **key_kwargs
    )
    # Without this the ticks of a discrete bar sit between the colours.
    bar.set_ticks(ticks, labels=names)
    as_written(bar.ax.get_yticklabels() + bar.ax.get_xticklabels())
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=0)
    if bar.orientation == "vertical":
        room = bar.ax.get_window_extent().height * 72 / bar.ax.figure.dpi / len(names)
        size = bar.ax.yaxis.get_ticklabels()[0].get_fontsize()
        bar.ax.tick_params(labelsize=min(size, max(4.0, 0.8 * room)))
    return bar


def _legend(axes, names, some_unlabelled, points, key_kwargs):
    from matplotlib.lines import Line2D

    ax = axes[-1]

    def dot(color, marker, name):
        return Line2D(
            [], [], color=color, marker=marker, label=name, linestyle="", markersize=5
        )

    handles = [
        dot(points[0].cmap(code % len(COLORS)), class_marker(code), name)
        for code, name in enumerate(names)
    ]
    if some_unlabelled:
        handles.append(dot(UNLABELLED_COLOR, "o", "unlabelled"))
    gaps = {"handletextpad": 0.1, "columnspacing": 0.8, "borderaxespad": 0.0}
    # Only a layout engine makes room outside the axes.
    outside = ax.figure.get_layout_engine() is not None
    corner = {"loc": "upper left", "bbox_to_anchor": (1.02, 1)}
    place = corner if outside else {"loc": "upper right"}
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    widest = _WIDEST_LEGEND * ax.figure.bbox.width
    for size in (8, 7, 6, 5, 4) if len(handles) <= _MOST_ENTRIES else ():
        rows = max(1, int(height / (1.5 * size)))
        fit = {"fontsize": size, "ncols": -(-len(handles) // rows)}
        legend = ax.legend(handles=handles, **{**gaps, **place, **fit, **key_kwargs})
        as_written(legend.get_texts())
        if legend.get_window_extent().width <= widest:
            return legend
        legend.remove()
    _note(ax, f"{len(names):,} classes, too many to name here")
    return None


def _note(ax, words):
    """Say in a corner what the figure leaves out."""
    ax.annotate(
        words,
        (0.01, 0.01),
        xycoords="axes fraction",
        fontsize="small",
        zorder=6,
        bbox={"facecolor": page_color(ax), "edgecolor": "none", "alpha": 0.8, "pad": 2},
    )
