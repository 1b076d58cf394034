"""Outliers: skae beside its peers, by the area under the ROC curve.

    python examples/benchmarks/quality_outliers.py [--data FOLDER] [--seeds 5] [--clean]

`FOLDER` holds tables as `NAME.npz` with `X` and `y`, 1 for an outlier, as ADBench packs
them; without it there is breast_cancer alone, of which 200 benign rows are known.
Each table is standardised for the peers, and whole: outliers are among the rows that
are learned. `--clean` learns half of the inliers, and judges by the others. PyOD's
detectors run where it is installed.
"""

import argparse
import os
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector


class Neighbors:
    """The distance to the fifth neighbour, as PyOD's KNN."""

    def fit(self, X):
        """Keep the rows."""
        self.scaler_ = StandardScaler().fit(X)
        self.neighbors_ = NearestNeighbors(n_neighbors=5)
        self.neighbors_.fit(self.scaler_.transform(X))
        self.known_ = X
        return self

    def score_samples(self, X):
        """Give minus the distance; a row that was learned is not its own neighbour."""
        asked = None if X is self.known_ else self.scaler_.transform(X)
        return -self.neighbors_.kneighbors(asked)[0][:, -1]


class PyOD:
    """A detector of PyOD, on standardised columns."""

    def __init__(self, detector):
        self.detector = detector

    def fit(self, X):
        """Fit on standardised columns."""
        self.scaler_ = StandardScaler().fit(X)
        self.detector.fit(self.scaler_.transform(X))
        self.known_ = X
        return self

    def score_samples(self, X):
        """Give minus its scores, which are high for outliers."""
        if X is self.known_:
            return -self.detector.decision_scores_
        return -self.detector.decision_function(self.scaler_.transform(X))


def detectors():
    """Give the detectors by name: each a function of a seed."""
    found = {
        "skae": lambda seed: AutoencoderOutlierDetector(random_state=seed),
        "skae on PCA": lambda seed: AutoencoderOutlierDetector(
            PCA(0.9), random_state=seed
        ),
        "kNN": lambda seed: Neighbors(),
        "IsolationForest": lambda seed: make_pipeline(
            StandardScaler(), IsolationForest(random_state=seed)
        ),
    }
    if find_spec("pyod") and find_spec("torch"):
        from pyod.models.auto_encoder import AutoEncoder
        from pyod.models.ecod import ECOD
        from pyod.models.vae import VAE

        found |= {
            "PyOD AutoEncoder": lambda seed: PyOD(
                AutoEncoder(random_state=seed, verbose=0)
            ),
            "PyOD VAE": lambda seed: PyOD(VAE(random_state=seed, verbose=0)),
            "PyOD ECOD": lambda seed: PyOD(ECOD()),
        }
    return found


def breast_cancer(seed):
    """Give 200 benign rows to learn, and the others with their labels."""
    X, benign = load_breast_cancer(return_X_y=True)
    rng = np.random.RandomState(seed)
    train = rng.permutation(np.flatnonzero(benign))[:200]
    test = np.setdiff1d(np.arange(len(X)), train)
    return X[train], X[test], 1 - benign[test]


def table(path, seed, clean=False):
    """Give rows to learn, rows to judge and their labels, of a table in a file."""
    with np.load(path) as file:
        X, y = file["X"], file["y"]
    if not clean:
        return X, X, y
    inliers = np.random.RandomState(seed).permutation(np.flatnonzero(y == 0))
    train = inliers[: len(inliers) // 2]
    test = np.setdiff1d(np.arange(len(y)), train)
    return X[train], X[test], y[test]


def measure(tables, n_seeds):
    """Give the areas (tables, seeds) of each detector, and its seconds of CPU."""
    areas, seconds = {}, {}
    for name, make in detectors().items():
        areas[name] = np.empty((len(tables), n_seeds))
        start = time.process_time()
        for i, of_seed in enumerate(tables.values()):
            for seed in range(n_seeds):
                train, test, y = of_seed(seed)
                scores = make(seed).fit(train).score_samples(test)
                areas[name][i, seed] = roc_auc_score(y, -scores)
        seconds[name] = time.process_time() - start
    return areas, seconds


def show(tables, areas, seconds):
    """Print a row a table and a column a detector: the mean over seeds, then worst."""
    means = np.array([of.mean(axis=1) for of in areas.values()]).T
    width = max(map(len, tables)) + 2
    print("".ljust(width), *(f"{name:>16}" for name in areas))
    for name, row in zip(tables, means, strict=True):
        print(name.ljust(width), *(f"{mean:16.3f}" for mean in row))
    summary = {
        "mean": means.mean(axis=0),
        "worst seed": [of.mean(axis=0).min() for of in areas.values()],
        "mean rank": rankdata(-means, axis=1).mean(axis=0),
        "seconds": list(seconds.values()),
    }
    for name, row in summary.items():
        print(name.ljust(width), *(f"{value:16.3f}" for value in row))


def main():
    """Read the command, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with tables NAME.npz")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--clean", action="store_true", help="learn inliers alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    runs = [{"breast_cancer": breast_cancer}]
    if options.data is not None:
        paths = sorted(options.data.glob("*.npz"))
        if not paths:
            parser.error(f"no NAME.npz in {options.data}")
        runs.append(
            {
                path.stem: lambda seed, path=path: table(path, seed, options.clean)
                for path in paths
            }
        )
    for tables in runs:
        show(tables, *measure(tables, options.seeds))
        print()


if __name__ == "__main__":
    main()
