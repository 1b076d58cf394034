"""The data of a fit: in memory, or streamed from a source part by part.

Both kinds say what there is to know before a fit starts, and give for each epoch the
parts to train on, each a pair of (X, sample_weight) and the order of its rows. Every
part but the last of an epoch holds a multiple of the batch size.

A stream whose runs are short and of known sizes is mixed in blocks, and each worker of
a strategy reads its own runs. Any other flows through a shuffle buffer, and each worker
reads all of it. Neither order depends on the number of workers.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import itertools
import random
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from itertools import zip_longest
from typing import Any

import numpy as np

from skae._data import limits
from skae._data.arrays import ArraySource
from skae._data.mixing import Mixed, in_blocks, through_buffer
from skae._data.resident import Part, Resident
from skae._data.source import Batch, Source, reading
from skae._data.validation import check_samples, check_weights
from skae._engines.tensorflow.workers import gather, place, together

# Runs are short where a block holds so many of the longest.
_MIN_RUNS_OF_BLOCK = 32


class Streamed:
    """Data that stay where they are: an epoch is many parts.

    Memory holds the part that trains, the one after, and a shuffle buffer if there is
    one.
    """

    streamed = True
    # What the survey finds.
    dtype: np.dtype
    n_rows = n_kept = n_train = n_bytes = 0
    _weighted = False
    _raw_dtype: np.dtype | None = None

    def __init__(
        self,
        source: Source,
        estimator: Any,
        reset: bool,
        seen: dict[str, Any] | None = None,
    ):
        self._seen = seen
        self._source = source
        # Validation sets attributes, and warns of names that only some sources give.
        self._checked = copy.copy(estimator)
        self._names = list(getattr(estimator, "feature_names_in_", []))
        vars(self._checked).pop("feature_names_in_", None)
        if reset:
            for name in ("n_features_in_", "sample_shape_"):
                vars(self._checked).pop(name, None)
            self._names = []
        self._reset = reset
        self._low, self._high = np.inf, -np.inf
        self._threshold = 0
        self._place = 0, 1
        self._aside: tuple[np.ndarray, np.ndarray] | None = None

    def survey(self, limit: int, bar: Any) -> "Resident | Streamed":
        """Read the source once: count and check; keep in memory what is no more.

        Up to `limit` bytes the data become resident.
        """
        self._place = place()
        kept = None
        if self._place[1] == 1 or not self._source.knows_sizes:
            kept = self._count(self._source.ordered(), bar, limit)
        else:
            with together():
                self._count_own(bar)
            self._add_up_counts()
            if self.n_bytes <= limit:
                # All of it goes into the memory of each worker.
                self.n_rows = self.n_kept = self.n_bytes = 0
                kept = self._count(self._source.ordered(), None, limit)
        if not self.n_rows:
            raise ValueError(
                "The source gave no rows: found array with 0 sample(s) while a minimum "
                "of 1 is required."
            )
        if not self.n_kept:
            raise ValueError(
                "All values of `sample_weight` are zero: expected at least one sample "
                "of positive weight."
            )
        self.n_train = self.n_kept
        if kept is None:
            return self
        X = np.concatenate([X for X, _ in kept])
        return Resident(X, np.concatenate([w for _, w in kept]), self.seen)

    def _count(
        self, labelled: Any, bar: Any, limit: int
    ) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """Count and check rows; give them, too, if they are at most `limit` bytes."""
        kept: list[tuple[np.ndarray, np.ndarray]] | None = []
        for label, batch in labelled:
            X, weight = self.check(label, batch, survey=True)
            if not len(X):
                continue
            self._weighted = self._weighted or batch.weight is not None
            self.n_rows += len(X)
            used = X if weight.all() else X[weight > 0]
            self.n_kept += len(used)
            if len(used):
                self._low = min(self._low, used.min())
                self._high = max(self._high, used.max())
            self.n_bytes += X.nbytes
            if self.n_bytes > limit:
                kept = None
            if kept is not None:
                kept.append((X.copy(), weight))
            if bar is not None:
                bar.update(len(X))
            del X, used, batch
        return kept

    def _count_own(self, bar: Any) -> None:
        """Count this worker's share of the runs, which lies together."""
        # The first row of all says what the others are held to.
        label, batch = next(self._source.some(np.array([0])))
        self.check(label, batch, survey=True)
        worker, n_workers = self._place
        n_runs = self._source.n_runs
        first, stop = worker * n_runs // n_workers, (worker + 1) * n_runs // n_workers
        self._count(self._source.some(np.arange(first, stop)), bar, 0)

    def _add_up_counts(self) -> None:
        """Bring together what all workers counted."""
        mine = [self.n_rows, self.n_kept, self.n_bytes, self._weighted]
        table = gather([*mine, self._low, self._high])
        self.n_rows, self.n_kept, self.n_bytes = map(int, table[:, :3].sum(axis=0))
        self._weighted = bool(table[:, 3].any())
        self._low, self._high = table[:, 4].min(), table[:, 5].max()

    @property
    def seen(self) -> dict[str, Any]:
        """What validation sets."""
        if self._seen is not None:
            return self._seen
        names = ("n_features_in_", "sample_shape_")
        seen = {name: getattr(self._checked, name) for name in names}
        if self._names:
            seen["feature_names_in_"] = np.array(self._names, dtype=object)
        return seen

    def facts(self) -> dict[str, Any]:
        return {
            "the shape of X": (self.n_rows, *self.seen["sample_shape_"]),
            "the range of X": self.range(),
            "`sample_weight`": self.n_kept,
        }

    def range(self) -> tuple[float, float]:
        return float(self._low), float(self._high)

    def set_aside(self, fraction: float, random_state: np.random.RandomState) -> None:
        """Read a part of the rows into memory, and leave it out from now on.

        The part is chosen by a digest of the rows: equal samples stay on one side.
        """
        self._seed = int(random_state.randint(2**31 - 1))
        row_bytes = self.dtype.itemsize * int(np.prod(self._checked.sample_shape_))
        most = limits.MAX_ASIDE_BYTES / (row_bytes * self.n_kept)
        self._threshold = int(2**32 * min(fraction, most))
        found = []
        for label, batch in self._source.ordered():
            X, weight = self.check(label, batch)
            aside = ~self._to_train(X) & (weight > 0)
            found.append((X[aside], weight[aside]))
        X = np.concatenate([X for X, _ in found])
        if not 0 < len(X) < self.n_kept:
            raise ValueError(
                f"early_stopping set aside {len(X)} of {self.n_kept} rows of the "
                "source by their content; expected some on both sides. Choose another "
                "`validation_fraction`, or do without early_stopping."
            )
        self._aside = X, np.concatenate([w for _, w in found])
        self.n_train = self.n_kept - len(X)

    def bring(self, trainer: Any, dtype: str, batch_size: int) -> None:
        self._trainer = trainer
        self._weight_dtype = dtype
        self._batch_size = batch_size
        row_bytes = self.dtype.itemsize * int(np.prod(self._checked.sample_shape_))
        n_batches = max(1, limits.PART_BYTES // (row_bytes * batch_size))
        self._part_rows = n_batches * batch_size
        capacity = max(self._part_rows, self._source.shuffle_bytes // row_bytes)
        self._capacity = min(capacity, self.n_train)
        self._part_rows = min(self._part_rows, self._capacity)
        # Two blocks are in memory: the one that trains, and the one that is read.
        self._block_rows = max(self._source.shuffle_bytes // 2 // row_bytes, batch_size)
        self._in_blocks = self._sizes_hold and (
            self._source.sizes(np.arange(self._source.n_runs)).max()
            <= self._block_rows // _MIN_RUNS_OF_BLOCK
        )

    def epoch(
        self, random_state: np.random.RandomState, first: int
    ) -> Generator[Part, None, None]:
        """Give the parts of an epoch from the `first` on."""
        seed = int(random_state.randint(2**31 - 1))
        shared = self._place[1] > 1 and self._in_blocks
        put = self._trainer.put_own if shared else self._trainer.put
        parts = self._parts(np.random.RandomState(seed))
        with closing(ahead(parts)) as ready:
            for i in itertools.count():
                # Where each reads its own, one alone may fail.
                with together() if shared else nullcontext():
                    part = next(ready, None)
                if part is None:
                    return
                if i >= first:
                    X, weight, order = part
                    yield put(X, weight), order
                    del X, weight
                del part

    def validation(self) -> Part | None:
        if self._aside is None:
            return None
        X, weight = self._aside
        weight = weight.astype(self._weight_dtype, copy=False)
        return self._trainer.put(X, weight), np.arange(len(X))

    def map_some(
        self, function: Callable, n: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        n = min(n, self.n_train)
        # NumPy's RandomState would draw up a list of all rows for it.
        draw = random.Random(int(random_state.randint(2**31 - 1)))
        chosen = np.array(sorted(draw.sample(range(self.n_train), n)))
        if isinstance(self._source, ArraySource) and self._sizes_hold:
            parts = [
                function(self.check("some rows", Batch(self._source.take(rows)))[0])
                for rows in np.array_split(chosen, -(-len(chosen) // 256))
            ]
        else:
            labelled, chosen = self._reading_only(chosen)
            parts, start = [], 0
            for X, _ in self._rows(labelled):
                within = chosen[(chosen >= start) & (chosen < start + len(X))] - start
                start += len(X)
                if len(within):
                    parts.append(function(X[within]))
        return random_state.permutation(np.concatenate(parts))

    def _reading_only(self, rows: np.ndarray) -> tuple[Any, np.ndarray]:
        """Give what to read for the sake of some rows, and where in it they are."""
        source = self._source
        if not self._sizes_hold:
            return source.ordered(), rows
        sizes = source.sizes(np.arange(source.n_runs))
        starts = np.cumsum(sizes) - sizes
        held = np.searchsorted(starts, rows, side="right") - 1
        runs, run_of_row = np.unique(held, return_inverse=True)
        starts_read = np.cumsum(sizes[runs]) - sizes[runs]
        return source.some(runs), rows - starts[held] + starts_read[run_of_row]

    @property
    def _sizes_hold(self) -> bool:
        """Whether the rows to train on are known by number before they are read."""
        return self._source.knows_sizes and self.n_train == self.n_rows

    def _parts(self, generator: np.random.RandomState) -> Generator[Mixed, None, None]:
        """Give the parts of an epoch; see `skae._data.mixing`."""

        def room(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
            shape = (n_rows, *self._checked.sample_shape_)
            return np.zeros(shape, self.dtype), np.zeros(n_rows, self._weight_dtype)

        source = self._source
        if self._in_blocks:
            yield from in_blocks(
                self.n_train,
                source.n_runs,
                source.sizes,
                lambda runs: self._rows(source.some(runs)),
                room,
                self._block_rows,
                self._batch_size,
                self._place,
                generator,
            )
            return
        n_rows = yield from through_buffer(
            self._rows(source.shuffled(generator)),
            room,
            self._capacity,
            self._part_rows,
            generator,
        )
        if n_rows != self.n_train:
            raise ValueError(
                f"The source gave {n_rows} rows to train on in this pass, and "
                f"{self.n_train} when it was first read. It must give the same rows "
                "each time."
            )

    def _rows(self, labelled: Any) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Give the rows to train on, without those of weight zero or set aside."""
        for label, batch in labelled:
            X, weight = self.check(label, batch)
            if self._weighted or self._threshold:
                kept = (weight > 0) & self._to_train(X)
                X, weight = X[kept], weight[kept]
            yield X, weight

    def _to_train(self, X: np.ndarray) -> np.ndarray:
        if not self._threshold:
            return np.ones(len(X), bool)
        digests = [zlib.crc32(row.tobytes(), self._seed) for row in X]
        return np.array(digests) >= self._threshold

    def check(
        self, label: str, batch: Batch, survey: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Check a batch; give its samples and their weights."""
        with reading(label):
            first = survey and self._raw_dtype is None
            X = batch.X
            if not getattr(X, "shape", (1,))[0]:
                return np.empty((0,)), np.empty(0)
            self._check_names(batch, first)
            if hasattr(X, "columns"):
                X = X.to_numpy()
            if first:
                self._raw_dtype = X.dtype
            elif self._raw_dtype is not None and X.dtype != self._raw_dtype:
                raise ValueError(
                    f"X has dtype {X.dtype}, expected {self._raw_dtype} as before. "
                    "Convert it in the source."
                )
            X = check_samples(self._checked, X, reset=first and self._reset)
            if first:
                self.dtype = X.dtype
            return X, check_weights(batch.weight, X, all_zero=True)

    def _check_names(self, batch: Batch, first: bool) -> None:
        names = batch.names
        if names is None:
            names = [*getattr(batch.X, "columns", [])]
            if not all(isinstance(name, str) for name in names):
                names = []
        if first and self._reset:
            self._names = names
        elif names and self._names and names != self._names:
            pairs = zip_longest(names, self._names)
            i, (mine, theirs) = next(
                (i, p) for i, p in enumerate(pairs) if p[0] != p[1]
            )
            raise ValueError(
                f"Of the {len(names)} columns, number {i} is {mine!r}, but of the "
                f"{len(self._names)} seen before it was {theirs!r}. Give the same "
                "columns in the same order."
            )


def ahead(iterator: Any) -> Generator[Any, None, None]:
    """Give what an iterator gives, read one item ahead in a thread."""
    with closing(iterator), ThreadPoolExecutor(1, "skae-reader") as pool:
        future = pool.submit(next, iterator, None)
        while (item := future.result()) is not None:
            future = pool.submit(next, iterator, None)
            yield item
