"""What a file may say: the checks on a saved transformer's header.

Each raises an error whose words `load` gives on, with the name of the file. They make
nothing larger than the header itself, and build no network.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import json
import math
import re
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from skae._engines.numpy.activations import ACTIVATIONS
from skae._files.layers import SavedLayers, read_layers
from skae._files.words import CLASSES, is_learner, make_learner
from skae._objectives.combined import resolve_objective
from skae._objectives.masking import weight_shapes
from skae._objectives.objective import is_masked

# No header of ours comes near this size; and a few bytes of JSON can become a hundred
# of Python objects, so these are counted before they are made.
MAX_HEADER_BYTES = 2**22
_MAX_VALUES = 300_000
_MAX_CONTAINERS = 10_000
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)

_NETWORKS, _OBJECTIVES = CLASSES["network"], CLASSES["objective"]
_MAX_LAYERS = 1000
_MAX_INT = 2**63
_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2",
    "U32": "<u4", "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
# Keras' names. To ask Keras itself would import TensorFlow.
_KERAS_ACTIVATIONS = {
    *ACTIVATIONS,
    *("celu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish"),
    *("hard_tanh", "log_sigmoid", "log_softmax", "mish", "relu6", "soft_shrink"),
    *("softmax", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax"),
    *("squareplus", "tanh_shrink", "threshold"),
}

Table = dict[str, tuple[str, tuple[int, ...]]]


class OwnObject(NamedTuple):
    """Stands for an object of the user's own, which a checkpoint has only words for."""

    words: str


def parse_json(text: str) -> dict[str, Any]:
    """Read a JSON object of bounded size, with no key twice and no NaN."""
    bare = _STRING.sub("", text)
    if bare.count(",") > _MAX_VALUES or bare.count("[") > _MAX_CONTAINERS:
        raise ValueError("the header holds too many values")
    if bare.count("{") > _MAX_CONTAINERS:
        raise ValueError("the header holds too many values")
    value = json.loads(
        text, object_pairs_hook=_without_twins, parse_constant=_refuse_constant
    )
    return _expect(value, dict, "header")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in the header")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"the header holds {name}")


def _expect(value: Any, kind: Any, name: str) -> Any:
    """Give the value if it is of a kind; a bool is no number here."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} is of the wrong type: {str(value)[:50]!r}")
    return value


def _int(value: Any, low: int, name: str, high: int = _MAX_INT) -> int:
    if not low <= _expect(value, int, name) < high:
        raise ValueError(f"{name} is out of range")
    return value


def _finite(value: Any, name: str) -> Any:
    if not math.isfinite(_expect(value, (int, float), name)):
        raise ValueError(f"{name} is not finite")
    return value


# ------------------------------------------------------------------------- tensors


def read_tensor_table(header: dict[str, Any], n_bytes: int) -> Table:
    """Give dtype and shape of each array, in the order of the file, gapless."""
    entries = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        shape = tuple(
            _int(size, 0, name) for size in _expect(entry["shape"], list, name)
        )
        if len(shape) > 32:
            raise ValueError(f"{name} has {len(shape)} dimensions")
        begin, end = (_int(place, 0, name) for place in entry["data_offsets"])
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"the shape of {name} does not go with its bytes")
        entries.append((begin, end, name, dtype.str, shape))
    at = 0
    table = {}
    for begin, end, name, dtype_str, shape in sorted(entries):
        if begin != at:
            raise ValueError(f"the bytes of {name} are not where they should be")
        at = end
        table[name] = dtype_str, shape
    if at != n_bytes:
        raise ValueError(f"expected {at} bytes of arrays, the file has {n_bytes}")
    return table


def check_tensors(
    table: Table,
    fitted: dict[str, Any],
    parameters: dict[str, Any],
    run: dict[str, Any] | None,
) -> None:
    """Check that the arrays are those of the network, before any is read."""
    network, objective = fitted["network"], fitted["objective"]
    own = isinstance(network, (OwnObject, SavedLayers))
    own = own or isinstance(objective, OwnObject)
    if own:
        # Its shapes are compared when the run goes on, with those of the network.
        expected = {k: entry for k, entry in table.items() if k.startswith("weight_")}
    else:
        shapes = _weight_shapes(network, objective, fitted)
        dtype = np.dtype(fitted["dtype"]).str
        expected = {f"weight_{i}": (dtype, s) for i, s in enumerate(shapes)}
    given = {name: entry for name, entry in table.items() if name in expected}
    if given != expected:
        raise ValueError("the weights are not those of the network")
    others = {*table} - {*expected} - _arrays_of(table, parameters, fitted)
    if run is not None:
        others -= {name for name in others if name.startswith("run_")}
        if run.get("strength") is not None:
            _, targets = table["run_targets"]
            if targets[1:] != (fitted["latent_dim"],):
                raise ValueError("the targets are not those of the latent vectors")
        best = [table[name] for name in table if name.startswith("run_best_")]
        if best and sorted(best) != sorted(expected.values()):
            raise ValueError("the best weights are not those of the network")
    others = _without_scaling(table, others, fitted["n_features_in"])
    states = {f"state_{i}" for i in range(len(others))}
    if others != states:
        raise ValueError("expected arrays named weight_0, ... and state_0, ...")
    if states and parameters["optimizer"] == "adam" and not own:
        moments = [table[f"state_{i}"] for i in range(1, len(states))]
        # The means of columns, which stand first, are not trained.
        trained = [*expected.values()][is_masked(fitted["objective"]) :]
        if table["state_0"][1] != () or moments != trained * 2:
            raise ValueError("the state of the optimizer is not that of the network")


def _arrays_of(table: Table, *held: dict[str, Any]) -> set[str]:
    """Check that the arrays of networks of layers are there; give their names."""
    networks = [one["network"] for one in held]
    numbers = {
        i for one in networks if isinstance(one, SavedLayers) for i in one.numbers
    }
    names = {name for name in table if name.startswith("array_")}
    if names != {f"array_{i}" for i in numbers} or numbers != {*range(len(numbers))}:
        raise ValueError("the arrays of the network are not those of its layers")
    return names


def _without_scaling(table: Table, names: set[str], n_features: int) -> set[str]:
    """Check the two arrays of a scaling, where there is one; give the other names."""
    found = {"center", "scale"} & names
    if found and (
        len(found) < 2 or {*map(table.get, found)} != {("<f8", (n_features,))}
    ):
        raise ValueError("center and scale are not those of the columns")
    return names - found


def _weight_shapes(
    network: Any, objective: Any, fitted: dict[str, Any]
) -> list[tuple[int, ...]]:
    """Give the shape of every weight, of an encoder that gives the objective's code."""
    shape, latent_dim = fitted["sample_shape"], fitted["latent_dim"]
    shapes = weight_shapes(objective, network, shape, latent_dim)
    code_size = getattr(objective, "code_size", None)
    if code_size is None:
        return shapes
    # The size of the code is the last one of a layer that gives it, and latent vectors
    # are the first one of a layer that takes them.
    of_code = weight_shapes(objective, network, shape, code_size(latent_dim))
    pairs = zip(shapes, of_code, strict=True)
    return [b if a[-1] != b[-1] else a for a, b in pairs]


