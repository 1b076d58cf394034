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
# sphinx_gallery_start_ignore
# Seen: A t-SNE map with small pictures of digits at their points: each island holds
# one digit, slanted ones on one side.
# sphinx_gallery_end_ignore
plt.show()

# %%
# A page to point at
# ------------------
#
# `to_html` writes the map as one page that needs no network: point at a sample to see
# its picture, drag and zoom, search for a label, show one digit alone. In a notebook
# `display.show()` shows it in place, as here.

import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
page = display.to_html(folder / "digits.html", title="Digits")
print(f"{page.name}: {page.stat().st_size / 2**10:.0f} KiB")
display.show()

# %%
# A page with the decoder in it
# -----------------------------
#
# `LatentDisplay.to_html` puts the weights of the decoder into the page: move over the
# map of the latent vectors, and the decoder draws what lies there, also between the
# digits.

from skae.plotting import LatentDisplay

ae = AutoencoderTransformer(random_state=0).fit(X)
display = LatentDisplay.from_estimator(ae, X)
# sphinx_gallery_start_ignore
# Seen: Five rows of nine digits. In each row one latent value goes from low to high.
# sphinx_gallery_end_ignore
plt.show()
page = display.to_html(folder / "explorer.html", labels=y, title="Latent space")
print(f"{page.name}: {page.stat().st_size / 2**10:.0f} KiB")
