"""One thread of BLAS to a product, while anyone needs it."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


class _BlasLimit:
    """Holds BLAS at one thread while anyone needs it, then gives back what was.

    OpenBLAS splits long sums differently for different numbers of threads, so
    the last bits of a product depend on it. With one thread to a product they
    do not, and the rows can be shared among threads of our own. The counter
    makes it safe to enter from several threads at once.
    """

    def __init__(self) -> None:
        # Ctrl-C may strike anywhere, also before a user has left: one that is
        # forgotten counts no longer, and every step can be taken twice, also by one
        # who was struck with the lock in hand.
        self._lock = threading.RLock()
        self._users: weakref.WeakSet[_User] = weakref.WeakSet()
        self._pools: list | None = None
        self._before: list[int] | None = None

    def enter(self, user: "_User") -> int:
        with self._lock:
            if self._pools is None:
                controller = ThreadpoolController().select(user_api="blas")
                self._pools = controller.lib_controllers
            if self._before is None:
                self._before = [pool.num_threads for pool in self._pools]
            if not self._users:
                for pool in self._pools:
                    pool.set_num_threads(1)
            self._users.add(user)
            return max(self._before, default=1)

    def leave(self, user: "_User") -> None:
        with self._lock:
            self._users.discard(user)
            if self._users or self._pools is None or self._before is None:
                return
            for pool, n_threads in zip(self._pools, self._before, strict=True):
                pool.set_num_threads(n_threads)
            self._before = None


class _User:
    """Stands for one who needs a single thread."""


_blas_limit = _BlasLimit()


def _forget_blas_limit() -> None:
    global _blas_limit
    _blas_limit = _BlasLimit()


if hasattr(os, "register_at_fork"):  # absent on Windows
    # A fork may happen while another thread holds the lock.
    os.register_at_fork(after_in_child=_forget_blas_limit)


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Limit BLAS to one thread; give the number it had."""
    limit, user = _blas_limit, _User()
    try:
        yield limit.enter(user)
    finally:
        try:
            limit.leave(user)
        except KeyboardInterrupt:
            # It struck between two libraries: the rest get back what they had, too.
            limit.leave(user)
            raise
