"""Pictures of what an autoencoder learned, in scikit-learn's Display style."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from skae.plotting._embedding import EmbeddingDisplay

__all__ = [
    "EmbeddingDisplay",
]
