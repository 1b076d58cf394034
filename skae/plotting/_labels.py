"""Labels of samples: classes in their order with their names, or numbers."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from datetime import date
from numbers import Integral, Number
from typing import Any

import numpy as np
from scipy.sparse import issparse


def encode_labels(labels, n_samples, class_names=None):
    """Return the codes and names of classes, or the values and None for numbers.

    Parameters
    ----------
    labels : array-like of shape (n_samples,) or (n_samples, 1)
        Floats that are not all whole numbers are a continuous quantity. All else
        is classes, in the order of a categorical or else sorted; masked values,
        NaN, None and -1 stand for unlabelled samples. The first label is that of
        the first sample, whatever the index of a Series.

    n_samples : int
        Number of samples to label.

    class_names : list of str or dict, default=None
        Names of the sorted classes, or of each class by its label. A dict with a
        name for -1 makes it a class.

    Returns
    -------
    codes : ndarray of shape (n_samples,)
        Positions of classes among the sorted ones, -1 for unlabelled samples; or
        the values themselves, NaN for unlabelled samples.

    names : list of str or None
        Names of the classes; None for a continuous quantity.
    """
    labels = _one_column(labels)
    ordered = _categories(labels)
    if ordered is not None:
        codes, classes = ordered
        _check_shape(codes, n_samples)
        places = np.unique(codes[codes >= 0])
        return _named(
            np.where(codes < 0, -1, np.searchsorted(places, codes)),
            [classes[place] for place in places],
            class_names,
            places.tolist(),
            len(classes),
        )
    values, missing = _values(labels)
    _check_shape(values, n_samples)
    missing = missing | _missing(values)
    known, classes = _sorted_classes(values[~missing])
    codes = np.full(n_samples, -1)
    if classes is None:
        _refuse_names(class_names)
        quantity = np.full(n_samples, np.nan)
        quantity[~missing] = known
        return quantity, None
    codes[~missing] = known
    return _named(codes, classes, class_names)


def _one_column(labels):
    """Return a frame of one column as that column."""
    columns = getattr(labels, "columns", None)
    if columns is None or not hasattr(labels, "shape"):
        return labels
    if len(columns) != 1:
        raise ValueError(
            "Expected one column of labels. Received a frame with the columns "
            f"{[str(one) for one in columns]}. Give one of them, such as "
            f"frame[{columns[0]!r}]."
        )
    return labels[columns[0]]


def _categories(labels):
    """Return codes and categories of a categorical in its order, or None.

    It is known by what it offers, so that pandas and polars need not be there.
    """
    dtype: Any = getattr(labels, "dtype", None)
    if type(dtype).__name__ == "CategoricalDtype":
        labels = getattr(labels, "cat", labels)
        return np.asarray(labels.codes, dtype=int), list(labels.categories)
    if type(dtype).__name__ == "Enum":
        codes = labels.to_physical().cast(int).fill_null(-1)
        return np.asarray(codes, dtype=int), list(dtype.categories)
    return None


def _values(labels):
    """Return labels as an array, and which of them are masked."""
    mask = np.ma.getmaskarray(labels) if np.ma.isMaskedArray(labels) else False
    if issparse(labels):
        labels = labels.toarray()
    try:
        values = np.asarray(np.ma.getdata(labels) if mask is not False else labels)
    except ValueError as error:
        raise ValueError(
            f"Expected one label for each sample. Received a {type(labels).__name__} "
            "of sequences of different lengths. Give one number or name a sample."
        ) from error
    if values.ndim == 0:
        raise ValueError(
            "Expected one label for each sample. Received a "
            f"{type(labels).__name__}, {str(labels)[:40]!r}. Give the labels "
            "themselves, in an array or a list; of a frame its column."
        )
    plain = isinstance(labels, list | tuple) and values.ndim == 1
    if plain and not any(hasattr(one, "__array__") for one in labels if np.ndim(one)):
        # NumPy would make "nan" of NaN beside strings, and 1.0 of True beside NaN.
        values = np.array(labels, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values, mask = values[:, 0], np.ravel(mask) if np.ndim(mask) else mask
    return values, mask


def _check_shape(labels, n_samples):
    if labels.shape == (n_samples,):
        return
    way_out = "Take the labels of the same rows."
    if labels.ndim == 2 and labels.shape[0] == n_samples:
        way_out = (
            "One-hot columns become labels by labels.argmax(axis=1); of other columns "
            "give one, such as labels[:, 0]."
        )
    raise ValueError(
        f"Expected one label for each of {n_samples} samples, an array of shape "
        f"({n_samples},). Received shape {labels.shape}. {way_out}"
    )


def _missing(values):
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "mM":
        return np.isnat(values)
    if values.dtype.kind in "OT":
        # pandas.NA has no truth value and is known by its type.
        return np.array(
            [
                one is None
                or type(one).__name__ in ("NAType", "NaTType")
                or (isinstance(one, Number | np.datetime64) and bool(one != one))
                for one in values.astype(object)
            ],
            dtype=bool,
        )
    return np.zeros(len(values), dtype=bool)


def _sorted_classes(known):
    """Return positions and sorted classes, or the values themselves and None."""
    if known.dtype.kind == "S":
        known = known.astype(object)
    if known.dtype.kind in "OT":
        return _sorted_objects([_text(one) for one in known.tolist()])
    if known.dtype.kind == "f":
        return _sorted_numbers(known)
    if known.dtype.kind not in "biuUmM":
        _refuse_type(known.dtype.name)
    classes, codes = np.unique(known, return_inverse=True)
    if known.dtype.kind in "mM":
        return codes, list(classes)
    return codes, classes.tolist()


def _sorted_numbers(known):
    if np.isinf(known).any():
        raise ValueError(
            "Expected labels of finite numbers. Received infinity. Put NaN where a "
            "sample has no label, or bound a quantity by numpy.clip."
        )
    if np.any(known != np.round(known)):
        return known.astype(float), None
    classes, codes = np.unique(known, return_inverse=True)
    return codes, [int(one) for one in classes]


def _sorted_objects(known):
    kinds = {_kind(one) for one in known}
    if kinds <= {"number", "truth"} and "number" in kinds:
        if not all(isinstance(one, Integral) for one in known):
            return _sorted_numbers(np.array([float(one) for one in known]))
        known = [int(one) for one in known]
    try:
        every = set(known)
    except TypeError:
        _refuse_type(" and ".join(sorted({type(one).__name__ for one in known})))
    try:
        classes = sorted(every)
    except TypeError:
        # Labels of several types have no order of their own: numbers come first.
        classes = sorted(every, key=lambda one: (_kind(one), str(one)))
        numbers = sorted(one for one in classes if _kind(one) == "number")
        classes = numbers + [one for one in classes if _kind(one) != "number"]
    codes = {one: code for code, one in enumerate(classes)}
    return np.array([codes[one] for one in known], dtype=int), classes


def _refuse_type(name):
    raise ValueError(
        "Expected labels that are numbers, strings, truth values or dates. Received "
        f"{name}. Give one of these for each sample, or None where there is none."
    )


def _kind(one):
    """Return what a label is: those of one kind have an order."""
    if isinstance(one, bool | np.bool_):
        return "truth"
    if isinstance(one, Number):
        if isinstance(one, complex):
            _refuse_type("complex")
        return "number"
    return "string" if isinstance(one, str) else type(one).__name__


def _text(one):
    """Return bytes as a string, and scalars of NumPy as those of Python."""
    if isinstance(one, bytes):
        return one.decode("utf-8", "backslashreplace")
    if isinstance(one, np.generic) and one.dtype.kind not in "mM":
        return one.item()
    return one


def _named(codes, classes, class_names, places=None, n_places=None):
    """Return the codes and names, once samples of class -1 are unlabelled.

    `places`, of `n_places`, are where in a list of all names the classes stand.
    """
    noise = [i for i, one in enumerate(classes) if _kind(one) == "number" and one == -1]
    if noise and not _has_name(class_names, -1):
        _refuse_unclear(class_names, classes)
        place = noise[0]
        codes = np.where(codes == place, -1, codes - (codes > place))
        classes = classes[:place] + classes[place + 1 :]
        places = places and places[:place] + places[place + 1 :]
    whole = all(_kind(one) in ("number", "truth") and one >= 0 for one in classes)
    if places is None and whole:
        places = [int(one) for one in classes]
    return codes, _class_names(classes, class_names, places, n_places)


def _has_name(class_names, label):
    return isinstance(class_names, dict) and bool(
        {label, str(label)} & set(class_names)
    )


def _refuse_unclear(class_names, classes):
    """Refuse as many names as there are classes with -1, which may be one or none."""
    if class_names is None or isinstance(class_names, dict):
        return
    if len(class_names) == len(classes):
        others = [one for one in classes if one != -1]
        raise ValueError(
            f"Expected class_names that say whether -1 is a class. Received "
            f"{len(class_names)} names for the labels {_some(classes)}, of which -1 "
            "means unlabelled unless it has a name. Give a dict: "
            f"{{-1: 'its name', {others[0] if others else 0}: ...}} makes it a class, "
            "and without -1 it stays unlabelled."
        )


def _refuse_names(class_names):
    if class_names is not None:
        raise ValueError(
            "Expected class_names for labels that are classes. Received labels with "
            "fractions, which are a continuous quantity. Leave class_names out, or "
            "make classes of the labels, such as by numpy.digitize."
        )


def _class_names(classes, class_names, places, n_places):
    own = [_own_name(one) for one in classes]
    if class_names is None:
        names = own
    elif isinstance(class_names, dict):
        names = _from_dict(classes, own, class_names)
    elif isinstance(class_names, str | set | frozenset) or not hasattr(
        class_names, "__len__"
    ):
        raise ValueError(
            "Expected class_names to be a list of names or a dict. Received a "
            f"{type(class_names).__name__}. Give a list in the order of the sorted "
            f"labels {_some(classes)}."
        )
    else:
        names = _from_list(classes, list(class_names), places, n_places)
    names = [str(name) for name in names]
    if class_names is None and len(set(own)) < len(own):
        twins = [name for name in own if own.count(name) > 1]
        raise ValueError(
            "Expected labels that differ when they are written. Received labels of "
            f"several types that are all written {min(twins)!r}. Make them of one "
            "type, such as by [str(label) for label in labels]."
        )
    return names


def _from_dict(classes, own, class_names):
    """Return names by label, or by the label as it is written: JSON has no others."""
    as_text = {str(key): name for key, name in class_names.items()}
    found = [
        class_names.get(one, as_text.get(name, as_text.get(str(one))))
        for one, name in zip(classes, own, strict=True)
    ]
    if class_names and classes and all(name is None for name in found):
        raise ValueError(
            f"Expected class_names by label, of {_some(classes)}. Received the keys "
            f"{_some(list(class_names))}, none of which is a label. Give the labels "
            "as keys, or a list of names in the order of the sorted labels."
        )
    return [
        mine if name is None else name for mine, name in zip(own, found, strict=True)
    ]


def _from_list(classes, class_names, places, n_places):
    if len(class_names) == len(classes):
        return class_names
    known = places is not None and max(places, default=0) < len(class_names)
    if known and n_places in (None, len(class_names)):
        # A part of the data, with the names of all: labels 0, 3 take names 0, 3.
        return [class_names[place] for place in places]
    first = classes[0] if classes else 0
    raise ValueError(
        f"Expected {len(classes)} class names, one for each class. Received "
        f"{len(class_names)}. Give them in the order of the sorted labels "
        f"{_some(classes)}, or a dict such as {{{first!r}: 'its name'}}."
    )


def _some(labels):
    """Return labels as text, the first ones of many."""
    shown = ", ".join(repr(one) for one in labels[:10])
    return f"[{shown}{', ...' if len(labels) > 10 else ''}]"


def _own_name(one):
    if isinstance(one, np.datetime64):
        return np.datetime_as_string(one, unit="auto")
    if isinstance(one, date):
        # Midnight is what a date without a time has become on its way.
        return one.isoformat().removesuffix("T00:00:00")
    return str(one) or "(empty)"
