"""Training a chain of dense layers in NumPy.

TensorFlow spends some two microseconds on each operation of a graph, whatever
its size, and a second or more on its import and on tracing. A small network is
done sooner without it. The twin of `skae._engines.tensorflow`, with the same interface.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from skae._engines.draws import glorot_uniform
from skae._engines.numpy.chain import Chain
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
        linear_path: bool = False,
        latent_dim: int | None = None,
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
            linear_path=linear_path,
            masked=masked,
            latent_dim=latent_dim,
        )

    @property
    def n_encoder_weights(self) -> int:
        return self.chain.n_encoder_weights

    @property
    def work(self) -> int:
        """Multiplications a sample."""
        return self.chain.work

    def initial_weights(self, random_state: np.random.RandomState) -> list[np.ndarray]:
        """Draw kernels as Keras does (Glorot and Bengio, 2010); biases are zero.

        Where there is a linear path, so are its kernels and those that end beside it:
        see `DenseNetwork`.
        """
        chain = self.chain
        weights = [np.zeros(chain.n_features, chain.dtype)] * chain.masked
        n_nodes, ends = len(chain.node_sizes), set()
        if chain.linear_path:
            ends = {chain.n_encoder_layers, len(chain.activations), n_nodes - 1}
        for link in chain.links:
            shape = chain.kernel_shape(link)
            if link.target in ends:
                weights.append(np.zeros(shape, chain.dtype))
            else:
                weights.append(glorot_uniform(random_state, shape, chain.dtype))
            if link.bias:
                weights.append(np.zeros(shape[1], chain.dtype))
        return weights

    def check(self, weights: Weights) -> None:
        """Refuse weights whose shapes are not those of this network."""
        refuse_other_shapes(weights, self.chain.weight_shapes)

    def encode(self, weights: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        return self.chain.encode(weights, X.reshape(len(X), -1))

    def decode(self, weights: Sequence[np.ndarray], Z: np.ndarray) -> np.ndarray:
        return self.chain.decode(weights, Z)

    @contextmanager
    def lease(self) -> Iterator["DenseTrainer"]:
        with one_blas_thread() as n_threads:
            yield DenseTrainer(self.chain, n_threads, self._inputs)
