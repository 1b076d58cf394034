"""
Do the latent vectors tell the digits apart? t-SNE shows that they do
=====================================================================

A latent vector of ten numbers cannot be drawn. t-SNE makes a map in two dimensions on
which neighbours stay neighbours; the labels only colour it.
"""

# %%
# The map
# -------
#
# The settings are those of the chapter.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE

from skae import AutoencoderTransformer
from skae.plotting import EmbeddingDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
Z = AutoencoderTransformer(random_state=0).fit_transform(X)

tsne = TSNE(learning_rate=100, perplexity=15, random_state=0)
embedding = tsne.fit_transform(Z)
EmbeddingDisplay.from_embedding(embedding, labels=y, name="t-SNE", key="colorbar")
# sphinx_gallery_start_ignore
# Seen: A t-SNE map on which nearly every digit is an island of its own colour.
# sphinx_gallery_end_ignore
plt.show()

# %%
# In one call
# -----------
#
# `from_estimator` does all steps of it, and takes any reducer. PCA shows the same
# latent vectors from one side only, so that the digits cover one another.

from sklearn.decomposition import PCA

ae = AutoencoderTransformer(random_state=0).fit(X)
EmbeddingDisplay.from_estimator(ae, X, labels=y, reducer=PCA(n_components=2))
# sphinx_gallery_start_ignore
# Seen: The same latent vectors by PCA: the colours of the digits lie over one
# another.
# sphinx_gallery_end_ignore
plt.show()

# %%
# What the map does not say
# -------------------------
#
# The sizes of the groups and the gaps between them mean little, and the axes nothing:
# see :doc:`/user_guide/tsne`. Measure on the latent vectors, and look at the
# map. How many neighbours it keeps can be counted.

from skae.plotting import PerplexityDisplay

maps = {"t-SNE": embedding, "PCA": PCA(n_components=2)}
PerplexityDisplay.from_latents(Z, maps, labels=y)
# sphinx_gallery_start_ignore
# Seen: Both maps side by side: t-SNE keeps 62 % of the five nearest neighbours, PCA 9
# %.
# sphinx_gallery_end_ignore
plt.show()
