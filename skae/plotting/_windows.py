"""Drawing of windows of series, (n, steps, features), as lines along the steps."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._lines import MOST_FEATURES, draw_window, most
from skae.plotting._pairs import Table
from skae.plotting._profiles import name_columns


class Windows(Table):
    """Windows of series and their reconstructions.

    Parameters
    ----------
    X, X_hat : ndarray of shape (n_samples, n_steps, n_features)
        Originals and reconstructions.

    feature_names : list of str or None
        Names of the features.
    """

    def __init__(self, X, X_hat, feature_names):
        if X.ndim != 3:
            raise ValueError(
                "Expected rows (n, p) or windows (n, steps, features) to draw as "
                f"lines. Received an array of shape {X.shape}. Leave kind='auto' for "
                "pictures."
            )
        self.kind = "line"
        self.X, self.X_hat = X, X_hat
        self.names = name_columns(feature_names, X.shape[2])

    def draw(self, axes, n_columns, kwargs):
        """Draw a panel for each window, and one for its difference if there is room."""
        from matplotlib.ticker import MaxNLocator

        features = self._drawn(n_columns)
        values = (self.X, self.X_hat, self.X_hat - self.X)
        artists = []
        for i, panels in enumerate(axes):
            lines = []
            for kind in range(1 + axes.shape[1]):
                keywords = [
                    {
                        "label": self._label(kind, j, feature),
                        "linestyle": ("-", "--", "-")[kind],
                        **(kwargs[kind] or {}),
                    }
                    for j, feature in enumerate(features)
                ]
                panel = panels[kind // 2]
                lines += draw_window(panel, values[kind][i], features, keywords)
            artists.append(lines)
            panels[0].set_ylabel("value", fontsize="small")
            for panel in panels:
                panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        return np.array(artists, dtype=object)

    def remark(self, n_columns):
        """Return what the axis is, and how many features are drawn."""
        n_drawn, n_all = len(self._drawn(n_columns)), self.X.shape[2]
        if n_drawn == n_all:
            return "step"
        return f"step; {n_drawn} of {n_all:,} features, which changed most"

    def _drawn(self, n_columns):
        """Return the features that changed most, in their order."""
        changed = np.nanmean(np.abs(self.X_hat - self.X), axis=(0, 1))
        return most(changed, MOST_FEATURES if n_columns is None else n_columns)

    def _label(self, kind, j, feature):
        """Return the words of a line: one of each kind is named, and each feature."""
        words = ("original", "reconstruction", "difference")[kind]
        if self.X.shape[2] == 1 or (kind > 0 and j == 0):
            return words
        return f"feature {self.names[feature]}" if kind == 0 else "_"
