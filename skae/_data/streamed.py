"""Data that are streamed from a source, part by part.

A stream whose runs are short and of known sizes is mixed in blocks, and each worker of
a strategy reads its own runs. Any other flows through a shuffle buffer, and each worker
reads all of it. Neither order depends on the number of workers.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import itertools
import random
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from typing import Any

import numpy as np

from skae._data import limits
from skae._data.arrays import ArraySource
from skae._data.checks import BatchChecks
from skae._data.counts import Counts
from skae._data.given import ValidatesOn, put_aside
from skae._data.mixing import Columns, Mixed, Stream, in_blocks, through_buffer
from skae._data.pairs import inputs_of
from skae._data.resident import Part
from skae._data.schema import Schema
from skae._data.source import Batch, Labelled, Source
from skae._engines.protocol import Trainer
from skae._engines.tensorflow.workers import together

# Runs are short where a block holds so many of the longest.
_MIN_RUNS_OF_BLOCK = 32


class Streamed(ValidatesOn):
    """Data that stay where they are: an epoch is many parts.

    Memory holds the part that trains, the one after, and a shuffle buffer if there is
    one.
    """

    streamed = True

    def __init__(
        self,
        source: Source,
        checks: BatchChecks,
        counts: Counts,
        place: tuple[int, int],
        sample: np.ndarray,
    ):
        self._source = source
        self._checks = checks
        # Whether a row is a sample and what is to be made of it.
        self.paired = checks.paired
        self._counts = counts
        self._place = place
        self._sample = sample
        self.n_rows = counts.n_rows
        self.n_train = counts.n_kept
        self.dtype = checks.dtype
        self._threshold = 0
        self._aside: tuple[np.ndarray, np.ndarray] | None = None
        # Whether each pass gives the rows that the one before gave, in their order.
        self.rows_stay = True
        self._targets: np.ndarray | None = None
        # Where among the rows to train on each row of the source is.
        self._position: np.ndarray | None = None

    @property
    def schema(self) -> Schema:
        return self._checks.schema

    @property
    def n_kinds(self) -> int:
        """The number of rows to train on; whether they differ takes too long."""
        return self.n_train

    @property
    def n_aside(self) -> int:
        aside = self._given or self._aside
        return 0 if aside is None else len(aside[0])

    def facts(self) -> dict[str, Any]:
        """Give what tells these data from others, by name."""
        return {
            "the shape of X": (self.n_rows, *self.schema.sample_shape),
            "the range of X": self.range(),
            "`sample_weight`": self._counts.n_kept,
            "`validation_data`": self._given or (),
        }

    def words(self) -> dict[str, str | None]:
        """Give words that tell these data from others, the same in each process."""
        low, high = self.range()
        return {
            "X": f"values from {low} to {high}",
            "validation_data": self._words_of_given(),
        }

    def steady(self) -> bool:
        """Tell whether the source gives the row that it gave first, when read anew."""
        label, batch = next(iter(self._source.ordered()))
        X, _ = self._checks.check(label, batch)
        return len(X) > 0 and zlib.crc32(X[0].tobytes()) == self._counts.first

    def range(self) -> tuple[float, float]:
        """Give the least and the greatest value to reconstruct, by positive weight."""
        return float(self._counts.low), float(self._counts.high)

    def means(self) -> np.ndarray:
        """Give the means of the known values of each column, by weight."""
        assert self._counts.means is not None
        return self._counts.means.means()

    def set_aside(
        self, fraction: float, random_state: np.random.RandomState, must: bool = True
    ) -> bool:
        """Read a part of the rows into memory, and leave it out from now on.

        The part is chosen by a digest of the rows: equal samples stay on one side.
        """
        n_kept = self._counts.n_kept
        self._seed = int(random_state.randint(2**31 - 1))
        most_bytes = limits.MAX_ASIDE_BYTES
        if not must and n_kept > limits.UNASKED_ROWS:
            most_bytes = limits.UNASKED_ASIDE_BYTES
        most = most_bytes / (self._checks.row_bytes * n_kept)
        self._threshold = int(2**32 * min(fraction, most))
        found = []
        for label, batch in self._source.ordered():
            X, weight = self._checks.check(label, batch)
            aside = ~self._to_train(X) & (weight > 0)
            found.append((X[aside], weight[aside]))
        X = np.concatenate([X for X, _ in found])
        if not 0 < len(X) < n_kept:
            if not must:
                self._threshold = 0
                return False
            raise ValueError(
                f"early_stopping set aside {len(X)} of {n_kept} rows of the source by "
                "their content; expected some on both sides. Choose another "
                "`validation_fraction`, or do without early_stopping."
            )
        self._aside = X, np.concatenate([w for _, w in found])
        self._position = None
        self.n_train = n_kept - len(X)
        return True

    def bring(self, trainer: Trainer, dtype: str, batch_size: int) -> None:
        """Say who trains, and in batches of how many rows."""
        self._trainer = trainer
        self._weight_dtype = dtype
        self._batch_size = batch_size
        source, row_bytes = self._source, self._checks.row_bytes
        n_batches = max(1, limits.PART_BYTES // (row_bytes * batch_size))
        self._part_rows = n_batches * batch_size
        capacity = max(self._part_rows, source.shuffle_bytes // row_bytes)
        self._capacity = min(capacity, self.n_train)
        self._part_rows = min(self._part_rows, self._capacity)
        # Two blocks are in memory: the one that trains, and the one that is read.
        self._block_rows = max(source.shuffle_bytes // 2 // row_bytes, batch_size)
        self._in_blocks = self._sizes_hold and (
            source.sizes(np.arange(source.n_runs)).max()
            <= self._block_rows // _MIN_RUNS_OF_BLOCK
        )

    def set_targets(self, targets: np.ndarray) -> None:
        """Give each row to train on what its latent vector is drawn to."""
        if self._position is None and (self._counts.weighted or self._threshold):
            self.encode_all(lambda X: np.empty((len(X), 0)))
        self._targets = targets.astype(self._weight_dtype, copy=False)

    def of_rows_to_train(self, column: np.ndarray) -> np.ndarray:
        """Give the values of the rows to train on, of those of all rows."""
        if self._position is None:
            return column
        kept = np.flatnonzero(self._position >= 0)
        return column[kept[self._position[kept].argsort()]]

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
                    columns, order = part
                    yield put(*columns), order
                    del columns
                del part

    def validation(self) -> Part | None:
        aside = self._given or self._aside
        if aside is None:
            return None
        return put_aside(self._trainer.put, aside, self._weight_dtype)

    def sample(self) -> np.ndarray:
        """Give some rows to train on, drawn at random but always the same."""
        if not self._threshold:
            return self._sample
        return self._sample[self._to_train(self._sample)]

    def some(self, n: int, exactly: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Give at most n of the rows to train on, always the same, and their weights.

        Those of a source count alike. The sample of the survey spares it a pass, unless
        n it must be where there are so many; where each worker has surveyed a part of
        it, all of them read the same rows.
        """
        if self._place[1] == 1 and not exactly:
            rows = self.sample()[:n]
            return rows, np.ones(len(rows))
        rows = np.concatenate(list(self._drawn(n, np.random.RandomState(0))))
        return rows, np.ones(len(rows))

    def encode_some(
        self, encode: Callable, n: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Encode n of the rows to train on, drawn at random, in random order."""
        parts = [
            encode(inputs_of(X, self.paired)) for X in self._drawn(n, random_state)
        ]
        return random_state.permutation(np.concatenate(parts))

    def _drawn(
        self, n: int, random_state: np.random.RandomState
    ) -> Iterator[np.ndarray]:
        """Read n of the rows to train on, drawn at random, in their order."""
        n = min(n, self.n_train)
        # NumPy's RandomState would draw up a list of all rows for it.
        draw = random.Random(int(random_state.randint(2**31 - 1)))
        chosen = np.array(sorted(draw.sample(range(self.n_train), n)))
        source, check = self._source, self._checks.check
        if isinstance(source, ArraySource) and self._sizes_hold and not self.paired:
            for rows in np.array_split(chosen, -(-len(chosen) // 256)):
                yield check("some rows", Batch(source.take(rows)))[0]
            return
        labelled, chosen = self._reading_only(chosen)
        start = 0
        for X, *_ in self._rows(labelled):
            within = chosen[(chosen >= start) & (chosen < start + len(X))] - start
            start += len(X)
            if len(within):
                yield X[within]

    def encode_all(self, encode: Callable) -> np.ndarray:
        """Encode the rows to train on, in an order that `set_targets` knows."""
        Z, done = None, 0
        self._targets = None
        self._position = np.full(self.n_rows, -1)
        for label, batch in self._source.ordered():
            X, weight = self._checks.check(label, batch)
            if not len(X):
                continue
            kept = np.flatnonzero((weight > 0) & self._to_train(X))
            if len(kept):
                some = encode(inputs_of(X[kept], self.paired))
                if Z is None:
                    Z = np.empty((self.n_train, some.shape[1]), some.dtype)
                Z[done : done + len(kept)] = some
                assert batch.rows is not None
                self._position[batch.rows[kept]] = done + np.arange(len(kept))
                done += len(kept)
            del X, batch
        assert Z is not None
        return Z

    def _reading_only(self, rows: np.ndarray) -> tuple[Labelled, np.ndarray]:
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
        source = self._source
        if self._in_blocks:

            def read(runs: np.ndarray) -> Iterator[Columns]:
                return self._rows(source.some(runs))

            stream = Stream(self.n_train, source.n_runs, source.sizes, read)
            yield from in_blocks(
                stream,
                self._room,
                self._block_rows,
                self._batch_size,
                self._place,
                generator,
            )
            return
        n_rows = yield from through_buffer(
            self._rows(source.shuffled(generator)),
            self._room,
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

    def _room(self, n_rows: int) -> Columns:
        shape = (n_rows, *[2] * self.paired, *self.schema.sample_shape)
        room = np.zeros(shape, self.dtype), np.zeros(n_rows, self._weight_dtype)
        if self._targets is None:
            return room
        return *room, np.zeros((n_rows, self._targets.shape[1]), self._weight_dtype)

    def _rows(self, labelled: Labelled) -> Iterator[Columns]:
        """Give the rows to train on, without those of weight zero or set aside."""
        for label, batch in labelled:
            X, weight = self._checks.check(label, batch)
            self._compare_first(X, batch)
            kept: Any = slice(None)
            if self._counts.weighted or self._threshold:
                kept = (weight > 0) & self._to_train(X)
                X, weight = X[kept], weight[kept]
            if self._targets is None:
                yield X, weight
            else:
                assert batch.rows is not None
                rows = batch.rows[kept]
                # Without those left out, a row is where it is in the source.
                rows = rows if self._position is None else self._position[rows]
                yield X, weight, self._targets[rows]

    def _compare_first(self, X: np.ndarray, batch: Batch) -> None:
        """Find out about sources that shuffle their rows, or change them."""
        first = self._counts.first
        if first is None or batch.rows is None or not len(X) or batch.rows[0]:
            return
        if zlib.crc32(X[0].tobytes()) != first:
            self.rows_stay = False
            if self._targets is not None:
                raise ValueError(
                    "The source gave another first row than before, so no row can be "
                    "told from its number, and latent vectors are drawn to places by "
                    "number. Give the same rows in the same order each time, or use "
                    "arrange='whiten'."
                )

    def _to_train(self, X: np.ndarray) -> np.ndarray:
        if not self._threshold:
            return np.ones(len(X), bool)
        digests = [zlib.crc32(row.tobytes(), self._seed) for row in X]
        return np.array(digests) >= self._threshold


def ahead(iterator: Any) -> Generator[Any, None, None]:
    """Give what an iterator gives, read one item ahead in a thread."""
    with closing(iterator), ThreadPoolExecutor(1, "skae-reader") as pool:
        future = pool.submit(next, iterator, None)
        while (item := future.result()) is not None:
            future = pool.submit(next, iterator, None)
            yield item
