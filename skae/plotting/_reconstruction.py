"""Originals beside their reconstructions."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.utils import _safe_indexing, check_random_state

from skae.plotting._drawing import panels
from skae.plotting._estimators import shape_for, two_way_transformer_of
from skae.plotting._images import as_array, as_images, is_series
from skae.plotting._pairs import (
    Table,
    draw_pictures,
    draw_scale,
    write_beside,
    write_words,
)
from skae.plotting._windows import Windows


class ReconstructionDisplay:
    """Samples beside what the decoder makes of them.

    It is recommended to use
    :func:`~skae.plotting.ReconstructionDisplay.from_estimator` or
    :func:`~skae.plotting.ReconstructionDisplay.from_reconstruction` to create a
    display. All parameters are stored as attributes.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), (n_samples, h, w) or \
            (n_samples, h, w, c)
        The originals; windows of series are (n_samples, n_steps, n_features).

    X_hat : array-like of the shape of X
        Their reconstructions.

    image_shape : tuple of int, "auto", "series" or None, default="auto"
        Shape (h, w) or (h, w, c) of flat rows that are pictures. "auto" takes rows
        of 64, 81, 100, ... columns for square pictures; None never does. "series" is
        kind="line".

    feature_names : list of str, default=None
        Names of the columns of tabular rows.

    reference : array-like of shape (n_rows, n_features), default=None
        Rows of a table by whose means and standard deviations columns of different
        units are drawn together as dots. By default values are drawn as they are.

    Attributes
    ----------
    errors_ : ndarray of shape (n_samples,)
        Mean squared error of each sample; of a table with a reference, of its values
        in standard deviations.

    images_ : ndarray of shape (n_samples, n_panels) of AxesImage, or None
        Originals, reconstructions and, if asked for, their differences; None for
        tabular rows.

    lines_ : ndarray of shape (n_samples, n_lines) of Line2D, or None
        Original, reconstruction and, if asked for, difference of tabular rows, as
        dots or as lines; None for pictures.

    scale_ : matplotlib Colorbar or None
        What the colours of differences between pictures mean.

    axes_ : ndarray of matplotlib Axes
        The panels, as they lie in the figure.

    bounding_ax_ : matplotlib Axes or None
        The axes given to `plot`, whose place the panels take.

    figure_ : matplotlib Figure
        Figure with the panels.

    See Also
    --------
    LatentDisplay : What the decoder makes of other latent vectors.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.plotting import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCA(16).fit(X)
    >>> X_hat = pca.inverse_transform(pca.transform(X[:4]))
    >>> display = ReconstructionDisplay(X[:4], X_hat).plot()
    >>> display.images_.shape
    (4, 2)
    """

    def __init__(
        self, X, X_hat, *, image_shape="auto", feature_names=None, reference=None
    ):
        self.X = X
        self.X_hat = X_hat
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.reference = reference

    def plot(
        self,
        ax=None,
        *,
        layout="auto",
        difference=False,
        show_errors=True,
        kind="auto",
        n_columns=None,
        image_kwargs=None,
        difference_kwargs=None,
        original_kwargs=None,
        reconstruction_kwargs=None,
        text_kwargs=None,
    ):
        """Draw the samples and their reconstructions.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Axes whose place the panels take, or one for each panel. By default a
            new figure is made.

        layout : {"auto", "columns", "rows"}, default="auto"
            Whether originals and reconstructions stand in columns side by side, or
            in rows one under another. "auto" is rows for pictures, and for tables
            columns, in which samples stand one under another.

        difference : bool, default=False
            Draw a further panel with the reconstruction minus the original. In
            colour pictures it is the mean over the colours. The colours reach to
            half the range of the originals, so that figures of the same data can be
            compared, and a colour bar says so.

        show_errors : bool, default=True
            Write the mean squared error under each reconstruction.

        kind : {"auto", "dots", "line"}, default="auto"
            How tabular rows are drawn: as dots, the most changed column first, or
            as a line in their order. "auto" draws a line for more than 20 columns
            without names. With "line" no sample is a picture, and windows of series
            (n_samples, n_steps, n_features) are lines along their steps.

        n_columns : int, default=None
            The most columns drawn as dots, or features of a window drawn as lines:
            those that changed most. By default 12 dots of one or two samples and 6 of
            each of more, and 3 lines.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow` for originals and reconstructions.

        difference_kwargs : dict, default=None
            Keywords for the differences: of `Axes.imshow` for pictures, otherwise of
            `Axes.plot`.

        original_kwargs : dict, default=None
            Keywords of `Axes.plot` for tabular originals.

        reconstruction_kwargs : dict, default=None
            Keywords of `Axes.plot` for tabular reconstructions.

        text_kwargs : dict, default=None
            Keywords of `Text` for titles and errors.

        Returns
        -------
        display : :class:`~skae.plotting.ReconstructionDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If X and X_hat differ in shape, or are neither rows nor pictures.
        """
        self._check_words(layout, kind)
        kind = "line" if is_series(self.image_shape) else kind
        X, X_hat = self._checked()
        originals = None if kind == "line" else as_images(X, self.image_shape)
        self.images_ = self.lines_ = self.scale_ = None
        if originals is not None:
            across = layout == "columns"
            words = ["original", "reconstruction", "difference"][: 2 + difference]
            axes = self._panels(ax, len(X), len(words), across, (1.35, 1.45))
            pictures = originals, as_images(X_hat, self.image_shape)
            self.errors_ = np.square(X_hat - X).reshape(len(X), -1).mean(axis=1)
            self.images_ = draw_pictures(
                axes, *pictures, image_kwargs, difference_kwargs
            )
            errors = self.errors_ if show_errors else []
            write_words(axes, words, across, errors, text_kwargs)
            if difference:
                self.scale_ = draw_scale(axes[:, 2], self.images_[:, 2])
            return self

        table = (
            Table(X, X_hat, self.reference, self.feature_names, kind)
            if X.ndim == 2
            else Windows(X, X_hat, self.feature_names)
        )
        errors = np.square(table.X_hat - table.X)
        self.errors_ = errors.reshape(len(X), -1).mean(axis=1)
        kwargs = original_kwargs, reconstruction_kwargs, difference_kwargs
        height = 1.8
        if table.kind == "dots":
            height = 0.24 * table.n_drawn(n_columns) + 0.6
        axes = self._panels(ax, len(X), 1 + difference, layout != "rows", (5, height))
        self.lines_ = table.draw(axes, n_columns, kwargs)
        remark = table.remark(n_columns)
        errors = self.errors_ if show_errors else []
        write_beside(axes, self.axes_[-1], remark, errors, text_kwargs)
        return self

    @classmethod
    def from_reconstruction(
        cls,
        X,
        X_hat,
        *,
        image_shape="auto",
        feature_names=None,
        reference=None,
        ax=None,
        **plot_kwargs,
    ):
        """Draw samples and their reconstructions from arrays.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, h, w) or \
                (n_samples, h, w, c)
            The originals.

        X_hat : array-like of the shape of X
            Their reconstructions.

        image_shape : tuple of int, "auto", "series" or None, default="auto"
            Shape (h, w) or (h, w, c) of flat rows that are pictures. "auto" takes
            rows of 64, 81, 100, ... columns for square pictures; None never does.

        feature_names : list of str, default=None
            Names of the columns of tabular rows; those of a DataFrame by default.

        reference : array-like of shape (n_rows, n_features), default=None
            Rows whose means and standard deviations are the units of a table, such
            as the training data. By default values are drawn as they are.

        ax : matplotlib Axes or array of them, default=None
            Axes whose place the panels take, or one for each panel.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.ReconstructionDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.ReconstructionDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If X and X_hat differ in shape, or are neither rows nor pictures.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.decomposition import PCA
        >>> from skae.plotting import ReconstructionDisplay
        >>> X, _ = load_iris(return_X_y=True)
        >>> pca = PCA(2).fit(X)
        >>> X_hat = pca.inverse_transform(pca.transform(X))
        >>> display = ReconstructionDisplay.from_reconstruction(X[:3], X_hat[:3])
        >>> display.lines_.shape
        (3, 2)
        """
        if feature_names is None and hasattr(X, "columns"):
            feature_names = [str(name) for name in X.columns]
        display = cls(
            X,
            X_hat,
            image_shape=image_shape,
            feature_names=feature_names,
            reference=reference,
        )
        return display.plot(ax=ax, **plot_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        n_samples=4,
        random_state=None,
        image_shape="auto",
        feature_names=None,
        ax=None,
        **plot_kwargs,
    ):
        """Draw random samples and what a fitted transformer makes of them.

        Parameters
        ----------
        estimator : estimator instance
            Fitted transformer, Pipeline or search, with `inverse_transform`. Of a
            Pipeline that ends in a classifier, a clusterer or a step without
            `transform`, the steps before it are used; of a search, its best
            estimator.

        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them. Rows of a table are drawn in their
            standard deviations, and what a network takes as series as lines.

        n_samples : int, default=4
            Number of samples to draw, at random and without repetition.

        random_state : int, RandomState instance or None, default=None
            Which samples are drawn.

        image_shape : tuple of int, "auto", "series" or None, default="auto"
            Shape (h, w) or (h, w, c) of flat rows that are pictures. "auto" takes
            rows of 64, 81, 100, ... columns for square pictures; None never does.

        feature_names : list of str, default=None
            Names of the columns of tabular rows; those of a DataFrame by default.

        ax : matplotlib Axes or array of them, default=None
            Axes whose place the panels take, or one for each panel.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.ReconstructionDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.ReconstructionDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If the estimator cannot go back from latent vectors to samples.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from skae.plotting import ReconstructionDisplay
        >>> X, _ = load_digits(return_X_y=True)
        >>> display = ReconstructionDisplay.from_estimator(
        ...     PCA(16).fit(X), X, random_state=0
        ... )
        >>> display.X.shape
        (4, 64)
        """
        transformer = two_way_transformer_of(
            estimator, "ReconstructionDisplay.from_reconstruction"
        )
        total = X.shape[0] if hasattr(X, "shape") else len(X)
        rows = check_random_state(random_state).permutation(total)[:n_samples]
        shown = _safe_indexing(X, rows)
        if plot_kwargs.get("kind", "auto") == "auto":
            image_shape = shape_for(transformer, image_shape)
        return cls.from_reconstruction(
            shown,
            transformer.inverse_transform(transformer.transform(shown)),
            image_shape=image_shape,
            feature_names=feature_names,
            reference=X if np.ndim(X) == 2 else None,
            ax=ax,
            **plot_kwargs,
        )

    @staticmethod
    def _check_words(layout, kind):
        layouts, kinds = ("auto", "columns", "rows"), ("auto", "dots", "line")
        if layout not in layouts or kind not in kinds:
            raise ValueError(
                f"Expected layout to be one of {layouts}, and kind one of {kinds}. "
                f"Received layout={layout!r}, kind={kind!r}."
            )

    def _panels(self, ax, n_samples, n_words, across, size):
        """Return axes (n_samples, n_words), however they lie in the figure."""
        shape = (n_samples, n_words) if across else (n_words, n_samples)
        figsize = (size[0] * shape[1] + 0.3, size[1] * shape[0] + 0.3)
        self.bounding_ax_, self.axes_ = panels(ax, *shape, figsize)
        self.figure_ = self.axes_[0, 0].figure
        return self.axes_ if across else self.axes_.T

    def _checked(self):
        X, X_hat = as_array(self.X), as_array(self.X_hat)
        if X.shape != X_hat.shape or X.ndim < 2 or len(X) == 0:
            raise ValueError(
                "Expected X and X_hat of one shape, with samples on the first axis. "
                f"Received {X.shape} and {X_hat.shape}. Give the same rows of both; "
                "pictures and flat rows agree after X_hat.reshape(X.shape)."
            )
        # Whole numbers without a sign would wrap round in the difference.
        return X.astype(float, copy=False), X_hat.astype(float, copy=False)
