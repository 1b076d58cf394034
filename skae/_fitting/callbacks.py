"""Callbacks of Keras and of scikit-learn."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from skae._engines.protocol import Trainer
from skae._fitting.plan import Plan
from skae._fitting.watchers import Watcher
from skae._models import (
    Spec,
    build_models,
    copy_optimizer,
    join_models,
    latent_models,
    resolve,
)

_CANNOT_WORK = {
    "BackupAndRestore": "what it restores is not all that a run needs to go on. Use "
    "`fit_dataset(X, checkpoint='file')`, which goes on to the same weights as a run "
    "that was never interrupted.",
    "SwapEMAWeights": "the averages are kept where the steps are taken, and it would "
    "swap in some that never trained. An optimizer with `use_ema=True` puts them in "
    "place at the end of the fit by itself.",
    "ProgbarLogger": "it counts batches, and an epoch is one call. Use `verbose=1`.",
}
_NEVER_CALLED = [
    *(f"on_{what}batch_{when}" for what in ("", "train_") for when in ("begin", "end")),
    *(f"on_test_{when}" for when in ("begin", "end", "batch_begin", "batch_end")),
]


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
            refuse_or_warn(callback)
        self.callbacks = [_copied(callback) for callback in callbacks]
        model = _compiled_model(plan.spec, learning_rate)
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
        self._show_weights()
        for callback in self.callbacks:
            callback.on_train_begin({})
        self._adopt_weights()
        return self

    def __exit__(self, *exc_info: object) -> None:
        import keras

        # Each is told of the end, also when another fails. The last goes first. As in
        # Keras, none is told of the end of a fit that failed.
        with ExitStack() as stack:
            for callback in self.callbacks:
                stack.callback(keras.callbacks.Callback.set_model, callback, None)
            if exc_info[0] is not None:
                return
            stack.callback(self._adopt_weights)
            for callback in reversed(self.callbacks):
                stack.callback(callback.on_train_end, self._logs or {})
            # What happened to the weights since the last epoch was told.
            stack.callback(self._show_weights)

    def epoch_begin(self, epoch: int, rates: np.ndarray) -> np.ndarray:
        optimizer = self._model.optimizer
        expected = np.float32(rates[0])
        if not self._overruled:
            optimizer.learning_rate = float(expected)
        self._show_weights()
        self._list.on_epoch_begin(epoch)
        self._adopt_weights()
        rate = float(optimizer.learning_rate.numpy())
        # Once a callback has set the rate, its word holds.
        self._overruled = self._overruled or rate != float(expected)
        return np.full_like(rates, rate) if self._overruled else rates

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        optimizer = self._model.optimizer
        rate = float(optimizer.learning_rate.numpy())
        self._logs = dict(logs)
        self._show_weights()
        self._list.on_epoch_end(epoch, self._logs)
        self._adopt_weights()
        changed = rate != float(optimizer.learning_rate.numpy())
        self._overruled = self._overruled or changed
        return bool(self._model.stop_training)

    def _show_weights(self) -> None:
        self._model.set_weights(self._trainer.weights())

    def _adopt_weights(self) -> None:
        """Take over weights that a callback has put into the model."""
        mine, theirs = self._trainer.weights(), self._model.get_weights()
        if not all(map(np.array_equal, mine, theirs)):
            self._trainer.load_weights(theirs)


def refuse_or_warn(callback: Any) -> None:
    """Refuse by name a callback that cannot work here; name hooks never called."""
    import keras

    name = type(callback).__name__
    for kind, way_out in _CANNOT_WORK.items():
        if isinstance(callback, getattr(keras.callbacks, kind)):
            raise TypeError(f"The callback {name} cannot work with skae: {way_out}")
    idle = [hook for hook in _NEVER_CALLED if _overrides(callback, hook)]
    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        idle += ["on_train_batch_end"] if callback.save_freq != "epoch" else []
    if isinstance(callback, keras.callbacks.TensorBoard):
        by_batch = callback.update_freq != "epoch" or callback._should_trace
        idle += ["on_train_batch_end"] if by_batch else []
    if idle:
        warnings.warn(
            f"The callback {name} has hooks that are never called: {', '.join(idle)}. "
            "An epoch is one call, in which there is no time for callbacks. Expected "
            "hooks of the beginning and the end of a fit and of its epochs. To have "
            "all hooks called, use KerasAutoencoderTransformer.",
            stacklevel=2,
        )


def _overrides(callback: Any, hook: str) -> bool:
    """Tell whether the user has written a hook."""
    if hook in vars(callback):  # as in a LambdaCallback
        return True
    owner = next(cls for cls in type(callback).__mro__ if hook in vars(cls))
    return not owner.__module__.startswith("keras.")


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
    optimizer = copy_optimizer(spec.optimizer, learning_rate)
    # Keras refuses to load a model saved with an optimizer not built.
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, resolve("loss", spec.loss))
    return model


class SklearnCallbacks(Watcher):
    """Tells scikit-learn's callbacks (1.9 and later) of the fit and of each epoch."""

    def __init__(
        self,
        estimator: Any,
        told: dict[str, Any],
        n_epochs: int,
        attributes: Callable[[], dict[str, Any]],
    ):
        self._arguments = {"estimator": estimator, **told}
        if told["y"] is None:
            # ScoringMonitor scores nothing without a y; an autoencoder's target is X.
            self._arguments["y"] = told["X"]
        self._attributes = attributes
        self._context = estimator._init_callback_context(max_subtasks=n_epochs)
        self._context.call_on_fit_task_begin(**self._arguments)

    def epoch_begin(self, epoch: int, rates: np.ndarray) -> np.ndarray:
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._arguments)
        return rates

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        return self._epoch.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=self._attributes
        )

    def end(self, attributes: dict[str, Any]) -> None:
        """Tell of the end of the fit, and of the estimator that comes of it."""
        self._context.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=attributes
        )
