"""The main job on the digits that ship with scikit-learn.

Train an autoencoder, compare its reconstructions with PCA's, find clusters among its
latent vectors, and draw what came of it:

    python examples/digits.py --out pictures
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import (
    adjusted_rand_score,
    confusion_matrix,
    normalized_mutual_info_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from skae import AutoencoderClusterer, AutoencoderTransformer
from skae.plotting import ClusterDisplay, EmbeddingDisplay, ReconstructionDisplay


def clustering_accuracy(y, clusters):
    """Give the share of samples in the right cluster under the best matching."""
    counts = confusion_matrix(y, clusters)
    rows, columns = linear_sum_assignment(-counts)
    return counts[rows, columns].sum() / len(y)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("pictures"), metavar="DIR")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

pipe = Pipeline(
    [
        ("ae", AutoencoderTransformer(latent_dim=10, verbose=1, random_state=0)),
        ("km", KMeans(n_clusters=10, n_init=10, random_state=0)),
    ]
).fit(X_train)
ae = pipe["ae"]

pca = PCA(n_components=10).fit(X_train)
pca_error = np.mean((X_test - pca.inverse_transform(pca.transform(X_test))) ** 2)
print("\nMean squared error on the test digits, from 10 numbers each")
print(f"  autoencoder {-ae.score(X_test):.5f}")
print(f"  PCA         {pca_error:.5f}")

print("\n10 clusters                 accuracy    NMI    ARI")
clusterer = AutoencoderClusterer(10, random_state=0).fit(X_train)
raw = KMeans(n_clusters=10, n_init=10, random_state=0).fit_predict(X_train)
for name, clusters in {
    "K-means on pixels": raw,
    "K-means on PCA": KMeans(n_clusters=10, n_init=10, random_state=0).fit_predict(
        pca.transform(X_train)
    ),
    "K-means on latents": pipe["km"].labels_,
    "AutoencoderClusterer": clusterer.labels_,
}.items():
    print(
        f"  {name:25} {clustering_accuracy(y_train, clusters):8.3f} "
        f"{normalized_mutual_info_score(y_train, clusters):6.3f} "
        f"{adjusted_rand_score(y_train, clusters):6.3f}"
    )

ReconstructionDisplay.from_estimator(ae, X_test, n_samples=8, random_state=0)
plt.savefig(args.out / "reconstructions.png", bbox_inches="tight", dpi=150)
ClusterDisplay.from_estimator(pipe, X_train, y_train)
plt.savefig(args.out / "clusters.png", bbox_inches="tight", dpi=150)
EmbeddingDisplay.from_estimator(
    ae, X_test, labels=y_test, reducer=TSNE(random_state=0), images=X_test
)
plt.savefig(args.out / "latents.png", bbox_inches="tight", dpi=150)
print(f"\nPictures: {', '.join(sorted(str(p) for p in args.out.glob('*.png')))}")
