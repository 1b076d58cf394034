"""Outlier detection, clustering and filling in as nodes of ONNX."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_operator import OnnxSubEstimator
from skl2onnx.algebra.onnx_ops import OnnxIdentity
from sklearn.utils.validation import check_is_fitted

from skae._files.onnx_graph import Graph
from skae._rows_apart import ITSELF, LINEAR, Member, Scale
from skae.onnx._operators import fill, give, is_double, new_graph, rows_of, set_types
from skae.onnx._transformers import BOTH_WAYS, decoded, dtype_of, encoded

# --------------------------------------------------------------------------- clusters


def clusterer_shapes(operator: Any) -> None:
    """Say what a clusterer gives: labels, and distances to the centres."""
    check_is_fitted(operator.raw_operator)
    n_clusters = len(operator.raw_operator.cluster_centers_)
    set_types(operator, ("labels",), ("floats", n_clusters))


def convert_clusterer(scope: Any, operator: Any, container: Any) -> None:
    """Convert an AutoencoderClusterer."""
    clusterer = operator.raw_operator
    _refuse_middle(operator)
    transformer = clusterer.transformer_
    graph = new_graph(scope, container, dtype_of(operator, transformer))
    if isinstance(transformer, BOTH_WAYS):
        latents = encoded(graph, rows_of(graph, operator), transformer)
    else:  # whatever skl2onnx can convert
        latents = graph.unique("latents")
        inner = OnnxSubEstimator(transformer, *operator.inputs, op_version=graph.opset)
        outer = OnnxIdentity(inner, op_version=graph.opset, output_names=[latents])
        outer.add_to(scope, container)
        latents = graph.cast(latents)
    centers = clusterer.cluster_centers_
    apart = graph.add(
        "Sub", graph.reshape(latents, (1, centers.shape[1])), graph.array(centers)
    )
    squared = graph.sum(graph.add("Mul", apart, apart))
    squared = graph.reshape(squared, (len(centers),))
    nearest = graph.add("ArgMin", squared, axis=1, keepdims=0)
    give(graph, nearest, operator.outputs[0])
    give(graph, graph.add("Sqrt", squared), operator.outputs[1])
    fill(container, graph)


def _refuse_middle(operator: Any) -> None:
    """Refuse a clusterer that is no last step: skl2onnx passes labels on, too."""
    if operator.outputs[0].operators_inputs_:
        raise NotImplementedError(
            "AutoencoderClusterer is converted as the last step of a pipeline alone: "
            "skl2onnx would pass its labels on with the distances. Put its "
            "`transformer_`, which gives latent vectors, into a step of its own."
        )


# --------------------------------------------------------------------------- outliers


def detector_shapes(operator: Any) -> None:
    """Say what a detector gives: labels, and `decision_function`."""
    check_is_fitted(operator.raw_operator)
    set_types(operator, ("labels", 1), ("floats", 1))


def convert_detector(scope: Any, operator: Any, container: Any) -> None:
    """Convert an AutoencoderOutlierDetector.

    It computes in float64, as the detector does: a row is told from one that is known
    by less than float32 can say.
    """
    detector = operator.raw_operator
    for member in detector._members:
        _refuse_one_way(operator, member.transformer)
    graph = new_graph(scope, container, np.float64)
    scaled = _scaled(graph, rows_of(graph, operator), detector.transformer_.scale)
    logs = [
        graph.add("Log", graph.add("Add", _distances(graph, scaled, member), 1.0))
        for member in detector._members
    ]
    mean = graph.add("Div", graph.add("Sum", *logs), float(-len(logs)))
    scores = graph.add("Sub", mean, detector.offset_)
    odd = graph.add("Less", scores, 0.0)
    labels = graph.add("Where", odd, np.array(-1), np.array(1))
    give(graph, labels, operator.outputs[0])
    give(graph, scores, operator.outputs[1])
    fill(container, graph)


def _scaled(graph: Graph, x: str, scale: Scale) -> str:
    """Do what `Scale.scaled` does."""
    x = graph.add("Div", x, scale.spread)
    x = graph.add("Sub", x, scale.median / scale.spread)
    size = graph.add("Min", graph.add("Abs", x), float(np.finfo(float).max))
    far = graph.add("Div", graph.add("Max", size, LINEAR), LINEAR)
    far = graph.add("Mul", graph.add("Add", graph.add("Log", far), 1.0), LINEAR)
    far = graph.add("Mul", far, graph.add("Sign", x))
    return graph.add("Where", graph.add("Greater", size, LINEAR), far, x)


def _distances(graph: Graph, scaled: str, member: Member) -> str:
    """Do what `Member.distances` does."""
    n_columns = member.places.shape[1]
    places = _whitened(graph, scaled, member)
    squared = graph.add("MatMul", places, -2 * member.places.T)
    squared = graph.add("Add", squared, graph.sum(graph.add("Mul", places, places)))
    squared = graph.add("Add", squared, (member.places**2).sum(axis=1))
    squared = graph.add("Max", squared, 0.0)
    # A row is not its own neighbour: then those from the second on count.
    n = member.n_neighbors
    nearest = graph.add(
        "TopK", squared, np.array([n + 1]), axis=1, largest=0, sorted=1, spare=1
    )
    itself = graph.add("Less", graph.columns(nearest, 0, 1), ITSELF * n_columns)
    first, others = (graph.sum(graph.columns(nearest, i, i + n)) for i in (0, 1))
    total = graph.add("Where", itself, others, first)
    return graph.add("Div", total, float(n * n_columns))


def _whitened(graph: Graph, scaled: str, member: Member) -> str:
    latents = encoded(graph, scaled, member.transformer)
    residuals = graph.add("Sub", scaled, decoded(graph, latents, member.transformer))
    units = graph.add("Concat", latents, residuals, axis=1)
    units = graph.add("Div", graph.add("Sub", units, member.mean), member.deviation)
    along = graph.add("MatMul", units, member.directions.T * member.weights)
    along = graph.add("MatMul", along, member.directions)
    return graph.add("Add", graph.add("Mul", units, member.weight), along)


# ------------------------------------------------------------------ what is missing


def imputer_shapes(operator: Any) -> None:
    """Say what an imputer gives: rows without holes, and what was missing."""
    check_is_fitted(operator.raw_operator)
    width = len(operator.raw_operator.get_feature_names_out())
    set_types(operator, ("floats", width))


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Convert an AutoencoderImputer."""
    imputer = operator.raw_operator
    transformer = imputer.transformer_
    _refuse_one_way(operator, transformer)
    double = is_double(operator)
    graph = new_graph(scope, container, np.float64 if double else np.float32)
    rows = rows_of(graph, operator)
    x = _gathered(graph, rows, np.flatnonzero(imputer._kept))
    # As the imputer does: scaled in float64, and reconstructed in float32.
    outside, inside = graph.of(np.float64), graph.of(np.float32)
    scaler = imputer.scaler_
    scaled = outside.add("Sub", outside.cast(x), scaler.mean_)
    scaled = inside.cast(outside.add("Div", scaled, scaler.scale_))
    found = decoded(inside, encoded(inside, scaled, transformer), transformer)
    found = outside.add("Mul", outside.cast(found), scaler.scale_)
    found = graph.cast(outside.add("Add", found, scaler.mean_))
    least, greatest = map(graph.array, imputer._range)
    found = graph.add("Min", graph.add("Max", found, least), greatest)
    filled = graph.add("Where", graph.add("IsNaN", x), found, x)
    if imputer.indicator_ is not None:
        flags = graph.add("IsNaN", _gathered(graph, rows, imputer.indicator_.features_))
        filled = graph.add("Concat", filled, graph.cast(flags), axis=1)
    give(graph, filled, operator.outputs[0])
    fill(container, graph)


def _gathered(graph: Graph, x: str, columns: np.ndarray) -> str:
    return graph.add("Gather", x, columns.astype(np.int64), axis=1)


def _refuse_one_way(operator: Any, transformer: Any) -> None:
    """Refuse what has no inverse in ONNX."""
    if not isinstance(transformer, BOTH_WAYS):
        names = ", ".join(cls.__name__ for cls in BOTH_WAYS)
        raise NotImplementedError(
            f"{type(operator.raw_operator).__name__} goes to ONNX with a transformer "
            f"that skae can write both ways: {names}. Got {transformer!r}. Fit it with "
            "one of these; what comes before can be a step of a pipeline."
        )
