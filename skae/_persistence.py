"""Saving a fitted transformer to a file that holds no code.

The file is in the safetensors format: parameters and versions as JSON in its header,
arrays as tensors. A digest over all of it stands in the header, so that a damaged file
is refused rather than half believed.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import hashlib
import json
import os
import tempfile
from numbers import Integral, Real

import numpy as np

from skae import __version__
from skae._models import Spec
from skae._networks import ConvNetwork, DenseNetwork

__all__ = ["FileFormatError", "load"]

# Raised by one when older versions can't read the files any more.
FORMAT_VERSION = 1
# No header of ours comes near this size.
_MAX_HEADER_BYTES = 2**22
_NETWORKS = {"ConvNetwork": ConvNetwork, "DenseNetwork": DenseNetwork}
_SPEC_WORDS = ("latent_dim", "activation", "latent_activation", "output_activation")


class FileFormatError(ValueError):
    """A file is not one that `save` wrote, or not any more.

    The message names the file and says what is wrong with it: damaged, cut off, of
    another format, or written by a newer version.
    """


def save(estimator, path, run=None, arrays=None):  # numpydoc ignore=PR01
    """Write a fitted transformer to a file, whole or not at all.

    A checkpoint also holds the state of its `run`, and `arrays` by name.
    """
    from safetensors.numpy import save as to_bytes

    content, tensors = _take_apart(estimator)
    if run is not None:
        content["run"] = run
        tensors |= {k: np.asarray(v, order="C") for k, v in arrays.items()}
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    metadata = {"skae": text, "digest": _digest(text, tensors)}
    data = to_bytes(tensors, metadata)
    path = os.fspath(path)
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(folder)


def load(path):
    """Load a transformer that `AutoencoderTransformer.save` wrote.

    The file holds no code, and none is run: it is safe to load a file from a stranger,
    as far as its latent vectors and reconstructions can be trusted.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator : AutoencoderTransformer
        The fitted transformer, with the parameters it was saved with.

    Raises
    ------
    FileFormatError
        If the file is damaged, cut off, of another format or of a newer version.

    OSError
        If the file can't be read, for instance because there is none.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import skae
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> ae = skae.AutoencoderTransformer(2, epochs=5).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ae.save(Path(folder) / "iris.skae")
    ...     again = skae.load(Path(folder) / "iris.skae")
    >>> bool(np.all(again.transform(X) == ae.transform(X)))
    True
    """
    path = os.fspath(path)
    content, tensors = _read(path)
    try:
        return _put_together(content, tensors)
    except FileFormatError:
        raise
    except Exception as error:
        raise FileFormatError(
            f"{path!r} is not a transformer that skae can use: {error}"
        ) from error


def _read(path):
    """Give the content and the arrays of a file, if all is as it was written."""
    from safetensors import SafetensorError, safe_open

    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if not 0 < size <= min(os.path.getsize(path), _MAX_HEADER_BYTES):
        raise FileFormatError(
            f"{path!r} is not a file that skae wrote: expected the header of a "
            "safetensors file."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            text, digest = metadata.get("skae"), metadata.get("digest")
            if text is None or digest is None:
                raise FileFormatError(
                    f"{path!r} is a safetensors file, but not one that skae wrote."
                )
            version = json.loads(text)["format_version"]
            if version > FORMAT_VERSION:
                raise FileFormatError(
                    f"{path!r} has format version {version}, this skae reads up to "
                    f"{FORMAT_VERSION}. Upgrade skae to load it."
                )
            # Copies, since the file stays no longer open.
            names = file.keys()
            tensors = {name: np.array(file.get_tensor(name)) for name in names}
    except FileFormatError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(f"{path!r} is damaged or cut off: {error}") from error
    if _digest(text, tensors) != digest:
        raise FileFormatError(
            f"{path!r} is damaged: its content does not match its digest."
        )
    return json.loads(text), tensors


def _take_apart(estimator):
    tensors = {f"weight_{i}": w for i, w in enumerate(estimator.weights_)}
    tensors |= {f"state_{i}": np.asarray(s) for i, s in enumerate(_state(estimator))}
    spec = estimator._spec
    content = {
        "format_version": FORMAT_VERSION,
        "skae_version": __version__,
        "parameters": {
            name: _to_json(value, name)
            for name, value in estimator.get_params(deep=False).items()
        },
        "fitted": {
            "history": estimator.history_,
            "n_iter": estimator.n_iter_,
            "n_features_in": estimator.n_features_in_,
            "sample_shape": list(estimator.sample_shape_),
            "feature_names_in": list(getattr(estimator, "feature_names_in_", [])),
            "random_state": _to_json(estimator._random_state, "random_state"),
            "network": _to_json(spec.network, "network"),
            "dtype": spec.dtype,
            **{word: _to_json(getattr(spec, word), word) for word in _SPEC_WORDS},
        },
    }
    return content, {k: np.asarray(v, order="C") for k, v in tensors.items()}


def _state(estimator):
    """The optimizer's state; none is kept after whitening."""
    return estimator._optimizer_state or []


