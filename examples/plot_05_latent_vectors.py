"""
What does transform return? A latent vector for each sample
===========================================================

The ELU network of the chapter is trained for 20 epochs on digits, enlarged to the
28 x 28 pixels of MNIST. Its latent vectors are a table like any other, and each of
their values means something to the decoder.
"""

# %%
# From images to vectors
# ----------------------

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, ConvNetwork
from skae.plotting import LatentDisplay

X, y = load_digits(return_X_y=True)
images = zoom(X.reshape(-1, 8, 8) / 16, (1, 3.5, 3.5), order=1).astype(np.float32)
images, images_test, y, _ = train_test_split(images, y, random_state=0)

ae = AutoencoderTransformer(
    latent_dim=64,
    network=ConvNetwork(filters=(32, 64), kernel_size=2),
    activation="elu",
    latent_activation="elu",
    epochs=20,
    batch_size=64,
    random_state=42,
).fit(images)
Z = ae.transform(images)
print(
    f"images {images.shape}, latent vectors {Z.shape}\n"
    f"MSE {-ae.score(images):.4f} on these, {-ae.score(images_test):.4f} on others"
)

# %%
# As a table
# ----------
#
# `set_output` gives a data frame, with a name for each latent value. Images go in as
# before.

frame = ae.set_output(transform="pandas").transform(images[:3])
frame.iloc[:, :4].round(2)

# %%
# One value at a time
# -------------------
#
# Each row follows one latent value from low to high, with all others as in one image,
# the one nearest to their mean. The five rows are the values that vary most.

ae.set_output(transform="default")
LatentDisplay.from_estimator(ae, images)
# sphinx_gallery_start_ignore
# Seen: Five rows of nine digits. In each row one latent value goes from low to high,
# and the digit changes a little.
# sphinx_gallery_end_ignore
plt.show()

# %%
# From one digit to another
# -------------------------
#
# On a straight line between two latent vectors the decoder draws what lies between two
# digits.

LatentDisplay.from_estimator(
    ae, images, kind="between", samples=[np.argmax(y == d) for d in (0, 6, 8, 3)]
)
# sphinx_gallery_start_ignore
# Seen: Three rows of nine digits, in which a 0 turns into a 6, a 6 into an 8 and an 8
# into a 3.
# sphinx_gallery_end_ignore
plt.show()
