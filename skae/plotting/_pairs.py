"""Drawing of originals and reconstructions, as pictures or as rows of a table."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._drawing import merge_kwargs
from skae.plotting._images import drawable, image_defaults, value_range
from skae.plotting._labels_colors import class_color

# More columns than this are drawn as lines: bars would be hairs.
_MOST_BARS = 20


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
    bound = float(np.abs(change).max()) or 1.0
    change_defaults = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
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


def draw_rows(axes, X, X_hat, kind, feature_names, kwargs):
    """Draw tabular rows as bars or lines; return them."""
    if kind == "auto":
        kind = "bar" if X.shape[1] <= _MOST_BARS else "line"
    artists = np.empty((len(X), 1 + axes.shape[1]), dtype=object)
    series = [
        ("original", X, 0, -0.2, class_color(0)),
        ("reconstruction", X_hat, 0, 0.2, class_color(1)),
        ("difference", X_hat - X, 1, 0.0, class_color(2)),
    ][: 1 + axes.shape[1]]
    for i in range(len(X)):
        for j, (word, values, panel, shift, color) in enumerate(series):
            artists[i, j] = _draw_row(
                axes[i, panel], kind, values[i], shift, word, color, kwargs[j]
            )
        for panel in axes[i]:
            _name_features(panel, X.shape[1], feature_names)
    return artists


def _name_features(ax, n_features, feature_names):
    from matplotlib.ticker import MaxNLocator

    if n_features <= _MOST_BARS and feature_names is not None:
        ax.set_xticks(range(n_features), feature_names, rotation=45, ha="right")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_row(ax, kind, values, shift, word, color, kwargs):
    """Draw one tabular row as bars or as a line."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    columns = np.arange(len(values))
    if kind == "line":
        defaults = {"color": color, "label": word, "linewidth": 1.2}
        return ax.plot(columns, values, **merge_kwargs(defaults, kwargs, Line2D))[0]
    defaults = {"color": color, "label": word, "width": 0.4}
    return ax.bar(columns + shift, values, **merge_kwargs(defaults, kwargs, Rectangle))
