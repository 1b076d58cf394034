"""What belongs to the whole process: TensorFlow's import, its notes, forks, GPUs."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any

from skae._interrupts import ctrl_c_waits

# ------------------------------------------------------------------------- the import


@cache
def import_tensorflow() -> Any:
    """Give TensorFlow, whose first import, and that of Keras, happens here.

    All that needs one of the two calls this first: importing them elsewhere prints
    notes, and is left in halves by Ctrl-C, which no later import makes whole.
    """
    # Before the import, which fails without words where the backend is not installed.
    _check_backend(_backend())
    try:
        with quiet(), ctrl_c_waits():
            import keras
            import tensorflow as tf
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}. Dense networks transform without it; convolutions, networks of "
            "your own and Keras models need it: pip install keras tensorflow",
            name=error.name,
        ) from error
    _check_backend(keras.config.backend())
    return tf


def _backend() -> str:
    """Give the backend that Keras has, or will choose when it is imported.

    Nothing of Keras tells it without importing the backend.
    """
    if "keras" in sys.modules:
        import keras  # waits for a thread that is at it

        return keras.config.backend()
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    home = os.path.expanduser("~")
    folder = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    folder = os.path.expanduser(os.environ.get("KERAS_HOME", folder))
    with suppress(OSError, ValueError), open(os.path.join(folder, "keras.json")) as f:
        return json.load(f).get("backend", "tensorflow")
    return "tensorflow"


def _check_backend(name: str) -> None:
    if name != "tensorflow":
        raise RuntimeError(
            f"skae needs Keras' TensorFlow backend; Keras runs on {name!r}. Set the "
            "environment variable KERAS_BACKEND=tensorflow before Keras is imported."
        )


# -------------------------------------------------------------------------- the notes

# How many are inside of `quiet`, in whatever thread, and what ends it for all of them.
_n_inside = 0
_ending = ExitStack()
# Held only at the door: who holds it for longer may wait for another lock.
_door = threading.Lock()

# Passes on at once what is no note, be it a piece of a line. At the null byte, with
# which `quiet` ends, it has passed on all that came before, and leaves the rest to a
# copy: whom the block has started may live on, and speak. It imports only what it
# needs, to start at once.
_FILTER = """
import posix, sys
begins = hidden = False
while data := posix.read(0, 65536):
    if text := data.replace(bytes(1), b""):
        import re
        rest = b""
        for line in text.splitlines(True):
            if begins or not hidden:
                hidden = re.match(sys.argv[1].encode(), line)
            begins = line[-1:] in b"\\r\\n"
            rest += b"" if hidden else line
        while rest:
            rest = rest[posix.write(2, rest):]
    if text != data and posix.fork():
        break
"""


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the notes that TensorFlow writes to the standard error.

    They come from C++. The environment variable `TF_CPP_MIN_LOG_LEVEL` is read once,
    for good, and for the user's own programs, too; and TensorFlow has written its
    first lines before it reads it. Where the user has set it, only what he asked for
    is heard.

    The standard error goes through another process. All but the notes is heard at
    once, also when this process crashes, and from processes started meanwhile.
    """
    global _n_inside
    inside = False
    try:
        with ctrl_c_waits(), _door:
            if not _n_inside:
                _ending.enter_context(_filtered())
            _n_inside += 1
            inside = True
        yield
    finally:
        if inside:
            with ctrl_c_waits(), _door:
                _n_inside -= 1
                if not _n_inside:
                    _ending.close()


def _notes() -> str | None:
    """Give the pattern of lines that are not to be heard; None where all are."""
    asked = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    if asked is None:
        # The notes of TensorFlow, its converters and LiteRT, and what it says of a
        # missing GPU.
        which = r"([IW](\d{4})? .*\w|E(\d{4})? .*\bcuda_\w+)"
    elif asked.isdecimal() and int(asked):
        which = rf"[{'IWE'[: int(asked)]}](\d{{4}})? .*\w"
    else:
        return None  # to TensorFlow, anything else is a 0
    return (
        rf"(\d{{4}}-[-\d]+ [\d:.]+: )?{which}\.cc:\d+\] "  # TensorFlow 2.20, 2.21
        "|INFO: |WARNING: All log messages before absl"
        "|To enable the following instructions: "
    )


