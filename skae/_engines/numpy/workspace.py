"""The arrays of a batch of one size, and what fills them in a step."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from skae._engines.numpy.activations import ACTIVATIONS
from skae._engines.numpy.chain import Chain

# Adam's constants: Kingma and Ba (2015), with the epsilon of Keras.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7
# Adam reads and writes the parameters a piece at a time, so that a piece stays in
# the cache for all of its dozen operations.
_PIECE = 65536


class _Workspace:
    """The layers' outputs and gradients for a batch of one size, and what fills them.

    Everything is made once and written over in every step.
    """

    def __init__(
        self,
        chain: Chain,
        weights: list[np.ndarray],
        flat: np.ndarray,
        n_rows: int,
        n_shares: int,
    ):
        dtype, sizes = chain.dtype, chain.sizes
        outputs = [np.empty((n_rows, size), dtype) for size in sizes]
        gradients = [np.empty((n_rows, size), dtype) for size in sizes]
        # The derivatives of the activations; those of linear layers are all one.
        slopes = [
            None if name == "linear" else np.empty((n_rows, size), dtype)
            for name, size in zip(chain.activations, sizes[1:], strict=True)
        ]
        difference, ones = np.empty((n_rows, sizes[-1]), dtype), np.ones(n_rows, dtype)
        activations = [ACTIVATIONS[name] for name in chain.activations]
        self._shares = []
        for share in range(n_shares):
            rows = slice(n_rows * share // n_shares, n_rows * (share + 1) // n_shares)
            y, g, d = (
                [None if part is None else part[rows] for part in parts]
                for parts in (outputs, gradients, slopes)
            )
            layers = range(len(activations))
            forwards: list[tuple] = [
                (y[i], *weights[2 * i : 2 * i + 2], y[i + 1], activations[i], d[i])
                for i in layers
            ]
            # The first layer has nothing to hand down to.
            backwards: list[tuple] = [
                (g[i + 1], d[i], weights[2 * i].T, g[i] if i else None)
                for i in reversed(layers)
            ]
            k = chain.n_encoder_layers
            self._shares.append(
                (rows, forwards, backwards, difference[rows], y[k], g[k])
            )
        pieces = _cut_into_pieces(sizes)
        size = max(stop - start for start, stop, _ in pieces)
        buffers = [np.empty((2, size), dtype) for _ in range(n_shares)]
        # What each share needs to update a piece: they differ by the buffers.
        self._pieces: list[list[tuple]] = []
        for start, stop, parts in pieces:
            self._pieces.append([])
            for gradient, scratch in buffers:
                sources: list[tuple] = []
                for layer, columns, part_start, part_stop in parts:
                    target = gradient[part_start - start : part_stop - start]
                    inputs = ones  # of a bias
                    if columns is not None:
                        inputs = outputs[layer][:, columns].T
                        target = target.reshape(len(inputs), -1)
                    sources.append((inputs, gradients[layer + 1], target))
                n = stop - start
                arrays = (*flat[:, start:stop], gradient[:n], scratch[:n])
                self._pieces[-1].append((sources, *arrays))
        self._waiting: deque[list[tuple]] = deque()
        constants = (
            _BETA_1,
            _BETA_2,
            # The gradients come with the factor 1 - beta_1 already.
            (1 - _BETA_2) / (1 - _BETA_1) ** 2,
            _EPSILON,
        )
        self._constants = [np.array(constant, dtype) for constant in constants]

    def propagate(
        self,
        share: int,
        X: np.ndarray,
        rows: np.ndarray,
        scale: np.ndarray,
        pull: tuple[np.ndarray, np.ndarray] | None,
    ) -> float:
        """Run a share forwards and backwards; give the product of error and gradient.

        `scale` turns the error of the reconstruction into the gradient of the loss.
        `pull` holds what the latents are drawn to, and the same for their distance.
        """
        if share == 0:
            self._waiting.extend(self._pieces)
        mine, forwards, backwards, difference, latent, latent_gradient = self._shares[
            share
        ]
        x = forwards[0][0]
        if X.dtype == x.dtype:
            # "clip" spares a copy; the rows are in range.
            np.take(X, rows[mine], axis=0, out=x, mode="clip")
        else:
            x[...] = X[rows[mine]]
        for inputs, kernel, bias, out, activation, slope in forwards:
            np.dot(inputs, kernel, out=out)
            out += bias
            activation(out, slope)
        gradient = backwards[0][0]
        np.subtract(out, x, out=difference)
        np.multiply(difference, scale[mine], out=gradient)
        product = float(np.vdot(difference, gradient))
        for gradient, slope, kernel_t, before in backwards:
            if slope is not None:
                gradient *= slope
            if before is not None:
                np.dot(gradient, kernel_t, out=before)
            if before is latent_gradient and pull is not None:
                targets, pulls = pull
                before += (latent - targets[mine]) * pulls[mine]
        return product

    def update(self, share: int, step: np.ndarray) -> None:
        """Update parameters by Adam (Kingma and Ba, 2015) until all are done.

        A piece stays in the cache from its gradient to its new weights. The shares take
        the next piece in turn, whoever is free.
        """
        beta_1, beta_2, fresh, epsilon = self._constants
        while True:
            try:
                piece = self._waiting.popleft()[share]
            except IndexError:
                return
            sources, weight, mean, square, gradient, scratch = piece
            for inputs, outputs, target in sources:
                np.dot(inputs, outputs, out=target)
            mean *= beta_1
            mean += gradient
            gradient *= gradient
            gradient *= fresh
            square *= beta_2
            square += gradient
            np.sqrt(square, out=scratch)
            scratch += epsilon
            np.divide(mean, scratch, out=scratch)
            scratch *= step
            weight -= scratch


def _cut_into_pieces(sizes: Sequence[int]) -> list[tuple[int, int, list[tuple]]]:
    """Cut the flat array of parameters into pieces of about `_PIECE` numbers.

    A piece is its start, its stop, and what it holds: rows of the kernel of a layer or,
    without rows, its bias, each with its own start and stop.
    """
    pieces: list[tuple[int, int, list[tuple]]] = []
    end = 0
    for layer, (n_inputs, n_units) in enumerate(pairwise(sizes)):
        n_rows = max(1, _PIECE // n_units)
        parts: list[tuple[slice | None, int]] = [
            (slice(i, i + n_rows), min(n_rows, n_inputs - i) * n_units)
            for i in range(0, n_inputs, n_rows)
        ]
        for columns, size in [*parts, (None, n_units)]:
            part = (layer, columns, end, end + size)
            if pieces and end + size - pieces[-1][0] <= _PIECE:
                start, _, others = pieces[-1]
                pieces[-1] = (start, end + size, [*others, part])
            else:
                pieces.append((end, end + size, [part]))
            end += size
    return pieces
