"""What a decoder makes of places in latent space, where samples are rows of a table."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._drawing import diverging_map, largest_first
from skae.plotting._profiles import as_numbers, key_of_deviations, name_columns
from skae.plotting._text import as_written, shortened

# Colours are strongest at so many standard deviations.
_STRONGEST = 2
_MOST_ON_PLANE = 4
_MOST_IN_ROW = 6
# Latent vectors whose decoded samples tell the spread of columns.
MOST_DECODED = 1_000


def table_of(decoded, shape, kind, reference, feature_names):
    """Return the columns that change most, in each row or on the plane.

    Values are in standard deviations of the reference from its mean.
    """
    if feature_names is None:
        feature_names = getattr(decoded, "columns", None)
    reference, decoded = as_numbers(reference), as_numbers(decoded)
    names = name_columns(feature_names, decoded.shape[1])
    spread = np.nanstd(reference, axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    deviations = (decoded - np.nanmean(reference, axis=0)) / spread
    if kind == "random":
        # A draw has no place in the plane: one column for each.
        shape = 1, shape[0] * shape[1]
    deviations = deviations.reshape(*shape, len(names))
    if kind == "plane":
        spans = np.nanstd(deviations, axis=(0, 1))[None]
    else:
        spans = np.nanstd(deviations, axis=1)
    most = _MOST_ON_PLANE if kind == "plane" else _MOST_IN_ROW
    columns = largest_first(spans)[:, :most]
    return {
        "columns": [[names[column] for column in row] for row in columns],
        "deviations": np.take_along_axis(deviations, columns[:, None], axis=2),
        "n_all": len(names),
        "kind": kind,
    }


def table_size(table):
    """Return width and height of a new figure, in inches."""
    n_rows, n_cols, n_columns = table["deviations"].shape
    if table["kind"] == "plane":
        return 2.2 * n_columns + 0.8, 3.4
    return min(12, 0.45 * n_cols + 3.2), 0.24 * n_rows * (n_columns + 0.6) + 1.7


def draw_table(display, image_kwargs):
    """Draw blocks of colours; return their artist, and the key to the colours."""
    ax, table = display.ax_, display.table
    deviations = table["deviations"]
    draw = _draw_maps if table["kind"] == "plane" else _draw_rows
    defaults = {
        "cmap": diverging_map(ax),
        "vmin": -_STRONGEST,
        "vmax": _STRONGEST,
        "aspect": "auto",
        "interpolation": "nearest",
    }
    image = draw(display, deviations, {**defaults, **(image_kwargs or {})})
    ax.tick_params(length=0, labelsize="small")
    ax.spines[:].set_visible(False)
    as_written(ax.get_yticklabels() + ax.get_xticklabels())
    words = "standard deviations from the mean"
    n_columns = deviations.shape[-1]
    if n_columns < table["n_all"]:
        words += f"; {n_columns} of {table['n_all']:,} columns, which change most"
    return image, key_of_deviations(image, words, 6)


def _draw_rows(display, deviations, kwargs):
    """Draw a block for each row of places, with a line for each column."""
    n_rows, n_cols, n_columns = deviations.shape
    lines = np.full((n_rows, n_columns + 1, n_cols), np.nan)
    lines[:, :n_columns] = deviations.transpose(0, 2, 1)
    ax = display.ax_
    image = ax.imshow(lines.reshape(-1, n_cols)[:-1], **kwargs)
    names = shortened([name for row in display.table["columns"] for name in row])
    starts = np.arange(n_rows) * (n_columns + 1)
    ticks = (starts[:, None] + np.arange(n_columns)).ravel()
    ax.set_yticks(ticks, names)
    n_ticks = len(display.x_ticks or [])
    ax.set_xticks(range(n_ticks), labels=display.x_ticks or [])
    ax.set(xlabel=display.x_label or "")
    for start, label in zip(starts, display.y_ticks or [], strict=False):
        place = {"va": "center", "fontsize": "small"}
        ax.text(n_cols - 0.3, start + (n_columns - 1) / 2, label, **place)
    label = display.y_label or ""
    ax.text(
        1.14 if display.y_ticks else 1.03,
        0.5,
        label,
        transform=ax.transAxes,
        rotation=270,
        va="center",
        ha="left",
    )
    return image


def _draw_maps(display, deviations, kwargs):
    """Draw a map of the plane for each column, side by side."""
    n_rows, n_cols, n_columns = deviations.shape
    maps = np.full((n_rows, n_columns, n_cols + 1), np.nan)
    maps[:, :, :n_cols] = deviations.transpose(0, 2, 1)
    strengths = np.ones_like(maps)
    if display.strengths is not None:
        strengths[:, :, :n_cols] = np.asarray(display.strengths)[:, None]
    flat = maps.reshape(n_rows, -1)[:, :-1]
    alpha = strengths.reshape(n_rows, -1)[:, :-1]
    ax = display.ax_
    image = ax.imshow(flat, **{"alpha": alpha, **kwargs})
    starts = np.arange(n_columns) * (n_cols + 1)
    heads = [
        ax.text(start, -0.8, name, va="bottom", fontsize="small")
        for start, name in zip(
            starts, shortened(display.table["columns"][0], 20), strict=True
        )
    ]
    as_written(heads)
    ax.set_yticks(range(n_rows), labels=display.y_ticks or [""] * n_rows)
    ticks = [start + n for start in starts for n in (0, n_cols - 1)]
    ends = [(display.x_ticks or [""])[0], _last(display.x_ticks)]
    ax.set_xticks(ticks, labels=ends * n_columns)
    ax.set(xlabel=display.x_label or "", ylabel=display.y_label or "")
    return image


def _last(ticks):
    """Return the last tick with a word."""
    return next((tick for tick in reversed(ticks or []) if tick), "")
