"""What Displays ask of estimators: latent vectors, the way back, maps of them."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from copy import copy

from sklearn.base import clone, is_clusterer, is_regressor
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from skae.plotting._images import as_array


def best_of(estimator):
    """Return what a search has found, or the estimator itself."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if hasattr(estimator, "estimator") and hasattr(estimator, "refit"):
        raise ValueError(
            "Expected a fitted estimator, or a fitted search that has refitted its "
            f"best. Received {type(estimator).__name__} without best_estimator_. Call "
            "`fit`, with refit=True, or give the estimator itself."
        )
    return estimator


def transformer_of(estimator, display):
    """Return what makes latent vectors, or say what is amiss.

    Of a search it is the best estimator, and of a Pipeline that ends in a
    classifier, a clusterer or a reducer without `transform` all steps before.
    """
    received = type(estimator).__name__
    estimator = best_of(estimator)
    steps = getattr(estimator, "steps", None)
    if steps is None:
        estimator = _inner_of(estimator) or estimator
    elif steps[-1][1] not in (None, "passthrough"):
        name, last = steps[-1][0], best_of(steps[-1][1])
        inner = _inner_of(last)
        if inner is not None:
            estimator = Pipeline([*steps[:-1], (name, inner)])
        elif len(steps) > 1 and _is_no_map(last):
            estimator = estimator[:-1]
    if not hasattr(estimator, "transform"):
        raise ValueError(
            "Expected a fitted transformer, or a Pipeline with one before its last "
            f"step. Received {received}, which has no `transform`. Give what makes "
            f"latent vectors, or the vectors themselves to {display}."
        )
    return estimator


def two_way_transformer_of(estimator, display):
    """Return what makes latent vectors and goes back from them."""
    received = type(estimator).__name__
    transformer = transformer_of(estimator, display)
    if not hasattr(transformer, "inverse_transform"):
        raise ValueError(
            "Expected a fitted transformer with inverse_transform. Received "
            f"{_described(received, transformer)}. Give what has been made "
            f"elsewhere to {display}."
        )
    return transformer


def reads_series(transformer):
    """Tell whether the network of what takes samples says that they are series.

    In a Pipeline, what comes before the network keeps rows as series.
    """
    for _, step in getattr(transformer, "steps", [("", transformer)]):
        if getattr(getattr(step, "network", None), "axes", None) == 1:
            return True
    return False


def shape_for(transformer, image_shape):
    """Return the shape of pictures, which is "series" where the network says so."""
    is_series = image_shape == "auto" and reads_series(transformer)
    return "series" if is_series else image_shape


def clusterer_of(estimator):
    """Return what clusters, what comes before it, and what makes its latent vectors.

    What comes before, or makes latent vectors, is None where there is nothing.
    """
    estimator = best_of(estimator)
    steps = getattr(estimator, "steps", [("", estimator)])
    before = estimator[:-1] if len(steps) > 1 else None
    clusterer = best_of(steps[-1][1])
    inner = _inner_of(clusterer)
    if inner is None:
        return clusterer, before, before
    if before is None:
        return clusterer, None, inner
    return clusterer, before, Pipeline([*steps[:-1], (steps[-1][0], inner)])


def _inner_of(estimator):
    """Return the transformer that a task stands on, such as a clusterer, or None.

    The `transformer_` of scikit-learn's TransformedTargetRegressor is for y.
    """
    return None if is_regressor(estimator) else getattr(estimator, "transformer_", None)


def _is_no_map(estimator):
    """Tell whether nothing, or only distances to clusters, come of `transform`."""
    return not hasattr(estimator, "transform") or is_clusterer(estimator)


def _described(received, transformer):
    """Name the step that has no way back."""
    for _, step in getattr(transformer, "steps", []):
        if not hasattr(step, "inverse_transform") and step not in (None, "passthrough"):
            return f"{received}, whose {type(step).__name__} has none"
    return received


def reduced(latents, reducer=None):
    """Return latent vectors in two or three columns, and what the columns are."""
    name = "Latent"
    if reducer is None and latents.shape[1] not in (2, 3):
        reducer = PCA(n_components=min(2, latents.shape[1]))
    if reducer is not None:
        latents = as_array(clone(reducer).fit_transform(latents))
        name = type(reducer).__name__.replace("TSNE", "t-SNE")
    return latents, name


def models_by_epoch(estimator):
    """Return the estimator as it was at the end of each epoch kept."""
    steps = getattr(estimator, "steps", [(None, estimator)])
    for place in reversed(range(len(steps))):
        step = best_of(steps[place][1])
        kept = next(
            (one.kept_ for one in getattr(step, "callbacks_", []) if _keeps(one)), None
        )
        if kept is None:
            continue
        models = {}
        for epoch, weights in kept.items():
            then = copy(step)
            then.weights_ = weights
            if step is not estimator:
                whole = copy(estimator)
                whole.steps = [*steps[:place], (steps[place][0], then)]
                then = whole
            models[epoch] = then
        return models
    raise ValueError(
        "Expected an estimator that has kept its weights by epoch. Received "
        f"{type(estimator).__name__}. Fit it with callbacks=[Snapshots()] of "
        "skae.plotting; a copy of an estimator, or one from a file, has no callbacks_."
    )


def _keeps(callback):
    return hasattr(callback, "kept_")
