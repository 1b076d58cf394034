"""The forward pass of a chain of dense layers in NumPy.

It needs no TensorFlow, costs microseconds on a single row, and gives the same
bits whatever the number of threads.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from skae._engines.numpy.activations import ACTIVATIONS
from skae._layers import LEAST_OUTPUT
from skae._objectives.masking import fill_and_flag
from skae._threads import one_blas_thread
from skae._tiles import MATRIX_ROWS, in_tiles, multiply

# Rows that go through all layers at once: few enough to stay in the cache, many
# enough for the matrix products to run at full speed.
BLOCK_ROWS = 42 * MATRIX_ROWS
# OpenBLAS never splits products of fewer than 9216 multiplications among threads; with
# a matrix of one column there are twice as many.
_SERIAL_WORK = 9216 // 2


class Layer(NamedTuple):
    """A dense layer: activation(x @ kernel + bias)."""

    kernel: np.ndarray
    bias: np.ndarray
    activation: str


class Path(NamedTuple):
    """A linear way around the layers, whose end is added before the activation."""

    kernel: np.ndarray
    bias: np.ndarray | None = None
    # Whether it gives an output, which is turned into the logits of one.
    logits: bool = False


class Stage(NamedTuple):
    """All that makes latent vectors of samples, or samples of latent vectors."""

    layers: list[Layer]
    path: Path | None = None
    # Those of the columns, where values may be missing.
    means: np.ndarray | None = None
    # How many of the values that come out count: the first ones; None is all.
    n_out: int | None = None


def to_logits(x: np.ndarray, slope: np.ndarray | None = None) -> None:
    """Overwrite outputs with their logits, and `slope` with the derivative.

    What lies too near to 0 or 1, or beyond, is moved inside, and has no slope.
    """
    within = (x > LEAST_OUTPUT) & (x < 1 - LEAST_OUTPUT)
    np.clip(x, LEAST_OUTPUT, 1 - LEAST_OUTPUT, out=x)
    rest = np.subtract(1, x, out=slope)
    if slope is None:
        x /= rest
        np.log(x, out=x)
        return
    ratio = x / rest
    rest *= x
    np.divide(within, rest, out=slope)
    np.log(ratio, out=x)


def forward(
    layers: list[Layer],
    X: np.ndarray,
    dtype: np.dtype,
    path: Path | None = None,
    means: np.ndarray | None = None,
) -> np.ndarray:
    """Run rows through the layers, block by block, in the given dtype.

    `means` are those of the columns, where values may be missing.
    """
    out = np.empty((len(X), layers[-1].bias.shape[0]), dtype)

    def run(start: int) -> None:
        first = np.asarray(X[start : start + BLOCK_ROWS], dtype)
        if means is not None:
            first = fill_and_flag(first, means)
        n = len(first)
        # Rows of zeros, which stay zeros in all layers, since they get no bias.
        x = first = in_tiles(first)
        for kernel, bias, activation in layers[:-1]:
            x = multiply(x, kernel)
            x[:n] += bias
            ACTIVATIONS[activation](x[:n])
        kernel, bias, activation = layers[-1]
        last = out[start : start + BLOCK_ROWS]
        np.add(multiply(x, kernel)[:n], bias, out=last)
        if path is not None:
            linear = multiply(first, path.kernel)[:n]
            if path.bias is not None:
                linear += path.bias
            if path.logits:
                to_logits(linear)
            last += linear
        ACTIVATIONS[activation](last)

    kernels = [layer.kernel for layer in layers]
    if path is not None:
        kernels.append(path.kernel)
    n_most = max(len(X), MATRIX_ROWS)
    starts = range(0, len(X), BLOCK_ROWS)
    if n_most * max(kernel.size for kernel in kernels) <= _SERIAL_WORK:
        for start in starts:
            run(start)
        return out
    with one_blas_thread() as blas_threads:
        if blas_threads == 1 or len(starts) < 4:
            for start in starts:
                run(start)
        else:
            with ThreadPoolExecutor(blas_threads) as pool:
                # In each thread, since OpenMP counts threads for each.
                list(pool.map(one_blas_thread()(run), starts))
    return out
