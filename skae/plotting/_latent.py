"""Pictures that the decoder makes of places in latent space."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from sklearn.utils import check_random_state

from skae.plotting._drawing import one_axes
from skae.plotting._estimators import two_way_transformer_of
from skae.plotting._images import (
    as_array,
    as_images,
    image_grid,
    need_images,
    value_range,
)
from skae.plotting._places import (
    along,
    at_random,
    between,
    check_places,
    plane,
    widest_axes,
)


class LatentDisplay:
    """Decoded pictures of places in latent space.

    It is recommended to use :func:`~skae.plotting.LatentDisplay.from_estimator` or
    :func:`~skae.plotting.LatentDisplay.from_latents` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_cols, h, w) or (n_rows, n_cols, h, w, c)
        Pictures, the first row on top.

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

    Attributes
    ----------
    images_ : ndarray of shape (n_rows, n_cols) of AxesImage
        The pictures drawn.

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
    ):
        self.images = images
        self.x_ticks = x_ticks
        self.y_ticks = y_ticks
        self.x_label = x_label
        self.y_label = y_label
        self.limits = limits

    def plot(self, ax=None, *, image_kwargs=None):
        """Draw the pictures.

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
        images = as_array(self.images)
        if images.ndim not in (4, 5):
            raise ValueError(
                "Expected a grid of pictures (n_rows, n_cols, h, w) or (n_rows, "
                f"n_cols, h, w, c). Received shape {images.shape}. Draw latent "
                "vectors by LatentDisplay.from_latents, and pictures in one row as "
                "images[None]."
            )
        n_rows, n_cols = images.shape[:2]
        flat = need_images(images.reshape(-1, *images.shape[2:]))
        images = flat.reshape(n_rows, n_cols, *flat.shape[1:])
        side = min(0.9, 9 / max(n_rows, n_cols))
        self.ax_ = one_axes(ax, (side * n_cols + 0.8, side * n_rows + 0.7))
        self.figure_ = self.ax_.figure
        self.images_ = image_grid(self.ax_, images, image_kwargs, limits=self.limits)
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
            If the estimator cannot go back from latent vectors to samples, or these
            are no pictures.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from skae.plotting import LatentDisplay
        >>> X, _ = load_digits(return_X_y=True)
        >>> display = LatentDisplay.from_estimator(PCA(2).fit(X), X, kind="plane")
        >>> display.ax_.get_xlabel()
        'Latent 0'
        """
        transformer = two_way_transformer_of(estimator, "LatentDisplay.from_latents")
        originals = as_images(X, kwargs.get("image_shape", "auto"))
        if originals is not None:
            # A decoder may leave the range of the samples, whose greys would shift.
            kwargs.setdefault("limits", value_range(originals))
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
        samples=(0, 1),
        n_steps=9,
        percentiles=(5, 95),
        random_state=None,
        image_shape="auto",
        limits=None,
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

            - "axes": along each of `latent_axes`, the others at their mean;
            - "between": from one of `samples` to the next, on a straight line;
            - "plane": over two `latent_axes`, the others at their mean;
            - "random": from the normal distribution with the mean and covariance
              of Z.

        latent_axes : list of int, default=None
            Columns of Z. By default the five, or for "plane" two, of the greatest
            variance.

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
            for squares.

        limits : tuple of float, default=None
            Values drawn darkest and brightest; by default those of the pictures.

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
            If `kind`, `latent_axes` or `samples` do not fit Z, or the decoded
            samples are no pictures.

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
        check_places(Z, kind, latent_axes, samples)
        if kind == "between":
            places, labels = between(Z, samples, n_steps)
        elif kind == "random":
            places, labels = at_random(Z, n_steps, check_random_state(random_state))
        else:
            wanted = 2 if kind == "plane" else 5
            if latent_axes is None:
                latent_axes = widest_axes(Z, wanted)
            places, labels = (plane if kind == "plane" else along)(
                Z, latent_axes, n_steps, percentiles
            )
        n_rows, n_cols = places.shape[:2]
        # A network that computes in float32 need not be asked for more.
        decoded = decode(places.reshape(n_rows * n_cols, -1).astype(Z.dtype))
        images = need_images(as_array(decoded), image_shape)
        grid = images.reshape(n_rows, n_cols, *images.shape[1:])
        display = cls(grid, limits=limits, **labels)
        return display.plot(ax=ax, image_kwargs=image_kwargs)

    @staticmethod
    def _set_ticks(axis, n_places, labels):
        axis.set_ticks([] if labels is None else range(n_places), labels=labels)
        axis.set_tick_params(labelsize="small")
