"""Where rows come from: arrays on disk, data sets, directories of files.

Every source is brought to one small interface. `ordered` goes through it as it lies.
A source that can be entered anywhere has runs, stretches of rows that lie together, and
`some` goes through those it is told. Both give pairs of a label, which names the place
in errors, and a batch. Packages are imported only by the sources that need them.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from skae._data import limits
from skae._data.kinds import as_array


class Batch(NamedTuple):
    """Rows or images as they came, with weights and names of columns if there are."""

    X: Any
    weight: Any = None
    names: list[str] | None = None
    # The numbers of its rows in the source, where these are known.
    rows: np.ndarray | None = None
    # What came beside the samples; labels are nothing to an autoencoder.
    y: Any = None

    def numbered(self, start: int) -> "Batch":
        """Say that its rows follow each other in the source from a number on."""
        shape = getattr(self.X, "shape", ())
        return self._replace(rows=start + np.arange(shape[0] if shape else 0))


Labelled = Iterator[tuple[str, Batch]]


class Source:
    """A source that can only be read from its beginning to its end."""

    # The number of its runs, if it has any, and whether `sizes` gives their rows.
    n_runs = 0
    knows_sizes = False
    # What the shuffle buffer should hold, where it is not the larger limit.
    _shuffle_bytes: int | None = None

    def __init__(self, batches: Any):
        self._batches = batches

    @property
    def shuffle_bytes(self) -> int:
        if self._shuffle_bytes is None:
            return limits.LONG_SHUFFLE_BYTES
        return self._shuffle_bytes

    def ordered(self) -> Labelled:
        """Give labels and batches in the order of the source."""
        with reading("batch 0"):
            # An endless iterator beside a length is as long as that says.
            iterator = itertools.islice(self._batches, _length(self._batches))
        number = n_rows = 0
        while True:
            label = f"batch {number}"
            with reading(label):
                item = next(iterator, _END)
                if item is _END:
                    return
                batch = take_apart(item).numbered(n_rows)
            number += 1
            n_rows += len(batch.rows)  # type: ignore[arg-type]
            yield label, batch

    def shuffled(self, generator: np.random.RandomState) -> Labelled:
        """Give labels and batches in an order to train in."""
        if not self.n_runs:  # there is but one order
            return self.ordered()
        return self.some(generator.permutation(self.n_runs))

    def some(self, runs: np.ndarray) -> Labelled:
        """Give labels and batches of some runs, in their order."""
        raise NotImplementedError

    def sizes(self, runs: np.ndarray) -> np.ndarray:
        """Give the numbers of rows of some runs, without reading them."""
        raise NotImplementedError


_END = object()


class RunSource(Source):
    """A source whose runs are files, slices or batches."""

    def __init__(
        self,
        n_runs: int,
        read: Callable[[int], Iterator[Batch]],
        label: Callable[[int], str] = "batch {}".format,
        shuffle_bytes: int | None = None,
        sizes: Sequence[int] | None = None,
    ):
        self.n_runs = n_runs
        self._read = read
        self._label = label
        self.knows_sizes = bool(sizes)
        # Found while they are read, where they are not known before.
        self._sizes = np.array(sizes if sizes else [-1] * n_runs)
        if shuffle_bytes is not None:
            self._shuffle_bytes = shuffle_bytes

    def ordered(self) -> Labelled:
        return self.some(np.arange(self.n_runs))

    def some(self, runs: np.ndarray) -> Labelled:
        starts = np.cumsum(self._sizes) - self._sizes
        known = bool((self._sizes >= 0).all())
        for run in map(int, runs):
            label, n_rows = self._label(run), 0
            with reading(label):
                batches = iter(self._read(run))
            while True:
                with reading(label):
                    batch = next(batches, None)
                if batch is None:
                    break
                if known:
                    batch = batch.numbered(int(starts[run]) + n_rows)
                n_rows += len(batch.X)
                yield label, batch
            self._sizes[run] = n_rows

    def sizes(self, runs: np.ndarray) -> np.ndarray:
        return self._sizes[runs]


class reading:
    """Names the batch in whatever goes wrong while it is read."""

    def __init__(self, label: str):
        self._label = label

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (ValueError, TypeError)):
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"In {self._label} of the source: {error}") from error
        if isinstance(error, Exception):
            raise RuntimeError(
                f"Reading {self._label} of the source failed: "
                f"{type(error).__name__}: {error}"
            ) from error


def _length(batches: Any) -> int | None:
    """Give the number of batches where an iterable says it."""
    try:
        return len(batches)
    except (TypeError, NotImplementedError):
        return None


def take_apart(item: Any) -> Batch:
    """Find the samples, and weights if there are any, in what a source gives."""
    weight = y = None
    if isinstance(item, list) and item and len(getattr(item[0], "shape", ())) > 1:
        # Loaders of PyTorch and generators of Keras give lists for tuples.
        item = tuple(item)
    if isinstance(item, tuple):
        if not 1 <= len(item) <= 3:
            raise ValueError(
                "expected a batch to be an array X or a tuple (X,), (X, y) or "
                f"(X, y, sample_weight), got a tuple of {len(item)}. If these are "
                "samples, make one array of them with np.stack."
            )
        weight = item[2] if len(item) == 3 else None
        y = item[1] if len(item) > 1 else None
        item = item[0]
        _refuse_single(item, y)
    if isinstance(item, Mapping):
        return _from_columns(dict(item), weight)._replace(y=y)
    if not hasattr(item, "columns"):
        item = as_array(item)
        _refuse_paths(item)
    return Batch(item, weight, y=y)


def _refuse_single(X: Any, y: Any) -> None:
    """Refuse a sample with its label where a batch of them is expected."""
    shapes = [getattr(part, "shape", None) for part in (X, y)]
    of_X, of_y = (tuple(shape) if shape is not None else None for shape in shapes)
    single = np.isscalar(y) or of_y == ()
    if single or (of_X and of_y and of_X[0] != of_y[0]):
        raise ValueError(
            "expected a batch of samples and as many labels, got "
            f"X of shape {of_X} and y of shape {() if single else of_y}. If this is "
            "one sample, put them together first: `dataset.batch(256)` of tf.data, a "
            "DataLoader of PyTorch, or X[np.newaxis]."
        )


def _refuse_paths(X: np.ndarray) -> None:
    if X.size and isinstance(X.flat[0], (str, bytes, os.PathLike)):
        raise TypeError(
            f"expected samples, got words such as {X.ravel().tolist()[0]!r}. Of files, "
            "pass the path of the directory that holds them, or read them in an object "
            "whose __iter__ gives batches of arrays."
        )


def _from_columns(columns: dict[str, Any], weight: Any) -> Batch:
    weight = columns.pop("sample_weight", weight)
    # The index of a frame of pandas, as Arrow keeps it.
    columns = {
        name: column
        for name, column in columns.items()
        if not str(name).startswith("__index_level_")
    }
    if "X" in columns:
        return Batch(as_array(columns["X"]), weight)
    arrays = {name: as_array(column) for name, column in columns.items()}
    if len(arrays) == 1 and next(iter(arrays.values())).ndim > 1:
        return Batch(next(iter(arrays.values())), weight)
    if len(arrays) > 1 and all(
        a.ndim == 1 and a.dtype.kind in "biuf" for a in arrays.values()
    ):
        return Batch(np.column_stack(list(arrays.values())), weight, list(arrays))
    kinds = {name: f"{a.dtype}, {a.ndim}-D" for name, a in arrays.items()}
    raise ValueError(
        "expected one column of samples, a column 'X' beside others, or several "
        f"columns of numbers, which are the features; got {kinds}. Select or rename "
        "the columns, for instance with `select_columns` or `rename_column` of "
        "datasets, or with `map` of tf.data."
    )
