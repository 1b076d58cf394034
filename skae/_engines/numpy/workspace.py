"""The arrays of a batch of one size, and what fills them in a step."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from skae._engines.draws import NumpyDraw
from skae._engines.numpy.activations import ACTIVATIONS
from skae._engines.numpy.chain import Chain
from skae._engines.numpy.forward import to_logits
from skae._engines.protocol import ROUNDED
from skae._objectives.masking import fill_and_flag, known_factors
from skae._objectives.objective import refuse_other_shape

# Adam's constants: Kingma and Ba (2015), with the epsilon of Keras.
BETA_1, BETA_2, _EPSILON = 0.9, 0.999, 1e-7
# Adam reads and writes the parameters a piece at a time, so that a piece stays in
# the cache for all of its dozen operations.
_PIECE = 65536


class Batch(NamedTuple):
    """The rows of a step, and what makes gradients of their errors."""

    X: np.ndarray
    rows: np.ndarray
    # It turns the error of the reconstruction into the gradient of the loss.
    scale: np.ndarray
    # What the latents are drawn to, the same for their distance, and whether it is the
    # root of its square that counts.
    pull: tuple[np.ndarray, np.ndarray, bool] | None
    spoiling: "Spoiling | None"


class Spoiling:
    """The inputs of a step where they are not what is wanted of it.

    An objective has spoilt them, or they are the first of pairs. Each thread has its
    own.
    """

    def __init__(
        self,
        inputs: Callable | None,
        batch: np.ndarray,
        seed: np.ndarray,
        wanted: np.ndarray,
        means: np.ndarray | None = None,
    ):
        # Of the columns, where values may be missing.
        self._means = means
        self._inputs = inputs
        self._seed = seed
        self.batch = batch
        self.wanted = wanted
        # That of the generator after the step.
        self.seed = seed

    def inputs(self, rows: slice) -> np.ndarray:
        """Give what the encoder gets for some rows of the batch."""
        x = self._spoilt(rows)
        return x if self._means is None else fill_and_flag(x, self._means)

    def known_factors(self) -> np.ndarray:
        """Give what turns a mean over all values of a row into that over the known."""
        return known_factors(np.isnan(self.wanted)).astype(self.wanted.dtype)

    def _spoilt(self, rows: slice) -> np.ndarray:
        if self._inputs is None:
            return self.batch[rows]
        draw = NumpyDraw(self._seed, rows.start, self.batch)
        # A copy: the decoder is asked for what the batch holds.
        x = self.batch[rows].copy()
        spoilt = self._inputs(x, draw)
        owner = getattr(self._inputs, "__self__", self._inputs)
        if not isinstance(spoilt, np.ndarray):
            raise TypeError(
                f"The objective {owner!r} says plain_arithmetic=True, and its `inputs` "
                f"gave a {type(spoilt).__name__} for an array. Write it with operators "
                "and `draw` alone, or leave plain_arithmetic out."
            )
        refuse_other_shape("inputs", owner, spoilt, (None, *x.shape[1:]))
        self.seed = draw.state()
        return spoilt


@dataclass
class _Path:
    """The linear way around some layers."""

    inputs: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray | None
    outputs: np.ndarray
    # The derivative of the logits, where it ends in such.
    slope: np.ndarray | None

    def add(self, out: np.ndarray) -> None:
        """Add what it gives to what the layers give."""
        np.dot(self.inputs, self.kernel, out=self.outputs)
        if self.bias is not None:
            self.outputs += self.bias
        if self.slope is not None:
            to_logits(self.outputs, self.slope)
        out += self.outputs


@dataclass
class _Forwards:
    """A layer on the way forwards: what it reads, and what it writes."""

    inputs: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray | None
    outputs: np.ndarray
    activation: Callable
    # The derivative of the activation; that of a linear layer is one.
    slope: np.ndarray | None
    path: _Path | None = None


@dataclass
class _Backwards:
    """The same layer on the way back."""

    gradient: np.ndarray
    slope: np.ndarray | None
    kernel_transposed: np.ndarray
    # The first layer has nothing to hand down to.
    before: np.ndarray | None


@dataclass
class _Share:
    """The rows of a batch that one thread runs."""

    rows: slice
    forwards: list[_Forwards]
    backwards: list[_Backwards]
    difference: np.ndarray
    latent: np.ndarray
    latent_gradient: np.ndarray
    # The linear path of the decoder, if there is one, and the gradient at its end.
    path: _Path | None
    path_gradient: np.ndarray


@dataclass
class _Piece:
    """Parameters that are updated at once, and where their gradients come from."""

    # Inputs and gradients whose product goes to a target.
    sources: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    weight: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    gradient: np.ndarray
    scratch: np.ndarray


class Workspace:
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
        self._masked = chain.masked
        dtype, sizes = chain.dtype, chain.node_sizes
        outputs = [np.empty((n_rows, size), dtype) for size in sizes]
        gradients = [np.empty((n_rows, size), dtype) for size in sizes]
        slopes = [
            None if name == "linear" else np.empty((n_rows, size), dtype)
            for name, size in zip(chain.activations, chain.sizes[1:], strict=True)
        ]
        if chain.logits:
            slopes.append(np.empty((n_rows, sizes[-1]), dtype))
        difference = np.empty((n_rows, sizes[-1]), dtype)
        cuts = [n_rows * share // n_shares for share in range(n_shares + 1)]
        self._shares = [
            _make_share(chain, weights, slice(*rows), outputs, gradients, slopes)
            for rows in pairwise(cuts)
        ]
        for share in self._shares:
            share.difference = difference[share.rows]
        self._pieces = _make_pieces(chain, flat, outputs, gradients, n_shares)
        self._waiting: deque[list[_Piece]] = deque()
        constants = (
            BETA_1,
            BETA_2,
            # The gradients come with the factor 1 - beta_1 already.
            (1 - BETA_2) / (1 - BETA_1) ** 2,
            _EPSILON,
        )
        self._constants = [np.array(constant, dtype) for constant in constants]

    def propagate(self, number: int, batch: Batch) -> float:
        """Run a share forwards and back; give the product of error and gradient."""
        if number == 0:
            self._waiting.extend(self._pieces)
        share = self._shares[number]
        mine = share.rows
        x = share.forwards[0].inputs
        if batch.spoiling is not None:
            x[...] = batch.spoiling.inputs(mine)
            clean = batch.spoiling.wanted[mine]
        else:
            clean = x
            if batch.X.dtype == x.dtype:
                # "clip" spares a copy; the rows are in range.
                np.take(batch.X, batch.rows[mine], axis=0, out=x, mode="clip")
            else:
                x[...] = batch.X[batch.rows[mine]]
        for layer in share.forwards:
            out = layer.outputs
            np.dot(layer.inputs, layer.kernel, out=out)
            out += layer.bias
            if layer.path is not None:
                layer.path.add(out)
            layer.activation(out, layer.slope)
        gradient = share.backwards[0].gradient
        np.subtract(out, clean, out=share.difference)
        if self._masked:
            # Not all that is NaN: what has diverged is to be seen.
            np.copyto(share.difference, 0, where=np.isnan(clean))
        np.multiply(share.difference, batch.scale[mine], out=gradient)
        product = float(np.vdot(share.difference, gradient))
        for back in share.backwards:
            if back.slope is not None:
                back.gradient *= back.slope
            if back.before is not None:
                np.dot(back.gradient, back.kernel_transposed, out=back.before)
            if back.before is share.latent_gradient:
                self._meet_at_latents(share, batch)
        return product

    @staticmethod
    def _meet_at_latents(share: _Share, batch: Batch) -> None:
        """Add what comes back to the latent vectors beside the decoder's layers."""
        path = share.path
        if path is not None:
            if path.slope is not None:
                end = share.backwards[0].gradient
                np.multiply(end, path.slope, out=share.path_gradient)
            share.latent_gradient += share.path_gradient @ path.kernel.T
        if batch.pull is not None:
            share.latent_gradient += _pull(share.latent, share.rows, *batch.pull)

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
            mean, square = piece.mean, piece.square
            gradient, scratch = piece.gradient, piece.scratch
            for inputs, outputs, target in piece.sources:
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
            piece.weight -= scratch


