"""Clusters: skae beside K-means and other clusterers, by the accuracy of clusters.

    python examples/benchmarks/quality_clusters.py [--data FOLDER] [--seeds 5] [--mnist]

`FOLDER` holds data as `clusters/NAME.npz` with `X` and `y`, and `mnist.npz` as Keras
has it, which `--mnist` takes; without it there are the digits alone. Accuracy is that
of the best match of clusters and classes; the number of clusters is known, and no
label is used for anything else. At the end stand silhouettes of data without clusters.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix
from sklearn.mixture import GaussianMixture

from skae import AutoencoderClusterer

CLUSTERERS = {
    "skae": lambda k, seed: AutoencoderClusterer(k, random_state=seed),
    "skae on PCA": lambda k, seed: AutoencoderClusterer(
        k, transformer=PCA(10), random_state=seed
    ),
    "KMeans": lambda k, seed: KMeans(k, n_init=10, random_state=seed),
    "GaussianMixture": lambda k, seed: GaussianMixture(
        k, reg_covar=1e-3, random_state=seed
    ),
}


def accuracy(labels, y):
    """Give the share of rows in clusters that match their class."""
    y = np.unique(y, return_inverse=True)[1]
    counts = confusion_matrix(y, labels)
    rows, columns = linear_sum_assignment(-counts)
    return counts[rows, columns].sum() / len(y)


def data(folder, mnist):
    """Give rows and classes by name."""
    X, y = load_digits(return_X_y=True)
    found = {"digits": ((X / 16).astype(np.float32), y)}
    if folder is not None:
        for path in sorted((folder / "clusters").glob("*.npz")):
            with np.load(path) as file:
                X = file["X"].reshape(len(file["X"]), -1)
                found[path.stem] = X.astype(np.float32), file["y"]
    if mnist:
        with np.load(folder / "mnist.npz") as file:
            X = file["x_train"].reshape(-1, 784)
            found["mnist"] = (X / 255).astype(np.float32), file["y_train"]
    return found


def compare(name, X, y, n_seeds):
    """Print the accuracy of each clusterer: mean, worst seed, and seconds of CPU."""
    k = len(np.unique(y))
    print(f"{name}: {len(X)} x {X.shape[1]}, {k} classes")
    for title, make in CLUSTERERS.items():
        # Mixtures of hundreds of columns take minutes, and tell nothing more.
        if title == "GaussianMixture" and X.shape[1] > 300:
            continue
        start, found, silhouettes = time.process_time(), [], []
        for seed in range(n_seeds):
            clusterer = make(k, seed)
            found.append(accuracy(clusterer.fit_predict(X), y))
            silhouettes.append(getattr(clusterer, "silhouette_", np.nan))
        seconds = (time.process_time() - start) / n_seeds
        print(
            f"  {title:16} mean {np.mean(found):.3f}  worst {min(found):.3f}"
            f"  silhouette {np.mean(silhouettes):.2f}  {seconds:.1f} s",
            flush=True,
        )


def without_clusters():
    """Print silhouettes of eight clusters where there are none."""
    rng = np.random.RandomState(0)
    latents = rng.uniform(-1, 1, (2000, 4))
    sets = {
        "swiss roll": make_swiss_roll(2000, random_state=0)[0],
        "cube, 3 columns": rng.uniform(size=(2000, 3)),
        "cube, 5 columns": rng.uniform(size=(2000, 5)),
        "10 normal columns": rng.normal(size=(2000, 10)),
        "4 dimensions in 20": np.tanh(latents @ rng.normal(size=(4, 20))),
    }
    print("silhouettes without clusters")
    for name, X in sets.items():
        found = AutoencoderClusterer(random_state=0).fit(X).silhouette_
        print(f"  {name:20} {found:.2f}", flush=True)


def main():
    """Read the command, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with clusters/NAME.npz")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--mnist", action="store_true", help="60,000 images, too")
    options = parser.parse_args()
    if options.mnist and options.data is None:
        parser.error("--mnist needs --data")
    warnings.simplefilter("ignore")
    for name, (X, y) in data(options.data, options.mnist).items():
        compare(name, X, y, options.seeds)
    without_clusters()


if __name__ == "__main__":
    main()
