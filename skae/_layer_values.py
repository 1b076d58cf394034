"""Keras layers as values: configurations and arrays, of which layers are made anew.

Values can be compared, pickled and saved without Keras, and whoever makes layers of
them gets his own.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import json
import sys
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from skae._copies import (
    explained,
    found_by_name,
    own_classes,
    own_variables,
    without_variables,
)
from skae._fingerprints import fingerprint
from skae._models import of_keras_2
from skae._process import import_tensorflow, python_random_kept

# What errors call what holds the layers.
WHAT = "KerasNetwork"


class LayerValue(NamedTuple):
    """What a layer holds, without the layers within it."""

    # None is what its initializers draw.
    arrays: dict[str, np.ndarray] | None
    trainable: bool
    # Of each of its variables.
    trained: tuple[bool, ...]
    # Whether training leaves it as it is.
    fixed: bool


class Values:
    """Layers as values. They are not changed once they are made."""

    def __init__(
        self,
        configs: Sequence[Any],
        layers: Sequence[Sequence[LayerValue]],
        classes: Sequence[type] = (),
        ties: Sequence[tuple[int, ...]] = (),
    ):
        # What Keras makes each of them of, and what it and all layers within it hold.
        self.configs, self.layers = list(configs), [tuple(of) for of in layers]
        # Those that are not Keras' own.
        self.classes = tuple(classes)
        # Layers within one of them that another one has, too: two numbers for either.
        self.ties = tuple(map(tuple, ties))

    def __deepcopy__(self, memo: dict) -> "Values":
        return self

    @property
    def n_arrays(self) -> int:
        return sum(bool(layer.arrays) for of in self.layers for layer in of)

    def as_starts(self, keep: bool) -> "Values":
        """Give them without arrays that initializers are to draw anew."""
        if keep:
            return self
        layers = [
            [one if one.fixed else one._replace(arrays=None) for one in of]
            for of in self.layers
        ]
        return Values(self.configs, layers, self.classes, self.ties)

    def make(self) -> list[Any]:
        """Make the layers."""
        made = [
            self._make(*value) for value in zip(self.configs, self.layers, strict=True)
        ]
        flat = [one._flatten_layers() for one in made]
        for i, j, other, k in self.ties:
            made[i] = _with_layer(made[i], flat[i][j], flat[other][k])
        return made

    def check(self) -> None:
        """Refuse arrays of other shapes than those of the layers."""
        without_variables(self._check)

    def _check(self) -> None:
        import keras

        for config, values in zip(self.configs, self.layers, strict=True):
            made = keras.layers.deserialize(copy.deepcopy(config))
            for layer, value in zip(made._flatten_layers(), values, strict=True):
                if value.arrays is not None:
                    shapes = {k: v.shape for k, v in value.arrays.items()}
                    _check_shapes(layer, shapes)

    def _make(self, config: Any, values: Sequence[LayerValue]) -> Any:
        import_tensorflow()
        import keras

        # Layers draw seeds.
        with (
            explained(config["config"].get("name"), self.classes, WHAT),
            python_random_kept(),
            found_by_name(self.classes),
        ):
            made = keras.layers.deserialize(copy.deepcopy(config))
            pairs = list(zip(made._flatten_layers(), values, strict=True))
            for layer, value in pairs:
                if value.arrays:
                    layer.load_own_variables(value.arrays)
            # Outer layers first, which say it to those within.
            for layer, value in pairs:
                layer.trainable = value.trainable
            for layer, value in pairs:
                for variable, trained in zip(_own(layer), value.trained, strict=False):
                    variable.trainable = trained
        return made


def values_of(layers: Sequence[Any]) -> Values:
    """Take layers as values, with all that they hold; they stay as they are."""
    import keras

    found: dict[int, tuple[int, int]] = {}
    configs, values, ties = [], [], []
    for i, outer in enumerate(layers):
        with explained(outer.name, own_classes(outer), WHAT), python_random_kept():
            config = _uncompiled(_serialized(outer))
            configs.append(json.loads(json.dumps(config)))
            values.append([_value_of(layer) for layer in outer._flatten_layers()])
        inside = outer._flatten_layers()
        for j, layer in enumerate(inside):
            _refuse(layer)
            if id(layer) in found and not isinstance(layer, keras.layers.InputLayer):
                ties.append((i, j, *found[id(layer)]))
        found |= {id(layer): (i, j) for j, layer in enumerate(inside)} | found
    return Values(configs, values, own_classes([*layers]), ties)


def key_of(value: Any, layers: Sequence[Any]) -> Hashable:
    """Give a key of an object in which some layers count by what they are made of.

    They are layers that have no weights and remember nothing: a copy of one computes
    what one of another does. Those of classes of the user's own may remember.
    """
    own = [cls for layer in layers for cls in own_classes(layer)]
    if not layers or own or any(layer.weights for layer in layers):
        return fingerprint(value)
    made = values_of(layers)
    memo: dict[int, Any] = {id(layer): number for number, layer in enumerate(layers)}
    return fingerprint((copy.deepcopy(value, memo), made))


def _value_of(layer: Any) -> LayerValue:
    arrays = own_variables(layer)
    trained = tuple(bool(variable.trainable) for variable in _own(layer))
    meant = layer._trainable_variables
    fixed = not (layer.trainable and meant and all(v.trainable for v in meant))
    return LayerValue(arrays, bool(layer.trainable), trained, fixed)


def _check_shapes(layer: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    if {k: tuple(v.shape) for k, v in store.items()} != shapes:
        raise ValueError(f"the arrays of the layer {layer.name!r} are not its own")


def _own(layer: Any) -> list[Any]:
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _refuse(layer: Any) -> None:
    """Refuse layers that hold what neither configurations nor arrays say."""
    if getattr(layer, "stateful", False):
        raise ValueError(
            f"The layer {layer.name!r} of {WHAT} is stateful: it goes on from one "
            "batch to the next, and skae draws the samples of a batch at random. Make "
            "it with stateful=False."
        )
    if hasattr(layer, "save_assets") and not getattr(layer, "input_vocabulary", None):
        raise ValueError(
            f"The layer {layer.name!r} of {WHAT} keeps what it has learned in files. "
            "Give it its `vocabulary` when it is made, or put it in front of the "
            "transformer."
        )


def _serialized(layer: Any) -> Any:
    import keras

    if not any(getattr(inner, "compiled", False) for inner in layer._flatten_layers()):
        return keras.layers.serialize(layer)
    with warnings.catch_warnings():
        # As a loss, which is left out.
        warnings.filterwarnings("ignore", "The object being serialized .* `lambda`")
        return keras.layers.serialize(layer)


def _uncompiled(config: Any) -> Any:
    """Leave out how models are compiled, which is of no use to their layers."""
    if isinstance(config, dict):
        return {k: _uncompiled(v) for k, v in config.items() if k != "compile_config"}
    if isinstance(config, (list, tuple)):
        return [_uncompiled(item) for item in config]
    return config


def _with_layer(outer: Any, old: Any, new: Any) -> Any:
    """Put one layer of a model in the place of another."""
    import keras

    if outer is old:
        return new
    if not any(layer is old for layer in getattr(outer, "layers", ())):
        raise ValueError(
            f"The layer {old.name!r} is in the encoder and in the decoder, and lies "
            f"within another layer of {outer.name!r}, where skae can't put one layer "
            "in both. Use it in the model itself."
        )
    return keras.models.clone_model(
        outer, clone_function=lambda layer: new if layer is old else layer
    )


class Parts(NamedTuple):
    """Encoder and decoder: functions, or numbers of layers."""

    layers: Values
    # A number is a layer, a tuple of numbers a sequence of layers.
    encoder: Any
    decoder: Any

    @property
    def functions(self) -> list[Callable]:
        return [part for part in (self.encoder, self.decoder) if callable(part)]

    def make(self) -> tuple[Any, Any]:
        """Make the layers anew."""
        made = self.layers.make()

        def layers(part: Any) -> Any:
            if isinstance(part, tuple):
                return [made[i] for i in part]
            return made[part] if isinstance(part, int) else part

        return layers(self.encoder), layers(self.decoder)


def parts_of(encoder: Any, decoder: Any) -> Parts:
    units: dict[int, Any] = {}
    numbers: dict[int, int] = {}

    def number(layer: Any, name: str) -> int:
        if not _is_layer(layer):
            raise TypeError(
                f"KerasNetwork expects {name} to be a model of Keras 3, a layer, a "
                f"list of layers or a function that builds them. Got {layer!r}."
                f"{of_keras_2(layer)}"
            )
        units[id(layer)] = layer
        return numbers.setdefault(id(layer), len(numbers))

    def part(value: Any, name: str) -> Any:
        if value is None or (
            callable(value) and not _is_layer(value) and not isinstance(value, type)
        ):
            return value
        if isinstance(value, (list, tuple)):
            return tuple(number(layer, name) for layer in value)
        return number(value, name)

    found = part(encoder, "encoder"), part(decoder, "decoder")
    return Parts(values_of(list(units.values())) if units else _NONE, *found)


_NONE = Values((), ())


def _is_layer(value: Any) -> bool:
    keras = sys.modules.get("keras")
    layer = getattr(getattr(keras, "layers", None), "Layer", None)
    return layer is not None and isinstance(value, layer)