# -------------------------------------------------------------- parameters and fit


def read_parameters(content: Any) -> dict[str, Any]:
    """Give the constructor's parameters; it checks them further itself."""
    parameters = {k: _value(v) for k, v in _expect(content, dict, "parameters").items()}
    for name, kinds in (
        ("network", (str, OwnObject, SavedLayers, *_NETWORKS.values())),
        ("activation", (str, OwnObject)),
        ("latent_activation", (str, OwnObject)),
        ("output_activation", (str, OwnObject)),
        ("loss", (str, OwnObject)),
        ("optimizer", (str, OwnObject)),
        ("learning_rate", (str, Real, OwnObject)),
        ("callbacks", type(None)),
    ):
        _expect(parameters[name], kinds, name)
    parameters["objective"] = _objective(parameters["objective"])
    if not is_learner(parameters["arrange"]):
        _expect(parameters["arrange"], (type(None), str, OwnObject), "arrange")
    return parameters


def read_fitted(content: Any) -> dict[str, Any]:
    """Give what a fit left, each with its type and range checked."""
    fitted = _expect(content, dict, "fitted")
    shape = _expect(fitted["sample_shape"], list, "sample_shape")
    shape = tuple(_int(size, 1, "sample_shape", 2**31) for size in shape)
    if not 1 <= len(shape) <= 4:
        raise ValueError("sample_shape must have one to four sizes")
    if _int(fitted["n_features_in"], 1, "n_features_in") != math.prod(shape):
        raise ValueError("n_features_in does not go with sample_shape")
    names = _expect(fitted["feature_names_in"], list, "feature_names_in")
    if names and len(names) != fitted["n_features_in"]:
        raise ValueError("feature_names_in does not go with n_features_in")
    if fitted["dtype"] not in ("float32", "float64"):
        raise ValueError("dtype must be float32 or float64")
    activations = {
        name: _value(fitted[name])
        for name in ("activation", "latent_activation", "output_activation")
    }
    network = _value(fitted["network"])
    # A network of the user's layers may end in none that is known.
    known = _KERAS_ACTIVATIONS | ({None} if isinstance(network, SavedLayers) else set())
    for name, value in activations.items():
        if not isinstance(value, OwnObject) and value not in known:
            raise ValueError(f"{name} is unknown")
    networks = (OwnObject, SavedLayers, *_NETWORKS.values())
    objective = _objective(_value(fitted["objective"]))
    if isinstance(objective, tuple) and not isinstance(objective, OwnObject):
        objective = resolve_objective(objective)
    return {
        **activations,
        "sample_shape": shape,
        "n_features_in": fitted["n_features_in"],
        "feature_names_in": [_expect(name, str, "feature name") for name in names],
        "history": _history(fitted["history"]),
        "n_iter": _int(fitted["n_iter"], 0, "n_iter"),
        "dtype": fitted["dtype"],
        "latent_dim": _int(fitted["latent_dim"], 1, "latent_dim", 2**31),
        "network": _expect(network, networks, "network"),
        "objective": objective,
        "arranged": _expect(fitted["arranged"], str, "arranged"),
        "random_state": _expect(
            _value(fitted["random_state"]), np.random.RandomState, "random_state"
        ),
    }


