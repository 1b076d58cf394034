"""A stream mixed in blocks: all rows, in one order, whatever the number of workers."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae._data.mixing import Stream, in_blocks

# Runs of many sizes, also of none; a row is its number.
SIZES = np.random.default_rng(0).integers(0, 9, 500)
STARTS = np.cumsum(SIZES) - SIZES
N = SIZES.sum()


def room(n_rows):
    return np.zeros((n_rows, 1)), np.zeros(n_rows)


def read(runs):
    for run in runs:
        rows = np.arange(STARTS[run], STARTS[run] + SIZES[run])
        yield rows[:, np.newaxis], np.ones(len(rows))


def batches(place, batch_size, read=read):
    """Give the rows of each batch that a worker has, -1 for those of others."""
    generator = np.random.RandomState(0)
    stream = Stream(N, 500, SIZES.__getitem__, read)
    parts = in_blocks(stream, room, 300, batch_size, place, generator)
    for (X, weights), order in parts:
        own = order[order >= 0]
        assert (weights[own] == 1).all()
        rows = np.where(order >= 0, X[order, 0], -1).astype(int)
        yield from np.split(rows, range(batch_size, len(rows), batch_size))


@pytest.mark.parametrize("batch_size", [1, 32, 1000, 5000])
def test_every_row_trains_once_in_batches_of_the_size_asked_for(batch_size):
    got = list(batches((0, 1), batch_size))
    assert [len(rows) for rows in got[:-1]] == [batch_size] * (len(got) - 1)
    assert_array_equal(np.sort(np.concatenate(got)), np.arange(N))


def test_rows_of_a_run_go_to_different_batches():
    for rows in batches((0, 1), 32):
        runs = np.searchsorted(STARTS, rows, side="right")
        assert np.unique(runs, return_counts=True)[1].max() < 4


@pytest.mark.parametrize("n_workers", [2, 3, 7])
def test_workers_have_equal_shares_of_the_batches_of_one(n_workers):
    one = np.array(list(batches((0, 1), 32))[:-1])
    shares = np.array(
        [list(batches((w, n_workers), 32))[:-1] for w in range(n_workers)]
    )
    assert_array_equal(shares.max(axis=0), one)
    assert ((shares >= 0).sum(axis=0) == 1).all()
    n_rows = (shares >= 0).sum(axis=2)
    assert abs(n_rows - 32 / n_workers).max() < 3


def test_a_source_that_changes_is_refused():
    def shorter(runs):
        for rows, weight in read(runs):
            yield rows[:3], weight[:3]

    with pytest.raises(ValueError, match="the same rows each time"):
        list(batches((0, 1), 32, shorter))
