"""Embeddings: points on a map, coloured by label, with pictures on them."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._estimators import reduced, shape_for, transformer_of
from skae.plotting._images import as_array
from skae.plotting._key import draw_key
from skae.plotting._map import (
    axes_for,
    checked_map,
    draw_frames,
    draw_points,
    draw_thumbnails,
    frame_points,
    settle_layout,
)
from skae.plotting._map_names import draw_names
from skae.plotting._page import embedding_page


class EmbeddingDisplay:
    """Map of samples in two or three dimensions, coloured by label.

    It is recommended to use
    :func:`~skae.plotting.EmbeddingDisplay.from_embedding` or
    :func:`~skae.plotting.EmbeddingDisplay.from_estimator` to create a display.
    All parameters are stored as attributes.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, 2) or (n_samples, 3)
        Where the samples lie.

    labels : array-like of shape (n_samples,), default=None
        Labels to colour by. Floats that are not all whole numbers are a continuous
        quantity; all else is classes, in the order of a categorical or else sorted,
        of which -1, NaN, None and masked values mean unlabelled. Twenty have colours
        of their own, which colour-blind readers can tell apart; from the 21st on they
        come round again with another marker.

    images : array-like of shape (n_images, n_features), (n_images, h, w) or \
            (n_images, h, w, c), default=None
        Pictures of the first `n_images` samples, which may be all of them.

    image_shape : tuple of int, "auto", "series" or None, default="auto"
        Shape (h, w) or (h, w, c) of flat pictures. "auto" takes them for squares;
        "series" draws windows (n_images, n_steps, n_features) as lines: the three
        features that vary most, solid, dashed and dotted.

    class_names : list of str or dict, default=None
        Names of the sorted classes, or a name for each label; one for -1 makes it a
        class.

    name : str, default="Dimension"
        What the axes of the map are called, each with its number.

    Attributes
    ----------
    scatters_ : list of matplotlib PathCollection
        The points; one artist for each marker, so mostly a single one.

    unlabelled_ : matplotlib PathCollection or None
        The unlabelled points, in grey.

    texts_ : list of matplotlib Text
        Class names at the medoids of their classes.

    leaders_ : matplotlib LineCollection or None
        Lines from names that had to move to their classes.

    images_ : list of AxesImage, or of tuple of Line2D
        Thumbnails; lines of series.

    shown_ : ndarray of int
        Rows of `embedding` that a thumbnail is drawn for.

    frames_ : matplotlib PatchCollection or None
        Frames of the thumbnails, in the colours of their labels.

    key_ : matplotlib Colorbar, Legend or None
        What tells which colour is which label.

    ax_ : matplotlib Axes
        Axes with the map.

    figure_ : matplotlib Figure
        Figure with the map.

    See Also
    --------
    PerplexityDisplay : Several maps side by side.
    ClusterDisplay : Pictures of the members of clusters.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.plotting import EmbeddingDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> Z = PCA(2).fit_transform(X)
    >>> display = EmbeddingDisplay(Z, labels=y, name="PCA")
    >>> display.plot()
    <...>
    >>> display.ax_.get_xlabel()
    'PCA 0'
    """

    def __init__(
        self,
        embedding,
        *,
        labels=None,
        images=None,
        image_shape="auto",
        class_names=None,
        name="Dimension",
    ):
        self.embedding = embedding
        self.labels = labels
        self.images = images
        self.image_shape = image_shape
        self.class_names = class_names
        self.name = name

    def plot(
        self,
        ax=None,
        *,
        key="auto",
        show_names=True,
        show_axes="auto",
        n_images=200,
        image_size="auto",
        scatter_kwargs=None,
        text_kwargs=None,
        image_kwargs=None,
        frame_kwargs=None,
        key_kwargs=None,
    ):
        """Draw the map.

        Both axes have one scale, unless one is more than five times the other.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, with `projection="3d"` for three columns. By default
            a new figure is made.

        key : {"auto", "colorbar", "legend"} or None, default="auto"
            What tells which colour is which label. "auto" draws it where the names
            on the map do not: a colour bar, or a legend for more than twenty
            classes. A legend that would take nearly half of the figure at the
            smallest legible size is left out, and a note says so.

        show_names : bool, default=True
            Draw the names of up to 60 classes at their medoids. Names that would
            cover one another move apart, with a line to their class when it is far,
            or are left out, those of small classes first. In three dimensions none
            are drawn.

        show_axes : bool or "auto", default="auto"
            Label the axes and their ticks. "auto" does so unless the name is that
            of a map whose axes mean nothing, such as "t-SNE" or "UMAP".

        n_images : int, default=200
            The most pictures to draw, thinned so that none hides another.

        image_size : float or "auto", default="auto"
            Longer side of a picture in points. "auto" is the largest size at which
            `n_images` fit, or a third of all pictures if there are fewer.

        scatter_kwargs : dict, default=None
            Keywords of `Axes.scatter` for the points. Size and alpha follow from the
            density, and more than 1,000 points are rasterized, unless given here.

        text_kwargs : dict, default=None
            Keywords of `Axes.text` for the class names.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow` for the pictures, of `Axes.plot` for series.

        frame_kwargs : dict, default=None
            Keywords of `PatchCollection` for the frames of the pictures.

        key_kwargs : dict, default=None
            Keywords of `Figure.colorbar` or `Axes.legend`.

        Returns
        -------
        display : :class:`~skae.plotting.EmbeddingDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If the shapes of embedding, labels, images and axes do not agree.
        """
        if key not in ("auto", "colorbar", "legend", None):
            raise ValueError(
                "Expected key to be 'auto', 'colorbar', 'legend' or None. Received "
                f"{key!r}."
            )
        Z, codes, names, images = checked_map(self)
        self.ax_ = ax = axes_for(Z, ax)
        self.figure_ = ax.figure
        if Z.shape[1] == 2:
            settle_layout(ax)  # the size of dots follows that of the axes
        before = ax.dataLim.frozen() if ax.has_data() else None
        points = draw_points(ax, Z, codes, names, scatter_kwargs)
        self.scatters_, self.unlabelled_ = points
        thumbnails = images is not None and n_images > 0
        # Thumbnails reach beyond their points.
        margin = 0.06 if thumbnails else 0.03
        frame_points(ax, Z, self.name, margin, show_axes, before)
        settle_layout(ax)
        on_map = names if show_names and Z.shape[1] == 2 else None
        drawn = draw_names(ax, Z, codes, on_map, text_kwargs)
        self.key_ = None
        if key != "auto" or key_kwargs or self.unlabelled_ or not drawn.all_visible:
            drawn.remove()
            self.key_ = draw_key(key, [ax], self.scatters_, codes, names, key_kwargs)
            # In the room that the key has left.
            settle_layout(ax)
            drawn = draw_names(ax, Z, codes, on_map, text_kwargs)
        self.texts_, self.leaders_ = drawn.texts, drawn.leaders
        boxes = drawn.boxes
        self.images_, self.frames_ = [], None
        self.shown_ = np.empty(0, dtype=int)
        if thumbnails:
            how = (n_images, image_size, boxes, image_kwargs, self.image_shape)
            self.images_, self.shown_, extents = draw_thumbnails(ax, Z, images, *how)
            codes = None if codes is None else codes[self.shown_]
            self.frames_ = draw_frames(
                ax, extents, codes, names, self.scatters_, frame_kwargs
            )
        return self

    def to_html(self, path, *, title=None):
        """Write the map as one page to search, zoom and point at.

        The page opens without a network, on a phone too. Pointing at a sample shows
        its picture and its label; classes can be hidden, shown alone, searched for.

        Parameters
        ----------
        path : str or path-like
            File to write.

        title : str, default=None
            Title of the page; that of the browser's tab only if None.

        Returns
        -------
        path : pathlib.Path
            The file written.

        Raises
        ------
        ValueError
            If the embedding has not two columns, or shapes do not agree.
        """
        return self.show(title=title).write(path)

    def show(self, *, title=None):
        """Return the page of :func:`to_html`, which a notebook shows as it is.

        Parameters
        ----------
        title : str, default=None
            Title of the page.

        Returns
        -------
        page : object
            The page, with `_repr_html_`.
        """
        return embedding_page(self, title)

    @classmethod
    def from_embedding(
        cls,
        embedding,
        *,
        labels=None,
        images=None,
        image_shape="auto",
        class_names=None,
        name="Dimension",
        ax=None,
        **plot_kwargs,
    ):
        """Draw a map from points in two or three dimensions.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, 2) or (n_samples, 3)
            Where the samples lie.

        labels : array-like of shape (n_samples,), default=None
            Labels to colour by, see :class:`~skae.plotting.EmbeddingDisplay`.

        images : array-like of shape (n_images, ...), default=None
            Pictures of the first `n_images` samples, which may be all of them.

        image_shape : tuple of int, "auto", "series" or None, default="auto"
            Shape of flat pictures, or that they are series.

        class_names : list of str or dict, default=None
            Names of the sorted classes, or a name for each label.

        name : str, default="Dimension"
            What the axes of the map are called.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.EmbeddingDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.EmbeddingDisplay`
            The display, with its artists.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from skae.plotting import EmbeddingDisplay
        >>> X, _ = load_digits(return_X_y=True)
        >>> Z = PCA(2).fit_transform(X)
        >>> display = EmbeddingDisplay.from_embedding(Z, images=X, n_images=50)
        >>> len(display.images_)
        50
        """
        display = cls(
            embedding,
            labels=labels,
            images=images,
            image_shape=image_shape,
            class_names=class_names,
            name=name,
        )
        return display.plot(ax=ax, **plot_kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, *, reducer=None, ax=None, **kwargs):
        """Draw a map of the latent vectors of a fitted transformer.

        Parameters
        ----------
        estimator : estimator instance
            Fitted transformer, Pipeline or search. Of a Pipeline that ends in a
            classifier, a clusterer or a step without `transform`, the steps before
            it are used; of a search, its best estimator.

        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        reducer : estimator instance, default=None
            What brings latent vectors to two or three columns, such as `TSNE()`;
            a clone of it is fitted. By default latent vectors of two or three
            columns stay as they are and longer ones go through `PCA(2)`.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        **kwargs : dict
            Keywords of :func:`~skae.plotting.EmbeddingDisplay.from_embedding`, such
            as `labels`, and of :func:`~skae.plotting.EmbeddingDisplay.plot`. Images
            of what a network takes as series are drawn as lines.

        Returns
        -------
        display : :class:`~skae.plotting.EmbeddingDisplay`
            The display, with its artists.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from skae.plotting import EmbeddingDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> display = EmbeddingDisplay.from_estimator(PCA(8).fit(X), X, labels=y)
        >>> display.embedding.shape
        (1797, 2)
        """
        transformer = transformer_of(estimator, "EmbeddingDisplay.from_embedding")
        latents = as_array(transformer.transform(X))
        latents, name = reduced(latents, reducer)
        if kwargs.get("images") is not None:
            shape = shape_for(transformer, kwargs.get("image_shape", "auto"))
            kwargs["image_shape"] = shape
        return cls.from_embedding(latents, ax=ax, **{"name": name, **kwargs})
