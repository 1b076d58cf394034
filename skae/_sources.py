"""Where rows come from: arrays on disk, data sets, directories of files.

Every source is brought to one small interface. `ordered` goes through it as it lies.
A source that can be entered anywhere has runs, stretches of rows that lie together, and
`some` goes through those it is told. Both give pairs of a label, which names the place
in errors, and a batch. Packages are imported only by the sources that need them.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import importlib
import math
import mmap
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skae._validation import kept_dtype

# Bytes read at once where a source is read as it lies.
BLOCK_BYTES = 32 * 2**20
# Rows are drawn from a buffer of this size where it is filled from many places, and
# of the larger size where neighbours on disk come into it together.
SHUFFLE_BYTES = 64 * 2**20
LONG_SHUFFLE_BYTES = 256 * 2**20
# So many places, or more, fill the buffer; a block holds half of it.
_MIN_RUNS = 512
_MAX_RUN_ROWS = 128
# Runs are joined to blocks of this size on their way to the buffer.
_JOINED_BYTES = 4 * 2**20
# Rows of a slice of a data set, files of a block of images.
_SLICE_ROWS = 256
_IMAGE_SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"]
)


class Batch(NamedTuple):
    """Rows or images as they came, with weights and names of columns if there are."""

    X: Any
    weight: Any = None
    names: list[str] | None = None


Labelled = Iterator[tuple[str, Batch]]


class Source:
    """A source that can only be read from its beginning to its end."""

    # The number of its runs, if it has any, and whether `sizes` gives their rows.
    n_runs = 0
    knows_sizes = False
    # What the shuffle buffer should hold.
    shuffle_bytes = LONG_SHUFFLE_BYTES

    def __init__(self, batches: Any):
        self._batches = batches

    def ordered(self) -> Labelled:
        """Give labels and batches in the order of the source."""
        iterator = iter(self._batches)
        number = 0
        while True:
            label = f"batch {number}"
            with reading(label):
                item = next(iterator, _END)
                if item is _END:
                    return
                batch = take_apart(item)
            yield label, batch
            number += 1

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
        self._sizes = np.array(sizes or ())
        if shuffle_bytes is not None:
            self.shuffle_bytes = shuffle_bytes

    def ordered(self) -> Labelled:
        return self.some(np.arange(self.n_runs))

    def some(self, runs: np.ndarray) -> Labelled:
        for run in map(int, runs):
            label = self._label(run)
            with reading(label):
                batches = iter(self._read(run))
            while True:
                with reading(label):
                    batch = next(batches, None)
                if batch is None:
                    break
                yield label, batch

    def sizes(self, runs: np.ndarray) -> np.ndarray:
        return self._sizes[runs]


class ArraySource(Source):
    """An array, or what is sliced as one: a memmap, an HDF5 or a Zarr array."""

    def __init__(
        self,
        array: Any,
        weight: np.ndarray | None = None,
        width: int | None = None,
    ):
        self._array = array
        self._weight = weight
        self._mapping = _shared_mapping(array)
        self._n_rows = int(array.shape[0])
        row_bytes = max(1, math.prod(array.shape[1:]) * np.dtype(array.dtype).itemsize)
        largest = max(row_bytes, (width or 0) * np.dtype(array.dtype).itemsize)
        block_rows = 2 ** int(math.log2(max(1, BLOCK_BYTES // largest)))
        self._block_rows = max(1, block_rows)
        self._joined_rows = max(1, _JOINED_BYTES // row_bytes)
        run_rows = SHUFFLE_BYTES // row_bytes // _MIN_RUNS
        self._run_rows = min(max(1, run_rows), _MAX_RUN_ROWS)
        self.shuffle_bytes = SHUFFLE_BYTES
        chunks = getattr(array, "chunks", None)
        if isinstance(chunks, tuple) and isinstance(chunks[0], int):
            # A chunk is read, and decompressed, whole or not at all.
            self._run_rows = chunks[0] * max(1, self._run_rows // chunks[0])
            if self._run_rows * row_bytes * _MIN_RUNS > SHUFFLE_BYTES:
                self.shuffle_bytes = LONG_SHUFFLE_BYTES
            self._joined_rows = max(self._joined_rows, self._run_rows)
        self.n_runs = -(-self._n_rows // self._run_rows)
        self.knows_sizes = self.n_runs > 0

    def ordered(self) -> Labelled:
        for start in range(0, self._n_rows, self._block_rows):
            stop = min(start + self._block_rows, self._n_rows)
            label = f"rows {start} to {stop - 1}"
            with reading(label):
                batch = self._slice(start, stop)
            yield label, batch
            del batch
            self._release()

    def some(self, runs: np.ndarray) -> Labelled:
        at_once = max(1, self._joined_rows // self._run_rows)
        unreleased = 0
        for i in range(0, len(runs), at_once):
            some = runs[i : i + at_once] * self._run_rows
            with reading(f"{len(some)} runs of rows, the first at row {some[0]}"):
                parts = [self._slice(s, s + self._run_rows) for s in map(int, some)]
                X = np.concatenate([part.X for part in parts])
                weight = None
                if self._weight is not None:
                    weight = np.concatenate([part.weight for part in parts])
            del parts
            unreleased += X.nbytes
            if unreleased >= _JOINED_BYTES:
                self._release()
                unreleased = 0
            yield f"the runs of rows from row {some[0]} on", Batch(X, weight)

    def sizes(self, runs: np.ndarray) -> np.ndarray:
        return np.minimum(self._run_rows, self._n_rows - runs * self._run_rows)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Give some rows; ascending order reads fastest."""
        X = np.concatenate([np.asarray(self._array[r : r + 1]) for r in rows.tolist()])
        self._release()
        return X

    def _slice(self, start: int, stop: int) -> Batch:
        weight = None if self._weight is None else self._weight[start:stop]
        return Batch(np.asarray(self._array[start:stop]), weight)

    def _release(self) -> None:
        """Let go of the pages of a file that were read; they stay on disk."""
        if self._mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)