@contextmanager
def _filtered() -> Iterator[None]:
    process = _start_filter()
    if process is None or process.stdin is None:
        yield
        return
    kept = os.dup(2)
    _redirect(process.stdin.fileno())
    try:
        yield
    finally:
        _redirect(kept)
        os.close(kept)
        process.communicate(bytes(1))


def _start_filter() -> "subprocess.Popen[bytes] | None":
    """Start what holds the notes back, or give None where they are to be heard."""
    notes = _notes()
    # Where Python is part of another program, `sys.executable` may be that program.
    python = os.path.basename(sys.executable or "").startswith("python")
    if notes is None or not python or os.name != "posix":
        return None
    try:
        os.fstat(2)
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _FILTER, notes],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # where Ctrl-C in a terminal does not strike
        )
    except OSError:  # there is no standard error, or may be no other process
        return None


def _redirect(target: int) -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
    os.dup2(target, 2)


# -------------------------------------------------------------------------- the forks

_lost_its_threads = False


def _after_fork() -> None:
    global _lost_its_threads
    # It may have run for skae or for the user; nothing public says whether it has.
    _lost_its_threads = "tensorflow" in sys.modules


if hasattr(os, "register_at_fork"):  # absent on Windows
    os.register_at_fork(after_in_child=_after_fork)


def refuse_fork() -> None:
    """Raise where TensorFlow would wait for ever for threads that a fork lost.

    What calls this before it takes a lock of skae's never finds one in a child that
    another thread held at the fork.
    """
    if _lost_its_threads:
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had already run, and "
            "TensorFlow does not survive a fork. Start workers with joblib's 'loky' "
            "backend or with multiprocessing.get_context('spawn'), or fork before the "
            "first fit."
        )


# --------------------------------------------------------------------------- the GPUs


def spare_gpu_memory() -> None:
    """Let TensorFlow take the memory of GPUs as it needs it, and not all at once.

    Whatever the user has decided about them stays, and so does a GPU in use.
    """
    tf = import_tensorflow()
    gpus = tf.config.get_visible_devices("GPU")
    decided = "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ or any(
        tf.config.experimental.get_memory_growth(gpu) is not None
        or tf.config.get_logical_device_configuration(gpu) is not None
        for gpu in gpus
    )
    for gpu in [] if decided else gpus:
        with suppress(RuntimeError):  # raised once TensorFlow has begun
            tf.config.experimental.set_memory_growth(gpu, True)


def refuse_graph() -> None:
    """Refuse to compute while TensorFlow only writes down what is to be computed."""
    import tensorflow as tf

    if not tf.executing_eagerly():
        raise RuntimeError(
            "skae needs TensorFlow's eager execution, and this call is inside of a "
            "tf.function or a tf.Graph, or follows "
            "tf.compat.v1.disable_eager_execution(). Call it outside of them, and use "
            "`encoder_` and `decoder_`, which are Keras models, in graphs of your own."
        )


# ------------------------------------------------------- Python's generator of numbers

_n_drawing = 0
_state_before: Any = None
_generator_door = threading.Lock()


@contextmanager
def python_random_kept() -> Iterator[None]:
    """Leave Python's global generator as it was, whatever layers draw from it inside.

    Threads may be inside at the same time: the last one out gives it back.
    """
    global _n_drawing, _state_before
    with _generator_door:
        if not _n_drawing:
            _state_before = random.getstate()
        _n_drawing += 1
    try:
        yield
    finally:
        with _generator_door:
            _n_drawing -= 1
            if not _n_drawing:
                random.setstate(_state_before)
