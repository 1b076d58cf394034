"""When Ctrl-C strikes."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let Ctrl-C strike after a block of a few seconds, and the second one within it.

    TensorFlow can't be imported again where its import was broken off, and Keras keeps
    what it is about in variables of the thread while it builds and traces: it would be
    left believing that it still is. Who insists is heard all the same.

    A handler of the user's own stays, and so does Ctrl-C in other threads: Python runs
    handlers in the main one.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    struck = False

    def wait(signum: int, frame: FrameType | None) -> None:
        nonlocal struck
        if struck:
            signal.default_int_handler(signum, frame)
        struck = True

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    except KeyboardInterrupt:
        struck = False  # what was to be raised is on its way
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if struck:
            raise KeyboardInterrupt
