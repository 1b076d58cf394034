"""Random numbers for the steps of a fit: the same ones with and without TensorFlow.

Both engines are to give the same model, hence `uniform` and `normal` give in NumPy what
`keras.random` gives on the TensorFlow backend, number by number: uniforms bit for bit,
normals but for the rounding of log, sin and cos. An objective sees none of this: it
calls the methods of a `Draw`.

The numbers come from Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3" (2011), which NumPy has not (its Philox is the 4x64). It turns any counter
into four words of 32 bits, hence threads can draw the rows of a batch each for itself.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

_WORD = 0xFFFFFFFF
# The key under which TensorFlow scrambles seeds: `GenerateKey` in its
# core/kernels/stateless_random_ops.cc.
_SCRAMBLE = 0x3EC8F720, 0x02461E29
# Keras takes seeds modulo this number: `_cast_seed` of backend/tensorflow/random.py.
_MODULUS = 2**31 - 2
# TensorFlow's `BoxMullerFloat` and `BoxMullerDouble` take no logarithm of less.
_EPSILON = 1.0e-7
# Counters at a time: few calls of NumPy, on arrays that stay in the cache of a core.
_BLOCK = 8192

Shape = Sequence[int]
Seed = Sequence[int] | np.ndarray


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

        Rows of equal samples, which `x` was made of, have it in the same places: a
        weight of two does what two copies do.
        """

    def permuted(self, x: Any) -> Any:
        """Draw each number of `x` anew from its feature's, row by row of the batch.

        Where what is drawn is missing, the number stays.
        """

    def state(self) -> np.ndarray:
        """Give the seed and the number of draws so far."""


class NumpyDraw(Draw):
    """Draws in NumPy, from the state of a `keras.random.SeedGenerator`.

    Threads that share a batch have one each, from the same state: `start` is the
    position in the batch of the first row that the thread passes, and `batch` all its
    rows, from which `permuted` draws.
    """

    def __init__(
        self, state: np.ndarray, start: int = 0, batch: np.ndarray | None = None
    ) -> None:
        self._state = np.array(state, dtype=np.uint32)
        self._start = start
        self._batch = batch

    def normal(self, x: np.ndarray) -> np.ndarray:
        return normal(self._next(), *self._rows(x), self._start)

    def uniform(self, x: np.ndarray) -> np.ndarray:
        return uniform(self._next(), *self._rows(x), self._start)

    def kept(self, x: np.ndarray, share: float) -> np.ndarray:
        return (self.uniform(x) < x.dtype.type(share)).astype(x.dtype)

    def hidden(self, x: np.ndarray, share: float, samples: np.ndarray) -> np.ndarray:
        # Each value as an integer of its bits, all that is missing as one.
        bits = np.where(np.isnan(samples), 0, samples).astype(x.dtype)
        words = bits.view(np.int64 if x.dtype == np.float64 else np.int32)
        words = words.reshape(len(x), -1).astype(np.int64)
        chosen = _chosen(
            words, self._next().astype(np.int64), share, np.right_shift, np.sum
        )
        return np.where(chosen.reshape(x.shape), x.dtype.type(np.nan), x)

    def permuted(self, x: np.ndarray) -> np.ndarray:
        batch = x if self._batch is None else self._batch
        n_rows, shape = len(batch), x.shape[1:]
        # Single precision for any x: it tells apart all rows of a batch.
        drawn = uniform(self._next(), *self._rows(x, np.float32), self._start)
        # Rounding may lead to n_rows, though only with millions of rows.
        rows = np.minimum((drawn * np.float32(n_rows)).astype(np.int64), n_rows - 1)
        width = math.prod(shape)
        rows *= width
        rows += np.arange(width).reshape(shape)
        drawn = batch.take(rows)
        return np.where(drawn == drawn, drawn, x)

    def state(self) -> np.ndarray:
        return self._state.copy()

    def _rows(self, x: np.ndarray, dtype: Any = None) -> tuple[Shape, Any]:
        shape = (self._start + len(x), *x.shape[1:])
        return shape, x.dtype if dtype is None else dtype

    def _next(self) -> np.ndarray:
        # As SeedGenerator.next: the seed as it was, then one more draw.
        seed = self._state.copy()
        self._state += np.array([0, 1], np.uint32)
        return seed


