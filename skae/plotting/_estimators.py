"""What Displays ask of estimators: latent vectors, and maps of them."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from sklearn.base import clone
from sklearn.decomposition import PCA

from skae.plotting._images import as_array


def reduced(latents, reducer=None):
    """Return latent vectors in two or three columns, and what the columns are."""
    name = "Latent"
    if reducer is None and latents.shape[1] not in (2, 3):
        reducer = PCA(n_components=min(2, latents.shape[1]))
    if reducer is not None:
        latents = as_array(clone(reducer).fit_transform(latents))
        name = type(reducer).__name__.replace("TSNE", "t-SNE")
    return latents, name
