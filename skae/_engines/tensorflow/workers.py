"""Who the workers of a strategy of `tf.distribute` are, and what they have in common.

A strategy whose scope the user has entered is left for the time of a fit, so that
only the variables of the trainer belong to it.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import functools
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import Any

import numpy as np

_left: ContextVar[Any] = ContextVar("_left", default=None)


def outside_strategy(method: Callable) -> Callable:
    """Make a method leave the scope of a strategy; `current_strategy` gives it.

    Inside the scope every variable would be a distributed one, and with several
    workers to make one is an exchange that waits for all of them.
    """

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        # Who has not imported TensorFlow has entered no scope.
        distribute = getattr(sys.modules.get("tensorflow"), "distribute", None)
        if distribute is None or not distribute.has_strategy():
            return method(*args, **kwargs)
        import tensorflow as tf

        token = _left.set(tf.distribute.get_strategy())
        try:
            # Scopes belong to a graph: under a new one there is none.
            with tf.Graph().as_default(), tf.__internal__.eager_context.eager_mode():
                return method(*args, **kwargs)
        finally:
            _left.reset(token)

    return run


def current_strategy() -> Any:
    """Give the strategy whose scope was left, or None."""
    return _left.get()


def agree(
    estimator: Any,
    random_state: np.random.RandomState,
    data: dict[str, Any],
    weights: list[np.ndarray] | None,
) -> np.random.RandomState:
    """Give a random state that is the same on all workers, and compare the rest.

    `data` holds, by name, what the data must have in common, `weights` those to start
    from, if not new ones.
    """
    if place()[1] == 1:
        return random_state
    facts: dict[str, Any] = {
        **data,
        "`batch_size`": estimator.batch_size,
        "`epochs`": estimator.epochs,
        "`early_stopping`": estimator.early_stopping,
        "the weights to start from": weights or (),
    }
    seed = 0
    seeded = isinstance(estimator.random_state, Integral)
    if seeded:
        _, keys, *_ = random_state.get_state()
        facts["`random_state`"] = keys
    else:
        seed = int(random_state.randint(2**31 - 1))
    seeds = _compare(facts, seed)
    if seeded:
        return random_state
    return np.random.RandomState(int(seeds[0]))


def agree_on(facts: dict[str, Any]) -> None:
    """Compare what all workers must have in common, by name; wait for all of them."""
    if place()[1] > 1:
        _compare(facts)


def place() -> tuple[int, int]:
    """Give the number of this worker, and how many there are."""
    strategy = current_strategy()
    if strategy is None:
        return 0, 1
    local = local_replicas(strategy)
    return local[0] // len(local), strategy.num_replicas_in_sync // len(local)


def gather(values: Sequence[float]) -> np.ndarray:
    """Give the values of all workers, a row each; wait for all of them."""
    if place()[1] == 1:
        return np.array([values])
    strategy = current_strategy()
    with in_words(strategy):
        return _exchange(strategy, values)


@contextmanager
def together() -> Iterator[None]:
    """Let no worker go on if what each does by itself failed on one of them."""
    try:
        yield
    except Exception:
        gather([1])
        raise
    failed = np.flatnonzero(gather([0]))
    if len(failed):
        raise RuntimeError(
            f"Worker {failed[0]} of the strategy failed while it read its share of the "
            "data, and training needs all of them. The error that it raised says why."
        )


def _compare(facts: dict[str, Any], value: float = 0) -> np.ndarray:
    """Compare facts; give the values of all workers."""
    table = gather([value, *map(_digest, facts.values())])
    for name, column in zip(facts, table.T[1:], strict=True):
        if (column != column[0]).any():
            raise ValueError(
                f"The workers of the strategy disagree on {name}. Expected all of them "
                "to call the same method with the same parameters and the same X, of "
                "which each trains on its own share of the rows."
            )
    return table[:, 0]


def _has_workers(strategy: Any) -> bool:
    return len(local_replicas(strategy)) < strategy.num_replicas_in_sync


def local_replicas(strategy: Any) -> list[int]:
    """Give the numbers of the replicas of this process."""
    import tensorflow as tf

    found: list[int] = []

    def number(context: Any) -> Any:
        found.append(int(context.replica_id_in_sync_group))
        return tf.constant(found[-1])

    strategy.experimental_distribute_values_from_function(number)
    return found


def _exchange(strategy: Any, values: Sequence[float]) -> np.ndarray:
    """Give the values of all replicas, a row each."""
    import tensorflow as tf

    mine = np.zeros((strategy.num_replicas_in_sync, len(values)))
    mine[local_replicas(strategy)[0]] = values

    @tf.function(autograph=False)
    def run(table: Any) -> Any:
        def add_up(table: Any) -> Any:
            context = tf.distribute.get_replica_context()
            # Local replicas hold the same table, of which only one may count.
            first = context.replica_id_in_sync_group == local_replicas(strategy)[0]
            table = tf.where(first, table, tf.zeros_like(table))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, table)

        return strategy.experimental_local_results(strategy.run(add_up, (table,)))[0]

    table = run(tf.constant(mine)).numpy()
    # One row a worker: those of its other replicas were left empty.
    return table[:: len(local_replicas(strategy))]


def _digest(value: Any) -> float:
    """Give a number that differs where values differ."""
    if isinstance(value, np.ndarray):
        return float(zlib.crc32(np.ascontiguousarray(value).tobytes()))
    if isinstance(value, (list, tuple)):
        return float(zlib.crc32(repr([_digest(part) for part in value]).encode()))
    return float(zlib.crc32(repr(value).encode()))


@contextmanager
def in_words(strategy: Any) -> Iterator[None]:
    """Say in words that another worker is gone."""
    import tensorflow as tf

    errors = tf.errors
    try:
        yield
    except (
        errors.AbortedError,
        errors.CancelledError,
        errors.DeadlineExceededError,
        errors.InternalError,
        errors.UnavailableError,
    ) as error:
        if not _has_workers(strategy):
            raise
        # The place in the graph comes first, and a line of it says nothing.
        cause = error.message.split("\n\n")[-1].splitlines()[0]
        raise RuntimeError(
            "A worker of the strategy is gone or cannot be reached, and training needs "
            "all of them. Start all workers again, and go on from what was saved last. "
            f"TensorFlow says: {cause}"
        ) from error
