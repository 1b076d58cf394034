"""Members of clusters: which are drawn, and what is said of them."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.metrics import pairwise_distances

from skae.plotting._labels import encode_labels


def clusters_of(clusterer, latents):
    if hasattr(clusterer, "predict"):
        return np.asarray(clusterer.predict(latents))
    clusters = getattr(clusterer, "labels_", None)
    if clusters is None or len(clusters) != len(latents):
        raise ValueError(
            "Expected a fitted clusterer with `predict`, or the samples that it was "
            f"fitted to. Received {type(clusterer).__name__} and {len(latents)} "
            "samples. Give clusters found elsewhere to ClusterDisplay.from_clusters."
        )
    return np.asarray(clusters)


def check_clusters(clusters, n_samples):
    codes, names = encode_labels(clusters, n_samples)
    if not names:
        raise ValueError(
            "Expected the cluster of each sample, as a whole number or a name. "
            "Received "
            + ("only -1, no cluster." if names == [] else "numbers with fractions.")
            + " Give what the clusterer's `predict` returns, or `labels_`."
        )
    return codes, names


def describe(codes, names, labels, class_names):
    """Return size and purity of each cluster as text."""
    if labels is not None:
        classes, class_names = encode_labels(labels, len(codes), class_names)
    notes = []
    for code in range(len(names)):
        note = f"{np.sum(codes == code):,}"
        if labels is not None and class_names:
            known = classes[(codes == code) & (classes >= 0)]
            if len(known):
                counts = np.bincount(known)
                share = counts.max() / len(known)
                note += f", {share:.0%} {class_names[counts.argmax()]}"
        notes.append(note)
    return notes


def choose(points, codes, centers, names, kind, n_images, random_state):
    """Return the rows drawn for each cluster and what the clusters are called."""
    chosen, called = [], list(names)
    between = pairwise_distances(centers)
    np.fill_diagonal(between, np.inf)
    for code in range(len(names)):
        members = np.flatnonzero(codes == code)
        if kind == "between" and len(names) > 1:
            other = int(between[code].argmin())
            both = np.flatnonzero((codes == code) | (codes == other))
            distances = pairwise_distances(points[both], centers[[code, other]])
            margin = distances[:, 0] - distances[:, 1]
            rows = np.argsort(distances.max(axis=1), kind="stable")[:n_images]
            chosen.append(both[rows[np.argsort(margin[rows], kind="stable")]])
            called[code] = f"{names[code]} to {names[other]}"
        elif kind == "random":
            chosen.append(random_state.permutation(members)[:n_images])
        else:
            away = pairwise_distances(points[members], centers[[code]])[:, 0]
            sign = -1 if kind == "farthest" else 1
            chosen.append(members[np.argsort(sign * away, kind="stable")][:n_images])
    return chosen, called
