"""What is heard of TensorFlow, which backend Keras has, and when Ctrl-C strikes."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from small import long

from skae import _process
from skae._interrupts import ctrl_c_waits
from skae._process import quiet

POSIX = pytest.mark.skipif(os.name != "posix", reason="notes are heard on Windows")


def run(code, *args, **environment):
    """Run a program in a fresh interpreter, where nobody has set TensorFlow's level."""
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        env=inherited | environment,
        timeout=300,
        check=False,
    )


def said(code, *args, **environment):
    """Give what a program says on the standard error, and see that it ends well."""
    done = run(code, *args, **environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


# -------------------------------------------------------------------------- the notes

FIT = """
import os, sys
import numpy as np
from skae import AutoencoderTransformer, ConvNetwork
before = dict(os.environ)
X = np.random.RandomState(0).uniform(size=(30, 8, 8))
for dtype in np.float32, np.float64:
    ae = AutoencoderTransformer(2, network=ConvNetwork((4,)), epochs=1)
    ae.fit(X.astype(dtype)).inverse_transform(ae.transform(X.astype(dtype)))
    ae.encoder_.count_params()
assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") == before.get("TF_CPP_MIN_LOG_LEVEL")
"""


@POSIX
@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize("environment", [{}, {"TF_CPP_MIN_LOG_LEVEL": "3"}])
def test_a_fit_says_nothing(environment):
    assert said(FIT, **environment) == ""


def places(text):
    """Give the lines of TensorFlow's sources that notes name."""
    return set(re.findall(r"\w+\.cc:\d+", text))


@pytest.mark.long
@pytest.mark.versions
def test_who_asks_for_all_notes_hears_them_all():
    every = {"TF_CPP_MIN_LOG_LEVEL": "0"}
    alone = places(said("import tensorflow", **every))
    assert alone <= places(said(FIT, **every))


# What TensorFlow says of the user's own programs is none of skae's business.
OWN = """
import os, sys
import tensorflow as tf
{fit}
x = tf.zeros((2, 3))
os.write(2, b"mine")
try:
    tf.raw_ops.MatMul(a=x, b=x)
except tf.errors.InvalidArgumentError:
    pass
"""


@pytest.mark.long
@pytest.mark.versions
def test_what_tensorflow_says_to_the_user_later_is_heard():
    alone = said(OWN.format(fit=""))
    after = said(OWN.format(fit=FIT))
    assert places(after.split("mine")[1]) == places(alone.split("mine")[1])


LINES = {
    "I": "I0000 00:00:1795626703.975527    5200 reader.cc:83] Reading SavedModel",
    "i": "2025-11-25 17:11:17.695617: I tensorflow/core/util/port.cc:153] oneDNN is on",
    "W": "W0000 00:00:1795626702.896441    5200 util.cc:163] Not handling DT_DOUBLE",
    "E": "E0000 00:00:1795626702.154596    5200 grpc.cc:52] connection lost",
    "c": "E0000 00:00:1795626702.154596    5200 cuda_platform.cc:52] no cuInit",
    "F": "F0000 00:00:1795626702.154596    5200 env.cc:52] Check failed",
    "p": "WARNING: All log messages before absl::InitializeLog() is called are written",
    "l": "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "x": "disk is nearly full",
}


@POSIX
@pytest.mark.parametrize(
    ("level", "heard"),
    [
        (None, "EFx"),
        ("0", "IiWEcFplx"),
        ("verbose", "IiWEcFplx"),
        ("1", "WEcFx"),
        ("2", "EcFx"),
        ("3", "Fx"),
    ],
)
def test_what_is_heard_at_each_level(level, heard, monkeypatch, capfd):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    capfd.readouterr()
    with quiet():
        for line in LINES.values():
            # LiteRT writes its lines in pieces.
            for piece in re.split("(?<=INFO: )", line):
                os.write(2, piece.encode())
            os.write(2, b"\n")
    assert capfd.readouterr().err.splitlines() == [LINES[name] for name in heard]


CRASH = f"""
import os
import random
from skae._process import quiet
with quiet():
    os.write(2, b"{LINES["I"]}\\n{LINES["F"]}\\n")
    os.abort()
"""


@POSIX
def test_last_words_are_heard():
    done = run(CRASH)
    assert done.returncode == -signal.SIGABRT
    assert done.stderr.splitlines() == [LINES["F"]]


CHILDREN = f"""
import os, subprocess, sys
from skae._process import quiet
before = os.fstat(2).st_ino
speak = "import os, sys; sys.stdin.read(); os.write(2, sys.argv[1].encode())"
def start(words):
    return subprocess.Popen([sys.executable, "-c", speak, words], stdin=-1)
with quiet():
    start("within\\n").communicate()
    os.write(2, b"{LINES["I"]}\\n")
    survivor, orphan = start("later\\n"), start("after the end\\n")
assert os.fstat(2).st_ino == before
survivor.communicate()
assert survivor.returncode == 0
"""


@POSIX
def test_a_program_started_meanwhile_is_heard_whenever_it_speaks():
    assert said(CHILDREN) == "within\nlater\nafter the end\n"


HEARD_AT_ONCE = """
import os
import random
from skae._process import quiet
receives, sends = os.pipe()
os.dup2(sends, 2)
with quiet():
    os.write(2, b"50 %")
    assert os.read(receives, 9) == b"50 %"
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no process is left")
"""


@POSIX
def test_a_progress_bar_is_heard_at_once_and_no_process_is_left():
    assert run(HEARD_AT_ONCE).stdout == "no process is left\n"


def test_without_a_standard_error():
    code = "import os; os.close(2)\nfrom skae._process import quiet\nwith quiet(): "
    assert run(code + "print(os.dup(1))").stdout == "2\n"


@pytest.mark.parametrize("cause", ["no process may be started", "Python is embedded"])
def test_where_no_process_can_be_started_all_is_heard(cause, monkeypatch, capfd):
    def refuse(*args, **kwargs):
        assert cause == "no process may be started"
        raise PermissionError(cause)

    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setattr(_process.subprocess, "Popen", refuse)
    if cause == "Python is embedded":
        monkeypatch.setattr(sys, "executable", "/usr/bin/spreadsheet")
    capfd.readouterr()
    with quiet():
        os.write(2, LINES["I"].encode())
    assert capfd.readouterr().err == LINES["I"]


@POSIX
def test_threads_are_quiet_together_and_wait_for_nobody(monkeypatch, capfd):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    capfd.readouterr()
    both = threading.Barrier(2, timeout=30)

    def write(name):
        with quiet():
            both.wait()
            os.write(2, f"{LINES['I']}\n{name}\n".encode())
        both.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ["one", "two"]))
    os.write(2, LINES["I"].encode())
    *heard, last = capfd.readouterr().err.splitlines()
    assert (sorted(heard), last) == (["one", "two"], LINES["I"])


