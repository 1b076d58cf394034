"""Data sets and loaders of PyTorch as sources; it need not be installed."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from skae._data import limits
from skae._data.kinds import as_array, is_a
from skae._data.source import Batch, RunSource, Source, take_apart

# Samples that are put together, where nothing says how many.
_BATCH_ROWS = 256


def open_loader(loader: Any) -> Source:
    """Open a loader: its batches, in an order that is the same each time.

    One that shuffles is read by the numbers of its samples, since training draws an
    order of its own, and rows must be found again.
    """
    sampler = getattr(loader, "sampler", None)
    n_samples = getattr(sampler, "num_samples", None)
    if (
        type(sampler).__name__ != "RandomSampler"
        or loader.batch_size is None
        or getattr(sampler, "replacement", False)
        or n_samples != len(loader.dataset)
    ):
        return Source(loader)
    size, dataset = loader.batch_size, loader.dataset

    def read(run: int) -> Iterator[Batch]:
        rows = range(run * size, min((run + 1) * size, n_samples))
        yield take_apart(loader.collate_fn([dataset[row] for row in rows]))

    return RunSource(len(loader), read)


def open_samples(dataset: Any) -> Source:
    """Open a data set, which gives sample after sample."""
    if is_a(dataset, "torch", "utils.data.IterableDataset"):
        return Source(_Batches(dataset))
    n_rows = len(dataset)
    starts = range(0, n_rows, _BATCH_ROWS)
    sizes = [min(_BATCH_ROWS, n_rows - start) for start in starts]

    def read(run: int) -> Iterator[Batch]:
        rows = range(starts[run], starts[run] + sizes[run])
        yield take_apart(_put_together([dataset[row] for row in rows]))

    def label(run: int) -> str:
        return f"rows {starts[run]} to {starts[run] + sizes[run] - 1}"

    return RunSource(len(starts), read, label, limits.SHUFFLE_BYTES, sizes)


class _Batches:
    """Puts the samples of a stream together, whenever iterated."""

    def __init__(self, samples: Any):
        self._samples = samples

    def __iter__(self) -> Iterator[Any]:
        samples = iter(self._samples)
        while some := list(itertools.islice(samples, _BATCH_ROWS)):
            yield _put_together(some)


def _put_together(samples: list[Any]) -> Any:
    """Make a batch of samples, each an array, a tuple with its label or a dict."""
    first = samples[0]
    if isinstance(first, Mapping):
        return {name: _put_together([s[name] for s in samples]) for name in first}
    if isinstance(first, (tuple, list)):
        X, *others = zip(*samples, strict=True)
        # Labels may be anything; nobody looks at them unless asked to.
        return (np.stack([as_array(x) for x in X]), *map(list, others[:2]))
    return np.stack([as_array(sample) for sample in samples])
