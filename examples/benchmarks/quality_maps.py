"""Maps of two dimensions: where new samples lie, on skae's and on others'.

    python examples/benchmarks/quality_maps.py [--data FOLDER] [--seeds 3]
        [--rows 10000] [--only WORD ...]

*Told right* is the share of new samples whose five nearest on the map of the others
have their label, *kept* the share of the 15 nearest neighbours among the new that are
still among the 15 nearest, *clusters* the accuracy of K-means, learned on the map, on
the new. Seconds are of CPU on one thread: of the fit, and of placing the new samples.
`FOLDER` holds `mnist.npz`; without it the digits of scikit-learn are halved. Who is not
installed is left out and named. PyTorch beside TensorFlow can crash: take an
environment without it.
"""

import argparse
import os
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

# Threads that wait for one another would count as work.
for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
for kind in ("INTRAOP", "INTEROP"):
    os.environ[f"TF_NUM_{kind}_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from skae import AutoencoderTransformer, Denoising

NEIGHBORS = 15


def read(args, seed):
    """Give samples to map and new ones, with their labels."""
    rng = np.random.RandomState(seed)
    if args.data is None:
        digits = load_digits()
        X, y = (digits.data / 16).astype(np.float32), digits.target
        new, some = np.array_split(rng.permutation(len(X)), 2)
        return X[some], y[some], X[new], y[new]
    with np.load(args.data / "mnist.npz") as data:
        X, X_new = (
            data[name].reshape(-1, 784).astype(np.float32) / 255
            for name in ("x_train", "x_test")
        )
        some = rng.permutation(len(X))[: args.rows]
        new = rng.permutation(len(X_new))[:2000]
        return X[some], data["y_train"][some], X_new[new], data["y_test"][new]


# ----------------- the maps: from (seed, X) to places of X and a function for new ones


def _skae(seed, X, **parameters):
    ae = AutoencoderTransformer(2, random_state=seed, **parameters).fit(X)
    return ae.transform(X), ae.transform


def _advised(noise=0.2):
    return {"activation": "relu", "objective": Denoising(noise, "swap")}


def skae_tsne(seed, X):
    return _skae(seed, X, arrange=TSNE())


def skae_tsne_advised(seed, X):
    return _skae(seed, X, arrange=TSNE(), **_advised(0.2 if X.shape[1] < 100 else 0.1))


def skae_umap(seed, X):
    from umap import UMAP

    return _skae(seed, X, arrange=UMAP(n_jobs=1), activation="relu")


def open_tsne(seed, X):
    from openTSNE import TSNE

    places = TSNE(random_state=seed, n_jobs=1).fit(X)
    return np.asarray(places), lambda new: np.asarray(places.transform(new))


def umap(seed, X):
    from umap import UMAP

    model = UMAP(random_state=seed, n_jobs=1)
    return model.fit_transform(X), model.transform


def parametric_umap(seed, X):
    import keras
    from umap.parametric_umap import ParametricUMAP

    keras.utils.set_random_seed(seed)
    model = ParametricUMAP(
        random_state=seed, n_jobs=1, verbose=False, keras_fit_kwargs={"verbose": 0}
    )
    return model.fit_transform(X), model.transform


def pacmap(seed, X):
    from pacmap import PaCMAP

    model = PaCMAP(random_state=seed)
    return model.fit_transform(X), lambda new: model.transform(new, basis=X)


MAPS = {
    "skae, TSNE()": (skae_tsne, "numpy"),
    'skae, TSNE(), "relu", swap': (skae_tsne_advised, "numpy"),
    'skae, UMAP(), "relu"': (skae_umap, "umap"),
    "openTSNE": (open_tsne, "openTSNE"),
    "UMAP": (umap, "umap"),
    "ParametricUMAP": (parametric_umap, "umap"),
    "PaCMAP": (pacmap, "pacmap"),
}


# ------------------------------------------------------------------- the figures


def kept(X, Z):
    """Give the share of the nearest neighbours that are neighbours still."""
    before, after = (
        NearestNeighbors(n_neighbors=NEIGHBORS).fit(A).kneighbors()[1] for A in (X, Z)
    )
    pairs = zip(before, after, strict=True)
    return float(np.mean([len({*a} & {*b}) for a, b in pairs]) / NEIGHBORS)


def accuracy(labels, clusters):
    """Give the share of rows in the cluster that goes with their label."""
    counts = confusion_matrix(labels, clusters)
    return counts[linear_sum_assignment(-counts)].sum() / len(labels)


def measure(make, seed, X, y, X_new, y_new):
    """Give the figures of a map."""
    start = time.process_time()
    places, place = make(seed, X)
    fitted = time.process_time()
    new = place(X_new)
    placed = time.process_time()
    means = KMeans(len(np.unique(y)), n_init=10, random_state=seed).fit(places)
    return (
        KNeighborsClassifier(5).fit(places, y).score(new, y_new),
        kept(X_new, new),
        accuracy(y_new, means.predict(new)),
        fitted - start,
        placed - fitted,
    )


def main():
    """Read the command, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder that holds mnist.npz")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000, help="of MNIST, to map")
    parser.add_argument("--only", nargs="+", help="maps whose name holds one of these")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    words = args.only or [""]
    maps = {
        name: of for name, of in MAPS.items() if any(word in name for word in words)
    }
    missing = [name for name, (_, needs) in maps.items() if find_spec(needs) is None]
    print("not installed:", ", ".join(missing) or "none")
    for name in missing:
        del maps[name]
    found = {name: [] for name in maps}
    for make, _ in maps.values():  # what is compiled once is not timed
        make(0, read(argparse.Namespace(data=None), 0)[0][:200])
    for seed in range(args.seeds):
        for name, (make, _) in maps.items():
            found[name].append(measure(make, seed, *read(args, seed)))
            row = (f"{value:.4g}" for value in found[name][-1])
            print(f"  seed {seed}, {name}:", *row, flush=True)
    heads = ("told right", "kept", "clusters", "fit, s", "place, s")
    print("\nmean (worst)".ljust(29), *(f"{head:>15}" for head in heads))
    for name, rows in found.items():
        worst = np.where([1, 1, 1, 0, 0], np.min(rows, axis=0), np.max(rows, axis=0))
        pairs = zip(np.mean(rows, axis=0), worst, strict=True)
        print(f"{name:28}", *(f"{f'{a:.3f} ({b:.3f})':>15}" for a, b in pairs))


if __name__ == "__main__":
    main()
