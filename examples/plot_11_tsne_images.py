"""
Which digits lie where on the map? Draw them at their points
============================================================

Points show that there are groups. Pictures show what they are, and why some digits lie
in the wrong one.
"""

# %%
# 200 images on the map
# ---------------------
#
# The images are thinned so that none hides another; `n_images` is the most that there
# may be.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE

from skae import AutoencoderTransformer
from skae.plotting import EmbeddingDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
Z = AutoencoderTransformer(random_state=0).fit_transform(X)
embedding = TSNE(learning_rate=100, perplexity=15, random_state=0).fit_transform(Z)

fig, ax = plt.subplots(figsize=(9, 7.5), layout="constrained")
display = EmbeddingDisplay.from_embedding(
    embedding, labels=y, images=X, n_images=200, name="t-SNE", ax=ax
)
plt.show()

# %%
# A page to point at
# ------------------
#
# `to_html` writes the map as one page that needs no network: pan, zoom, point at a
# sample to see its picture, click on a digit in the legend to hide it. It needs the
# extra `skae[html]`.

import tempfile
from pathlib import Path

page = display.to_html(Path(tempfile.mkdtemp()) / "digits.html", title="Digits")
print(f"{page.name}: {page.stat().st_size / 2**20:.1f} MiB")
