"""Encoders and decoders as nodes of ONNX: dense layers, networks of Keras, PCA."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from skae._autoencoder import AutoencoderTransformer
from skae._files.export import keras_to_onnx
from skae._files.onnx_graph import Graph
from skae._keras import KerasAutoencoderTransformer
from skae.onnx._operators import fill, give, is_double, new_graph, rows_of, set_types

_OURS = (AutoencoderTransformer, KerasAutoencoderTransformer)
# Those that can be undone: what `inverse_transform` does skl2onnx converts for none.
BOTH_WAYS = (*_OURS, PCA)


def shapes(operator: Any) -> None:
    """Say what a transformer gives."""
    check_is_fitted(operator.raw_operator)
    set_types(operator, ("floats", operator.raw_operator._n_features_out))


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Convert a transformer."""
    graph = new_graph(scope, container, dtype_of(operator, operator.raw_operator))
    latents = encoded(graph, rows_of(graph, operator), operator.raw_operator)
    give(graph, latents, operator.outputs[0])
    fill(container, graph)


def dtype_of(operator: Any, transformer: Any) -> Any:
    """Give the dtype to compute in: float64 where rows and the fit are."""
    spec = getattr(transformer, "_spec", None)
    fitted_in = getattr(spec, "dtype", "float64")
    return np.float64 if is_double(operator) and fitted_in == "float64" else np.float32


def encoded(graph: Graph, x: str, transformer: Any) -> str:
    """Add what `transform` does."""
    if isinstance(transformer, PCA):
        x = graph.add("Sub", x, graph.array(transformer.mean_))
        return graph.add("MatMul", x, graph.array(_kernel_of(transformer)))
    stages = _stages(transformer)
    if stages is None:
        return _by_keras(graph, x, transformer, "encoder", transformer.sample_shape_)
    x = graph.reshape(x, (transformer.n_features_in_,))
    return graph.stage(x, stages[0], transformer.center_)


def decoded(graph: Graph, latents: str, transformer: Any) -> str:
    """Add what `inverse_transform` does; it gives flat rows."""
    if isinstance(transformer, PCA):
        kernel = _kernel_of(transformer, inverse=True)
        x = graph.add("MatMul", latents, graph.array(kernel))
        return graph.add("Add", x, graph.array(transformer.mean_))
    stages = _stages(transformer)
    if stages is not None:
        return graph.stage(latents, stages[1])
    size = transformer._n_features_out
    x = _by_keras(graph, latents, transformer, "decoder", (size,))
    return graph.reshape(x, (math.prod(transformer.sample_shape_),))


def _stages(transformer: Any) -> Any:
    dense = isinstance(transformer, AutoencoderTransformer)
    return transformer._stages() if dense else None


def _kernel_of(pca: PCA, inverse: bool = False) -> np.ndarray:
    scale = np.ones(len(pca.components_))
    if pca.whiten:
        # As PCA does, for components along which nothing varies.
        scale = np.sqrt(pca.explained_variance_)
        scale = np.maximum(scale, np.finfo(scale.dtype).eps)
    if inverse:
        return scale[:, np.newaxis] * pca.components_
    return pca.components_.T / scale


def _by_keras(
    graph: Graph, x: str, transformer: Any, part: str, shape: tuple[int, ...]
) -> str:
    """Splice in what Keras' exporter writes; it computes in float32."""
    if isinstance(transformer, AutoencoderTransformer):
        model, expected, masked = transformer._part(part, "float32")
    else:
        model, expected, masked = transformer._part(part)
    caller = type(transformer).__name__
    written = keras_to_onnx(caller, model, expected, masked, graph.opset)
    of_network = graph.of(np.float32)
    x = of_network.cast(graph.reshape(x, shape))
    return graph.cast(of_network.splice(x, written))
