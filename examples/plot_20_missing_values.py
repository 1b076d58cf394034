"""
What if values are missing? The autoencoder fills them from those that are there
================================================================================

A table with holes goes in as it is. The autoencoder learns from the known values how
columns go together, and says what the missing ones are most likely to be.
"""

# %%
# Remove some, so that the truth is known
# ---------------------------------------
#
# The digits are 8 x 8 pixels, which are the columns of a table. 40 percent of all
# values are removed, in training and test rows alike.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer

from skae import AutoencoderImputer

X = load_digits().data / 16
removed = np.random.RandomState(0).uniform(size=X.shape) < 0.4
X_holes = np.where(removed, np.nan, X)
train, test = X_holes[:1400], X_holes[1400:]

# %%
# Fill them
# ---------
#
# The imputer is used like those of scikit-learn. It never sees what was removed.

imputers = {
    "mean": SimpleImputer(),
    "nearest neighbours": KNNImputer(),
    "autoencoder": AutoencoderImputer(random_state=0),
}
filled = {name: imp.fit(train).transform(test) for name, imp in imputers.items()}

truth, holes = X[1400:], removed[1400:]
for name, values in filled.items():
    error = np.square(values - truth)[holes].mean()
    print(f"{name}: mean squared error {error:.4f}")

# %%
# Look at them
# ------------
#
# The mean of a pixel knows nothing of the digit that it is in. The autoencoder does:
# strokes go on where pixels were missing.

rows = [0, 5, 12, 13, 19, 27, 33, 41]
pictures = {"removed 40 %": test, **filled, "truth": truth}
fig, axes = plt.subplots(len(pictures), len(rows), figsize=(7, 5), layout="constrained")
gray = plt.get_cmap("gray_r").with_extremes(bad="tab:red")
for line, (name, values) in zip(axes, pictures.items(), strict=True):
    for ax, row in zip(line, rows, strict=True):
        ax.imshow(values[row].reshape(8, 8), cmap=gray, vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
# sphinx_gallery_start_ignore
# Seen: Eight digits with 40 % of their pixels removed, filled in three ways, and the
# truth: filled with means they are hard to read, by nearest neighbours and by the
# autoencoder most can be read.
# sphinx_gallery_end_ignore
plt.show()

# %%
# How much may be missing?
# ------------------------
#
# The more is missing, the further the autoencoder is ahead.

shares = [0.1, 0.3, 0.5, 0.7]
names = ["mean", "nearest neighbours", "autoencoder"]
errors = {name: [] for name in names}
for share in shares:
    removed = np.random.RandomState(1).uniform(size=X.shape) < share
    holes = np.where(removed, np.nan, X)
    for name in names:
        values = imputers[name].fit_transform(holes)
        errors[name].append(np.square(values - X)[removed].mean())

fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name in names:
    ax.plot(shares, errors[name], marker="o", label=name)
ax.set(xlabel="share of values that are missing", ylabel="mean squared error", ylim=0)
ax.legend()
# sphinx_gallery_start_ignore
# Seen: The error of three ways by the share of missing values: the mean's is the
# highest, the autoencoder's the lowest throughout.
# sphinx_gallery_end_ignore
plt.show()
