"""Training a chain of dense layers in NumPy.

TensorFlow spends some two microseconds on each operation of a graph, whatever
its size, and a second or more on its import and on tracing. A small network is
done sooner without it. The twin of `skae._engines.tensorflow`, with the same interface.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from skae._engines.draws import glorot_uniform
from skae._engines.numpy.chain import Chain
from skae._engines.numpy.forward import forward
from skae._engines.numpy.trainer import DenseTrainer
from skae._engines.protocol import Weights, refuse_other_shapes
from skae._objectives.objective import hook, is_masked
from skae._threads import one_blas_thread


class DenseProgram:
    """A chain of dense layers, trained by Adam on the mean squared error.

    Of an objective it knows what it draws latent vectors to, what it does to the
    inputs, and whether values are missing.
    """

    def __init__(
        self,
        encoder_sizes: Sequence[int],
        decoder_sizes: Sequence[int],
        activation: str,
        latent_activation: str,
        output_activation: str,
        dtype: Any,
        objective: Any = None,
    ):
        self._inputs = hook(objective, "inputs")
        masked = is_masked(objective)
        n_inputs = decoder_sizes[-1] * (1 + masked)
        self.chain = Chain(
            sizes=(n_inputs, *encoder_sizes, *decoder_sizes),
            activations=(
                *[activation] * (len(encoder_sizes) - 1),
                latent_activation,
                *[activation] * (len(decoder_sizes) - 1),
                output_activation,
            ),
            n_encoder_layers=len(encoder_sizes),
            dtype=np.dtype(dtype),
            masked=masked,
        )

    @property
    def n_encoder_weights(self) -> int:
        return 2 * self.chain.n_encoder_layers + self.chain.masked

    @property
    def work(self) -> int:
        """Multiplications a sample."""
        return self.chain.work

    def initial_weights(self, random_state: np.random.RandomState) -> list[np.ndarray]:
        """Draw kernels as Keras does (Glorot and Bengio, 2010); biases are zero."""
        dtype = self.chain.dtype
        weights = [np.zeros(self.chain.n_features, dtype)] * self.chain.masked
        for shape in pairwise(self.chain.sizes):
            kernel = glorot_uniform(random_state, shape, dtype)
            weights += [kernel, np.zeros(shape[1], dtype)]
        return weights

    def check(self, weights: Weights) -> None:
        """Refuse weights whose shapes are not those of this network."""
        refuse_other_shapes(weights, self.chain.weight_shapes)

    def encode(self, weights: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        layers = self.chain.layers(weights)[: self.chain.n_encoder_layers]
        means, _ = self.chain.split(weights)
        return forward(layers, X.reshape(len(X), -1), self.chain.dtype, means)

    def decode(self, weights: Sequence[np.ndarray], Z: np.ndarray) -> np.ndarray:
        layers = self.chain.layers(weights)[self.chain.n_encoder_layers :]
        return forward(layers, Z, self.chain.dtype)

    @contextmanager
    def lease(self) -> Iterator["DenseTrainer"]:
        with one_blas_thread() as n_threads:
            yield DenseTrainer(self.chain, n_threads, self._inputs)
