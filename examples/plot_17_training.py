"""
What happens in training? It starts as good as PCA, then the strokes get sharper
================================================================================

The loss is one number for each epoch. What the network can do by then is seen on its
map of the samples, and in what it redraws.
"""

# %%
# Keep the weights by epoch
# -------------------------
#
# `Snapshots` is a Keras callback, like any other in `callbacks`. It keeps the weights
# at the end of each epoch, and those before the first.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import AutoencoderTransformer
from skae.plotting import LossCurveDisplay, Snapshots, TrainingDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
ae = AutoencoderTransformer(epochs=30, random_state=0, callbacks=[Snapshots()]).fit(X)
LossCurveDisplay.from_estimator(ae, log_scale=True)
# sphinx_gallery_start_ignore
# Seen: The loss over 30 epochs, which falls to about half and is level in the end.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Draw what they make of the digits
# ---------------------------------
#
# The ten latent values are drawn on one plane for all epochs, that of the greatest
# variance at the end.

display = TrainingDisplay.from_estimator(ae, X, labels=y, random_state=0)
# sphinx_gallery_start_ignore
# Seen: Five maps, from before training to epoch 30, which change little; below, four
# digits that can be read from the first, and are sharper in the end.
# sphinx_gallery_end_ignore
plt.show()

# %%
# As a film
# ---------
#
# `to_gif` writes all epochs as an animated picture, and `to_html` as a page with
# buttons to play and to step.

import tempfile
from pathlib import Path

film = display.to_gif(Path(tempfile.mkdtemp()) / "training.gif", dpi=50)
print(f"{film.name}: {film.stat().st_size / 2**10:.0f} KiB")
