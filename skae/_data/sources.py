"""From what the user names as a source to the interface of `Source`."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skae._data import limits
from skae._data.arrays import ArraySource
from skae._data.files import open_path
from skae._data.source import Batch, RunSource, Source, take_apart

# Rows of a slice of a data set, files of a block of images.
_SLICE_ROWS = 256


def open_source(source: Any, once: bool = False) -> Source:
    """Bring whatever the user names as a source to the interface of `Source`.

    `once` says that it is read only once, so that a generator will do.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, (str, os.PathLike)):
        return open_path(Path(source))
    if _is_a(source, "tensorflow", "data.Dataset"):
        return Source(_Numpy(source))
    if _is_a(source, "datasets", "Dataset"):
        return _open_slices(source)
    if hasattr(source, "__next__") and not once:
        raise TypeError(
            f"A {type(source).__name__} can be read only once, and training reads its "
            "source once more for each epoch. Pass something that starts anew whenever "
            "it is iterated over: a list, a tf.data.Dataset, or an object whose "
            "__iter__ is a generator function."
        )
    if _is_a(source, "keras", "utils.PyDataset"):
        return RunSource(len(source), lambda i: iter([take_apart(source[i])]))
    shape = getattr(source, "shape", None)
    if isinstance(shape, tuple) and hasattr(source, "dtype"):
        if len(shape) < 2:
            raise ValueError(
                f"The source has shape {shape}; expected rows of features, of shape "
                "(n_samples, n_features), or images. Reshape it."
            )
        return ArraySource(source)
    if isinstance(source, Sequence):
        return RunSource(len(source), lambda i: iter([take_apart(source[i])]))
    if hasattr(source, "__iter__") and not isinstance(source, (bytes, Mapping)):
        return Source(source)
    raise TypeError(
        "`source` must be a tf.data.Dataset, a datasets.Dataset, a keras PyDataset, an "
        "array, something that gives batches whenever it is iterated over, or the path "
        f"of a directory of parquet files or images. Got {source!r} instead."
    )


class _Numpy:
    """Gives the elements of a tf.data.Dataset as NumPy arrays, whenever iterated."""

    def __init__(self, dataset: Any):
        self._dataset = dataset

    def __iter__(self) -> Iterator[Any]:
        return iter(self._dataset.as_numpy_iterator())


def _is_a(source: Any, package: str, name: str) -> bool:
    """Tell whether the source is of a class of a package, without importing it."""
    found = sys.modules.get(package)
    for part in name.split("."):
        found = getattr(found, part, None)
    return isinstance(found, type) and isinstance(source, found)


def _open_slices(dataset: Any) -> Source:
    """Open a data set of Hugging Face, which lies in Arrow files on disk."""
    dataset = dataset.with_format("numpy")

    starts = range(0, len(dataset), _SLICE_ROWS)
    stops = [min(start + _SLICE_ROWS, len(dataset)) for start in starts]

    def read(run: int) -> Iterator[Batch]:
        yield take_apart(dataset[starts[run] : stops[run]])

    def label(run: int) -> str:
        return f"rows {starts[run]} to {stops[run] - 1}"

    sizes = [stop - start for start, stop in zip(starts, stops, strict=True)]
    return RunSource(len(starts), read, label, limits.SHUFFLE_BYTES, sizes)
