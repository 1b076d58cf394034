"""Ctrl-C, where it would leave something half done."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let Ctrl-C strike after a block of at most a second or two, not within it.

    Keras keeps what it is about in variables of the thread while it builds and traces,
    and would be left believing that it still is.
    """
    struck = []
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, lambda *args: struck.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if struck:
            raise KeyboardInterrupt
