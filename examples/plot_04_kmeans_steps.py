"""
How does K-means find its centres? By two steps in turn: assign, then move
==========================================================================

K-means starts from centres that may lie anywhere, and repeats two steps until nothing
changes: every point is assigned to the centre nearest to it, then every centre moves
to the mean of its points.
"""

# %%
# The steps, by hand
# ------------------
#
# Four blobs, and four centres that start badly: all among the points of one blob.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs
from sklearn.metrics import pairwise_distances_argmin

X, _ = make_blobs(400, centers=4, cluster_std=0.9, random_state=3)
centers = X[np.argsort(np.linalg.norm(X - X[0], axis=1))[:80:20]]

steps = []
while True:
    labels = pairwise_distances_argmin(X, centers)
    moved = np.array([X[labels == k].mean(axis=0) for k in range(len(centers))])
    steps.append((labels, centers, moved))
    if np.allclose(moved, centers):
        break
    centers = moved
print(f"nothing changes after {len(steps)} rounds")

# %%
# Each panel is one round. Colours are the assignments; the empty diamonds are the old
# centres, the coloured ones the new, and an arrow leads from each old to its new one.

shown = [*range(5), len(steps) - 1]
colors = np.array(["C0", "C1", "C2", "C3"])
fig, axes = plt.subplots(2, 3, figsize=(9, 6), layout="constrained")
for ax, i in zip(axes.flat, shown, strict=True):
    labels, old, new = steps[i]
    ax.scatter(*X.T, s=8, c=colors[labels], alpha=0.5, linewidths=0)
    for a, b in zip(old, new, strict=True):
        ax.annotate("", b, a, arrowprops={"arrowstyle": "->", "linewidth": 1.5})
    diamond = {"marker": "D", "edgecolors": "black", "s": 50, "zorder": 3}
    ax.scatter(*old.T, c="white", **diamond)
    ax.scatter(*new.T, c=colors, **diamond)
    ax.set(title=f"round {i + 1}", xticks=[], yticks=[], aspect="equal")
# sphinx_gallery_start_ignore
# Seen: Six rounds of K-means on four blobs. All centres start in one blob; round by
# round arrows lead them apart, until each blob has its own in round 8.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Where it may end
# ----------------
#
# Each round makes the inertia smaller, which is the sum of the squared distances from
# the points to their centres. It ends in a minimum, but not always in the lowest one:
# that depends on the start.

inertia = [np.sum((X - new[labels]) ** 2) for labels, _, new in steps]
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.plot(range(1, len(steps) + 1), inertia, "o-")
ax.set(xlabel="round", ylabel="inertia")
# sphinx_gallery_start_ignore
# Seen: The inertia by round: it falls by half in the second, is nearly level until
# the fifth, falls again and stays.
# sphinx_gallery_end_ignore
plt.show()

# %%
# scikit-learn's `KMeans` chooses its starts with care, tries `n_init` of them and keeps
# the best.

from sklearn.cluster import KMeans

km = KMeans(n_clusters=4, n_init=10, random_state=0).fit(X)
print(f"by hand {inertia[-1]:.0f}, KMeans {km.inertia_:.0f}")
