"""
How much of an image survives in 10 numbers? Enough to read it, more than PCA keeps
===================================================================================

An autoencoder is trained on one part of the data and shown images from the other. Its
encoder turns the 64 pixels of each into a latent vector of 10 numbers, and its decoder
redraws the pixels from these.
"""

# %%
# Train
# -----

# sphinx_gallery_thumbnail_number = 4
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer
from skae.plotting import LossCurveDisplay, ReconstructionDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

ae = AutoencoderTransformer(latent_dim=10, random_state=0).fit(X_train)
LossCurveDisplay.from_estimator(ae, log_scale=True)
# sphinx_gallery_start_ignore
# Seen: The training and the validation loss, which fall until the latent vectors are
# arranged in epoch 60, rise a little and stay.
# sphinx_gallery_end_ignore
plt.show()

# %%
# The error on images not seen before
# -----------------------------------
#
# `score` is minus the mean squared error of the reconstructions, because model
# selection in scikit-learn takes the higher score for the better one. PCA with 10
# components is the best that a linear encoder and decoder can do.

pca = PCA(n_components=10).fit(X_train)
pca_error = np.mean((X_test - pca.inverse_transform(pca.transform(X_test))) ** 2)
print(f"test MSE: autoencoder {-ae.score(X_test):.4f}, PCA {pca_error:.4f}")

# %%
# See it
# ------
#
# Four random test images in two columns: the original, and what came back.

ReconstructionDisplay.from_estimator(
    ae, X_test, n_samples=4, random_state=0, layout="columns"
)
# sphinx_gallery_start_ignore
# Seen: Four test digits beside their reconstructions, which are a little smoother and
# can all be read.
# sphinx_gallery_end_ignore
plt.show()

# %%
# The same for PCA in rows, with the difference: red where the reconstruction has too
# much ink, blue where it has too little. Any transformer with `inverse_transform`
# will do.

ReconstructionDisplay.from_estimator(
    pca, X_test, n_samples=8, random_state=0, difference=True
)
# sphinx_gallery_start_ignore
# Seen: Eight digits, what PCA makes of them, and the differences: strong red and blue
# pixels in all of them.
# sphinx_gallery_end_ignore
plt.show()

# %%
# And the autoencoder on the same images. The colours mean the same in both figures, so
# that paler differences are smaller ones.

ReconstructionDisplay.from_estimator(
    ae, X_test, n_samples=8, random_state=0, difference=True
)
# sphinx_gallery_start_ignore
# Seen: The same eight digits, what the autoencoder makes of them, and the
# differences, paler on the whole.
# sphinx_gallery_end_ignore
plt.show()
