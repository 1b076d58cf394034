"""What a chain of dense layers is made of."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from skae._engines.numpy.forward import Layer, Path, Stage, forward


class Link(NamedTuple):
    """A kernel, and a bias if it has one, from one vector of units to another."""

    source: int
    target: int
    bias: bool = True
    # Whether it is the linear path, beside the layers.
    path: bool = False


@dataclass(frozen=True)
class Chain:
    """The layers of an encoder and a decoder, which follow each other.

    With a linear path, a matrix leads from the input to the latent vector, and another
    from there to the output, beside the layers.
    """

    # The number of units, from the input to the output.
    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    n_encoder_layers: int
    dtype: np.dtype
    linear_path: bool = False
    # Whether the encoder gets which values are known, and the means of the columns for
    # those that are not: then these come before the other weights.
    masked: bool = False
    # Where the encoder gives more than latent vectors, which come first: their size.
    latent_dim: int | None = None

    @property
    def n_features(self) -> int:
        return self.sizes[-1]

    @property
    def logits(self) -> bool:
        """Whether the path of the decoder ends in the logits of a sigmoid."""
        return self.linear_path and self.activations[-1] == "sigmoid"

    @property
    def links(self) -> list[Link]:
        """What the weights join, in their order: numbers of the vectors of units.

        Where the path ends in logits, what it gives is a vector after the output.
        """
        k, last = self.n_encoder_layers, len(self.activations)
        links = [Link(i, i + 1) for i in range(last)]
        if self.linear_path:
            links.insert(k, Link(0, k, bias=False, path=True))
            links.append(Link(k, last + 1 if self.logits else last, path=True))
        return links

    @property
    def node_sizes(self) -> tuple[int, ...]:
        """The number of units of each vector that a link may name."""
        return (*self.sizes, self.sizes[-1]) if self.logits else self.sizes

    @property
    def n_encoder_weights(self) -> int:
        return 2 * self.n_encoder_layers + self.linear_path + self.masked

    @property
    def work(self) -> int:
        """Multiplications a sample."""
        return sum(a * b for a, b in pairwise(self.sizes))

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        """The shapes of all weights."""
        return [*[(self.n_features,)] * self.masked, *self.shapes]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of those that are trained: a kernel and a bias a layer."""
        shapes: list[tuple[int, ...]] = []
        for link in self.links:
            shapes.append(self.kernel_shape(link))
            if link.bias:
                shapes.append(shapes[-1][1:])
        return shapes

    def kernel_shape(self, link: Link) -> tuple[int, int]:
        sizes = self.node_sizes
        from_latents = link.source == self.n_encoder_layers
        n_in = self.latent_dim if from_latents else None
        return n_in or sizes[link.source], sizes[link.target]

    def encode(self, weights: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        layers, path, means, n_out = self.encoder(weights)
        Z = forward(layers, X, self.dtype, path, means)
        return Z if n_out is None else Z[:, :n_out].copy()

    def decode(self, weights: Sequence[np.ndarray], Z: np.ndarray) -> np.ndarray:
        layers, path, *_ = self.decoder(weights)
        return forward(layers, Z, self.dtype, path)

    def encoder(self, weights: Sequence[np.ndarray]) -> Stage:
        """Put weights in their places."""
        means, rest = self.split(weights[: self.n_encoder_weights])
        k = self.n_encoder_layers
        layers = self._layers(rest[: 2 * k], self.activations[:k])
        path = Path(rest[-1]) if self.linear_path else None
        return Stage(layers, path, means, self.latent_dim)

    def decoder(self, weights: Sequence[np.ndarray]) -> Stage:
        """Put weights in their places."""
        weights, k = weights[self.n_encoder_weights :], self.n_encoder_layers
        path = None
        if self.linear_path:
            *weights, kernel, bias = weights
            path = Path(kernel, bias, self.logits)
        return Stage(self._layers(weights, self.activations[k:]), path)

    @staticmethod
    def _layers(
        weights: Sequence[np.ndarray], activations: Sequence[str]
    ) -> list[Layer]:
        parts = zip(weights[::2], weights[1::2], activations, strict=True)
        return [Layer(*part) for part in parts]

    def split(
        self, weights: Sequence[np.ndarray]
    ) -> tuple[np.ndarray | None, Sequence[np.ndarray]]:
        """Give the means of the columns, if there are any, and what is trained."""
        return (weights[0], weights[1:]) if self.masked else (None, weights)
