"""
I have a Keras model already. Does it fit? Yes: KerasNetwork takes it
=====================================================================

:class:`~skae.KerasNetwork` makes a network of Keras models, with their weights where
you like. Here a classifier that is trained already gives the encoder: what does it keep
of an image, beside its digit?
"""

# %%
# The model
# ---------
#
# A classifier of digits, trained as Keras users train it. Ten values lie before its
# last layer.

import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

images, y = load_digits().images / 16, load_digits().target
X_train, X_test, y_train, y_test = train_test_split(
    images.astype("float32"), y, random_state=0, stratify=y
)
keras.utils.set_random_seed(0)
classifier = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(10, name="features"),
        layers.Dense(10, activation="softmax"),
    ]
)
classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
classifier.fit(X_train[..., None], y_train, epochs=30, verbose=0)
_, accuracy = classifier.evaluate(X_test[..., None], y_test, verbose=0)
print(f"accuracy {accuracy:.3f}")

# %%
# Its layers as an encoder
# ------------------------
#
# All but the last layer are the encoder, and frozen. The decoder is a list of layers.
# The images have no axis of channels, and the model gets one. Copies are trained: the
# classifier stays what it was.

from skae import AutoencoderTransformer, KerasNetwork

encoder = keras.Model(classifier.inputs, classifier.get_layer("features").output)
encoder.trainable = False
decoder = [layers.Dense(128, activation="elu"), layers.Dense(64, activation="sigmoid")]

frozen = AutoencoderTransformer(
    network=KerasNetwork(encoder, decoder), epochs=40, random_state=0
).fit(X_train)
print(f"frozen: MSE {-frozen.score(X_test):.4f}")

# %%
# Its weights as a start
# ----------------------
#
# The same layers, trained from where the classifier left them, and from new weights.
# The start tells in a short run; in a long one, new weights come as far.

encoder.trainable = True
for epochs in (5, 40):
    for keep_weights in (True, False):
        network = KerasNetwork(encoder, decoder, keep_weights=keep_weights)
        ae = AutoencoderTransformer(network=network, epochs=epochs, random_state=0)
        error = -ae.fit(X_train).score(X_test)
        print(f"{epochs} epochs, {keep_weights=}: MSE {error:.4f}")

# %%
# A classifier has no use for how somebody writes a digit, and forgets some of it: what
# comes back of its features is blurred.

import matplotlib.pyplot as plt

from skae.plotting import ReconstructionDisplay

ReconstructionDisplay.from_estimator(
    frozen, X_test, n_samples=8, random_state=0, layout="rows"
)
# sphinx_gallery_start_ignore
# Seen: Eight digits above what the frozen features give back. The second and the
# seventh are blots; errors are from 0.009 to 0.05.
# sphinx_gallery_end_ignore
plt.show()

# %%
# With the encoder trained, too:

ReconstructionDisplay.from_estimator(
    ae, X_test, n_samples=8, random_state=0, layout="rows"
)
# sphinx_gallery_start_ignore
# Seen: The same eight digits. The second and the seventh have their shapes again, and
# most errors are lower.
# sphinx_gallery_end_ignore
plt.show()
