"""The variables of one fit at a time, and the traced functions over them."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skae._engines.tensorflow.optimizers import make_optimizer
from skae._engines.tensorflow.process import quiet_unless_asked
from skae._interrupts import ctrl_c_waits
from skae._models import Spec, build_models, sample_loss

# One call into TensorFlow lasts about this many seconds, so that Ctrl-C is heard.
SECONDS_PER_CALL = 0.25
# Bytes, of which an array that TensorFlow takes as it is begins at a multiple.
_ALIGNMENT = 64


class Trainer:
    """The variables of one fit at a time, and the traced functions over them."""

    @ctrl_c_waits()
    def __init__(self, spec: Spec):
        self._spec = spec
        self._encoder, self._decoder = build_models(spec)
        self._weights = [*self._encoder.weights, *self._decoder.weights]
        variables = [*self._encoder.variables, *self._decoder.variables]
        held = {id(weight) for weight in self._weights}
        self._seeds = [v for v in variables if id(v) not in held]
        self._trainable = [
            *self._encoder.trainable_variables,
            *self._decoder.trainable_variables,
        ]
        self._loss = sample_loss(spec.loss)
        self._optimizer = make_optimizer(spec.optimizer, self._trainable)
        self._draw_to_nothing()
        self._traced: dict[tuple, Callable] = {}
        self._seconds_per_step: float | None = None

    def load(
        self, weights: Sequence[np.ndarray], state: Sequence | None, seed: int
    ) -> None:
        """Set the weights and the optimizer's state (None: that of a new one)."""
        self.load_weights(weights)
        for i, variable in enumerate(self._seeds):
            variable.assign(np.array([seed, i], np.uint32))
        self._optimizer.load(state)
        self._draw_to_nothing()

    def load_weights(self, weights: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self._weights, weights, strict=True):
            variable.assign(value)

    def weights(self) -> list[np.ndarray]:
        return [weight.numpy().copy() for weight in self._weights]

    def state(self) -> list[np.ndarray]:
        return self._optimizer.state()

    def seeds(self) -> list[np.ndarray]:
        """Give the states of the generators of layers that draw."""
        return [variable.numpy().copy() for variable in self._seeds]

    def load_seeds(self, seeds: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self._seeds, seeds, strict=True):
            variable.assign(value)

    def draw_to(self, targets: np.ndarray, strength: float) -> None:
        """Add to the loss the mean square distance of each latent to its target."""
        import tensorflow as tf

        dtype = self._spec.dtype
        self._pull = tf.constant(targets, dtype), tf.constant(strength, dtype)

    def _draw_to_nothing(self) -> None:
        # A row for all, without strength, for the same trace to serve.
        self.draw_to(np.zeros((1, self._spec.latent_dim)), 0.0)

    def put(self, X: np.ndarray, sample_weight: np.ndarray) -> tuple:
        """Bring the data to TensorFlow."""
        import tensorflow as tf

        return _bring(X), tf.convert_to_tensor(sample_weight)

    def train(
        self,
        data: tuple,
        order: np.ndarray,
        rates: np.ndarray,
        batch_size: int,
        sums: tuple[float, float],
    ) -> tuple[float, float]:
        """Take a step a batch; add sum(w l) and sum(w) to `sums`."""
        import tensorflow as tf

        done = 0
        while done < len(rates):
            n_steps = self._steps_a_call()
            step_rates = rates[done : done + n_steps]
            rows = order[done * batch_size : (done + n_steps) * batch_size]
            start, new = time.perf_counter(), not self._traced
            sums = self._call(
                self._train_steps,
                data,
                rows,
                batch_size,
                sums,
                tf.convert_to_tensor(step_rates.astype(self._spec.dtype)),
                *self._pull,
            )
            seconds = (time.perf_counter() - start) / len(step_rates)
            # The first call also traces, and says nothing about a step.
            self._seconds_per_step = None if new else seconds
            done += len(step_rates)
        return sums

    def evaluate(
        self, data: tuple, rows: np.ndarray, batch_size: int
    ) -> tuple[float, float]:
        """Give sum(w l) and sum(w) over the rows."""
        sums = (0.0, 0.0)
        part = batch_size * self._steps_a_call()
        for start in range(0, len(rows), part):
            some = rows[start : start + part]
            sums = self._call(self._evaluate_steps, data, some, batch_size, sums)
        return sums

    def finish(self) -> None:
        """Let the optimizer put its averages, where it keeps any, in place."""
        self._optimizer.finish()

    def _steps_a_call(self) -> int:
        if self._seconds_per_step is None:
            return 1
        return max(1, int(SECONDS_PER_CALL / max(self._seconds_per_step, 1e-4)))

    def _call(
        self,
        function: Callable,
        data: tuple,
        rows: np.ndarray,
        batch_size: int,
        sums: tuple[float, float],
        *more: Any,
    ) -> tuple[float, float]:
        import tensorflow as tf

        arguments = [
            *data,
            tf.convert_to_tensor(rows.astype(np.int32)),
            tf.constant(batch_size),
            *(tf.constant(total, tf.float64) for total in sums),
            *more,
        ]
        total, weight = self._run_traced(function, arguments)
        return float(total), float(weight)

    def _run_traced(self, function: Callable, tensors: Sequence) -> Any:
        """Run the trace of a function for tensors like these: an old one, or a new."""
        import tensorflow as tf

        key = function.__name__, tensors[0].dtype
        if key in self._traced:
            return self._traced[key](*tensors)
        # Any number of samples, and any batch size, by one trace.
        signature = [
            tf.TensorSpec([None] * (t.shape.rank > 0) + t.shape[1:], t.dtype)
            for t in tensors
        ]
        traced = tf.function(function, signature, autograph=False)
        with quiet_unless_asked():
            with ctrl_c_waits():
                self._traced[key] = traced.get_concrete_function()
            return self._traced[key](*tensors)

    def _train_steps(
        self,
        X: Any,
        sample_weight: Any,
        order: Any,
        batch_size: Any,
        total: Any,
        weight: Any,
        rates: Any,
        targets: Any,
        strength: Any,
    ) -> Any:
        """Train on the batches of `order`, in the graph."""
        import tensorflow as tf

        last = tf.shape(targets)[0] - 1

        def step(i: Any, total: Any, weight: Any) -> Any:
            rows, x, w = self._batch(X, sample_weight, order, batch_size, i)
            with tf.GradientTape() as tape:
                loss, batch_weight, latents = self._mean_loss(x, w, training=True)
                distances = latents - tf.gather(targets, tf.minimum(rows, last))
                distances = tf.reduce_mean(distances**2, axis=1)
                drawn = strength * tf.reduce_sum(w * distances) / tf.reduce_sum(w)
                objective = loss + drawn
            gradients = tape.gradient(objective, [v.value for v in self._trainable])
            self._optimizer.apply(gradients, rates[i])
            loss = tf.cast(loss, tf.float64)
            return i + 1, total + loss * batch_weight, weight + batch_weight

        return self._loop(step, tf.size(rates), total, weight)

    def _evaluate_steps(
        self,
        X: Any,
        sample_weight: Any,
        order: Any,
        batch_size: Any,
        total: Any,
        weight: Any,
    ) -> Any:
        """Sum the loss over the batches of `order`, in the graph."""
        import tensorflow as tf

        def step(i: Any, total: Any, weight: Any) -> Any:
            _, x, w = self._batch(X, sample_weight, order, batch_size, i)
            loss, batch_weight, _ = self._mean_loss(x, w, training=False)
            loss = tf.cast(loss, tf.float64)
            return i + 1, total + loss * batch_weight, weight + batch_weight

        n_steps = (tf.size(order) + batch_size - 1) // batch_size
        return self._loop(step, n_steps, total, weight)

    def _loop(self, step: Callable, n_steps: Any, total: Any, weight: Any) -> Any:
        import tensorflow as tf

        _, total, weight = tf.while_loop(
            lambda i, total, weight: i < n_steps,
            step,
            (tf.constant(0), total, weight),
            parallel_iterations=1,
        )
        return total, weight

    def _batch(
        self, X: Any, sample_weight: Any, order: Any, batch_size: Any, i: Any
    ) -> tuple[Any, Any, Any]:
        import tensorflow as tf

        rows = order[i * batch_size : (i + 1) * batch_size]
        x = tf.cast(tf.gather(X, rows), self._spec.dtype)
        return rows, x, tf.gather(sample_weight, rows)

    def _mean_loss(self, x: Any, w: Any, training: bool) -> tuple[Any, Any, Any]:
        """Give sum(w l) / sum(w) plus the layers' own penalties, sum(w), latents."""
        import tensorflow as tf

        latents = self._encoder(x, training=training)
        outputs = self._decoder(latents, training=training)
        losses = self._loss(x, outputs)
        total = tf.reduce_sum(w)
        loss = tf.reduce_sum(tf.cast(losses, w.dtype) * w) / total
        for penalty in (*self._encoder.losses, *self._decoder.losses):
            loss += tf.cast(penalty, loss.dtype)
        return loss, tf.cast(total, tf.float64), latents


def _bring(X: np.ndarray) -> Any:
    """Copy an array to TensorFlow, once.

    `convert_to_tensor` makes two copies of an array that does not begin where
    TensorFlow wants it, and NumPy's seldom do.
    """
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return tf.convert_to_tensor(X)
    if X.dtype == bool:  # has no place in DLPack
        X = X.view(np.uint8)
    room = np.empty(X.nbytes + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    copied = room[start : start + X.nbytes].view(X.dtype).reshape(X.shape)
    copied[...] = X
    return tf.experimental.dlpack.from_dlpack(copied.__dlpack__())
