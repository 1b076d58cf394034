"""Ctrl-C, callbacks that raise: what was fitted stays, and the next fit is as any."""

import pickle

import cloudpickle
import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from small import SMALL, python, small_conv

from skae import ConvNetwork
from skae._engines.tensorflow.program import get_program

X = (load_digits().data[:100] / 16).astype(np.float32)


# ---------------------------------------------------------------------------- Ctrl-C

COMMON = """
import hashlib, json, os, random, signal, sys, threading, time
import numpy as np
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_info
import joblib
import skae
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
from skae._engines.tensorflow import program as _program

X = (load_digits().data[:400] / 16).astype(np.float32)
NETWORKS = {"dense": DenseNetwork((16,)), "conv": ConvNetwork((4,))}

def make(**params):
    network = NETWORKS[sys.argv[1]]
    epochs = {"dense": 40, "conv": 15}[sys.argv[1]]
    params = {"epochs": epochs, "random_state": 0} | params
    return AutoencoderTransformer(3, network=network, arrange=None, **params)

def bits(ae):
    return hashlib.sha256(ae.transform(X).tobytes()).hexdigest()

def blas():
    return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
"""

FRESH = COMMON + "print(json.dumps(bits(make().fit(X))))"

INTERRUPTS = (
    COMMON
    + """
def surroundings():
    outside = {"blas": blas(), "random": random.getstate(), "errors": np.geterr()}
    if "keras" in sys.modules:
        outside["policy"] = sys.modules["keras"].config.dtype_policy().name
    return outside

def begun_and_ended():
    import keras

    class Counter(keras.callbacks.Callback):
        begun = ended = 0

        def on_train_begin(self, logs=None):
            Counter.begun += 1

        def on_train_end(self, logs=None):
            Counter.ended += 1

    return Counter

start = time.perf_counter()
ae = make(epochs=1).fit(X[:50])
ae.transform(X[:2])
before = joblib.hash(ae.__getstate__())
if sys.argv[1] == "conv":
    Counter = begun_and_ended()
    ae.set_params(callbacks=[Counter()])
ae.set_params(epochs=make().epochs)

def fitted():
    values = {k: v for k, v in vars(ae).items() if k.endswith("_")}
    values.pop("callbacks_", None)  # of a class that no pickle can hold
    return joblib.hash(values)

state = fitted()
around = surroundings()

def fit_for(seconds):
    "Whether Ctrl-C after so many seconds was heard, or the fit was done before."
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        ae.fit(X)
        done = True
        timer.cancel()
        timer.join()
    except KeyboardInterrupt:
        done = False
    return not done

def duration(cold):
    if cold:
        _program._programs.clear()
    start = time.perf_counter()
    make(callbacks=ae.callbacks).fit(X)
    return time.perf_counter() - start

heard = 0
n_strikes = {"dense": 20, "conv": 12}[sys.argv[1]]
for i in range(n_strikes):
    cold = sys.argv[1] == "conv" and i % 4 == 0
    if i % 8 == 0:
        whole = {c: duration(c) for c in (sys.argv[1] == "conv", False)}
    if cold:
        _program._programs.clear()
    try:
        interrupted = fit_for(whole[cold] * (i + 0.5) / n_strikes)
        time.sleep(0.001)
    except KeyboardInterrupt:  # before the fit began, or between its end and here
        interrupted = True
    heard += interrupted
    # Ctrl-C at the very end finds the new state: whole, too.
    if fitted() == state:
        assert interrupted
    else:
        fresh = make(callbacks=ae.callbacks).fit(X)
        assert bits(ae) == bits(fresh)
        ae = make(epochs=1).fit(X[:50]).set_params(
            epochs=ae.epochs, callbacks=ae.callbacks
        )
    for name, value in surroundings().items():
        assert value == around[name], (i, name, value)
    if sys.argv[1] == "conv":
        assert Counter.begun >= Counter.ended
assert heard >= n_strikes / 2, heard
print(json.dumps(bits(ae.set_params(callbacks=None).fit(X))))
"""
)


@pytest.mark.long
@pytest.mark.parametrize("network", ["dense", "conv"])
def test_ctrl_c_at_any_moment_of_a_fit_loses_nothing(network):
    assert python(INTERRUPTS, network) == python(FRESH, network)


# Ctrl-C comes between two lines of skae, at many places.
EVERY_LINE = (
    COMMON
    + """
lines = 0
target = None

# While these work, a real Ctrl-C waits: see skae._interrupts.
waits = tuple(f"_{name}.py" for name in ("interrupts", "process", "threads"))

def trace(frame, event, arg):
    path = frame.f_code.co_filename
    if not path.startswith(os.path.dirname(skae.__file__)) or path.endswith(waits):
        return None
    global lines
    if event == "line":
        lines += 1
        if lines == target:
            raise KeyboardInterrupt
    return trace

def traced_fit(ae, at):
    global lines, target
    lines, target = 0, at
    sys.settrace(trace)
    try:
        ae.fit(X)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False

params = {"epochs": 2, "early_stopping": True, "batch_size": 200}
expected = bits(make(**params).fit(X))
threads = blas()
traced_fit(make(**params), None)
n_lines = lines
ae = make(**params).fit(X[:50] * 2)
old = joblib.hash(ae.__getstate__())
n_interrupts = 0
n_places = {"dense": 150, "conv": 25}[sys.argv[1]]
for at in range(1, n_lines, max(n_lines // n_places, 1)):
    interrupted = traced_fit(ae, at)
    n_interrupts += interrupted
    if joblib.hash(ae.__getstate__()) != old:
        assert bits(ae) == expected
        ae = make(**params).fit(X[:50] * 2)
    # At the latest, the next fit gives back the threads of BLAS.
    assert bits(make(**params).fit(X)) == expected
    assert blas() == threads
print(json.dumps(n_interrupts / n_places))
"""
)


