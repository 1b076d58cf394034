"""The TensorFlow side: one network, traced once, whatever the number of fits.

A `Program` is looked up by what it computes. It holds no data and no result of
any fit: weights go in and come out as NumPy arrays. A fit leases a `Trainer`,
which owns the variables; fits that run at the same time lease different ones.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import numpy as np

from skae._models import (
    Spec,
    build_models,
    ctrl_c_waits,
    draw,
    find_initializers,
    fingerprint,
    resolve,
    sample_loss,
)
from skae._quiet import quiet_unless_asked

# Programs kept for later fits; the one used longest ago is let go first.
MAX_PROGRAMS = 32
# One call into TensorFlow lasts about this many seconds, so that Ctrl-C is heard.
SECONDS_PER_CALL = 0.25
# Rows that `encode` and `decode` send through the network at once.
BLOCK_ROWS = 1024
# Bytes, of which an array that TensorFlow takes as it is begins at a multiple.
_ALIGNMENT = 64
# Data above this size are streamed; others cross over once for all epochs.
MAX_RESIDENT_BYTES = 256 * 2**20


_programs: OrderedDict[tuple, "Program"] = OrderedDict()
_lock = threading.Lock()
_tensorflow_pid: int | None = None


def get_program(spec: Spec) -> "Program":
    """Give the program for a spec: the one at hand, or a new one."""
    _refuse_fork()
    key = tuple(fingerprint(part) for part in spec)
    with _lock:
        if key not in _programs:
            _programs[key] = Program(spec)
            while len(_programs) > MAX_PROGRAMS:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        return _programs[key]


def _after_fork() -> None:
    global _lock, _tensorflow_pid
    _lock = threading.Lock()
    # The user may have run TensorFlow, too; nothing public says whether it ran.
    if _tensorflow_pid is None and "tensorflow" in sys.modules:
        _tensorflow_pid = os.getppid()


if hasattr(os, "register_at_fork"):  # absent on Windows
    # A fork may happen while another thread holds the lock.
    os.register_at_fork(after_in_child=_after_fork)


def _refuse_fork() -> None:
    """Raise where TensorFlow would wait for ever for threads that a fork lost."""
    global _tensorflow_pid
    if _tensorflow_pid is None:
        _tensorflow_pid = os.getpid()
    if _tensorflow_pid != os.getpid():
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had already run, and "
            "TensorFlow does not survive a fork. Start workers with joblib's 'loky' "
            "backend or with multiprocessing.get_context('spawn'), or fork before the "
            "first fit."
        )


def _spare_gpu_memory() -> None:
    """Let TensorFlow take the memory of GPUs as it needs it, and not all at once.

    Whatever the user has decided about them stays, and so does a GPU in use.
    """
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    decided = "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ or any(
        tf.config.experimental.get_memory_growth(gpu) is not None
        or tf.config.get_logical_device_configuration(gpu) is not None
        for gpu in gpus
    )
    for gpu in [] if decided else gpus:
        with suppress(RuntimeError):  # raised once TensorFlow has begun
            tf.config.experimental.set_memory_growth(gpu, True)


class Program:
    """One network with its loss and its optimizer; see the module's docstring."""

    # Whether its trainers can draw latents to targets.
    draws = True

    def __init__(self, spec: Spec):
        # The user's network may change after the fit; the program may not.
        self.spec = spec._replace(network=copy.deepcopy(spec.network))
        self._idle: list[Trainer] = []
        self._lock = threading.Lock()
        with quiet_unless_asked():
            _spare_gpu_memory()
            self._encoder, self._decoder = build_models(self.spec)
        self._initializers = [
            initializer
            for model in (self._encoder, self._decoder)
            for initializer in find_initializers(model)
        ]

    @property
    def n_encoder_weights(self) -> int:
        return len(self._encoder.weights)

    def initial_weights(self, random_state: np.random.RandomState) -> list[np.ndarray]:
        """Draw all weights by the layers' own initializers, a seed for each."""
        variables = [*self._encoder.weights, *self._decoder.weights]
        return [
            draw(initializer, random_state, variable)
            for initializer, variable in zip(self._initializers, variables, strict=True)
        ]

    def encode(self, weights: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        return self._run(self._encode_traced, weights[: self.n_encoder_weights], X)

    def decode(self, weights: Sequence[np.ndarray], Z: np.ndarray) -> np.ndarray:
        return self._run(self._decode_traced, weights[self.n_encoder_weights :], Z)

    @contextmanager
    def lease(self) -> Iterator["Trainer"]:
        """Lend a trainer for the time of a fit."""
        with self._lock:
            trainer = self._idle.pop() if self._idle else None
        if trainer is None:
            trainer = self._new_trainer()
        try:
            yield trainer
        except Exception:
            self._give_back(trainer)
            raise
        # Ctrl-C may strike in the middle of a trace: that trainer is let go.
        self._give_back(trainer)

    def _give_back(self, trainer: "Trainer") -> None:
        with self._lock:
            self._idle.append(trainer)

    def _new_trainer(self) -> "Trainer":
        return Trainer(self.spec)

    @cached_property
    def _encode_traced(self) -> Callable:
        return self._trace(self._encoder)

    @cached_property
    def _decode_traced(self) -> Callable:
        return self._trace(self._decoder)

    def _trace(self, model: Any) -> Callable:
        """Trace a model as a pure function of its weights and a batch."""
        import tensorflow as tf

        def run(*arguments: Any) -> Any:
            *weights, x = arguments
            given = {id(v): w for v, w in zip(model.weights, weights, strict=True)}
            outputs, _ = model.stateless_call(
                [given[id(v)] for v in model.trainable_variables],
                # The states of random generators are no weights; nothing draws here.
                [given.get(id(v), v.value) for v in model.non_trainable_variables],
                x,
                training=False,
            )
            return outputs

        signature = [tf.TensorSpec(v.shape, v.dtype) for v in model.weights]
        signature.append(tf.TensorSpec(model.inputs[0].shape, self.spec.dtype))
        function = tf.function(run, input_signature=signature, autograph=False)
        with quiet_unless_asked():
            with ctrl_c_waits():
                traced = function.get_concrete_function()
            # What TensorFlow notes, it notes in the first run.
            shape = [1 if n is None else n for n in model.inputs[0].shape]
            traced(*(v.value for v in model.weights), tf.zeros(shape, self.spec.dtype))
        return traced

    def _run(
        self, function: Callable, weights: Sequence[np.ndarray], X: np.ndarray
    ) -> np.ndarray:
        import tensorflow as tf

        _refuse_fork()
        tensors = [tf.convert_to_tensor(weight) for weight in weights]

        def as_dtype(part: np.ndarray) -> np.ndarray:
            return part.astype(self.spec.dtype, copy=False)

        parts = [
            function(*tensors, tf.convert_to_tensor(as_dtype(part))).numpy()
            for part in np.split(X, range(BLOCK_ROWS, len(X), BLOCK_ROWS))
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


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
        self._optimizer = _make_optimizer(spec.optimizer, self._trainable)
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


class _FusedAdam:
    """Keras' Adam by TensorFlow's own kernel: one pass over each variable."""

    def __init__(self, optimizer: Any, variables: list):
        import tensorflow as tf

        self._constants = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
        self._variables = [variable.value for variable in variables]
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._moments = [
            tf.Variable(tf.zeros_like(variable), trainable=False)
            for _ in range(2)
            for variable in self._variables
        ]

    def apply(self, gradients: list, rate: Any) -> None:
        import tensorflow as tf

        # `cast` would take them through float32.
        beta_1, beta_2, epsilon = (tf.constant(c, rate.dtype) for c in self._constants)
        step = tf.cast(self._step.assign_add(1), rate.dtype)
        n = len(self._variables)
        moments = zip(self._moments[:n], self._moments[n:], strict=True)
        for variable, gradient, (mean, square) in zip(
            self._variables, gradients, moments, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=beta_1**step,
                beta2_power=beta_2**step,
                lr=rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=epsilon,
                grad=gradient,
            )

    def state(self) -> list[np.ndarray]:
        return [v.numpy().copy() for v in (self._step, *self._moments)]

    def load(self, state: Sequence | None) -> None:
        import tensorflow as tf

        for i, variable in enumerate((self._step, *self._moments)):
            variable.assign(tf.zeros_like(variable) if state is None else state[i])

    def finish(self) -> None:
        pass


class _KerasOptimizer:
    """Any other optimizer of Keras."""

    def __init__(self, optimizer: Any, variables: list):
        self._optimizer = optimizer
        self._trainable = variables
        optimizer.build(variables)
        self._fresh = self.state()

    def apply(self, gradients: list, rate: Any) -> None:
        self._optimizer.learning_rate = rate
        self._optimizer.apply(gradients, self._trainable)

    def state(self) -> list[np.ndarray]:
        return [variable.numpy().copy() for variable in self._optimizer.variables]

    def load(self, state: Sequence | None) -> None:
        values = self._fresh if state is None else state
        for variable, value in zip(self._optimizer.variables, values, strict=True):
            variable.assign(value)

    def finish(self) -> None:
        self._optimizer.finalize_variable_values(self._trainable)


def _make_optimizer(optimizer: Any, variables: list) -> Any:
    import keras

    optimizer = resolve("optimizer", optimizer)
    config = optimizer.get_config()
    copied = type(optimizer).from_config({**config, "learning_rate": 0.0})
    plain = keras.optimizers.Adam().get_config()
    own = ("name", "learning_rate", "beta_1", "beta_2", "epsilon")
    if type(optimizer) is keras.optimizers.Adam and all(
        config[key] == plain[key] for key in plain if key not in own
    ):
        return _FusedAdam(copied, variables)
    return _KerasOptimizer(copied, variables)
