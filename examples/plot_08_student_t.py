"""
Why does t-SNE use Student's t? Its heavy tail makes room for distant points
============================================================================

t-SNE [1]_ measures who is near to whom twice: in the data by a normal density, on the
map by Student's t with one degree of freedom. This is what the second one is for.

.. [1] van der Maaten, L. and Hinton, G. (2008). "Visualizing data using t-SNE". Journal
   of Machine Learning Research 9, 2579-2605.
"""

# %%
# The two densities
# -----------------
#
# Student's t is lower in the middle and far higher at the sides. On a logarithmic scale
# the tails are seen to be of another kind: one falls exponentially, the other as a
# power.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

x = np.linspace(-6, 6, 500)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for ax in axes:
    ax.plot(x, norm.pdf(x), "--", label="normal", linewidth=2)
    ax.plot(x, student_t.pdf(x, df=1), label="Student's t, 1 d.f.", linewidth=2)
    ax.set(xlabel="distance", ylabel="density")
axes[1].set(yscale="log", ylim=(1e-7, 1))
axes[1].legend(loc="lower center", fontsize="small")
# sphinx_gallery_start_ignore
# Seen: The two densities. Student's t is lower in the middle; on a logarithmic scale
# the normal density falls like a parabola and Student's t stays far above it.
# sphinx_gallery_end_ignore
plt.show()

# %%
# What that does to a map
# -----------------------
#
# In the data the similarity of a pair at a distance d is the height of the normal
# density, relative to its peak. The map reaches the same similarity at the distance
# where Student's t has this height. Near pairs stay near, distant ones may part.

d = np.linspace(0.05, 3.5, 200)
similarity = norm.pdf(d) / norm.pdf(0)
on_map = np.sqrt(1 / similarity - 1)

fig, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
ax.plot(d, on_map, linewidth=2)
ax.plot(d, d, ":", color="grey")
ax.text(3.1, 3.6, "equal", color="grey", ha="right", rotation=0)
ax.set(xlabel="distance in the data", ylabel="distance on the map", ylim=(0, 20))
# sphinx_gallery_start_ignore
# Seen: The distance on the map by the distance in the data: equal for small ones, and
# far larger on the map for large ones.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Why the room is needed
# ----------------------
#
# In ten dimensions most neighbours of a point are about equally far from it, and a
# plane has no place for them all: the share of a ball's volume that lies within half
# its radius falls from a quarter in two dimensions to a thousandth in ten. With a
# normal density on the map the clusters would be pressed together.

dimensions = np.arange(1, 13)
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.bar(dimensions, 0.5**dimensions)
ax.set(
    xlabel="dimensions",
    ylabel="share within half the radius",
    xticks=dimensions,
    yscale="log",
)
# sphinx_gallery_start_ignore
# Seen: Bars that fall on a logarithmic scale, from a half in one dimension to less
# than a thousandth in twelve.
# sphinx_gallery_end_ignore
plt.show()
