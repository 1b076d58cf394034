"""Latent vectors that are drawn, late in training, to a spectral embedding.

An autoencoder may place samples anywhere it can decode them from, and so clusters may
lie in touch. A spectral embedding of the graph of nearest neighbours sets apart what
few edges join. The latent vectors are drawn towards their places in it, while the
decoder goes on training and learns to reconstruct from the new places.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.sparse.linalg import ArpackNoConvergence

from skae._graphs import embed, graph_of
from skae._objectives.neighbors import nearest
from skae._objectives.objective import Facts, Places, View
from skae._objectives.whitening import MAX_SAMPLES, Whitening
from skae._threads import one_blas_thread

# On fewer axes the embedding is a ring or a sphere; on more, neighbours are slow.
MIN_DIMENSION, MAX_DIMENSION = 4, 20
# The share of the epochs after which samples are drawn, and how long a run it takes.
BEGIN, MIN_EPOCHS, MIN_STEPS = 0.6, 5, 500
# The places of all rows are in memory.
MAX_BYTES = 2**28
# The samples that stand for all in the graph.
N_REFERENCES = 10_000
_N_NEIGHBORS = 10
# How far samples are drawn: what is left of their places tells them from one another.
_SHARE = 0.8
# What a distance of one standard deviation costs, in losses of reconstruction.
_STRENGTH = 5.0
_BLOCK_ROWS = 4096
# Some twenty are enough as a rule; these take seconds.
_MAX_ITERATIONS = 500


def spectral_embedding(R: np.ndarray) -> np.ndarray:
    """Embed the graph of nearest neighbours on the unit sphere, on as many axes as R.

    These are the eigenvectors of the normalized Laplacian, a row scaled to the length
    one [1]_. Without the first, which says nothing, as in Laplacian eigenmaps.

    References
    ----------
    .. [1] Ng, A. Y., Jordan, M. I. and Weiss, Y. (2001). "On spectral clustering:
       analysis and an algorithm". NIPS 14, 849-856.
    """
    graph = graph_of(nearest(R, R, _N_NEIGHBORS + 1))
    return embed(graph.maximum(graph.T), R.shape[1], _MAX_ITERATIONS)


def spectral_targets(Z: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Give the places that latent vectors are drawn to.

    The embedding of a vector is the mean of that of its nearest references; it is
    turned and scaled to lie as near to the vectors as it can.
    """
    embedding = spectral_embedding(references)
    targets = np.empty(Z.shape, Z.dtype)
    for start in range(0, len(Z), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        neighbors = nearest(references, Z[block].astype(np.float64), _N_NEIGHBORS)
        targets[block] = embedding[neighbors].mean(axis=1)
    mean, middle = (A.mean(axis=0, dtype=np.float64) for A in (Z, targets))
    # Only the product of the two matters for the rotation.
    product = _product(targets, middle, Z, mean)
    rotation, _ = orthogonal_procrustes(np.eye(len(product)), product)
    scale = np.sqrt(_variance(Z, mean) / _variance(targets, middle))
    for start in range(0, len(Z), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        turned = (targets[block] - middle) @ rotation * scale + mean
        targets[block] = (1 - _SHARE) * Z[block] + _SHARE * turned
    return targets


def _product(
    A: np.ndarray, mean_a: np.ndarray, B: np.ndarray, mean_b: np.ndarray
) -> np.ndarray:
    """Give the product of two centred tables, without a copy of either."""
    product = np.zeros((A.shape[1], B.shape[1]))
    for start in range(0, len(A), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        product += (A[block] - mean_a).T @ (B[block] - mean_b)
    return product


def _variance(A: np.ndarray, mean: np.ndarray) -> float:
    return float(np.trace(_product(A, mean, A, mean))) / len(A)


class Spectral:
    """Draws latent vectors to their places in the embedding, late in a run.

    They are whitened before; where a run ends too early, at its end.
    """

    name = "spectral"

    def __init__(self, n_epochs: int, rare: bool = False):
        self._first_epoch = math.ceil(BEGIN * n_epochs)
        self._whitening = Whitening(rare=rare)
        self._whitened = False
        self._why_not = ""

    @staticmethod
    def why_not(facts: Facts) -> str | None:
        """Say why latent vectors are not drawn, if they are not."""
        if facts.early_stopping:
            return (
                "early stopping keeps the weights of the lowest loss, which it raises"
            )
        if not MIN_DIMENSION <= facts.latent_dim <= MAX_DIMENSION:
            return (
                f"it takes {MIN_DIMENSION} to {MAX_DIMENSION} latent values, and there "
                f"are {facts.latent_dim}"
            )
        if facts.n_epochs < MIN_EPOCHS or facts.n_steps < MIN_STEPS:
            return (
                f"it takes {MIN_EPOCHS} epochs and {MIN_STEPS} steps, and there are "
                f"{facts.n_epochs} and {facts.n_steps}"
            )
        if facts.n_rows * facts.latent_dim * 4 > MAX_BYTES:
            return (
                f"the places of {facts.n_rows} samples take more than "
                f"{MAX_BYTES >> 20} MiB"
            )
        return None

    def go_on(self, epoch: int) -> None:
        """Hear that a run goes on from an epoch."""
        self._whitened = epoch > self._first_epoch

    def places(self, epoch: int, view: View) -> Places | None:
        if epoch != self._first_epoch:
            return None
        if not view.rows_stay:
            self._why_not = "the source gives its rows in another order each time"
            return None
        Z = view.encode_all()
        mapping = self._whitening.mapping(view.some_of(Z, MAX_SAMPLES))
        with one_blas_thread():
            if mapping is not None:
                Z = (Z @ mapping).astype(Z.dtype)
            references = view.some_of(Z, N_REFERENCES).astype(np.float64)
            # Vectors that are all alike have no places to be drawn to.
            if len(np.unique(references, axis=0)) <= _N_NEIGHBORS:
                self._why_not = "the latent vectors are alike"
                return None
            try:
                targets = spectral_targets(Z, references)
            except ArpackNoConvergence:
                # Training goes on as before.
                self._why_not = f"not found in {_MAX_ITERATIONS} iterations"
                return None
        if mapping is not None:
            view.map_latents(mapping)
        self._whitened = True
        return targets, _STRENGTH * abs(view.loss) / float(targets.var())

    def end(self, view: View) -> None:
        if not self._whitened:
            self._why_not = self._why_not or "the run ended before"
            self._whitening.end(view)

    def told(self) -> str:
        """Say what was done, and why not where it was not."""
        whitening, left = self._whitening.told(), self._whitening.why_left
        if self._why_not:
            return f"{whitening}; not {self.name}: {self._why_not}"
        if left:
            return f"{self.name}; not {self._whitening.name}: {left}"
        return f"{whitening}, {self.name}"
