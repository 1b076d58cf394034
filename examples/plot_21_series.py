"""
How does a network know that samples are series? It is told, by axes or by its kind
===================================================================================

A window of 20 steps of two values could be an image of 20 x 2 pixels, or 40 columns of
a table. `ConvNetwork(axes=1)` convolves along its steps, and a `RecurrentNetwork` reads
them one after another.
"""

# %%
# Strokes of a pen
# ----------------
#
# Each stroke goes once from side to side, and once or twice up and down. It begins
# anywhere, and is large or small. The pen's place at 20 moments makes a window of shape
# (20, 2).

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer, ConvNetwork, RecurrentNetwork
from skae.plotting import LatentDisplay, ReconstructionDisplay

rng = np.random.default_rng(0)
n = 1300
times = np.linspace(0, 2 * np.pi, 20)
y = rng.integers(1, 3, n)
begin, size = rng.uniform(0, 2 * np.pi, (n, 1)), rng.uniform(0.5, 1, (n, 1, 2))
across, up = np.cos(times + begin), np.sin(y[:, np.newaxis] * times + begin)
X = size * np.stack([across, up], axis=2) + rng.normal(scale=0.03, size=(n, 20, 2))
X = X.astype(np.float32)
train, test = X[:800], X[800:]
print(train.shape)

# %%
# Tell what they are
# ------------------
#
# To a dense network, 40 values are 40 values, in any order. The others know which
# steps follow one another. A recurrent network takes its time to learn: it gets small
# batches, and more epochs.

networks = {
    "dense": {"network": "dense"},
    "convolutions": {"network": ConvNetwork(axes=1), "epochs": 60, "batch_size": 50},
    "recurrent": {
        "network": RecurrentNetwork(units=(32,)),
        "epochs": 60,
        "batch_size": 50,
    },
}
flat = train.reshape(800, -1), test.reshape(500, -1)
pca = PCA(4).fit(flat[0])
left = np.mean((pca.inverse_transform(pca.transform(flat[1])) - flat[1]) ** 2)
print(f"{'PCA':15}{left:.4f}")
for name, parameters in networks.items():
    ae = AutoencoderTransformer(4, arrange=None, random_state=0, **parameters).fit(
        train
    )
    print(f"{name:15}{-ae.score(test):.4f}")

# %%
# Windows of one length whose steps are always at the same times are a table, too, and
# the dense network is hard to beat. Try it first.
#
# Look at them
# ------------
#
# The last one is the recurrent network. What a network reads as a series is drawn as
# lines along the steps.

display = ReconstructionDisplay.from_estimator(ae, test, n_samples=3, random_state=1)
# sphinx_gallery_start_ignore
# Seen: Three strokes as two solid lines each, across and up, with dashed lines of their
# reconstructions that lie on them.
# sphinx_gallery_end_ignore
plt.show()

# %%
# So are places in its latent space. Each row tells what a latent value does to a
# stroke: one changes its size, another leads from twice up and down to once.

LatentDisplay.from_estimator(ae, test)
# sphinx_gallery_start_ignore
# Seen: Four rows of nine strokes, each as one line across and one up, which change from
# left to right: in one row they grow, in another two waves become one.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Strokes that end early
# ----------------------
#
# Series of several lengths are filled with NaN at their ends. With `missing="mask"` the
# loss leaves that out, and the network is told which steps there are; `mask_fraction=0`
# hides no others from it. The decoder writes all steps, those after the end too: it has
# learned from longer strokes how they go on.

lengths = rng.integers(13, 21, n)
ended = np.where(
    np.arange(20)[:, np.newaxis] < lengths[:, np.newaxis, np.newaxis], X, np.nan
)
ae.set_params(missing="mask", mask_fraction=0).fit(ended[:800])
whole = ae.inverse_transform(ae.transform(ended[800:]))

fig, axs = plt.subplots(1, 4, figsize=(10, 2.8), layout="constrained")
for i, ax in enumerate(axs):
    ax.plot(*test[i].T, color="0.6", linewidth=1, label="the stroke")
    ax.plot(*ended[800 + i].T, ".", label="what was seen")
    ax.plot(*whole[i].T, "--", label="reconstruction")
    ax.set(xticks=[], yticks=[], aspect="equal")
fig.legend(*axs[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
# sphinx_gallery_start_ignore
# Seen: Four strokes in the plane: dots as far as they were seen, and dashed lines of
# reconstructions that go on near the thin line of the whole stroke.
# sphinx_gallery_end_ignore
plt.show()

seen = ~np.isnan(ended[800:])
errors = (whole - test) ** 2
print(f"error of what was seen {errors[seen].mean():.4f}")
print(f"error of what comes after {errors[~seen].mean():.4f}")
