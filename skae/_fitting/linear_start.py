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
from skae._models import Spec
from skae._threads import one_blas_thread

# Rows, and their bytes in float64, that stand for all.
_MAX_ROWS, _MAX_BYTES = 20_000, 2**28
# Up to this many rows or columns the decomposition is exact.
_MAX_EXACT = 2000


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
    n_rows = min(_MAX_ROWS, max(2, _MAX_BYTES // (8 * n_values)))
    rows, weight = data.some(n_rows)
    X = inputs_of(rows, data.paired).reshape(len(rows), -1).astype(np.float64)
    wanted = outputs_of(rows, data.paired).reshape(len(rows), -1)
    if scaling is not None:
        X, wanted = scaling.apply(X, np.float64), scaling.apply(wanted, np.float64)
    share = weight.astype(np.float64) / weight.sum(dtype=np.float64)
    with one_blas_thread(), np.errstate(all="ignore"):
        mean = share @ X
        V = principal_components(X - mean, share, spec.latent_dim)
    middle = share @ wanted.astype(np.float64) if data.paired else mean
    weights = list(weights)
    # The last bias and the path of the encoder; the path of the decoder is last of all.
    for i, value in zip(
        (n_encoder - 2, n_encoder - 1, -2, -1), (-mean @ V, V, V.T, middle), strict=True
    ):
        weights[i] = np.array(value, weights[i].dtype)
    return weights


def principal_components(
    centred: np.ndarray, share: np.ndarray, n_components: int
) -> np.ndarray:
    """Give the first principal components of centred rows, a column each."""
    n_rows, n_columns = centred.shape
    scaled = centred * np.sqrt(share)[:, np.newaxis]
    n = min(n_components, n_rows, n_columns)
    if n_columns <= min(n_rows, _MAX_EXACT) or n_columns <= n:
        last = n_columns - n, n_columns - 1
        V = eigh(scaled.T @ scaled, subset_by_index=last)[1][:, ::-1]
    elif n_rows <= _MAX_EXACT or n_rows <= n:
        last = n_rows - n, n_rows - 1
        V = scaled.T @ eigh(scaled @ scaled.T, subset_by_index=last)[1][:, ::-1]
        # A component without any variance is rounding.
        lengths = np.linalg.norm(V, axis=0)
        V /= np.where(lengths > 1e-6 * lengths.max(initial=0), lengths, np.inf)
    else:
        V = randomized_svd(scaled, n, random_state=0)[2].T
    # Of a component and its opposite, the one with its largest value positive.
    largest = V[np.abs(V).argmax(axis=0), np.arange(n)]
    V = V * np.where(largest < 0, -1.0, 1.0)
    return np.pad(V, ((0, 0), (0, n_components - n)))
