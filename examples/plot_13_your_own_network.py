"""
Can I bring my own layers? Yes: a class with two methods is a network
=====================================================================

A network is an object with the methods `build_encoder` and `build_decoder`, which
connect Keras layers. Here, one with residual blocks and dropout. All else stays as it
is: grid search, sample weights, callbacks, pickling.
"""

# %%
# The class
# ---------
#
# It derives from `BaseEstimator`, so that a grid search can set its parameters and
# `clone` copies it. The transformer tells it the latent size, the shape of a sample and
# the activations.

from sklearn.base import BaseEstimator


class ResidualNetwork(BaseEstimator):
    """Dense layers with residual connections and dropout."""

    def __init__(self, width=64, n_blocks=2, rate=0.0):
        self.width = width
        self.n_blocks = n_blocks
        self.rate = rate

    def _blocks(self, x, activation):
        from keras import layers

        x = layers.Dense(self.width)(x)
        for _ in range(self.n_blocks):
            h = layers.Dense(self.width, activation=activation)(x)
            h = layers.Dropout(self.rate)(h)
            x = layers.Add()([x, layers.Dense(self.width)(h)])
        return x

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        from keras import layers

        x = self._blocks(inputs, activation)
        return layers.Dense(latent_dim, activation=latent_activation)(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        from keras import layers

        x = self._blocks(latents, activation)
        return layers.Dense(output_shape[0], activation=output_activation)(x)


# %%
# Train it
# --------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from skae import AutoencoderTransformer
from skae.plotting import LossCurveDisplay

X = (load_digits().data / 16).astype(np.float32)
X_train, X_test = train_test_split(X, random_state=0)

common = {"latent_dim": 8, "batch_size": 64, "epochs": 40, "random_state": 0}
fits = {
    "dense": AutoencoderTransformer(**common),
    "residual": AutoencoderTransformer(network=ResidualNetwork(), **common),
    "with dropout": AutoencoderTransformer(network=ResidualNetwork(rate=0.2), **common),
}
for name, ae in fits.items():
    error = -ae.fit(X_train).score(X_test)
    n_parameters = ae.encoder_.count_params() + ae.decoder_.count_params()
    print(f"{name:13} {n_parameters:7,} parameters, test MSE {error:.4f}")

LossCurveDisplay.from_estimator(fits, log_scale=True)
# sphinx_gallery_start_ignore
# Seen: Three loss curves. That of the dense network begins low, at the error of PCA;
# that of the residual network comes down to it, and that with dropout ends well above.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Dropout acts while the network trains and rests in `transform` and `score`. It takes
# noise into the training, which a network this small has no use for.

# %%
# Search its parameters
# ---------------------

search = GridSearchCV(
    AutoencoderTransformer(network=ResidualNetwork(), **common).set_params(epochs=10),
    {"network__width": [32, 128], "network__n_blocks": [1, 3]},
    cv=3,
).fit(X)
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{-score:.4f}", params)
