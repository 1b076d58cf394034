"""Labels of samples: classes or numbers, their names and their colours."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

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
UNLABELLED_COLOR = "#a8a8a8"
# From the 21st class on colours come round again, each round with its own marker.
MARKERS = "osD^vP*X<>p"

_LONGEST_NAME = 24


def encode_labels(labels, n_samples, class_names=None):
    """Return the codes and names of classes, or the values and None for numbers.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Floats that are not all whole numbers are a continuous quantity. All else
        is classes; -1, NaN and None stand for unlabelled samples.

    n_samples : int
        Number of samples to label.

    class_names : list of str or dict, default=None
        Names of the sorted classes, or of each class by its label.

    Returns
    -------
    codes : ndarray of shape (n_samples,)
        Positions of classes among the sorted ones, -1 for unlabelled samples; or
        the values themselves, NaN for unlabelled samples.

    names : list of str or None
        Names of the classes; None for a continuous quantity.
    """
    labels = np.asarray(labels)
    if labels.shape != (n_samples,):
        raise ValueError(
            f"Expected one label for each of {n_samples} samples, an array of shape "
            f"({n_samples},). Received shape {labels.shape}. Take the labels of the "
            "same rows; one-hot columns become labels by labels.argmax(axis=1)."
        )
    missing = _missing(labels)
    known = labels[~missing]
    if known.dtype == object and all(isinstance(one, (int, float)) for one in known):
        known = known.astype(float)
    if known.dtype.kind == "f" and np.any(known != np.round(known)):
        values = np.full(n_samples, np.nan)
        values[~missing] = known
        return values, None

    if known.dtype.kind in "fiu":
        known = known.astype(np.int64)
        missing[~missing] = known == -1
        known = known[known != -1]
    elif known.dtype == object:
        # Labels of several types have no order of their own.
        known = known.astype(str)
    classes, positions = np.unique(known, return_inverse=True)
    codes = np.full(n_samples, -1)
    codes[~missing] = positions
    return codes, _class_names(classes.tolist(), class_names)


def _missing(labels):
    if labels.dtype.kind == "f":
        return np.isnan(labels)
    if labels.dtype == object:
        # pandas.NA has no truth value and is known by its type, so that pandas
        # need not be there.
        return np.array(
            [
                one is None or type(one).__name__ == "NAType" or one != one
                for one in labels
            ],
            dtype=bool,
        )
    return np.zeros(len(labels), dtype=bool)


def _class_names(classes, class_names):
    if class_names is None:
        names = classes
    elif isinstance(class_names, dict):
        names = [class_names.get(label, label) for label in classes]
    elif len(class_names) == len(classes):
        names = list(class_names)
    elif all(isinstance(one, int) and 0 <= one < len(class_names) for one in classes):
        # A part of the data, with the names of all: labels 0, 3 take names 0, 3.
        names = [class_names[label] for label in classes]
    else:
        raise ValueError(
            f"Expected {len(classes)} class names, one for each class. Received "
            f"{len(class_names)}. Give them in the order of the sorted labels "
            f"{classes}, or a dict such as {{{classes[0]!r}: 'its name'}}."
        )
    names = [str(name) for name in names]
    return [
        name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        for name in names
    ]


def class_color(code):
    """Return the colour of a class; the twenty come round again."""
    return COLORS[code % len(COLORS)]


def class_marker(code):
    """Return the marker of a class, the same for twenty classes on end."""
    return MARKERS[code // len(COLORS) % len(MARKERS)]