def _shared_mapping(array: Any) -> mmap.mmap | None:
    """Give the mapping of an array that shows a file as it is.

    Pages of a copy-on-write mapping may hold what no file holds, so it is left alone.
    """
    shared = False
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            shared = getattr(array, "mode", "c") != "c"
        array = array.base
    return array if shared and isinstance(array, mmap.mmap) else None


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


# --------------------------------------------------------- from batches to rows


def take_apart(item: Any) -> Batch:
    """Find the samples, and weights if there are any, in what a source gives."""
    weight = None
    if isinstance(item, tuple):
        if not 1 <= len(item) <= 3:
            raise ValueError(
                "expected a batch to be an array X or a tuple (X,), (X, y) or "
                f"(X, y, sample_weight), got a tuple of {len(item)}."
            )
        weight = item[2] if len(item) == 3 else None
        item = item[0]
    if isinstance(item, Mapping):
        return _from_columns(dict(item), weight)
    if not hasattr(item, "columns"):
        item = np.asarray(item)
    return Batch(item, weight)


def _from_columns(columns: dict[str, Any], weight: Any) -> Batch:
    weight = columns.pop("sample_weight", weight)
    if "X" in columns:
        return Batch(np.asarray(columns["X"]), weight)
    arrays = {name: np.asarray(column) for name, column in columns.items()}
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


# ------------------------------------------------------------ from words to sources


def large_array(X: Any, limit: int, width: int | None = None) -> bool:
    """Tell whether X is sliced as an array, and has more bytes than the limit.

    Where the rows of what is made of it have more values, their `width` counts.
    """
    shape, dtype = getattr(X, "shape", None), getattr(X, "dtype", None)
    if not isinstance(shape, tuple) or not isinstance(dtype, np.dtype):
        return False
    if len(shape) < 2 or issparse(X) or not all(isinstance(n, int) for n in shape):
        return False
    kept = kept_dtype(X)
    itemsize = kept.itemsize if isinstance(kept, np.dtype) else 8
    n_values = shape[0] * max(math.prod(shape[1:]), width or 0)
    return dtype.kind in "biuf" and n_values * itemsize > limit


def open_source(source: Any, once: bool = False) -> Source:
    """Bring whatever the user names as a source to the interface of `Source`.

    `once` says that it is read only once, so that a generator will do.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open_path(Path(source))
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
    return RunSource(len(starts), read, label, SHUFFLE_BYTES, sizes)


def _open_path(path: Path) -> Source:
    if not path.exists():
        raise FileNotFoundError(f"There is no directory {str(path)!r}.")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*"))
    parquet = [file for file in files if file.suffix.lower() == ".parquet"]
    images = [file for file in files if file.suffix.lower() in _IMAGE_SUFFIXES]
    if bool(parquet) == bool(images):
        raise ValueError(
            f"{str(path)!r} holds {len(parquet)} parquet files and {len(images)} "
            "images; expected a directory of either. Files of HDF5 and Zarr are opened "
            "with h5py and zarr: pass the array in them."
        )
    return _open_parquet(path, parquet) if parquet else _open_images(path, images)


def _required(package: str, distribution: str, what: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{what} are read with {distribution}, which is not installed: "
            f'pip install {distribution}, or pip install "skae[scale]".'
        ) from error


def _open_parquet(path: Path, files: list[Path]) -> Source:
    """Open parquet files; their row groups can be read in any order."""
    pq = _required("pyarrow.parquet", "pyarrow", "Parquet files")
    runs, sizes = [], []
    for file in files:
        with reading(f"file {file}"), pq.ParquetFile(file) as opened:
            for group in range(opened.num_row_groups):
                runs.append((file, group))
                sizes.append(opened.metadata.row_group(group).num_rows)

    def read(run: int) -> Iterator[Batch]:
        file, group = runs[run]
        with pq.ParquetFile(file) as opened:
            for rows in opened.iter_batches(8192, row_groups=[group]):
                columns = {n: _to_numpy(rows[n]) for n in rows.schema.names}
                yield take_apart(columns)

    def label(run: int) -> str:
        file, group = runs[run]
        return f"row group {group} of {file.name}"

    return RunSource(len(runs), read, label, sizes=sizes)


def _to_numpy(column: Any) -> np.ndarray:
    """Turn a column of numbers, or of lists of one length, into an array."""
    if hasattr(column, "flatten"):  # lists
        values = column.flatten().to_numpy(zero_copy_only=False)
        return values.reshape(len(column), -1)
    return column.to_numpy(zero_copy_only=False)


def _open_images(path: Path, files: list[Path]) -> Source:
    """Open images, each a file; their pixels become numbers from 0 to 1."""
    Image = _required("PIL.Image", "pillow", "Images")

    def read(run: int) -> Iterator[Batch]:
        with Image.open(files[run]) as image:
            if image.mode in ("1", "P"):
                image = image.convert("L" if image.mode == "1" else "RGB")
            pixels = np.asarray(image)
        if pixels.dtype.kind == "u":
            pixels = np.divide(pixels, np.iinfo(pixels.dtype).max, dtype=np.float32)
        yield Batch(pixels[np.newaxis])

    def label(run: int) -> str:
        return f"image {files[run].relative_to(path) if path.is_dir() else path}"

    return RunSource(len(files), read, label, SHUFFLE_BYTES, [1] * len(files))