def _pull(
    latent: np.ndarray, rows: slice, targets: np.ndarray, pulls: np.ndarray, root: bool
) -> np.ndarray:
    """Give the gradient of the distance of latents to their targets."""
    apart = latent - targets[rows]
    if root:
        squares = np.square(apart).mean(axis=1, keepdims=True)
        squares += ROUNDED**2
        apart /= 2 * np.sqrt(squares)
    return apart * pulls[rows]


def _make_share(
    chain: Chain,
    weights: list[np.ndarray],
    rows: slice,
    outputs: list[np.ndarray],
    gradients: list[np.ndarray],
    slopes: list[np.ndarray | None],
) -> _Share:
    """Make what runs some rows of a batch through all layers and back."""
    y, g = [part[rows] for part in outputs], [part[rows] for part in gradients]
    d = [None if part is None else part[rows] for part in slopes]
    k, last = chain.n_encoder_layers, len(chain.activations)
    parts = iter(weights)
    kernels: list[tuple[np.ndarray, np.ndarray | None]] = []
    paths: dict[int, _Path] = {}
    for link in chain.links:
        kernel, bias = next(parts), next(parts) if link.bias else None
        if not link.path:
            kernels.append((kernel, bias))
            continue
        end = min(link.target, last)
        slope = d[last] if chain.logits and end == last else None
        scratch = np.empty_like(y[end])
        paths[end] = _Path(y[link.source], kernel, bias, scratch, slope)
    forwards = [
        _Forwards(
            y[i], *kernels[i], y[i + 1], ACTIVATIONS[name], d[i], paths.get(i + 1)
        )
        for i, name in enumerate(chain.activations)
    ]
    backwards = [
        _Backwards(g[i + 1], d[i], kernels[i][0].T, g[i] if i else None)
        for i in reversed(range(last))
    ]
    # Where the path does not end in logits, its gradient is that of the output.
    return _Share(
        rows, forwards, backwards, np.empty(0), y[k], g[k], paths.get(last), g[-1]
    )


