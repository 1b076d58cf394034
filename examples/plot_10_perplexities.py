"""
Which perplexity? Between 15 and 50 the map tells the same story
================================================================

The perplexity is about the number of neighbours that t-SNE looks at around each point.
The default of scikit-learn is 30, the chapter takes 15.
"""

# %%
# Side by side
# ------------
#
# The maps are turned and scaled to lie on the first one as well as they can, so that
# what differs is not a matter of chance. Below each stands how many of the nearest
# latent vectors are nearest on the map, too.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import AutoencoderTransformer
from skae.plotting import PerplexityDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
Z = AutoencoderTransformer(random_state=0).fit_transform(X)[:1000]
y = y[:1000]

PerplexityDisplay.from_latents(
    Z, labels=y, perplexities=(5, 15, 30, 50), random_state=0
)
# sphinx_gallery_start_ignore
# Seen: Four t-SNE maps, of perplexity 5, 15, 30 and 50, with the same islands in the
# same places.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Too small and too large
# -----------------------
#
# With a perplexity of 2 each point sees only its nearest neighbours, and groups fall
# into crumbs that are not in the data. With 150 of 500 points it sees nearly a third of
# all, and what is near is lost among what is far.

PerplexityDisplay.from_latents(
    Z[:500], labels=y[:500], perplexities=(2, 30, 150), random_state=0
)
# sphinx_gallery_start_ignore
# Seen: Three t-SNE maps: crumbs at perplexity 2, islands at 30, and islands run
# together at 150.
# sphinx_gallery_end_ignore
plt.show()
