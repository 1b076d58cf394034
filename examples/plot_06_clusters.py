"""
Which clusters does K-means find in latent vectors? The digits, more than in pixels
===================================================================================

The labels are not shown to anything here. K-means is given the latent vectors of the
digits and asked for ten clusters, which are compared with the labels at the end.
"""

# %%
# Cluster the latent vectors
# --------------------------
#
# The transformer and K-means are two steps of a `Pipeline`.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline

from skae import AutoencoderTransformer

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)

pipe = Pipeline(
    [
        ("ae", AutoencoderTransformer(random_state=0)),
        ("km", KMeans(n_clusters=10, n_init=10, random_state=42)),
    ]
).fit(X)
pipe

# %%
# `labels_` holds the cluster of each sample, `cluster_centers_` a latent vector for
# each cluster.

km = pipe["km"]
print("labels_", km.labels_.shape, km.labels_[:10])
print("cluster_centers_", km.cluster_centers_.shape)

# %%
# Look at the centres
# -------------------
#
# The decoder turns a centre into a picture, though there is no such image in the data.

centers = pipe["ae"].inverse_transform(km.cluster_centers_)
fig, axes = plt.subplots(1, 10, figsize=(8, 1.2), layout="constrained")
for k, (ax, center) in enumerate(zip(axes, centers, strict=True)):
    ax.imshow(center.reshape(8, 8), cmap="gray_r")
    ax.set(title=k, xticks=[], yticks=[])
# sphinx_gallery_start_ignore
# Seen: Ten pictures, the centres of the clusters: nine can be read as digits, one is a
# blur of 1 and 8.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Compare with the labels
# -----------------------
#
# The adjusted Rand index is 1 for clusters that are the classes and about 0 for random
# ones. K-means is run on the pixels and on PCA's components for comparison.

from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

spaces = {"pixels": X, "PCA": PCA(10).fit_transform(X), "autoencoder": None}
for name, Z in spaces.items():
    labels = km.labels_
    if Z is not None:
        labels = KMeans(n_clusters=10, n_init=10, random_state=42).fit_predict(Z)
    ari = adjusted_rand_score(y, labels)
    nmi = normalized_mutual_info_score(y, labels)
    print(f"{name:12} ARI {ari:.3f}  NMI {nmi:.3f}")

# %%
# The ten latent values cluster better here than the 64 pixels, because they are
# arranged for it: :doc:`/user_guide/clustering` tells how. Another seed moves such
# figures by some hundredths. What is won in any case is a decoder that draws the
# centres, and vectors that are short.

# %%
# Where they differ
# -----------------
#
# Rows are digits, columns clusters: one digit may take two clusters, and one cluster
# hold two digits.

from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.metrics.cluster import contingency_matrix

counts = contingency_matrix(y, km.labels_)
fig, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
ConfusionMatrixDisplay(counts).plot(ax=ax, cmap="Blues", colorbar=False)
ax.set(xlabel="cluster", ylabel="digit")
# sphinx_gallery_start_ignore
# Seen: A table of digits by clusters. Most digits lie in one cluster; most of 1
# and 8 share one, and the cluster of 9 holds some of 3, 5 and 8.
# sphinx_gallery_end_ignore
plt.show()
