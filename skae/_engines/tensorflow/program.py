"""The TensorFlow side: one network, traced once, whatever the number of fits.

A `Program` is looked up by what it computes. It holds no data and no result of
any fit: weights go in and come out as NumPy arrays. A fit leases a `Trainer`,
which owns the variables; fits that run at the same time lease different ones.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from skae._engines.protocol import Weights, refuse_other_shapes
from skae._engines.tensorflow.initializers import draw, find_initializers
from skae._engines.tensorflow.trainer import Trainer
from skae._fingerprints import fingerprint
from skae._interrupts import ctrl_c_waits
from skae._models import Spec, build_models, latent_models
from skae._process import import_tensorflow, quiet, refuse_fork, refuse_graph

# Programs kept for later fits; the one used longest ago is let go first.
MAX_PROGRAMS = 32
# Trainers whose weights take more are let go after a fit.
MAX_IDLE_BYTES = 64 * 2**20
# Rows that `encode` and `decode` send through the network at once.
BLOCK_ROWS = 1024
_programs: OrderedDict[Hashable, "Program"] = OrderedDict()
_lock = threading.Lock()


def get_program(spec: Spec) -> "Program":
    """Give the program for a spec: the one at hand, or a new one."""
    refuse_fork()
    import_tensorflow()  # before the lock: see `refuse_fork`
    refuse_graph()
    key = fingerprint(tuple(spec))
    with _lock:
        program = _programs.get(key)
    # Without the lock: the user's network may fit transformers of its own while it is
    # built, and a fit in another thread need not wait.
    program = program or Program(spec)
    with _lock:
        if key not in _programs:
            _programs[key] = program
            while len(_programs) > MAX_PROGRAMS:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        return _programs[key]


class Program:
    """One network with its loss and its optimizer; see the module's docstring."""

    def __init__(self, spec: Spec):
        # The user's network may change after the fit; the program may not.
        self.spec = spec._replace(
            network=copy.deepcopy(spec.network),
            objective=copy.deepcopy(spec.objective),
        )
        self._idle: list[Trainer] = []
        self._lock = threading.Lock()
        self._encoder, self._decoder = build_models(self.spec)
        self._latents, _ = latent_models(self._encoder, self._decoder, self.spec)
        self._traced: dict[str, Callable] = {}
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

    def check(self, weights: Weights) -> None:
        """Refuse weights whose shapes are not those of this network."""
        variables = [*self._encoder.weights, *self._decoder.weights]
        refuse_other_shapes(weights, [tuple(v.shape) for v in variables])

    def encode(self, weights: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        mine = weights[: self.n_encoder_weights]
        return self._run(self._traced_once("encode", self._latents), mine, X)

    def decode(self, weights: Sequence[np.ndarray], Z: np.ndarray) -> np.ndarray:
        mine = weights[self.n_encoder_weights :]
        return self._run(self._traced_once("decode", self._decoder), mine, Z)

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
        # What is kept for the next fit takes memory as long as the program lives.
        if trainer.n_bytes <= MAX_IDLE_BYTES:
            with self._lock:
                self._idle.append(trainer)

    def _new_trainer(self) -> "Trainer":
        return Trainer(self.spec)

    def _traced_once(self, name: str, model: Any) -> Callable:
        # Two threads may trace at the same time; what one has traced serves both.
        if name not in self._traced:
            self._traced.setdefault(name, self._trace(model))
        return self._traced[name]

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
        with quiet():
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
        refuse_graph()
        tensors = [tf.convert_to_tensor(weight) for weight in weights]

        def as_dtype(part: np.ndarray) -> np.ndarray:
            return part.astype(self.spec.dtype, copy=False)

        parts = [
            function(*tensors, tf.convert_to_tensor(as_dtype(part))).numpy()
            for part in np.split(X, range(BLOCK_ROWS, len(X), BLOCK_ROWS))
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