def _put_together(content, tensors):
    from skae._autoencoder import AutoencoderTransformer

    parameters = {k: _from_json(v) for k, v in content["parameters"].items()}
    estimator = AutoencoderTransformer(**parameters)
    estimator._validate_params()
    fitted = content["fitted"]
    spec = Spec(
        network=_from_json(fitted["network"]),
        sample_shape=tuple(fitted["sample_shape"]),
        loss=estimator.loss,
        optimizer=estimator.optimizer,
        dtype=fitted["dtype"],
        **{word: _from_json(fitted[word]) for word in _SPEC_WORDS},
    )
    state = {
        "weights_": _numbered(tensors, "weight"),
        "history_": fitted["history"],
        "n_iter_": fitted["n_iter"],
        "n_features_in_": fitted["n_features_in"],
        "sample_shape_": spec.sample_shape,
        "output_activation_": spec.output_activation,
        "_spec": spec,
        "_optimizer_state": _numbered(tensors, "state") or None,
        "_random_state": _from_json(fitted["random_state"]),
    }
    if fitted["feature_names_in"]:
        names = np.array(fitted["feature_names_in"], dtype=object)
        state["feature_names_in_"] = names
    estimator.__setstate__({**estimator.__getstate__(), **state})
    if estimator._engine is not None:
        estimator._engine.check(estimator.weights_)
    return estimator


def _numbered(tensors, kind):
    count = sum(name.startswith(f"{kind}_") for name in tensors)
    return [tensors[f"{kind}_{i}"] for i in range(count)]


def _to_json(value, name):
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str, Integral, Real)):
        return value
    if isinstance(value, (tuple, list)):
        return [_to_json(item, name) for item in value]
    if type(value) in _NETWORKS.values():
        parameters = value.get_params(deep=False)
        return {
            "network": type(value).__name__,
            "parameters": {k: _to_json(v, k) for k, v in parameters.items()},
        }
    if isinstance(value, np.random.RandomState):
        kind, keys, *rest = value.get_state()
        return {"random_state": [kind, np.asarray(keys).tolist(), *rest]}
    raise TypeError(
        f"`save` writes no code, and {name}={value!r} is an object of your own or of "
        "Keras. Use its name where it has one, or pickle the transformer."
    )


def _from_json(value):
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    if isinstance(value, dict) and "network" in value:
        parameters = {k: _from_json(v) for k, v in value["parameters"].items()}
        return _NETWORKS[value["network"]](**parameters)
    if isinstance(value, dict):
        random_state = np.random.RandomState()
        random_state.set_state(tuple(value["random_state"]))
        return random_state
    return value


def _digest(text, tensors):
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _sync_folder(folder):
    """Make the new name last, where the system has a way to say so."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
