"""A linear map that gives latent vectors a scale of their own.

What an autoencoder learns is free up to an invertible linear map of the latent space:
the next layer can undo it. The loss leaves the map to chance, but K-means, neighbours
and t-SNE depend on it, for they measure Euclidean distances.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math

import numpy as np

from skae._objectives.neighbors import nearest
from skae._objectives.objective import Facts, View
from skae._threads import one_blas_thread

# Neighbours of this many samples are enough to estimate the map.
MAX_SAMPLES = 10_000
# A covariance of d columns needs many times d samples.
MIN_SAMPLES_PER_DIMENSION = 200
# One in so many samples counts as a neighbour, and at least so many do.
_ROWS_PER_NEIGHBOR, _MIN_NEIGHBORS = 200, 5
# The neighbours of every eighth sample are looked up.
_ROWS_PER_ANCHOR = 8
_N_ROUNDS = 10


def local_whitening(Z: np.ndarray) -> np.ndarray:
    """Find the map that makes the differences between neighbours white.

    Directions along which a sample differs from its nearest neighbours tell nothing
    about clusters, so they are shortened, and the others stretched. This is relevant
    component analysis [1]_ with each sample and its neighbours for the groups known to
    belong together. Every difference counts the same, whatever its length. The
    neighbours change with the map, hence the rounds.

    The map has the determinant one: it keeps volumes.

    References
    ----------
    .. [1] Bar-Hillel, A., Hertz, T., Shental, N. and Weinshall, D. (2005). "Learning a
       Mahalanobis metric from equivalence constraints". JMLR 6, 937-965.
    """
    Z = Z.astype(np.float64)
    n_latents = Z.shape[1]
    total = np.eye(n_latents)
    # The rows are in random order already.
    n_anchors = math.ceil(len(Z) / _ROWS_PER_ANCHOR)
    n_neighbors = max(len(Z) // _ROWS_PER_NEIGHBOR, _MIN_NEIGHBORS)
    for _ in range(_N_ROUNDS):
        Y = Z @ total
        neighbors = nearest(Y, Y[:n_anchors], n_neighbors + 1)
        differences = Y[neighbors] - Y[:n_anchors, np.newaxis]
        differences = differences.reshape(-1, n_latents)
        lengths = np.linalg.norm(differences, axis=1)
        differences = differences[lengths > 0] / lengths[lengths > 0, np.newaxis]
        if not len(differences):
            return np.eye(n_latents)
        values, vectors = np.linalg.eigh(differences.T @ differences / len(differences))
        # Directions without differences are left as they are: stretched by a factor in
        # each round, they would grow without end.
        varies = values > 1e-6 * values.max()
        scale = np.ones(n_latents)
        values = values[varies]
        scale[varies] = np.exp(np.log(values).mean() / 2) / np.sqrt(values)
        total = total @ (vectors * scale) @ vectors.T
    return total


class Whitening:
    """Gives the latent space its scales at the end of a run."""

    name = "whiten"

    @staticmethod
    def why_not(facts: Facts) -> str | None:
        """Say why the latent space is left as it is, if it is."""
        if not facts.linear_latents:
            return (
                "it takes latent_activation='linear' and one of the networks of skae "
                "as it is, for a matrix to be put into the layers around the latent "
                "vector"
            )
        least = MIN_SAMPLES_PER_DIMENSION * facts.latent_dim
        if facts.n_rows < least:
            return (
                f"it takes {MIN_SAMPLES_PER_DIMENSION} samples for each of "
                f"{facts.latent_dim} latent values, {least} in all, and there are "
                f"{facts.n_rows}"
            )
        return None

    def end(self, view: View) -> None:
        Z = view.encode_some(MAX_SAMPLES)
        with one_blas_thread():
            mapping = local_whitening(Z)
        view.map_latents(mapping)

    def told(self) -> str:
        """Say what was done."""
        return self.name
