"""
Where do new samples go on a t-SNE map? An autoencoder that learned it knows
=============================================================================

t-SNE places the samples that it gets, and has no place for another. With
`arrange=TSNE()` the latent vectors learn its map: new samples have places on it, and
places have samples.
"""

# %%
# Learn the map of some digits
# ----------------------------
#
# 1,300 digits are few for a network to learn more than their places, so some pixels of
# each are swapped with those of others in training, the network has a "relu", and it
# trains for four times as long as by default.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE

from skae import AutoencoderTransformer, Denoising
from skae.plotting import EmbeddingDisplay

digits = load_digits()
X, y = digits.data.astype(np.float32) / 16, digits.target
order = np.random.default_rng(0).permutation(len(X))
train, test = order[:1300], order[1300:]

ae = AutoencoderTransformer(
    2,
    arrange=TSNE(perplexity=15),
    objective=Denoising(0.2, "swap"),
    activation="relu",
    epochs=400,
    random_state=0,
).fit(X[train])

# %%
# Place the others on it
# ----------------------
#
# The new digits have been seen by neither of the two.

Z, Z_new = ae.transform(X[train]), ae.transform(X[test])
fig, axs = plt.subplots(
    1, 2, figsize=(8, 4.2), sharex=True, sharey=True, layout="constrained"
)
for ax, title, places, labels in (
    (axs[0], "digits of the map", Z, y[train]),
    (axs[1], "new digits", Z_new, y[test]),
):
    EmbeddingDisplay.from_embedding(places, labels=labels, name="t-SNE", ax=ax)
    ax.set_title(title)
# sphinx_gallery_start_ignore
# Seen: Two maps side by side, of the digits that t-SNE has mapped and of new ones:
# each digit is an island, at the same place in both.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Most of them lie among their like.

from sklearn.neighbors import KNeighborsClassifier

knn = KNeighborsClassifier(5).fit(Z, y[train])
print(f"told right by their neighbours on the map: {knn.score(Z_new, y[test]):.1%}")

# %%
# Look at any place
# -----------------
#
# The decoder makes digits of places, of those in between, too: along the way from one
# group to the next, a digit becomes another.

low, high = np.quantile(Z, [0.01, 0.99], axis=0)
n = 16
places = np.stack(
    np.meshgrid(np.linspace(low[0], high[0], n), np.linspace(high[1], low[1], n)), 2
)
images = ae.inverse_transform(places.reshape(-1, 2)).reshape(n, n, 8, 8)
fig, ax = plt.subplots(figsize=(5.5, 5.5), layout="constrained")
ax.imshow(images.transpose(0, 2, 1, 3).reshape(8 * n, 8 * n), cmap="gray_r")
ax.set_axis_off()
# sphinx_gallery_start_ignore
# Seen: A grid of decoded places: regions of one digit each, which change into one
# another at their borders.
# sphinx_gallery_end_ignore
plt.show()
