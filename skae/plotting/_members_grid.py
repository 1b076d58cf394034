"""Words around rows of pictures or of a table, in the room that there is."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import textwrap

from skae.plotting._drawing import merge_kwargs
from skae.plotting._map import settle_layout
from skae.plotting._text import as_written, shortened

_TITLES = {
    "nearest": "nearest to the centre",
    "farthest": "farthest from the centre",
    "random": "random members",
    "between": "between two clusters",
}
# Sides of a picture in inches, and what words need of a new figure.
_LARGEST_SIDE = 0.6
_SMALLEST_SIDE = 0.3
_TALLEST = 9
# Space between the centre and the members, in sides of a picture.
_GAP = 0.25
_LINE = 1.25
_FONT_SIZES = (9, 8, 7, 6, 5, 4)


def grid_of(members, centers):
    """Return rows of pictures, the centres in front, and where columns lie."""
    rows = [list(images) for images in members]
    n_images = max(map(len, rows))
    rows = [row + [None] * (n_images - len(row)) for row in rows]
    offsets = [float(column) for column in range(n_images)]
    if centers is not None:
        rows = [[c, *row] for c, row in zip(centers, rows, strict=True)]
        offsets = [0.0, *(column + 1 + _GAP for column in offsets)]
    return rows, offsets


def grid_size(rows, offsets, notes):
    """Return width and height of a new figure, in inches."""
    side = max(_SMALLEST_SIDE, min(_LARGEST_SIDE, _TALLEST / len(rows)))
    longest = max(len(line) for note in notes for line in note.split("\n"))
    width = side * (offsets[-1] + 1) + 0.075 * max(longest, 24) + 1.0
    return width, side * (len(rows) + 1) + 0.4


def write_around(display, offsets, text_kwargs):
    """Write names, headings and notes; return notes and headings."""
    ax, n_rows = display.ax_, len(display.names)
    ax.set_yticks(range(n_rows), shortened(display.names))
    as_written(ax.get_yticklabels())
    ax.set(ylabel="cluster", xlabel=display.remark, xticks=[])
    ax.xaxis.label.set_fontsize("small")
    settle_layout(ax)

    n_columns = offsets[-1] + 1.3
    title = _TITLES.get(display.kind, display.kind)
    for size in _FONT_SIZES:
        unit, note_units, notes, headings = _try(
            display, offsets, n_columns, title, size, text_kwargs
        )
        n_lines = max(note.count("\n") for note in display.notes) + 1
        fits = unit * 72 / ax.figure.dpi >= _LINE * n_lines * size
        if fits or size == _FONT_SIZES[-1]:
            break
        for text in [*notes, *headings]:
            text.remove()
    ax.tick_params(axis="y", labelsize=size)
    ax.set_xlim(-0.5, offsets[-1] + 0.8 + note_units)
    n_lines = max(text.get_text().count("\n") for text in headings) + 1
    head = n_lines * size * _LINE * ax.figure.dpi / 72 / unit
    ax.set_ylim(n_rows - 0.5, -0.6 - head)
    return notes, headings


def _try(display, offsets, n_columns, title, size, text_kwargs):
    """Write at one size; return a picture's side and the width of the notes."""
    from matplotlib.text import Text

    ax = display.ax_
    inside = {"fontsize": size, "in_layout": False}
    defaults = {**inside, "verticalalignment": "center"}
    kwargs = merge_kwargs(defaults, text_kwargs, Text)
    x = offsets[-1] + 0.7
    notes = [ax.text(x, i, note, **kwargs) for i, note in enumerate(display.notes)]
    as_written(notes)
    over = merge_kwargs({"verticalalignment": "bottom", **inside}, text_kwargs, Text)
    heading = textwrap.fill(display.heading, 16)
    headings = [ax.text(x, -0.6, heading, **over)]
    box = ax.get_window_extent()
    wide = max(text.get_window_extent().width for text in [*notes, *headings])
    n_rows = len(display.names) + 1
    unit = max(1.0, min((box.width - wide) / n_columns, box.height / n_rows))

    n_centers = int(display.centers is not None)
    letters = int((offsets[-1] - offsets[n_centers] + 1) * unit * 72 / ax.figure.dpi)
    title = textwrap.fill(title, max(8, int(letters / (0.55 * size))))
    headings.insert(0, ax.text(offsets[n_centers] - 0.45, -0.6, title, **over))
    if n_centers:
        over["horizontalalignment"] = "right"
        headings.insert(0, ax.text(0.55, -0.6, "centre", **over))
    return unit, wide / unit, notes, headings


def write_beside(display, text_kwargs):
    """Write names and notes on either side of a table; return notes and heading."""
    from matplotlib.text import Text

    ax = display.ax_
    ax.set_yticks(range(len(display.names)), shortened(display.names))
    as_written(ax.get_yticklabels())
    ax.set(ylabel="cluster", xlabel=display.remark)
    ax.xaxis.label.set_fontsize("small")
    defaults = {"verticalalignment": "center", "fontsize": "small"}
    kwargs = merge_kwargs(defaults, text_kwargs, Text)
    x = len(display.profile["columns"]) - 0.4
    notes = [ax.text(x, i, note, **kwargs) for i, note in enumerate(display.notes)]
    as_written(notes)
    # As the heads of the columns, over which it would lie otherwise.
    slanted = {"rotation": 40, "rotation_mode": "anchor"}
    kwargs = {**kwargs, "verticalalignment": "baseline", **slanted}
    heading = textwrap.fill(display.heading, 16)
    return notes, [ax.text(x + 0.4, -0.6, heading, **kwargs)]
