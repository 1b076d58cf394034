"""Measure networks on windows of real series, beside PCA and the raw values.

    python examples/benchmarks/quality_series.py [--data FOLDER] [--seeds N]
        [--only SET] [--networks dense,conv,gru]

The sets are those that aeon ships (pip install aeon): it is looked for, and never
imported. `FOLDER` may hold the same files instead. Without them there are the digits of
scikit-learn, whose rows are eight steps of eight values.

Of each set, half of the windows are fitted and the others held out, another half for
each seed. Printed are the reconstruction error of the held-out windows, as a share of
their variance, the accuracy of their nearest neighbour among the fitted ones in the
latent space, and seconds to fit.
"""

import argparse
import os
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer, ConvNetwork, RecurrentNetwork

warnings.simplefilter("ignore", ConvergenceWarning)

SETS = {
    "power": "ItalyPowerDemand/ItalyPowerDemand",
    "vowels": "JapaneseVowels/JapaneseVowels_eq",
    "gunpoint": "GunPoint/GunPoint",
    "motions": "BasicMotions/BasicMotions",
}
NETWORKS = {
    "dense": "dense",
    "conv": ConvNetwork(axes=1),
    "gru": RecurrentNetwork(),
    "lstm": RecurrentNetwork(cell="lstm"),
}


def read(path):
    """Give windows (n, steps, features) and labels of a set's two files."""
    X, y = [], []
    for part in ("TRAIN", "TEST"):
        lines = Path(f"{path}_{part}.ts").read_text().splitlines()
        for line in lines:
            if line[:1] not in ("", "#", "@"):
                *features, label = line.split(":")
                X.append([np.array(one.split(","), float) for one in features])
                y.append(label)
    return np.array(X, np.float32).transpose(0, 2, 1), np.array(y)


def sets(args):
    """Give the sets that are there, by name."""
    digits = load_digits()
    found = {"digits": (digits.images.astype(np.float32), digits.target)}
    folders = [Path(args.data)] if args.data else []
    spec = find_spec("aeon")
    if spec is not None:
        folders.append(Path(spec.origin).parent / "datasets" / "data")
    for name, path in SETS.items():
        for folder in folders:
            if Path(f"{folder / path}_TRAIN.ts").exists():
                found[name] = read(folder / path)
                break
        else:
            print(f"{name} is not here: pip install aeon")
    return {name: found[name] for name in found if args.only in name}


def halves(X, y, seed):
    """Give scaled windows to fit and to hold out, and their labels."""
    A, B, a, b = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    mean, scale = A.mean(axis=(0, 1)), A.std(axis=(0, 1))
    scale[scale == 0] = 1
    return (A - mean) / scale, (B - mean) / scale, a, b


def judge(model, A, B, a, b):
    """Give error, accuracy and seconds of a transformer."""
    start = time.perf_counter()
    Z = model.fit(A).transform(A)
    seconds = time.perf_counter() - start
    latents = model.transform(B)
    error = ((model.inverse_transform(latents) - B) ** 2).mean() / B.var()
    knn = KNeighborsClassifier(1).fit(Z, a)
    return float(error), knn.score(latents, b), seconds


def measure(X, y, args, seed):
    """Give, by name, what is measured of a split."""
    A, B, a, b = halves(X, y, seed)
    flat = A.reshape(len(A), -1), B.reshape(len(B), -1)
    raw = KNeighborsClassifier(1).fit(flat[0], a).score(flat[1], b)
    found = {
        "raw": (0.0, raw, 0.0),
        "PCA": judge(PCA(args.latents, random_state=seed), *flat, a, b),
    }
    for name in args.networks.split(","):
        ae = AutoencoderTransformer(
            args.latents,
            network=NETWORKS[name],
            arrange=None,
            epochs=args.epochs or "auto",
            random_state=seed,
        )
        found[name] = judge(ae, A, B, a, b)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="a folder that holds the sets of aeon")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="sets whose name holds this word")
    parser.add_argument(
        "--networks", default="dense,conv,gru", help=", ".join(NETWORKS)
    )
    parser.add_argument("--epochs", type=int, help="by default those of the networks")
    parser.add_argument("--latents", type=int, default=8)
    args = parser.parse_args()
    for name, (X, y) in sets(args).items():
        print(f"\n{name}: {X.shape}; error, accuracy, seconds", flush=True)
        runs = [measure(X, y, args, seed) for seed in range(args.seeds)]
        for kind in runs[0]:
            values = np.array([run[kind] for run in runs])
            worst = values[:, 0].max(), values[:, 1].min(), values[:, 2].max()
            for word, row in (("mean", values.mean(axis=0)), ("worst", worst)):
                print(f"  {kind:8}{word:8}", *(f"{value:9.4f}" for value in row))


if __name__ == "__main__":
    main()
