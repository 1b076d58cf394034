"""Random numbers for the steps of a fit: the same ones with and without TensorFlow.

Numbers follow from a seed, the number of draws so far, and the sample that they are
for: equal samples get equal numbers, wherever they stand in a batch. So a weight of two
does what two copies do, threads draw the rows of a batch each for itself, and both
engines draw alike, number by number: uniforms bit for bit, normals but for the rounding
of log and cos. An objective sees none of this: it calls the methods of a `Draw`.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

# No logarithm of less is taken.
_EPSILON = 1.0e-7
# Of the mixing of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom
# number generators" (2014). Products of such integers lose their upper bits.
_GOLDEN, _MIX_1, _MIX_2 = np.array(
    [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64
).view(np.int64)


class Draw(Protocol):
    """What draws for an objective; each call takes the next numbers."""

    def normal(self, x: Any) -> Any:
        """Draw standard normal numbers, as many as `x` has and of its dtype."""

    def uniform(self, x: Any) -> Any:
        """Draw numbers of [0, 1), as many as `x` has and of its dtype."""

    def kept(self, x: Any, share: float) -> Any:
        """Draw ones with the probability `share`, and zeros."""

    def hidden(self, x: Any, share: float, samples: Any) -> Any:
        """Give `x` with NaN in place of a value with the probability `share`.

        Rows of equal `samples`, which `x` was made of, have it in the same places.
        """

    def permuted(self, x: Any) -> Any:
        """Put in place of each number of `x` its feature's of another sample.

        In the place of none is one that is missing.
        """

    def state(self) -> np.ndarray:
        """Give the seed and the number of draws so far."""


class NumpyDraw(Draw):
    """Draws in NumPy, from the state of a `keras.random.SeedGenerator`.

    Threads that share a batch have one each, from the same state: `start` is the
    position in the batch of the first row that the thread passes, and `batch` all its
    samples. Without one, what is passed is a batch of its own.
    """

    def __init__(
        self, state: np.ndarray, start: int = 0, batch: np.ndarray | None = None
    ) -> None:
        self._state = np.array(state, dtype=np.uint32)
        self._start = start
        self._batch = batch

    def normal(self, x: np.ndarray) -> np.ndarray:
        seed, width = self._next(), math.prod(x.shape[1:])
        words = _words(self._keys(x), seed, 2 * width, np.right_shift)
        one, other = np.split(_numpy_fractions(words, x.dtype), 2, axis=1)
        radius = np.sqrt(-2 * np.log(np.maximum(one, x.dtype.type(_EPSILON))))
        angle = (other.astype(np.float64) * (2 * np.pi)).astype(x.dtype)
        return (radius * np.cos(angle)).reshape(x.shape)

    def uniform(self, x: np.ndarray) -> np.ndarray:
        width = math.prod(x.shape[1:])
        words = _words(self._keys(x), self._next(), width, np.right_shift)
        return _numpy_fractions(words, x.dtype).reshape(x.shape)

    def kept(self, x: np.ndarray, share: float) -> np.ndarray:
        return (self.uniform(x) < x.dtype.type(share)).astype(x.dtype)

    def hidden(self, x: np.ndarray, share: float, samples: np.ndarray) -> np.ndarray:
        width, keys = math.prod(x.shape[1:]), _numpy_keys(samples)
        chosen = _chosen(keys, self._next(), width, share, np.right_shift)
        return np.where(chosen.reshape(x.shape), x.dtype.type(np.nan), x)

    def permuted(self, x: np.ndarray) -> np.ndarray:
        batch = x if self._batch is None else self._batch
        seed, width = self._next(), math.prod(x.shape[1:])
        order = _words(_numpy_keys(batch), seed, 1, np.right_shift)[:, 0]
        _, first, places = np.unique(order, return_index=True, return_inverse=True)
        mine = places.reshape(-1)[self._start :][: len(x)]
        nobody = np.zeros((1, 1), np.int64)
        words = _words(nobody, seed, width, np.right_shift)
        steps = _bits(words, 32, 20, np.right_shift)
        steps = 1 + steps % max(len(first) - 1, 1)
        donors = (mine[:, np.newaxis] + steps) % len(first)
        flat = batch.reshape(len(batch), width)
        drawn = flat[first[donors], np.arange(width)].reshape(x.shape)
        return np.where(drawn == drawn, drawn, x)

    def state(self) -> np.ndarray:
        return self._state.copy()

    def _keys(self, x: np.ndarray) -> np.ndarray:
        if self._batch is None:
            return _numpy_keys(x)
        return _numpy_keys(self._batch[self._start :][: len(x)])

    def _next(self) -> np.ndarray:
        # As SeedGenerator.next: the seed as it was, then one more draw.
        seed = self._state.astype(np.int64)
        self._state += np.array([0, 1], np.uint32)
        return seed


class KerasDraw(Draw):
    """Draws with TensorFlow, also in a graph, from a `keras.random.SeedGenerator`.

    The batch may have any number of rows, the other dimensions are known. `begin` says
    which samples it is; without it, what is passed are samples.
    """

    def __init__(self, seed_generator: Any) -> None:
        self._seed_generator = seed_generator
        self._of_batch: Any = None

    def begin(self, samples: Any) -> None:
        """Draw for these samples from now on."""
        self._of_batch = _keras_keys(samples)

    def normal(self, x: Any) -> Any:
        import tensorflow as tf

        width = math.prod(x.shape[1:])
        fractions = self._fractions(x, 2 * width)
        one, other = fractions[:, :width], fractions[:, width:]
        radius = tf.sqrt(-2 * tf.math.log(tf.maximum(one, _EPSILON)))
        angle = tf.cast(tf.cast(other, tf.float64) * (2 * np.pi), x.dtype)
        return self._shaped(radius * tf.cos(angle), x)

    def uniform(self, x: Any) -> Any:
        return self._shaped(self._fractions(x, math.prod(x.shape[1:])), x)

    def kept(self, x: Any, share: float) -> Any:
        import tensorflow as tf

        drawn = self.uniform(x)
        return tf.cast(drawn < tf.constant(share, drawn.dtype), drawn.dtype)

    def hidden(self, x: Any, share: float, samples: Any) -> Any:
        import tensorflow as tf

        width, keys = math.prod(x.shape[1:]), _keras_keys(samples)
        chosen = _chosen(keys, self._next(), width, share, tf.bitwise.right_shift)
        return tf.where(self._shaped(chosen, x), tf.constant(np.nan, x.dtype), x)

    def permuted(self, x: Any) -> Any:
        import tensorflow as tf

        seed, width = self._next(), math.prod(x.shape[1:])
        order = _words(self._keys(x), seed, 1, tf.bitwise.right_shift)[:, 0]
        by_order = tf.argsort(order, stable=True)
        ordered = tf.gather(order, by_order)
        kinds, _ = tf.unique(ordered)
        first = tf.gather(by_order, tf.searchsorted(ordered, kinds))
        mine = tf.cast(tf.searchsorted(kinds, order), tf.int64)
        n_kinds = tf.size(kinds, tf.int64)
        shift, nobody = tf.bitwise.right_shift, tf.zeros((1, 1), tf.int64)
        steps = _bits(_words(nobody, seed, width, shift), 32, 20, shift)
        steps = 1 + steps % tf.maximum(n_kinds - 1, 1)
        donors = (mine[:, tf.newaxis] + steps) % n_kinds
        rows = tf.cast(tf.gather(first, donors), tf.int64)
        flat = tf.reshape(x, (-1,))
        drawn = self._shaped(tf.gather(flat, rows * width + np.arange(width)), x)
        return tf.where(tf.equal(drawn, drawn), drawn, x)

    def state(self) -> np.ndarray:
        state: np.ndarray = self._seed_generator.state.numpy()
        return state.astype(np.uint32)

    def _fractions(self, x: Any, width: int) -> Any:
        import tensorflow as tf

        shift = tf.bitwise.right_shift
        words = _words(self._keys(x), self._next(), width, shift)
        n_bits = 24 if x.dtype == tf.float32 else 53
        bits = _bits(words, n_bits, 64 - n_bits, shift)
        return tf.cast(bits, x.dtype) * tf.constant(2.0**-n_bits, x.dtype)

    def _keys(self, x: Any) -> Any:
        return _keras_keys(x) if self._of_batch is None else self._of_batch

    @staticmethod
    def _shaped(drawn: Any, x: Any) -> Any:
        import tensorflow as tf

        return tf.reshape(drawn, (-1, *x.shape[1:]))

    def _next(self) -> Any:
        import tensorflow as tf

        return tf.cast(self._seed_generator.next(), tf.int64)


def _numpy_keys(samples: np.ndarray) -> np.ndarray:
    """Give a number for each sample, as an array of a column."""
    if samples.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"numbers are drawn as float32 or float64, not as {samples.dtype}"
        )
    # All that is missing alike, and no zero with a sign.
    known = np.where(np.isnan(samples), 0, samples) + samples.dtype.type(0)
    words = known.view(np.int64 if samples.dtype == np.float64 else np.int32)
    width = math.prod(samples.shape[1:])
    words = words.reshape(len(samples), width).astype(np.int64)
    keys: np.ndarray = (words * _odd(width)).sum(axis=1, keepdims=True)
    return keys


def _keras_keys(samples: Any) -> Any:
    import tensorflow as tf

    samples = tf.convert_to_tensor(samples)
    known = tf.where(tf.math.is_nan(samples), tf.zeros_like(samples), samples) + 0
    words = tf.bitcast(known, tf.int64 if known.dtype == tf.float64 else tf.int32)
    width = math.prod(samples.shape[1:])
    words = tf.cast(tf.reshape(words, (-1, width)), tf.int64)
    return tf.reduce_sum(words * _odd(width), axis=1, keepdims=True)


def _numpy_fractions(words: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Turn words into numbers of [0, 1), of 24 or of 53 bits."""
    n_bits = 24 if dtype == np.float32 else 53
    bits = _bits(words, n_bits, 64 - n_bits, np.right_shift)
    return bits.astype(dtype) * dtype.type(2.0**-n_bits)


