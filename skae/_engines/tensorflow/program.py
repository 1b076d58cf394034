"""The TensorFlow side: one network, traced once, whatever the number of fits.

A `Program` is looked up by what it computes. It holds no data and no result of
any fit: weights go in and come out as NumPy arrays. A fit leases a `Trainer`,
which owns the variables; fits that run at the same time lease different ones.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import operator
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from skae._copies import copy_with_keras
from skae._engines.protocol import Weights, refuse_other_shapes
from skae._engines.tensorflow.initializers import draw, find_starts
from skae._engines.tensorflow.trainer import Trainer
from skae._fingerprints import fingerprint
from skae._interrupts import ctrl_c_waits
from skae._layer_values import key_of
from skae._models import Spec, build_models, latent_models
from skae._objectives.objective import layers_that_draw
from skae._process import import_tensorflow, quiet, refuse_fork, refuse_graph
from skae._tiles import Tiles

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
    key = key_of_spec(spec)
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


def key_of_spec(spec: Spec) -> Hashable:
    """Give a key that is equal only for specs that surely compute the same."""
    drawing = layers_that_draw(spec.objective)
    rest = fingerprint(tuple(spec._replace(objective=None)))
    return rest, key_of(spec.objective, drawing)


class Program:
    """One network with its loss and its optimizer; see the module's docstring."""

    def __init__(self, spec: Spec):
        # The user's network may change after the fit; the program may not.
        self.spec = spec._replace(
            network=copy_with_keras(spec.network, "the network"),
            objective=copy_with_keras(spec.objective, "the objective"),
        )
        self._idle: list[Trainer] = []
        self._lock = threading.Lock()
        self._encoder, self._decoder = build_models(self.spec)
        self._latents, _ = latent_models(self._encoder, self._decoder, self.spec)
        self._tiles = {
            name: Tiles(self._model(name), BLOCK_ROWS) for name in ("encode", "decode")
        }
        self._traced: dict[str, Callable] = {}
        self._starts = [
            start
            for model in (self._encoder, self._decoder)
            for start in find_starts(model)
        ]

    @property
    def n_encoder_weights(self) -> int:
        return len(self._encoder.weights)

    def initial_weights(self, random_state: np.random.RandomState) -> list[np.ndarray]:
        """Draw weights by the layers' own initializers; keep those that were set."""
        variables = [*self._encoder.weights, *self._decoder.weights]
        return [
            draw(start, random_state, variable)
            for start, variable in zip(self._starts, variables, strict=True)
        ]

    def check(self, weights: Weights) -> None:
        """Refuse weights whose shapes are not those of this network."""
        variables = [*self._encoder.weights, *self._decoder.weights]
        refuse_other_shapes(weights, [tuple(v.shape) for v in variables])

    def encode(self, weights: Weights, X: np.ndarray) -> np.ndarray:
        return self.in_blocks("encode", self._part("encode", weights), X)

    def decode(self, weights: Weights, Z: np.ndarray) -> np.ndarray:
        return self.in_blocks("decode", self._part("decode", weights), Z)

    def bound(self, name: str, weights: Weights) -> Callable:
        """Give "encode" or "decode" as a traced function of a batch alone."""
        import tensorflow as tf

        part, signature = self._part(name, weights), self._signature(self._model(name))
        function = tf.function(part, input_signature=[signature], autograph=False)
        return _first_run(function, signature)

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

    def _model(self, name: str) -> Any:
        return self._latents if name == "encode" else self._decoder

    def _signature(self, model: Any) -> Any:
        import tensorflow as tf

        return tf.TensorSpec(model.inputs[0].shape, self.spec.dtype)

    def _part(self, name: str, weights: Weights) -> Callable:
        """Give "encode" or "decode" as a function of a batch."""
        import tensorflow as tf

        refuse_fork()
        # Two threads may trace at the same time; what one has traced serves both.
        if name not in self._traced:
            self._traced.setdefault(name, self._trace(self._model(name)))
        traced, n = self._traced[name], self.n_encoder_weights
        mine = weights[:n] if name == "encode" else weights[n:]
        tensors = [tf.convert_to_tensor(weight) for weight in mine]
        return lambda batch: traced(*tensors, batch)

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
            return tf.cast(outputs, self.spec.dtype)

        signature = [tf.TensorSpec(v.shape, v.dtype) for v in model.weights]
        signature.append(self._signature(model))
        function = tf.function(run, input_signature=signature, autograph=False)
        return _first_run(function, *signature)

    def in_blocks(self, name: str, function: Callable, X: np.ndarray) -> np.ndarray:
        """Apply "encode" or "decode" of a batch to rows, some at a time."""
        import tensorflow as tf

        refuse_fork()
        refuse_graph()

        def run(block: np.ndarray) -> np.ndarray:
            block = block.astype(self.spec.dtype, copy=False)
            return function(tf.convert_to_tensor(block)).numpy()

        return self._tiles[name].apply(run, X)


def _first_run(function: Any, *signature: Any) -> Callable:
    """Trace a function, and run it once: what TensorFlow notes, it notes then."""
    import tensorflow as tf

    zeros = [
        tf.zeros([1 if n is None else n for n in given.shape], given.dtype)
        for given in signature
    ]
    with quiet():
        with ctrl_c_waits():
            traced = function.get_concrete_function()
        traced(*zeros)
    return traced


class Inference:
    """A program with the weights of one estimator.

    To bring weights to TensorFlow takes longer than the network takes for a sample.
    Threads that do so at the same time hand the interpreter to one another all the
    while, and each waits for all the others.
    """

    def __init__(self, program: Program):
        self._program = program
        # Weights, and the functions that hold them; None for who asked only once.
        self._bound: tuple[list[np.ndarray], dict[str, Callable | None]] = ([], {})

    def encode(self, weights: Weights, X: np.ndarray) -> np.ndarray:
        function = self._function("encode", weights)
        if function is None:
            return self._program.encode(weights, X)
        return self._program.in_blocks("encode", function, X)

    def decode(self, weights: Weights, Z: np.ndarray) -> np.ndarray:
        function = self._function("decode", weights)
        if function is None:
            return self._program.decode(weights, Z)
        return self._program.in_blocks("decode", function, Z)

    def _function(self, name: str, weights: Weights) -> Callable | None:
        arrays, functions = self._bound
        if len(arrays) != len(weights) or not all(map(operator.is_, arrays, weights)):
            arrays, functions = list(weights), {}
            self._bound = arrays, functions
        if name not in functions:
            # Of many fits in a search each is asked once, which is not worth it. What
            # is bound is held twice, as arrays and as tensors.
            plain = all(isinstance(weight, np.ndarray) for weight in weights)
            if plain and sum(weight.nbytes for weight in weights) <= MAX_IDLE_BYTES:
                functions[name] = None
        elif functions[name] is None:
            for weight in weights:
                # A change within an array would not be seen; now NumPy refuses it.
                weight.flags.writeable = False
            functions[name] = self._program.bound(name, weights)
        return functions.get(name)
