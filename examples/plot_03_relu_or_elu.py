"""
ReLU or ELU? ELU: half the error here, and smoother pictures
============================================================

The activation decides what a hidden layer lets through. The course chapter found that
the same autoencoder reconstructs much better with ELU than with ReLU; so it does here.
"""

# %%
# The two functions
# -----------------
#
# ReLU cuts off all that is negative: there its slope is zero, and a unit whose input is
# negative for every sample no longer learns. ELU [1]_ bends towards -1 instead, and
# keeps a slope.
#
# .. [1] Clevert, D.-A., Unterthiner, T. and Hochreiter, S. (2016). "Fast and accurate
#    deep network learning by exponential linear units (ELUs)". ICLR.

import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(-4, 3, 400)
curves = {
    "ReLU": (np.maximum(x, 0), np.where(x > 0, 1.0, 0.0)),
    "ELU": (np.where(x > 0, x, np.expm1(x)), np.where(x > 0, 1.0, np.exp(x))),
}
fig, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for (name, values), style in zip(curves.items(), ["--", "-"], strict=True):
    for ax, value in zip(axes, values, strict=True):
        ax.plot(x, value, style, label=name, linewidth=2)
axes[0].set(title="activation", xlabel="input")
axes[1].set(title="its slope, which training goes by", xlabel="input")
for ax in axes:
    ax.axhline(0, color="grey", linewidth=0.5)
    ax.axvline(0, color="grey", linewidth=0.5)
axes[0].legend()
# sphinx_gallery_start_ignore
# Seen: Two panels: ReLU is zero below zero, and so is its slope; ELU bends towards -1
# there and keeps a slope.
# sphinx_gallery_end_ignore
plt.show()

# %%
# The same network with each
# --------------------------
#
# As in the chapter the activation is that of the hidden layers and of the latent layer.
# One of the two fits warns of itself; what it says is kept for below.

import warnings

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer
from skae.plotting import LossCurveDisplay, ReconstructionDisplay

X = (load_digits().data / 16).astype(np.float32)
X_train, X_test = train_test_split(X, random_state=0)

fits, said = {}, {}
for activation in ("relu", "elu"):
    with warnings.catch_warnings(record=True) as said[activation]:
        warnings.simplefilter("always")
        fits[activation] = AutoencoderTransformer(
            latent_dim=32,
            activation=activation,
            latent_activation=activation,
            epochs=60,
            batch_size=32,
            random_state=0,
        ).fit(X_train)
    print(f"{activation:5} test MSE {-fits[activation].score(X_test):.5f}")

LossCurveDisplay.from_estimator(fits, log_scale=True)
# sphinx_gallery_start_ignore
# Seen: Two loss curves, of which ELU's lies below ReLU's from the second epoch on and
# ends at half its height.
# sphinx_gallery_end_ignore
plt.show()

# %%
# What ReLU loses
# ---------------
#
# With ReLU some latent values are zero for every digit: their units have died, and the
# latent vector is shorter than it looks. With ELU all of them vary.

for activation, ae in fits.items():
    spread = ae.transform(X_train).std(axis=0)
    print(f"{activation:5} {np.sum(spread > 1e-6)} of 32 latent values vary")

# %%
# That is what the fit with ReLU has warned of:

from textwrap import fill

print(*(fill(str(warning.message), 80) for warning in said["relu"]), sep="\n")

# %%
# What ELU does to the picture
# ----------------------------
#
# The differences are the same strokes in both, paler with ELU: less noise around the
# digit, and smoother strokes. Both figures have one scale of colours.

for ae in fits.values():
    display = ReconstructionDisplay.from_estimator(
        ae,
        X_test,
        n_samples=8,
        random_state=0,
        difference=True,
        difference_kwargs={"vmin": -0.25, "vmax": 0.25},
    )
    display.figure_.suptitle(f"{ae.activation.upper()}")
    plt.show()
# sphinx_gallery_start_ignore
# Seen: Eight digits, their reconstructions with ReLU, and the differences, red and
# blue along the strokes.
# Seen: The same with ELU: the differences are paler.
# sphinx_gallery_end_ignore
