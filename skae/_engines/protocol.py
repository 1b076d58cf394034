"""What every engine offers to a fit: a program, and the trainers it lends.

A *program* is a pure thing: looked up by what it computes, it holds no data and no
result of any fit. *Weights* are values: arrays that go in and come out.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

Weights = Sequence[np.ndarray]
# Data as a trainer has put them; only that trainer looks inside.
Put = tuple
# The sum of w l over the samples, the sum of w and, where the objective has a penalty,
# its share of the first.
Sums = tuple[float, ...]
# Below this distance roots of mean squares are rounded off.
ROUNDED = 0.02


class Trainer(Protocol):
    """The variables of one fit, and the steps that change them."""

    def load(self, weights: Weights, state: Weights | None, seed: int) -> None:
        """Set the weights and the optimizer's state (None: that of a new one)."""

    def load_weights(self, weights: Weights) -> None: ...

    def weights(self) -> list[np.ndarray]: ...

    def state(self) -> list[np.ndarray]:
        """Give the optimizer's state: the number of steps first."""

    def seeds(self) -> list[np.ndarray]:
        """Give the states of the generators of whatever draws in a step."""

    def load_seeds(self, seeds: Weights) -> None: ...

    def set_strength(self, strength: float, root: bool = False) -> None:
        """Say what the mean square distance of a latent to its target costs.

        With `root`, it is what its root costs, which far targets draw no harder than
        others: the square of `ROUNDED` is added to it before, so that its slope has an
        end.
        """

    def set_penalty_share(self, share: float) -> None:
        """Say how much of the penalty of an objective counts in a step: 1 is all."""

    def put(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        targets: np.ndarray | None = None,
    ) -> Put:
        """Bring the columns of the data to where the trainer computes.

        Where rows of X have an axis more than samples, they are pairs: what the encoder
        gets, and what the decoder is to give.
        """

    def put_own(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        targets: np.ndarray | None = None,
    ) -> Put:
        """Do so with rows that all are of this worker's share."""

    def put_targets(self, put: Put, targets: np.ndarray) -> Put:
        """Give the same data with other targets."""

    def train(
        self,
        put: Put,
        order: np.ndarray,
        rates: np.ndarray,
        batch_size: int,
        sums: Sums,
    ) -> Sums:
        """Take a step a batch; add what it comes to, to `sums`."""

    def evaluate(self, put: Put, rows: np.ndarray, batch_size: int) -> Sums:
        """Give the sums over the rows."""

    def finish(self) -> None:
        """Let the optimizer put its averages, where it keeps any, in place."""


class Program(Protocol):
    """One network with its loss, its optimizer and its objective."""

    @property
    def n_encoder_weights(self) -> int: ...

    def initial_weights(self, random_state: np.random.RandomState) -> list[np.ndarray]:
        """Draw the weights that a fit starts from."""

    def check(self, weights: Weights) -> None:
        """Refuse weights whose shapes are not those of this network."""

    def encode(self, weights: Weights, X: np.ndarray) -> np.ndarray: ...

    def decode(self, weights: Weights, Z: np.ndarray) -> np.ndarray: ...

    def lease(self) -> AbstractContextManager[Trainer]:
        """Lend a trainer for the time of a fit."""


def refuse_other_shapes(
    weights: Weights, expected: Sequence[tuple[int, ...]], what: str = "weights"
) -> None:
    """Refuse arrays that do not fit, also those that NumPy would broadcast."""
    shapes = [tuple(np.shape(weight)) for weight in weights]
    if shapes != [tuple(shape) for shape in expected]:
        raise ValueError(f"expected {what} of shapes {list(expected)}, got {shapes}")
