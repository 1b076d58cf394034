"""The epochs of a run, from wherever it stands."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import numpy as np

from skae._data import Data
from skae._engines.protocol import Sums, Trainer
from skae._fitting.plan import Plan
from skae._fitting.watchers import Watcher

_DIVERGED = (
    "Training diverged in {}. The usual causes are unscaled data and too high a "
    "learning rate. Scale the data first, for example with MinMaxScaler or "
    "StandardScaler, or lower `learning_rate`."
)
# No network that learned something has a weight like this.
_ABSURD_WEIGHT = 1e10

# Called after each part, and told whether an epoch is whole.
Keep = Callable[[bool], None]


@dataclass
class Position:
    """How far a run has come."""

    random_state: np.random.RandomState
    epoch: int = 0
    # The parts and the steps of the epoch that are done, and their sums.
    part: int = 0
    step: int = 0
    sums: Sums = (0.0, 0.0)
    history: dict[str, list[float]] = field(default_factory=lambda: {"loss": []})
    # The generator as it was when the epoch began, where a checkpoint wants it.
    epoch_random_state: np.random.RandomState | None = None

    def remember_generator(self) -> None:
        self.epoch_random_state = copy.deepcopy(self.random_state)


def run_epochs(
    plan: Plan,
    trainer: Trainer,
    data: Data,
    position: Position,
    watchers: Sequence[Watcher],
    keep: Keep | None = None,
) -> None:
    """Train from a position on, to the end of the plan or until a watcher stops it."""
    with ExitStack() as stack:
        for watcher in watchers:
            # Before it begins: one that fails halfway has something to end, too.
            stack.push(watcher)
            watcher.__enter__()
        while position.epoch < plan.n_epochs:
            epoch = position.epoch
            rates = plan.rates(epoch, plan.n_steps)
            for watcher in watchers:
                rates = watcher.epoch_begin(epoch, rates)
            if keep is not None:
                position.remember_generator()
            # What overflows is refused below, in words.
            with np.errstate(all="ignore"):
                _run_parts(plan, trainer, data, position, watchers, rates, keep)
                logs = _losses(plan, trainer, data, position)
            _refuse_divergence(epoch, logs)
            for name, value in logs.items():
                position.history.setdefault(name, []).append(value)
            # Every watcher hears of every epoch, also when another wants to stop.
            stops = [watcher.epoch_end(epoch, logs) for watcher in watchers]
            position.epoch = plan.n_epochs if any(stops) else epoch + 1
            position.part, position.step, position.sums = 0, 0, (0.0, 0.0)
            if keep is not None:
                position.remember_generator()
                keep(True)
        trainer.finish()


def _run_parts(
    plan: Plan,
    trainer: Trainer,
    data: Data,
    position: Position,
    watchers: Sequence[Watcher],
    rates: np.ndarray,
    keep: Keep | None,
) -> None:
    """Train on the parts of an epoch that are left."""
    size = plan.batch_size
    with closing(data.epoch(position.random_state, position.part)) as parts:
        for part, order in parts:
            some = rates[position.step :][: -(-len(order) // size)]
            position.sums = trainer.train(part, order, some, size, position.sums)
            position.part += 1
            position.step += len(some)
            for watcher in watchers:
                watcher.part_end(len(order), position.sums)
            if keep is not None and position.step < plan.n_steps:
                keep(False)


def _losses(
    plan: Plan, trainer: Trainer, data: Data, position: Position
) -> dict[str, float]:
    """Give the losses of an epoch by name."""
    logs = _means(position.sums)
    validation = data.validation()
    if validation is not None:
        means = _means(trainer.evaluate(*validation, plan.batch_size))
        logs |= {f"val_{name}": value for name, value in means.items()}
    return logs


def _means(sums: Sums) -> dict[str, float]:
    """Give the loss and, where the objective has a penalty, what it is made of."""
    total, weight, *penalty = sums
    means = {"loss": total / weight}
    if penalty:
        means["reconstruction"] = (total - penalty[0]) / weight
        means["penalty"] = penalty[0] / weight
    return means


def _refuse_divergence(epoch: int, logs: dict[str, float]) -> None:
    for name, value in logs.items():
        if not np.isfinite(value):
            raise ValueError(_DIVERGED.format(f"epoch {epoch + 1}: {name} is {value}"))


def refuse_absurd_weights(weights: Sequence[np.ndarray]) -> None:
    """Refuse weights that the last steps have blown up."""
    for weight in weights:
        # Not a number is not below the limit either, which half precision can't hold.
        if weight.size and not float(np.abs(weight).max()) < _ABSURD_WEIGHT:
            raise ValueError(_DIVERGED.format("the last epoch: a weight exceeds 1e10"))
