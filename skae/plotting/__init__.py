"""Pictures of what an autoencoder learned, in scikit-learn's Display style."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from skae.plotting._cluster import ClusterDisplay
from skae.plotting._embedding import EmbeddingDisplay
from skae.plotting._latent import LatentDisplay
from skae.plotting._loss_curve import LossCurveDisplay
from skae.plotting._outlier import OutlierDisplay
from skae.plotting._perplexity import PerplexityDisplay
from skae.plotting._reconstruction import ReconstructionDisplay
from skae.plotting._training import TrainingDisplay

__all__ = [
    "ClusterDisplay",
    "EmbeddingDisplay",
    "LatentDisplay",
    "LossCurveDisplay",
    "OutlierDisplay",
    "PerplexityDisplay",
    "ReconstructionDisplay",
    "Snapshots",
    "TrainingDisplay",
]


def __getattr__(name):
    # A Keras callback: Keras is imported only by those who use it.
    if name == "Snapshots":
        from skae.plotting._snapshots import Snapshots

        return Snapshots
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
