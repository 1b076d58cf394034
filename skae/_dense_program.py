"""Training a small chain of dense layers in NumPy.

TensorFlow spends some two microseconds on each operation of a graph, whatever
its size, and a second or more on its import and on tracing. A small network is
done sooner without it. The twin of `skae._program`, with the same interface.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from skae._inference import ACTIVATIONS, Layer, forward, one_blas_thread

# Adam's constants: Kingma and Ba (2015), with the epsilon of Keras.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7
# Adam reads and writes the parameters a piece at a time, so that a piece stays in
# the cache for all of its dozen operations.
_ADAM_PIECE = 16384


class DenseProgram:
    """A chain of dense layers, trained by Adam on the mean squared error."""

    def __init__(
        self,
        encoder_sizes: Sequence[int],
        decoder_sizes: Sequence[int],
        activation: str,
        latent_activation: str,
        output_activation: str,
        dtype: np.dtype,
    ):
        self.sizes = (decoder_sizes[-1], *encoder_sizes, *decoder_sizes)
        self.activations = (
            *[activation] * (len(encoder_sizes) - 1),
            latent_activation,
            *[activation] * (len(decoder_sizes) - 1),
            output_activation,
        )
        self.n_encoder_layers = len(encoder_sizes)
        self.dtype = np.dtype(dtype)

    @property
    def n_encoder_weights(self) -> int:
        return 2 * self.n_encoder_layers

    @property
    def trainable(self) -> bool:
        """Whether every activation has its derivative here."""
        return all(ACTIVATIONS[name].scale for name in self.activations)

    @property
    def work(self) -> int:
        """Multiplications a sample."""
        return sum(a * b for a, b in pairwise(self.sizes))

    def initial_weights(self, random_state: np.random.RandomState) -> list[np.ndarray]:
        """Draw kernels as Keras does (Glorot and Bengio, 2010); biases are zero."""
        weights = []
        for fan_in, fan_out in pairwise(self.sizes):
            limit = np.sqrt(6 / (fan_in + fan_out))
            kernel = random_state.uniform(-limit, limit, (fan_in, fan_out))
            weights += [kernel.astype(self.dtype), np.zeros(fan_out, self.dtype)]
        return weights

    def check(self, weights: Sequence[np.ndarray]) -> None:
        """Check that weights from elsewhere have the shapes of this network."""
        expected: list[tuple[int, ...]] = []
        for pair in pairwise(self.sizes):
            expected += [pair, pair[1:]]
        shapes = [weight.shape for weight in weights]
        if shapes != expected:
            raise ValueError(f"expected weights of shapes {expected}, got {shapes}")

    def layers(self, weights: Sequence[np.ndarray]) -> list[Layer]:
        parts = zip(weights[::2], weights[1::2], self.activations, strict=True)
        return [Layer(*part) for part in parts]

    def encode(self, weights: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        layers = self.layers(weights)[: self.n_encoder_layers]
        return forward(layers, X.reshape(len(X), -1), self.dtype)

    def decode(self, weights: Sequence[np.ndarray], Z: np.ndarray) -> np.ndarray:
        return forward(self.layers(weights)[self.n_encoder_layers :], Z, self.dtype)

    @contextmanager
    def lease(self) -> Iterator["DenseTrainer"]:
        with one_blas_thread():
            yield DenseTrainer(self)


class DenseTrainer:
    """The arrays of one fit."""

    def __init__(self, program: DenseProgram):
        self.program = program
        sizes, dtype = program.sizes, program.dtype
        shapes: list[tuple[int, ...]] = [
            shape for pair in pairwise(sizes) for shape in (pair, pair[1:])
        ]
        n_parameters = sum(int(np.prod(shape)) for shape in shapes)
        # One flat array each, so that Adam runs over all parameters at once.
        self._flat = [np.zeros(n_parameters, dtype) for _ in range(4)]
        self._weights = _views(self._flat[0], shapes)
        self._gradients = _views(self._flat[1], shapes)
        self._moments = _views(self._flat[2], shapes) + _views(self._flat[3], shapes)
        self._n_steps = 0
        piece = min(_ADAM_PIECE, n_parameters)
        scratch = np.empty(piece, dtype), np.empty(piece, dtype)
        self._pieces = [
            (*(flat[i : i + piece] for flat in self._flat),
             *(s[: len(self._flat[0][i : i + piece])] for s in scratch))
            for i in range(0, n_parameters, piece)
        ]  # fmt: skip

    def load(
        self, weights: Sequence[np.ndarray], state: Sequence | None, seed: int
    ) -> None:
        """Set the weights and the optimizer's state (None: that of a new one)."""
        del seed  # dense layers draw nothing while they train
        self.load_weights(weights)
        if state is None:
            self._n_steps = 0
            for flat in self._flat[2:]:
                flat[...] = 0
        else:
            self._n_steps = int(state[0])
            for mine, given in zip(self._moments, state[1:], strict=True):
                mine[...] = given

    def load_weights(self, weights: Sequence[np.ndarray]) -> None:
        for mine, given in zip(self._weights, weights, strict=True):
            mine[...] = given

    def weights(self) -> list[np.ndarray]:
        return [weight.copy() for weight in self._weights]

    def state(self) -> list[np.ndarray]:
        return [np.array(self._n_steps), *(moment.copy() for moment in self._moments)]

    def seeds(self) -> list[np.ndarray]:
        return []

    def load_seeds(self, seeds: Sequence[np.ndarray]) -> None:
        pass

    def finish(self) -> None:
        pass

    def put(self, X: np.ndarray, sample_weight: np.ndarray) -> tuple:
        return X.reshape(len(X), -1), sample_weight

    def train(
        self,
        data: tuple,
        order: np.ndarray,
        rates: np.ndarray,
        batch_size: int,
        sums: tuple[float, float],
    ) -> tuple[float, float]:
        """Take a step a batch; add sum(w l) and sum(w) to `sums`."""
        X, sample_weight = data
        total, weight = sums
        for i, rate in enumerate(rates):
            rows = order[i * batch_size : (i + 1) * batch_size]
            x = X[rows].astype(self.program.dtype, copy=False)
            w = sample_weight[rows]
            outputs = self._forward(x)
            difference = outputs[-1] - x
            batch_weight = float(w.sum())
            squares = np.einsum("ij,ij->i", difference, difference)
            total += float(squares @ w) / x.shape[1]
            weight += batch_weight
            difference *= (w * (2 / (x.shape[1] * batch_weight)))[:, np.newaxis]
            self._backward(x, outputs, difference)
            self._adam(rate)
        return total, weight

    def evaluate(
        self, data: tuple, rows: np.ndarray, batch_size: int
    ) -> tuple[float, float]:
        """Give sum(w l) and sum(w) over the rows."""
        X, sample_weight = data
        total = weight = 0.0
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            x, w = X[batch].astype(self.program.dtype, copy=False), sample_weight[batch]
            difference = self._forward(x)[-1] - x
            squares = np.einsum("ij,ij->i", difference, difference)
            total += float(squares @ w) / x.shape[1]
            weight += float(w.sum())
        return total, weight

    def _forward(self, x: np.ndarray) -> list[np.ndarray]:
        outputs = []
        weights = iter(self._weights)
        for kernel, bias, name in zip(
            weights, weights, self.program.activations, strict=True
        ):
            x = x @ kernel
            x += bias
            ACTIVATIONS[name].apply(x)
            outputs.append(x)
        return outputs

    def _backward(
        self, x: np.ndarray, outputs: list[np.ndarray], gradient: np.ndarray
    ) -> None:
        """Backpropagate; `gradient` is that of the loss by the last output."""
        inputs = [x, *outputs[:-1]]
        for i in range(len(outputs) - 1, -1, -1):
            ACTIVATIONS[self.program.activations[i]].scale(gradient, outputs[i])  # type: ignore[misc]
            np.matmul(inputs[i].T, gradient, out=self._gradients[2 * i])
            np.sum(gradient, axis=0, out=self._gradients[2 * i + 1])
            if i:
                gradient = gradient @ self._weights[2 * i].T

    def _adam(self, rate: float) -> None:
        self._n_steps += 1
        as_dtype = self.program.dtype.type
        step = as_dtype(
            rate * np.sqrt(1 - _BETA_2**self._n_steps) / (1 - _BETA_1**self._n_steps)
        )
        decay_1, decay_2 = as_dtype(_BETA_1), as_dtype(_BETA_2)
        fresh_1, fresh_2 = as_dtype(1 - _BETA_1), as_dtype(1 - _BETA_2)
        for weight, gradient, mean, square, change, root in self._pieces:
            np.multiply(gradient, fresh_1, out=change)
            mean *= decay_1
            mean += change
            gradient *= gradient
            gradient *= fresh_2
            square *= decay_2
            square += gradient
            np.sqrt(square, out=root)
            root += as_dtype(_EPSILON)
            np.divide(mean, root, out=change)
            change *= step
            weight -= change


def _views(flat: np.ndarray, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [
        part.reshape(shape)
        for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)
    ]
