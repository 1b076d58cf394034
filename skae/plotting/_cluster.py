"""Pictures of the members of clusters."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.utils import check_random_state

from skae.plotting._drawing import merge_kwargs, one_axes
from skae.plotting._estimators import best_of
from skae.plotting._images import as_array, image_grid, need_images, value_range
from skae.plotting._members import check_clusters, choose, clusters_of, describe
from skae.plotting._text import as_written

_KINDS = ("nearest", "farthest", "random", "between")


class ClusterDisplay:
    """Pictures of cluster members, one row a cluster.

    It is recommended to use
    :func:`~skae.plotting.ClusterDisplay.from_estimator` or
    :func:`~skae.plotting.ClusterDisplay.from_clusters` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    members : list of ndarray of shape (n_images, h, w) or (n_images, h, w, c)
        Pictures of each cluster.

    names : list of str
        What stands before each row.

    notes : list of str
        What stands behind each row: size and purity.

    centers : ndarray of shape (n_clusters, h, w) or (n_clusters, h, w, c), \
            default=None
        Picture of the centre of each cluster, drawn in front.

    kind : str, default="nearest"
        Which members they are.

    Attributes
    ----------
    images_ : ndarray of shape (n_clusters, n_images) of AxesImage or None
        The members drawn; None fills the rows of small clusters.

    center_images_ : ndarray of shape (n_clusters,) of AxesImage, or None
        The centres drawn.

    texts_ : list of matplotlib Text
        The notes behind the rows.

    ax_ : matplotlib Axes
        Axes with the pictures.

    figure_ : matplotlib Figure
        Figure with the pictures.

    See Also
    --------
    EmbeddingDisplay : Where the samples lie.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae.plotting import ClusterDisplay
    >>> images = load_digits().images[:6]
    >>> display = ClusterDisplay(
    ...     [images[:2], images[2:]], names=["a", "b"], notes=["2", "4"]
    ... ).plot()
    >>> display.images_.shape
    (2, 4)
    """

    def __init__(self, members, *, names, notes, centers=None, kind="nearest"):
        self.members = members
        self.names = names
        self.notes = notes
        self.centers = centers
        self.kind = kind

    def plot(self, ax=None, *, image_kwargs=None, text_kwargs=None):
        """Draw the pictures.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow`.

        text_kwargs : dict, default=None
            Keywords of `Axes.text` for the notes behind the rows.

        Returns
        -------
        display : :class:`~skae.plotting.ClusterDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If members, names, notes and centres are not of one length.
        """
        self._check()
        with_center = self.centers is not None
        rows = [list(images) for images in self.members]
        n_images = max(map(len, rows))
        rows = [row + [None] * (n_images - len(row)) for row in rows]
        offsets = [float(column) for column in range(n_images)]
        if with_center:
            rows = [[c, *row] for c, row in zip(self.centers, rows, strict=True)]
            offsets = [0.0, *(column + 1.25 for column in offsets)]
        side = min(0.6, 9 / len(rows))
        self.ax_ = ax = one_axes(
            ax, (side * (offsets[-1] + 1) + 2.2, side * len(rows) + 0.6)
        )
        self.figure_ = ax.figure
        # A decoded centre may leave the range of the samples, and must not dim them.
        limits = value_range(np.concatenate(self.members))
        artists = image_grid(ax, rows, image_kwargs, limits=limits, offsets=offsets)
        self.center_images_ = artists[:, 0] if with_center else None
        self.images_ = artists[:, 1:] if with_center else artists
        self._write(offsets, with_center, text_kwargs)
        return self

    @classmethod
    def from_clusters(
        cls,
        X,
        clusters,
        *,
        labels=None,
        class_names=None,
        latents=None,
        centers=None,
        center_images=None,
        kind="nearest",
        n_images=10,
        random_state=None,
        image_shape="auto",
        ax=None,
        image_kwargs=None,
        text_kwargs=None,
    ):
        """Draw members of given clusters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, h, w) or \
                (n_samples, h, w, c)
            Pictures.

        clusters : array-like of shape (n_samples,)
            The cluster of each; -1 for those that belong to none.

        labels : array-like of shape (n_samples,), default=None
            True labels, for the purity: the part of a cluster that has its most
            frequent label. Unlabelled samples (-1, NaN, None) count neither way.

        class_names : list of str or dict, default=None
            Names of the sorted labels, or a name for each label.

        latents : array-like of shape (n_samples, latent_dim), default=None
            Where distances are measured; X itself by default.

        centers : array-like of shape (n_clusters, latent_dim), default=None
            Centres of the sorted clusters; by default the means of their members.

        center_images : array-like of shape (n_clusters, ...), default=None
            Pictures of the centres. By default the centres themselves where
            distances are measured in X, and none otherwise.

        kind : {"nearest", "farthest", "random", "between"}, default="nearest"
            Which members are drawn:

            - "nearest": those nearest to the centre, the nearest first;
            - "farthest": those farthest from it, the farthest first;
            - "random": any;
            - "between": those nearest to both the centre of the cluster and the
              next centre, of either cluster, in order from one to the other.

        n_images : int, default=10
            The most pictures in a row.

        random_state : int, RandomState instance or None, default=None
            Which members "random" draws.

        image_shape : tuple of int, "auto" or None, default="auto"
            Shape (h, w) or (h, w, c) of flat pictures. "auto" takes them for
            squares.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow`.

        text_kwargs : dict, default=None
            Keywords of `Axes.text` for the notes behind the rows.

        Returns
        -------
        display : :class:`~skae.plotting.ClusterDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If X, clusters, labels, latents and centres do not agree.

        Examples
        --------
        >>> from sklearn.cluster import KMeans
        >>> from sklearn.datasets import load_digits
        >>> from skae.plotting import ClusterDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> km = KMeans(10, random_state=0).fit(X)
        >>> display = ClusterDisplay.from_clusters(X, km.labels_, labels=y)
        >>> display.images_.shape
        (10, 10)
        """
        images = need_images(X, image_shape)
        if kind not in _KINDS:
            raise ValueError(f"Expected kind to be one of {_KINDS}. Received {kind!r}.")
        codes, names = check_clusters(clusters, len(images))
        points = images.reshape(len(images), -1) if latents is None else latents
        points = as_array(points)
        if points.shape[0] != len(images):
            raise ValueError(
                f"Expected one latent vector for each of {len(images)} pictures. "
                f"Received {points.shape[0]}. Take the latents of the same rows."
            )
        points = points.reshape(len(points), -1)
        own_centers = centers is None
        if own_centers:
            centers = [points[codes == code].mean(axis=0) for code in range(len(names))]
        centers = as_array(centers).reshape(len(centers), -1)
        if centers.shape != (len(names), points.shape[1]):
            raise ValueError(
                f"Expected centers of shape {(len(names), points.shape[1])}, one for "
                f"each cluster in X. Received {centers.shape}. Leave `centers` out to "
                "have the means of the members."
            )
        if center_images is None and latents is None:
            center_images = centers.reshape(-1, *images.shape[1:])
        if center_images is not None:
            center_images = need_images(center_images, image_shape)
        notes = describe(codes, names, labels, class_names)
        rows, names = choose(
            points,
            codes,
            centers,
            names,
            kind,
            n_images,
            check_random_state(random_state),
        )
        display = cls(
            [images[row] for row in rows],
            names=names,
            notes=notes,
            centers=center_images,
            kind=kind,
        )
        return display.plot(ax=ax, image_kwargs=image_kwargs, text_kwargs=text_kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, labels=None, **kwargs):
        """Draw members of the clusters that a fitted estimator finds.

        Parameters
        ----------
        estimator : estimator instance
            Fitted clusterer, Pipeline that ends in one, or search over these, of
            which the best is taken. The steps before it make latent vectors, and
            where all of them have `inverse_transform` they make pictures of the
            centres too.

        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them. A clusterer without `predict`, such
            as `DBSCAN`, knows only those that it was fitted to.

        labels : array-like of shape (n_samples,), default=None
            True labels, for the purity.

        **kwargs : dict
            Keywords of :func:`~skae.plotting.ClusterDisplay.from_clusters`, such as
            `kind`.

        Returns
        -------
        display : :class:`~skae.plotting.ClusterDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If the estimator does not tell the clusters of X.

        Examples
        --------
        >>> from sklearn.cluster import KMeans
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from sklearn.pipeline import make_pipeline
        >>> from skae.plotting import ClusterDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> pipe = make_pipeline(PCA(16), KMeans(10, random_state=0)).fit(X)
        >>> display = ClusterDisplay.from_estimator(pipe, X, labels=y)
        >>> len(display.center_images_)
        10
        """
        estimator = best_of(estimator)
        steps = getattr(estimator, "steps", [("", estimator)])
        before = estimator[:-1] if len(steps) > 1 else None
        clusterer = steps[-1][1]
        latents = X if before is None else before.transform(X)
        clusters = clusters_of(clusterer, latents)
        centers = getattr(clusterer, "cluster_centers_", None)
        if centers is not None:
            # A cluster may have no member in X.
            present = np.unique(clusters[clusters >= 0])
            centers = as_array(centers)[present].astype(as_array(latents).dtype)
            if before is None:
                kwargs.setdefault("center_images", centers)
            elif hasattr(before, "inverse_transform"):
                decoded = before.inverse_transform(centers)
                kwargs.setdefault("center_images", decoded)
        if before is not None:
            kwargs = {"latents": latents, **kwargs}
        return cls.from_clusters(
            X, clusters, labels=labels, **{"centers": centers, **kwargs}
        )

    def _check(self):
        lengths = {
            "members": len(self.members),
            "names": len(self.names),
            "notes": len(self.notes),
        }
        if self.centers is not None:
            lengths["centers"] = len(self.centers)
        if len(set(lengths.values())) > 1 or not lengths["members"]:
            raise ValueError(
                "Expected members, names, notes and centers of one length, that of "
                f"the clusters. Received {lengths}. ClusterDisplay.from_clusters "
                "makes them of pictures and their clusters."
            )

    def _write(self, offsets, with_center, text_kwargs):
        from matplotlib.text import Text

        ax = self.ax_
        ax.set_yticks(range(len(self.names)), self.names)
        as_written(ax.get_yticklabels())
        ax.set(ylabel="Cluster", xticks=[])
        titles = {
            "nearest": "nearest to the centre",
            "farthest": "farthest from the centre",
            "random": "random members",
            "between": "between two clusters",
        }
        place = {"ha": "center", "va": "bottom", "fontsize": "small"}
        if with_center:
            ax.text(0, -0.55, "centre", **place)
        middle = (offsets[int(with_center)] + offsets[-1]) / 2
        ax.text(middle, -0.55, titles.get(self.kind, self.kind), **place)
        defaults = {"verticalalignment": "center", "fontsize": "small"}
        kwargs = merge_kwargs(defaults, text_kwargs, Text)
        self.texts_ = [
            ax.text(offsets[-1] + 0.6, row, note, **kwargs)
            for row, note in enumerate(self.notes)
        ]
        as_written(self.texts_)
