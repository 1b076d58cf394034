"""The user's own layers and models, which are copied and never written to.

What a layer starts from is found here, too: the way in which a variable was drawn, or
the value that was set since.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import inspect
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from skae._process import import_tensorflow, python_random_kept

# The attribute of a variable of TensorFlow that says how it was drawn.
_DRAWN = "_skae_drawn"


@contextmanager
def remembered() -> Iterator[list]:
    """Remember of each variable that is made inside how it was drawn.

    Gives the list of these variables. Layers need not keep their initializers, and
    many do not: those of recurrent cells and of the user's own classes.
    """
    import tensorflow as tf

    made: list[Any] = []

    def create(next_creator: Any, **kwargs: Any) -> Any:
        variable = next_creator(**kwargs)
        made.append(variable)
        # Those of a strategy are filled from elsewhere, and nobody asks for their draw.
        if not tf.distribute.has_strategy():
            how = _initializer(kwargs.get("initial_value"))
            if how is not None:
                setattr(variable, _DRAWN, (how, _digest(variable)))
        return variable

    with tf.variable_creator_scope(create):
        yield made


def how_drawn(variable: Any) -> Any:
    """Give the initializer of a variable of Keras; None if its value was set since."""
    initializer, drawn = getattr(variable.value, _DRAWN, (None, None))
    return initializer if drawn == _digest(variable.value) else None


def _initializer(draws: Any) -> Any:
    """Give the initializer in the function by which Keras draws a variable."""
    # A value was given, and no way to draw one.
    if not inspect.isfunction(draws):
        return None
    return inspect.getclosurevars(draws).nonlocals.get("initializer")


def _digest(variable: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(variable.numpy()).tobytes())


def with_copies(models: tuple[Any, ...], made: Iterable[Any]) -> tuple[Any, ...]:
    """Put copies of the user's layers into models, in whose building some were `made`.

    The user's are those with variables that were there before. A layer that is in
    several places, or in several models, is one layer in the copies, too.
    """
    import keras

    new = {id(variable) for variable in made}
    users: dict[int, Any] = {}
    operations = {id(op): op for model in models for op in model.operations}
    for op in operations.values():
        variables = op.variables if isinstance(op, keras.layers.Layer) else ()
        if any(id(variable.value) not in new for variable in variables):
            users[id(op)] = op
    if not users:
        return models
    copies = {key: copy_layer(layer) for key, layer in users.items()}
    nodes = {
        id(node)
        for model in models
        for of_depth in model._nodes_by_depth.values()
        for node in of_depth
    }
    for op in operations.values():
        # The models are built a second time. Keras numbers the calls of a layer, and
        # those of the first time would be found by who asks for its output. Nor shall
        # the user's layers hold a graph that is of no use to them.
        op._inbound_nodes[:] = [n for n in op._inbound_nodes if id(n) not in nodes]
        op._outbound_nodes[:] = [n for n in op._outbound_nodes if id(n) not in nodes]
    return tuple(
        keras.models.clone_model(
            model, clone_function=lambda op: copies.get(id(op), op)
        )
        for model in models
    )


def without_variables(function: Callable[[], Any]) -> Any:
    """Call a function in which layers are built whose variables take no memory."""
    import_tensorflow()
    import keras

    def call() -> Any:
        with keras.StatelessScope(initialize_variables=False), python_random_kept():
            return function()

    # Keras remembers, for each thread, which variables have yet to be filled.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def copy_with_keras(value: Any, what: str, memo: dict | None = None) -> Any:
    """Copy an object that may hold layers, also of classes that Keras can't find."""
    memo = {} if memo is None else memo
    memo |= {id(x): copy_layer(x, what) for x in layers_in(value) if id(x) not in memo}
    return copy.deepcopy(value, memo)


def copy_layer(layer: Any, what: str = "the network") -> Any:
    """Copy a layer or a model, with its weights and how they were drawn."""
    import keras

    with explained(layer.name, own_classes(layer), what):
        # Layers draw seeds.
        with python_random_kept(), found_by_keras(layer):
            copied = keras.layers.deserialize(keras.layers.serialize(layer))
        _copy_variables(layer, copied)
    return copied


