"""What objects are made of: keys of programs, and digests that outlast a process."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

# Two objects share a trace if all that they are made of is the same: code, defaults,
# closures, the globals that the code names, attributes, classes. So it is with the
# user's own code; trusted code counts by its name.
#
# What can't be looked into is compared with `is`. So are the variables of TensorFlow
# and Keras, and what has some, because a trace holds the variables themselves. Their
# values count besides. A trace reads them anew each time it runs, but a network may
# read them once, as it is built, and so much is certain only while they stay.
#
# Out of sight are: files and environment variables that code reads, attributes of
# trusted modules, and of others that code imports as it runs and hands on, names that
# are put together as code runs, settings of Keras and TensorFlow, the state of C code
# that does not pickle but has a `__dict__`. Left out are: names and annotations of
# functions, the docstrings of classes, places of code, names that Keras numbers.

import functools
import hashlib
import types
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from skae._fingerprints.code import (
    Code,
    full_name,
    imported,
    is_trusted,
    join,
    named,
    plain,
    read,
)
from skae._fingerprints.parts import (
    Absent,
    find_registered,
    is_keras,
    of_keras,
    of_object,
)

Part = str | bytes

_OF_MODULES = """
    __annotations__ __builtins__ __cached__ __doc__ __file__ __loader__ __name__
    __package__ __path__ __spec__
"""
_OF_CLASSES = """
    __annotate__ __annotate_func__ __annotations__ __annotations_cache__ __dict__
    __doc__ __firstlineno__ __module__ __static_attributes__ __weakref__ _abc_impl