class KerasDraw(Draw):
    """Draws with Keras, also in a graph, from a `keras.random.SeedGenerator`.

    The batch may have any number of rows, the other dimensions are known. Gives the
    numbers of `NumpyDraw` on TensorFlow without `jit_compile`: XLA has its own way
    from the words of Philox to numbers.
    """

    def __init__(self, seed_generator: Any) -> None:
        self._seed_generator = seed_generator

    def normal(self, x: Any) -> Any:
        import keras

        dtype = keras.backend.standardize_dtype(x.dtype)
        shape = keras.ops.shape(x)
        return keras.random.normal(shape, dtype=dtype, seed=self._seed_generator)

    def uniform(self, x: Any) -> Any:
        import keras

        return self._uniform(x, keras.backend.standardize_dtype(x.dtype))

    def kept(self, x: Any, share: float) -> Any:
        from keras import ops

        drawn = self.uniform(x)
        threshold = ops.convert_to_tensor(share, dtype=drawn.dtype)
        return ops.cast(drawn < threshold, drawn.dtype)

    def hidden(self, x: Any, share: float, samples: Any) -> Any:
        import tensorflow as tf

        bits = tf.where(tf.math.is_nan(samples), tf.zeros_like(x), samples)
        words = tf.bitcast(bits, tf.int64 if x.dtype == tf.float64 else tf.int32)
        words = tf.cast(tf.reshape(words, (-1, math.prod(x.shape[1:]))), tf.int64)
        seed = tf.cast(self._seed_generator.next(), tf.int64)
        chosen = _chosen(words, seed, share, tf.bitwise.right_shift, tf.reduce_sum)
        nan = tf.constant(np.nan, x.dtype)
        return tf.where(tf.reshape(chosen, tf.shape(x)), nan, x)

    def permuted(self, x: Any) -> Any:
        from keras import ops

        n_rows, *shape = ops.shape(x)
        drawn = self._uniform(x, "float32") * ops.cast(n_rows, "float32")
        # TensorFlow computes on GPUs with int64, and on the CPU's side with int32.
        last = ops.cast(n_rows, "int64") - 1
        rows = ops.minimum(ops.cast(drawn, "int64"), last)
        width = math.prod(shape)
        positions = rows * width + np.arange(width).reshape(shape)
        taken = ops.take(ops.reshape(x, (-1,)), positions)
        return ops.where(ops.equal(taken, taken), taken, x)

    def state(self) -> np.ndarray:
        state: np.ndarray = self._seed_generator.state.numpy()
        return state.astype(np.uint32)

    def _uniform(self, x: Any, dtype: str) -> Any:
        import keras

        shape = keras.ops.shape(x)
        return keras.random.uniform(shape, dtype=dtype, seed=self._seed_generator)


