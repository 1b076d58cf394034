"""Several maps of the same samples, side by side."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_random_state

from skae.plotting._drawing import merge_kwargs, panels
from skae.plotting._embedding import EmbeddingDisplay
from skae.plotting._estimators import transformer_of
from skae.plotting._images import as_array
from skae.plotting._key import draw_key
from skae.plotting._labels import encode_labels
from skae.plotting._map import settle_layout
from skae.plotting._map_names import draw_names
from skae.plotting._map_neighbours import (
    lay_on,
    map_of,
    neighbours_kept,
    refuse_maps,
    unit,
    varied,
)
from skae.plotting._text import as_written

# All pairs are compared; of more samples a random part.
_MOST_COMPARED = 3_000


class PerplexityDisplay:
    """Maps of the same samples, side by side.

    The maps are turned, mirrored and scaled to lie on the first one as well as they
    can, so that what still differs is not a matter of chance. How many neighbours
    each has kept tells near from far: t-SNE keeps those next to a sample, PCA rather
    the large groups.

    It is recommended to use
    :func:`~skae.plotting.PerplexityDisplay.from_latents` or
    :func:`~skae.plotting.PerplexityDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    maps : dict of str to array-like of shape (n_samples, 2)
        The maps, by name.

    labels : array-like of shape (n_samples,), default=None
        Labels to colour by, see :class:`~skae.plotting.EmbeddingDisplay`.

    class_names : list of str or dict, default=None
        Names of the sorted classes, or a name for each label.

    kept : dict of str to dict of int to float, default=None
        For each map and each number of neighbours the share of them that are
        neighbours on the map, too.

    Attributes
    ----------
    displays_ : dict of str to :class:`~skae.plotting.EmbeddingDisplay`
        One display a panel, with its artists.

    key_ : matplotlib Colorbar, Legend or None
        What tells which colour is which label.

    axes_ : ndarray of shape (n_rows, n_cols) of matplotlib Axes
        The panels. The last ones are empty where maps do not fill the last row.

    bounding_ax_ : matplotlib Axes or None
        The axes given to `plot`, whose place the panels take.

    figure_ : matplotlib Figure
        Figure with the panels.

    See Also
    --------
    EmbeddingDisplay : One map, with pictures on it.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.plotting import PerplexityDisplay
    >>> rng = np.random.default_rng(0)
    >>> maps = {name: rng.normal(size=(50, 2)) for name in ("one", "other")}
    >>> display = PerplexityDisplay(maps).plot()
    >>> [ax.get_title() for ax in display.axes_.flat]
    ['one', 'other']
    """

    def __init__(self, maps, *, labels=None, class_names=None, kept=None):
        self.maps = maps
        self.labels = labels
        self.class_names = class_names
        self.kept = kept

    def plot(
        self,
        ax=None,
        *,
        n_cols=4,
        key="auto",
        show_names=True,
        scatter_kwargs=None,
        text_kwargs=None,
        key_kwargs=None,
    ):
        """Draw the maps side by side.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Axes whose place the panels take, or one for each panel. By default a
            new figure is made.

        n_cols : int, default=4
            The most panels in a row.

        key : {"auto", "colorbar", "legend"} or None, default="auto"
            What tells which colour is which label, beside the panels.

        show_names : bool, default=True
            Draw the names of classes at their medoids.

        scatter_kwargs : dict, default=None
            Keywords of `Axes.scatter` for the points.

        text_kwargs : dict, default=None
            Keywords of `Axes.text` for the class names.

        key_kwargs : dict, default=None
            Keywords of `Figure.colorbar` or `Axes.legend`.

        Returns
        -------
        display : :class:`~skae.plotting.PerplexityDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If the maps and labels do not agree.
        """
        from matplotlib.text import Text

        maps = self._aligned()
        n_cols = min(n_cols, len(maps))
        n_rows = -(-len(maps) // n_cols)
        figsize = (3 * n_cols + 0.8, 3.3 * n_rows)
        self.bounding_ax_, self.axes_ = panels(ax, n_rows, n_cols, figsize)
        self.figure_ = self.axes_[0, 0].figure
        for panel in self.axes_.flat[len(maps) :]:
            panel.set_axis_off()
        drawn = dict(zip(maps, self.axes_.flat, strict=False))
        self._draw_maps(maps, drawn, scatter_kwargs)
        self._write_titles(drawn)
        codes, names = None, None
        if self.labels is not None:
            n_samples = len(next(iter(maps.values())))
            codes, names = encode_labels(self.labels, n_samples, self.class_names)
        points = next(iter(self.displays_.values())).scatters_
        # A legend stands beside the last axes given: the upper right ones.
        corner = self.axes_[0, -1]
        beside = [*(one for one in drawn.values() if one is not corner), corner]
        self.key_ = draw_key(key, beside, points, codes, names, key_kwargs)
        if show_names and names:
            small = merge_kwargs({"fontsize": "small"}, text_kwargs, Text)
            # Last of all, in the room that titles and key have left.
            for name, display in self.displays_.items():
                settle_layout(display.ax_)
                written = draw_names(display.ax_, maps[name], codes, names, small)
                display.texts_, display.leaders_ = written.texts, written.leaders
        return self

    @classmethod
    def from_latents(
        cls,
        Z,
        reducers=None,
        *,
        labels=None,
        class_names=None,
        perplexities=None,
        parameter=None,
        n_neighbors=(5, 15, 50),
        random_state=None,
        ax=None,
        **plot_kwargs,
    ):
        """Draw maps of latent vectors, or of any other data.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_features)
            Latent vectors, or what else the reducers take.

        reducers : dict of str to estimator or array-like, or estimator, default=None
            What makes the maps, by name: estimators with `fit_transform`, of which
            clones are fitted, such as `PCA(2)`, `TSNE()`, `UMAP()` or an
            `AutoencoderTransformer(2)`, or maps that are there already. By default
            PCA and t-SNE; with `perplexities` a single one, t-SNE by default.

        labels : array-like of shape (n_samples,), default=None
            Labels to colour by, see :class:`~skae.plotting.EmbeddingDisplay`.

        class_names : list of str or dict, default=None
            Names of the sorted classes, or a name for each label.

        perplexities : list of float, default=None
            Perplexities of t-SNE, or values of the parameter of another reducer:
            one map for each.

        parameter : str, default=None
            The parameter that takes `perplexities`. By default the one named
            "perplexity" or "n_neighbors".

        n_neighbors : list of int, default=(5, 15, 50)
            Numbers of neighbours of which the share is told that each map keeps.
            Those that are not below half of the samples are left out.

        random_state : int, RandomState instance or None, default=None
            Start of PCA and t-SNE by default, and, of more than 3,000 samples, the
            part of them whose neighbours are counted.

        ax : matplotlib Axes or array of them, default=None
            Axes whose place the panels take, or one for each panel.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.PerplexityDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.PerplexityDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If a perplexity is not below the number of samples, a reducer has no
            parameter to vary, or a map has not two columns.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from sklearn.manifold import Isomap
        >>> from skae.plotting import PerplexityDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> reducers = {"PCA": PCA(2), "Isomap": Isomap(n_neighbors=20)}
        >>> display = PerplexityDisplay.from_latents(X, reducers, labels=y)
        >>> display.kept["PCA"][5] < display.kept["Isomap"][5]
        True
        """
        random_state = check_random_state(random_state)
        seed = random_state.randint(2**31 - 1)
        if perplexities is not None:
            reducer = TSNE(random_state=seed) if reducers is None else reducers
            reducers = varied(reducer, parameter, list(perplexities), as_array(Z))
        elif reducers is None:
            reducers = {
                "PCA": PCA(2, random_state=seed),
                "t-SNE": TSNE(random_state=seed),
            }
        elif not isinstance(reducers, dict):
            reducers = {type(reducers).__name__: reducers}
        maps = {str(name): map_of(one, Z) for name, one in reducers.items()}
        rows = random_state.permutation(len(as_array(Z)))[:_MOST_COMPARED]
        display = cls(
            maps,
            labels=labels,
            class_names=class_names,
            kept=neighbours_kept(as_array(Z), maps, rows, n_neighbors),
        )
        return display.plot(ax=ax, **plot_kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, reducers=None, *, ax=None, **kwargs):
        """Draw maps of the latent vectors of a fitted transformer.

        Parameters
        ----------
        estimator : estimator instance
            Fitted transformer, Pipeline or search. Of a Pipeline that ends in a
            classifier, a clusterer or a step without `transform`, the steps before
            it are used; of a search, its best estimator.

        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        reducers : dict of str to estimator or array-like, or estimator, default=None
            What makes maps of the latent vectors, by name.

        ax : matplotlib Axes or array of them, default=None
            Axes whose place the panels take, or one for each panel.

        **kwargs : dict
            Keywords of :func:`~skae.plotting.PerplexityDisplay.from_latents`.

        Returns
        -------
        display : :class:`~skae.plotting.PerplexityDisplay`
            The display, with its artists.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.decomposition import PCA
        >>> from sklearn.manifold import Isomap
        >>> from skae.plotting import PerplexityDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> X, y = X[:200], y[:200]
        >>> display = PerplexityDisplay.from_estimator(
        ...     PCA(8).fit(X), X, Isomap(), labels=y, perplexities=(15, 30)
        ... )
        >>> list(display.maps)
        ['n_neighbors 15', 'n_neighbors 30']
        """
        transformer = transformer_of(estimator, "PerplexityDisplay.from_latents")
        return cls.from_latents(transformer.transform(X), reducers, ax=ax, **kwargs)

    def _aligned(self):
        """Return the maps laid on the first one, or say what is amiss."""
        maps = {str(name): as_array(one) for name, one in self.maps.items()}
        shapes = {name: one.shape for name, one in maps.items()}
        agree = len(set(shapes.values())) == 1
        if not agree or len(next(iter(shapes.values()))) != 2:
            refuse_maps(shapes)
        if next(iter(shapes.values()))[1] != 2:
            refuse_maps(shapes)
        first, *others = (unit(one) for one in maps.values())
        return dict(
            zip(maps, [first, *(lay_on(one, first) for one in others)], strict=True)
        )

    def _draw_maps(self, maps, drawn, scatter_kwargs):
        self.displays_ = {}
        bound = 1.05 * max(np.abs(Z).max() for Z in maps.values())
        for name, panel in drawn.items():
            display = EmbeddingDisplay(
                maps[name], labels=self.labels, class_names=self.class_names
            )
            # Directions and distances of an aligned map mean nothing by themselves.
            display.plot(
                panel,
                key=None,
                show_names=False,
                show_axes=False,
                scatter_kwargs=scatter_kwargs,
            )
            panel.set(xlabel="", xlim=(-bound, bound), ylim=(-bound, bound))
            panel.set_aspect("equal", adjustable="box")
            self.displays_[name] = display

    def _write_titles(self, drawn):
        for name, panel in drawn.items():
            panel.set_title(name, fontsize="medium")
            as_written([panel.title])
            kept = (self.kept or {}).get(name)
            if kept:
                shares = ", ".join(f"{100 * share:.0f}" for share in kept.values())
                numbers = ", ".join(f"{number:,}" for number in kept)
                words = f"keeps {shares} %\nof {numbers} neighbours"
                panel.set_xlabel(words, fontsize="small")