"""
_MACHINERY = frozenset(_OF_MODULES.split())
_MACHINERY_OF_CLASSES = frozenset(_OF_CLASSES.split())
# What objects of these types are made of, whatever they say when they are pickled.
_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    types.MethodType: ("__func__", "__self__"),
    types.BuiltinFunctionType: ("__module__", "__qualname__", "__self__"),
    types.MethodWrapperType: ("__name__", "__self__"),
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    functools.cached_property: ("func",),
    types.CellType: ("cell_contents",),
    types.MethodDescriptorType: ("__name__", "__objclass__"),
    types.ClassMethodDescriptorType: ("__name__", "__objclass__"),
    types.WrapperDescriptorType: ("__name__", "__objclass__"),
    types.GetSetDescriptorType: ("__name__", "__objclass__"),
    types.MemberDescriptorType: ("__name__", "__objclass__"),
}


def fingerprint(value: Any) -> Hashable:
    """Give a key that is equal only for objects that surely compute the same."""
    walk = _Walk(stable=False)
    try:
        token = walk.token(value)
    except RecursionError:  # too deep to be sure of anything
        return _Same(object())
    return (token, *walk.held.values()) if walk.held else token


def digest(value: Any) -> str:
    """Give a hexadecimal digest that is the same in every process.

    What only `is` tells apart counts by its class, a variable by its value.
    """
    return hashlib.sha256(_Walk(stable=True).token(value)).hexdigest()


class _Same:
    """Holds an object, and is equal to what holds that very one."""

    def __init__(self, value: Any):
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


class _Walk:
    """One way through an object and all that it is made of.

    Every object has a token. Objects of a cycle refer back to those that are still open
    by their distance, so that a token does not tell from where it was reached. A cycle
    is closed by the object through which it was entered, as in Tarjan's search for
    strongly connected components.
    """

    def __init__(self, stable: bool):
        self._stable = stable
        self.held: dict[int, _Same] = {}
        self._done: dict[int, bytes] = {}
        self._open: dict[int, int] = {}
        self._lowest = 0
        # An id stands for an object only while it lives.
        self._alive: list[Any] = []

    def token(self, value: Any) -> bytes:
        token = plain(value)
        if token is not None:
            registered = find_registered(value) if type(value) is str else None
            if registered is None:
                return token
            return join((b"registered", token, self.token(registered)))
        key = id(value)
        if key in self._done:
            return self._done[key]
        if key in self._open:
            self._lowest = min(self._lowest, self._open[key])
            return b"back:%d" % (len(self._open) - self._open[key])
        self._alive.append(value)
        outer, position = self._lowest, len(self._open)
        self._open[key] = self._lowest = position
        token = hashlib.sha256(join(self._parts(value))).digest()
        if self._lowest == position:
            while len(self._open) > position:
                self._open.popitem()
            self._done[key] = token
        self._lowest = min(outer, self._lowest)
        return token

    def _parts(self, value: Any) -> Iterable[Part]:
        kind = type(value)
        if kind in (tuple, list):
            return (kind.__name__, *map(self.token, value))
        if kind is dict or kind is types.MappingProxyType:
            # In their order, in which code may go through them.
            items = [part for item in dict(value).items() for part in item]
            return ("dict", *map(self.token, items))
        if kind in (set, frozenset):
            return (kind.__name__, *sorted(map(self.token, value)))
        if isinstance(value, type):
            return self._class(value)
        if kind is types.FunctionType:
            return self._function(value)
        if kind is types.CodeType:
            return ("code", read(value).token)
        if isinstance(value, types.ModuleType):
            own = {} if is_trusted(value.__name__) else vars(value)
            return ("module", value.__name__, *self._named(own, _MACHINERY))
        if kind in _ATTRIBUTES:
            parts = [getattr(value, name, Absent) for name in _ATTRIBUTES[kind]]
            return (kind.__name__, *map(self.token, parts))
        if kind is np.ndarray or isinstance(value, np.generic):
            return (self.token(kind), *self._array(value))
        return self._object(value)

    def _named(self, values: Mapping, without: Iterable[str] = ()) -> Iterable[Part]:
        """Go through attributes, whose order says nothing."""
        # A copy, because other threads may add to it.
        items = [(str(k), v) for k, v in dict(values).items() if k not in without]
        items.sort(key=lambda item: item[0])
        return [part for name, x in items for part in (name, self.token(x))]

    def _identity(self, value: Any) -> Iterable[Part]:
        if not self._stable:
            self.held.setdefault(id(value), _Same(value))
            return ("same", str([*self.held].index(id(value))))
        return ("some", full_name(type(value)))

    def _array(self, value: Any) -> Iterable[Part]:
        array = np.asarray(value)
        kind = repr(array.dtype) if array.dtype.names else array.dtype.str
        if array.dtype.hasobject:
            return (kind, str(array.shape), self.token(array.tolist()))
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return (kind, str(array.shape), hashlib.sha256(content.data).digest())

    def _class(self, cls: type) -> Iterable[Part]:
        if named(cls):
            return ("class", full_name(cls))
        parts = map(self.token, (type(cls), cls.__bases__))
        attributes = self._named(vars(cls), _MACHINERY_OF_CLASSES)
        return ("class", cls.__qualname__, *parts, *attributes)

    def _function(self, function: types.FunctionType) -> Iterable[Part]:
        if named(function):
            return ("function", full_name(function))
        code, cells = read(function.__code__), function.__closure__ or ()
        held = [getattr(cell, "cell_contents", Absent) for cell in cells]
        seen = dict(zip(function.__code__.co_freevars, held, strict=True))
        parts: list[Part] = ["function", code.token, join(self._seen(seen, code))]
        space = function.__globals__
        if not is_trusted(space.get("__name__")):
            names = code.globals - _MACHINERY
            if names & {"globals", "eval", "exec"}:
                names |= code.words & space.keys()
            seen = {name: space.get(name, Absent) for name in names}
            parts.append(join(self._seen(seen, code)))
            # What becomes of a module in a local variable is not followed.
            aside = code._replace(bare=frozenset())
            parts.append(join(self._seen(imported(code, space), aside)))
        registered = sorted(w for w in code.words if find_registered(w) is not None)
        made = (function.__defaults__, function.__kwdefaults__, registered)
        parts += map(self.token, made)
        attributes = {k: v for k, v in vars(function).items() if k != "_tf_decorator"}
        return [*parts, *self._named(attributes)]

    def _seen(self, seen: Mapping[str, Any], code: Code) -> Iterable[Part]:
        """Go through what code names: of a module, only what it asks for."""
        modules = {
            name: value
            for name, value in seen.items()
            if isinstance(value, types.ModuleType) and name not in code.bare
        }
        parts = [*self._named(seen, modules), *sorted(modules)]
        waiting = [modules[name] for name in sorted(modules)]
        met: set[int] = set()
        while waiting:
            module = waiting.pop()
            parts.append(module.__name__)
            if is_trusted(module.__name__) or id(module) in met:
                continue
            met.add(id(module))
            found = {n: vars(module)[n] for n in sorted(code.words & {*vars(module)})}
            inner = {n for n, v in found.items() if isinstance(v, types.ModuleType)}
            waiting += [found[name] for name in sorted(inner)]
            parts += self._named(found, _MACHINERY | inner)
        return parts

    def _object(self, value: Any) -> Iterable[Part]:
        """Go through an object of any class."""
        if named(value):
            return ("object", full_name(value))
        made = of_keras(value) if is_keras(type(value)) else of_object(value)
        parts = [self.token(type(value)), *map(self.token, made.parts)]
        return [*parts, *self._identity(value)] if made.same else parts
