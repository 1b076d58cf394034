"""What objects are made of, class by class; Keras is asked only where it is loaded."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import contextvars
import copyreg
import functools
import sys
import types
import weakref
from collections.abc import Callable, ItemsView, Iterable, KeysView, ValuesView
from typing import Any, NamedTuple

import numpy as np

from skae._fingerprints.code import found_as, is_static, is_trusted, named

_KERAS = ("keras.", "tensorflow.", "tf_keras.")
_PLAIN: tuple[Any, ...] = (str, bytes, int, float, complex)
_ITERABLE: tuple[Any, ...] = (list, tuple, set, frozenset)
# A ufunc does not say whose it is.
_OF_UFUNCS = ("numpy", "scipy.special")
# What may change in objects that do not pickle, and that otherwise are themselves.
_LOOKS: dict[Any, Callable[[Any], Any]] = {
    weakref.ref: lambda value: value(),
    contextvars.ContextVar: lambda value: value.get(None),
    memoryview: memoryview.tobytes,
    KeysView: list,
    ValuesView: list,
    ItemsView: list,
}


class Made(NamedTuple):
    """The parts of an object, and whether only `is` tells it apart for sure."""

    parts: list[Any]
    same: bool = False


class Absent:
    """Stands for what is not there."""


def of_object(value: Any) -> Made:
    """Take an object apart that is none of Keras or TensorFlow."""
    kind = type(value)
    if not is_trusted(kind.__module__):
        content = _content(value)
        if not _made_in_c(kind):
            return Made([state(value), content])
        reduced = _reduce(value)
        return Made([state(value), content, reduced], same=reduced is None)
    if hasattr(kind, "get_params"):  # all that an estimator knows is in attributes
        return Made([dict(sorted(vars(value).items()))])
    # Those of itertools pickle no more from Python 3.14 on, and warn before.
    reduced = None if kind.__module__ == "itertools" else _reduce(value)
    wrapped = _attribute(value, "__wrapped__")
    if wrapped is not None:  # by functools.cache, or a proxy
        return Made([wrapped, state(value), reduced])
    if reduced is not None:
        return Made([reduced])
    look = next((v for k, v in _LOOKS.items() if isinstance(value, k)), None)
    name = _attribute(value, "__name__")
    name = name if type(name) is str else None
    return Made([name, state(value), look and look(value)], same=True)


def state(value: Any, without: Iterable[str] = ()) -> dict[str, Any]:
    """Give the attributes of an object, whose order says nothing."""
    found = {**_attribute(value, "__dict__", {})}
    for base in type(value).__mro__:
        if not named(base):
            for name, slot in list(vars(base).items()):
                if isinstance(slot, types.MemberDescriptorType):
                    found[f"{base.__qualname__}.{name}"] = _slot(slot, value)
    names = sorted(found.keys() - {*without}, key=str)
    return {name: found[name] for name in names}


def _slot(slot: types.MemberDescriptorType, value: Any) -> Any:
    try:
        return slot.__get__(value)
    except AttributeError:
        return Absent


def _attribute(value: Any, name: str, default: Any = None) -> Any:
    """Give an attribute that may be computed, and fail in any way."""
    try:
        return getattr(value, name)
    except Exception:
        return default


def _content(value: Any) -> list[Any]:
    """Give what an object of the user's own holds as one of a built-in class."""
    parts: list[Any] = []
    if isinstance(value, dict):
        parts.append(dict(dict.items(value)))
    for base in _ITERABLE:
        if isinstance(value, base):
            parts.append(base(base.__iter__(value)))
    parts += [base.__getnewargs__(value) for base in _PLAIN if isinstance(value, base)]
    owner = _owner_of_reduce(type(value))
    # A set would give its items in an order that is not the same in other processes.
    if is_trusted(owner.__module__) and owner not in (object, set, frozenset):
        parts.append(_reduce(value))
    return parts


def _owner_of_reduce(kind: type) -> type:
    return next(
        base for base in kind.__mro__ if {"__reduce__", "__reduce_ex__"} & {*vars(base)}
    )


def _reduce(value: Any) -> Any:
    """Give what a pickle would hold, or None."""
    try:
        reducer = copyreg.dispatch_table.get(type(value))
        reduced = value.__reduce_ex__(4) if reducer is None else reducer(value)
        if isinstance(reduced, str):
            own = (getattr(value, "__module__", None), type(value).__module__)
            modules = (*own, *_OF_UFUNCS)
            places = [
                m for m in modules if is_trusted(m) and found_as(m, reduced, value)
            ]
            return (places[0], reduced) if places else None
        return [*reduced[:3], *(list(items or ()) for items in reduced[3:5])]
    except Exception:  # the object's own code
        return None


def _made_in_c(kind: type) -> bool:
    """Tell whether C code outside of trusted modules made a class."""
    return any(
        is_static(base)
        or (base.__bases__ == (object,) and not _PYTHON_CLASS & {*vars(base)})
        for base in kind.__mro__
        if not is_trusted(base.__module__)
    )


_PYTHON_CLASS = {"__dict__", "__slots__", "__weakref__"}


