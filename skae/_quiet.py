"""TensorFlow's notes on the standard error, which are no business of a user."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from skae._models import ctrl_c_waits

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
