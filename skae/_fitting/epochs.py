"""The epochs of a fit."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import contextvars
import copy
import functools
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skae._fitting.watchers import Watcher

_DIVERGED = (
    "Training diverged in {}. The usual causes are unscaled data and too high a "
    "learning rate. Scale the data first, for example with MinMaxScaler or "
    "StandardScaler, or lower `learning_rate`."
)


def _refuse_divergence(epoch: int, logs: dict[str, float]) -> None:
    for name, value in logs.items():
        if not np.isfinite(value):
            raise ValueError(_DIVERGED.format(f"epoch {epoch + 1}: {name} is {value}"))


# No network that learned something has a weight like this.
_ABSURD_WEIGHT = 1e10


def check_weights_learned(weights: Sequence[np.ndarray]) -> None:
    """Refuse weights that the last steps have blown up."""
    for weight in weights:
        # Not a number is not below the limit either.
        if weight.size and not np.abs(weight).max() < _ABSURD_WEIGHT:
            raise ValueError(_DIVERGED.format("the last epoch: a weight exceeds 1e10"))


def in_own_context(function: Callable) -> Callable:
    """Run a function in a copy of the context, which ends with it.

    Ctrl-C between the two halves of `np.errstate` would leave it changed for all that
    comes after.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return contextvars.copy_context().run(function, *args, **kwargs)

    return run


@dataclass
class Position:
    """How far a run has come."""

    random_state: np.random.RandomState
    epoch: int = 0
    # The parts and the steps of the epoch that are done, and their sums.
    part: int = 0
    step: int = 0
    sums: tuple[float, float] = (0.0, 0.0)
    history: dict[str, list[float]] = field(default_factory=lambda: {"loss": []})
    # The generator as it was when the epoch began, where a checkpoint wants it.
    epoch_random_state: np.random.RandomState | None = None


def run_epochs(
    trainer: Any,
    data: Any,
    position: Position,
    *,
    epochs: int,
    batch_size: int,
    rates: Callable[[int, int], np.ndarray],
    watchers: Sequence["Watcher"],
    keep: Callable[[bool], None] | None = None,
) -> dict[str, list[float]]:
    """Train from a position on; give the losses by name, a value an epoch.

    `data` gives the parts of an epoch: see `skae._data`. `keep` is called after each
    part, and told whether an epoch is whole.
    """
    history = position.history
    n_steps = -(-data.n_train // batch_size)
    with ExitStack() as stack:
        for watcher in watchers:
            # Before it begins: one that fails halfway has something to end, too.
            stack.push(watcher)
            watcher.__enter__()
        while position.epoch < epochs:
            epoch = position.epoch
            epoch_rates = rates(epoch, n_steps)
            for watcher in watchers:
                epoch_rates = watcher.epoch_begin(epoch, epoch_rates)
            if keep is not None:
                position.epoch_random_state = copy.deepcopy(position.random_state)
            # What overflows is refused below, in words.
            with (
                np.errstate(all="ignore"),
                closing(data.epoch(position.random_state, position.part)) as parts,
            ):
                for part, order in parts:
                    some = epoch_rates[position.step :][: -(-len(order) // batch_size)]
                    position.sums = trainer.train(
                        part, order, some, batch_size, position.sums
                    )
                    position.part += 1
                    position.step += len(some)
                    for watcher in watchers:
                        watcher.part_end(len(order), position.sums)
                    if keep is not None and position.step < n_steps:
                        keep(False)
                logs = {"loss": position.sums[0] / position.sums[1]}
                validation = data.validation()
                if validation is not None:
                    sums = trainer.evaluate(*validation, batch_size)
                    logs["val_loss"] = sums[0] / sums[1]
            _refuse_divergence(epoch, logs)
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
            # Every watcher hears of every epoch, also when another wants to stop.
            stops = [watcher.epoch_end(epoch, logs) for watcher in watchers]
            position.epoch = epochs if any(stops) else epoch + 1
            position.part, position.step, position.sums = 0, 0, (0.0, 0.0)
            if keep is not None:
                position.epoch_random_state = copy.deepcopy(position.random_state)
                keep(True)
        trainer.finish()
    return history
