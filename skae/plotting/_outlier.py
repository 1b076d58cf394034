"""Scores of an outlier detector, and the columns in which a row is odd."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from numbers import Integral

import numpy as np
from sklearn.utils import _safe_indexing

from skae.plotting._drawing import largest_first, merge_kwargs, one_axes
from skae.plotting._estimators import best_of
from skae.plotting._images import as_array
from skae.plotting._profiles import name_columns
from skae.plotting._text import as_written, shortened


class OutlierDisplay:
    """The scores of an outlier detector, or why one row is odd.

    It is recommended to use :func:`~skae.plotting.OutlierDisplay.from_estimator` or
    :func:`~skae.plotting.OutlierDisplay.from_predictions` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        The score of each row; outliers have low ones.

    threshold : float, default=None
        Rows with lower scores are outliers. None draws no line.

    row : dict, default=None
        The row to explain: "position" in `scores`, and for each column its name in
        "columns", its "values", its "reconstruction" and its "shares" of the score.

    Attributes
    ----------
    bars_ : BarContainer or list of them
        The bars of the histogram, those of outliers last, or those of the columns,
        from the largest share down.

    threshold_ : Line2D or None
        The line between outliers and inliers.

    mark_ : Line2D or None
        The place of the row among the scores.

    texts_ : list of Text or None
        Values and reconstructions of the row, on its bars.

    ax_ : matplotlib Axes
        Axes with the bars.

    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    skae.AutoencoderOutlierDetector : The detector.
    ReconstructionDisplay : Rows beside what the decoder makes of them.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.ensemble import IsolationForest
    >>> from skae.plotting import OutlierDisplay
    >>> X, _ = load_wine(return_X_y=True)
    >>> forest = IsolationForest(random_state=0).fit(X)
    >>> scores = forest.score_samples(X)
    >>> display = OutlierDisplay(scores, threshold=forest.offset_).plot()
    >>> display.ax_.get_ylabel()
    'rows'
    """

    def __init__(self, scores, *, threshold=None, row=None):
        self.scores = scores
        self.threshold = threshold
        self.row = row

    def plot(
        self,
        ax=None,
        *,
        kind="auto",
        bins=30,
        n_columns=10,
        bar_kwargs=None,
        outlier_kwargs=None,
        line_kwargs=None,
    ):
        """Draw the scores, or the columns of the row.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        kind : {"auto", "scores", "row"}, default="auto"
            What to draw. "scores" is a histogram of the scores, on which the row, if
            there is one, is marked; "row" the columns of the row, with their shares of
            its score, their values and their reconstructions. "auto" is "row" where
            there is one.

        bins : int or array-like, default=30
            The bins of the histogram, or how many there are.

        n_columns : int, default=10
            The most columns to draw of the row, those with the largest shares.

        bar_kwargs : dict, default=None
            Keywords of `Axes.bar` for the histogram and of `Axes.barh` for the row.

        outlier_kwargs : dict, default=None
            Further keywords for the bars of outliers.

        line_kwargs : dict, default=None
            Keywords of `Axes.axvline` for the threshold.

        Returns
        -------
        display : :class:`~skae.plotting.OutlierDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If `kind` is none of these, or "row" without a row.
        """
        kinds = ("auto", "scores", "row")
        if kind not in kinds or (kind == "row" and self.row is None):
            raise ValueError(
                f"Expected kind to be one of {kinds}, and a row where it is 'row'. "
                f"Received kind={kind!r}, row={self.row!r}. Give `row` to "
                "OutlierDisplay.from_estimator to explain one."
            )
        self.threshold_ = self.mark_ = self.texts_ = None
        if kind == "row" or (kind == "auto" and self.row is not None):
            n_drawn = min(n_columns, len(self.row["columns"]))
            self.ax_ = one_axes(ax, (5.6, 0.28 * n_drawn + 1.3))
            self._draw_row(n_drawn, bar_kwargs)
        else:
            self.ax_ = one_axes(ax, (5.6, 3.2))
            self._draw_scores(bins, bar_kwargs, outlier_kwargs, line_kwargs)
        self.figure_ = self.ax_.figure
        return self

    @classmethod
    def from_estimator(cls, estimator, X, *, row=None, ax=None, **plot_kwargs):
        """Draw the scores that a fitted detector gives, or why a row is odd.

        Parameters
        ----------
        estimator : estimator instance
            Fitted outlier detector with `score_samples`, or a Pipeline or search that
            ends in one. To explain a row it needs `contributions`, as
            :class:`~skae.AutoencoderOutlierDetector` has.

        X : array-like of shape (n_samples, n_features)
            Rows, as the estimator takes them.

        row : int, default=None
            The position in X of the row to explain. None draws the scores of all.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.OutlierDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.OutlierDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If the estimator gives no scores, or no contributions to explain a row by,
            or if there is no such row.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.decomposition import PCA
        >>> from skae import AutoencoderOutlierDetector
        >>> from skae.plotting import OutlierDisplay
        >>> X, _ = load_wine(return_X_y=True, as_frame=True)
        >>> detector = AutoencoderOutlierDetector(PCA(5)).fit(X)
        >>> display = OutlierDisplay.from_estimator(detector, X, row=69)
        >>> len(display.bars_)
        10
        """
        estimator = best_of(estimator)
        steps = getattr(estimator, "steps", [("", estimator)])
        detector = best_of(steps[-1][1])
        needed = ["score_samples"] + ["contributions"] * (row is not None)
        missing = [name for name in needed if not hasattr(detector, name)]
        if missing:
            raise ValueError(
                f"Expected a fitted outlier detector with {' and '.join(needed)}. "
                f"Received {type(detector).__name__} without {' and '.join(missing)}. "
                "Give an AutoencoderOutlierDetector, or scores of another detector to "
                "OutlierDisplay.from_predictions."
            )
        if len(steps) > 1:
            X = estimator[:-1].transform(X)
        if row is not None:
            row = _explained(detector, X, row)
        return cls.from_predictions(
            detector.score_samples(X),
            threshold=getattr(detector, "offset_", None),
            row=row,
            ax=ax,
            **plot_kwargs,
        )

    @classmethod
    def from_predictions(
        cls, scores, *, threshold=None, row=None, ax=None, **plot_kwargs
    ):
        """Draw scores that have been computed elsewhere.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            The score of each row; outliers have low ones.

        threshold : float, default=None
            Rows with lower scores are outliers. None draws no line.

        row : dict, default=None
            The row to explain: see :class:`~skae.plotting.OutlierDisplay`.

        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure is made.

        **plot_kwargs : dict
            Keywords of :func:`~skae.plotting.OutlierDisplay.plot`.

        Returns
        -------
        display : :class:`~skae.plotting.OutlierDisplay`
            The display, with its artists.

        Raises
        ------
        ValueError
            If the scores are not one finite number for each row.

        Examples
        --------
        >>> import numpy as np
        >>> from skae.plotting import OutlierDisplay
        >>> scores = np.random.default_rng(0).normal(size=100)
        >>> display = OutlierDisplay.from_predictions(scores, threshold=-2)
        >>> display.ax_.get_legend().get_texts()[0].get_text()
        'threshold -2\\n2 of 100 rows below'
        """
        scores = as_array(scores)
        if scores.ndim != 1 or len(scores) == 0 or not np.isfinite(scores).all():
            raise ValueError(
                "Expected one finite score for each row, of shape (n_samples,). "
                f"Received an array of shape {scores.shape}"
                f"{' with NaN or infinity' if scores.ndim == 1 and len(scores) else ''}"
                ". Give what `score_samples` returns."
            )
        display = cls(scores, threshold=threshold, row=row)
        return display.plot(ax=ax, **plot_kwargs)

    def _draw_scores(self, bins, bar_kwargs, outlier_kwargs, line_kwargs):
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        scores, ax = np.asarray(self.scores), self.ax_
        line = -np.inf if self.threshold is None else self.threshold
        edges = np.histogram_bin_edges(scores, bins)
        if edges[0] < line < edges[-1]:
            # No bar has both kinds in it.
            edges = np.union1d(edges, line)
        bars = merge_kwargs({"facecolor": "C0"}, bar_kwargs, Patch)
        odd = merge_kwargs({**bars, "facecolor": "C1"}, outlier_kwargs, Patch)
        self.bars_ = []
        for part, kwargs in ((scores >= line, bars), (scores < line, odd)):
            counts, _ = np.histogram(scores[part], edges)
            here = np.flatnonzero(counts)
            self.bars_.append(
                ax.bar(
                    edges[here],
                    counts[here],
                    np.diff(edges)[here],
                    align="edge",
                    **kwargs,
                )
            )
        if self.threshold is not None:
            n_odd = np.sum(scores < line)
            label = f"threshold {line:.3g}\n{n_odd:,} of {len(scores):,} rows below"
            defaults = {"color": "C1", "linestyle": "--", "label": label}
            self.threshold_ = ax.axvline(
                line, **merge_kwargs(defaults, line_kwargs, Line2D)
            )
        if self.row is not None:
            position = self.row["position"]
            (self.mark_,) = ax.plot(
                scores[position],
                0,
                "^",
                color="C3",
                clip_on=False,
                zorder=3,
                label=f"row {position}",
            )
        if self.threshold is not None or self.row is not None:
            # Above the bars, wherever they are.
            ax.legend(
                loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize="small"
            )
        ax.set(xlabel="score (low for outliers)", ylabel="rows")

    def _draw_row(self, n_drawn, bar_kwargs):
        from matplotlib.patches import Patch

        row, ax = self.row, self.ax_
        shares = np.asarray(row["shares"])
        drawn = largest_first(shares)[:n_drawn]
        places = np.arange(n_drawn)
        # Pale, for the values are written on the bars.
        kwargs = merge_kwargs({"facecolor": "C0", "alpha": 0.4}, bar_kwargs, Patch)
        self.bars_ = ax.barh(places, shares[drawn], **kwargs)
        names = shortened([row["columns"][column] for column in drawn])
        ax.set_yticks(places, names)
        as_written(ax.get_yticklabels())
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        ax.spines[["top", "right"]].set_visible(False)
        self.texts_ = []
        for place, column in enumerate(drawn):
            words = (
                f" {row['values'][column]:.4g} → {row['reconstruction'][column]:.4g}"
            )
            self.texts_.append(ax.text(0, place, words, va="center", size="small"))
        words = "share of the score"
        if n_drawn < len(shares):
            words += f"\n{n_drawn} of {len(shares):,} columns"
        score = np.asarray(self.scores)[row["position"]]
        ax.set(xlim=(0, None), xlabel=words)
        words = f"row {row['position']}, score {score:.3g}\nvalue → reconstruction"
        ax.set_title(words, size="medium")


def _explained(detector, X, position):
    """Return the columns of a row: what they are, and what a detector makes of them."""
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if not isinstance(position, Integral) or int(position) not in range(
        -n_rows, n_rows
    ):
        raise ValueError(
            f"Expected `row` to be the position of one of {n_rows:,} rows, counted "
            f"from 0. Received {position!r}. For the row of a label, give "
            "`X.index.get_loc(label)`."
        )
    position = int(position) % n_rows
    one = _safe_indexing(X, [position])
    transformer = detector.transformer_
    values = as_array(one).astype(float)
    reconstruction = transformer.inverse_transform(transformer.transform(one))
    return {
        "position": position,
        "columns": name_columns(getattr(X, "columns", None), values.shape[1]),
        "values": values[0],
        "reconstruction": as_array(reconstruction)[0],
        "shares": detector.contributions(one)[0],
    }
