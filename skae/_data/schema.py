"""What validation saw of the samples."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from dataclasses import dataclass
from typing import Any

import numpy as np

# The attributes that validation sets, as scikit-learn names them.
ATTRIBUTES = ("n_features_in_", "feature_names_in_", "sample_shape_")


@dataclass(frozen=True)
class Schema:
    """The shape of a sample, and the names of its features if there are any."""

    n_features_in: int
    sample_shape: tuple[int, ...]
    feature_names_in: tuple[str, ...] = ()

    @classmethod
    def of(cls, estimator: Any) -> "Schema":
        """Give what validation has set on an estimator."""
        return cls(
            int(estimator.n_features_in_),
            tuple(int(size) for size in estimator.sample_shape_),
            tuple(getattr(estimator, "feature_names_in_", ())),
        )

    def attributes(self) -> dict[str, Any]:
        """Give the attributes that say so."""
        found: dict[str, Any] = {
            "n_features_in_": self.n_features_in,
            "sample_shape_": self.sample_shape,
        }
        if self.feature_names_in:
            names = np.array(self.feature_names_in, dtype=object)
            found["feature_names_in_"] = names
        return found
