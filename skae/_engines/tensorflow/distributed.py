"""Training on several devices or machines, through `tf.distribute`.

A strategy whose scope the user has entered is left for the time of a fit, so that
only the variables of the trainer belong to it. Every worker goes through the same
batches; each replica computes on its share of the rows of a batch, and one
all-reduce a step adds up the gradients, so that the weights stay equal everywhere.
A share is cut from each batch, or is what a worker has read of its rows, and no more.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from skae._engines.protocol import Put, Sums
from skae._engines.tensorflow.program import MAX_PROGRAMS, Program, key_of_spec
from skae._engines.tensorflow.trainer import Trainer, add
from skae._engines.tensorflow.workers import in_words, local_replicas
from skae._models import Spec

# Bytes of rows that cross over to TensorFlow in one call.
MAX_PART_BYTES = 32 * 2**20
# Steps in one call, however fast they are.
_MOST_STEPS = 500


def distributed_program(spec: Spec, strategy: Any) -> "DistributedProgram":
    """Give the program for a spec under a strategy: the one at hand, or a new one.

    The strategy itself holds its programs: they need it, and go with it.
    """
    import tensorflow as tf

    if isinstance(strategy, tf.distribute.ParameterServerStrategy):
        raise ValueError(
            "Expected a strategy of tf.distribute that trains synchronously, such as "
            "MirroredStrategy or MultiWorkerMirroredStrategy. Got "
            f"{type(strategy).__name__} instead."
        )
    programs = vars(strategy).setdefault("_skae_programs", OrderedDict())
    key = key_of_spec(spec)
    if key not in programs:
        programs[key] = DistributedProgram(spec, strategy)
        while len(programs) > MAX_PROGRAMS:
            programs.popitem(last=False)
    programs.move_to_end(key)
    return programs[key]


def share(sizes: np.ndarray, replica: int, n_replicas: int) -> tuple:
    """Give a replica's share of batches of these sizes, which follow each other.

    Returns the positions of its rows, which of them count, and where among them each
    batch begins. Layers may not like a batch of nothing: a replica for which no row is
    left takes one that does not count.
    """
    starts = np.cumsum(sizes) - sizes
    first = starts + sizes * replica // n_replicas
    counts = starts + sizes * (replica + 1) // n_replicas - first
    counted = counts > 0
    # Behind the last row there is none.
    first = np.where(counted, first, np.minimum(starts, max(0, sizes.sum() - 1)))
    counts = np.maximum(counts, 1)
    ends = np.cumsum(counts)
    begins = ends - counts
    positions = np.arange(ends[-1]) + np.repeat(first - begins, counts)
    return positions, np.repeat(counted, counts), np.append(begins, ends[-1])


class DistributedProgram(Program):
    """A program whose trainers compute on all devices of a strategy."""

    def __init__(self, spec: Spec, strategy: Any):
        super().__init__(spec)
        self._strategy = strategy

    @contextmanager
    def lease(self) -> Iterator[Trainer]:
        with in_words(self._strategy), super().lease() as trainer:
            yield trainer

    def _new_trainer(self) -> "DistributedTrainer":
        return DistributedTrainer(self.spec, self._strategy)


class DistributedTrainer(Trainer):
    """A trainer with a copy of the variables on each device of a strategy."""

    def __init__(self, spec: Spec, strategy: Any):
        self._strategy = strategy
        with strategy.scope():
            super().__init__(spec)
        trainable = {id(variable) for variable in self._trainable}
        # Integers count what is the same on all replicas.
        self._statistics = [
            v
            for v in self._weights
            if id(v) not in trainable and "int" not in str(v.dtype)
        ]
        # Keras' optimizers would add up once more what is added up already.
        own = getattr(self._optimizer, "_optimizer", None)
        if own is not None:
            own._all_reduce_sum_gradients = lambda gradients: gradients
        self._n_replicas = strategy.num_replicas_in_sync
        self._replicas = local_replicas(strategy)
        self._measured = 0.0

    def put(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        targets: np.ndarray | None = None,
    ) -> Put:
        """Leave the data where they are: each step takes the rows of its share."""
        return X, sample_weight, targets, False

    def put_own(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        targets: np.ndarray | None = None,
    ) -> Put:
        """Do so with rows that all are of this worker's share.

        In an order of rows, -1 stands for those of others.
        """
        return X, sample_weight, targets, True

    def put_targets(self, put: Put, targets: np.ndarray) -> Put:
        return *put[:2], targets, put[3]

    def train(
        self,
        put: Put,
        order: np.ndarray,
        rates: np.ndarray,
        batch_size: int,
        sums: Sums,
    ) -> Sums:
        """Take a step a batch; add what it comes to, to `sums`."""
        totals = np.array(self._begun(sums))
        done = 0
        while done < len(rates):
            n_steps = self._shared_steps_a_call(put, batch_size)
            some_rates = rates[done : done + n_steps].astype(self._spec.dtype)
            rows = order[done * batch_size : (done + n_steps) * batch_size]
            start, new = time.perf_counter(), not self._traced
            *added, seconds = self._call_shared(
                self._train_shared,
                put,
                rows,
                batch_size,
                some_rates,
                np.array(self._strength, self._spec.dtype),
                np.array(self._penalty_share, self._spec.dtype),
                self._measured,
                *totals,
            )
            # Added up step by step: how many steps a call takes changes no bit.
            totals = np.array(added)
            # The first call also traces, and says nothing about a step.
            elapsed = (time.perf_counter() - start) / len(some_rates)
            self._measured = 0.0 if new else elapsed
            # What all workers measured before is the same number on all of them.
            self._seconds_per_step = seconds / self._n_replicas or None
            done += len(some_rates)
        return float(totals[0]), float(totals[1])

    def evaluate(self, put: Put, rows: np.ndarray, batch_size: int) -> Sums:
        """Give the sums over the rows."""
        totals = np.zeros(self._batch_loss.n_sums)
        # Parts of one size, whatever a step takes: how sums are cut decides their bits.
        part = batch_size * self._most_steps_a_call(put, batch_size)
        for start in range(0, len(rows), part):
            some = rows[start : start + part]
            totals += self._call_shared(self._evaluate_shared, put, some, batch_size)
        return float(totals[0]), float(totals[1])

    def _shared_steps_a_call(self, put: Put, batch_size: int) -> int:
        most = self._most_steps_a_call(put, batch_size)
        return min(self._steps_a_call(), most)

    def _most_steps_a_call(self, put: Put, batch_size: int) -> int:
        X = put[0]
        bytes_a_step = X.nbytes / len(X) * batch_size / self._n_replicas
        return min(_MOST_STEPS, max(1, int(MAX_PART_BYTES / bytes_a_step)))

    def _call_shared(
        self,
        function: Callable,
        put: Put,
        rows: np.ndarray,
        batch_size: int,
        *more: Any,
    ) -> list[float]:
        """Call a function of each local replica's rows, weights and batches."""
        import tensorflow as tf

        X, sample_weight, targets, own = put
        if targets is None:
            targets = np.zeros((len(X), self._spec.latent_dim), self._spec.dtype)
        starts = np.arange(0, len(rows), batch_size)
        sizes = np.minimum(batch_size, len(rows) - starts)
        first, n_replicas = 0, self._n_replicas
        if own:
            sizes = np.add.reduceat(rows >= 0, starts, dtype=np.int64)
            rows = rows[rows >= 0] if sizes.any() else np.zeros(1, np.int64)
            first, n_replicas = self._replicas[0], len(self._replicas)
        arguments = []
        for replica in self._replicas:
            positions, counted, begins = share(sizes, replica - first, n_replicas)
            mine = rows[positions]
            w = np.where(counted, sample_weight[mine], 0).astype(self._spec.dtype)
            places = targets[mine].astype(self._spec.dtype, copy=False)
            arguments += [X[mine], w, places, begins.astype(np.int32)]
        arguments += more
        tensors = [tf.convert_to_tensor(argument) for argument in arguments]
        results = self._run_traced(function, tensors)
        return [float(value) for value in results]

    def _train_shared(self, *arguments: Any) -> Any:
        """Train on the batches, in the graph; the replicas' shares come first."""
        import tensorflow as tf

        n_sums = self._batch_loss.n_sums
        *tensors, rates, strength, penalty_share, measured = arguments[:-n_sums]
        totals = arguments[-n_sums:]
        shares = self._to_replicas(tensors)

        def replica_step(
            X: Any, w: Any, T: Any, begins: Any, i: Any, rate: Any, measured: Any
        ) -> Any:
            rows = slice(begins[i], begins[i + 1])
            x = tf.cast(X[rows], self._spec.dtype)
            with tf.GradientTape() as tape:
                sums = self._batch_loss(
                    x,
                    w[rows],
                    T[rows],
                    strength,
                    penalty_share,
                    root=self._root,
                    training=True,
                )
                objective = sums.loss + sums.drawn
            trainable = [variable.value for variable in self._trainable]
            gradients = self._connected(tape.gradient(objective, trainable))
            measured = tf.cast(measured, sums.loss.dtype)
            results = self._add_up([*gradients, *sums.reported(), measured])
            gradients, results = results[: -n_sums - 1], results[-n_sums - 1 :]
            means = [g / tf.cast(results[1], g.dtype) for g in gradients]
            self._optimizer.apply(means, rate)
            return [tf.cast(value, tf.float64) for value in results]

        def step(i: Any, *totals: Any) -> Any:
            results = self._strategy.run(replica_step, (*shares, i, rates[i], measured))
            # After the all-reduce they are equal on all replicas.
            *sums, seconds = map(self._first, results)
            added = [t + s for t, s in zip(totals[:-1], sums, strict=True)]
            return i + 1, *added, seconds

        zero = tf.constant(0, tf.float64)
        _, *results = tf.while_loop(
            lambda i, *_: i < tf.size(rates),
            step,
            (tf.constant(0), *totals, zero),
            parallel_iterations=1,
        )
        if self._statistics:
            self._strategy.run(self._average_statistics)
        return results

    def _connected(self, gradients: Sequence) -> list:
        """Say the shapes too: TensorFlow does not know those that loops give."""
        import tensorflow as tf

        pairs = zip(super()._connected(gradients), self._trainable, strict=True)
        return [tf.ensure_shape(g, v.shape) for g, v in pairs]

    def _evaluate_shared(self, *shares: Any) -> Any:
        """Sum the loss over the batches, in the graph."""
        import tensorflow as tf

        def replica_sums(X: Any, w: Any, T: Any, begins: Any) -> Any:
            del T  # evaluation draws latent vectors nowhere

            def step(i: Any, *totals: Any) -> Any:
                rows = slice(begins[i], begins[i + 1])
                x = tf.cast(X[rows], self._spec.dtype)
                return i + 1, *add(totals, self._batch_loss(x, w[rows]))

            zeros = [tf.constant(0, tf.float64)] * self._batch_loss.n_sums
            _, *totals = tf.while_loop(
                lambda i, *_: i < tf.size(begins) - 1,
                step,
                (tf.constant(0), *zeros),
                parallel_iterations=1,
            )
            return self._add_up(totals)

        results = self._strategy.run(replica_sums, self._to_replicas(shares))
        return [self._first(result) for result in results]

    def _to_replicas(self, tensors: Sequence) -> tuple:
        """Give each replica its own of the tensors, four of which are a share."""
        n = len(tensors) // len(self._replicas)
        return tuple(
            self._strategy.experimental_distribute_values_from_function(
                lambda context, i=i: tensors[
                    n * self._replicas.index(context.replica_id_in_sync_group) + i
                ]
            )
            for i in range(n)
        )

    def _first(self, value: Any) -> Any:
        return self._strategy.experimental_local_results(value)[0]

    def _average_statistics(self) -> None:
        """Average over the replicas what each has gathered on its own rows."""
        values = self._add_up([variable.value for variable in self._statistics])
        for variable, value in zip(self._statistics, values, strict=True):
            variable.assign(value / self._n_replicas)

    def _add_up(self, tensors: Sequence) -> list:
        """Sum tensors over all replicas, by one exchange."""
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
        # Layers may have a dtype of their own.
        dtype = self._spec.dtype
        flat = tf.concat([tf.reshape(tf.cast(t, dtype), [-1]) for t in tensors], 0)
        context = tf.distribute.get_replica_context()
        flat = context.all_reduce(tf.distribute.ReduceOp.SUM, flat)
        parts = tf.split(flat, [math.prod(tensor.shape) for tensor in tensors])
        return [
            tf.cast(tf.reshape(part, tensor.shape), tensor.dtype)
            for part, tensor in zip(parts, tensors, strict=True)
        ]
