"""Defaults: skae as it comes beside PCA and beside the columns as they are.

    python examples/benchmarks/quality_defaults.py [--data FOLDER] [--seeds 5] [JOB ...]

The jobs are "reconstruct" (squared error on a quarter of the rows held out, as a
multiple of PCA's), "cluster" (accuracy of K-means on latent vectors and on columns),
"classify" (logistic regression and nearest neighbours on latent vectors and on
principal components) and "time" (CPU seconds of a fit). Without any, all run. `FOLDER`
holds
`mnist.npz`, `clusters/usps.npz` and `clusters/segment.npz`; without it there are the
tables of scikit-learn alone. Where skae has scaled the columns, both errors are in
standard deviations, and PCA gets standardised columns, too.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer

TOY = ("wine", "breast_cancer", "iris", "digits")
# PCA that keeps all has no error to compare with: this share of the variance is none.
NOTHING = 1e-6


def tables(folder):
    """Give samples and labels by name."""
    found = {}
    for name in TOY:
        loaded = getattr(datasets, f"load_{name}")()
        found[name] = loaded.data / (16 if name == "digits" else 1), loaded.target
    roll, place = datasets.make_swiss_roll(2000, noise=0.1, random_state=0)
    found["swiss roll"] = roll, (place > np.median(place)).astype(int)
    found["sines"] = _sines()
    if folder is not None:
        for name in ("usps", "segment"):
            with np.load(Path(folder, "clusters", f"{name}.npz")) as file:
                X = file["X"].astype(float)
                found[name] = X.reshape(len(X), -1), file["y"]
        X, y = mnist(folder, 4000)
        found["mnist 2000"] = X, y
    return found


def mnist(folder, n_rows):
    """Give some images of MNIST as rows."""
    with np.load(Path(folder, "mnist.npz")) as file:
        rows = np.random.RandomState(0).permutation(60_000)[:n_rows]
        return file["x_train"].reshape(60_000, -1)[rows] / 255, file["y_train"][rows]


def _sines():
    random, steps = np.random.RandomState(0), np.arange(64) / 64
    frequency, phase, height = random.uniform((1, 0, 0.5), (4, 6.28, 2), (800, 3)).T
    waves = np.sin(2 * np.pi * frequency[:, np.newaxis] * steps + phase[:, np.newaxis])
    noise = 0.1 * random.normal(size=waves.shape)
    return height[:, np.newaxis] * waves + noise, (frequency > 2.5).astype(int)


def halves(X, y, seed, n_train=None):
    """Give rows to train on and rows held out, with their labels."""
    rows = np.random.RandomState(seed).permutation(len(X))
    n = n_train or len(X) * 3 // 4
    X = X.astype(np.float32)
    return X[rows[:n]], X[rows[n:]], y[rows[:n]], y[rows[n:]]


def reconstruct(folder, n_seeds, dims=(2, 5, 10, 32, None)):
    """Give the error as a multiple of PCA's, by table, scale and latent size."""
    for name, (X, y) in tables(folder).items():
        for scaled in (False, True):
            for dim in dims:
                dim = X.shape[1] if dim is None else dim
                if dim > X.shape[1] or (dim == X.shape[1] > 300):
                    continue
                ratios = [_ratio(X, y, seed, scaled, dim) for seed in range(n_seeds)]
                yield f"{name}, {'standardised' if scaled else 'raw'}, {dim}", ratios


def _ratio(X, y, seed, scaled, dim):
    train, test, *_ = halves(X, y, seed)
    if scaled:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    ae = AutoencoderTransformer(dim, random_state=seed).fit(train)
    unit = StandardScaler(with_mean=False, with_std=ae.scale_ is not None).fit(train)
    ours = unit.transform(ae.inverse_transform(ae.transform(test)))
    train, wanted = unit.transform(train), unit.transform(test)
    pca = PCA(min(dim, *train.shape)).fit(train)
    theirs = pca.inverse_transform(pca.transform(wanted))
    rival = max(np.square(theirs - wanted).mean(), NOTHING * wanted.var(axis=0).mean())
    return float(np.square(ours - wanted).mean() / rival)


def accuracy(labels, clusters):
    """Give the share of rows in the cluster that goes with their label."""
    counts = confusion_matrix(labels, clusters)
    return float(counts[linear_sum_assignment(-counts)].sum() / len(labels))


