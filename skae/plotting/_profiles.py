"""Profiles of clusters in a table: the columns in which they differ most."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import textwrap

import numpy as np

from skae.plotting._drawing import diverging_map, largest_first, on_dark_page
from skae.plotting._images import as_array
from skae.plotting._text import as_written, shortened

# Colours are strongest at so many standard deviations.
_STRONGEST = 2


def profile_of(X, codes, drawn, n_columns, feature_names):
    """Return the columns in which clusters differ most, and the means in them."""
    if feature_names is None:
        feature_names = getattr(X, "columns", None)
    values = as_numbers(X)
    names = name_columns(feature_names, values.shape[1])
    spread = np.nanstd(values, axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    means = np.array([np.nanmean(values[codes == code], axis=0) for code in drawn])
    deviations = (means - np.nanmean(values, axis=0)) / spread
    sizes = np.array([np.sum(codes == code) for code in drawn])
    apart = np.sqrt(np.nan_to_num(sizes @ deviations**2) / sizes.sum())
    columns = largest_first(apart)[:n_columns]
    return {
        "columns": [names[column] for column in columns],
        "means": means[:, columns],
        "deviations": deviations[:, columns],
        "n_all": values.shape[1],
    }


def as_numbers(X):
    """Return a table as floats, or say which columns are none."""
    values = as_array(X)
    if values.ndim != 2:
        raise ValueError(
            "Expected rows (n, p) of a table. Received an array of shape "
            f"{values.shape}. Give the samples on the first axis and columns on the "
            "second."
        )
    try:
        return values.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected columns of numbers. Received the value {_no_number(values)!r}. "
            "Leave such columns out, or make numbers of them, such as by "
            "OneHotEncoder."
        ) from error


def _no_number(values):
    for one in values.ravel():
        try:
            float(one)
        except (TypeError, ValueError):
            return one
    return None


def name_columns(feature_names, n_columns):
    """Return the names of columns, their numbers where they have none."""
    if feature_names is None:
        return [str(column) for column in range(n_columns)]
    if len(feature_names) != n_columns:
        raise ValueError(
            f"Expected {n_columns} feature_names, one for each column. Received "
            f"{len(feature_names)}. Give the names of all columns, in their order."
        )
    return [str(name) for name in feature_names]


def profile_size(display):
    """Return width and height of a new figure, in inches."""
    n_rows, n_columns = np.shape(display.profile["means"])
    longest = max(len(note) for note in display.notes)
    return 0.85 * n_columns + 0.075 * longest + 2.4, 0.36 * n_rows + 2.0


def draw_profile(display, image_kwargs):
    """Draw the table of means; return its cells and the key to its colours."""
    ax, profile = display.ax_, display.profile
    deviations, means = profile["deviations"], profile["means"]
    defaults = {
        "cmap": diverging_map(ax),
        "vmin": -_STRONGEST,
        "vmax": _STRONGEST,
        "aspect": "auto",
    }
    image = ax.imshow(deviations, **{**defaults, **(image_kwargs or {})})
    columns = shortened(profile["columns"])
    ax.set_xticks(range(len(columns)), columns, rotation=40, ha="left")
    ax.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    as_written(ax.get_xticklabels())
    for label in ax.get_xticklabels():
        label.set_rotation_mode("anchor")
    ax.spines[:].set_visible(False)
    words = "standard deviations from the mean of all"
    if len(columns) < profile.get("n_all", 0):
        words += f"; {len(columns)} of {profile['n_all']:,} columns, which differ most"
    key = key_of_deviations(image, words, 5.5)
    cells = np.empty(means.shape, dtype=object)
    for (i, j), mean in np.ndenumerate(means):
        strong = abs(deviations[i, j]) > 0.6 * _STRONGEST
        color = "white" if strong or on_dark_page(ax) else "black"
        place = {"ha": "center", "va": "center", "fontsize": "small"}
        cells[i, j] = ax.text(j, i, _number(mean), color=color, **place)
    return cells, key


def key_of_deviations(image, words, letter_width):
    """Draw the colour bar of a table below it; a letter is so many points wide."""
    figure = image.axes.figure
    letters = int(figure.get_figwidth() * 72 / letter_width)
    key = figure.colorbar(
        image,
        ax=image.axes,
        location="bottom",
        label=textwrap.fill(words, letters),
        aspect=40,
        extend="both",
    )
    key.ax.xaxis.label.set_fontsize("small")
    return key


def _number(value):
    """Return a mean in three figures that are read at a glance."""
    if np.isnan(value):
        return "none"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"
