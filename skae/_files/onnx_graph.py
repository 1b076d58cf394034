"""Dense layers as nodes of ONNX, written from their weights, without Keras.

Values go by their names. The operators are those of opset 13, which later ones have
kept as they are.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from skae._engines.numpy.activations import SELU_ALPHA, SELU_SCALE
from skae._engines.numpy.forward import Path, Stage
from skae._layers import LEAST_OUTPUT

# What files are written with; ONNX Runtime has read it since 1.14.
_OPSET, _IR_VERSION = 17, 8


class Graph:
    """Nodes and constants in the making.

    `unique` gives a name that nobody has from one that is wanted. Numbers become
    constants of `dtype`, and arrays those of their own.
    """

    def __init__(
        self,
        dtype: Any,
        unique: Callable[[str], str] | None = None,
        opset: int = _OPSET,
    ):
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.dtype, self.opset = np.dtype(dtype), opset
        count = itertools.count()
        self.unique = unique or (lambda wanted: f"{wanted}_{next(count)}")

    def of(self, dtype: Any) -> "Graph":
        """Give the same graph, for computing in another dtype."""
        other = Graph(dtype, self.unique, self.opset)
        other.nodes, other.constants = self.nodes, self.constants
        return other

    def add(
        self,
        kind: str,
        *inputs: Any,
        out: str | None = None,
        spare: int = 0,
        **how: Any,
    ) -> str:
        """Add a node, and give the name of what comes out first.

        `spare` is the number of other things that come out, and nobody takes.
        """
        from onnx import helper

        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        out = self.unique(kind.lower()) if out is None else out
        outputs = [out, *(self.unique("spare") for _ in range(spare))]
        node = helper.make_node(kind, names, outputs, self.unique(kind), **how)
        self.nodes.append(node)
        return out

    def constant(self, value: Any) -> str:
        from onnx import numpy_helper

        if not isinstance(value, np.ndarray):
            value = np.asarray(value, self.dtype)
        name = self.unique("constant")
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def array(self, value: np.ndarray) -> str:
        """Add an array of floats, in the dtype of the graph."""
        return self.constant(np.asarray(value, self.dtype))

    def cast(self, x: str, dtype: Any = None, out: str | None = None) -> str:
        from onnx import helper

        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype or self.dtype))
        return self.add("Cast", x, out=out, to=to)

    def reshape(self, x: str, shape: Sequence[int], out: str | None = None) -> str:
        """Give each row a shape."""
        return self.add("Reshape", x, np.array([-1, *shape]), out=out)

    def columns(self, x: str, start: int, stop: int) -> str:
        ends = (np.array([end]) for end in (start, stop, 1))
        return self.add("Slice", x, *ends)

    def sum(self, x: str) -> str:
        """Sum the last axis, and keep it."""
        return self.add("ReduceSum", x, np.array([-1]), keepdims=1)

    def stage(self, x: str, stage: Stage, center: np.ndarray | None = None) -> str:
        """Add an encoder, or a decoder, that takes flat rows.

        `center` is what columns lie around. It is taken off before they are multiplied,
        which spares float32 the difference of large numbers.
        """
        if center is not None:
            center = np.asarray(center, self.dtype)
            stage = _of_centered(stage, center.astype(np.float64))
            x = self.add("Sub", x, center)
        if stage.means is not None:
            x = self._filled_and_flagged(x, stage.means)
        first = x
        for layer in stage.layers[:-1]:
            x = self.activation(self._affine(x, layer.kernel, layer.bias), layer[2])
        last = stage.layers[-1]
        x = self._affine(x, last.kernel, last.bias)
        if stage.path is not None:
            x = self.add("Add", x, self._along(first, stage.path))
        x = self.activation(x, last.activation)
        return x if stage.n_out is None else self.columns(x, 0, stage.n_out)

    def activation(self, x: str, name: str) -> str:
        return _ACTIVATIONS[name](self, x)

    def splice(self, x: str, model: Any) -> str:
        """Add the nodes of a model of one input and one output."""
        from onnx import compose

        # Names in graphs within nodes are changed, too.
        prefix = self.unique("network") + "/"
        whole = compose.add_prefix_graph(model.graph, prefix)
        self.add("Identity", x, out=whole.input[0].name)
        self.nodes.extend(whole.node)
        self.constants.extend(whole.initializer)
        return whole.output[0].name

    def _affine(self, x: str, kernel: np.ndarray, bias: np.ndarray | None) -> str:
        if bias is None:
            return self.add("MatMul", x, self.array(kernel))
        return self.add("Gemm", x, self.array(kernel), self.array(bias))

    def _along(self, x: str, path: Path) -> str:
        """Add the linear path: see `to_logits` for where it ends in logits."""
        x = self._affine(x, path.kernel, path.bias)
        if not path.logits:
            return x
        x = self.add("Min", self.add("Max", x, LEAST_OUTPUT), 1 - LEAST_OUTPUT)
        return self.add("Log", self.add("Div", x, self.add("Sub", 1.0, x)))

    def _filled_and_flagged(self, x: str, means: np.ndarray) -> str:
        missing = self.add("IsNaN", x)
        filled = self.add("Where", missing, self.array(means), x)
        known = self.cast(self.add("Not", missing))
        return self.add("Concat", filled, known, axis=1)


def _of_centered(stage: Stage, center: np.ndarray) -> Stage:
    """Give the encoder for columns from which their centres were taken."""
    first, *layers = stage.layers
    moved = first.bias + center @ first.kernel.astype(np.float64)
    layers = [first._replace(bias=moved), *layers]
    if stage.path is not None:
        # The path has no bias: that of the layer beside it serves both.
        bias = layers[-1].bias + center @ stage.path.kernel.astype(np.float64)
        layers[-1] = layers[-1]._replace(bias=bias)
    return stage._replace(layers=layers)


# --------------------------------------------------------------- activations, by name


def _elu(graph: Graph, x: str) -> str:
    if graph.dtype == np.float32:
        return graph.add("Elu", x)
    return graph.add("Max", x, _expm1_of_negative(graph, x))


def _expm1_of_negative(graph: Graph, x: str) -> str:
    return graph.add("Sub", graph.add("Exp", graph.add("Min", x, 0.0)), 1.0)


def _gelu(graph: Graph, x: str) -> str:
    # ONNX Runtime has Erf in float32 alone.
    scaled = graph.cast(graph.add("Mul", x, math.sqrt(0.5)), np.float32)
    cdf = graph.add("Add", graph.cast(graph.add("Erf", scaled)), 1.0)
    return graph.add("Mul", graph.add("Mul", cdf, 0.5), x)


def _leaky_relu(graph: Graph, x: str) -> str:
    return graph.add("Max", x, graph.add("Mul", x, 0.2))


def _selu(graph: Graph, x: str) -> str:
    if graph.dtype == np.float32:
        return graph.add("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE)
    negative = graph.add("Mul", _expm1_of_negative(graph, x), SELU_ALPHA)
    both = graph.add("Add", graph.add("Relu", x), negative)
    return graph.add("Mul", both, SELU_SCALE)


def _silu(graph: Graph, x: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def _softplus(graph: Graph, x: str) -> str:
    # Nothing overflows.
    small = graph.add("Exp", graph.add("Neg", graph.add("Abs", x)))
    small = graph.add("Log", graph.add("Add", small, 1.0))
    return graph.add("Add", graph.add("Relu", x), small)


def _node(kind: str) -> Callable[[Graph, str], str]:
    return lambda graph, x: graph.add(kind, x)


# Those of `skae._engines.numpy.activations`. ONNX Runtime has no Elu, Selu and Softplus
# in float64.
_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "elu": _elu,
    "exponential": _node("Exp"),
    "gelu": _gelu,
    "leaky_relu": _leaky_relu,
    "linear": lambda graph, x: x,
    "relu": _node("Relu"),
    "selu": _selu,
    "sigmoid": _node("Sigmoid"),
    "silu": _silu,
    "softplus": _softplus,
    "swish": _silu,
    "tanh": _node("Tanh"),
}


# -------------------------------------------------------------------------- the file


class Dense(NamedTuple):
    """A part of a transformer that is nothing but dense layers, one or two stages."""

    stages: list[Stage]
    dtype: np.dtype
    # Of the input and of the output: the name, and the shape of a sample.
    input: str
    shape_in: tuple[int, ...]
    output: str
    shape_out: tuple[int, ...]
    center: np.ndarray | None = None

    def model(self) -> Any:
        """Give it as a model of ONNX, for any number of rows."""
        from onnx import helper

        graph = Graph(self.dtype)
        x = graph.reshape(self.input, (math.prod(self.shape_in),))
        center = self.center
        for stage in self.stages:
            x, center = graph.stage(x, stage, center), None
        graph.reshape(x, self.shape_out, out=self.output)
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        ends = (self.input, self.shape_in), (self.output, self.shape_out)
        given, found = (
            helper.make_tensor_value_info(name, kind, ["n_samples", *shape])
            for name, shape in ends
        )
        whole = helper.make_graph(
            graph.nodes, "skae", [given], [found], graph.constants
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(whole, opset_imports=opsets, ir_version=_IR_VERSION)
