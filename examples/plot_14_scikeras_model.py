"""
I have a scikeras regressor already. Does it fit? Yes
=====================================================

:class:`~skae.KerasAutoencoderTransformer` makes a transformer of a Keras autoencoder
that `Model.fit` trains, through scikeras. You write the function that builds it, and
name the layer that holds the latent vectors. A Keras model without scikeras goes into
:class:`~skae.KerasNetwork`: see :ref:`own_model`.
"""

# %%
# The model
# ---------
#
# `meta` tells the function about the data; all other arguments are parameters that can
# be set and searched.

import keras
from scikeras.wrappers import KerasRegressor
from sklearn.datasets import load_digits

from skae import KerasAutoencoderTransformer


def build(meta, latent_dim=8, rate=0.1):
    """A dense autoencoder whose inputs are noisy while it trains."""
    inputs = keras.Input(meta["X_shape_"][1:])
    x = keras.layers.GaussianNoise(rate)(inputs)
    x = keras.layers.Dense(128, activation="elu")(x)
    latent = keras.layers.Dense(latent_dim, name="latent")(x)
    x = keras.layers.Dense(128, activation="elu")(latent)
    outputs = keras.layers.Dense(inputs.shape[1], activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
ae = KerasAutoencoderTransformer(
    KerasRegressor(
        build, loss="mse", optimizer="adam", epochs=20, batch_size=64, verbose=0
    ),
    latent_layer="latent",
    random_state=0,
).fit(X)
print(f"latent vectors {ae.transform(X).shape}, MSE {-ae.score(X):.4f}")

# %%
# Its parts
# ---------
#
# The network has been cut at the latent layer. Both parts and the whole are Keras
# models.

ae.encoder_.summary()

# %%
# The Displays take it, as they take any transformer.

import matplotlib.pyplot as plt

from skae.plotting import LossCurveDisplay, ReconstructionDisplay

ReconstructionDisplay.from_estimator(ae, X, n_samples=8, random_state=0, layout="rows")
# sphinx_gallery_start_ignore
# Seen: Eight digits above their reconstructions, which are a little blurred.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Its parameters
# --------------
#
# scikeras routes them: to the function after `model__`, to the optimizer after
# `optimizer__`, and callbacks are passed by name.

ae.set_params(
    regressor__model__latent_dim=4,
    regressor__optimizer__learning_rate=0.003,
    regressor__validation_split=0.2,
    regressor__callbacks=keras.callbacks.EarlyStopping(min_delta=0.001),
).fit(X)
print(f"latent vectors {ae.transform(X).shape}, {len(ae.history_['loss'])} epochs")

LossCurveDisplay.from_estimator(ae, log_scale=True)
# sphinx_gallery_start_ignore
# Seen: Training and validation loss over seven epochs. Both fall, and a circle marks
# the last epoch as the best.
# sphinx_gallery_end_ignore
plt.show()

# %%
# In a pipeline
# -------------

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

ae.set_params(regressor__model__latent_dim=8, regressor__callbacks=None)
pipe = make_pipeline(ae, LogisticRegression(max_iter=1000))
print(f"accuracy {cross_val_score(pipe, X, y, cv=2).mean():.3f}")
