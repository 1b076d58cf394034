"""The two engines agree; fits leave no trace, in threads, forks and memory."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from small import SMALL, long, small, small_conv
from threadpoolctl import threadpool_limits

from skae import (
    AutoencoderClusterer,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    ConvNetwork,
    Denoising,
    DenseNetwork,
)
from skae._engines.numpy.activations import ACTIVATIONS
from skae._engines.numpy.program import DenseProgram
from skae._engines.tensorflow.program import Program, get_program
from skae._models import Spec

X = (load_digits().data[:300] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)


# ----------------------------------------------------------- NumPy against TensorFlow


def both_programs(activation, dtype, objective=None):
    """The same network in both engines, with weights to start from."""
    activations = (activation, "linear", activation)
    network = DenseNetwork((5, 4))
    spec = Spec(network, (6,), 2, *activations, "mse", "adam", dtype, objective)
    dense = DenseProgram((5, 4, 2), (4, 5, 6), *activations, dtype, objective)
    weights = dense.initial_weights(np.random.RandomState(0))
    generator = np.random.default_rng(0)
    weights = [w / 2 + generator.normal(0, 0.1, w.shape).astype(dtype) for w in weights]
    return (dense, get_program(spec)), weights


def train(program, weights, dtype, epochs=4, state=None, targets=None, root=False):
    generator = np.random.default_rng(1)
    data = generator.random((50, 6)).astype(dtype)
    sample_weight = generator.uniform(0.5, 2, 50).astype(dtype)
    sums = []
    with program.lease() as trainer:
        trainer.load(weights, state, 0)
        put = trainer.put(data, sample_weight)
        if targets is not None:
            put = trainer.put_targets(put, targets)
            trainer.set_strength(0.7, root)
        for epoch in range(epochs):
            order = np.random.default_rng(epoch).permutation(50)[:47]
            rates = np.linspace(0.01, 0.02, 5)  # the last batch has seven rows
            sums.append(trainer.train(put, order, rates, 10, (0.0, 0.0)))
            sums.append(trainer.evaluate(put, np.arange(3, 50), 10))
        trainer.finish()
        return np.array(sums), trainer.weights(), trainer.state()


@pytest.mark.kernel
@pytest.mark.parametrize("root", [False, True])
def test_both_engines_draw_latents_to_targets(root):
    programs, weights = both_programs("tanh", "float64")
    targets = np.random.default_rng(2).normal(size=(50, 2))
    results = [
        train(program, weights, "float64", targets=targets, root=root)
        for program in programs
    ]
    for mine, other in zip(results[0][1], results[1][1], strict=True):
        assert_allclose(mine, other, rtol=1e-9, atol=1e-9)
    assert_allclose(results[0][0], results[1][0], rtol=1e-9)
    # The next fit starts without them.
    for program, (sums, trained, _) in zip(programs, results, strict=True):
        again, others, _ = train(program, weights, "float64")
        assert not np.array_equal(trained[0], others[0])
        assert not np.array_equal(sums, again)


@pytest.mark.parametrize("kind", ["gaussian", "mask", "swap"])
@pytest.mark.parametrize(("dtype", "tol"), [("float64", 1e-9), ("float32", 1e-4)])
def test_both_engines_spoil_samples_alike(kind, dtype, tol):
    programs, weights = both_programs("tanh", dtype, Denoising(0.3, kind))
    (sums, trained, _), (their_sums, theirs, _) = (
        train(program, weights, dtype) for program in programs
    )
    assert_allclose(sums, their_sums, rtol=tol)
    for mine, other in zip(trained, theirs, strict=True):
        assert_allclose(mine, other, rtol=tol, atol=tol)
    plain, weights = both_programs("tanh", dtype)
    assert abs(train(plain[0], weights, dtype)[0] - sums).max() > 1e-3


def test_both_engines_start_from_the_same_weights():
    (dense, tensorflow), _ = both_programs("elu", "float32")
    mine, theirs = (
        program.initial_weights(np.random.RandomState(3))
        for program in (dense, tensorflow)
    )
    for one, other in zip(mine, theirs, strict=True):
        assert_array_equal(one, other)


@pytest.mark.kernel
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), long("float32", 1e-4)])
def test_the_engines_agree(activation, dtype, rtol):
    if activation in ("leaky_relu", "gelu"):
        rtol = max(rtol, 1e-6)  # Keras holds their constants in float32
    programs, weights = both_programs(activation, dtype)
    (sums, trained, state), (their_sums, theirs, their_state) = (
        train(program, weights, dtype) for program in programs
    )
    assert_allclose(sums, their_sums, rtol=rtol)
    assert sums[-1, 0] < sums[1, 0]
    for mine, other in zip(trained, theirs, strict=True):
        assert mine.dtype == other.dtype == dtype
        assert_allclose(mine, other, rtol=rtol, atol=rtol)
    for mine, other in zip(state, their_state, strict=True):
        assert_allclose(mine, other, rtol=rtol, atol=rtol)


@pytest.mark.kernel
def test_one_engine_goes_on_where_the_other_left_off():
    (dense, tensorflow), weights = both_programs("elu", "float64")
    for first, second in [(dense, tensorflow), (tensorflow, dense)]:
        whole = train(first, weights, "float64", epochs=4)[0]
        _, half, state = train(first, weights, "float64", epochs=2)
        # The same order and rates as epochs 0 and 1: only the state differs.
        rest = train(second, half, "float64", epochs=1, state=state)[0]
        expected = train(first, half, "float64", epochs=1, state=state)[0]
        assert_allclose(rest, expected, rtol=1e-9)
        anew = train(second, half, "float64", epochs=1)[0]
        assert abs(anew - rest).max() > 1e-6
        assert whole[3, 0] > rest[1, 0]


def test_training_leaves_its_input_alone():
    programs, weights = both_programs("elu", "float64")
    before = [weight.copy() for weight in weights]
    for program in programs:
        _, trained, state = train(program, weights, "float64")
        kept = [array.copy() for array in (*trained, *state)]
        train(program, weights, "float64")
        for array, expected in zip((*trained, *state), kept, strict=True):
            assert_array_equal(array, expected)
    for weight, expected in zip(weights, before, strict=True):
        assert_array_equal(weight, expected)


@pytest.mark.kernel
def test_transform_by_either_engine():
    ae = small(activation="gelu").fit(X)  # TensorFlow trains, NumPy transforms
    assert_allclose(ae.encoder_.predict(X, verbose=0), ae.transform(X), atol=1e-6)


# ------------------------------------------------------------------------- the bits


WINE = load_wine().data
DIGITS = load_digits().data[:600] / 16
HOLES = np.where(DIGITS == 0.5, np.nan, DIGITS)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("estimator", "X"),
    {
        "layers": (
            AutoencoderTransformer(8, network=DenseNetwork((120,)), epochs=3),
            DIGITS,
        ),
        "float32": (AutoencoderTransformer(epochs=2), DIGITS.astype(np.float32)),
        "scaled": (AutoencoderTransformer(3, epochs=3), WINE),
        "whitened": (AutoencoderTransformer(5, arrange="whiten", epochs=2), DIGITS),
        "spectral": (AutoencoderTransformer(5, arrange="spectral", epochs=5), DIGITS),
        "masked": (AutoencoderTransformer(missing="mask", epochs=2), HOLES),
        "clusters": pytest.param(
            AutoencoderClusterer(10), DIGITS, marks=pytest.mark.long
        ),
        "imputed": pytest.param(AutoencoderImputer(), HOLES, marks=pytest.mark.long),
    }.values(),
    ids=lambda value: "" if isinstance(value, np.ndarray) else type(value).__name__,
)
def test_blas_threads_do_not_change_a_fit(estimator, X):
    estimator.set_params(random_state=0)
    bits = []
    for n_threads in (1, 2, 5):
        with threadpool_limits(n_threads, user_api="blas"):
            bits.append(clone(estimator).fit(X).transform(X[:300]).tobytes())
    assert bits[0] == bits[1] == bits[2]


@pytest.mark.kernel
def test_blas_threads_do_not_change_scores_of_outliers():
    data = np.random.default_rng(0).random((1500, 40))
    bits = []
    for n_threads in (1, 2, 5):
        with threadpool_limits(n_threads, user_api="blas"):
            detector = AutoencoderOutlierDetector(random_state=0).fit(data)
            scores = detector.score_samples(data[:500])
            bits.append((scores.tobytes(), detector.contributions(data[:9]).tobytes()))
    assert bits[0] == bits[1] == bits[2]


@SMALL
def test_fits_in_threads_are_fits_one_after_another(make):
    def fit(seed):
        # Seeds and sizes differ; 1 and 3 share their program.
        ae = make(latent_dim=2 + seed % 2, random_state=seed, epochs=5)
        return ae.fit(IMAGES).transform(IMAGES), ae.history_["loss"]

    alone = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, range(4)))
    for (latents, loss), (expected, expected_loss) in zip(together, alone, strict=True):
        assert_array_equal(latents, expected)
        assert loss == expected_loss


def test_threads_may_meet_a_new_network():
    def fit(seed):
        ae = small_conv(network=ConvNetwork((3, 5)), latent_dim=7, random_state=seed)
        return ae.fit_transform(IMAGES)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, [0, 1, 0, 1]))
    assert_array_equal(together[0], together[2])
    assert_array_equal(together[1], together[3])
    assert_array_equal(together[0], fit(0))
    assert (together[0] != together[1]).any()


def test_transform_while_another_fits():
    ae = small_conv().fit(IMAGES)
    expected = ae.transform(IMAGES)
    with ThreadPoolExecutor(2) as pool:
        fit = pool.submit(small_conv(random_state=1, epochs=100).fit, IMAGES)
        while not fit.done():
            assert_array_equal(ae.transform(IMAGES), expected)
        assert fit.result().n_iter_ == 100


# -------------------------------------------------------------- processes and memory


def python(code, *args, timeout=120):
    result = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr[-2000:]
    return result.stdout


FORK = """
import json, os, signal
import numpy as np
import tensorflow as tf
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork

X = np.random.default_rng(0).random((40, 8, 8), np.float32)
dense = AutoencoderTransformer(3, network=DenseNetwork((16,)), epochs=2, random_state=0)
conv = AutoencoderTransformer(3, network=ConvNetwork((4,)), epochs=2, random_state=0)

def in_child(work):
    "What a forked child answers; it is killed when it waits for ever."
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(15)
        try:
            answer = repr(work())
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read) as file:
        return file.read() or f"killed by signal {status}"

out = {}
tf.matmul(tf.ones((300, 300)), tf.ones((300, 300))).numpy()
out["fit after the user's"] = in_child(lambda: conv.fit(X))
conv.fit(X)
dense.fit(X)
expected = repr(dense.transform(X).tobytes())
out["fit"] = in_child(lambda: conv.fit(X))
out["fit of a new network"] = in_child(lambda: conv.set_params(network="conv").fit(X))
out["transform"] = in_child(lambda: conv.transform(X))
out["dense fit"] = in_child(lambda: dense.fit(X).transform(X).tobytes()) == expected
out["dense transform"] = in_child(lambda: dense.transform(X).tobytes()) == expected
out["encoder_"] = in_child(lambda: dense.encoder_.count_params())
conv.fit(X).transform(X)  # the parent is as well as before
print(json.dumps(out))
"""


def forks(test):
    """Mark a test whose program forks."""
    for mark in (
        pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on Windows"),
        pytest.mark.long,
        pytest.mark.versions,
    ):
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def children():
    """What children, forked after TensorFlow had run, answer."""
    return json.loads(python(FORK))


@forks
@pytest.mark.parametrize(
    "work", ["fit after the user's", "fit", "fit of a new network", "transform"]
)
def test_a_fork_after_tensorflow_ran_is_refused(children, work):
    assert children[work].startswith("RuntimeError: ")
    assert "fork" in children[work]
    assert "loky" in children[work]


@forks
def test_a_fork_after_tensorflow_ran_can_use_numpy(children):
    assert children["dense fit"]
    assert children["dense transform"]


@forks
def test_a_fork_after_tensorflow_ran_never_waits_for_ever(children):
    assert not [work for work, answer in children.items() if "killed" in str(answer)]


@forks
def test_a_fork_before_tensorflow_ran_is_free():
    code = """
