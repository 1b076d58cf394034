"""The first reading of a source: what there is, and whether it fits in memory."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from skae._data import limits
from skae._data.checks import BatchChecks
from skae._data.counts import Counts
from skae._data.missing import Means, refuse_unknown
from skae._data.resident import Resident
from skae._data.source import Labelled, Source
from skae._data.streamed import Streamed
from skae._engines.tensorflow.workers import place, together

Tell = Callable[[int], object]


def survey(
    source: Source, checks: BatchChecks, tell: Tell | None = None, cache: bool = True
) -> Resident | Streamed:
    """Read the source once: count and check; keep in memory what is no more.

    `tell` is called with the number of rows of each batch. Without `cache` nothing is
    kept, and each epoch reads the source.
    """
    limit = limits.MAX_RESIDENT_BYTES if cache else -1
    counting = _Counting(checks, limit, tell)
    worker, n_workers = place()
    if n_workers == 1 or not source.knows_sizes:
        counting.read(source.ordered())
    else:
        with together():
            # The first row of all says what the others are held to.
            label, batch = next(source.some(np.array([0])))
            checks.check(label, batch, survey=True)
            runs = np.arange(source.n_runs)
            first, stop = (i * source.n_runs // n_workers for i in (worker, worker + 1))
            counting.limit = 0
            counting.read(source.some(runs[first:stop]))
        counting.counts = counting.counts.of_all_workers()
        if counting.counts.n_bytes <= limit:
            # All of it goes into the memory of each worker.
            counting = _Counting(checks, limit, None)
            counting.read(source.ordered())
    counts = counting.counts
    if not counts.n_rows:
        raise ValueError(
            "The source gave no rows: found array with 0 sample(s) while a minimum of "
            "1 is required."
        )
    if not counts.n_kept:
        if checks.takes_missing:
            refuse_unknown(np.zeros(1))
        raise ValueError(
            "All values of `sample_weight` are zero: expected at least one sample of "
            "positive weight."
        )
    if counting.kept is None:
        sample = counting.sample.rows
        return Streamed(source, checks, counts, (worker, n_workers), sample)
    X, weight = (
        np.concatenate(columns) for columns in zip(*counting.kept, strict=True)
    )
    return Resident(X, weight, checks.schema, checks.paired)


@dataclass
class _Counting:
    """Counts and checks rows, and keeps them if they are at most `limit` bytes."""

    checks: BatchChecks
    limit: int
    tell: Tell | None
    counts: Counts = field(default_factory=Counts)
    kept: list[tuple[np.ndarray, np.ndarray]] | None = field(default_factory=list)
    sample: "_Sample" = field(default_factory=lambda: _Sample())

    def read(self, labelled: Labelled) -> None:
        counts = self.counts
        for label, batch in labelled:
            X, weight = self.checks.check(label, batch, survey=True)
            if not len(X):
                continue
            used = X if weight.all() else X[weight > 0]
            counts.add(X, used, batch.weight is not None, self.checks.paired)
            if self.checks.takes_missing:
                counts.means = counts.means or Means()
                counts.means.add(X, weight, self.checks.paired)
            if counts.n_bytes > self.limit:
                self.kept = None
            if self.kept is not None:
                self.kept.append((X.copy(), weight))
            self.sample.see(used)
            if self.tell is not None:
                self.tell(len(X))
            del X, used, batch


class _Sample:
    """A sample of all rows seen, each as likely as any other.

    It is algorithm R of Vitter (1985), "Random sampling with a reservoir". It spares
    the source a pass.
    """

    def __init__(self) -> None:
        self._random_state = np.random.RandomState(0)
        self._n_seen = 0
        self.rows: np.ndarray = np.empty((0,))

    def see(self, X: np.ndarray) -> None:
        if not len(X):
            return
        if not self._n_seen:
            self._size = limits.sample_rows(X[0].size)
            self.rows = X[:0]
        room = self._size - len(self.rows)
        if room > 0:
            self.rows = np.concatenate([self.rows, X[:room]])
        later = X[max(0, room) :]
        numbers = self._n_seen + max(0, room) + np.arange(1, len(later) + 1)
        places = self._random_state.randint(0, numbers) if len(later) else numbers
        for row in np.flatnonzero(places < self._size):
            self.rows[places[row]] = later[row]
        self._n_seen += len(X)
