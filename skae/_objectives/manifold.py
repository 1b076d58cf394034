"""Latent vectors that learn the map of a manifold learner, such as t-SNE.

The learner places samples, the encoder learns their places, and with them where new
samples go, while the decoder learns to make samples of places: a geometry-regularised
autoencoder (Duque et al. 2020, "Extendable and invertible manifold learning with
geometry regularized autoencoders").
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import inspect
import warnings
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags

from skae._objectives.neighbors import nearest
from skae._objectives.objective import Facts, Places, View

# The rows that a learner places. Those of t-SNE take minutes.
MAX_ROWS = 10_000
# Another row lies where the one of its nearest placed rows lies that is the least far
# from the others: a mean would lie between clusters.
_N_NEIGHBORS = 5
# What a distance of one standard deviation costs, in variances of the features. It
# tells the encoder what to do, and the decoder follows: ten times less or a hundred
# times more makes no difference that could be measured.
_STRENGTH = 100.0
_BLOCK_ROWS = 1024


class Manifold:
    """Draws latent vectors to the places that a learner gives to their samples."""

    def __init__(self, learner: Any, facts: Facts):
        _refuse(learner, facts)
        _refuse_other_size(learner, facts.latent_dim)
        self._learner = learner
        self._latent_dim = facts.latent_dim
        self._placed = False
        self._told = type(learner).__name__
        if facts.n_rows > MAX_ROWS:
            self._told += f", of {MAX_ROWS} of {facts.n_rows} samples"

    def go_on(self, epoch: int) -> None:
        """Hear that a run goes on from an epoch."""
        self._placed = epoch > 0

    def places(self, epoch: int, view: View) -> Places | None:
        # From the start: a network that has placed samples in its own way first does
        # not learn the map as well.
        if epoch:
            return None
        if not view.rows_stay:
            raise ValueError(
                f"arrange={self._learner!r} gives places by the number of a row, and "
                "the source gives its rows in another order each time. Use a source "
                "that keeps their order, or load the data into memory and call `fit`."
            )
        chosen = np.sort(view.some_of(np.arange(view.n_rows), MAX_ROWS))
        X = _rows(view, chosen)
        learner = _prepared(self._learner, self._latent_dim, view.seed())
        Y = _map_of(learner, X, _labels_of(self._learner, view, chosen))
        if Y.shape != (len(X), self._latent_dim) or not np.isfinite(Y).all():
            raise ValueError(
                f"arrange={self._learner!r} must map {len(X)} samples to an array of "
                f"shape ({len(X)}, {self._latent_dim}) of finite numbers, for "
                f"latent_dim={self._latent_dim}. Got one of shape {Y.shape}."
            )
        Y = Y - Y.mean(axis=0)
        scale = float(np.sqrt((Y**2).mean())) or 1.0
        Y /= scale
        self._placed = True
        if len(X) < view.n_rows:
            Y = _of_all(view, chosen, X, Y)
        # By the distance, and not by its square: a network bends where many rows pull,
        # and not for the few that the learner has put far from their like.
        variance = float(X.var(axis=0, dtype=np.float64).mean())
        return Y, _STRENGTH * (variance or 1.0), True

    def told(self) -> str:
        """Say what was done, and why not where it was not."""
        if not self._placed:
            return f"nothing: the run ended before it had the map of {self._told}"
        return self._told


def _refuse(learner: Any, facts: Facts) -> None:
    """Refuse a fit that could not learn the map: it was asked for by name."""
    why_not = None
    if facts.shaped_by is not None:
        why_not = (
            f"objective={facts.shaped_by!r} says what latent vectors are like, too"
        )
    elif facts.early_stopping:
        why_not = (
            "early_stopping=True keeps the weights of the lowest loss, which learning "
            "a map raises"
        )
    if why_not is not None:
        raise ValueError(
            f"Latent vectors cannot learn the map of arrange={learner!r}: {why_not}. "
            "Change one of the two; arrange=None learns no map."
        )


def _rows(view: View, chosen: np.ndarray) -> np.ndarray:
    """Give some of the rows, flat; `chosen` are their sorted numbers."""
    found, done = [], 0

    def take(X: np.ndarray) -> np.ndarray:
        nonlocal done
        within = chosen[(chosen >= done) & (chosen < done + len(X))] - done
        done += len(X)
        found.append(X[within].reshape(len(within), -1))
        return np.empty((len(X), 0))

    view.of_all(take)
    X = np.concatenate(found)
    return X if X.dtype == np.float64 else X.astype(np.float32, copy=False)


def _prepared(learner: Any, latent_dim: int, seed: int) -> Any:
    """Copy a learner; what it leaves to chance follows from the run's seed."""
    if not hasattr(learner, "get_params"):
        return copy.deepcopy(learner)
    copied = clone(learner)
    open_ = {name: None for name, value in copied.get_params().items() if value is None}
    given = {name: seed for name in open_ if name.split("__")[-1] == "random_state"}
    if "n_components" in open_:
        given["n_components"] = latent_dim
    return copied.set_params(**given)


def _labels_of(learner: Any, view: View, chosen: np.ndarray) -> np.ndarray | None:
    """Give the labels of the chosen rows to a learner that takes them."""
    takes = "y" in inspect.signature(learner.fit_transform).parameters
    if takes and view.labels is not None:
        return view.labels[chosen]
    needs = hasattr(learner, "__sklearn_tags__") and get_tags(learner)
    if needs and needs.target_tags.required:
        raise ValueError(
            f"arrange={learner!r} learns from labels, and there are none. Pass them: "
            "fit(X, y)."
        )
    return None


def _map_of(learner: Any, X: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    with warnings.catch_warnings():
        # UMAP says so of every seed, and one seed is to give one model.
        warnings.filterwarnings("ignore", message="n_jobs value .* overridden")
        if labels is None:
            Y = learner.fit_transform(X)
        else:
            Y = learner.fit_transform(X, labels)
    return np.asarray(Y, np.float64)


def _of_all(view: View, chosen: np.ndarray, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Give the places of all rows, by those of the placed rows that are nearest."""
    X = X.astype(np.float64)

    def place(block: np.ndarray) -> np.ndarray:
        out = np.empty((len(block), Y.shape[1]))
        for start in range(0, len(block), _BLOCK_ROWS):
            some = slice(start, start + _BLOCK_ROWS)
            rows = block[some].reshape(len(block[some]), -1).astype(np.float64)
            found = Y[nearest(X, rows, min(_N_NEIGHBORS, len(X)))]
            distances = np.linalg.norm(
                found[:, :, np.newaxis] - found[:, np.newaxis], axis=3
            )
            middle = distances.sum(axis=2).argmin(axis=1)
            out[some] = found[np.arange(len(found)), middle]
        return out

    places = view.of_all(place)
    places[chosen] = Y
    return places


def _refuse_other_size(learner: Any, latent_dim: int) -> None:
    """Refuse a map of another size before it is made, which may take minutes."""
    params = learner.get_params(deep=False) if hasattr(learner, "get_params") else {}
    n_components = params.get("n_components")
    if isinstance(n_components, int) and n_components != latent_dim:
        raise ValueError(
            f"arrange={learner!r} makes a map of {n_components} columns, and "
            f"latent_dim={latent_dim}. Set latent_dim={n_components}, or n_components."
        )
