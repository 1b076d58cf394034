"""Samples of the user's for validation, in place of rows that data set aside."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Callable

import numpy as np

from skae._data.digests import digest_of_rows
from skae._engines.protocol import Put


class ValidatesOn:
    """What data know of samples that were given them for validation."""

    _given: tuple[np.ndarray, np.ndarray] | None = None

    def validate_on(self, X: np.ndarray, weight: np.ndarray) -> None:
        """Take samples and their weights, in place of rows of its own."""
        self._given = X, weight

    def _words_of_given(self) -> str | None:
        """Give words that tell these samples from others, the same in each process."""
        if self._given is None:
            return None
        return f"{len(self._given[0])} rows [{digest_of_rows(*self._given)}]"


def put_aside(
    put: Callable[..., Put], aside: tuple[np.ndarray, np.ndarray], dtype: str
) -> tuple[Put, np.ndarray]:
    """Bring samples for validation to who trains; give them with their numbers."""
    X, weight = aside
    return put(X, weight.astype(dtype, copy=False)), np.arange(len(X))
