"""
What does each cluster hold? A row of its members shows it
==========================================================

A score says how good clusters are; their members say what they are.
"""

# %%
# The nearest to each centre
# --------------------------
#
# One row a cluster: in front its centre, drawn by the decoder, then the members nearest
# to it. With true labels, each row ends with the most frequent one and its share.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline

from skae import AutoencoderTransformer
from skae.plotting import ClusterDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
pipe = Pipeline(
    [
        ("ae", AutoencoderTransformer(random_state=0)),
        ("km", KMeans(n_clusters=10, n_init=10, random_state=42)),
    ]
).fit(X)

ClusterDisplay.from_estimator(pipe, X, y)
# sphinx_gallery_start_ignore
# Seen: Ten rows of digits: in front the centre of a cluster, then its nearest
# members, in eight of the rows one digit, in two a mixture.
# sphinx_gallery_end_ignore
plt.show()

# %%
# The farthest from it
# --------------------
#
# What a cluster holds at its edge tells more about its errors.

ClusterDisplay.from_estimator(pipe, X, y, kind="farthest")
# sphinx_gallery_start_ignore
# Seen: Ten rows of digits: the members farthest from the centre of each cluster, many
# of them odd or of another digit.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Between two clusters
# --------------------
#
# Samples about as far from the next centre as from their own, in order from one to the
# other; each row ends with what either cluster holds.

ClusterDisplay.from_estimator(pipe, X, y, kind="between")
# sphinx_gallery_start_ignore
# Seen: Ten rows of digits that lead from one cluster to the next; in the middle many
# can be read as either.
# sphinx_gallery_end_ignore
plt.show()