@contextmanager
def explained(name: str, classes: Iterable[type], what: str) -> Iterator[None]:
    """Say what it takes to copy a layer where that fails."""
    try:
        yield
    except Exception as error:
        named = ", ".join(f"`{cls.__qualname__}`" for cls in classes)
        raise TypeError(
            f"skae trains a copy of the layer {name!r} of {what}, and Keras "
            "could not make one. Expected a layer that can be made anew from what its "
            f"`get_config` gives: classes of your own ({named or 'none here'}) must "
            "return all arguments of `__init__` there, and pass `**kwargs` on to the "
            "base class; functions that layers are given need the decorator "
            "`@keras.saving.register_keras_serializable()`. What is made where the "
            "network is built, by a method or a function, needs nothing of this. Keras "
            f"says: {error}"
        ) from error


def _copy_variables(layer: Any, copied: Any) -> None:
    pairs = zip(layer._flatten_layers(), copied._flatten_layers(), strict=True)
    for old, new in pairs:
        # Not `set_weights`: some layers compute from what they load.
        new.load_own_variables(own_variables(old))
    for old, new in zip(layer.variables, copied.variables, strict=True):
        if hasattr(old.value, _DRAWN):
            setattr(new.value, _DRAWN, getattr(old.value, _DRAWN))


def own_variables(layer: Any) -> dict[str, np.ndarray]:
    """Give what a layer holds, without what layers within it hold."""
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    # NumPy 2 warns of what Keras' variables say when they are asked for an array.
    return {
        name: np.array(value.numpy() if hasattr(value, "numpy") else value)
        for name, value in store.items()
    }


@contextmanager
def found_by_keras(value: Any) -> Iterator[None]:
    """Let Keras find the classes of all layers in an object, registered or not."""
    with found_by_name(own_classes(value)):
        yield


@contextmanager
def found_by_name(classes: Iterable[type]) -> Iterator[None]:
    """Let Keras find classes, registered or not."""
    if not classes:
        yield
        return
    import keras

    names = {keras.saving.get_registered_name(cls): cls for cls in classes}
    with keras.saving.custom_object_scope(names):
        yield


def refuse_lost_classes(value: Any) -> None:
    """Refuse to pickle layers of classes that Keras will not find again."""
    lost = {
        type(layer)
        for layer in _all_layers(value)
        if not _of_keras(type(layer)) and not _is_found(layer)
    }
    if lost:
        names = ", ".join(sorted(f"`{cls.__qualname__}`" for cls in lost))
        raise TypeError(
            f"Can't pickle layers of {names}: Keras stores the name of a layer's "
            "class, and will not find it again. Decorate the class with "
            "`@keras.saving.register_keras_serializable()`."
        )


def own_classes(value: Any) -> list[type]:
    """Give the classes of layers in an object that are not those of Keras."""
    classes = {type(layer): None for layer in _all_layers(value)}
    return [cls for cls in classes if not _of_keras(cls)]


def _all_layers(value: Any) -> list[Any]:
    """Give all layers in an object and its attributes, and those within layers."""
    return [layer for outer in layers_in(value) for layer in outer._flatten_layers()]


def layers_in(value: Any, seen: dict[int, Any] | None = None) -> Iterator[Any]:
    """Give the layers in an object and its attributes."""
    # Who has not imported Keras, or not yet all of it, holds no layer.
    layer = getattr(getattr(sys.modules.get("keras"), "layers", None), "Layer", None)
    seen = {} if seen is None else seen
    if layer is None or id(value) in seen:
        return
    seen[id(value)] = value  # an id stands for an object only while it lives
    if isinstance(value, layer):
        yield value
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from layers_in(part, seen)
    elif isinstance(value, dict):
        yield from layers_in([*value.values()], seen)
    elif not isinstance(value, (type, ModuleType)) and hasattr(value, "__dict__"):
        yield from layers_in(vars(value), seen)


def seed_states(layers: Iterable[Any]) -> list[Any]:
    """Give the states of what layers, or models, draw by: these are no weights."""
    found = []
    for layer in layers:
        held = {id(weight) for weight in layer.weights}
        found += [v for v in layer.variables if id(v) not in held]
    return found


def _of_keras(cls: type) -> bool:
    return cls.__module__.startswith("keras.")


def _is_found(layer: Any) -> bool:
    """Tell whether Keras finds the class of a layer by what it stores of it."""
    import keras

    cls = type(layer)
    if keras.saving.get_registered_name(cls) != cls.__name__:
        return True
    # Some versions find classes that can be imported, too. Layers draw seeds.
    try:
        with python_random_kept():
            keras.layers.deserialize(keras.layers.serialize(layer))
    except Exception:
        return False
    return True
