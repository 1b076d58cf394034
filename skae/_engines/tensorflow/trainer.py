"""The variables of one fit at a time, and the traced functions over them."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skae._copies import seed_states
from skae._engines.protocol import Put, Sums, Weights, refuse_other_shapes
from skae._engines.tensorflow.batch_loss import BatchLoss, Losses
from skae._engines.tensorflow.optimizers import make_optimizer
from skae._interrupts import ctrl_c_waits
from skae._models import Spec, build_models
from skae._process import quiet

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
        self._batch_loss = BatchLoss(self._encoder, self._decoder, spec)
        self._weights = [*self._encoder.weights, *self._decoder.weights]
        self._seeds = seed_states((self._encoder, self._decoder))
        self._seeds += self._batch_loss.seeds
        self._trainable = [
            *self._encoder.trainable_variables,
            *self._decoder.trainable_variables,
        ]
        self._optimizer = make_optimizer(spec.optimizer, self._trainable)
        self._strength, self._root, self._penalty_share = 0.0, False, 1.0
        # The weights without a gradient.
        self._idle: list[str] = []
        self._traced: dict[tuple, Callable] = {}
        self._seconds_per_step: float | None = None

    @property
    def n_bytes(self) -> int:
        """The bytes of the weights."""
        return sum(
            int(np.prod(w.shape)) * np.dtype(w.dtype).itemsize for w in self._weights
        )

    def load(self, weights: Weights, state: Weights | None, seed: int) -> None:
        """Set the weights and the optimizer's state (None: that of a new one)."""
        self.load_weights(weights)
        for i, variable in enumerate(self._seeds):
            variable.assign(np.array([seed, i], np.uint32))
        self._optimizer.load(state)
        self._strength, self._root, self._penalty_share = 0.0, False, 1.0

    def load_weights(self, weights: Weights) -> None:
        shapes = [tuple(variable.shape) for variable in self._weights]
        refuse_other_shapes(weights, shapes)
        for variable, value in zip(self._weights, weights, strict=True):
            variable.assign(value)

    def weights(self) -> list[np.ndarray]:
        return [np.array(weight.numpy()) for weight in self._weights]

    def state(self) -> list[np.ndarray]:
        return self._optimizer.state()

    def seeds(self) -> list[np.ndarray]:
        """Give the states of the generators of layers and objectives that draw."""
        return [variable.numpy().copy() for variable in self._seeds]

    def load_seeds(self, seeds: Weights) -> None:
        for variable, value in zip(self._seeds, seeds, strict=True):
            variable.assign(value)

    def set_strength(self, strength: float, root: bool = False) -> None:
        """Say what the mean square distance of a latent to its target costs."""
        self._strength, self._root = strength, root

    def set_penalty_share(self, share: float) -> None:
        """Say how much of the penalty of an objective counts in a step: 1 is all."""
        self._penalty_share = share

    def put(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        targets: np.ndarray | None = None,
    ) -> Put:
        """Bring the columns of the data to TensorFlow."""
        import tensorflow as tf

        if targets is None:
            # A row for all, without strength, for the same trace to serve.
            targets = np.zeros((1, self._spec.latent_dim))
        dtype = self._spec.dtype
        return (
            _bring(X),
            tf.convert_to_tensor(sample_weight),
            tf.constant(targets, dtype),
        )

    put_own = put

    def put_targets(self, put: Put, targets: np.ndarray) -> Put:
        import tensorflow as tf

        return *put[:2], tf.constant(targets, self._spec.dtype)

    def train(
        self,
        put: Put,
        order: np.ndarray,
        rates: np.ndarray,
        batch_size: int,
        sums: Sums,
    ) -> Sums:
        """Take a step a batch; add what it comes to, to `sums`."""
        import tensorflow as tf

        done, dtype = 0, self._spec.dtype
        strength = tf.constant(self._strength, dtype)
        share = tf.constant(self._penalty_share, dtype)
        while done < len(rates):
            n_steps = self._steps_a_call()
            step_rates = rates[done : done + n_steps]
            rows = order[done * batch_size : (done + n_steps) * batch_size]
            start, new = time.perf_counter(), not self._traced
            sums = self._call(
                self._train_steps,
                put,
                rows,
                batch_size,
                sums,
                tf.convert_to_tensor(step_rates.astype(dtype)),
                strength,
                share,
            )
            seconds = (time.perf_counter() - start) / len(step_rates)
            # The first call also traces, and says nothing about a step.
            self._seconds_per_step = None if new else seconds
            done += len(step_rates)
        return sums

    def evaluate(self, put: Put, rows: np.ndarray, batch_size: int) -> Sums:
        """Give the sums over the rows."""
        sums: Sums = ()
        part = batch_size * self._steps_a_call()
        for start in range(0, len(rows), part):
            some = rows[start : start + part]
            sums = self._call(self._evaluate_steps, put, some, batch_size, sums)
        return sums

    def finish(self) -> None:
        """Let the optimizer put its averages, where it keeps any, in place."""
        self._optimizer.finish()
        if self._idle:
            warnings.warn(
                "The loss does not depend on some weights of the network, which stay "
                f"as they are: {', '.join(self._idle)}. Expected that what a layer "
                "computes from its trainable weights goes into its output. Use them "
                "there, or freeze them with `trainable=False`.",
                stacklevel=2,
            )

    def _steps_a_call(self) -> int:
        if self._seconds_per_step is None:
            return 1
        return max(1, int(SECONDS_PER_CALL / max(self._seconds_per_step, 1e-4)))

    def _call(
        self,
        function: Callable,
        put: Put,
        rows: np.ndarray,
        batch_size: int,
        sums: Sums,
        *more: Any,
    ) -> Sums:
        import tensorflow as tf

        arguments = [
            *put,
            tf.convert_to_tensor(rows.astype(np.int32)),
            tf.constant(batch_size),
            *more,
            *(tf.constant(total, tf.float64) for total in self._begun(sums)),
        ]
        return tuple(map(float, self._run_traced(function, arguments)))

    def _begun(self, sums: Sums) -> Sums:
        """Give as many sums as there are; those that have not begun are zero."""
        return (*sums, *[0.0] * (self._batch_loss.n_sums - len(sums)))

    def _run_traced(self, function: Callable, tensors: Sequence) -> Any:
        """Run the trace of a function for tensors like these: an old one, or a new."""
        import tensorflow as tf

        X = tensors[0]
        key = function.__name__, X.dtype, X.shape.rank, self._root
        if key in self._traced:
            return self._traced[key](*tensors)
        # Any number of samples, and any batch size, by one trace.
        signature = [
            tf.TensorSpec([None] * (t.shape.rank > 0) + t.shape[1:], t.dtype)
            for t in tensors
        ]
        traced = tf.function(function, signature, autograph=False)
        with quiet():
            with ctrl_c_waits():
                self._traced[key] = traced.get_concrete_function()
            return self._traced[key](*tensors)

    def _train_steps(
        self,
        X: Any,
        sample_weight: Any,
        targets: Any,
        order: Any,
        batch_size: Any,
        rates: Any,
        strength: Any,
        share: Any,
        *totals: Any,
    ) -> Any:
        """Train on the batches of `order`, in the graph."""
        import tensorflow as tf

        last = tf.shape(targets)[0] - 1

        def step(i: Any, *totals: Any) -> Any:
            rows, x, w = self._batch(X, sample_weight, order, batch_size, i)
            places = tf.gather(targets, tf.minimum(rows, last))
            with tf.GradientTape() as tape:
                sums = self._batch_loss(
                    x, w, places, strength, share, root=self._root, training=True
                )
                objective = (sums.loss + sums.drawn) / sums.weight
            gradients = tape.gradient(objective, [v.value for v in self._trainable])
            self._optimizer.apply(self._connected(gradients), rates[i])
            return i + 1, *add(totals, sums)

        return self._loop(step, tf.size(rates), totals)

    def _connected(self, gradients: Sequence) -> list:
        """Give zeros for the gradients of weights that the loss does not depend on."""
        import tensorflow as tf

        pairs = list(zip(gradients, self._trainable, strict=True))
        self._idle = [v.path for gradient, v in pairs if gradient is None]
        return [tf.zeros_like(v.value) if g is None else g for g, v in pairs]

    def _evaluate_steps(
        self,
        X: Any,
        sample_weight: Any,
        targets: Any,
        order: Any,
        batch_size: Any,
        *totals: Any,
    ) -> Any:
        """Sum the loss over the batches of `order`, in the graph."""
        import tensorflow as tf

        def step(i: Any, *totals: Any) -> Any:
            _, x, w = self._batch(X, sample_weight, order, batch_size, i)
            return i + 1, *add(totals, self._batch_loss(x, w))

        n_steps = (tf.size(order) + batch_size - 1) // batch_size
        return self._loop(step, n_steps, totals)

    def _loop(self, step: Callable, n_steps: Any, totals: tuple) -> Any:
        import tensorflow as tf

        _, *totals = tf.while_loop(
            lambda i, *_: i < n_steps,
            step,
            (tf.constant(0), *totals),
            parallel_iterations=1,
        )
        return totals

    def _batch(
        self, X: Any, sample_weight: Any, order: Any, batch_size: Any, i: Any
    ) -> tuple[Any, Any, Any]:
        import tensorflow as tf

        rows = order[i * batch_size : (i + 1) * batch_size]
        x = tf.cast(tf.gather(X, rows), self._spec.dtype)
        return rows, x, tf.gather(sample_weight, rows)


def add(totals: tuple, sums: Losses) -> list:
    import tensorflow as tf

    pairs = zip(totals, sums.reported(), strict=True)
    return [total + tf.cast(value, tf.float64) for total, value in pairs]


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
