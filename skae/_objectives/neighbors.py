"""Nearest neighbours, by no estimator: tools that log each `fit` would log ours."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.neighbors import KDTree

# Trees find neighbours sooner than all distances do, up to this many columns.
_MAX_TREE_DIMENSION = 20
# Distances in memory at once.
_BLOCK_DISTANCES = 2**22


def nearest(points: np.ndarray, Z: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Give the rows of the points that are nearest to each vector, in their order."""
    if Z.shape[1] <= _MAX_TREE_DIMENSION:
        tree = KDTree(points, leaf_size=30)
        return tree.query(Z, n_neighbors, return_distance=False)
    # Far from zero, the differences of products below would lose digits.
    center = points.mean(axis=0)
    points = points - center
    half_squares = np.einsum("ij,ij->i", points, points) / 2
    neighbors = np.empty((len(Z), n_neighbors), np.intp)
    n_rows = max(1, _BLOCK_DISTANCES // len(points))
    for start in range(0, len(Z), n_rows):
        block = slice(start, start + n_rows)
        # Half the squared distance, but for what is the same for all points.
        distances = half_squares - (Z[block] - center) @ points.T
        near = np.argpartition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors]
        order = np.take_along_axis(distances, near, axis=1).argsort(axis=1)
        neighbors[block] = np.take_along_axis(near, order, axis=1)
    return neighbors
