"""The epochs of a fit, and those who watch them.

A watcher is a context manager with `epoch_begin(epoch, rates)`, which may change
the learning rates of the epoch's steps, `part_end(n_rows, sums)`, and
`epoch_end(epoch, logs)`, which says whether to stop.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import contextvars
import copy
import functools
import math
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_DIVERGED = (
    "Training diverged in {}. The usual causes are unscaled data and too high a "
    "learning rate. Scale the data first, for example with MinMaxScaler or "
    "StandardScaler, or lower `learning_rate`."
)


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

    `data` gives the parts of an epoch: see `skae._streaming`. `keep` is called after
    each part, and told whether an epoch is whole.
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


def set_aside(
    X: np.ndarray,
    rows: np.ndarray,
    fraction: float,
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows into those to train on and a fraction for validation.

    Equal samples stay on one side, so that no sample is validated on its twin, and
    a weight of two does what two copies do.
    """
    sums = np.array([zlib.crc32(X[row].tobytes()) for row in rows])
    kinds = np.unique(sums)
    if len(kinds) < 2:
        return rows, rows
    n_aside = min(math.ceil(fraction * len(kinds)), len(kinds) - 1)
    aside = np.isin(sums, random_state.permutation(kinds)[:n_aside])
    return rows[~aside], rows[aside]


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


class Watcher:
    """Watches without a word."""

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def go_on(self, epoch: int, n_rows: int) -> None:
        """Hear, before all else, that a run goes on from some rows of an epoch."""

    def epoch_begin(self, epoch: int, rates: np.ndarray) -> np.ndarray:
        return rates

    def part_end(self, n_rows: int, sums: tuple[float, float]) -> None:
        pass

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        return False

    def attributes(self) -> dict[str, Any]:
        """Give the fitted attributes that the watcher knows better."""
        return {}


class EarlyStopping(Watcher):
    """Stops when the validation loss no longer falls; keeps the best weights."""

    def __init__(self, trainer: Any, n_iter_no_change: int, tol: float):
        self._trainer = trainer
        self._patience = n_iter_no_change
        self._tol = tol
        self._best = self._target = np.inf
        self._idle_epochs = 0
        self._best_weights: list[np.ndarray] | None = None

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        loss = logs["val_loss"]
        # A fall counts when it is a share `tol` of the best loss so far, whatever
        # the scale of the data.
        self._idle_epochs = 0 if loss < self._target else self._idle_epochs + 1
        if loss < self._best:
            self._best = loss
            self._target = loss - self._tol * abs(loss)
            self._best_weights = self._trainer.weights()
        return self._idle_epochs >= self._patience

    def attributes(self) -> dict[str, Any]:
        return {"weights_": self._best_weights}

    def state(self) -> tuple[list[float] | None, list[np.ndarray]]:
        """Give what a checkpoint holds of it; nothing before the first epoch."""
        if self._best_weights is None:
            return None, []
        return [self._best, self._target, self._idle_epochs], self._best_weights

    def load_state(self, state: list[float], weights: list[np.ndarray]) -> None:
        self._best, self._target = state[:2]
        self._idle_epochs, self._best_weights = int(state[2]), weights


# Without the epochs a second, the losses have room in 80 columns.
_BAR = (
    "{desc} {percentage:3.0f}%|{bar:8}| {n_fmt}/{total_fmt} "
    "[{elapsed}<{remaining}{postfix}]"
)


