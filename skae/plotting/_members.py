"""Members of clusters: which are drawn, and what is said of them."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.metrics import pairwise_distances

from skae.plotting._images import as_array, as_pictures, need_images
from skae.plotting._labels import encode_labels

_OF_PICTURES = ("nearest", "farthest", "random", "between")
_KINDS = ("auto", *_OF_PICTURES, "profile")


def pictures_or_none(X, kind, image_shape):
    """Return X as pictures, or None where a profile of its columns is drawn."""
    if kind not in _KINDS:
        raise ValueError(f"Expected kind to be one of {_KINDS}. Received {kind!r}.")
    if kind in _OF_PICTURES:
        if as_pictures(X, image_shape) is None:
            raise ValueError(
                f"Expected pictures for kind={kind!r}. Received rows of "
                f"{np.shape(X)[1]} columns that are none by "
                f"image_shape={image_shape!r}. Give the shape that they were "
                "flattened from, or kind='profile' for what the columns hold."
            )
        return need_images(X, image_shape)
    return None if kind == "profile" else as_pictures(X, image_shape)


def clusters_of(clusterer, latents):
    """Return the cluster of each latent vector."""
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
    """Return the cluster of each sample as a code, -1 for none, and their names."""
    values = np.asarray(clusters)
    if values.dtype.kind == "i":
        # HDBSCAN has -2 and -3 for rows with infinity and NaN.
        clusters = np.maximum(values, -1)
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
    """Return size and purity of each cluster as text, and the heading over them."""
    sizes = [f"{np.sum(codes == code):,}" for code in range(len(names))]
    if labels is None:
        return sizes, "samples"
    classes, class_names = encode_labels(labels, len(codes), class_names)
    if class_names is None:
        raise ValueError(
            "Expected labels that are classes, for the purity of clusters. Received "
            "numbers with fractions. Make classes of them, such as by "
            "numpy.digitize, or leave labels out."
        )
    notes = []
    for code, size in enumerate(sizes):
        known = classes[(codes == code) & (classes >= 0)]
        if len(known):
            counts = np.bincount(known)
            share = counts.max() / len(known)
            size += f", {class_names[counts.argmax()]} ({_percent(share)})"
        notes.append(size)
    return notes, "samples, commonest label"


def _percent(share):
    """Return a share as text; only what is whole is said to be 100 %."""
    return f"{share:.0%}" if share == 1 or share < 0.995 else f"{share:.1%}"


def largest(codes, n_clusters, n_drawn):
    """Return the clusters to draw, the largest ones, in their order."""
    sizes = np.bincount(codes[codes >= 0], minlength=n_clusters)
    return np.sort(np.argsort(-sizes, kind="stable")[:n_drawn])


def remark_on(codes, n_clusters, drawn):
    """Say which samples and clusters are not drawn."""
    remarks = []
    if len(drawn) < n_clusters:
        remarks.append(f"the {len(drawn)} largest of {n_clusters:,} clusters")
    n_none = int(np.sum(codes < 0))
    if n_none:
        remarks.append(f"{n_none:,} of {len(codes):,} samples in no cluster")
    return "; ".join(remarks)


def name_pairs(names, notes, others):
    """Name both clusters, and say what both hold, where a row lies between two."""
    names, notes = list(names), list(notes)
    pairs = [
        (code, f"{names[code]} to {names[other]}", f"{notes[code]}\n{notes[other]}")
        for code, other in others.items()
    ]
    for code, name, note in pairs:
        names[code], notes[code] = name, note
    return names, notes


class Space:
    """Where samples and centres lie, and how far from one another.

    Parameters
    ----------
    images : ndarray of shape (n_samples, h, w) or (n_samples, h, w, c)
        Pictures of the samples.

    codes : ndarray of shape (n_samples,)
        The cluster of each, -1 for none.

    latents : array-like of shape (n_samples, ...) or None
        Where they lie; the pictures themselves where None.

    centers : array-like of shape (n_clusters, latent_dim) or None
        Centres; the means of the members where None.

    center_images : array-like of shape (n_clusters, ...) or None
        Pictures of the centres.

    image_shape : tuple of int, "auto", "series" or None
        Shape of flat pictures.
    """

    def __init__(self, images, codes, latents, centers, center_images, image_shape):
        points = as_array(images if latents is None else latents)
        if len(points) != len(images):
            raise ValueError(
                f"Expected one latent vector for each of {len(images)} pictures. "
                f"Received {len(points)}. Take the latents of the same rows."
            )
        self.codes = codes
        self.points = points = points.reshape(len(points), -1)
        n_clusters = codes.max() + 1
        if centers is None:
            centers = [points[codes == code].mean(axis=0) for code in range(n_clusters)]
        centers = as_array(centers).reshape(len(centers), -1)
        if centers.shape != (n_clusters, points.shape[1]):
            raise ValueError(
                f"Expected centers of shape {(int(n_clusters), points.shape[1])}, one "
                f"for each cluster in X. Received {centers.shape}. Leave `centers` out "
                "to have the means of the members."
            )
        self.centers = centers
        if center_images is None and latents is None:
            center_images = centers.reshape(-1, *images.shape[1:])
        if center_images is not None:
            center_images = need_images(center_images, image_shape)
        self.center_images = center_images

    def choose(self, drawn, kind, n_images, random_state):
        """Return the rows to draw for each cluster, and which cluster is the other.

        Parameters
        ----------
        drawn : ndarray of int
            The clusters.

        kind : {"nearest", "farthest", "random", "between"}
            Which of their members.

        n_images : int
            The most of each.

        random_state : RandomState instance
            Which "random" draws.

        Returns
        -------
        rows : list of ndarray of int
            Rows of the samples.

        others : dict of int to int
            For "between" the next cluster of each.
        """
        if kind == "between" and len(self.centers) > 1:
            others = self._next_clusters(drawn)
            rows = [self._between(code, others[code], n_images) for code in drawn]
            return rows, others
        rows = []
        for code in drawn:
            members = np.flatnonzero(self.codes == code)
            if kind == "random":
                order = random_state.permutation(len(members))
            else:
                away = pairwise_distances(self.points[members], self.centers[[code]])
                sign = -1 if kind == "farthest" else 1
                order = np.argsort(sign * away[:, 0], kind="stable")
            rows.append(members[order][:n_images])
        return rows, {}

    def _next_clusters(self, drawn):
        away = pairwise_distances(self.centers[drawn], self.centers)
        away[np.arange(len(drawn)), drawn] = np.inf
        return dict(zip(drawn.tolist(), away.argmin(axis=1).tolist(), strict=True))

    def _between(self, code, other, n_images):
        both = np.flatnonzero((self.codes == code) | (self.codes == other))
        away = pairwise_distances(self.points[both], self.centers[[code, other]])
        rows = np.argsort(away.max(axis=1), kind="stable")[:n_images]
        margin = away[rows, 0] - away[rows, 1]
        return both[rows[np.argsort(margin, kind="stable")]]


def check_parts(display):
    """Refuse stored parts of different lengths."""
    lengths = {"names": len(display.names), "notes": len(display.notes)}
    if display.profile is None:
        lengths = {"members": len(display.members), **lengths}
    else:
        parts = ("means", "deviations")
        lengths |= {part: len(display.profile[part]) for part in parts}
    if display.centers is not None:
        lengths["centers"] = len(display.centers)
    if len(set(lengths.values())) > 1 or not lengths["names"]:
        raise ValueError(
            "Expected members, names, notes and centers of one length, that of "
            f"the clusters. Received {lengths}. ClusterDisplay.from_clusters "
            "makes them of samples and their clusters."
        )
