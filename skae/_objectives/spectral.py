"""Latent vectors that are drawn, late in training, to a spectral embedding.

An autoencoder may place samples anywhere it can decode them from, and so clusters may
lie in touch. A spectral embedding of the graph of nearest neighbours sets apart what
few edges join. The latent vectors are drawn towards their places in it, while the
decoder goes on training and learns to reconstruct from the new places.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from skae._fitting.watchers import Watcher
from skae._objectives.neighbors import nearest
from skae._threads import one_blas_thread

# On fewer axes the embedding is a ring or a sphere; on more, neighbours are slow.
MIN_DIMENSION, MAX_DIMENSION = 4, 20
# The share of the epochs after which samples are drawn, and how long a run it takes.
BEGIN, MIN_EPOCHS, MIN_STEPS = 0.6, 5, 500
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
    n, n_axes = R.shape
    neighbors = nearest(R, R, _N_NEIGHBORS + 1)
    edges = (
        np.ones(neighbors.size),
        neighbors.ravel(),
        np.arange(n + 1) * len(neighbors[0]),
    )
    graph = csr_array(edges, (n, n))
    graph = graph.maximum(graph.T)
    root = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    # `sklearn.manifold.spectral_embedding` gives the same, and warns where the graph
    # is in parts, which is what there is to find here.
    values, vectors = eigsh(
        root @ graph @ root,
        n_axes + 1,
        which="LA",
        v0=np.ones(n),
        tol=1e-4,
        maxiter=_MAX_ITERATIONS,
    )
    vectors = vectors[:, np.argsort(-values)[1:]]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(float).tiny)


def spectral_targets(Z: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Give the places that latent vectors are drawn to.

    The embedding of a vector is the mean of that of its nearest references; it is
    turned and scaled to lie as near to the vectors as it can.
    """
    embedding = spectral_embedding(references)
    targets = np.concatenate(
        [
            embedding[nearest(references, block, _N_NEIGHBORS)].mean(axis=1)
            for block in np.split(Z, range(_BLOCK_ROWS, len(Z), _BLOCK_ROWS))
        ]
    )
    mean = Z.mean(axis=0)
    targets -= targets.mean(axis=0)
    rotation, _ = orthogonal_procrustes(targets, Z - mean)
    targets = targets @ rotation
    targets *= np.sqrt(Z.var(axis=0).sum() / targets.var(axis=0).sum())
    return (1 - _SHARE) * Z + _SHARE * (targets + mean)


class SpectralPull(Watcher):
    """Draws latent vectors to their targets from an epoch on.

    `prepare(weights)` gives weights of the same function for latents of another scale.
    """

    def __init__(
        self,
        trainer: Any,
        program: Any,
        data: Any,
        first_epoch: int,
        random_state: np.random.RandomState,
        prepare: Callable | None,
    ):
        self._trainer = trainer
        self._program = program
        self._data = data
        self._first_epoch = first_epoch
        self._random_state = random_state
        self._prepare = prepare
        self._loss = 0.0
        self.begun = False

    def epoch_begin(self, epoch: int, rates: np.ndarray) -> np.ndarray:
        if epoch == self._first_epoch:
            self._begin()
        return rates

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        self._loss = logs["loss"]
        return False

    def _begin(self) -> None:
        self.begun = True
        trainer = self._trainer
        weights = trainer.weights()
        if self._prepare is not None:
            weights, seeds = self._prepare(weights), trainer.seeds()
            # The optimizer's averages belong to the weights before.
            trainer.load(weights, None, 0)
            trainer.load_seeds(seeds)

        def encode(X: np.ndarray) -> np.ndarray:
            return self._program.encode(weights, X).astype(np.float64)

        # A copy: the order of the samples stays what it would be.
        generator = copy.deepcopy(self._random_state)
        references = self._data.map_some(encode, N_REFERENCES, generator)
        Z = self._data.map(encode)
        # Vectors that are all alike have no places to be drawn to.
        if len(np.unique(references, axis=0)) <= _N_NEIGHBORS:
            return
        try:
            with one_blas_thread():
                targets = spectral_targets(Z, references)
        except ArpackNoConvergence:
            # Training goes on as before.
            return
        trainer.draw_to(targets, _STRENGTH * abs(self._loss) / targets.var())
