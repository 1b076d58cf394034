"""
Why is this row an outlier? The detector names the columns
==========================================================

`AutoencoderOutlierDetector` scores the rows of a table and draws a line between inliers
and outliers. For each row it says which columns make it odd.
"""

# %%
# Learn from rows most of which are normal
# ----------------------------------------
#
# The table holds measurements of cell nuclei, in columns of very different scales. The
# detector scales them by itself. Here it sees 200 benign samples, and then all.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from skae import AutoencoderOutlierDetector
from skae.plotting import OutlierDisplay

X, benign = load_breast_cancer(return_X_y=True, as_frame=True)
detector = AutoencoderOutlierDetector(random_state=0).fit(X[benign == 1][:200])

OutlierDisplay.from_estimator(detector, X)
# sphinx_gallery_start_ignore
# Seen: A histogram of scores: 235 of 569 rows lie below the threshold, widely spread.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Low scores are malignant
# ------------------------
#
# The line is drawn by the training rows alone, so where it lies does not depend on how
# many outliers come later.

scores = detector.score_samples(X)
fig, ax = plt.subplots(figsize=(5.6, 3), layout="constrained")
bins = np.linspace(scores.min(), scores.max(), 40)
for name, kind in {"benign": 1, "malignant": 0}.items():
    ax.hist(scores[benign == kind], bins, alpha=0.6, label=name)
ax.axvline(detector.offset_, color="C3", linestyle="--", label="threshold")
ax.set(xlabel="score (low for outliers)", ylabel="rows")
ax.legend()
# sphinx_gallery_start_ignore
# Seen: The scores of benign and malignant rows: most malignant ones lie below the
# threshold, most benign ones above.
# sphinx_gallery_end_ignore
plt.show()

# %%
# Why the lowest is low
# ---------------------
#
# The bars are the shares of the columns in the score; on them stand the value and what
# the networks make of it.

OutlierDisplay.from_estimator(detector, X, row=int(scores.argmin()))
# sphinx_gallery_start_ignore
# Seen: Bars for the columns that make the row with the lowest score odd, with their
# values and what was expected.
# sphinx_gallery_end_ignore
plt.show()

# %%
# A value that does not go with the others
# ----------------------------------------
#
# A mean area of 1,000 is ordinary in this table, but not for a nucleus of this radius.
# No look at one column at a time would find it.

odd = X.copy()
odd.loc[20, "mean area"] = 1000.0
print(X.loc[20, ["mean radius", "mean perimeter", "mean area"]])
OutlierDisplay.from_estimator(detector, odd, row=20, n_columns=6)
# sphinx_gallery_start_ignore
# Seen: Bars for six columns of the changed row: mean area is the longest by far.
# sphinx_gallery_end_ignore
plt.show()
