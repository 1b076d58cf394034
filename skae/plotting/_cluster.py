"""What clusters hold: pictures of their members, or profiles of their columns."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.utils import check_random_state

from skae.plotting._drawing import one_axes
from skae.plotting._estimators import clusterer_of, shape_for
from skae.plotting._images import as_array, image_grid, is_series, value_range
from skae.plotting._members import (
    Space,
    check_clusters,
    check_parts,
    clusters_of,
    describe,
    largest,
    name_pairs,
    pictures_or_none,
    remark_on,
)
from skae.plotting._members_grid import (
    grid_of,
    grid_size,
    write_around,
    write_beside,
)
from skae.plotting._profiles import draw_profile, profile_of, profile_size


class ClusterDisplay:
    """What clusters hold, one row a cluster: pictures of members, or a profile.

    It is recommended to use
    :func:`~skae.plotting.ClusterDisplay.from_estimator` or
    :func:`~skae.plotting.ClusterDisplay.from_clusters` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    members : list of ndarray of shape (n_images, h, w) or (n_images, h, w, c), or None
        Pictures of each cluster, or windows (n_images, n_steps, n_features) with
        image_shape="series"; None for the rows of a table.

    names : list of str
        What stands before each row.

    notes : list of str
        What stands behind each row: size and purity.

    centers : ndarray of shape (n_clusters, h, w) or (n_clusters, h, w, c), \
            default=None
        Picture of the centre of each cluster, drawn in front.

    kind : str, default="nearest"
        Which members they are.

    heading : str, default="samples"
        What stands over the notes.

    remark : str, default=""
        What stands below: samples without a cluster, clusters not drawn.

    profile : dict, default=None
        Of a table the "columns" drawn, and the "means" and "deviations" of each
        cluster in them, of shape (n_clusters, n_columns): means in the units of the
        table, and their distances from the mean of all in standard deviations.

    image_shape : {"auto", "series"}, default="auto"
        Whether members are pictures, or series to draw as lines: the three features
        that vary most.

    Attributes
    ----------
    images_ : ndarray of shape (n_clusters, n_images) of AxesImage, tuple of Line2D \
            or None
        The members drawn; None fills the rows of small clusters. None for a table.

    center_images_ : ndarray of shape (n_clusters,) of AxesImage, or None
        The centres drawn.

    cells_ : ndarray of shape (n_clusters, n_columns) of Text, or None
        The means of the columns of a table.

    texts_ : list of matplotlib Text
        The notes behind the rows.

    headings_ : list of matplotlib Text
        What stands over centres, members and notes.

    key_ : matplotlib Colorbar or None
        What the colours of a profile mean.

    ax_ : matplotlib Axes
        Axes with the rows.

    figure_ : matplotlib Figure
        Figure with the rows.

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

    def __init__(
        self,
        members,
        *,
        names,
        notes,
        centers=None,
        kind="nearest",
        heading="samples",
        remark="",
        profile=None,
        image_shape="auto",
    ):
        self.members = members
        self.names = names
        self.notes = notes
        self.centers = centers
        self.kind = kind
        self.heading = heading
        self.remark = remark
        self.profile = profile
        self.image_shape = image_shape

    def plot(self, ax=None, *, image_kwargs=None, text_kwargs=None):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, which also hold all words but the names of clusters. By
            default a new figure is made.

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
        check_parts(self)
        self.images_ = self.center_images_ = self.cells_ = self.key_ = None
        if self.profile is not None:
            self.ax_ = one_axes(ax, profile_size(self))
            self.figure_ = self.ax_.figure
            self.cells_, self.key_ = draw_profile(self, image_kwargs)
        else:
            rows, offsets = grid_of(self.members, self.centers)
            self.ax_ = one_axes(ax, grid_size(rows, offsets, self.notes))
            self.figure_ = self.ax_.figure
            # A decoded centre may leave the range of the samples, and must not dim
            # them.
            limits = value_range(np.concatenate(self.members))
            artists = image_grid(
                self.ax_,
                rows,
                image_kwargs,
                limits=limits,
                offsets=offsets,
                image_shape=self.image_shape,
            )
            n_centers = int(self.centers is not None)
            self.center_images_ = artists[:, 0] if n_centers else None
            self.images_ = artists[:, n_centers:]
            self.texts_, self.headings_ = write_around(self, offsets, text_kwargs)
            return self
        self.texts_, self.headings_ = write_beside(self, text_kwargs)
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
        kind="auto",
        n_images=10,
        n_columns=8,
        n_clusters=30,
        feature_names=None,
        random_state=None,
        image_shape="auto",
        ax=None,
        image_kwargs=None,
        text_kwargs=None,
    ):
        """Draw what given clusters hold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, h, w) or \
                (n_samples, h, w, c)
            Pictures, or the rows of a table in the units to be read.

        clusters : array-like of shape (n_samples,)
            The cluster of each; negative for those that belong to none.

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

        kind : {"auto", "nearest", "farthest", "random", "between", "profile"}, \
                default="auto"
            What is drawn, by default "nearest" of pictures and "profile" of a table:

            - "nearest": members nearest to the centre, the nearest first;
            - "farthest": those farthest from it, the farthest first;
            - "random": any;
            - "between": those nearest to both the centre of the cluster and the
              next centre, of either cluster, in order from one to the other;
            - "profile": the columns in which clusters differ most, with the mean of
              each cluster.

        n_images : int, default=10
            The most pictures in a row.

        n_columns : int, default=8
            The most columns in a profile.

        n_clusters : int, default=30
            The most clusters to draw, the largest ones.

        feature_names : list of str, default=None
            Names of the columns; those of a DataFrame by default.

        random_state : int, RandomState instance or None, default=None
            Which members "random" draws.

        image_shape : tuple of int, "auto", "series" or None, default="auto"
            Shape (h, w) or (h, w, c) of flat pictures. "auto" takes them for
            squares; "series" draws windows (n_samples, n_steps, n_features) as lines.

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
        images = pictures_or_none(X, kind, image_shape)
        codes, names = check_clusters(
            clusters, np.shape(X)[0] if images is None else len(images)
        )
        notes, heading = describe(codes, names, labels, class_names)
        drawn = largest(codes, len(names), n_clusters)
        parts = {"remark": remark_on(codes, len(names), drawn), "heading": heading}
        if images is None:
            parts["profile"] = profile_of(X, codes, drawn, n_columns, feature_names)
            members, kind = None, "profile"
        else:
            kind = "nearest" if kind == "auto" else kind
            space = Space(images, codes, latents, centers, center_images, image_shape)
            random_state = check_random_state(random_state)
            rows, others = space.choose(drawn, kind, n_images, random_state)
            members = [images[row] for row in rows]
            parts["image_shape"] = "series" if is_series(image_shape) else "auto"
            if space.center_images is not None:
                parts["centers"] = space.center_images[drawn]
            names, notes = name_pairs(names, notes, others)
        display = cls(
            members,
            names=[names[code] for code in drawn],
            notes=[notes[code] for code in drawn],
            kind=kind,
            **parts,
        )
        return display.plot(ax=ax, image_kwargs=image_kwargs, text_kwargs=text_kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, labels=None, **kwargs):
        """Draw what the clusters hold that a fitted estimator finds.

        Parameters
        ----------
        estimator : estimator instance
            Fitted clusterer, Pipeline that ends in one, or search over these, of
            which the best is taken. The steps before it make latent vectors, and
            where all of them have `inverse_transform` they make pictures of the
            centres too.

        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them. A clusterer without `predict`, such
            as `DBSCAN`, knows only those that it was fitted to. What a network takes
            as series is drawn as lines.

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
        clusterer, before, transformer = clusterer_of(estimator)
        clusters = clusters_of(clusterer, X if before is None else before.transform(X))
        latents = X if transformer is None else transformer.transform(X)
        centers = getattr(clusterer, "cluster_centers_", None)
        if centers is not None:
            # A cluster may have no member in X.
            present = np.unique(clusters[clusters >= 0])
            centers = as_array(centers)[present].astype(as_array(latents).dtype)
            if transformer is None:
                kwargs.setdefault("center_images", centers)
            elif hasattr(transformer, "inverse_transform"):
                decoded = transformer.inverse_transform(centers)
                kwargs.setdefault("center_images", decoded)
        if transformer is not None:
            shape = shape_for(transformer, kwargs.get("image_shape", "auto"))
            kwargs = {"latents": latents, **kwargs, "image_shape": shape}
        return cls.from_clusters(
            X, clusters, labels=labels, **{"centers": centers, **kwargs}
        )
