"""Training on, with latent vectors drawn to the centres of their clusters.

See Yang et al. (2017), "Towards K-means-friendly spaces: simultaneous deep learning and
clustering".
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import math

from skae._autoencoder import AutoencoderTransformer

# How far, and how strongly, latent vectors are drawn to their centres, and how long, as
# a share of the epochs before.
_SHARE, _STRENGTH, _EPOCHS = 0.8, 5.0, 0.2


class Centers:
    """An objective: each latent vector is drawn to the centre of its cluster."""

    def __init__(self, centers, strength):
        self.centers, self.strength = centers, strength

    def places(self, epoch, view):
        """Give the places of all rows, once."""
        if epoch:
            return None
        Z = view.encode_all()
        places = ((1 - _SHARE) * Z + _SHARE * self.centers).astype(Z.dtype)
        return places, self.strength / float(places.var() or 1)


def trains_on(transformer):
    """Tell whether a transformer is one to train on, with places for its latents."""
    return isinstance(transformer, AutoencoderTransformer) and not any(
        hasattr(one, "places") for one in _objectives(transformer)
    )


def _objectives(transformer):
    objective = transformer.objective
    if objective is None:
        return []
    return [*objective] if isinstance(objective, (list, tuple)) else [objective]


def draw_on(transformer, rows, weight, places):
    """Train on, with latent vectors drawn to their centres."""
    centers = Centers(places, -_STRENGTH * transformer.score(rows))
    drawn = copy.deepcopy(transformer).set_params(
        objective=[*_objectives(transformer), centers],
        arrange=None,
        epochs=math.ceil(_EPOCHS * transformer.n_iter_),
        early_stopping=False,
        warm_start=True,
    )
    # The transformer stays the one that was asked for, with other weights.
    transformer.weights_ = drawn.fit(rows, sample_weight=weight).weights_
