"""Places in latent space: along axes, between samples, over a plane, at random."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from skae.plotting._drawing import largest_first

_KINDS = ("axes", "between", "plane", "random")
# Rows that are looked at at once, so that no copy of all is made.
_BLOCK = 4_096
# How strongly a picture is drawn where no sample is near.
_FADED = 0.2


def check_places(Z, kind, latent_axes, samples, base):
    """Say what is amiss with the places asked for."""
    if kind not in _KINDS:
        raise ValueError(f"Expected kind to be one of {_KINDS}. Received {kind!r}.")
    if Z.ndim != 2 or len(Z) == 0:
        raise ValueError(
            "Expected latent vectors (n_samples, latent_dim). Received shape "
            f"{Z.shape}. Flatten feature maps by Z.reshape(len(Z), -1), and undo it "
            "in `decode`."
        )
    columns = [] if latent_axes is None else list(latent_axes)
    if any(not 0 <= column < Z.shape[1] for column in columns):
        raise ValueError(
            f"Expected latent_axes among 0 to {Z.shape[1] - 1}. Received {columns}."
        )
    n_columns = Z.shape[1] if latent_axes is None else len(columns)
    if kind == "plane" and (n_columns < 2 or len(columns) > 2):
        raise ValueError(
            "Expected two latent axes for kind='plane'. Received "
            f"{min(n_columns, len(columns) or n_columns)}. Use kind='axes' instead."
        )
    rows = list(samples)
    if kind == "between" and (
        len(rows) < 2 or any(not -len(Z) <= row < len(Z) for row in rows)
    ):
        raise ValueError(
            f"Expected at least two samples, rows of the {len(Z)} latent vectors. "
            f"Received {rows}."
        )
    if base is not None and not -len(Z) <= base < len(Z):
        raise ValueError(
            f"Expected base to be a row of the {len(Z)} latent vectors, or None for "
            f"the one nearest to their mean. Received {base!r}."
        )


class Surroundings:
    """Where latent vectors lie, from which places are told.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, latent_dim)
        Latent vectors.

    base : int or None
        Row whose values places have on all axes that are not varied; by default the
        one nearest to the mean.
    """

    def __init__(self, Z, base=None):
        self.Z = Z
        self.mean = np.mean(Z, axis=0, dtype=float)
        products = np.zeros((Z.shape[1], Z.shape[1]))
        for block in self._blocks():
            products += block.T @ block
        self.covariance = products / len(Z)
        self.variance = np.diag(self.covariance)
        self.base = self._central_row() if base is None else base

    def _blocks(self):
        for start in range(0, len(self.Z), _BLOCK):
            yield self.Z[start : start + _BLOCK] - self.mean

    def _central_row(self):
        """Return the row nearest to the mean, in standard deviations."""
        spread = np.sqrt(np.where(self.variance > 0, self.variance, 1.0))
        away = [np.square(block / spread).sum(axis=1) for block in self._blocks()]
        return int(np.concatenate(away).argmin())

    def widest_axes(self, n_axes):
        """Return the latent axes of the greatest variance, in their order."""
        return np.sort(largest_first(self.variance)[:n_axes])

    def places(self, kind, latent_axes, samples, n_steps, percentiles, random_state):
        """Return places (n_rows, n_cols, latent_dim), and the words about them."""
        if kind == "between":
            return self.between(samples, n_steps)
        if kind == "random":
            return self.at_random(n_steps, random_state)
        walk = self.plane if kind == "plane" else self.along
        return walk(latent_axes, n_steps, percentiles)

    def along(self, latent_axes, n_steps, percentiles):
        """Return places along each of the latent axes."""
        chosen = latent_axes is None
        latent_axes = self.widest_axes(5) if chosen else latent_axes
        places = np.tile(
            self.Z[self.base].astype(float), (len(latent_axes), n_steps, 1)
        )
        for i, column in enumerate(latent_axes):
            places[i, :, column] = self._steps(column, n_steps, percentiles)
        low, high = percentiles
        y_label, n_axes = "latent axis", self.Z.shape[1]
        if len(latent_axes) < n_axes:
            y_label += f", {len(latent_axes)} of {n_axes:,}"
            y_label += ",\nthose of the greatest variance" if chosen else ""
        return places, {
            "x_ticks": [f"{low:g} %", *[""] * (n_steps - 2), f"{high:g} %"][:n_steps],
            "y_ticks": [str(column) for column in latent_axes],
            "x_label": "percentile of the latent axis,\n"
            f"others as in sample {self.base}",
            "y_label": y_label,
        }

    def plane(self, latent_axes, n_steps, percentiles):
        """Return places over two latent axes, faint where no sample is near."""
        if latent_axes is None:
            latent_axes = self.widest_axes(2)
        x_axis, y_axis = latent_axes
        x_values = self._steps(x_axis, n_steps, percentiles)
        # Rows are drawn downwards, values grow upwards.
        y_values = self._steps(y_axis, n_steps, percentiles)[::-1]
        places = np.tile(self.Z[self.base].astype(float), (n_steps, n_steps, 1))
        places[:, :, x_axis] = x_values
        places[:, :, y_axis] = y_values[:, None]
        every = max(1, n_steps // 5)
        strengths = self._strengths(places[..., [x_axis, y_axis]], [x_axis, y_axis])
        x_label = f"latent {x_axis}"
        if self.Z.shape[1] > 2:
            x_label += f",\nothers as in sample {self.base}"
        if strengths.min() < 1:
            x_label += "\n(faint: no sample is near)"
        return places, {
            "x_ticks": _sparse(x_values, every),
            "y_ticks": _sparse(y_values, every),
            "x_label": x_label,
            "y_label": f"latent {y_axis}",
            "strengths": strengths,
        }

    def between(self, samples, n_steps):
        """Return places from each sample to the next."""
        shares = np.linspace(0, 1, n_steps)[:, None]
        ends = self.Z[list(samples)]
        places = [(1 - shares) * start + shares * end for start, end in pairwise(ends)]
        return np.stack(places), {
            "y_ticks": [f"{start} to {end}" for start, end in pairwise(samples)],
            "y_label": "samples",
            "x_label": "on a straight line in latent space",
        }

    def at_random(self, n_steps, random_state):
        """Return places drawn from a normal distribution like that of Z."""
        values, vectors = np.linalg.eigh(self.covariance)
        # Rounding makes some of those that are zero negative.
        factor = vectors * np.sqrt(np.clip(values, 0, None))
        draws = random_state.normal(size=(n_steps * n_steps, len(self.mean)))
        places = self.mean + draws @ factor.T
        return places.reshape(n_steps, n_steps, -1), {
            "x_label": "drawn from a normal distribution\n"
            "like that of the latent vectors"
        }

    def _steps(self, column, n_steps, percentiles):
        low, high = np.percentile(self.Z[:, column], percentiles)
        return np.linspace(low, high, n_steps)

    def _strengths(self, places, axes):
        """Return 1 where a sample lies within a step of the place, else less."""
        flat = places.reshape(-1, 2)
        n_steps = len(places)
        steps = np.ptp(flat, axis=0) / max(1, n_steps - 1)
        steps = np.where(steps > 0, steps, 1.0)
        away, _ = cKDTree(self.Z[:, axes] / steps).query(flat / steps)
        return np.where(away <= 1, 1.0, _FADED).reshape(n_steps, n_steps)


def _sparse(values, every):
    return [f"{v:.3g}" if i % every == 0 else "" for i, v in enumerate(values)]
