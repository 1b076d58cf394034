"""Between the operators of skl2onnx and the graphs of skae."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from typing import Any

import numpy as np
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
)

from skae._files.onnx_graph import Graph

# The operators that are used have been what they are since then.
_LEAST_OPSET = 13


def is_double(operator: Any) -> bool:
    """Tell whether rows come in float64, and so results go out in float64."""
    return isinstance(operator.inputs[0].type, DoubleTensorType)


def set_types(operator: Any, *kinds: tuple) -> None:
    """Check what comes in, and say what goes out: labels or floats, and how many."""
    _check_rows(operator, operator.raw_operator)
    n_samples = operator.inputs[0].get_first_dimension()
    floats = DoubleTensorType if is_double(operator) else FloatTensorType
    for output, (kind, *shape) in zip(operator.outputs, kinds, strict=True):
        output.type = (Int64TensorType if kind == "labels" else floats)(
            [n_samples, *shape]
        )


def _check_rows(operator: Any, estimator: Any) -> None:
    """Refuse rows of another size than those that `fit` saw, where it is known."""
    shapes = [tuple(given.type.shape or (None,))[1:] for given in operator.inputs]
    if not all(shape and None not in shape for shape in shapes):
        return
    n_values = sum(map(math.prod, shapes))
    if n_values != estimator.n_features_in_:
        raise ValueError(
            f"{type(estimator).__name__} was fitted on samples of "
            f"{estimator.n_features_in_} values, and is to be converted for samples of "
            f"{n_values}. Pass rows like those of fit: to_onnx(model, X[:1])."
        )


def new_graph(scope: Any, container: Any, dtype: Any) -> Graph:
    """Give a graph whose names nobody else has."""
    opset = container.target_opset_onnx
    if opset < _LEAST_OPSET:
        raise ValueError(
            f"skae writes operators of opset {_LEAST_OPSET} or later, and target_opset "
            f"is {opset}. Leave it out, or ask for a later one."
        )
    return Graph(
        dtype, lambda wanted: scope.get_unique_variable_name(f"skae_{wanted}"), opset
    )


def rows_of(graph: Graph, operator: Any) -> str:
    """Give the rows in the dtype of the graph; the columns of a frame side by side."""
    parts = [graph.cast(given.full_name) for given in operator.inputs]
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def give(graph: Graph, values: str, output: Any) -> None:
    """Let values go out, in the type that was said."""
    kinds = {DoubleTensorType: np.float64, FloatTensorType: np.float32}
    graph.cast(values, kinds.get(type(output.type), np.int64), out=output.full_name)


def fill(container: Any, graph: Graph) -> None:
    """Hand nodes and constants over to skl2onnx."""
    for node in graph.nodes:
        container.check_white_black_list(node.op_type)
    container.nodes.extend(graph.nodes)
    container.initializers.extend(graph.constants)
    container.node_domain_version_pair_sets.add(("", graph.opset))
