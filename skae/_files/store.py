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
from skae._files.words import numbered, to_json
from skae._models import Spec

# Raised by one when older versions can't read the files any more.
FORMAT_VERSION = 1
_SPEC_WORDS = ("latent_dim", "activation", "latent_activation", "output_activation")


class FileFormatError(ValueError):
    """A file is not one that `save` wrote, or not any more.

    The message names the file and says what is wrong with it: damaged, cut off, of
    another format, or written by a newer version.
    """


def save(estimator, path, run=None, arrays=None):  # numpydoc ignore=PR01
    """Write a fitted transformer to a file, whole or not at all.

    A checkpoint also holds the state of its `run`, and `arrays` by name; words stand
    in it for objects of the user's own.
    """
    from safetensors.numpy import save as to_bytes

    content, tensors = _take_apart(estimator, own=run is not None)
    if run is not None:
        content["run"] = run
        tensors |= {k: np.asarray(v, order="C") for k, v in arrays.items()}
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    metadata = {"skae": text, "digest": _digest(text, tensors)}
    data = to_bytes(tensors, metadata)
    _refuse_unreadable(data, text)
    # A link stays one: it is the file behind it that is written.
    path = os.path.realpath(path)
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


def load_run(path):  # numpydoc ignore=PR01,RT01
    """Load what a checkpoint holds beside its transformer: the run and all arrays."""
    with refusing(path):
        *_, tensors, run = read(path)
    if run is None:
        raise FileFormatError(
            f"{path!r} is a transformer that `save` wrote, not a checkpoint. Choose "
            "another path for `checkpoint`."
        )
    return run, tensors


def load_fitted(path, spec):  # numpydoc ignore=PR01,RT01
    """Load the fitted attributes of a checkpoint whose spec is known."""
    with refusing(path):
        _, fitted, tensors, _ = read(path)
        return attributes(fitted, tensors, spec)


@contextlib.contextmanager
def refusing(path):
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


def read(path):
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
    return parameters, fitted, tensors, run


def _check_version(path, version):
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"expected a format version of 1 or more, got {version!r}")
    if version > FORMAT_VERSION:
        raise FileFormatError(
            f"{path!r} has format version {version}, this skae reads up to "
            f"{FORMAT_VERSION}. Upgrade skae to load it."
        )


def _refuse_unreadable(data, text):
    """Refuse to write what `load` would not read."""
    n_header = int.from_bytes(data[:8], "little")
    try:
        parse_json(text)
    except ValueError as error:
        raise ValueError(f"{_TOO_MUCH} {error}") from error
    if n_header > MAX_HEADER_BYTES:
        raise ValueError(_TOO_MUCH)


_TOO_MUCH = (
    "The names of the features and the losses of the epochs are more than a file "
    "holds. Pickle the transformer, or fit it on data without feature names."
)


def _take_apart(estimator, own=False):
    tensors = {f"weight_{i}": w for i, w in enumerate(estimator.weights_)}
    tensors |= {f"state_{i}": np.asarray(s) for i, s in enumerate(_state(estimator))}
    spec = estimator._spec
    content = {
        "format_version": FORMAT_VERSION,
        "skae_version": __version__,
        "parameters": {
            name: to_json(value, name, own)
            for name, value in estimator.get_params(deep=False).items()
        },
        "fitted": {
            "history": estimator.history_,
            "n_iter": estimator.n_iter_,
            "n_features_in": estimator.n_features_in_,
            "sample_shape": list(estimator.sample_shape_),
            "feature_names_in": list(getattr(estimator, "feature_names_in_", [])),
            "random_state": to_json(estimator._random_state, "random_state"),
            "network": to_json(spec.network, "network", own),
            "dtype": spec.dtype,
            **{word: to_json(getattr(spec, word), word, own) for word in _SPEC_WORDS},
        },
    }
    return content, {k: np.asarray(v, order="C") for k, v in tensors.items()}


def _state(estimator):
    """The optimizer's state; none is kept after whitening."""
    return estimator._optimizer_state or []


def spec_of(fitted, estimator):  # numpydoc ignore=PR01,RT01
    """Give the spec that a file describes."""
    return Spec(
        network=fitted["network"],
        sample_shape=fitted["sample_shape"],
        loss=estimator.loss,
        optimizer=estimator.optimizer,
        dtype=fitted["dtype"],
        **{word: fitted[word] for word in _SPEC_WORDS},
    )


def attributes(fitted, tensors, spec):
    """Give the fitted attributes, without the program that runs them."""
    state = {
        "weights_": numbered(tensors, "weight"),
        "history_": fitted["history"],
        "n_iter_": fitted["n_iter"],
        "n_features_in_": fitted["n_features_in"],
        "sample_shape_": spec.sample_shape,
        "output_activation_": spec.output_activation,
        "_spec": spec,
        "_optimizer_state": numbered(tensors, "state") or None,
        "_random_state": fitted["random_state"],
    }
    if fitted["feature_names_in"]:
        names = np.array(fitted["feature_names_in"], dtype=object)
        state["feature_names_in_"] = names
    return state


def _digest(text, tensors):
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _sync_folder(folder):
    """Make the new name last, where the system has a way to say so."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