def read_run(content: Any) -> dict[str, Any]:
    """Give where a run stood when its checkpoint was written."""
    run = _expect(content, dict, "run")
    found = {"of": _expect(run["of"], dict, "run"), "finished": run["finished"]}
    if _expect(run["finished"], bool, "finished"):
        return found
    position = [_int(number, 0, "position") for number in run["position"]]
    sums = [_finite(number, "sums") for number in run["sums"]]
    stopping = run["stopping"]
    if stopping is not None:
        stopping = [_finite(number, "stopping") for number in stopping]
    strength = run["strength"]
    if strength is not None:
        _finite(strength, "strength")
    n_stopping = len(stopping or [0] * 3)
    if len(position) != 3 or len(sums) not in (2, 3) or n_stopping not in (3, 4):
        raise ValueError("the place of the run is of the wrong size")
    random_state = _value(_expect(run["random_state"], dict, "random_state"))
    began_with = _value(_expect(run["began_with"], dict, "began_with"))
    return {
        **found,
        "position": position,
        "sums": tuple(sums),
        "history": _history(run["history"]),
        "stopping": stopping,
        "strength": strength,
        "root": _expect(run.get("root", False), bool, "root"),
        "random_state": _expect(random_state, np.random.RandomState, "random_state"),
        "began_with": _expect(began_with, np.random.RandomState, "began_with"),
    }


def _objective(value: Any) -> Any:
    """Give an objective, or a tuple of several."""
    kinds = (OwnObject, *_OBJECTIVES.values())
    if not isinstance(value, tuple) or isinstance(value, OwnObject):
        return _expect(value, (type(None), *kinds), "objective")
    own = [
        one for one in value if isinstance(_expect(one, kinds, "objective"), OwnObject)
    ]
    return own[0] if own else value


def _history(content: Any) -> dict[str, list[float]]:
    history = {
        name: [_finite(loss, "history") for loss in _expect(losses, list, "history")]
        for name, losses in _expect(content, dict, "history").items()
    }
    if "loss" not in history:
        raise ValueError("history has no losses")
    return history


def _value(value: Any) -> Any:
    """Give a parameter: a plain value, a tuple of them, a network or a generator."""
    if isinstance(value, list):
        if len(value) > _MAX_LAYERS:
            raise ValueError("a parameter holds too many values")
        return tuple(_value(item) for item in value)
    if isinstance(value, dict) and "object" in value:
        return OwnObject(_expect(value["object"], str, "object"))
    if isinstance(value, dict) and "keras" in value:
        return read_layers(value["keras"])
    for kind, classes in CLASSES.items():
        if isinstance(value, dict) and kind in value:
            named = classes[value[kind]]
            return named(**{k: _value(v) for k, v in value["parameters"].items()})
    if isinstance(value, dict) and "arrange" in value:
        of_learner = {k: _value(v) for k, v in value["parameters"].items()}
        return make_learner(value["arrange"], of_learner)
    if isinstance(value, dict):
        return _random_state(value["random_state"])
    if isinstance(value, (int, float)) and not abs(value) < _MAX_INT:
        raise ValueError("a parameter is out of range")
    return value


def _random_state(content: Any) -> np.random.RandomState:
    kind, keys, position, has_gauss, gauss = _expect(content, list, "random_state")
    # NumPy reads beyond its keys at a position beyond them.
    _int(position, 0, "position of random_state", 625)
    _int(has_gauss, 0, "has_gauss of random_state", 2)
    _finite(gauss, "gauss of random_state")
    keys = [_int(key, 0, "random_state", 2**32) for key in keys]
    if kind != "MT19937" or len(keys) != 624 or not any(keys):
        raise ValueError("random_state is not one of NumPy's Mersenne twisters")
    # A seed spares the system's entropy; the state replaces what it gave.
    random_state = np.random.RandomState(0)
    words = np.array(keys, np.uint32)
    random_state.set_state((kind, words, position, has_gauss, gauss))
    return random_state
