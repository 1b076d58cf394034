"""Maps to be compared: made, laid on one another, and measured by neighbours."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

from skae.plotting._images import as_array


def neighbours_kept(Z, maps, rows, numbers):
    """Return for each map and number of neighbours the share that it keeps.

    Unlike trustworthiness, which is near 1 for any map, this tells maps apart.
    """
    numbers = [number for number in numbers if number < len(rows) / 2]
    if not numbers:
        return {name: {} for name in maps}
    true = _neighbours(Z.reshape(len(Z), -1)[rows], max(numbers))
    kept = {}
    for name, points in maps.items():
        mapped = _neighbours(as_array(points)[rows], max(numbers))
        kept[name] = {
            number: float(
                np.mean(
                    [
                        len(np.intersect1d(a, b, assume_unique=True)) / number
                        for a, b in zip(
                            true[:, :number], mapped[:, :number], strict=True
                        )
                    ]
                )
            )
            for number in numbers
        }
    return kept


def _neighbours(points, number):
    # Without samples a point is no neighbour of itself.
    search = NearestNeighbors(n_neighbors=number).fit(points)
    return search.kneighbors(return_distance=False)


def map_of(reducer, Z):
    """Return the map that a reducer makes, or that is given."""
    if hasattr(reducer, "fit_transform"):
        return as_array(clone(reducer).fit_transform(Z))
    if hasattr(reducer, "fit"):
        raise ValueError(
            "Expected reducers with fit_transform, or maps (n_samples, 2). Received "
            f"{type(reducer).__name__}, which has none. Give the map that it makes."
        )
    points = as_array(reducer)
    if len(points) != len(as_array(Z)):
        raise ValueError(
            f"Expected maps of the {len(as_array(Z))} samples. Received one of shape "
            f"{points.shape}. Give the map of the same rows."
        )
    return points


def varied(reducer, parameter, values, Z):
    """Return a reducer for each value of one parameter."""
    if isinstance(reducer, dict):
        raise ValueError(
            "Expected one reducer to vary by `perplexities`. Received a dict of "
            f"{len(reducer)}. Give one of them, or leave `perplexities` out."
        )
    parameter = parameter or _find_parameter(reducer)
    if not values or max(values) >= len(Z):
        raise ValueError(
            "Expected latent vectors (n_samples, latent_dim) and values of "
            f"{parameter} below the number of samples. Received shape {Z.shape} "
            f"and {values}. Give more samples or smaller values."
        )
    word = parameter.rsplit("__", 1)[-1]
    return {
        f"{word} {value:g}": clone(reducer).set_params(**{parameter: value})
        for value in values
    }


def _find_parameter(reducer):
    """Return the name of the parameter that sets the size of neighbourhoods."""
    every = reducer.get_params()
    for word in ("perplexity", "n_neighbors"):
        found = [name for name in every if name.rsplit("__", 1)[-1] == word]
        if found:
            return found[0]
    raise ValueError(
        "Expected a reducer with a parameter 'perplexity' or 'n_neighbors'. Received "
        f"{type(reducer).__name__} with {sorted(every)}. Name the one to vary by "
        "`parameter`."
    )


def refuse_maps(shapes):
    """Say which shapes maps have."""
    raise ValueError(
        "Expected maps (n_samples, 2) of the same samples. Received the shapes "
        f"{shapes}. Use reducers with two components, such as PCA(2)."
    )


def unit(points):
    """Centre points and scale them to a mean distance of one."""
    points = points - points.mean(axis=0)
    return points / (np.linalg.norm(points, axis=1).mean() or 1.0)


def lay_on(points, reference):
    """Turn and mirror points so that they lie on the reference (Procrustes)."""
    rotation, _ = orthogonal_procrustes(points, reference)
    return points @ rotation
