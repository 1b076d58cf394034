"""Pictures of what an autoencoder learned, in scikit-learn's Display style."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from skae.plotting._cluster import ClusterDisplay
from skae.plotting._comparison import ComparisonDisplay
from skae.plotting._embedding import EmbeddingDisplay
from skae.plotting._latent import LatentDisplay
from skae.plotting._loss_curve import LossCurveDisplay
from skae.plotting._reconstruction import ReconstructionDisplay

__all__ = [
    "ClusterDisplay",
    "ComparisonDisplay",
    "EmbeddingDisplay",
    "LatentDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
]
