"""The forward pass in NumPy: Keras' numbers, and always the same bits."""

import gc
import pickle
import signal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_info, threadpool_limits

from skae import (
    AutoencoderTransformer,
    ConvNetwork,
    DenseNetwork,
    RecurrentNetwork,
    _threads,
)
from skae._engines.numpy.activations import ACTIVATIONS
from skae._engines.numpy.forward import Layer, Path, forward
from skae._engines.tensorflow import program
from skae._threads import one_blas_thread

pytestmark = pytest.mark.kernel

X = (load_digits().data[:300] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)


def layers(dtype, sizes=(70, 40, 9), activation="elu"):
    generator = np.random.default_rng(0)
    return [
        Layer(
            generator.normal(0, 0.2, (a, b)).astype(dtype),
            generator.normal(0, 0.2, b).astype(dtype),
            activation,
        )
        for a, b in pairwise(sizes)
    ]


def samples(dtype, n_samples=2500, n_features=70):
    return np.random.default_rng(1).random((n_samples, n_features)).astype(dtype)


# ---------------------------------------------------------------------- activations


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_are_those_of_keras(name, dtype):
    import keras

    x = np.linspace(-30, 30, 601, dtype=dtype)
    out = x.copy()
    ACTIVATIONS[name](out)
    assert out.dtype == dtype
    expected = keras.activations.get(name)(keras.ops.convert_to_tensor(x)).numpy()
    # Keras holds some constants in float32.
    loose = dtype == "float32" or name in ("leaky_relu", "gelu")
    assert_allclose(out, expected, rtol=3e-6 if loose else 1e-12, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_are_those_of_the_activations(name):
    x = np.linspace(-4, 4, 80)  # without zero, where some have a kink
    step = 1e-6
    above, below, output, alone = x + step, x - step, x.copy(), x.copy()
    for array in (above, below, alone):
        ACTIVATIONS[name](array)
    slope = np.full(80, np.nan)
    ACTIVATIONS[name](output, slope)
    assert_array_equal(output, alone)
    assert_allclose(slope, (above - below) / (2 * step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", sorted({*ACTIVATIONS} - {"exponential"}))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_are_quiet_and_finite_far_out(name, dtype):
    x = np.array([-1e30, -1e4, -100, 0, 100, 1e4, 1e30], dtype)
    with np.errstate(all="raise", under="ignore"):
        ACTIVATIONS[name](x)
    assert np.isfinite(x).all()


# -------------------------------------------------------------------------- the bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_is_the_plain_formula(dtype):
    chain, x = layers(dtype), samples(dtype)
    expected = x
    for kernel, bias, _ in chain:
        expected = expected @ kernel + bias
        expected = np.where(expected > 0, expected, np.expm1(np.minimum(expected, 0)))
    out = forward(chain, x, np.dtype(dtype))
    assert out.dtype == dtype
    # To rounding: BLAS' kernels add in other orders, which shows where a sum is near 0.
    assert_allclose(out, expected, rtol=0, atol=2e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blas_threads_do_not_change_the_bits(dtype):
    chain, x = layers(dtype, (70, 300, 200, 9)), samples(dtype)
    bits = []
    for n_threads in (1, 2, 7):
        with threadpool_limits(n_threads, user_api="blas"):
            bits.append(forward(chain, x, np.dtype(dtype)).tobytes())
    assert bits[0] == bits[1] == bits[2]


def test_a_network_of_a_few_weights_computes_every_row():
    X = np.random.default_rng(0).random((2000, 3))
    ae = AutoencoderTransformer(1, network=DenseNetwork(()), epochs=1, random_state=0)
    Z = ae.fit(X).transform(X)
    for start in range(0, 2000, 480):
        assert_allclose(ae.transform(X[start : start + 480]), Z[start : start + 480])
    assert_allclose(np.square(ae.inverse_transform(Z) - X).mean(), -ae.score(X))


SIZES = [(70, 40, 9), (5, 1), (3, 700, 2), (784, 300, 1, 50), (70, 200, 200, 4)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype, sizes):
    chain, x = layers(dtype, sizes), samples(dtype, 1500, sizes[0])
    path = Path(layers(dtype, (sizes[0], sizes[-1]))[0].kernel)
    whole = forward(chain, x, np.dtype(dtype), path)
    for start, n in [(0, 1), (0, 7), (0, 503), (0, 1001), (48, 1), (504, 250), (77, 9)]:
        rows = slice(start, start + n)
        part = forward(chain, x[rows], np.dtype(dtype), path)
        if to_the_bit(dtype, start):
            assert_array_equal(part, whole[rows])
        atol = (2e-6 if dtype == "float32" else 1e-14) * np.abs(whole).max()
        assert_allclose(part, whole[rows], atol=atol, rtol=0)


def to_the_bit(dtype, start):
    """Tell whether the bits of a row are promised that is at another place."""
    kernels = {pool.get("architecture") for pool in threadpool_info()} - {None}
    if kernels & {"Haswell", "Zen"} and dtype == "float32":
        return start % 12 == 0
    return kernels <= {"SkylakeX", "Haswell", "Zen", "Sandybridge"}


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int16", "float16"])
def test_small_dtypes_are_converted_block_by_block(dtype):
    x = (samples("float32") * 3).astype(dtype)
    chain = layers("float32")
    assert_array_equal(
        forward(chain, x, np.dtype("f4")),
        forward(chain, x.astype("f4"), np.dtype("f4")),
    )


def test_the_input_stays_as_it_is():
    x = samples("float32")
    x.flags.writeable = False
    first = forward(layers("float32"), x, np.dtype("f4"))
    assert_array_equal(forward(layers("float32"), x, np.dtype("f4")), first)


# ---------------------------------------------------------------- threads and limits


class Odd:
    """Layers of the user's, of sizes that are no multiples of anything."""

    def build_encoder(self, inputs, *, latent_dim, **_):
        from keras import layers

        x = layers.Dense(37, activation="relu")(layers.Flatten()(inputs))
        return layers.Dense(latent_dim)(x)

    def build_decoder(self, latents, *, output_shape, **_):
        from keras import layers

        x = layers.Dense(int(np.prod(output_shape)))(layers.Dense(41)(latents))
        return layers.Reshape(output_shape)(x)

    def __repr__(self):
        return "Odd()"


def blas_threads():
    return [
        pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
    ]


def test_the_limit_is_given_back():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert set(before) == {2}
        AutoencoderTransformer(3, epochs=2).fit(X).transform(X)
        assert blas_threads() == before
        with one_blas_thread():
            assert set(blas_threads()) == {1}
            with one_blas_thread():
                pass
            assert set(blas_threads()) == {1}
        assert blas_threads() == before
        with pytest.raises(ValueError, match="diverged"):
            AutoencoderTransformer(3, epochs=9, learning_rate=1e30).fit(X * 1e30)
        assert blas_threads() == before


@pytest.mark.parametrize("network", [DenseNetwork((16,)), ConvNetwork((4,))])
def test_transform_from_many_threads_is_transform(network):
    ae = AutoencoderTransformer(3, network=network, epochs=1, random_state=0).fit(
        IMAGES
    )
    parts = [IMAGES[i * 30 : i * 30 + 30 + i] for i in range(8)]
    alone = [ae.transform(part) for part in parts]
    back = [ae.inverse_transform(latents) for latents in alone]
    cold = pickle.loads(pickle.dumps(ae))
    n_before = blas_threads()

    def work(i):
        for _ in range(25):
            assert_array_equal(cold.transform(parts[i]), alone[i])
            assert_array_equal(cold.inverse_transform(alone[i]), back[i])
        return cold.score(parts[i])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [ae.score(part) for part in parts]
    assert blas_threads() == n_before


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize(
    "network",
    [
        ConvNetwork((4, 6)),
        ConvNetwork((5,), kernel_size=3),
        ConvNetwork((32, 64), strides=1),  # sums of thousands of values
        RecurrentNetwork((5,)),
        RecurrentNetwork((80,)),
        Odd(),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_networks_of_keras_give_the_same_bits_however_a_batch_is_cut(network, dtype):
    ae = AutoencoderTransformer(3, network=network, epochs=1, random_state=0)
    images = np.concatenate([IMAGES] * 4).astype(dtype)
    latents = ae.fit(images[:300]).transform(images)
    back = ae.inverse_transform(latents)
    for n in (1, 2, 3, 5, 30, 100, 333, 1030):
        assert_array_equal(ae.transform(images[:n]), latents[:n])
        assert_array_equal(ae.inverse_transform(latents[:n]), back[:n])


def test_the_limit_holds_in_any_thread():
    """The first that has ever set one is not the only one that can."""
    with threadpool_limits(2, user_api="blas"):

        def limited():
            with one_blas_thread() as n_threads:
                return n_threads, set(blas_threads())

        before = blas_threads()
        assert limited() == (2, {1})
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(limited).result() == (2, {1})
        assert blas_threads() == before


def test_a_limit_of_each_thread_is_given_back_to_each(monkeypatch):
    class Library:
        """OpenBLAS with OpenMP: each thread has a number of threads of its own."""

        internal_api, threading_layer = "openblas", "openmp"

        def __init__(self):
            self._local = threading.local()

        @property
        def num_threads(self):
            return getattr(self._local, "n", 4)

        def set_num_threads(self, n_threads):
            self._local.n = n_threads

    limit = _threads._BlasLimit()
    library = Library()
    limit._pools = [library]
    monkeypatch.setattr(_threads, "_blas_limit", limit)
    inside, go_on = threading.Event(), threading.Event()

    def other():
        with one_blas_thread() as n_threads:
            inside.set()
            go_on.wait(60)
            seen = n_threads, library.num_threads
        return *seen, library.num_threads

    with ThreadPoolExecutor(1) as pool:
        with one_blas_thread() as n_threads:
            running = pool.submit(other)
            assert inside.wait(60)
            assert (n_threads, library.num_threads) == (4, 1)
        assert library.num_threads == 4
        go_on.set()
        assert running.result() == (4, 1, 4)


def test_ctrl_c_while_threads_are_given_back_leaves_none_behind(monkeypatch):
    class Library:
        internal_api = "a double"

        def __init__(self, strikes):
            self.num_threads, self.strikes = 3, strikes

        def set_num_threads(self, n_threads):
            self.num_threads = n_threads
            if n_threads == 3 and self.strikes:
                self.strikes -= 1
                signal.raise_signal(signal.SIGINT)

    limit = _threads._BlasLimit()
    libraries = limit._pools = [Library(1), Library(0)]
    monkeypatch.setattr(_threads, "_blas_limit", limit)

    def compute():
        with one_blas_thread() as n_threads:
            assert n_threads == 3
            assert [library.num_threads for library in libraries] == [1, 1]

    with pytest.raises(KeyboardInterrupt):
        compute()
    assert [library.num_threads for library in libraries] == [3, 3]


# ----------------------------------------------------------------------------- serving


@pytest.fixture
def conv():
    ae = AutoencoderTransformer(
        3, network=ConvNetwork((4,)), epochs=1, arrange=None, random_state=0
    )
    return ae.fit(IMAGES)


def test_a_call_brings_its_rows_to_tensorflow_and_nothing_else(conv, monkeypatch):
    """Threads that convert weights wait for one another."""
    import tensorflow as tf

    Z = conv.transform(IMAGES)
    convert, brought = tf.convert_to_tensor, []

    def counted(value):
        brought.append(value.shape)
        return convert(value)

    conv.transform(IMAGES[:2])
    conv.inverse_transform(Z), conv.inverse_transform(Z)
    monkeypatch.setattr(tf, "convert_to_tensor", counted)
    conv.transform(IMAGES[:5]), conv.inverse_transform(Z[:6])
    # Rows to fill up a tile come with them.
    assert brought == [(8, 8, 8), (8, 3)]


def test_the_first_calls_and_the_later_ones_give_the_same_bits(conv):
    for one in (IMAGES, IMAGES[:1], np.tile(IMAGES, (5, 1, 1))):
        ae = pickle.loads(pickle.dumps(conv))
        results = [ae.inverse_transform(ae.transform(one)) for _ in range(4)]
        for result in results[1:]:
            assert_array_equal(result, results[0])


def test_other_weights_are_used_and_changes_within_an_array_are_refused(conv):
    results = [conv.transform(IMAGES) for _ in range(3)]
    with pytest.raises(ValueError, match="read-only"):
        conv.weights_[0][...] = 0
    # In place of an array, and of the list.
    conv.weights_[0] = conv.weights_[0] * 2
    results.append(conv.transform(IMAGES))
    conv.weights_ = [weight * 2 for weight in conv.weights_]
    results += [conv.transform(IMAGES) for _ in range(3)]
    fresh = pickle.loads(pickle.dumps(conv))
    assert_array_equal(fresh.transform(IMAGES), results[-1])
    assert_array_equal(results[0], results[2])
    assert_array_equal(results[-1], results[-3])
    assert abs(results[3] - results[2]).max() > 1e-3
    assert abs(results[4] - results[3]).max() > 1e-3
    # A later fit has arrays of its own.
    conv.set_params(warm_start=True).fit(IMAGES).partial_fit(IMAGES)
    assert abs(conv.transform(IMAGES) - results[-1]).max() > 1e-3


def test_large_weights_are_not_held_twice(conv, monkeypatch):
    monkeypatch.setattr(program, "MAX_IDLE_BYTES", 1000)
    results = [conv.transform(IMAGES) for _ in range(3)]
    assert conv.weights_[0].flags.writeable
    assert_array_equal(results[0], results[2])


def test_threads_that_call_for_the_first_time_together_give_what_one_gives(conv):
    expected = conv.transform(IMAGES[:1])
    ae = pickle.loads(pickle.dumps(conv))
    with ThreadPoolExecutor(8) as pool:
        for Z in pool.map(lambda _: ae.transform(IMAGES[:1]), range(100)):
            assert_array_equal(Z, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_let_go_with_their_estimator(conv, dtype):
    ae = conv.fit(IMAGES.astype(dtype))
    for _ in range(3):
        ae.transform(IMAGES)
    weight = weakref.ref(ae.weights_[0])
    ae.fit(IMAGES)
    gc.collect()
    assert weight() is None
