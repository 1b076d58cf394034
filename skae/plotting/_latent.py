"""What the decoder makes of places in latent space."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from sklearn.utils import check_random_state

from skae.plotting._drawing import one_axes, set_ticks
from skae.plotting._estimators import shape_for, two_way_transformer_of
from skae.plotting._explorer import explorer_page
from skae.plotting._images import (
    as_array,
    as_pictures,
    grid_of_pictures,
    image_grid,
    is_series,
    value_range,
)
from skae.plotting._places import Surroundings, check_places
from skae.plotting._places_table import (
    MOST_DECODED,
    draw_table,
    table_of,
    table_size,
)

# What `image_grid` is told of the display, by the same names.
_HOW = ("limits", "strengths", "image_shape")


class LatentDisplay:
    """What the decoder makes of places in latent space.

    It is recommended to use :func:`~skae.plotting.LatentDisplay.from_estimator` or
    :func:`~skae.plotting.LatentDisplay.from_latents` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_cols, h, w) or (n_rows, n_cols, h, w, c), \
            or None
        Pictures, the first row on top, or windows (n_rows, n_cols, n_steps,
        n_features); None for rows of a table.

    x_ticks : list of str, default=None
        What stands under each column.

    y_ticks : list of str, default=None
        What stands before each row.

    x_label : str, default=None
        What the columns are.

    y_label : str, default=None
        What the rows are.

    limits : tuple of float, default=None
        Values drawn darkest and brightest; by default those of the pictures.

    strengths : array-like of shape (n_rows, n_cols), default=None
        How strongly each is drawn, from 0 to 1.

    table : dict, default=None
        Of rows of a table the names of the "columns" drawn in each row, or of a
        plane in a single one, their "deviations" of shape (n_rows, n_cols,
        n_columns) in standard deviations, the number of all of them "n_all", and
        the "kind" of places.

    image_shape : {"auto", "series"}, default="auto"
        Whether images are pictures, or windows of series: lines of the three features
        that vary most.

    Attributes
    ----------
    images_ : ndarray of shape (n_rows, n_cols) of AxesImage or tuple of Line2D, or None
        The pictures drawn, or the lines of series; None for a table.

    table_ : AxesImage or None
        The colours of a table: a line for each column and a block for each row of
        places, or, of a plane, a map for each column.

    key_ : matplotlib Colorbar or None
        What the colours of a table mean.

    source_ : tuple or None
        Estimator, samples and image shape that `to_html` makes a page of.

    ax_ : matplotlib Axes
        Axes with the pictures.

    figure_ : matplotlib Figure
        Figure with the pictures.

    See Also
    --------
    ReconstructionDisplay : What the decoder makes of samples.
    EmbeddingDisplay : Where the samples lie.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae.plotting import LatentDisplay
    >>> images = load_digits().images[:6].reshape(2, 3, 8, 8)
    >>> display = LatentDisplay(images, x_label="Step").plot()
    >>> display.images_.shape
    (2, 3)
    """

    def __init__(
        self,
        images,
        *,
        x_ticks=None,
        y_ticks=None,
        x_label=None,
        y_label=None,
        limits=None,
        strengths=None,
        table=None,
        image_shape="auto",
    ):
        self.images = images
        self.x_ticks = x_ticks
        self.y_ticks = y_ticks
        self.x_label = x_label
        self.y_label = y_label
        self.limits = limits
        self.strengths = strengths
        self.table = table
        self.image_shape = image_shape
        self.source_ = None

    def plot(self, ax=None, *, image_kwargs=None):
        """Draw the pictures, or the columns of a table.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow`, or of `Axes.plot` for series.

        Returns
        -------
        display : :class:`~skae.plotting.LatentDisplay`
            The display, with its artists.
        """
        self.images_ = self.table_ = self.key_ = None
        if self.table is not None:
            self.ax_ = one_axes(ax, table_size(self.table))
            self.figure_ = self.ax_.figure
            self.table_, self.key_ = draw_table(self, image_kwargs)
            return self
        images = grid_of_pictures(self.images, self.image_shape)
        n_rows, n_cols = images.shape[:2]
        side = min(0.9, 9 / max(n_rows, n_cols))
        self.ax_ = one_axes(ax, (side * n_cols + 0.8, side * n_rows + 0.7))
        self.figure_ = self.ax_.figure
        how = {name: getattr(self, name) for name in _HOW}
        self.images_ = image_grid(self.ax_, images, image_kwargs, **how)
        self.ax_.set(xlabel=self.x_label or "", ylabel=self.y_label or "")
        set_ticks(self.ax_.xaxis, n_cols, self.x_ticks)
        set_ticks(self.ax_.yaxis, n_rows, self.y_ticks)
        return self

    def to_html(
        self, path, *, labels=None, class_names=None, title=None, n_samples=2_000
    ):
        """Write a page on which the decoder draws what lies under the pointer.

        The page holds the weights of the decoder and computes in the browser: it
        needs no network and no server. Sliders move single latent values; rows of a
        table are bars. Of more than two latent values the map is the plane of their
        greatest variance.

        Parameters
        ----------
        path : str or path-like
            File to write.

        labels : array-like of shape (n_samples,), default=None
            Labels to colour by, see :class:`~skae.plotting.EmbeddingDisplay`.

        class_names : list of str or dict, default=None
            Names of the sorted classes, or a name for each label.

        title : str, default=None
            Title of the page.

        n_samples : int, default=2000
            The most samples on the map, drawn at random.

        Returns
        -------
        path : pathlib.Path
            The file written.

        Raises
        ------
        ValueError
            If `from_estimator` has not made the display, or no page can decode it.
        """
        how = {"labels": labels, "class_names": class_names, "title": title}
        return self.show(n_samples=n_samples, **how).write(path)

    def show(self, **kwargs):
        """Return the page of :func:`to_html`, which a notebook shows as it is.

        Parameters
        ----------
        **kwargs : dict
            Keywords of :func:`~skae.plotting.LatentDisplay.to_html`.

        Returns
        -------
        page : object
            The page, with `_repr_html_`.
        """
        return explorer_page(self, **kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, *, ax=None, image_kwargs=None, **kwargs):
        """Draw places in the latent space of a fitted transformer.

        Parameters
        ----------
        estimator : estimator instance
            Fitted transformer, Pipeline or search, with `inverse_transform`. Of a
            Pipeline that ends in a classifier, a clusterer or a step without
            `transform`, the steps before it are used; of a search, its best
            estimator.

        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them, which tell where to look. What a
            network takes as series is drawn as lines.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow`.

        **kwargs : dict
            Keywords of :func:`~skae.plotting.LatentDisplay.from_latents`, such as
            `kind`.

        Returns
        -------
        display : :class:`~skae.plotting.LatentDisplay`
            The display, with its artists.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from skae.plotting import LatentDisplay
        >>> X, _ = load_digits(return_X_y=True)
        >>> display = LatentDisplay.from_estimator(PCA(2).fit(X), X, kind="plane")
        >>> display.ax_.get_ylabel()
        'latent 1'
        """
        transformer = two_way_transformer_of(estimator, "LatentDisplay.from_latents")
        shape = shape_for(transformer, kwargs.get("image_shape", "auto"))
        kwargs["image_shape"] = shape
        originals = as_pictures(X, shape)
        if originals is not None:
            # A decoder may leave the range of the samples, whose greys would shift.
            kwargs.setdefault("limits", value_range(originals))
        else:
            kwargs.setdefault("reference", X)
            kwargs.setdefault("feature_names", getattr(X, "columns", None))
        ends = transformer.transform(X), transformer.inverse_transform
        display = cls.from_latents(*ends, ax=ax, image_kwargs=image_kwargs, **kwargs)
        display.source_ = transformer, X, shape
        return display

    @classmethod
    def from_latents(
        cls,
        Z,
        decode,
        *,
        kind="axes",
        latent_axes=None,
        base=None,
        samples=(0, 1),
        n_steps=9,
        percentiles=(5, 95),
        random_state=None,
        image_shape="auto",
        limits=None,
        feature_names=None,
        reference=None,
        ax=None,
        image_kwargs=None,
    ):
        """Draw places around given latent vectors.

        Parameters
        ----------
        Z : array-like of shape (n_samples, latent_dim)
            Latent vectors, which tell where to look.

        decode : callable
            Makes samples of latent vectors, such as `inverse_transform`.

        kind : {"axes", "between", "plane", "random"}, default="axes"
            Which places are drawn:

            - "axes": along each of `latent_axes`, the others as in `base`;
            - "between": from one of `samples` to the next, on a straight line;
            - "plane": over two `latent_axes`, the others as in `base`, and faint
              where no sample is within a step;
            - "random": from the normal distribution with the mean and covariance
              of Z.

        latent_axes : list of int, default=None
            Columns of Z. By default the five, or for "plane" two, of the greatest
            variance.

        base : int, default=None
            Row of Z, a real sample, that "axes" and "plane" start from. By default
            the one nearest to the mean, of which a decoder would know nothing.

        samples : list of int, default=(0, 1)
            Rows of Z for "between"; each makes a further row.

        n_steps : int, default=9
            Number of pictures in a row.

        percentiles : tuple of float, default=(5, 95)
            Range of "axes" and "plane", in percentiles of each column of Z.

        random_state : int, RandomState instance or None, default=None
            Which places "random" draws.

        image_shape : tuple of int, "auto", "series" or None, default="auto"
            Shape (h, w) or (h, w, c) of decoded flat pictures. "auto" takes them
            for squares, None for rows of a table, and "series" for series.

        limits : tuple of float, default=None
            Values drawn darkest and brightest, those of the pictures if None.

        feature_names : list of str, default=None
            Names of the columns of a table.

        reference : array-like of shape (n_rows, n_features), default=None
            Rows whose means and standard deviations are the units that columns of
            a table are drawn in; by default what Z is decoded to.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow`.

        Returns
        -------
        display : :class:`~skae.plotting.LatentDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If `kind`, `latent_axes`, `base` or `samples` do not fit Z.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from skae.plotting import LatentDisplay
        >>> X, _ = load_digits(return_X_y=True)
        >>> pca = PCA(16).fit(X)
        >>> display = LatentDisplay.from_latents(
        ...     pca.transform(X), pca.inverse_transform, kind="between", n_steps=5
        ... )
        >>> display.images_.shape
        (1, 5)
        """
        Z = as_array(Z)
        check_places(Z, kind, latent_axes, samples, base)
        random_state = check_random_state(random_state)
        places, words = Surroundings(Z, base).places(
            kind, latent_axes, samples, n_steps, percentiles, random_state
        )
        shape = places.shape[:2]
        # A network that computes in float32 need not be asked for more.
        decoded = decode(places.reshape(shape[0] * shape[1], -1).astype(Z.dtype))
        images = as_pictures(decoded, image_shape)
        if images is None:
            if reference is None:
                reference = decode(Z[:: max(1, len(Z) // MOST_DECODED)])
            table = table_of(decoded, shape, kind, reference, feature_names)
            display = cls(None, table=table, **words)
        else:
            grid = images.reshape(*shape, *images.shape[1:])
            series = "series" if is_series(image_shape) else "auto"
            display = cls(grid, limits=limits, image_shape=series, **words)
        return display.plot(ax=ax, image_kwargs=image_kwargs)