# ------------------------------------------------------------------------- the import

# Ctrl-C while a module is imported of which a second import would fail, and then a fit.
INTERRUPTED = """
import os, signal, sys
struck = []
def strike(event, args):
    if event == "import" and args[0] == sys.argv[1] and not struck:
        struck.append(args)
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(strike)
import numpy as np
from skae import AutoencoderTransformer, ConvNetwork
ae = AutoencoderTransformer(2, network=ConvNetwork((4,)), epochs=1)
X = np.random.RandomState(0).uniform(size=(30, 8, 8))
try:
    ae.fit(X)
except KeyboardInterrupt:
    print("heard")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
ae.fit(X)
"""


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize(
    "module",
    ["tensorflow.python.ops.gen_random_index_shuffle_ops", "keras.src.distribution"],
)
def test_ctrl_c_while_tensorflow_is_imported_does_not_stop_the_next_fit(module):
    done = run(INTERRUPTED, module)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


BACKEND = """
import os, sys
from types import ModuleType, SimpleNamespace
import numpy as np
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
X = np.random.RandomState(0).uniform(size=(30, 8, 8))
AutoencoderTransformer(2, network=DenseNetwork((4,)), epochs=1).fit(X)
ae = AutoencoderTransformer(2, network=ConvNetwork((4,)), epochs=1)
if sys.argv[1] == "imported":
    # Stands for a Keras that runs on torch.
    keras = sys.modules["keras"] = ModuleType("keras")
    keras.config = SimpleNamespace(backend=lambda: "torch")
try:
    ae.fit(X)
except RuntimeError as error:
    print(error)
assert "tensorflow" not in sys.modules
if sys.argv[1] == "variable":
    os.environ["KERAS_BACKEND"] = "tensorflow"
    ae.fit(X)
"""


@pytest.mark.long
@pytest.mark.parametrize("how", [long("variable"), "file", "file at home", "imported"])
def test_another_backend_of_keras_is_refused_in_words(how, tmp_path):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text('{"backend": "torch"}')
    environment = {
        "variable": {"KERAS_BACKEND": "torch"},
        "file": {"KERAS_HOME": str(tmp_path / ".keras")},
        "file at home": {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
        "imported": {},
    }
    done = run(BACKEND, how, **environment[how])
    assert done.returncode == 0, done.stderr
    assert "Keras runs on 'torch'" in done.stdout
    assert "KERAS_BACKEND=tensorflow" in done.stdout


# ------------------------------------------------------------------------------ Ctrl-C


def strike():
    signal.raise_signal(signal.SIGINT)


@ctrl_c_waits()
def work(*steps):
    """Do some work that Ctrl-C may not break off."""
    for step in steps:
        step()


def nested(*steps):
    return lambda: work(*steps)


@pytest.mark.parametrize("once", [strike, nested(strike)], ids=["flat", "nested"])
def test_ctrl_c_waits_for_the_end_of_the_block(once):
    done = []
    with pytest.raises(KeyboardInterrupt) as caught:
        work(once, lambda: done.append("the rest"))
    assert done == ["the rest"]
    assert caught.value.__context__ is None  # raised once
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("again", [strike, nested(strike)], ids=["flat", "nested"])
def test_a_second_ctrl_c_strikes_at_once(again):
    done = []
    with pytest.raises(KeyboardInterrupt) as caught:
        work(strike, again, lambda: done.append("the rest"))
    assert done == []
    assert caught.value.__context__ is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_before_an_error_is_heard():
    with pytest.raises(KeyboardInterrupt) as caught:
        work(strike, lambda: [][0])
    assert isinstance(caught.value.__context__, IndexError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_user_s_own_stays():
    heard = []
    mine = signal.signal(signal.SIGINT, lambda *args: heard.append("mine"))
    try:
        with ctrl_c_waits():
            strike()
            assert heard == ["mine"]
    finally:
        signal.signal(signal.SIGINT, mine)


def test_a_block_in_another_thread_holds_nothing_up():
    inside, struck = threading.Event(), threading.Event()
    steps = inside.set, lambda: struck.wait(30)
    thread = threading.Thread(target=work, args=steps)
    thread.start()
    assert inside.wait(30)
    with pytest.raises(KeyboardInterrupt):
        strike()
    struck.set()
    thread.join()


# ------------------------------------------------------- Python's generator of numbers


def test_threads_that_build_layers_leave_python_s_generator_as_it_was():
    both = threading.Barrier(2, timeout=30)
    before = random.getstate()

    def draw(_):
        with _process.python_random_kept():
            both.wait()
            random.random()
            both.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(draw, range(2)))
    assert random.getstate() == before
