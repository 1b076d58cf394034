"""The order in which the rows of a stream train: at random, as far as memory allows.

Rows come and go as columns that belong together, such as samples and their weights.
Either way gives the parts of an epoch, each the columns and an order of positions among
their rows; every part but the last holds a multiple of the batch size.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple

import numpy as np

Columns = tuple[np.ndarray, ...]
Mixed = tuple[Columns, np.ndarray]
# Makes columns for so many rows.
Room = Callable[[int], Columns]


class Stream(NamedTuple):
    """What is mixed in blocks: how many rows in how many runs, and how to read them."""

    n_rows: int
    n_runs: int
    sizes: Callable[[np.ndarray], np.ndarray]
    read: Callable[[np.ndarray], Iterable[Columns]]


def through_buffer(
    rows: Iterable[Columns],
    room: Room,
    capacity: int,
    part_rows: int,
    generator: np.random.RandomState,
) -> Generator[Mixed, None, int]:
    """Draw parts at random from a buffer, into whose gaps the rows flow.

    Returns the number of rows that came.
    """
    buffer = room(capacity)
    gaps, filled, n_rows = np.arange(capacity), 0, 0
    for columns in rows:
        n_new = len(columns[0])
        n_rows += n_new
        start = 0
        while start < n_new:
            slots = gaps[filled : filled + n_new - start]
            stop = start + len(slots)
            for held, column in zip(buffer, columns, strict=True):
                held[slots] = column[start:stop]
            filled += len(slots)
            start = stop
            if filled == len(gaps):
                gaps = generator.permutation(capacity)[:part_rows]
                filled = 0
                yield tuple(held[gaps] for held in buffer), np.arange(len(gaps))
    full = np.ones(capacity, bool)
    full[gaps[filled:]] = False
    left = generator.permutation(np.flatnonzero(full))
    for i in range(0, len(left), part_rows):
        some = left[i : i + part_rows]
        yield tuple(held[some] for held in buffer), np.arange(len(some))
    return n_rows


def in_blocks(
    stream: Stream,
    room: Room,
    capacity: int,
    batch_size: int,
    place: tuple[int, int],
    generator: np.random.RandomState,
) -> Generator[Mixed, None, None]:
    """Draw runs at random, a block of them at a time, and mix the rows of a block.

    `place` is the number of this worker, and how many there are. It reads its own
    runs; in the order, -1 stands for rows of others. A batch takes a row from each of
    `batch_size` stretches of a block, so that all workers have as many of its rows.
    """
    worker, n_workers = place
    n_rows, n_runs = stream.n_rows, stream.n_runs
    runs = generator.permutation(n_runs)
    # Blocks of one size, since a last one of few runs would be mixed badly.
    n_blocks = -(-n_rows // capacity)
    goals = iter(n_rows * np.arange(1, n_blocks + 1) // n_blocks)
    start, n_drawn = 0, 0
    # What was left of the block before, and which of its rows are this worker's.
    kept, own = room(0), np.zeros(0, bool)
    while start < n_runs:
        goal = next(goals, n_rows) - n_drawn
        ends = np.cumsum(stream.sizes(runs[start : start + max(1, goal)]))
        ends = ends[: np.searchsorted(ends, goal) + 1]
        some = runs[start : start + len(ends)]
        start, n_drawn = start + len(ends), n_drawn + int(ends[-1])
        n_of_run = np.diff(ends, prepend=0)
        # By the middle of a run, so that all workers have about as many rows.
        owner = (2 * ends - n_of_run) * n_workers // max(1, 2 * ends[-1])
        own = np.append(own, np.repeat(owner == worker, n_of_run))
        block = room(max(1, int(np.count_nonzero(own))))
        _fill(block, kept, stream.read(some[owner == worker]), np.count_nonzero(own))
        n_taken = len(own) // batch_size * batch_size
        chosen = generator.permutation(len(own))
        taken, left = np.sort(chosen[:n_taken]), np.sort(chosen[n_taken:])
        order = _across_stretches(taken, batch_size, generator)
        if start == n_runs:
            order = np.append(order, left)
        position = np.where(own, np.cumsum(own) - 1, -1)
        if len(order):
            yield block, position[order]
        own_left = position[left[own[left]]]
        kept, own = tuple(column[own_left] for column in block), own[left]
        del block


def _fill(
    block: Columns, kept: Columns, rows: Iterable[Columns], n_own: np.integer
) -> None:
    """Put what was kept, and the rows behind it, into a block."""
    n_kept = filled = len(kept[0])
    for held, column in zip(block, kept, strict=True):
        held[:n_kept] = column
    for columns in rows:
        into = slice(filled, filled + len(columns[0]))
        filled = into.stop
        if filled <= n_own:
            for held, column in zip(block, columns, strict=True):
                held[into] = column
    if filled != n_own:
        raise ValueError(
            f"The source gave {filled - n_kept} rows where there should be "
            f"{n_own - n_kept}. It must give the same rows each time."
        )


def _across_stretches(
    rows: np.ndarray, batch_size: int, generator: np.random.RandomState
) -> np.ndarray:
    """Cut rows into stretches; of each, every batch takes one row, drawn at random."""
    stretches = rows.reshape(batch_size, -1)
    drawn = generator.random_sample(stretches.shape).argsort(axis=1)
    return np.take_along_axis(stretches, drawn, axis=1).T.ravel()
