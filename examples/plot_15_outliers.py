"""
Which rows of a table are odd? Those that the autoencoder cannot reconstruct
============================================================================

An autoencoder learns what its training data have in common. A row that lacks it comes
back changed, and `score_samples`, minus the error of each sample, is low for it. This
example does by hand what `AutoencoderOutlierDetector` does better: see
:ref:`sphx_glr_auto_examples_plot_18_outliers.py`.
"""

# %%
# Train on what is normal
# -----------------------
#
# The table holds measurements of cell nuclei. The autoencoder sees only part of the
# benign ones. Columns of so different scales are scaled first. 200 rows are few, so the
# network is small: a large one would learn to reconstruct anything.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, DenseNetwork

data = load_breast_cancer()
X, benign = data.data, data.target == 1
train = np.flatnonzero(benign)[:200]
test = np.setdiff1d(np.arange(len(X)), train)

scaler = StandardScaler().fit(X[train])
ae = AutoencoderTransformer(
    latent_dim=5,
    network=DenseNetwork(hidden_layer_sizes=(16,)),
    epochs=100,
    random_state=0,
).fit(scaler.transform(X[train]))

# %%
# Score the others
# ----------------
#
# The scores are minus mean squared errors, so the axis is drawn logarithmically and
# turned round.

scores = ae.score_samples(scaler.transform(X[test]))
odd = ~benign[test]

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
bins = np.geomspace(-scores.max(), -scores.min(), 40)
for name, rows in {"benign": ~odd, "malignant": odd}.items():
    ax.hist(-scores[rows], bins, alpha=0.6, label=name)
ax.set(xscale="log", xlabel="reconstruction error", ylabel="rows")
ax.legend()
# sphinx_gallery_start_ignore
# Seen: Two histograms of the reconstruction error. That of the malignant rows lies to
# the right, ten times as high, and they overlap a little.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Compare with PCA and with an isolation forest
# ---------------------------------------------
#
# The autoencoder is ahead of PCA, and about level with the forest, which is made for
# the purpose but does not tell in which columns a row is odd.

from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import RocCurveDisplay

pca = PCA(5).fit(scaler.transform(X[train]))
X_test = scaler.transform(X[test])
scorers = {
    "autoencoder": scores,
    "PCA": -np.mean((X_test - pca.inverse_transform(pca.transform(X_test))) ** 2, 1),
    "isolation forest": IsolationForest(random_state=0)
    .fit(scaler.transform(X[train]))
    .score_samples(X_test),
}
fig, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
for name, score in scorers.items():
    RocCurveDisplay.from_predictions(odd, -score, ax=ax, name=name)
# sphinx_gallery_start_ignore
# Seen: Three ROC curves. The autoencoder and the isolation forest reach an area of
# 0.97, PCA one of 0.92.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Why a row is odd
# ----------------
#
# The columns that come back most changed say why. This is the row with the lowest
# score, in standard deviations of the training rows.

from skae.plotting import ReconstructionDisplay

worst = X_test[[scores.argmin()]]
ReconstructionDisplay.from_reconstruction(
    worst,
    ae.inverse_transform(ae.transform(worst)),
    feature_names=data.feature_names,
    reference=scaler.transform(X[train]),
)
# sphinx_gallery_start_ignore
# Seen: Twelve columns of one row, each as a line from the original to its
# reconstruction. The area error is the most changed, from 57 standard deviations to
# 4.
# sphinx_gallery_end_ignore
plt.show()
