"""What a chain of dense layers is made of."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from skae._engines.numpy.forward import Layer, Path, forward


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
        return 2 * self.n_encoder_layers + self.linear_path

    @property
    def work(self) -> int:
        """Multiplications a sample."""
        return sum(a * b for a, b in pairwise(self.sizes))

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the weights: a kernel and a bias a layer."""
        sizes = self.node_sizes
        shapes: list[tuple[int, ...]] = []
        for source, target, bias, _ in self.links:
            shapes.append((sizes[source], sizes[target]))
            if bias:
                shapes.append((sizes[target],))
        return shapes

    def encode(self, weights: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        n, k = self.n_encoder_weights, self.n_encoder_layers
        layers = self._layers(weights[: 2 * k], self.activations[:k])
        path = Path(weights[n - 1]) if self.linear_path else None
        return forward(layers, X, self.dtype, path)

    def decode(self, weights: Sequence[np.ndarray], Z: np.ndarray) -> np.ndarray:
        weights, k = weights[self.n_encoder_weights :], self.n_encoder_layers
        path = None
        if self.linear_path:
            *weights, kernel, bias = weights
            path = Path(kernel, bias, self.logits)
        return forward(self._layers(weights, self.activations[k:]), Z, self.dtype, path)

    @staticmethod
    def _layers(
        weights: Sequence[np.ndarray], activations: Sequence[str]
    ) -> list[Layer]:
        parts = zip(weights[::2], weights[1::2], activations, strict=True)
        return [Layer(*part) for part in parts]
