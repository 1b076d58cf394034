"""
How large is an autoencoder? Dense: 716,640 weights, convolutional: 421,377
===========================================================================

The course chapter builds two autoencoders for images of 28 x 28 pixels, both with
latent vectors of 64 numbers. Here they are, layer by layer.
"""

# %%
# The images
# ----------
#
# The digits that ship with scikit-learn have 8 x 8 pixels. Enlarged to 28 x 28 they
# have the shape of MNIST, and the values lie between 0 and 1, as a network likes them.

import matplotlib.pyplot as plt
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

images = zoom(load_digits().images / 16, (1, 3.5, 3.5), order=1)
images.shape

# %%
# The dense network
# -----------------
#
# 784 pixels, a hidden layer of 784, the latent layer of 64, and back to 784 pixels in
# one step. The sizes are those of the encoder's hidden layers; the decoder of this
# network has none, which is the empty tuple.

from skae import AutoencoderTransformer, DenseNetwork

dense = AutoencoderTransformer(
    latent_dim=64,
    network=DenseNetwork(hidden_layer_sizes=(784,), decoder_layer_sizes=()),
    activation="relu",
    epochs=1,
    random_state=0,
).fit(images)
dense.encoder_.summary()

# %%
# `encoder_` and `decoder_` are plain Keras models, so Keras counts the parameters.

dense.decoder_.summary()
print(dense.encoder_.count_params() + dense.decoder_.count_params(), "parameters")

# %%
# The convolutional network
# -------------------------
#
# Two convolutions of kernel 2 and stride 2 halve the image twice, 28 to 14 to 7, while
# the number of filters grows. The decoder mirrors them.

from skae import ConvNetwork

conv = AutoencoderTransformer(
    latent_dim=64,
    network=ConvNetwork(filters=(32, 64), kernel_size=2, strides=2),
    activation="elu",
    latent_activation="elu",
    epochs=1,
    random_state=0,
).fit(images)
conv.encoder_.summary()

# %%

conv.decoder_.summary()
print(conv.encoder_.count_params() + conv.decoder_.count_params(), "parameters")

# %%
# Where the weights are
# ---------------------
#
# A convolution uses the same few weights all over the image. What costs are the dense
# layers, in both networks.

fig, axes = plt.subplots(1, 2, sharex=True, figsize=(8, 3), layout="constrained")
for ax, (name, ae) in zip(axes, {"dense": dense, "conv": conv}.items(), strict=True):
    layers = [
        layer
        for model in (ae.encoder_, ae.decoder_)
        for layer in model.layers
        if layer.count_params()
    ]
    counts = [layer.count_params() for layer in layers]
    bars = ax.barh([layer.name for layer in layers], counts)
    ax.bar_label(bars, [f"{count:,}" for count in counts], padding=3)
    ax.set(title=f"{name}: {sum(counts):,} parameters", xlabel="parameters")
    ax.invert_yaxis()
    ax.set_xlim(0, 900_000)
    ax.set_xticks([0, 400_000, 800_000], ["0", "400,000", "800,000"])
# sphinx_gallery_start_ignore
# Seen: Bars with the parameters of each layer. Of the dense network's 716,640 the
# first layer holds 615,440; of the convolutional one's 421,377 the two dense layers
# in the middle hold nearly all.
# sphinx_gallery_end_ignore
plt.show()
