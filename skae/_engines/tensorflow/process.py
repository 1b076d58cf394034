"""TensorFlow's notes on the standard error, which are no business of a user."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import Any

from skae._interrupts import ctrl_c_waits

# The notes of TensorFlow, its converters and LiteRT, and what it says of a missing GPU.
_NOTES = re.compile(
    rb"(\d{4}-[-\d]+ [\d:.]+: )?[IW](\d{4})? .*\w\.cc:\d+\] "  # TensorFlow 2.20, 2.21
    rb"|(\d{4}-[-\d]+ [\d:.]+: )?E(\d{4})? .*\bcuda_\w+\.cc:\d+\] "
    rb"|INFO: |WARNING: All log messages before absl"
    rb"|To enable the following instructions: "
)
# How many are inside of `quiet`, in whatever thread, and what ends it for all of them.
_n_inside = 0
_ending = ExitStack()
# Held only at the door: who holds it for longer may wait for another lock.
_door = threading.Lock()


def quiet_unless_asked() -> Any:
    """Hold the notes back, unless the user has set how much TensorFlow should tell."""
    return nullcontext() if "TF_CPP_MIN_LOG_LEVEL" in os.environ else quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the notes that TensorFlow writes to the standard error.

    They come from C++, and only an environment variable that TensorFlow reads when it
    starts would silence them, for the user's own programs, too. All else that is
    written meanwhile comes out afterwards.
    """
    global _n_inside
    inside = False
    try:
        with ctrl_c_waits(), _door:
            if not _n_inside:
                _ending.enter_context(_held_back())
            _n_inside += 1
            inside = True
        yield
    finally:
        if inside:
            with ctrl_c_waits(), _door:
                _n_inside -= 1
                if not _n_inside:
                    _ending.close()


@contextmanager
def _held_back() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _NOTES.match(line):
                    os.write(2, line)


_tensorflow_pid: int | None = None


def _after_fork() -> None:
    global _door, _tensorflow_pid
    _door = threading.Lock()
    # The user may have run TensorFlow, too; nothing public says whether it ran.
    if _tensorflow_pid is None and "tensorflow" in sys.modules:
        _tensorflow_pid = os.getppid()


if hasattr(os, "register_at_fork"):  # absent on Windows
    # A fork may happen while another thread holds the lock.
    os.register_at_fork(after_in_child=_after_fork)


def refuse_fork() -> None:
    """Raise where TensorFlow would wait for ever for threads that a fork lost."""
    global _tensorflow_pid
    if _tensorflow_pid is None:
        _tensorflow_pid = os.getpid()
    if _tensorflow_pid != os.getpid():
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had already run, and "
            "TensorFlow does not survive a fork. Start workers with joblib's 'loky' "
            "backend or with multiprocessing.get_context('spawn'), or fork before the "
            "first fit."
        )


def spare_gpu_memory() -> None:
    """Let TensorFlow take the memory of GPUs as it needs it, and not all at once.

    Whatever the user has decided about them stays, and so does a GPU in use.
    """
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    decided = "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ or any(
        tf.config.experimental.get_memory_growth(gpu) is not None
        or tf.config.get_logical_device_configuration(gpu) is not None
        for gpu in gpus
    )
    for gpu in [] if decided else gpus:
        with suppress(RuntimeError):  # raised once TensorFlow has begun
            tf.config.experimental.set_memory_growth(gpu, True)