def _make_pieces(
    chain: Chain,
    flat: np.ndarray,
    outputs: list[np.ndarray],
    gradients: list[np.ndarray],
    n_shares: int,
) -> list[list[_Piece]]:
    """Make the pieces, each once for each share: they differ by their buffers."""
    cut = _cut_into_pieces(chain)
    size = max(stop - start for start, stop, _ in cut)
    buffers = [np.empty((2, size), flat.dtype) for _ in range(n_shares)]
    ones = np.ones(len(outputs[0]), flat.dtype)
    pieces: list[list[_Piece]] = []
    for start, stop, parts in cut:
        pieces.append([])
        for gradient, scratch in buffers:
            sources = []
            for link, columns, part_start, part_stop in parts:
                target = gradient[part_start - start : part_stop - start]
                inputs = ones  # of a bias
                if columns is not None:
                    inputs = outputs[link.source][:, columns].T
                    target = target.reshape(len(inputs), -1)
                sources.append((inputs, gradients[link.target], target))
            n = stop - start
            arrays = (*flat[:, start:stop], gradient[:n], scratch[:n])
            pieces[-1].append(_Piece(sources, *arrays))
    return pieces


def _cut_into_pieces(chain: Chain) -> list[tuple[int, int, list[tuple]]]:
    """Cut the flat array of parameters into pieces of about `_PIECE` numbers.

    A piece is its start, its stop, and what it holds: rows of a kernel or, without
    rows, a bias, each with its own start and stop.
    """
    sizes = chain.node_sizes
    pieces: list[tuple[int, int, list[tuple]]] = []
    end = 0
    for link in chain.links:
        n_inputs, n_units = sizes[link.source], sizes[link.target]
        n_rows = max(1, _PIECE // n_units)
        parts: list[tuple[slice | None, int]] = [
            (slice(i, i + n_rows), min(n_rows, n_inputs - i) * n_units)
            for i in range(0, n_inputs, n_rows)
        ]
        if link.bias:
            parts.append((None, n_units))
        for columns, size in parts:
            part = (link, columns, end, end + size)
            if pieces and end + size - pieces[-1][0] <= _PIECE:
                start, _, others = pieces[-1]
                pieces[-1] = (start, end + size, [*others, part])
            else:
                pieces.append((end, end + size, [part]))
            end += size
    return pieces
