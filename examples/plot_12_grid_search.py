"""
Which activation and which latent size? A grid search says
==========================================================

The transformer has the parameters of an estimator and a `score`, so `GridSearchCV`
takes it as it is. Here it compares three activations with three latent sizes, each on
five folds.
"""

# %%
# The grid
# --------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skae import AutoencoderTransformer

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)

grid = {"activation": ["relu", "elu", "tanh"], "latent_dim": [4, 8, 16]}
search = GridSearchCV(AutoencoderTransformer(epochs=30, random_state=0), grid)
search.fit(X)
print(search.best_params_)

# %%
# The errors
# ----------
#
# A larger latent vector reconstructs better: it has more to reconstruct from. So the
# score decides between activations of one size, but not between sizes.

errors = -search.cv_results_["mean_test_score"].reshape(3, 3)
fig, ax = plt.subplots(figsize=(4.5, 3.5), layout="constrained")
ax.imshow(errors, cmap="viridis_r")
for (i, j), error in np.ndenumerate(errors):
    dark = error > errors.mean()
    ax.text(
        j, i, f"{error:.4f}", ha="center", va="center", color="white" if dark else "k"
    )
ax.set_xticks(range(3), grid["latent_dim"])
ax.set_yticks(range(3), grid["activation"])
ax.set(title="mean squared error", xlabel="latent_dim", ylabel="activation")
# sphinx_gallery_start_ignore
# Seen: A table of errors by activation and latent size. ReLU with 16 latent values has
# the smallest, 0.0064.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Choose by what the latent vectors are for
# -----------------------------------------
#
# In a pipeline the score is that of the last step. Which latent size is best for a
# classifier behind it? The parameters of the network can be searched, too. What else
# chooses the size is in :doc:`/user_guide/latent_size`.

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from skae import DenseNetwork

pipe = Pipeline(
    [
        (
            "ae",
            AutoencoderTransformer(network=DenseNetwork(), epochs=30, random_state=0),
        ),
        ("classifier", LogisticRegression(max_iter=1000)),
    ]
)
grid = {
    "ae__latent_dim": [4, 8, 16],
    "ae__network__hidden_layer_sizes": [(64,), (256, 256)],
}
search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
for params, accuracy in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{accuracy:.3f}", *params.values())
