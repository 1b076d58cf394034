"""The forward pass of a chain of dense layers in NumPy.

It needs no TensorFlow, costs microseconds on a single row, and gives the same
bits whatever the number of threads.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from skae._activations import ACTIVATIONS

# Rows that go through all layers at once: few enough to stay in the cache, many
# enough for the matrix products to run at full speed.
BLOCK_ROWS = 512
# OpenBLAS never splits products of fewer multiplications among threads.
_SERIAL_WORK = 9216


class Layer(NamedTuple):
    """A dense layer: activation(x @ kernel + bias)."""

    kernel: np.ndarray
    bias: np.ndarray
    activation: str


def forward(layers: list[Layer], X: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Run rows through the layers, block by block, in the given dtype."""
    out = np.empty((len(X), layers[-1].bias.shape[0]), dtype)

    def run(start: int) -> None:
        x = np.asarray(X[start : start + BLOCK_ROWS], dtype)
        for kernel, bias, activation in layers[:-1]:
            x = x @ kernel
            x += bias
            ACTIVATIONS[activation](x)
        kernel, bias, activation = layers[-1]
        last = np.matmul(x, kernel, out=out[start : start + BLOCK_ROWS])
        last += bias
        ACTIVATIONS[activation](last)

    starts = range(0, len(X), BLOCK_ROWS)
    if len(X) * max(layer.kernel.size for layer in layers) <= _SERIAL_WORK:
        run(0)
        return out
    with one_blas_thread() as blas_threads:
        if blas_threads == 1 or len(starts) < 4:
            for start in starts:
                run(start)
        else:
            with ThreadPoolExecutor(blas_threads) as pool:
                list(pool.map(run, starts))
    return out


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
