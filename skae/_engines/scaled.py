"""Columns that a program sees standardised, and whose scale its weights take over.

A table whose columns have units of their own is trained on with each column centred and
divided by its standard deviation, so that the loss weighs columns alike. Outside of the
trainer nobody sees it: what it hands out are weights for the table as it is.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from skae._engines.protocol import Put, Trainer, Weights
from skae._layers import ends
from skae._threads import one_blas_thread

# Values that are scaled at once.
_BLOCK_VALUES = 2**18


@dataclass(frozen=True)
class Scaling:
    """What is taken from each column, and what it is divided by; in float64."""

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, estimator: Any) -> "Scaling | None":
        """Give what a fitted estimator holds."""
        # One that an older version pickled has neither.
        scale = getattr(estimator, "scale_", None)
        return None if scale is None else cls(estimator.center_, scale)

    @staticmethod
    def attributes(scaling: "Scaling | None") -> dict[str, Any]:
        """Give the attributes of an estimator."""
        if scaling is None:
            return {"center_": None, "scale_": None}
        return {"center_": scaling.center, "scale_": scaling.scale}

    def apply(self, X: np.ndarray, dtype: Any) -> np.ndarray:
        """Give samples, or pairs of them, as the program sees them."""
        out = np.empty(X.shape, dtype)
        n_rows = max(1, _BLOCK_VALUES // math.prod(X.shape[1:]))
        for start in range(0, len(X), n_rows):
            block = slice(start, start + n_rows)
            out[block] = (X[block] - self.center) / self.scale
        return out

    @one_blas_thread()
    def into(self, weights: Weights, n_encoder: int, path: bool) -> list[np.ndarray]:
        """Give the weights for columns as they are from those for scaled ones."""
        found = [np.asarray(weight, np.float64) for weight in weights]
        begin, end, *_ = ends(n_encoder, path)
        for kernel, bias in begin:
            found[kernel] = found[kernel] / self.scale[:, np.newaxis]
            found[bias] = found[bias] - self.center @ found[kernel]
        for i in chain.from_iterable(end):
            found[i] = found[i] * self.scale
        found[-1] = found[-1] + self.center
        return [f.astype(w.dtype) for f, w in zip(found, weights, strict=True)]

    @one_blas_thread()
    def out_of(self, weights: Weights, n_encoder: int, path: bool) -> list[np.ndarray]:
        """Give the weights for scaled columns from those for columns as they are."""
        found = [np.asarray(weight, np.float64) for weight in weights]
        begin, end, *_ = ends(n_encoder, path)
        for kernel, bias in begin:
            found[bias] = found[bias] + self.center @ found[kernel]
            found[kernel] = found[kernel] * self.scale[:, np.newaxis]
        found[-1] = found[-1] - self.center
        for i in chain.from_iterable(end):
            found[i] = found[i] / self.scale
        return [f.astype(w.dtype) for f, w in zip(found, weights, strict=True)]


class ScaledTrainer:
    """A trainer whose data are scaled; its weights are for data as they are."""

    def __init__(
        self,
        trainer: Trainer,
        scaling: Scaling,
        dtype: str,
        n_encoder: int,
        path: bool,
    ):
        self._trainer, self._scaling = trainer, scaling
        self._dtype = dtype
        self._where = n_encoder, path
        self.state, self.seeds = trainer.state, trainer.seeds
        self.load_seeds, self.set_strength = trainer.load_seeds, trainer.set_strength
        self.set_penalty_share = trainer.set_penalty_share
        self.put_targets, self.finish = trainer.put_targets, trainer.finish
        self.train, self.evaluate = trainer.train, trainer.evaluate

    def load(self, weights: Weights, state: Weights | None, seed: int) -> None:
        weights = self._scaling.out_of(weights, *self._where)
        self._trainer.load(weights, state, seed)

    def load_weights(self, weights: Weights) -> None:
        self._trainer.load_weights(self._scaling.out_of(weights, *self._where))

    def weights(self) -> list[np.ndarray]:
        return self._scaling.into(self._trainer.weights(), *self._where)

    def inner_weights(self) -> list[np.ndarray]:
        """Give the weights for scaled data, which rounding has not touched."""
        return self._trainer.weights()

    def load_inner(self, weights: Weights) -> None:
        self._trainer.load_weights(weights)

    def put(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        targets: np.ndarray | None = None,
    ) -> Put:
        return self._trainer.put(self._scaled(X), sample_weight, targets)

    def put_own(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        targets: np.ndarray | None = None,
    ) -> Put:
        return self._trainer.put_own(self._scaled(X), sample_weight, targets)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return self._scaling.apply(X, self._dtype)
