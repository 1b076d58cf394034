"""Graphs of neighbours, and their spectral embedding."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh


def graph_of(neighbors: np.ndarray) -> csr_array:
    """Give the graph in which each row has an edge to each of its neighbours."""
    n, n_neighbors = neighbors.shape
    edges = np.ones(neighbors.size), neighbors.ravel(), np.arange(n + 1) * n_neighbors
    return csr_array(edges, (n, n))


def embed(graph: csr_array, n_axes: int, max_iterations: int) -> np.ndarray:
    """Embed a symmetric graph on the unit sphere.

    These are the eigenvectors of the normalized Laplacian, without the first, which
    says nothing, a row scaled to the length one: see `spectral_embedding`. What is not
    found in so many iterations raises `ArpackNoConvergence`.
    """
    root = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    # `sklearn.manifold.spectral_embedding` gives the same, and warns where the graph
    # is in parts, which is what there is to find here.
    values, vectors = eigsh(
        root @ graph @ root,
        n_axes + 1,
        which="LA",
        v0=np.ones(graph.shape[0]),
        tol=1e-4,
        maxiter=max_iterations,
    )
    vectors = vectors[:, np.argsort(-values)[1:]]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(float).tiny)
