"""What a chain of dense layers is made of."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skae._engines.numpy.forward import Layer


@dataclass(frozen=True)
class Chain:
    """The layers of an encoder and a decoder, which follow each other."""

    # The number of units, from the input to the output.
    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    n_encoder_layers: int
    dtype: np.dtype
    # Whether the encoder gets which values are known, and the means of the columns for
    # those that are not: then these come before the other weights.
    masked: bool = False

    @property
    def n_features(self) -> int:
        return self.sizes[-1]

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
        return [shape for pair in pairwise(self.sizes) for shape in (pair, pair[1:])]

    def layers(self, weights: Sequence[np.ndarray]) -> list[Layer]:
        _, weights = self.split(weights)
        parts = zip(weights[::2], weights[1::2], self.activations, strict=True)
        return [Layer(*part) for part in parts]

    def split(
        self, weights: Sequence[np.ndarray]
    ) -> tuple[np.ndarray | None, Sequence[np.ndarray]]:
        """Give the means of the columns, if there are any, and what is trained."""
        return (weights[0], weights[1:]) if self.masked else (None, weights)