class ProgressBar(Watcher):
    """Shows the epochs done, the loss and the time left."""

    _format: str | None = _BAR
    _options: dict[str, Any] = {}

    def __init__(self, name: str, epochs: int | None):
        self._name = name
        self._total = epochs
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> "ProgressBar":
        from tqdm.auto import tqdm

        self._bar = tqdm(
            total=self._total,
            initial=self._done,
            desc=self._name,
            bar_format=self._format,
            **self._options,
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def go_on(self, epoch: int, n_rows: int) -> None:
        self._done = epoch

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        self._bar.set_postfix({k: f"{v:.4g}" for k, v in logs.items()}, refresh=False)
        self._bar.update()
        return False


class RowsBar(ProgressBar):
    """Shows the rows done in all epochs, the loss and the time left."""

    _options = {"unit": " rows", "unit_scale": True}

    def __init__(self, name: str, n_rows: int | None = None, epochs: int = 1):
        super().__init__(name, None if n_rows is None else n_rows * epochs)
        self._n_rows = n_rows
        self._format = None
        if n_rows is not None:
            self._format = _BAR.replace("total_fmt}", "total_fmt} rows")

    def go_on(self, epoch: int, n_rows: int) -> None:
        self._done = epoch * (self._n_rows or 0) + n_rows

    def update(self, n_rows: int) -> None:
        self._bar.update(n_rows)

    def part_end(self, n_rows: int, sums: tuple[float, float]) -> None:
        self._bar.set_postfix({"loss": f"{sums[0] / sums[1]:.4g}"}, refresh=False)
        self._bar.update(n_rows)

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        self._bar.set_postfix({k: f"{v:.4g}" for k, v in logs.items()}, refresh=False)
        return False


class KerasCallbacks(Watcher):
    """Calls Keras callbacks, with a Keras model that holds the current weights.

    The callbacks are copied, so that a fit leaves the user's as they were: they
    would keep the model, and open files, which no pickle can hold.
    """

    def __init__(
        self, callbacks: Any, trainer: Any, model: Any, epochs: int, n_steps: int
    ):
        import keras

        if not isinstance(callbacks, (list, tuple)):
            callbacks = [callbacks]
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise TypeError(
                    "`callbacks` must hold instances of keras.callbacks.Callback, got "
                    f"{callback!r}. Callbacks of scikit-learn are set by "
                    "`set_callbacks`."
                )
        self.callbacks = [copy.copy(callback) for callback in callbacks]
        self._begun: list = []
        self._list = keras.callbacks.CallbackList(
            self.callbacks, model=model, epochs=epochs, steps=n_steps, verbose=0
        )
        self._trainer = trainer
        self._model = model
        self._logs: dict[str, float] | None = None
        self._overruled = False

    def __enter__(self) -> "KerasCallbacks":
        self._model.stop_training = False
        self._model.set_weights(self._trainer.weights())
        for callback in self.callbacks:
            callback.on_train_begin({})
            self._begun.append(callback)
        return self

    def __exit__(self, *exc_info: object) -> None:
        import keras

        # Each is told of the end, also when another fails. The last goes first.
        with ExitStack() as stack:
            for callback in self.callbacks:
                stack.callback(keras.callbacks.Callback.set_model, callback, None)
            stack.callback(self._adopt_weights)
            for callback in reversed(self._begun):
                stack.callback(callback.on_train_end, self._logs or {})

    def epoch_begin(self, epoch: int, rates: np.ndarray) -> np.ndarray:
        optimizer = self._model.optimizer
        expected = np.float32(rates[0])
        if not self._overruled:
            optimizer.learning_rate = float(expected)
        self._list.on_epoch_begin(epoch)
        rate = float(optimizer.learning_rate.numpy())
        # Once a callback has set the rate, its word holds.
        self._overruled = self._overruled or rate != float(expected)
        return np.full_like(rates, rate) if self._overruled else rates

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        optimizer = self._model.optimizer
        rate = float(optimizer.learning_rate.numpy())
        self._logs = dict(logs)
        self._model.set_weights(self._trainer.weights())
        self._list.on_epoch_end(epoch, self._logs)
        self._adopt_weights()
        changed = rate != float(optimizer.learning_rate.numpy())
        self._overruled = self._overruled or changed
        return bool(self._model.stop_training)

    def attributes(self) -> dict[str, Any]:
        return {"callbacks_": self.callbacks}

    def _adopt_weights(self) -> None:
        """Take over weights that a callback has put into the model."""
        mine, theirs = self._trainer.weights(), self._model.get_weights()
        if not all(map(np.array_equal, mine, theirs)):
            self._trainer.load_weights(theirs)


class SklearnCallbacks(Watcher):
    """Tells scikit-learn's callbacks (1.9 and later) of each epoch."""

    def __init__(self, estimator: Any, context: Any, X: Any, attributes: Callable):
        self._estimator = estimator
        self._context = context
        # ScoringMonitor scores nothing without a y; an autoencoder's target is X.
        self._arguments = {"estimator": estimator, "X": X, "y": X}
        self._attributes = attributes

    def epoch_begin(self, epoch: int, rates: np.ndarray) -> np.ndarray:
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._arguments)
        return rates

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        return self._epoch.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=self._attributes
        )
