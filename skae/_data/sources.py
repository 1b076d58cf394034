"""From what the user names as a source to the interface of `Source`."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from skae._data import limits
from skae._data.arrays import ArraySource
from skae._data.files import open_path
from skae._data.kinds import as_array, is_a, is_frame
from skae._data.pytorch import open_loader, open_samples
from skae._data.source import Batch, RunSource, Source, take_apart
from skae._data.sparse import sliced

# Rows of a slice of a data set or a frame.
_SLICE_ROWS = 256


def open_source(source: Any, once: bool = False) -> Source:
    """Bring whatever the user names as a source to the interface of `Source`.

    `once` says that it is read only once, so that a generator will do.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, (str, bytes, os.PathLike)):
        return open_path(Path(os.fsdecode(source)))
    if is_a(source, "tensorflow", "data.Dataset"):
        _refuse_endless(source)
        _refuse_unbatched(source)
        return Source(_Numpy(source))
    if is_a(source, "datasets", "Dataset"):
        return _open_slices(source)
    if is_a(source, "torch", "utils.data.DataLoader"):
        return open_loader(source)
    if is_a(source, "torch", "utils.data.Dataset"):
        return open_samples(source)
    if is_a(source, "keras", "utils.PyDataset"):
        return _open_batches(source)
    _refuse_unreadable(source, once)
    source = sliced(source)
    if is_frame(source):
        return _open_frame(source)
    shape = getattr(source, "shape", None)
    if isinstance(shape, tuple) and hasattr(source, "dtype"):
        if len(shape) < 2:
            raise ValueError(
                f"The source has shape {shape}; expected rows of features, of shape "
                "(n_samples, n_features), or images. Reshape it."
            )
        if hasattr(source, "detach"):
            source = as_array(source)
        return ArraySource(source)
    if not isinstance(source, Mapping):
        if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
            return _open_batches(source)
        if hasattr(source, "__iter__"):
            return Source(source)
    raise TypeError(
        "`source` must be a tf.data.Dataset, a datasets.Dataset, a keras PyDataset, a "
        "data set or a loader of PyTorch, a frame, an array, something that gives "
        "batches whenever it is iterated over, or the path of a directory of parquet "
        f"files or images. Got {source!r} instead."
    )


def _refuse_unreadable(source: Any, once: bool) -> None:
    if hasattr(source, "__next__") and not once:
        raise TypeError(
            f"A {type(source).__name__} can be read only once, and training reads its "
            "source once more for each epoch. Pass something that starts anew whenever "
            "it is iterated over: a list, a tf.data.Dataset, or an object whose "
            "__iter__ is a generator function."
        )


def _open_batches(source: Any) -> Source:
    """Open what gives its batches by number."""
    n_batches = len(source)
    return RunSource(n_batches, lambda i: iter([take_apart(source[i])]))


def _open_frame(frame: Any) -> Source:
    return _sliced(frame.shape[0], lambda rows: take_apart(frame[rows]))


def _refuse_endless(dataset: Any) -> None:
    if int(dataset.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise ValueError(
            "The tf.data.Dataset is endless; expected one that ends, since each epoch "
            "reads it once. Leave out `.repeat()`, or say how much is an epoch with "
            "`.take(n)`."
        )


def _refuse_unbatched(dataset: Any) -> None:
    """Refuse single samples, where the data set is surely one of these.

    An image would become a batch of rows. What has no known number of rows, or went
    through an operation whose elements may be anything, is taken as batches.
    """
    spec, step = dataset.element_spec, dataset
    while isinstance(spec, (tuple, list)) and spec:
        spec = spec[0]
    shape = getattr(spec, "shape", None)
    if shape is None or not shape.rank or shape[0] is None:
        return
    while step is not None:
        name = type(step).__name__
        if "Unbatch" in name or "TensorSlice" in name:
            raise ValueError(
                f"The tf.data.Dataset gives single samples, of shape {tuple(shape)}; "
                "expected batches of them. Put them together: dataset.batch(256)."
            )
        if any(word in name for word in ("Batch", "FlatMap", "Interleave", "Group")):
            return
        before: Any = getattr(step, "_inputs", list)()
        step = before[0] if len(before) == 1 else None


class _Numpy:
    """Gives the elements of a tf.data.Dataset as NumPy arrays, whenever iterated."""

    def __init__(self, dataset: Any):
        self._dataset = dataset

    def __iter__(self) -> Iterator[Any]:
        return iter(self._dataset.as_numpy_iterator())


def _open_slices(dataset: Any) -> Source:
    """Open a data set of Hugging Face, which lies in Arrow files on disk."""
    dataset = dataset.with_format("numpy")

    return _sliced(len(dataset), lambda rows: take_apart(dataset[rows]))


def _sliced(n_rows: int, take: Callable[[slice], Batch]) -> Source:
    """Open what gives any slice of its rows."""
    starts = range(0, n_rows, _SLICE_ROWS)
    stops = [min(start + _SLICE_ROWS, n_rows) for start in starts]

    def read(run: int) -> Iterator[Batch]:
        yield take(slice(starts[run], stops[run]))

    def label(run: int) -> str:
        return f"rows {starts[run]} to {stops[run] - 1}"

    sizes = [stop - start for start, stop in zip(starts, stops, strict=True)]
    return RunSource(len(starts), read, label, limits.SHUFFLE_BYTES, sizes)
