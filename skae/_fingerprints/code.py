"""What code is made of, and which code is trusted to stay as it is."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import dis
import functools
import hashlib
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# Packages whose code nobody edits while it runs. One that is missing here costs the
# time of reading its code, and nothing else.
_PACKAGES = """
    IPython PIL absl bokeh cloudpickle dask datasets distributed google h5py ipykernel
    jax joblib keras matplotlib ml_dtypes numba numpy onnx optree pandas polars pyarrow
    pytest scikeras scipy skae sklearn tensorflow tensorflow_probability tf_keras
    threadpoolctl torch tqdm typing_extensions wrapt zarr
"""
_TRUSTED = {*sys.stdlib_module_names, *_PACKAGES.split()} - {"__main__"}
_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_CELL = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR"}
_BY_REPR = {bool, float, complex, *map(type, (None, ..., NotImplemented))}
_HEAP_TYPE = 1 << 9  # the flag of classes that are no static ones of C


class Code(NamedTuple):
    """What a code object is made of, and all those within it."""

    token: bytes
    # Names that it looks up among globals, and those of modules that it imports.
    globals: frozenset[str]
    imports: frozenset[str]
    # Names of globals and cells that it not only asks for an attribute.
    bare: frozenset[str]
    # Names of attributes, and strings, which may be some.
    words: frozenset[str]


def is_trusted(module: Any) -> bool:
    """Tell whether the code of a module counts by its name."""
    if not isinstance(module, str):
        return False
    # Cython has modules of its own for the classes of its functions.
    return module.partition(".")[0] in _TRUSTED or module.startswith("_cython_")


def full_name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def is_static(cls: type) -> bool:
    """Tell whether a class is one that C code holds once and for all."""
    return not cls.__flags__ & _HEAP_TYPE


def named(value: Any) -> bool:
    """Tell whether a trusted module has an object under the object's own name."""
    if isinstance(value, type) and is_static(value):
        return True
    module = getattr(value, "__module__", None)
    return is_trusted(module) and found_as(
        module, getattr(value, "__qualname__", None), value
    )


def found_as(module: Any, qualname: Any, value: Any) -> bool:
    """Tell whether a module has an object under a name."""
    found: Any = sys.modules.get(module)
    if found is None or not isinstance(qualname, str):
        return False
    for name in qualname.split("."):
        # No attribute is asked for, as modules import parts of themselves then.
        found = getattr(found, "__dict__", {}).get(name)
    return found is value or getattr(found, "__func__", None) is value


def join(parts: Iterable[str | bytes]) -> bytes:
    """Join parts so that none runs into the next."""
    encoded = [p.encode("utf-8", "replace") if isinstance(p, str) else p for p in parts]
    return b"".join([b"%d:%b" % (len(part), part) for part in encoded])


def plain(value: Any) -> bytes | None:
    """Give the token of a value without parts, or None for other objects."""
    kind = type(value)
    if kind is str:
        return b"str:" + value.encode("utf-8", "surrogatepass")
    if kind is bytes:
        return b"bytes:" + value
    if kind is int:  # `repr` refuses integers of thousands of digits
        return b"int:%x" % value
    if kind in _BY_REPR:
        return f"{kind.__name__}:{value!r}".encode()
    return None


@functools.lru_cache(maxsize=4096)
def read(code: types.CodeType) -> Code:
    """Read a code object, whatever its name and wherever it stands."""
    inner = [read(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    found: dict[str, set[str]] = {"globals": set(), "imports": set(), "bare": set()}
    instructions = list(dis.get_instructions(code))
    following = [*instructions[1:], None]
    for instruction, after in zip(instructions, following, strict=True):
        name = instruction.opname
        if name in _GLOBAL:
            found["globals"].add(instruction.argval)
        if name in _GLOBAL | _CELL and (
            after is None or after.opname not in _ATTRIBUTE
        ):
            found["bare"].add(instruction.argval)
        if name == "IMPORT_NAME":
            found["imports"].add(instruction.argval)
    words = {*code.co_names, *_strings(code.co_consts)}
    merged = {
        field: frozenset(names).union(*(getattr(part, field) for part in inner))
        for field, names in {**found, "words": words}.items()
    }
    return Code(token=_token(code), **merged)


def _token(code: types.CodeType) -> bytes:
    constants = list(code.co_consts)
    if "__firstlineno__" in code.co_names:  # the body of a class, which holds its line
        constants = [None if c == code.co_firstlineno else c for c in constants]
    numbers = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_nlocals,
        code.co_flags,
    )
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    parts = (numbers, *names, tuple(constants))
    tokens = (code.co_code, code.co_exceptiontable, *map(_constant, parts))
    return hashlib.sha256(join(tokens)).digest()


def _constant(value: Any) -> bytes:
    """Give the token of a constant of code."""
    if isinstance(value, types.CodeType):
        return b"code:" + read(value).token
    if isinstance(value, tuple):
        return b"tuple:" + join(map(_constant, value))
    if isinstance(value, frozenset):
        return b"frozenset:" + join(sorted(map(_constant, value)))
    token = plain(value)
    return repr(value).encode() if token is None else token  # a slice


def _strings(constants: Iterable[Any]) -> Iterable[str]:
    for value in constants:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (tuple, frozenset)):
            yield from _strings(value)


def imported(code: Code, space: Mapping[str, Any]) -> dict[str, types.ModuleType]:
    """Give the modules of the user's own that code imports as it runs.

    One that is not imported yet is not seen.
    """
    names = {part for name in code.imports for part in (name, name.partition(".")[0])}
    package = space.get("__package__") or ""
    while package and code.imports:
        names |= {f"{package}.{name}".rstrip(".") for name in code.imports}
        package = package.rpartition(".")[0]
    return {
        name: sys.modules[name]
        for name in sorted(names)
        if name in sys.modules and not is_trusted(name)
    }
