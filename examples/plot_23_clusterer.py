"""
Which digits are alike? Latent vectors tell nine in ten of them, pixels eight
=============================================================================

Nobody tells it what a digit is. :class:`~skae.AutoencoderClusterer` learns latent
vectors, finds ten clusters among them, and draws the latent vectors to the centres.
"""

# %%
# Find ten clusters
# -----------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from skae import AutoencoderClusterer
from skae.plotting import ClusterDisplay, EmbeddingDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)

clusterer = AutoencoderClusterer(10, random_state=0).fit(X)
pixels = KMeans(10, n_init=10, random_state=0).fit(X)

# %%
# How many are right?
# -------------------
#
# The labels, which no step has seen, judge both: each cluster is given the digit that
# makes the most samples right, no digit twice.

from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, confusion_matrix


def digit_of_each(clusters):
    counts = confusion_matrix(y, clusters)
    digits, found = linear_sum_assignment(-counts)
    return digits[np.argsort(found)]


found = {"AutoencoderClusterer": clusterer.labels_, "K-means, pixels": pixels.labels_}
for name, clusters in found.items():
    right = np.mean(digit_of_each(clusters)[clusters] == y)
    index = adjusted_rand_score(y, clusters)
    print(f"{name:22}{right:.3f} right, adjusted Rand index {index:.3f}")

# %%
# Over ten seeds it is 0.888 on average and 0.876 at worst, against 0.793 and 0.790
# (:doc:`/user_guide/clusters`).
#
# What do the clusters hold?
# --------------------------
#
# In front the centre, which the decoder has drawn, then the members nearest to it;
# behind them the size, and the share of the commonest digit. Eight clusters are nearly
# of one digit. The ones are parted: those of a thick stroke lie with the eights, the
# others with nines and sevens that look like them.

ClusterDisplay.from_estimator(clusterer, X, y)
# sphinx_gallery_start_ignore
# Seen: Ten rows of digits: in front the centre of a cluster, then its nearest members.
# Eight rows are of one digit each; that of 8 is 58 % eights and that of 1 is 62 % ones.
# sphinx_gallery_end_ignore
plt.show()

# %%
# What it gets wrong
# ------------------
#
# The members farthest from their centres: where a cluster is wrong, it is so here
# first.

ClusterDisplay.from_estimator(clusterer, X, y, kind="farthest")
# sphinx_gallery_start_ignore
# Seen: Ten rows of digits: the members farthest from the centre of each cluster, some
# of them of other digits, such as fours among the sevens and fives among the nines.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Where they lie
# --------------
#
# t-SNE draws the latent vectors, once in the colours of the digits and once in those of
# the clusters, each of which has the colour of its digit.

from sklearn.manifold import TSNE

Z = clusterer.transformer_.transform(X)
places = TSNE(random_state=0).fit_transform(Z)
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4.8), layout="constrained")
clusters = digit_of_each(clusterer.labels_)[clusterer.labels_]
for ax, title, labels in zip(axes, ("digits", "clusters"), (y, clusters), strict=True):
    EmbeddingDisplay.from_embedding(places, labels=labels, name="t-SNE", ax=ax)
    ax.set_title(title)
# sphinx_gallery_start_ignore
# Seen: Two maps of the same points, in the colours of digits and of clusters, which
# agree on eight islands; about half of the ones belong to the cluster of eights.
# sphinx_gallery_end_ignore
plt.show()

# %%
# New digits
# ----------
#
# `predict` gives the nearest centre, for rows that it has never seen too.

half = AutoencoderClusterer(10, random_state=0).fit(X[::2])
new, truth = half.predict(X[1::2]), y[1::2]
counts = confusion_matrix(truth, new)
right = counts[linear_sum_assignment(-counts)].sum() / len(truth)
print(f"{right:.3f} right of {len(truth)} new digits")

# %%
# Are there clusters at all?
# --------------------------
#
# Ten are found wherever ten are asked for. `silhouette_` says how far apart they lie:
# one is far, zero is in touch. These touch; that they are digits is seen above, and not
# from this number. :doc:`/user_guide/clusters` tells what else to look at.

print(f"{clusterer.silhouette_:.2f}")
