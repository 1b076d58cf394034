"""Clusters in the graph of shared neighbours, where the rows bear them out."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from skae._graphs import embed, graph_of
from skae._threads import one_blas_thread

_N_STARTS = 10
# The graph: so many neighbours of each row, and of so many rows at most and at least.
_N_NEIGHBORS = 10
_MOST_ROWS, _FEWEST_ROWS = 10_000, 100
# Clusters of the graph are taken if their silhouette is at least this share of that of
# K-means. On images it is nine tenths and more; on columns that mean something by their
# scales, where the graph cuts clusters in pieces, less than a half.
_SILHOUETTE_SHARE = 0.8
_SILHOUETTE_ROWS = 2000
_MAX_ITERATIONS = 500


@one_blas_thread()
def find_clusters(Z, weight, n_clusters, seed):
    """Give the cluster of each latent vector, and whether the graph has found it."""
    kmeans = KMeans(n_clusters, n_init=_N_STARTS, random_state=seed)
    labels = kmeans.fit(Z, sample_weight=weight).labels_
    if n_clusters == 1 or len(Z) < max(_FEWEST_ROWS, 2 * n_clusters + 2):
        return labels, False
    rows = np.random.RandomState(seed).permutation(len(Z))[:_MOST_ROWS]
    known = Z[rows].astype(np.float64)
    nearest = NearestNeighbors(n_neighbors=_N_NEIGHBORS).fit(known)
    try:
        embedding = _embedding(nearest, n_clusters)
    except ArpackNoConvergence:
        return labels, False
    known_weight = None if weight is None else weight[rows]
    parts = kmeans.fit(embedding, sample_weight=known_weight).labels_
    if len(np.unique(parts)) < n_clusters:
        return labels, False
    found = np.empty(len(Z), parts.dtype)
    found[rows] = parts
    others = np.setdiff1d(np.arange(len(Z)), rows)
    if len(others):
        neighbors = nearest.kneighbors(Z[others], return_distance=False)
        found[others] = np.eye(n_clusters)[parts[neighbors]].sum(axis=1).argmax(axis=1)
    least = _SILHOUETTE_SHARE * silhouette(Z, labels, seed)
    return (found, True) if silhouette(Z, found, seed) >= least else (labels, False)


def _embedding(nearest, n_axes):
    """Embed the graph of shared neighbours on the unit sphere."""
    neighbors = nearest.kneighbors(return_distance=False)
    # A row is its own neighbour, too, so that neighbours share at least one.
    neighbors = np.column_stack([np.arange(len(neighbors)), neighbors])
    graph = graph_of(neighbors)
    shared = (graph @ graph.T).multiply(graph.maximum(graph.T)).tocsr()
    shared.data /= 2 * neighbors.shape[1] - shared.data
    return embed(shared, n_axes, _MAX_ITERATIONS)


def silhouette(Z, labels, seed):
    """Give the mean silhouette of some rows."""
    rows = np.random.RandomState(seed).permutation(len(Z))[:_SILHOUETTE_ROWS]
    n_found = len(np.unique(labels[rows]))
    # It is not defined for one cluster, nor for one row each.
    if not 1 < n_found < len(rows):
        return 0.0
    return float(silhouette_score(Z[rows], labels[rows]))
