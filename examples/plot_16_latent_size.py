"""
How many latent values? As many as what comes after them needs
==============================================================

The reconstruction error falls with every further latent value. Where to stop depends on
what the latent vectors are for, so measure that beside the error.
"""

# %%
# Error, classification and clusters by latent size
# -------------------------------------------------
#
# For each size: the error on test digits, beside PCA's; the accuracy of a classifier by
# nearest neighbours on the latent vectors; and how well K-means finds the digits in
# them.

# sphinx_gallery_thumbnail_number = 3
import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

sizes = [1, 2, 3, 5, 8, 12, 20]
results = {"autoencoder": [], "PCA": []}
for size in sizes:
    for name in results:
        if name == "PCA":
            model = PCA(size).fit(X_train)
        else:
            model = AutoencoderTransformer(size, epochs=100, random_state=0)
            model.fit(X_train)
        Z_train, Z_test = model.transform(X_train), model.transform(X_test)
        error = np.mean((model.inverse_transform(Z_test) - X_test) ** 2)
        knn = KNeighborsClassifier().fit(Z_train, y_train)
        km = KMeans(10, n_init=5, random_state=0).fit(Z_train)
        ari = adjusted_rand_score(y_train, km.labels_)
        results[name].append((error, knn.score(Z_test, y_test), ari))

titles = ["test MSE", "accuracy, 5 neighbours", "ARI of 10 clusters"]
fig, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for i, (ax, title) in enumerate(zip(axes, titles, strict=True)):
    for (name, values), style in zip(results.items(), ["o-", "s--"], strict=True):
        ax.plot(sizes, [value[i] for value in values], style, label=name)
    ax.set(title=title, xlabel="latent_dim", xscale="log")
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
axes[0].set_yscale("log")
axes[0].legend()
# sphinx_gallery_start_ignore
# Seen: Three panels by latent size, autoencoder and PCA. The test error falls
# throughout, and the autoencoder's is the lower one; the accuracy is nearly level from
# five to eight values on; the autoencoder's clusters are the better ones.
# sphinx_gallery_end_ignore
plt.show()

# %%
# The classifier gains little beyond five to eight latent values, though the error goes
# on falling: what the further values keep is the hand of the writer, not the digit. The
# clusters are better than those of PCA, and gain a little up to 20 values, because the
# latent vectors are arranged as well: see :doc:`/user_guide/clustering`.

# %%
# Two latent values can be drawn
# ------------------------------
#
# For a plane of pictures take `latent_dim=2`, and pay with the error. Where no sample
# lies, the decoder draws what it likes, and the plane is faint.

from skae.plotting import EmbeddingDisplay, LatentDisplay

ae = AutoencoderTransformer(latent_dim=2, random_state=0).fit(X_train)
EmbeddingDisplay.from_embedding(ae.transform(X_train), labels=y_train, name="Latent")
# sphinx_gallery_start_ignore
# Seen: A map of two latent values: some digits lie apart at the rim, others over one
# another in the middle.
# sphinx_gallery_end_ignore
plt.show()

# %%

LatentDisplay.from_estimator(
    ae, X_train, kind="plane", n_steps=10, percentiles=(10, 90)
)
# sphinx_gallery_start_ignore
# Seen: A plane of ten by ten decoded digits, which change from one to the next: 2 and 4
# above, 3, 0 and 6 below.
# sphinx_gallery_end_ignore
plt.show()
