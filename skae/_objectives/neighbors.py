"""Nearest neighbours."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from joblib import parallel_config
from sklearn.neighbors import NearestNeighbors

# Trees find neighbours sooner than all distances do, up to this many columns.
_MAX_TREE_DIMENSION = 20


def nearest(points: np.ndarray, Z: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Give the rows of the points that are nearest to each vector."""
    algorithm = "kd_tree" if Z.shape[1] <= _MAX_TREE_DIMENSION else "brute"
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm=algorithm).fit(points)
    # Within a search on Dask, these small tasks would all go through its cluster.
    with parallel_config("sequential"):
        return search.kneighbors(Z, return_distance=False)
