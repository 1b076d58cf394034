"""The linear path of a network starts at the principal components of the data."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math

import numpy as np
from scipy.linalg import eigh
from sklearn.utils.extmath import randomized_svd

from skae._data import Data
from skae._data.pairs import inputs_of, outputs_of
from skae._engines.scaled import Scaling
from skae._fitting.scales import has_rare_columns
from skae._layers import ends
from skae._models import Spec
from skae._threads import one_blas_thread

# Rows, and their bytes, that stand for all, and how many are decomposed at once.
_MAX_ROWS, _MAX_BYTES = 20_000, 2**26
_BLOCK_ROWS, _FEW_ROWS = 2048, 512
# How often all rows of a stream are read for their components, and how many components
# more than are asked for are looked for, as Halko, Martinsson and Tropp (2011) do.
_N_PASSES, _MORE_COMPONENTS = 5, 10
# Up to this many rows or columns the decomposition is exact.
_MAX_EXACT = 2000


@one_blas_thread()
def start_at_components(
    weights: list[np.ndarray],
    n_encoder: int,
    spec: Spec,
    data: Data,
    scaling: Scaling | None = None,
) -> list[np.ndarray]:
    """Set the weights of the linear path so that a network begins as PCA.

    Latent vectors are z = (x - mean) V and outputs mean + z V', where the columns of V
    are the principal components; the layers beside the path give zero. Where there are
    more latent values than components, those too many begin at zero.
    """
    n_values = math.prod(spec.sample_shape)
    n_bytes = n_values * data.dtype.itemsize * (1 + data.paired)
    # The sample of a wide stream is too small for words, each of which few texts have.
    exactly = data.streamed and has_rare_columns(data)
    if exactly:
        n_bytes = n_values * 8 * (1 + data.paired)
    n_rows = min(_MAX_ROWS, max(2, _MAX_BYTES // n_bytes))
    rows, weight = data.some(n_rows, exactly)
    X = inputs_of(rows, data.paired).reshape(len(rows), -1)
    share = weight.astype(np.float64) / weight.sum(dtype=np.float64)
    with np.errstate(all="ignore"):
        mean = middle = weighted_mean(X, share)
        if data.paired:
            wanted = outputs_of(rows, data.paired).reshape(len(rows), -1)
            middle = weighted_mean(wanted, share)
        unit = np.ones(n_values) if scaling is None else scaling.scale
        if exactly:
            many = spec.latent_dim + _MORE_COMPONENTS
            V = principal_components(X, share, many, mean, unit)
            mean, V = _of_all_rows(data, V)
            V = V[:, : spec.latent_dim]
            middle = middle if data.paired else mean
        else:
            V = principal_components(X, share, spec.latent_dim, mean, unit)
    if scaling is not None:
        mean, middle = scaling.apply(np.stack([mean, middle]), np.float64)
    weights = list(weights)
    found = ends(n_encoder, path=True)
    # The last bias and the path of the encoder, and the path of the decoder.
    places = *found.to_latents[-2:], *found.to_samples[-1]
    for i, value in zip(places, (-mean @ V, V, V.T, middle), strict=True):
        weights[i] = np.array(value, weights[i].dtype)
    return weights


def _of_all_rows(data: Data, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the mean of all rows of a stream, and their components, from those of some.

    By subspace iteration: the covariance is taken times the components, block by block.
    """
    for _ in range(_N_PASSES):
        sums = _Sums(V)
        data.encode_all(sums.add)
        mean = sums.total / data.n_train
        product = sums.product / data.n_train - np.outer(mean, mean @ V)
        V = np.linalg.svd(product, full_matrices=False)[0]
    return mean, with_signs(V)


class _Sums:
    """Adds up rows, and their outer products times components."""

    def __init__(self, V: np.ndarray):
        self._components = V
        self.product, self.total = np.zeros(V.shape), np.zeros(len(V))

    def add(self, X: np.ndarray) -> np.ndarray:
        X = X.reshape(len(X), -1)
        for start in range(0, len(X), _FEW_ROWS):
            some = X[start : start + _FEW_ROWS].astype(np.float64)
            self.product += some.T @ (some @ self._components)
            self.total += some.sum(axis=0)
        return np.empty((len(X), 0))


def weighted_mean(X: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Give the mean of rows, in float64."""
    mean = np.zeros(X.shape[1])
    for start in range(0, len(X), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        mean += share[block] @ X[block].astype(np.float64)
    return mean


def principal_components(
    X: np.ndarray,
    share: np.ndarray,
    n_components: int,
    mean: np.ndarray,
    unit: np.ndarray,
) -> np.ndarray:
    """Give the first principal components of rows, a column each.

    Each column of the rows is taken from its mean, and in its unit; a row counts by its
    share.
    """
    n_rows, n_columns = X.shape
    n = min(n_components, n_rows, n_columns)
    if n_columns <= min(n_rows, _MAX_EXACT) or n_columns <= n:
        product = np.zeros((n_columns, n_columns))
        for start in range(0, n_rows, _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            some = (X[block] - mean) / unit * np.sqrt(share[block])[:, np.newaxis]
            product += some.T @ some
        last = n_columns - n, n_columns - 1
        V = eigh(product, subset_by_index=last)[1][:, ::-1]
    else:
        scaled = (X - mean) / unit * np.sqrt(share)[:, np.newaxis]
        if n_rows <= _MAX_EXACT or n_rows <= n:
            last = n_rows - n, n_rows - 1
            V = scaled.T @ eigh(scaled @ scaled.T, subset_by_index=last)[1][:, ::-1]
            # A component without any variance is rounding.
            lengths = np.linalg.norm(V, axis=0)
            V /= np.where(lengths > 1e-6 * lengths.max(initial=0), lengths, np.inf)
        else:
            V = randomized_svd(scaled, n, random_state=0)[2].T
    return np.pad(with_signs(V), ((0, 0), (0, n_components - n)))


def with_signs(V: np.ndarray) -> np.ndarray:
    """Give each component or its opposite, so that its largest value is positive."""
    largest = V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])]
    return V * np.where(largest < 0, -1.0, 1.0)