def cluster(folder, n_seeds):
    """Give the accuracy of K-means on latent vectors, and that on columns."""
    for name, (X, y) in tables(folder).items():
        if name in ("swiss roll", "sines"):
            continue
        columns = X if name in ("digits", "usps", "mnist 2000") else _standardised(X)
        columns = columns.astype(np.float32)
        found = []
        for seed in range(n_seeds):
            means = KMeans(len(np.unique(y)), n_init=10, random_state=seed)
            dim = min(10, X.shape[1])
            ae = AutoencoderTransformer(dim, random_state=seed).fit(columns)
            ours = accuracy(y, means.fit_predict(ae.transform(columns)))
            found.append((ours, accuracy(y, means.fit_predict(columns))))
        yield name, found


def classify(folder, n_seeds):
    """Give the accuracy of classifiers on latents and on principal components."""
    for name, (X, y) in tables(folder).items():
        for dim in (2, 5, 10):
            if dim >= X.shape[1]:
                continue
            found = []
            for seed in range(n_seeds):
                train, test, known, asked = halves(_standardised(X), y, seed)
                ae = AutoencoderTransformer(dim, random_state=seed)
                for reducer in (ae, PCA(dim, random_state=seed)):
                    Z, T = reducer.fit_transform(train), reducer.transform(test)
                    logistic = LogisticRegression(max_iter=2000).fit(Z, known)
                    nearest = KNeighborsClassifier().fit(Z, known)
                    found += [logistic.score(T, asked), nearest.score(T, asked)]
            found = np.reshape(found, (n_seeds, 2, 2))
            for i, judge in enumerate(("logistic", "neighbours")):
                yield f"{name}, {dim}, {judge}", list(map(tuple, found[:, :, i]))


def seconds(folder, n_seeds):
    """Give the CPU seconds of a fit of the defaults."""
    random = np.random.RandomState(0)
    sizes = [200, 2_000, 20_000]
    parts = [
        (f"{n} of MNIST", mnist(folder, n)[0]) for n in sizes if folder is not None
    ]
    wide = random.normal(size=(60, 10)) @ random.normal(size=(10, 20_000))
    for name, X in (*parts, ("60 x 20000", wide)):
        spent = []
        for seed in range(n_seeds):
            start = time.process_time()
            AutoencoderTransformer(random_state=seed).fit(X.astype(np.float32))
            spent.append(time.process_time() - start)
        yield name, spent


def _standardised(X):
    return StandardScaler().fit_transform(X)


def show(job, folder, n_seeds):
    """Print the rows of a job, and what they come to."""
    if job == "time":
        print("\nCPU seconds of a fit")
        for name, spent in seconds(folder, n_seeds):
            print(f"{name:34} {np.mean(spent):7.1f}", flush=True)
        return
    if job == "reconstruct":
        print("\nheld-out error over PCA's, mean (worst)")
        all_ratios = []
        for name, ratios in reconstruct(folder, n_seeds):
            all_ratios += ratios
            print(f"{name:34} {np.mean(ratios):6.2f} ({max(ratios):.2f})", flush=True)
        above = np.mean(np.array(all_ratios) > 1.02)
        print(f"{'all':34} {np.mean(all_ratios):6.2f} ({max(all_ratios):.2f})")
        print(f"above 1.02: {above:.1%}")
        return
    rows = {"cluster": cluster, "classify": classify}[job](folder, n_seeds)
    rival = {"cluster": "columns", "classify": "PCA"}[job]
    print(f"\naccuracy, mean (worst), beside {rival}")
    gains = []
    for name, pairs in rows:
        ours, theirs = np.transpose(pairs)
        gains.append(ours.mean() - theirs.mean())
        print(
            f"{name:34} {ours.mean():.3f} ({ours.min():.3f})   {theirs.mean():.3f} "
            f"({theirs.min():.3f})",
            flush=True,
        )
    print(f"{'gain, mean and least':34} {np.mean(gains):+.3f} {min(gains):+.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    jobs = ("reconstruct", "cluster", "classify", "time")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(jobs))
    parser.add_argument("--data", help="a folder with more data sets")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for job in args.jobs or jobs:
        show(job, args.data, args.seeds)


if __name__ == "__main__":
    main()
