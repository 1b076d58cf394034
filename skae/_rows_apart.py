"""How far rows lie from others: columns in units of their own, and distances."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.covariance import ledoit_wolf_shrinkage

from skae._threads import one_blas_thread
from skae._tiles import multiply

__all__ = ["InUnits", "Member", "Scale"]

_N_NEIGHBORS = 20
# Beyond so many standard deviations values grow as their logarithms.
LINEAR = 10.0
# A row whose squared distance is below so much a column is the same row.
ITSELF = 1e-9


class Scale:
    """Columns in units of their own, which one wild value does not change."""

    def __init__(self, X):
        with np.errstate(over="ignore", invalid="ignore"):
            low, self.median, high = np.percentile(X, [25, 50, 75], axis=0)
            spread = (high - low) / 1.349
            spread = np.where(spread > 0, spread, X.std(axis=0))
        self.spread = np.where((spread > 0) & np.isfinite(spread), spread, 1.0)

    def scaled(self, X):
        """Give values in units of their columns; far ones grow as logarithms."""
        with np.errstate(over="ignore"):
            scaled = X / self.spread - self.median / self.spread
        # What overflows is as far away as can be.
        size = np.minimum(np.abs(scaled), np.finfo(float).max)
        far = LINEAR * (1 + np.log(np.maximum(size, LINEAR) / LINEAR))
        return np.where(size > LINEAR, np.copysign(far, scaled), scaled)

    def unscaled(self, scaled):
        """Give values in the units of X."""
        size = np.abs(scaled)
        with np.errstate(over="ignore"):
            far = LINEAR * np.exp(np.maximum(size, LINEAR) / LINEAR - 1)
            scaled = np.where(size > LINEAR, np.copysign(far, scaled), scaled)
            return scaled * self.spread + self.median


class InUnits(TransformerMixin, BaseEstimator):
    """Fitted transformers of scaled columns, as one transformer of the user's rows."""

    def __init__(self, transformers, scale):
        self.transformers = transformers
        self.scale = scale

    def transform(self, X):
        """Give latent vectors, those of several transformers side by side."""
        scaled = self.scale.scaled(np.asarray(X, dtype=np.float64))
        return np.hstack([one.transform(scaled) for one in self.transformers])

    def inverse_transform(self, X):
        """Give reconstructions, the mean of those of several transformers."""
        latents = np.split(np.asarray(X), len(self.transformers), axis=1)
        decoded = [
            one.inverse_transform(part)
            for one, part in zip(self.transformers, latents, strict=True)
        ]
        return self.scale.unscaled(np.mean(decoded, axis=0))

    def __sklearn_is_fitted__(self):
        return True


class Member:
    """A fitted transformer, and rows to compare others with."""

    def __init__(self, transformer, rows, scaled):
        self.transformer = transformer
        self.rows = scaled[rows]
        vectors = self._vectors(self.rows)
        self.mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
        # A residual that never varied tells nothing but that it does now.
        self.deviation = np.where(deviation > 1e-9, deviation, 1.0)
        self._learn_whitening((vectors - self.mean) / self.deviation)
        self.places = self._whitened(vectors)

    @property
    def n_neighbors(self):
        """How many of the rows count, the row itself left out."""
        return min(_N_NEIGHBORS, len(self.places) - 1)

    def _vectors(self, scaled):
        """Give latent values and residuals, side by side."""
        latents = np.asarray(self.transformer.transform(scaled))
        decoded = np.asarray(self.transformer.inverse_transform(latents))
        if decoded.shape != scaled.shape or len(latents) != len(scaled):
            raise ValueError(
                f"Expected a transformer whose inverse_transform gives {scaled.shape} "
                f"for rows of that shape. Received {decoded.shape} from "
                f"{type(self.transformer).__name__}. Give one that goes back to the "
                "columns it has seen."
            )
        latents = latents.reshape(len(latents), -1)
        vectors = np.hstack([latents, scaled - decoded])
        # In one order, whatever that of the rows was: sums follow it.
        return np.ascontiguousarray(vectors, dtype=np.float64)

    @one_blas_thread()
    def _learn_whitening(self, units):
        """Keep the shrunk covariance matrix by its largest directions.

        There are no more of them than rows, and all others are alike: so wide tables
        need no matrix of columns by columns.
        """
        shrinkage = ledoit_wolf_shrinkage(units, assume_centered=True)
        _, singular, self.directions = np.linalg.svd(units, full_matrices=False)
        mean_variance = np.mean(units**2)
        floor = max(shrinkage * mean_variance, 1e-6)
        variances = (1 - shrinkage) * singular**2 / len(units) + floor
        self.weight = 1 / math.sqrt(floor)
        self.weights = 1 / np.sqrt(variances) - self.weight

    @one_blas_thread()
    def _whitened(self, vectors):
        units = (vectors - self.mean) / self.deviation
        along = multiply(units, self.directions.T)
        return self.weight * units + multiply(along * self.weights, self.directions)

    @one_blas_thread()
    def distances(self, scaled):
        """Give the mean squared distances to neighbours, as a share of the columns."""
        squared, n_neighbors = self._squared(self._whitened(self._vectors(scaled)))
        nearest = np.partition(squared, n_neighbors - 1, axis=1)[:, :n_neighbors]
        return nearest.mean(axis=1) / self.places.shape[1]

    def _squared(self, places):
        """Give squared distances to the known rows, and how many neighbours count."""
        squared = multiply(places, -2 * self.places.T)
        squared += (places**2).sum(axis=1)[:, np.newaxis]
        squared += (self.places**2).sum(axis=1)
        np.maximum(squared, 0, out=squared)
        # A row is not its own neighbour.
        nearest = squared.argmin(axis=1)
        every = np.arange(len(places))
        itself = squared[every, nearest] < ITSELF * places.shape[1]
        squared[every[itself], nearest[itself]] = np.inf
        return squared, self.n_neighbors

    @one_blas_thread()
    def falls(self, scaled):
        """Give by which part a change of each column would lower the distance."""
        vectors = self._whitened(self._vectors(scaled))
        squared, n_neighbors = self._squared(vectors)
        found = np.argpartition(squared, n_neighbors - 1, axis=1)[:, :n_neighbors]
        squared = np.take_along_axis(squared, found, axis=1)
        apart = vectors - self.places[found].mean(axis=1)
        step = np.median(self.rows, axis=0) - scaled
        step = np.copysign(np.maximum(np.abs(step), 0.5), step)
        # Each row as often as there are columns, one of them changed in each.
        changed = scaled[:, np.newaxis] + step[:, np.newaxis] * np.eye(step.shape[1])
        moved = self._whitened(self._vectors(changed.reshape(-1, step.shape[1])))
        moves = moved.reshape(*step.shape, -1) - vectors[:, np.newaxis]
        along = np.einsum("rd,rcd->rc", apart, moves)
        falls = along**2 / np.maximum(np.einsum("rcd,rcd->rc", moves, moves), 1e-12)
        return falls / np.maximum(squared.mean(axis=1, keepdims=True), 1e-12)
