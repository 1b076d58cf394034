"""Colours and markers of classes, and of lines."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._drawing import page_color

# Found by a search for colours that lie far apart (CIELAB) to the normal eye and
# to simulated protanopia, deuteranopia and tritanopia, that stand out from white,
# black and the grey of unlabelled points. For each of these readers any two of the
# first ten are at least 23 units apart, and of all twenty 13; of matplotlib's own
# tab10 and tab20 the nearest two are 4.6 and 1.2 apart.
COLORS = [
    "#8332c7",
    "#e8210d",
    "#3dd7db",
    "#b7667c",
    "#b0ca71",
    "#ba90f9",
    "#dec604",
    "#5a0afb",
    "#a91389",
    "#a9112b",
    "#88d5ab",
    "#a78341",
    "#0e9ebb",
    "#e29e39",
    "#5879fd",
    "#e57c7b",
    "#e647a5",
    "#7664c2",
    "#a71f4c",
    "#e702fa",
]
# The same, those first that make the clearest lines.
_LINES = [
    "#8332c7",
    "#e8210d",
    "#0e9ebb",
    "#a78341",
    "#e647a5",
    "#5a0afb",
    "#b7667c",
    "#5879fd",
]
_LINES += [color for color in COLORS if color not in _LINES]
UNLABELLED_COLOR = "#a8a8a8"
# From the 21st class on colours come round again, each round with its own marker.
MARKERS = "osD^vP*X<>p"


def class_color(code):
    """Return the colour of a class; the twenty come round again."""
    return COLORS[code % len(COLORS)]


def class_marker(code):
    """Return the marker of a class, the same for twenty classes on end."""
    return MARKERS[code // len(COLORS) % len(MARKERS)]


def line_color(position, ax):
    """Return the colour of a line: of the twenty those that stand out on the page.

    A dot or a bar is seen in any of them, a thin line in yellow on white is not.
    """
    from matplotlib.colors import to_rgb

    page = _luminance(page_color(ax))
    # On black a line glows, but a dark colour is soon lost.
    least = 3 if page > 0.5 else 4.5
    strong = [
        color for color in _LINES if _contrast(_luminance(to_rgb(color)), page) >= least
    ]
    return strong[position % len(strong)]


def _contrast(one, other):
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def _luminance(rgb):
    """Return the relative luminance of a colour (WCAG 2)."""
    rgb = np.asarray(rgb[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
