"""Places in latent space: along axes, between samples, over a plane, at random."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from itertools import pairwise

import numpy as np

_KINDS = ("axes", "between", "plane", "random")


def check_places(Z, kind, latent_axes, samples):
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


def _steps(Z, column, n_steps, percentiles):
    low, high = np.percentile(Z[:, column], percentiles)
    return np.linspace(low, high, n_steps)


def widest_axes(Z, n_axes):
    """Return the latent axes of the greatest variance, in their order."""
    return np.sort(np.argsort(-Z.var(axis=0), kind="stable")[:n_axes])


def along(Z, latent_axes, n_steps, percentiles):
    """Return places along each of the latent axes, the others at their mean."""
    places = np.tile(Z.mean(axis=0), (len(latent_axes), n_steps, 1))
    for i, column in enumerate(latent_axes):
        places[i, :, column] = _steps(Z, column, n_steps, percentiles)
    low, high = percentiles
    return places, {
        "x_ticks": [f"{low:g} %", *[""] * (n_steps - 2), f"{high:g} %"][:n_steps],
        "y_ticks": [str(column) for column in latent_axes],
        "x_label": "Percentile of the latent axis",
        "y_label": "Latent axis",
    }


def plane(Z, latent_axes, n_steps, percentiles):
    """Return places over two latent axes, the others at their mean."""
    x_axis, y_axis = latent_axes
    x_values = _steps(Z, x_axis, n_steps, percentiles)
    # Rows are drawn downwards, values grow upwards.
    y_values = _steps(Z, y_axis, n_steps, percentiles)[::-1]
    places = np.tile(Z.mean(axis=0), (n_steps, n_steps, 1))
    places[:, :, x_axis] = x_values
    places[:, :, y_axis] = y_values[:, None]
    every = max(1, n_steps // 5)
    return places, {
        "x_ticks": _sparse(x_values, every),
        "y_ticks": _sparse(y_values, every),
        "x_label": f"Latent {x_axis}",
        "y_label": f"Latent {y_axis}",
    }


def _sparse(values, every):
    return [f"{v:.3g}" if i % every == 0 else "" for i, v in enumerate(values)]


def between(Z, samples, n_steps):
    """Return places from each sample to the next."""
    shares = np.linspace(0, 1, n_steps)[:, None]
    ends = Z[list(samples)]
    pairs = pairwise(ends)
    places = np.stack([(1 - shares) * start + shares * end for start, end in pairs])
    names = pairwise(samples)
    return places, {
        "y_ticks": [f"{start} to {end}" for start, end in names],
        "y_label": "Samples",
    }


def at_random(Z, n_steps, random_state):
    """Return places drawn from a normal distribution like that of Z."""
    # Random mixtures of centred latent vectors have exactly their covariance, which
    # need not be factorized for it.
    weights = random_state.normal(size=(n_steps * n_steps, len(Z)))
    places = Z.mean(axis=0) + weights @ (Z - Z.mean(axis=0)) / np.sqrt(len(Z))
    return places.reshape(n_steps, n_steps, -1), {}
