"""What the decoder makes of places in latent space."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.utils import check_random_state

from skae.plotting._drawing import one_axes
from skae.plotting._estimators import two_way_transformer_of
from skae.plotting._images import (
    as_array,
    as_images,
    grid_of_pictures,
    image_grid,
    value_range,
)
from skae.plotting._places import Surroundings, check_places
from skae.plotting._places_table import (
    MOST_DECODED,
    draw_table,
    table_of,
    table_size,
)


class LatentDisplay:
    """What the decoder makes of places in latent space.

    It is recommended to use :func:`~skae.plotting.LatentDisplay.from_estimator` or
    :func:`~skae.plotting.LatentDisplay.from_latents` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_cols, h, w) or (n_rows, n_cols, h, w, c), \
            or None
        Pictures, the first row on top; None for rows of a table.

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

    Attributes
    ----------
    images_ : ndarray of shape (n_rows, n_cols) of AxesImage, or None
        The pictures drawn; None for a table.

    table_ : AxesImage or None
        The colours of a table: a line for each column and a block for each row of
        places, or, of a plane, a map for each column.

    key_ : matplotlib Colorbar or None
        What the colours of a table mean.

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
    ):
        self.images = images
        self.x_ticks = x_ticks
        self.y_ticks = y_ticks
        self.x_label = x_label
        self.y_label = y_label
        self.limits = limits
        self.strengths = strengths
        self.table = table

    def plot(self, ax=None, *, image_kwargs=None):
        """Draw the pictures, or the columns of a table.

        Parameters
        ----------
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
            If `images` is no grid of pictures.
        """
        self.images_ = self.table_ = self.key_ = None
        if self.table is not None:
            self.ax_ = one_axes(ax, table_size(self.table))
            self.figure_ = self.ax_.figure
            self.table_, self.key_ = draw_table(self, image_kwargs)
            return self
        images = grid_of_pictures(self.images)
        n_rows, n_cols = images.shape[:2]
        side = min(0.9, 9 / max(n_rows, n_cols))
        self.ax_ = one_axes(ax, (side * n_cols + 0.8, side * n_rows + 0.7))
        self.figure_ = self.ax_.figure
        self.images_ = image_grid(self.ax_, images, image_kwargs, limits=self.limits)
        if self.strengths is not None:
            for image, strength in zip(
                self.images_.flat, np.ravel(self.strengths), strict=True
            ):
                image.set_alpha(strength)
        self.ax_.set(xlabel=self.x_label or "", ylabel=self.y_label or "")
        self._set_ticks(self.ax_.xaxis, n_cols, self.x_ticks)
        self._set_ticks(self.ax_.yaxis, n_rows, self.y_ticks)
        return self

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
            Samples, as the estimator takes them; their latent vectors tell where
            in latent space to look.

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

        Raises
        ------
        ValueError
            If the estimator cannot go back from latent vectors to samples.

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
        originals = as_images(X, kwargs.get("image_shape", "auto"))
        if originals is not None:
            # A decoder may leave the range of the samples, whose greys would shift.
            kwargs.setdefault("limits", value_range(originals))
        else:
            kwargs.setdefault("reference", X)
            kwargs.setdefault("feature_names", getattr(X, "columns", None))
        return cls.from_latents(
            transformer.transform(X),
            transformer.inverse_transform,
            ax=ax,
            image_kwargs=image_kwargs,
            **kwargs,
        )

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
            Latent vectors, which tell where in latent space to look.

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
            Row of Z whose values "axes" and "plane" start from: a real sample, since
            a decoder knows nothing of a mean between all of them. By default the
            row nearest to the mean.

        samples : list of int, default=(0, 1)
            Rows of Z for "between"; each further one makes a further row.

        n_steps : int, default=9
            Number of pictures in a row.

        percentiles : tuple of float, default=(5, 95)
            Range of "axes" and "plane", in percentiles of each column of Z.

        random_state : int, RandomState instance or None, default=None
            Which places "random" draws.

        image_shape : tuple of int, "auto" or None, default="auto"
            Shape (h, w) or (h, w, c) of decoded flat pictures. "auto" takes them
            for squares, and None for rows of a table.

        limits : tuple of float, default=None
            Values drawn darkest and brightest; by default those of the pictures.

        feature_names : list of str, default=None
            Names of the columns of a table.

        reference : array-like of shape (n_rows, n_features), default=None
            Rows of a table whose means and standard deviations are the units that
            columns are drawn in; by default what Z is decoded to.

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
        around = Surroundings(Z, base)
        if kind == "between":
            places, words = around.between(samples, n_steps)
        elif kind == "random":
            places, words = around.at_random(n_steps, check_random_state(random_state))
        else:
            walk = around.plane if kind == "plane" else around.along
            places, words = walk(latent_axes, n_steps, percentiles)
        shape = places.shape[:2]
        # A network that computes in float32 need not be asked for more.
        decoded = decode(places.reshape(shape[0] * shape[1], -1).astype(Z.dtype))
        images = as_images(decoded, image_shape)
        if images is None:
            if reference is None:
                reference = decode(Z[:: max(1, len(Z) // MOST_DECODED)])
            if feature_names is None:
                feature_names = getattr(decoded, "columns", None)
            table = table_of(decoded, shape, kind, reference, feature_names)
            return cls(None, table=table, **words).plot(
                ax=ax, image_kwargs=image_kwargs
            )
        grid = images.reshape(*shape, *images.shape[1:])
        display = cls(grid, limits=limits, **words)
        return display.plot(ax=ax, image_kwargs=image_kwargs)

    @staticmethod
    def _set_ticks(axis, n_places, labels):
        axis.set_ticks([] if labels is None else range(n_places), labels=labels)
        axis.set_tick_params(labelsize="small")
