"""How map and reconstructions come to be, epoch by epoch."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import _safe_indexing, check_random_state

from skae.plotting._drawing import panels
from skae.plotting._embedding import EmbeddingDisplay
from skae.plotting._estimators import best_of, models_by_epoch, shape_for
from skae.plotting._images import (
    as_array,
    as_pictures,
    image_grid,
    is_series,
    value_range,
)
from skae.plotting._map import settle_layout

# Frames of an animation, evenly chosen of more epochs.
_MOST_FRAMES = 60


class TrainingDisplay:
    """Map and reconstructions by epoch: side by side, as a GIF or as a page.

    It is recommended to use :func:`~skae.plotting.TrainingDisplay.from_estimator` to
    create a display. All parameters are stored as attributes.

    Parameters
    ----------
    maps : dict of int to ndarray of shape (n_samples, 2)
        By epoch where the samples lie.

    labels : array-like of shape (n_samples,), default=None
        Labels to colour by, see :class:`~skae.plotting.EmbeddingDisplay`.

    class_names : list of str or dict, default=None
        Names of the sorted classes, or a name for each label.

    originals : ndarray of shape (n_images, h, w) or (n_images, h, w, c), default=None
        Some samples, as pictures, or windows (n_images, steps, features).

    decoded : dict of int to ndarray of the shape of originals, default=None
        By epoch their reconstructions.

    name : str, default="Latent"
        What the axes of the maps are called.

    image_shape : {"auto", "series"}, default="auto"
        "series" draws windows as lines along their steps.

    Attributes
    ----------
    displays_ : list of :class:`~skae.plotting.EmbeddingDisplay`
        The maps drawn, by column.

    images_ : list of ndarray of AxesImage or of tuple of Line2D
        The reconstructions drawn, by column, and last the originals.

    axes_ : ndarray of matplotlib Axes
        The panels: maps above, reconstructions below.

    bounding_ax_ : matplotlib Axes or None
        The axes given to `plot`, whose place the panels take.

    figure_ : matplotlib Figure
        Figure with the panels.

    See Also
    --------
    LossCurveDisplay : The loss by epoch.
    Snapshots : Keeps the weights by epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.plotting import TrainingDisplay
    >>> rng = np.random.default_rng(0)
    >>> display = TrainingDisplay({0: rng.normal(size=(9, 2)), 5: np.eye(9, 2)})
    >>> display.plot().axes_.shape
    (1, 2)
    """

    def __init__(
        self,
        maps,
        *,
        labels=None,
        class_names=None,
        originals=None,
        decoded=None,
        name="Latent",
        image_shape="auto",
    ):
        self.maps = maps
        self.labels = labels
        self.class_names = class_names
        self.originals = originals
        self.decoded = decoded
        self.name = name
        self.image_shape = image_shape

    def plot(self, ax=None, *, n_epochs=5, scatter_kwargs=None, image_kwargs=None):
        """Draw some epochs side by side, more of the early ones.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Axes whose place the panels take, or one for each panel. By default a
            new figure is made.

        n_epochs : int, default=5
            The most epochs to draw; the first and the last are among them.

        scatter_kwargs : dict, default=None
            Keywords of `Axes.scatter` for the points.

        image_kwargs : dict, default=None
            Keywords of `Axes.imshow`, or of `Axes.plot` for series.

        Returns
        -------
        display : :class:`~skae.plotting.TrainingDisplay`
            The display, with its artists.
        """
        epochs = self._some_epochs(n_epochs)
        with_images = self.originals is not None
        n_cols = len(epochs) + with_images
        n_images = len(self.originals) if with_images else 0
        figsize = (2.0 * n_cols, 2.3 + 0.9 * n_images)
        self.bounding_ax_, self.axes_ = panels(ax, 1 + with_images, n_cols, figsize)
        self.figure_ = self.axes_[0, 0].figure
        self.displays_, self.images_ = [], []
        for epoch, panel in zip(epochs, self.axes_[0], strict=False):
            display = self._draw_map(panel, epoch, epoch == epochs[-1], scatter_kwargs)
            self.displays_.append(display)
        if with_images:
            self.axes_[0, -1].set_axis_off()
            columns = [*(self.decoded[epoch] for epoch in epochs), self.originals]
            for images, panel in zip(columns, self.axes_[1], strict=True):
                self.images_.append(self._draw_images(panel, [images], image_kwargs))
            self._name_lines_once()
            self.axes_[1, -1].set_title("original", fontsize="medium")
        return self

    def to_gif(self, path, *, fps=5, dpi=80):
        """Write the training as an animated GIF.

        Parameters
        ----------
        path : str or path-like
            File to write.

        fps : float, default=5
            Epochs shown in a second.

        dpi : int, default=80
            Pixels in an inch; the figure is 8 inches wide with pictures.

        Returns
        -------
        path : pathlib.Path
            The file written.
        """
        from matplotlib.animation import PillowWriter

        path = Path(path)
        self._animated(lambda film: film.save(path, PillowWriter(fps=fps), dpi=dpi))
        return path

    def to_html(self, path, *, fps=5):
        """Write the training as a page with buttons to play, stop and step.

        Parameters
        ----------
        path : str or path-like
            File to write.

        fps : float, default=5
            Epochs shown in a second.

        Returns
        -------
        path : pathlib.Path
            The file written.
        """
        from matplotlib import rc_context

        path = Path(path)

        # In MiB; matplotlib would leave out the frames beyond 20 of them.
        with rc_context({"savefig.dpi": 72, "animation.embed_limit": 200}):
            body = self._animated(lambda film: film.to_jshtml(fps=fps))
        page = f'<!DOCTYPE html>\n<meta charset="utf-8"><title>Training</title>{body}'
        path.write_text(page, encoding="utf-8")
        return path

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        labels=None,
        class_names=None,
        n_images=4,
        image_shape="auto",
        random_state=None,
        ax=None,
        **plot_kwargs,
    ):
        """Draw how a fitted transformer came to map and redraw samples.

        Parameters
        ----------
        estimator : estimator instance
            Transformer fitted with a `Snapshots` among its `callbacks`, or a Pipeline
            or search with such a one as its last transformer.

        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        labels : array-like of shape (n_samples,), default=None
            Labels to colour by, see :class:`~skae.plotting.EmbeddingDisplay`.

        class_names : list of str or dict, default=None
            Names of the sorted classes, or a name for each label.

        n_images : int, default=4
            Number of samples whose reconstructions are drawn, if they are pictures.

        image_shape : tuple of int, "auto", "series" or None, default="auto"
            Shape (h, w) or (h, w, c) of flat pictures. "auto" takes them for squares.
            "series" draws windows as lines; "auto" does where the network reads them.

        random_state : int, RandomState instance or None, default=None
            Which samples are drawn as pictures.

        ax : matplotlib Axes or array of them, default=None
            Axes whose place the panels take, or one for each panel.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.TrainingDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.TrainingDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If no snapshots were kept.
        """
        estimator = best_of(estimator)
        models, shape = models_by_epoch(estimator), shape_for(estimator, image_shape)
        latents = {epoch: as_array(one.transform(X)) for epoch, one in models.items()}
        last = latents[max(latents)]
        name = "Latent"
        if last.shape[1] != 2:
            # One plane for all epochs, that of the last one.
            pca = PCA(min(2, last.shape[1]), random_state=0).fit(last)
            latents = {epoch: _two(pca.transform(Z)) for epoch, Z in latents.items()}
            name = "PCA"
        originals, decoded = None, None
        pictures = as_pictures(X, shape)
        if pictures is not None and n_images:
            total = len(pictures)
            rows = check_random_state(random_state).permutation(total)[:n_images]
            originals, some = pictures[rows], _safe_indexing(X, rows)
            decoded = {
                epoch: as_array(one.inverse_transform(one.transform(some))).reshape(
                    originals.shape
                )
                for epoch, one in models.items()
            }
        display = cls(
            latents,
            labels=labels,
            class_names=class_names,
            originals=originals,
            decoded=decoded,
            name=name,
            image_shape="series" if is_series(shape) else "auto",
        )
        return display.plot(ax=ax, **plot_kwargs)

    def _some_epochs(self, n_epochs):
        epochs = sorted(self.maps)
        steps = np.geomspace(1, len(epochs), min(n_epochs, len(epochs))).round() - 1
        return [epochs[int(step)] for step in np.unique(steps)]

    def _draw_map(self, panel, epoch, with_names, scatter_kwargs=None):
        display = EmbeddingDisplay(
            self.maps[epoch],
            labels=self.labels,
            class_names=self.class_names,
            name=self.name,
        )
        display.plot(
            panel,
            key=None,
            show_names=with_names,
            show_axes=False,
            scatter_kwargs=scatter_kwargs,
        )
        panel.set_xlabel("")
        panel.set_title(_word(epoch), fontsize="medium")
        return display

    def _draw_images(self, panel, columns, image_kwargs=None):
        grid = [list(row) for row in zip(*columns, strict=True)]
        limits = value_range(self.originals)
        artists = image_grid(
            panel, grid, image_kwargs, limits=limits, image_shape=self.image_shape
        )
        panel.set(xticks=[], yticks=[])
        return artists

    def _name_lines_once(self):
        """Move the key of the lines of series to the place without a map."""
        keys = [panel.get_legend() for panel in self.axes_[1]]
        for key in filter(None, keys):
            key.remove()
        if keys[-1] is not None:
            self.axes_[0, -1].legend(
                keys[-1].legend_handles,
                [text.get_text() for text in keys[-1].get_texts()],
                loc="center",
                frameon=False,
            )

    def _animated(self, use):
        """Draw all frames, and hand the film to `use`, which draws it."""
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation

        epochs = sorted(self.maps)
        steps = np.linspace(0, len(epochs) - 1, min(_MOST_FRAMES, len(epochs)))
        epochs = [epochs[int(step)] for step in np.unique(steps.round())]
        with_images = self.originals is not None
        figure, axes = plt.subplots(
            1,
            1 + with_images,
            figsize=(8 if with_images else 5, 5),
            squeeze=False,
            layout="constrained",
            width_ratios=[2, 1][: 1 + with_images],
        )

        def draw(epoch):
            for ax in axes.flat:
                ax.clear()
            self._draw_map(axes[0, 0], epoch, with_names=True)
            if with_images:
                columns = [self.originals, self.decoded[epoch]]
                self._draw_images(axes[0, 1], columns)
                axes[0, 1].set_xticks([0, 1], ["original", "reconstruction"])
            if figure.get_layout_engine() is not None:
                # Once is enough: the panels stay where they are.
                settle_layout(axes[0, 0])
                figure.set_layout_engine("none")

        try:
            # Without a function of its own, the first frame is drawn twice.
            film = FuncAnimation(figure, draw, epochs, init_func=lambda: None)
            return use(film)
        finally:
            plt.close(figure)


def _word(epoch):
    return "before training" if epoch == 0 else f"epoch {epoch}"


def _two(Z):
    """Return two columns, the second of them zero where there is one only."""
    return Z if Z.shape[1] == 2 else np.column_stack([Z, np.zeros(len(Z))])
