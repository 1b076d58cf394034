"""Originals beside their reconstructions."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.utils import _safe_indexing, check_random_state

from skae.plotting._drawing import merge_kwargs, panels
from skae.plotting._estimators import two_way_transformer_of
from skae.plotting._images import as_array, as_images
from skae.plotting._pairs import draw_pictures, draw_rows


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
        The originals.

    X_hat : array-like of the shape of X
        Their reconstructions.

    image_shape : tuple of int, "auto" or None, default="auto"
        Shape (h, w) or (h, w, c) of flat rows that are pictures. "auto" takes rows
        of 64, 81, 100, ... columns for square pictures; None never does.

    feature_names : list of str, default=None
        Names of the columns of tabular rows.

    Attributes
    ----------
    errors_ : ndarray of shape (n_samples,)
        Mean squared error of each sample.

    images_ : ndarray of shape (n_samples, n_panels) of AxesImage, or None
        Originals, reconstructions and, if asked for, their differences; None for
        tabular rows.

    lines_ : ndarray of shape (n_samples, n_lines) of Line2D or BarContainer, or None
        Original, reconstruction and, if asked for, difference of tabular rows; None
        for pictures.

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

    def __init__(self, X, X_hat, *, image_shape="auto", feature_names=None):
        self.X = X
        self.X_hat = X_hat
        self.image_shape = image_shape
        self.feature_names = feature_names

    def plot(
        self,
        ax=None,
        *,
        layout="columns",
        difference=False,
        show_errors=True,
        kind="auto",
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

        layout : {"columns", "rows"}, default="columns"
            Whether originals and reconstructions stand in columns side by side, or
            in rows one under another.

        difference : bool, default=False
            Draw a further panel with the reconstruction minus the original. In
            colour pictures it is the mean over the colours.

        show_errors : bool, default=True
            Write the mean squared error under each reconstruction.

        kind : {"auto", "bar", "line"}, default="auto"
            How tabular rows are drawn. "auto" draws bars for up to 20 columns.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow` for originals and reconstructions.

        difference_kwargs : dict, default=None
            Keywords for the differences: of `Axes.imshow` for pictures, otherwise of
            `Axes.bar` or `Axes.plot`.

        original_kwargs : dict, default=None
            Keywords of `Axes.bar` or `Axes.plot` for tabular originals.

        reconstruction_kwargs : dict, default=None
            Keywords of `Axes.bar` or `Axes.plot` for tabular reconstructions.

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
        if layout not in ("columns", "rows") or kind not in ("auto", "bar", "line"):
            raise ValueError(
                "Expected layout 'columns' or 'rows', and kind 'auto', 'bar' or "
                f"'line'. Received layout={layout!r}, kind={kind!r}."
            )
        X, X_hat = self._checked()
        self.errors_ = np.square(X_hat - X).reshape(len(X), -1).mean(axis=1)
        originals = as_images(X, self.image_shape)
        self.images_, self.lines_ = None, None
        words = ["original", "reconstruction", "difference"][: 2 + difference]
        if originals is None:
            # Original and reconstruction share a panel, where they can be compared.
            words = ["value", "difference"][: 1 + difference]
        across = layout == "columns"
        shape = (len(X), len(words)) if across else (len(words), len(X))
        size = (1.35, 1.45) if originals is not None else (4.2, 1.8)
        figsize = (size[0] * shape[1] + 0.3, size[1] * shape[0] + 0.3)
        self.bounding_ax_, self.axes_ = panels(ax, *shape, figsize)
        self.figure_ = self.axes_[0, 0].figure
        axes = self.axes_ if across else self.axes_.T
        if originals is not None:
            pictures = originals, as_images(X_hat, self.image_shape)
            self.images_ = draw_pictures(
                axes, *pictures, image_kwargs, difference_kwargs
            )
        else:
            kwargs = original_kwargs, reconstruction_kwargs, difference_kwargs
            self.lines_ = draw_rows(axes, X, X_hat, kind, self.feature_names, kwargs)
            # All panels have the same columns; the lowest ones tell for all.
            for panel in self.axes_[:-1].flat:
                panel.tick_params(labelbottom=False)
        self._write(axes, words, across, show_errors, text_kwargs)
        return self

    @classmethod
    def from_reconstruction(
        cls, X, X_hat, *, image_shape="auto", feature_names=None, ax=None, **plot_kwargs
    ):
        """Draw samples and their reconstructions from arrays.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, h, w) or \
                (n_samples, h, w, c)
            The originals.

        X_hat : array-like of the shape of X
            Their reconstructions.

        image_shape : tuple of int, "auto" or None, default="auto"
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
        display = cls(X, X_hat, image_shape=image_shape, feature_names=feature_names)
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
            Samples, as the estimator takes them.

        n_samples : int, default=4
            Number of samples to draw, at random and without repetition.

        random_state : int, RandomState instance or None, default=None
            Which samples are drawn.

        image_shape : tuple of int, "auto" or None, default="auto"
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
        X = _safe_indexing(X, rows)
        return cls.from_reconstruction(
            X,
            transformer.inverse_transform(transformer.transform(X)),
            image_shape=image_shape,
            feature_names=feature_names,
            ax=ax,
            **plot_kwargs,
        )

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

    def _write(self, axes, words, across, show_errors, text_kwargs):
        from matplotlib.text import Text

        small = merge_kwargs({"fontsize": "small"}, text_kwargs, Text)
        with_error = 1 if self.images_ is not None else 0
        for j, word in enumerate(words):
            if across:
                axes[0, j].set_title(word, **small)
            else:
                axes[0, j].set_ylabel(word, **small)
        for i in range(len(axes) if show_errors else 0):
            error = f"MSE {self.errors_[i]:.3g}"
            if self.images_ is not None:
                axes[i, with_error].set_xlabel(error, **small)
            else:
                axes[i, 0].set_ylabel(error, **small)
        if self.lines_ is not None:
            axes[0, 0].legend(fontsize="x-small")