def _odd(width: int) -> np.ndarray:
    """Give an odd number for each column."""
    numbers: np.ndarray = np.arange(1, width + 1) * _GOLDEN | 1
    return numbers


def _words(keys: Any, seed: Any, width: int, shift: Callable) -> Any:
    """Give words of 64 bits for each key, `shift` being NumPy's or TensorFlow's."""
    mixed = keys ^ (_odd(width) * _MIX_1 + seed[:1] * _MIX_2 + seed[1:] * _GOLDEN)
    for factor in (_MIX_1, _MIX_2):
        mixed = (mixed ^ shift(mixed, np.int64(29))) * factor
    return mixed


def _chosen(keys: Any, seed: Any, width: int, share: float, shift: Callable) -> Any:
    """Choose values with the probability `share`."""
    words = _words(keys, seed, width, shift)
    return _bits(words, 32, 20, shift) < int(share * 2**32)


def _bits(words: Any, count: int, start: int, shift: Callable) -> Any:
    """Give so many bits of words, as numbers from 0 on; the lowest bits mix least."""
    return shift(words, np.int64(start)) & (2**count - 1)


def glorot_uniform(
    random_state: np.random.RandomState, shape: Sequence[int], dtype: Any
) -> np.ndarray:
    """Draw a kernel by Glorot and Bengio (2010), with the fans of Keras."""
    *window, fan_in, fan_out = shape if len(shape) > 1 else (*shape, *shape)
    field = math.prod(window)
    limit = np.sqrt(6 / (field * fan_in + field * fan_out))
    return random_state.uniform(-limit, limit, shape).astype(dtype)