@pytest.mark.long
@pytest.mark.parametrize("network", ["dense", "conv"])
def test_ctrl_c_between_any_two_lines_loses_nothing(network):
    assert python(EVERY_LINE, network) > 0.7


# ------------------------------------------------------------------ callbacks that fail

HOOKS = ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"]


def callback_that(fails_in, error=OSError):
    """A Keras callback that fails in a hook, and one that says what it heard."""
    import keras

    class Failing(keras.callbacks.Callback):
        pass

    def fail(self, *args, **kwargs):
        raise error("disk full")

    setattr(Failing, fails_in, fail)
    heard = []

    class Other(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            heard.append("begin")

        def on_train_end(self, logs=None):
            heard.append("end")

    return Failing, Other, heard


def hashed(ae):
    """All that a transformer knows, but for its program, which no fit changes."""
    return joblib.hash({k: v for k, v in vars(ae).items() if k != "_program"})


@SMALL
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_callback_may_fail_in_any_hook(make, hook, error):
    ae = make().fit(X)
    expected, state = ae.transform(X), hashed(ae)
    failing, other, heard = callback_that(hook, error)
    callbacks = [other(), failing(), other()]
    ae.set_params(callbacks=callbacks)
    with pytest.raises(error, match="disk full"):
        ae.fit(X * 2)
    # A fit that failed has no end, as in Keras; of one that fails, the others hear.
    others = 1 if hook == "on_train_begin" else 2
    ended = others if hook == "on_train_end" else 0
    assert heard == ["begin"] * others + ["end"] * ended
    assert all(callback.model is None for callback in callbacks)
    ae.set_params(callbacks=None)
    assert hashed(ae) == state
    assert_array_equal(ae.transform(X), expected)
    assert_array_equal(ae.fit(X).transform(X), expected)


def test_a_failed_fit_gives_its_program_back():
    ae = small_conv(network=ConvNetwork((5,))).fit(X)
    program = get_program(ae._spec)
    (trainer,) = program._idle
    failing, _, _ = callback_that("on_epoch_end")
    with pytest.raises(OSError, match="disk full"):
        ae.set_params(callbacks=[failing()]).fit(X)
    assert program._idle == [trainer]
    interrupting, _, _ = callback_that("on_epoch_end", KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        ae.set_params(callbacks=[interrupting()]).fit(X)
    # Ctrl-C may have struck anywhere in it.
    assert program._idle == []


@SMALL
@pytest.mark.parametrize("params", [{}, {"warm_start": True}])
def test_training_goes_on_from_the_last_whole_epoch(make, params):
    method = "fit" if params else "partial_fit"
    ae, twin = make(**params).fit(X), make(**params).fit(X)
    failing, _, _ = callback_that("on_epoch_end", KeyboardInterrupt)
    if params:
        ae.set_params(callbacks=[failing()])
        with pytest.raises(KeyboardInterrupt):
            ae.fit(X)
        ae.set_params(callbacks=None)
    else:
        with pytest.raises(ValueError, match="NaN"):
            ae.partial_fit(X * np.nan)
    for _ in range(2):
        getattr(ae, method)(X)
        getattr(twin, method)(X)
    assert_array_equal(ae.transform(X), twin.transform(X))
    assert ae.history_ == twin.history_


# ----------------------------------------------------------------- copies that train on


def by_joblib(ae, folder):
    joblib.dump(ae, folder / "ae.joblib")
    return joblib.load(folder / "ae.joblib", mmap_mode="r")


def by_skops(ae, folder):
    skops = pytest.importorskip("skops.io")
    skops.dump(ae, folder / "ae.skops")
    trusted = [
        "skae._autoencoder.AutoencoderTransformer",
        "skae._models.Spec",
        "skae._networks.ConvNetwork",
        "skae._networks.DenseNetwork",
        "skae._engines.numpy.program.DenseProgram",
    ]
    unknown = skops.get_untrusted_types(file=folder / "ae.skops")
    assert set(unknown) <= set(trusted)
    return skops.load(folder / "ae.skops", trusted=unknown)


COPIES = {
    "pickle": lambda ae, folder: pickle.loads(pickle.dumps(ae)),
    "cloudpickle": lambda ae, folder: pickle.loads(cloudpickle.dumps(ae)),
    "joblib, memory-mapped": by_joblib,
    "skops": by_skops,
}


@SMALL
@pytest.mark.parametrize("how", COPIES)
def test_a_copied_pipeline_sees_further_training(make, how, tmp_path):
    pipe = make_pipeline(MinMaxScaler(), make(), KMeans(2, n_init=1, random_state=0))
    pipe.fit(X)
    copied = COPIES[how](pipe, tmp_path)
    assert_array_equal(copied.transform(X), pipe.transform(X))
    before = copied[1].transform(X)
    assert copied[1].encoder_.count_params()  # Keras models are at hand
    after = copied[1].partial_fit(X).transform(X)
    assert (after != before).any()
    assert_array_equal(after, pipe[1].partial_fit(X).transform(X))
    assert_array_equal(
        copied[1].encoder_.get_weights()[0], np.asarray(copied[1].weights_[0])
    )
