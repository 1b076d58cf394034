"""Names of classes on a map: at their classes, legible, or else left to the key."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._drawing import merge_kwargs, page_color
from skae.plotting._placement import medoids, spread_texts
from skae.plotting._text import as_written, shortened

# More names than this are no map but a list.
MOST_NAMES = 60
# Classes of fewer members are named above them.
_FEW_MEMBERS = 4


class Names:
    """Class names drawn on a map.

    Parameters
    ----------
    texts : list of matplotlib Text
        The names, by class; those that found no room are not visible.

    leaders : matplotlib LineCollection or None
        Lines from names that had to move to where their classes are.

    boxes : ndarray of shape (n_visible, 4)
        Where the names are, in pixels as left, bottom, right, top.
    """

    def __init__(self, texts, leaders, boxes):
        self.texts = texts
        self.leaders = leaders
        self.boxes = boxes

    @property
    def all_visible(self):
        """Whether each class has a name that is seen."""
        return bool(self.texts) and all(text.get_visible() for text in self.texts)

    def remove(self):
        """Take the names off the map."""
        for artist in [*self.texts, self.leaders]:
            if artist is not None:
                artist.remove()


def draw_names(ax, Z, codes, names, text_kwargs):
    """Write class names at the medoids, if there are not too many of them."""
    if not names or len(names) > MOST_NAMES:
        return Names([], None, np.empty((0, 4)))
    kwargs = _text_kwargs(ax, len(names), text_kwargs)
    rows = medoids(Z, codes, len(names))
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    by_size = np.argsort(-sizes, kind="stable")
    short = shortened(names)
    texts = {code: ax.text(*Z[rows[code]], short[code], **kwargs) for code in by_size}
    as_written(texts.values())
    for code, text in texts.items():
        # Names stay inside the axes, whose size must not follow from them.
        text.set_in_layout(False)
        if sizes[code] < _FEW_MEMBERS:
            _raise_above_point(ax, text)
    boxes, far, far_boxes = spread_texts(ax, list(texts.values()))
    leaders = _draw_leaders(ax, [Z[rows[by_size[i]]] for i in far], far_boxes)
    return Names([texts[code] for code in range(len(names))], leaders, boxes)


def _raise_above_point(ax, text):
    """Move a name off the one point that it would hide."""
    place = ax.transData.transform(text.get_position())
    place[1] += (text.get_fontsize() / 2 + 6) * ax.figure.dpi / 72
    text.set_position(ax.transData.inverted().transform(place))


def _text_kwargs(ax, n_names, text_kwargs):
    from matplotlib.patheffects import withStroke
    from matplotlib.text import Text

    defaults = {
        "horizontalalignment": "center",
        "verticalalignment": "center",
        "fontsize": "medium" if n_names <= 12 else "small",
        "fontweight": "bold",
        "zorder": 5,
        # The page's own colour around the letters keeps them legible on any dots.
        "path_effects": [withStroke(linewidth=2.5, foreground=page_color(ax))],
    }
    return merge_kwargs(defaults, text_kwargs, Text)


def _draw_leaders(ax, places, boxes):
    """Draw a line from the edge of each box to the place that it names."""
    from matplotlib import rcParams
    from matplotlib.collections import LineCollection

    if not places:
        return None
    pixels = ax.transData.transform(places)
    starts = np.clip(pixels, boxes[:, :2], boxes[:, 2:])
    starts = ax.transData.inverted().transform(starts)
    lines = LineCollection(
        list(np.stack([starts, places], axis=1)),
        colors=rcParams["text.color"],
        linewidths=0.8,
        zorder=4.5,
    )
    lines.set_in_layout(False)
    return ax.add_collection(lines, autolim=False)
