"""What a survey counts."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import zlib
from dataclasses import dataclass

import numpy as np

from skae._data.missing import Means, least_and_greatest
from skae._data.pairs import outputs_of
from skae._engines.tensorflow.workers import gather


@dataclass
class Counts:
    """What a survey counts."""

    n_rows: int = 0
    n_kept: int = 0
    n_bytes: int = 0
    weighted: bool = False
    low: float = np.inf
    high: float = -np.inf
    # A digest of the first row of all.
    first: int | None = None
    # What is known of each column, where values may be missing.
    means: Means | None = None

    def add(
        self, X: np.ndarray, used: np.ndarray, weighted: bool, paired: bool = False
    ) -> None:
        """Add a batch, of which some rows have a positive weight."""
        if self.first is None:
            self.first = zlib.crc32(X[0].tobytes())
        self.n_rows += len(X)
        self.n_kept += len(used)
        self.n_bytes += X.nbytes
        # Rows of which nothing is known have no weight, either.
        self.weighted = self.weighted or weighted or len(used) < len(X)
        if len(used):
            wanted = outputs_of(used, paired)
            low, high = least_and_greatest(wanted)
            self.low, self.high = min(self.low, low), max(self.high, high)

    def of_all_workers(self) -> "Counts":
        """Bring together what all workers counted."""
        table = gather([self.n_rows, self.n_kept, self.n_bytes, self.weighted,
                        self.low, self.high])  # fmt: skip
        n_rows, n_kept, n_bytes = map(int, table[:, :3].sum(axis=0))
        weighted = bool(table[:, 3].any())
        low, high = table[:, 4].min(), table[:, 5].max()
        counts = Counts(n_rows, n_kept, n_bytes, weighted, low, high)
        if self.means is not None:
            sums = [*self.means.sums, *self.means.weights]
            added = Means()
            added.sums, added.weights = np.split(gather(sums).sum(axis=0), 2)
            counts.means = added
        return counts