def is_keras(kind: type) -> bool:
    """Tell whether a class is derived from one of Keras or TensorFlow."""
    return any(f"{base.__module__}.".startswith(_KERAS) for base in kind.__mro__)


def of_keras(value: Any) -> Made:
    """Take an object of Keras, TensorFlow or a class derived from theirs apart."""
    kind = type(value)
    if _is(value, "tensorflow.Variable", "tensorflow.Tensor", "keras.Variable"):
        return _of_variable(value)
    if _is(value, "keras.random.SeedGenerator"):
        # Each draw changes its state, and skae seeds those of layers by itself.
        return Made([], same=True)
    if (function := _attribute(value, "python_function")) is not None:
        how = ("_jit_compile", "_autograph", "_reduce_retracing", "input_signature")
        return Made([function, [_attribute(value, name) for name in how]])
    if _is(value, "keras.layers.Layer"):
        return _of_layer(value)
    if isinstance(value, (dict, *_ITERABLE)) and is_trusted(kind.__module__):
        # Layers and models keep the user's lists and dictionaries in classes of theirs.
        plain: Any = next(k for k in (dict, *_ITERABLE) if isinstance(value, k))
        return Made([plain(value)])
    if (wrapped := _attribute(value, "__wrapped__")) is not None:
        return Made([wrapped])
    # Keras' own Huber, and many a user's loss, leave parameters out of `get_config`.
    is_optimizer = _is(value, "keras.optimizers.Optimizer")
    if _is(value, "keras.losses.Loss") or not (
        is_trusted(kind.__module__) or is_optimizer
    ):
        return Made([_unnumbered(kind, state(value)), _content_of_keras(value)])
    return _of_config(value, is_optimizer)


def _of_config(value: Any, is_optimizer: bool) -> Made:
    kind = type(value)
    get_config = _attribute(value, "get_config")
    if get_config is None:
        from_tensorflow = _owner_of_reduce(kind) is not object
        reduced = _reduce(value) if from_tensorflow else None
        return Made([reduced], same=reduced is None)
    try:
        config = _unnumbered(kind, get_config())
    except Exception:
        return Made([], same=True)
    if not is_optimizer:
        variables = list(_attribute(value, "variables", ()))
        return Made([config, variables], same=bool(variables))
    # A copy of it trains, which is made from its config. That names a schedule's class.
    rate = vars(value).get("_learning_rate")
    excluded = vars(value).get("_exclude_from_weight_decay_pattern")
    return Made([config, None if _is(rate, "keras.Variable") else rate, excluded])


def _of_variable(value: Any) -> Made:
    changes = _is(value, "tensorflow.Variable", "keras.Variable")
    try:
        return Made([np.asarray(value.numpy())], same=changes)
    except Exception:  # a tensor of a graph
        return Made([], same=True)


def _of_layer(layer: Any) -> Made:
    """Take a layer or a model apart: attributes, layers within it, variables."""
    found = {
        name: value
        for name, value in state(layer, _names_of_any_layer()).items()
        # What Keras keeps to itself changes as the layer is used.
        if not (name.startswith("_") and is_trusted(type(layer).__module__))
        and not name.startswith("_self_")
    }
    how = [
        _attribute(_attribute(layer, "dtype_policy"), "name"),
        *(_attribute(layer, name) for name in ("trainable", "activity_regularizer")),
    ]
    inner = list(_attribute(layer, "_layers", ()))
    # Other than `variables`, without the states of generators.
    weights = list(_attribute(layer, "weights", ()))
    # How layers are connected, nothing public says.
    same = bool(inner or _attribute(layer, "variables"))
    return Made([found, how, inner, weights], same=same)


@functools.cache
def _names_of_any_layer() -> frozenset[str]:
    keras = sys.modules["keras"]
    # With a name, for Keras to count on from where it is.
    made = (keras.layers.Layer(name="any"), keras.Model(name="any"))
    return frozenset(name for layer in made for name in vars(layer))


def _content_of_keras(value: Any) -> list[Any]:
    is_content = is_keras(_owner_of_reduce(type(value)))
    return [] if is_content else _content(value)


def _unnumbered(kind: type, attributes: dict[str, Any]) -> dict[str, Any]:
    """Leave out the name that Keras gives to an object, by its class and a number."""
    name = str(attributes.get("name")).replace("_", "")
    own = kind.__name__.lower().replace("_", "")
    if name.rstrip("0123456789") != own.rstrip("0123456789"):
        return attributes
    return {key: value for key, value in attributes.items() if key != "name"}


def find_registered(name: str) -> Any:
    """Give the object that Keras knows under a name of the user's, or None."""
    saving = getattr(sys.modules.get("keras"), "saving", None)
    find: Callable | None = getattr(saving, "get_registered_object", None)
    return None if find is None else find(name)


def _is(value: Any, *names: str) -> bool:
    """Tell whether an object is of a class by its name, if that is imported."""
    for name in names:
        module, *rest = name.split(".")
        found = sys.modules.get(module)
        for part in rest:
            found = getattr(found, part, None)
        if isinstance(found, type) and isinstance(value, found):
            return True
    return False
