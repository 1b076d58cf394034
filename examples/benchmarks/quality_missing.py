"""Missing values: AutoencoderImputer beside the imputers of scikit-learn.

    python examples/benchmarks/quality_missing.py
    python examples/benchmarks/quality_missing.py --seeds 5 --slow --data FOLDER

Tables are standardised, some of their values are removed, and the error is the mean
square on what was removed: the mean of a column has about 1. A seed removes other
values, and is that of the fit. FOLDER may hold more tables, FOLDER/clusters/segment.npz
with an array "X". The second table is of what comes after: K-means and a classifier, on
latent vectors of rows with holes and on rows that were filled.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
)
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderImputer

OURS = "AutoencoderImputer"


def tables(data=None):
    """Give pairs of a standardised table and its labels, by name."""
    found = {
        "breast_cancer": load_breast_cancer(return_X_y=True),
        "wine": load_wine(return_X_y=True),
        "digits": load_digits(return_X_y=True),
        "diabetes": load_diabetes(return_X_y=True),
    }
    path = Path(data or ".") / "clusters" / "segment.npz"
    if data is not None and path.exists():
        with np.load(path) as arrays:
            found["segment"] = arrays["X"], arrays["y"]
    for name, (X, y) in found.items():
        X = np.asarray(X, float)[:, X.std(axis=0) > 0]
        found[name] = StandardScaler().fit_transform(X), y
    return found


def removed(X, share, seed, at_random=True):
    """Say which values are missing; not at random, great ones are the likelier."""
    generator = np.random.RandomState(seed)
    if at_random:
        return generator.uniform(size=X.shape) < share
    ranks = X.argsort(axis=0).argsort(axis=0) / (len(X) - 1)
    return generator.uniform(size=X.shape) < 2 * share * ranks


def imputers(n_features, seed, slow=False):
    """Give the imputers to compare, by name."""
    # All of many columns for each of them would take minutes.
    nearest = None if n_features <= 40 else 10
    found = {
        OURS: AutoencoderImputer(random_state=seed),
        "SimpleImputer": SimpleImputer(),
        "KNNImputer": KNNImputer(),
        "IterativeImputer": IterativeImputer(
            BayesianRidge(), n_nearest_features=nearest, random_state=seed
        ),
    }
    if slow:
        found["IterativeImputer, trees"] = IterativeImputer(
            ExtraTreesRegressor(50, random_state=seed),
            n_nearest_features=nearest,
            random_state=seed,
        )
    return found


def rows(data=None, seeds=5, slow=False, names=None):
    """Give a row for each table and imputer: its errors, and seconds of CPU a fit.

    `names` are those of the tables, if not all.
    """
    found = tables(data)
    cases = [("breast_cancer", 0.5, True), ("breast_cancer", 0.2, False)]
    cases += [(name, 0.3, True) for name in found if name != "breast_cancer"]
    results = []
    for name, share, at_random in [c for c in cases if names is None or c[0] in names]:
        X, _ = found[name]
        errors, seconds = {}, {}
        for seed in range(seeds):
            missing = removed(X, share, seed, at_random)
            holed = np.where(missing, np.nan, X)
            for method, imputer in imputers(X.shape[1], seed, slow).items():
                start = time.process_time()
                filled = _quietly(imputer.fit_transform, holed)
                seconds.setdefault(method, []).append(time.process_time() - start)
                error = float(np.square(filled - X)[missing].mean())
                errors.setdefault(method, []).append(error)
        for method, values in errors.items():
            result = {
                "table": name,
                "missing": f"{share:.0%}{'' if at_random else ', great ones'}",
                "method": method,
                "errors": values,
                "mean": float(np.mean(values)),
                "worst": max(values),
                "seconds": float(np.mean(seconds[method])),
            }
            results.append(result)
    return results


def rows_of_latents(data=None, seeds=5, names=None):
    """Give what K-means and a classifier find, after each way with missing values."""
    found = tables(data)
    results = []
    for name in [n for n in found if n != "diabetes" and n in (names or found)]:
        X, y = found[name]
        scores = {}
        for seed in range(seeds):
            holed = np.where(removed(X, 0.5, seed), np.nan, X)
            for way, values in _ways(holed, seed).items():
                kmeans = KMeans(len(np.unique(y)), n_init=10, random_state=seed)
                rand = adjusted_rand_score(y, kmeans.fit_predict(values))
                classifier = LogisticRegression(max_iter=1000)
                right = _quietly(cross_val_score, classifier, values, y).mean()
                scores.setdefault(way, []).append((rand, right))
        for way, values in scores.items():
            rand, right = np.mean(values, axis=0)
            worst = np.min(values, axis=0)
            results.append(
                {
                    "table": name,
                    "missing": "50%",
                    "method": way,
                    "rand": float(rand),
                    "worst_rand": float(worst[0]),
                    "accuracy": float(right),
                    "worst_accuracy": float(worst[1]),
                }
            )
    return results


def _ways(holed, seed):
    """Give what a method after it gets, by name."""
    ours = AutoencoderImputer(random_state=seed)
    filled = ours.fit_transform(holed)
    scaled = ours.scaler_.transform(holed).astype(np.float32)
    return {
        "latent vectors": ours.transformer_.transform(scaled),
        f"filled by {OURS}": filled,
        "filled by KNNImputer": KNNImputer().fit_transform(holed),
        "filled by SimpleImputer": SimpleImputer().fit_transform(holed),
    }


def _quietly(function, *args):
    with warnings.catch_warnings():
        # IterativeImputer has not converged, which is what is compared.
        warnings.simplefilter("ignore")
        return function(*args)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="a folder with more tables")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", nargs="+", help="these alone")
    parser.add_argument("--slow", action="store_true", help="trees as well: minutes")
    parser.add_argument("--latents", action="store_true", help="what comes after alone")
    args = parser.parse_args()
    if not args.latents:
        print(f"{'table':14} {'missing':16} {'method':24} {'mean':>6} {'worst':>6} CPU")
        for row in rows(args.data, args.seeds, args.slow, args.tables):
            print(
                f"{row['table']:14} {row['missing']:16} {row['method']:24} "
                f"{row['mean']:6.3f} {row['worst']:6.3f} {row['seconds']:.1f} s  "
                f"{' '.join(f'{error:.3f}' for error in row['errors'])}"
            )
    print(f"\n{'table':14} {'missing':8} {'method':30} K-means (ARI)  accuracy")
    for row in rows_of_latents(args.data, args.seeds, args.tables):
        print(
            f"{row['table']:14} {row['missing']:8} {row['method']:30} "
            f"{row['rand']:.3f} ({row['worst_rand']:.3f})  "
            f"{row['accuracy']:.3f} ({row['worst_accuracy']:.3f})"
        )


if __name__ == "__main__":
    main()
