"""Directories of files as sources: parquet, and images."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skae._data import limits
from skae._data.source import Batch, RunSource, Source, reading, take_apart

_IMAGE_SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"]
)


def open_path(path: Path) -> Source:
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
            # pandas writes the index of a frame beside its columns.
            of_pandas = opened.schema_arrow.pandas_metadata or {}
            index = of_pandas.get("index_columns", [])
            for rows in opened.iter_batches(8192, row_groups=[group]):
                names = [n for n in rows.schema.names if n not in index]
                columns = {n: _to_numpy(rows[n]) for n in names}
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
    ImageOps = _required("PIL.ImageOps", "pillow", "Images")

    def read(run: int) -> Iterator[Batch]:
        with Image.open(files[run]) as image:
            # A camera held upright says so beside the pixels.
            image = ImageOps.exif_transpose(image)
            if image.mode in ("1", "P"):
                image = image.convert("L" if image.mode == "1" else "RGB")
            pixels = np.asarray(image)
        if pixels.dtype.kind == "u":
            pixels = np.divide(pixels, np.iinfo(pixels.dtype).max, dtype=np.float32)
        yield Batch(pixels[np.newaxis])

    def label(run: int) -> str:
        return f"image {files[run].relative_to(path) if path.is_dir() else path}"

    return RunSource(len(files), read, label, limits.SHUFFLE_BYTES, [1] * len(files))
