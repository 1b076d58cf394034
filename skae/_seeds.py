"""Copies of estimators whose chances follow a seed."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from typing import Any

import numpy as np
from sklearn.base import clone


def seeded(estimator: Any, random_state: np.random.RandomState) -> Any:
    """Copy an estimator; what it leaves to chance is drawn from a generator."""
    copied = clone(estimator)
    seeds = {
        name: random_state.randint(np.iinfo(np.int32).max)
        for name, value in sorted(copied.get_params().items())
        if name.split("__")[-1] == "random_state" and value is None
    }
    return copied.set_params(**seeds)
