"""The TensorFlow side: one network, traced once, whatever the number of fits.

A `Program` is looked up by what it computes. It holds no data and no result of
any fit: weights go in and come out as NumPy arrays. A fit leases a `Trainer`,
which owns the variables; fits that run at the same time lease different ones.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from skae._engines.tensorflow.initializers import draw, find_initializers
from skae._engines.tensorflow.process import (
    quiet_unless_asked,
    refuse_fork,
    spare_gpu_memory,
)
from skae._engines.tensorflow.trainer import Trainer
from skae._interrupts import ctrl_c_waits
from skae._models import Spec, build_models, fingerprint

# Programs kept for later fits; the one used longest ago is let go first.
MAX_PROGRAMS = 32
# Rows that `encode` and `decode` send through the network at once.
BLOCK_ROWS = 1024
_programs: OrderedDict[tuple, "Program"] = OrderedDict()
_lock = threading.Lock()


def get_program(spec: Spec) -> "Program":
    """Give the program for a spec: the one at hand, or a new one."""
    refuse_fork()
    key = tuple(fingerprint(part) for part in spec)
    with _lock:
        if key not in _programs:
            _programs[key] = Program(spec)
            while len(_programs) > MAX_PROGRAMS:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        return _programs[key]


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
            spare_gpu_memory()
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

        refuse_fork()
        tensors = [tf.convert_to_tensor(weight) for weight in weights]

        def as_dtype(part: np.ndarray) -> np.ndarray:
            return part.astype(self.spec.dtype, copy=False)

        parts = [
            function(*tensors, tf.convert_to_tensor(as_dtype(part))).numpy()
            for part in np.split(X, range(BLOCK_ROWS, len(X), BLOCK_ROWS))
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _after_fork() -> None:
    # A fork may happen while another thread holds the lock.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # absent on Windows
    os.register_at_fork(after_in_child=_after_fork)
