"""Callbacks of Keras and of scikit-learn."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from skae._engines.protocol import Trainer
from skae._fitting.plan import Plan
from skae._fitting.watchers import Watcher
from skae._models import Spec, build_models, join_models, latent_models, resolve


class KerasCallbacks(Watcher):
    """Calls Keras callbacks, with a Keras model that holds the current weights.

    The callbacks are copied, so that a fit leaves the user's as they were: they
    would keep the model, and open files, which no pickle can hold.
    """

    def __init__(
        self, callbacks: Any, trainer: Trainer, plan: Plan, learning_rate: float
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
        self.callbacks = [_copied(callback) for callback in callbacks]
        model = _compiled_model(plan.spec, learning_rate)
        self._begun: list = []
        self._list = keras.callbacks.CallbackList(
            self.callbacks,
            model=model,
            epochs=plan.n_epochs,
            steps=plan.n_steps,
            verbose=0,
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

    def _adopt_weights(self) -> None:
        """Take over weights that a callback has put into the model."""
        mine, theirs = self._trainer.weights(), self._model.get_weights()
        if not all(map(np.array_equal, mine, theirs)):
            self._trainer.load_weights(theirs)


def _copied(callback: Any) -> Any:
    """Copy a callback with all it holds, but for what no copy can be made of."""
    try:
        return copy.deepcopy(callback)
    except Exception:
        # A lock, an open file or a connection: these are shared, as Keras would.
        return copy.copy(callback)


def _compiled_model(spec: Spec, learning_rate: float) -> Any:
    """Make the model that callbacks see."""
    encoder, decoder = build_models(spec)
    model = join_models(*latent_models(encoder, decoder, spec))
    optimizer = resolve("optimizer", spec.optimizer)
    optimizer = type(optimizer).from_config(
        {**optimizer.get_config(), "learning_rate": learning_rate}
    )
    # Keras refuses to load a model saved with an optimizer not built.
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, resolve("loss", spec.loss))
    return model


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
