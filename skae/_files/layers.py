"""Layers of Keras in a file: which ones it may name, and where their arrays are.

Keras makes layers of what a configuration names, which can be any class and any
function, also of those that read files. So a file may name only layers, operations and
what belongs to them that compute from numbers, and nothing else.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import json
from typing import Any, NamedTuple

import numpy as np

from skae._keras_models import Settled, network_of, parts_in
from skae._layer_values import LayerValue, Parts, Values

_OF_MODULES = {
    "keras": "DTypePolicy Model Sequential",
    "keras.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
    "keras.initializers": """
        Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity
        IdentityInitializer LecunNormal LecunUniform Ones Orthogonal
        OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal
        VarianceScaling Zeros
    """,
    "keras.regularizers": "L1 L1L2 L2 OrthogonalRegularizer",
    "keras.src.models.functional": "Functional",
    "keras.layers": """
        Activation ActivityRegularization Add AdditiveAttention AlphaDropout
        Attention Average AveragePooling1D AveragePooling2D AveragePooling3D
        BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate
        Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose
        ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense
        DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU
        EinsumDense Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
        GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
        GroupNormalization GroupQueryAttention Identity InputLayer LSTM LSTMCell
        LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D
        MaxPooling3D Maximum Minimum MultiHeadAttention Multiply Normalization
        PReLU Permute RMSNormalization RNN RandomBrightness RandomContrast
        RandomCrop RandomFlip RandomRotation RandomTranslation RandomZoom ReLU
        RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D
        SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D
        SpatialDropout3D SpectralNormalization StackedRNNCells Subtract
        ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D
        UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """,
    "keras.src.ops.numpy": """
        Abs Absolute Add Clip Concatenate Divide Exp ExpandDims GetItem Log
        Matmul Max Maximum Mean Min Minimum Multiply Negative Power Reshape Sqrt
        Square Squeeze Stack Subtract Sum Tanh Transpose TrueDivide
    """,
    "keras.src.ops.nn": "Elu Gelu LeakyRelu Relu Sigmoid Silu Softmax Softplus",
}
_ALLOWED = {module: {*names.split()} for module, names in _OF_MODULES.items()}
# How much of a header may be about one network: see `content.py`.
_MOST = {",": 100_000, "[": 4000, "{": 4000}
_MOST_BYTES = 2**20
# What Keras writes for values that JSON has not.
_VALUES = {"__keras_tensor__", "__slice__", "__ellipsis__"}


class SavedLayers(NamedTuple):
    """A network of a file, whose arrays are not read yet."""

    layers: Values
    encoder: Any
    decoder: Any
    latent_layer: Any
    keep_weights: bool

    @property
    def numbers(self) -> set[int]:
        """The numbers of its arrays in the file."""
        held: list[Any] = [one.arrays or {} for of in self.layers.layers for one in of]
        return {number for arrays in held for number in arrays.values()}

    def filled(self, arrays: list[np.ndarray], settled: bool) -> Any:
        """Give the network that a fit has started from, or that of the parameters."""

        def fill(one: LayerValue) -> LayerValue:
            if one.arrays is None and not settled:
                raise ValueError("a layer of the network has no arrays")
            held = one.arrays and {k: arrays[i] for k, i in one.arrays.items()}
            return one._replace(arrays=held)

        value = self.layers
        layers = [[fill(one) for one in of] for of in value.layers]
        value = Values(value.configs, layers, (), value.ties)
        value.check()
        parts = Parts(value, self.encoder, self.decoder)
        if settled:
            return Settled(parts, self.latent_layer)
        return network_of(parts, self.latent_layer, self.keep_weights)


def has_place(network: Any) -> bool:
    """Tell whether a file holds a network of Keras layers: no code, and not too much.

    A checkpoint names it twice, among the parameters and as the fit left it.
    """
    parts = parts_in(network)
    if _without_place(parts):
        return False
    values = [parts.layers.configs, parts.layers.layers]
    text = json.dumps(values, default=lambda array: 0)
    few = all(text.count(sign) < most for sign, most in _MOST.items())
    return few and len(text) < _MOST_BYTES


def _without_place(parts: Parts) -> list[str]:
    """Give the names of what only code says."""
    code: tuple[Any, ...] = (*parts.functions, *parts.layers.classes)
    unknown = [getattr(one, "__qualname__", repr(one)) for one in code]
    return unknown + sorted(set(_unknown(parts.layers.configs)))


def layers_to_json(network: Any, name: str) -> dict[str, Any]:
    """Give what stands for a network of Keras layers; arrays are left as they are."""
    parts, keep = parts_in(network), getattr(network, "keep_weights", False)
    unknown = _without_place(parts)
    if unknown:
        raise TypeError(
            f"`save` writes no code, and {name}=KerasNetwork(...) is made of what only "
            f"code says: {', '.join(unknown)}. Expected layers of Keras that "
            "compute from numbers. Pickle the transformer."
        )
    value = parts.layers
    return {
        "keras": {
            "encoder": parts.encoder,
            "decoder": parts.decoder,
            "latent_layer": network.latent_layer,
            "keep_weights": bool(keep),
            "configs": value.configs,
            "layers": [[list(one) for one in of] for of in value.layers],
            "ties": [list(tie) for tie in value.ties],
        }
    }


def arrays_aside(content: Any, found: dict[Any, int], arrays: list[np.ndarray]) -> Any:
    """Put numbers in the place of arrays; equal arrays have one number."""
    if isinstance(content, dict):
        return {k: arrays_aside(v, found, arrays) for k, v in content.items()}
    if isinstance(content, (list, tuple)):
        return [arrays_aside(item, found, arrays) for item in content]
    if not isinstance(content, np.ndarray):
        return content
    key = content.dtype.str, content.shape, content.tobytes()
    if key not in found:
        found[key] = len(arrays)
        arrays.append(content)
    return found[key]


def read_layers(content: dict[str, Any]) -> SavedLayers:
    """Check what a file says of a network of Keras layers."""
    configs, layers = content["configs"], content["layers"]
    unknown = sorted(set(_unknown(configs)))
    if unknown:
        raise ValueError(f"a network holds what no file may name: {unknown[:3]}")
    if len(configs) != len(layers):
        raise ValueError("the layers of a network are not those of its configurations")
    values = Values(configs, [[_layer(*one) for one in of] for of in layers])
    values.ties = tuple(_ints(tie, 4) for tie in content["ties"])
    encoder, decoder = (_part(content[n], len(configs)) for n in ("encoder", "decoder"))
    latent_layer, keep = content["latent_layer"], content["keep_weights"]
    if not isinstance(latent_layer, (str, int, type(None))) or not isinstance(
        keep, bool
    ):
        raise ValueError("latent_layer or keep_weights is of the wrong type")
    return SavedLayers(values, encoder, decoder, latent_layer, keep)


def _layer(arrays: Any, trainable: Any, trained: Any, fixed: Any) -> LayerValue:
    numbers = [] if arrays is None else [*arrays.values()]
    flags = [trainable, fixed, *trained]
    if any(type(n) is not int or n < 0 for n in numbers) or not all(
        isinstance(flag, bool) for flag in flags
    ):
        raise ValueError("a layer of the network is of the wrong type")
    return LayerValue(arrays, trainable, tuple(trained), fixed)


def _part(value: Any, count: int) -> Any:
    if value is None:
        return None
    alone = type(value) is int
    numbers = _ints([value] if alone else value, 1 if alone else len(value))
    if not all(number < count for number in numbers):
        raise ValueError("a part of the network has no such layer")
    return numbers[0] if alone else numbers


def _ints(values: Any, count: int) -> tuple[int, ...]:
    if len(values) != count or any(type(n) is not int or n < 0 for n in values):
        raise ValueError("numbers of layers are of the wrong type")
    return tuple(values)


def _unknown(config: Any) -> list[str]:
    """Give the names of what a configuration names, and a file may not."""
    if isinstance(config, (list, tuple)):
        return [name for item in config for name in _unknown(item)]
    if not isinstance(config, dict):
        return []
    found = [name for item in config.values() for name in _unknown(item)]
    if "class_name" not in config:
        # How older versions of Keras name a class, which they still read.
        return [*found, *({"module", "registered_name"} & {*config})]
    name, module = str(config["class_name"]), str(config.get("module"))
    named = config.get("registered_name", name) in (None, name)
    if name in _VALUES or (named and name in _ALLOWED.get(module, ())):
        return found
    return [*found, name]
