"""One thread of BLAS to a product, while anyone needs it."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

from skae._interrupts import ctrl_c_waits


class _BlasLimit:
    """Holds BLAS at one thread while anyone needs it, then gives back what was.

    OpenBLAS splits long sums differently for different numbers of threads, so
    the last bits of a product depend on it. With one thread to a product they
    do not, and the rows can be shared among threads of our own. The counter
    makes it safe to enter from several threads at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_users = 0
        self._pools: list | None = None
        self._before: list[int] = []
        # Of each thread: how often it has entered, and what its own limits were.
        self._local = threading.local()

    def enter(self) -> int:
        with self._lock:
            if self._pools is None:
                controller = ThreadpoolController().select(user_api="blas")
                self._pools = controller.lib_controllers
            here = [pool.num_threads for pool in self._pools]
            depth = getattr(self._local, "depth", 0)
            if not self._n_users:
                self._before = here
            if not depth:
                self._local.before = here
            # Not the first alone: the limit of a thread is its own with OpenMP, and
            # where it is everyone's another thread may have set it in between.
            for pool, n_threads in zip(self._pools, here, strict=True):
                if n_threads != 1:
                    _set_num_threads(pool, 1)
            self._local.depth = depth + 1
            self._n_users += 1
            return max(self._before, default=1)

    def leave(self) -> None:
        with self._lock:
            self._n_users -= 1
            self._local.depth -= 1
            for i, pool in enumerate(self._pools or []):
                if _of_a_thread(pool):
                    if not self._local.depth:
                        _set_num_threads(pool, self._local.before[i])
                elif not self._n_users:
                    _set_num_threads(pool, self._before[i])


def _of_a_thread(pool: Any) -> bool:
    """Whether a limit holds for the thread alone that sets it."""
    return pool.internal_api == "openblas" and pool.threading_layer == "openmp"


def _set_num_threads(pool: Any, n_threads: int) -> None:
    """Set a limit from any thread.

    From 3.8 on, threadpoolctl lets one thread alone set a limit that holds for all, and
    does nothing in the others, without a word, until that one gives it up.
    """
    free = getattr(pool, "clear_controlling_thread", None)
    if free is not None:
        free(force=True)
    pool.set_num_threads(n_threads)
    if free is not None:
        free()


_blas_limit = _BlasLimit()


def _forget_blas_limit() -> None:
    global _blas_limit
    _blas_limit = _BlasLimit()


if hasattr(os, "register_at_fork"):  # absent on Windows
    # A fork may happen while another thread holds the lock.
    os.register_at_fork(after_in_child=_forget_blas_limit)


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Limit BLAS to one thread; give the number it had. A decorator, too."""
    limit = _blas_limit
    entered = False
    try:
        # Ctrl-C must not come between the limit and the knowledge of it.
        with ctrl_c_waits():
            n_threads = limit.enter()
            entered = True
        yield n_threads
    finally:
        if entered:
            with ctrl_c_waits():
                limit.leave()
