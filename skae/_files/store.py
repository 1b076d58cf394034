"""Saving a fitted transformer to a file that holds no code.

The file is in the safetensors format: parameters and versions as JSON in its header,
arrays as tensors. A digest over all of it stands in the header, so that a damaged file
is refused rather than half believed. A digest is no signature: whoever writes a file
computes it as well. So nothing that a file claims is believed, and nothing of a size
that it claims is made, before it agrees with the size of the file and with the rest.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from skae import __version__
from skae._files.content import (
    MAX_HEADER_BYTES,
    check_tensors,
    parse_json,
    read_fitted,
    read_parameters,
    read_run,
    read_tensor_table,
)
from skae._files.layers import SavedLayers
from skae._files.target import file_name, naming, refuse_folder
from skae._files.words import numbered

# Raised by one when older versions can't read the files any more.
FORMAT_VERSION = 1


class FileFormatError(ValueError):
    """A file is not one that `save` wrote, or not any more.

    The message names the file and says what is wrong with it: damaged, cut off, of
    another format, or written by a newer version.
    """


class Content(NamedTuple):
    """What a file holds, once checked."""

    parameters: dict[str, Any]
    fitted: dict[str, Any]
    tensors: dict[str, np.ndarray]
    # Where a run stood, in a checkpoint.
    run: dict[str, Any] | None


def write(path: Any, content: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    """Write a file, whole or not at all."""
    from safetensors.numpy import save as to_bytes

    tensors = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    versions = {"format_version": FORMAT_VERSION, "skae_version": __version__}
    text = json.dumps(versions | content, sort_keys=True, allow_nan=False)
    metadata = {"skae": text, "digest": _digest(text, tensors)}
    data = to_bytes(tensors, metadata)
    _refuse_unreadable(data, text)
    named = file_name(path)
    refuse_folder(named, "a saved transformer")
    # A link stays one: it is the file behind it that is written.
    path = os.path.realpath(named)
    with naming(named):
        _write_bytes(path, data)


def _write_bytes(path: str, data: bytes) -> None:
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".skae-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        # Ctrl-C may strike when the file has its new name already.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def read_checkpoint(
    path: str,
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Any]]:
    """Give what a fit left so far, all arrays, and where the run stood."""
    with refusing(path):
        _, fitted, tensors, run = read(path)
    if run is None:
        raise FileFormatError(
            f"{path!r} is a transformer that `save` wrote, not a checkpoint. Choose "
            "another path for `checkpoint`."
        )
    return fitted, tensors, run


@contextlib.contextmanager
def refusing(path: str) -> Iterator[None]:
    """Give whatever fails the words and the class of a file that is refused."""
    try:
        yield
    except (OSError, FileFormatError):
        raise
    except Exception as error:
        # The words may hold what the file says, at any length.
        raise FileFormatError(
            f"{path!r} is damaged, cut off or not a transformer that skae can use: "
            f"{str(error)[:300]}"
        ) from error


def read(path: str) -> Content:
    """Give parameters, fitted values, arrays and run of a file, once checked."""
    kind = os.stat(path).st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise FileFormatError(f"{path!r} is not a file, but a device or a pipe.")
    with open(path, "rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        n_header = int.from_bytes(file.read(8), "little")
        if not 0 < n_header <= min(n_bytes - 8, MAX_HEADER_BYTES):
            raise FileFormatError(
                f"{path!r} is not a file that skae wrote: expected the header of a "
                "safetensors file."
            )
        header = parse_json(file.read(n_header).decode())
        metadata = header.get("__metadata__") or {}
        text, digest = metadata.get("skae"), metadata.get("digest")
        if not isinstance(text, str) or not isinstance(digest, str):
            raise FileFormatError(
                f"{path!r} is a safetensors file, but not one that skae wrote."
            )
        content = parse_json(text)
        _check_version(path, content["format_version"])
        table = read_tensor_table(header, n_bytes - 8 - n_header)
        parameters = read_parameters(content["parameters"])
        fitted = read_fitted(content["fitted"])
        run = read_run(content["run"]) if "run" in content else None
        check_tensors(table, fitted, parameters, run)
        tensors = {
            name: np.fromfile(file, dtype, int(np.prod(shape))).reshape(shape)
            for name, (dtype, shape) in table.items()
        }
    if _digest(text, tensors) != digest:
        raise FileFormatError(
            f"{path!r} is damaged: its content does not match its digest."
        )
    for held in (parameters, fitted):
        if isinstance(held["network"], SavedLayers):
            arrays = numbered(tensors, "array")
            held["network"] = held["network"].filled(arrays, settled=held is fitted)
    return Content(parameters, fitted, tensors, run)


def _check_version(path: str, version: Any) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"expected a format version of 1 or more, got {version!r}")
    if version > FORMAT_VERSION:
        raise FileFormatError(
            f"{path!r} has format version {version}, this skae reads up to "
            f"{FORMAT_VERSION}. Upgrade skae to load it."
        )


def _refuse_unreadable(data: bytes, text: str) -> None:
    """Refuse to write what `load` would not read."""
    n_header = int.from_bytes(data[:8], "little")
    try:
        parse_json(text)
    except ValueError as error:
        raise ValueError(f"{_TOO_MUCH} {error}") from error
    if n_header > MAX_HEADER_BYTES:
        raise ValueError(_TOO_MUCH)


_TOO_MUCH = (
    "The names of the features, the losses of the epochs and the layers of a network "
    "of Keras models are more than a file holds. Pickle the transformer, or fit it on "
    "data without feature names."
)


def _digest(text: str, tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _sync_folder(folder: str) -> None:
    """Make the new name last, where the system has a way to say so."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