import os
import numpy as np
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
X = np.random.default_rng(0).random((40, 8, 8), np.float32)
AutoencoderTransformer(3, network=DenseNetwork((16,)), epochs=2).fit(X)
child = os.fork()
if not child:
    AutoencoderTransformer(3, network=ConvNetwork((4,)), epochs=2).fit(X).transform(X)
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    python(code)


class Gpus:
    """Stands for what TensorFlow says of two GPUs, and notes what is asked of them."""

    def __init__(self, monkeypatch, growth=None, parts=None, begun=False):
        import tensorflow as tf

        self.growth = {"GPU:0": growth, "GPU:1": None}
        self.begun = begun
        config = tf.config
        monkeypatch.setattr(config, "get_visible_devices", lambda kind: [*self.growth])
        monkeypatch.setattr(
            config, "get_logical_device_configuration", lambda gpu: parts
        )
        monkeypatch.setattr(config.experimental, "get_memory_growth", self.growth.get)
        monkeypatch.setattr(config.experimental, "set_memory_growth", self.set)

    def set(self, gpu, enable):
        if self.begun:
            raise RuntimeError("Physical devices cannot be modified")
        self.growth[gpu] = enable


@pytest.mark.parametrize(
    ("decided", "environment", "expected"),
    [
        ({}, {}, [True, True]),
        ({"growth": False}, {}, [False, None]),
        ({"parts": ["1 GiB"]}, {}, [None, None]),
        ({"begun": True}, {}, [None, None]),
        ({}, {"TF_FORCE_GPU_ALLOW_GROWTH": "false"}, [None, None]),
    ],
    ids=["nothing", "growth", "parts", "in use", "environment"],
)
def test_gpu_memory_grows_unless_the_user_decided(
    decided, environment, expected, monkeypatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    gpus = Gpus(monkeypatch, **decided)
    linear = ["linear"] * 3
    Program(Spec(ConvNetwork((3,)), (4, 4), 2, *linear, "mse", "adam", "float32"))
    assert [*gpus.growth.values()] == expected