# Of the mixing of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom
# number generators" (2014). Products of such integers lose their upper bits.
_GOLDEN, _MIX_1, _MIX_2 = np.array(
    [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64
).view(np.int64)


def _chosen(
    words: Any, seed: Any, share: float, shift: Callable, add_up: Callable
) -> Any:
    """Choose values with the probability `share` by a hash of their row, and a seed.

    `shift` and `add_up` are those of NumPy or of TensorFlow.
    """
    columns = np.arange(1, words.shape[1] + 1) * _GOLDEN | 1
    mixed = add_up(words * columns, axis=1, keepdims=True)
    mixed = mixed ^ (columns * _MIX_1 + seed[:1] * _MIX_2 + seed[1:] * _GOLDEN)
    for factor in (_MIX_1, _MIX_2):
        mixed = (mixed ^ shift(mixed, np.int64(29))) * factor
    return (shift(mixed, np.int64(20)) & (2**32 - 1)) < int(share * 2**32)


def glorot_uniform(
    random_state: np.random.RandomState, shape: Sequence[int], dtype: Any
) -> np.ndarray:
    """Draw a kernel by Glorot and Bengio (2010), with the fans of Keras."""
    *window, fan_in, fan_out = shape if len(shape) > 1 else (*shape, *shape)
    field = math.prod(window)
    limit = np.sqrt(6 / (field * fan_in + field * fan_out))
    return random_state.uniform(-limit, limit, shape).astype(dtype)


def uniform(
    seed: Seed, shape: Shape, dtype: Any, start: int = 0, stop: int | None = None
) -> np.ndarray:
    """Draw the rows [start, stop) of `keras.random.uniform(shape, dtype=dtype)`."""
    return _drawn(seed, shape, np.dtype(dtype), (start, stop), _unchanged)


def normal(
    seed: Seed, shape: Shape, dtype: Any, start: int = 0, stop: int | None = None
) -> np.ndarray:
    """Draw the rows [start, stop) of `keras.random.normal(shape, dtype=dtype)`."""
    return _drawn(seed, shape, np.dtype(dtype), (start, stop), _box_muller)


def _drawn(
    seed: Seed,
    shape: Shape,
    dtype: np.dtype,
    rows: tuple[int, int | None],
    distribution: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Draw rows of `shape`: the numbers of all counters that have a part in them."""
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"numbers are drawn as float32 or float64, not as {dtype}")
    n_rows, *features = shape
    start, stop = rows[0], n_rows if rows[1] is None else rows[1]
    width, of_counter = math.prod(features), 16 // dtype.itemsize
    first, last = start * width // of_counter, -(-stop * width // of_counter)
    low, high = (int(part) % _MODULUS for part in seed)
    key_low, key_high, c2, c3 = _philox(low, 0, high, 0, *_SCRAMBLE)
    drawn = np.empty((last - first, of_counter), dtype)
    for block in range(first, last, _BLOCK):
        counters = np.arange(block, min(block + _BLOCK, last), dtype=np.uint64)
        words = _philox(counters & _WORD, counters >> 32, c2, c3, key_low, key_high)
        unit = _fractions(words, dtype)
        out = drawn[block - first :][: len(counters)]
        for i in range(0, of_counter, 2):
            out[:, i], out[:, i + 1] = distribution(unit[i], unit[i + 1])
    skipped = start * width - first * of_counter
    flat = drawn.reshape(-1)[skipped : skipped + (stop - start) * width]
    return flat.reshape(stop - start, *features)


def _philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: int, k1: int) -> tuple[Any, ...]:
    """Turn counters into words by ten rounds of Philox4x32 (Salmon et al.).

    Words are integers, or arrays of 64 bits for products of two, and overwritten.
    """
    for _ in range(10):
        c0 *= 0xD2511F53
        c2 *= 0xCD9E8D57
        low1, low3 = c2 & _WORD, c0 & _WORD
        c0 >>= 32
        c0 ^= c3
        c0 ^= k1
        c2 >>= 32
        c2 ^= c1
        c2 ^= k0
        c0, c1, c2, c3 = c2, low1, c0, low3
        k0, k1 = (k0 + 0x9E3779B9) & _WORD, (k1 + 0xBB67AE85) & _WORD
    return c0, c1, c2, c3


def _fractions(words: tuple[np.ndarray, ...], dtype: np.dtype) -> list[np.ndarray]:
    """Turn the words of counters into numbers of [0, 1), of 23 or of 52 bits.

    As `Uint32ToFloat` and `Uint64ToDouble` of TensorFlow's random_distributions.h do,
    which write the bits into the mantissa of a number of [1, 2).
    """
    if dtype == np.float32:
        n_bits, bits = 23, [word & 0x7FFFFF for word in words]
    else:
        pairs = words[:2], words[2:]
        n_bits, bits = 52, [(high & 0xFFFFF) << 32 | low for high, low in pairs]
    # As signed integers, which processors convert faster; the bits leave the sign 0.
    return [b.view(np.int64).astype(dtype) * dtype.type(2.0**-n_bits) for b in bits]


def _unchanged(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return one, other


def _box_muller(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn pairs of uniform numbers into pairs of normal ones.

    G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates"
    (1958), as TensorFlow does: sine first, of an angle rounded once.
    """
    angle = (other.astype(np.float64) * (2 * np.pi)).astype(one.dtype)
    radius = np.sqrt(-2 * np.log(np.maximum(one, one.dtype.type(_EPSILON))))
    return radius * np.sin(angle), radius * np.cos(angle)
