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
MIN_SAMPLES_PER_DIMENSION = 20
# Where the map would stretch one direction so many times as much as another, the scales
# of the latent space mean something, and are left as they are: see the benchmarks.
MAX_CONDITION = 3.0
# Each text differs from its nearest by words that few others have, as much in each
# direction: what the map would stretch is noise.
_RARE = "columns are rarely anything but zero, as words in texts are"
# One in so many samples counts as a neighbour, and at least so many do.
_ROWS_PER_NEIGHBOR, _MIN_NEIGHBORS = 200, 5
# The neighbours of every eighth sample are looked up, and of so many at least.
_ROWS_PER_ANCHOR, _MIN_ANCHORS = 8, 1000
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
    n_anchors = max(math.ceil(len(Z) / _ROWS_PER_ANCHOR), min(len(Z), _MIN_ANCHORS))
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

    def __init__(self, guarded: bool = True, rare: bool = False) -> None:
        # Whether scales that mean something are left as they are, unless it was asked
        # to change them.
        self._guarded = guarded
        self._rare = rare
        self.why_left = _RARE if rare else ""

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

    def mapping(self, Z: np.ndarray) -> np.ndarray | None:
        """Find the map for these latent vectors, or say why to do without."""
        if self._rare:
            return None
        with one_blas_thread():
            found = local_whitening(Z)
            condition = float(np.linalg.cond(found))
        if condition <= MAX_CONDITION or not self._guarded:
            return found
        self.why_left = (
            f"it would stretch one direction {condition:.1f} times as much as another, "
            f"and more than {MAX_CONDITION:g} says that their scales mean something"
        )
        return None

    def end(self, view: View) -> None:
        mapping = self.mapping(view.encode_some(MAX_SAMPLES))
        if mapping is not None:
            view.map_latents(mapping)

    def told(self) -> str:
        """Say what was done, and why not where it was not."""
        return f"nothing: {self.why_left}" if self.why_left else self.name
