"""The same map for several perplexities or numbers of neighbours."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.base import clone
from sklearn.manifold import TSNE, trustworthiness
from sklearn.utils import check_random_state

from skae.plotting._drawing import merge_kwargs, panels
from skae.plotting._embedding import EmbeddingDisplay
from skae.plotting._estimators import transformer_of
from skae.plotting._images import as_array
from skae.plotting._key import draw_key
from skae.plotting._labels import encode_labels
from skae.plotting._map import settle_layout
from skae.plotting._map_names import draw_names

# Trustworthiness compares all pairs; of more points a random part is compared.
_MOST_COMPARED = 3_000


class PerplexityDisplay:
    """Maps of the same samples for several values of one parameter.

    The maps are turned, mirrored and scaled to lie on the first one as well as they
    can, so that what still differs is not a matter of chance.

    It is recommended to use
    :func:`~skae.plotting.PerplexityDisplay.from_latents` or
    :func:`~skae.plotting.PerplexityDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    embeddings : list of array-like of shape (n_samples, 2)
        One map for each value.

    values : list of float
        The values, such as perplexities.

    labels : array-like of shape (n_samples,), default=None
        Labels to colour by, see :class:`~skae.plotting.EmbeddingDisplay`.

    class_names : list of str or dict, default=None
        Names of the sorted classes, or a name for each label.

    trustworthiness : list of float, default=None
        From 0 to 1, how far neighbours on each map are neighbours in latent space.

    parameter : str, default="perplexity"
        What the values are.

    Attributes
    ----------
    displays_ : list of :class:`~skae.plotting.EmbeddingDisplay`
        One display a panel, with its artists.

    key_ : matplotlib Colorbar, Legend or None
        What tells which colour is which label.

    axes_ : ndarray of shape (n_rows, n_cols) of matplotlib Axes
        The panels. The last ones are empty where values do not fill the last row.

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
    >>> maps = [rng.normal(size=(50, 2)) for _ in range(2)]
    >>> display = PerplexityDisplay(maps, [5, 15]).plot()
    >>> [ax.get_title() for ax in display.axes_.flat]
    ['perplexity 5', 'perplexity 15']
    """

    def __init__(
        self,
        embeddings,
        values,
        *,
        labels=None,
        class_names=None,
        trustworthiness=None,
        parameter="perplexity",
    ):
        self.embeddings = embeddings
        self.values = values
        self.labels = labels
        self.class_names = class_names
        self.trustworthiness = trustworthiness
        self.parameter = parameter

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
            What tells which colour is which label.

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
            If the maps, values and labels do not agree.
        """
        from matplotlib.text import Text

        maps = self._aligned()
        n_cols = min(n_cols, len(maps))
        n_rows = -(-len(maps) // n_cols)
        figsize = (3 * n_cols + 0.8, 3.1 * n_rows)
        self.bounding_ax_, self.axes_ = panels(ax, n_rows, n_cols, figsize)
        self.figure_ = self.axes_[0, 0].figure
        for panel in self.axes_.flat[len(maps) :]:
            panel.set_axis_off()
        drawn = list(self.axes_.flat[: len(maps)])
        self.displays_ = [
            EmbeddingDisplay(Z, labels=self.labels, class_names=self.class_names)
            for Z in maps
        ]
        bound = 1.05 * max(np.abs(Z).max() for Z in maps)
        for display, panel in zip(self.displays_, drawn, strict=True):
            display.plot(
                panel, key=None, show_names=False, scatter_kwargs=scatter_kwargs
            )
            # Directions and distances of a map mean nothing by themselves.
            panel.set(xticks=[], yticks=[], xlabel="", ylabel="")
            panel.set(xlim=(-bound, bound), ylim=(-bound, bound))
            panel.set_aspect("equal", adjustable="box")
        self._write_titles(drawn)
        first = self.displays_[0]
        codes, names = None, None
        if self.labels is not None:
            codes, names = encode_labels(self.labels, len(maps[0]), self.class_names)
        self.key_ = draw_key(key, drawn, first.scatters_, codes, names, key_kwargs)
        if show_names and names:
            small = merge_kwargs({"fontsize": "small"}, text_kwargs, Text)
            # Last of all, in the room that titles and key have left.
            for display, Z in zip(self.displays_, maps, strict=True):
                settle_layout(display.ax_)
                drawn = draw_names(display.ax_, Z, codes, names, small)
                display.texts_, display.leaders_ = drawn.texts, drawn.leaders
        return self

    @classmethod
    def from_latents(
        cls,
        Z,
        *,
        labels=None,
        class_names=None,
        perplexities=(5, 15, 30, 50),
        reducer=None,
        parameter=None,
        n_neighbors=5,
        random_state=None,
        ax=None,
        **plot_kwargs,
    ):
        """Draw maps of latent vectors, one for each perplexity.

        Parameters
        ----------
        Z : array-like of shape (n_samples, latent_dim)
            Latent vectors.

        labels : array-like of shape (n_samples,), default=None
            Labels to colour by, see :class:`~skae.plotting.EmbeddingDisplay`.

        class_names : list of str or dict, default=None
            Names of the sorted classes, or a name for each label.

        perplexities : list of float, default=(5, 15, 30, 50)
            Perplexities of t-SNE, or values of the parameter of another reducer.

        reducer : estimator instance, default=None
            What makes a map of latent vectors; clones of it are fitted. By default
            `TSNE(random_state=random_state)`.

        parameter : str, default=None
            The parameter of the reducer to vary. By default the one named
            "perplexity" or "n_neighbors".

        n_neighbors : int, default=5
            Number of neighbours that trustworthiness looks at.

        random_state : int, RandomState instance or None, default=None
            Start of t-SNE, the same for each map, and, of more than 3,000 samples,
            the part of them that trustworthiness is computed on.

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
            If a perplexity is not below the number of samples, or the reducer has
            no parameter to vary.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.manifold import Isomap
        >>> from skae.plotting import PerplexityDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> display = PerplexityDisplay.from_latents(
        ...     X[:200], labels=y[:200], perplexities=(10, 20), reducer=Isomap()
        ... )
        >>> display.parameter
        'n_neighbors'
        """
        Z = as_array(Z)
        random_state = check_random_state(random_state)
        if reducer is None:
            reducer = TSNE(random_state=random_state.randint(2**31 - 1))
        parameter = parameter or _find_parameter(reducer)
        values = list(perplexities)
        if Z.ndim != 2 or not values or max(values) >= len(Z):
            raise ValueError(
                "Expected latent vectors (n_samples, latent_dim) and values of "
                f"{parameter} below the number of samples. Received shape {Z.shape} "
                f"and {values}. Give more samples or smaller values."
            )
        rows = random_state.permutation(len(Z))[:_MOST_COMPARED]
        embeddings, trusts = [], []
        for value in values:
            fitted = clone(reducer).set_params(**{parameter: value})
            embeddings.append(as_array(fitted.fit_transform(Z)))
            trusts.append(_trust(Z[rows], embeddings[-1][rows], n_neighbors))
        display = cls(
            embeddings,
            values,
            labels=labels,
            class_names=class_names,
            trustworthiness=trusts,
            parameter=parameter.rsplit("__", 1)[-1],
        )
        return display.plot(ax=ax, **plot_kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, *, ax=None, **kwargs):
        """Draw maps of the latent vectors of a fitted transformer.

        Parameters
        ----------
        estimator : estimator instance
            Fitted transformer, Pipeline or search. Of a Pipeline that ends in a
            classifier, a clusterer or a step without `transform`, the steps before
            it are used; of a search, its best estimator.

        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

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
        ...     PCA(8).fit(X), X, labels=y, perplexities=(15, 30), reducer=Isomap()
        ... )
        >>> len(display.displays_)
        2
        """
        transformer = transformer_of(estimator, "PerplexityDisplay.from_latents")
        return cls.from_latents(transformer.transform(X), ax=ax, **kwargs)

    def _aligned(self):
        """Return the maps laid on the first one, or say what is amiss."""
        maps = [as_array(one) for one in self.embeddings]
        shapes = {one.shape for one in maps}
        agree = len(shapes) == 1 and maps[0].ndim == 2 and maps[0].shape[1] == 2
        if not agree or len(maps) != len(self.values):
            raise ValueError(
                "Expected one map (n_samples, 2) of the same samples for each value. "
                f"Received {len(maps)} maps of shapes {sorted(shapes)} for "
                f"{len(self.values)} values. Use a reducer with n_components=2."
            )
        maps = [_unit(one) for one in maps]
        return [maps[0], *(_lay_on(one, maps[0]) for one in maps[1:])]

    def _write_titles(self, axes):
        for i, (panel, value) in enumerate(zip(axes, self.values, strict=True)):
            title = f"{self.parameter} {value:g}"
            if self.trustworthiness is not None:
                title += f"\ntrustworthiness {self.trustworthiness[i]:.3f}"
            panel.set_title(title, fontsize="medium")


def _find_parameter(reducer):
    """Return the name of the parameter that sets the size of neighbourhoods."""
    every = reducer.get_params()
    for word in ("perplexity", "n_neighbors"):
        found = [name for name in every if name.rsplit("__", 1)[-1] == word]
        if found:
            return found[0]
    raise ValueError(
        "Expected a reducer with a parameter 'perplexity' or 'n_neighbors'. Received "
        f"{type(reducer).__name__} with {sorted(every)}. Name the one to vary by "
        "`parameter`."
    )


def _trust(Z, embedding, n_neighbors):
    # The measure is defined for fewer neighbours than half of the samples.
    n_neighbors = max(1, min(n_neighbors, (len(Z) - 1) // 2))
    return float(trustworthiness(Z, embedding, n_neighbors=n_neighbors))


def _unit(points):
    """Centre points and scale them to a mean distance of one."""
    points = points - points.mean(axis=0)
    return points / (np.linalg.norm(points, axis=1).mean() or 1.0)


def _lay_on(points, reference):
    """Turn and mirror points so that they lie on the reference (Procrustes)."""
    rotation, _ = orthogonal_procrustes(points, reference)
    return points @ rotation
