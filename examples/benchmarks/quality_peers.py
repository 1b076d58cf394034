"""skae as it comes beside others that give vectors and take them back.

    python examples/benchmarks/quality_peers.py [--data FOLDER] [--seeds 3]
        [--dims 2 10] [--only WORD] [--sets WORD ...] [--keep FILE]

A quarter of the rows of each set is held out. *Error* is the share of their variance
that does not come back, *kept* the share of each row's 15 nearest neighbours among them
that are still among the 15 nearest, and *time* the CPU seconds of a fit on one thread,
as a multiple of skae's. Images are taken from 0 to 1, tables standardised before, for
all. `FOLDER` holds `mnist.npz` and the folders `outliers` and `clusters`; without it
there are two sets of scikit-learn alone. Who is not installed is left out and named.

Each takes its defaults, but for what has none: those that must be told their layers get
skae's, and plain Keras 50 epochs.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

# Threads that wait for one another would count as work.
ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "NUMBA", "TF_INTRAOP", "TF_INTEROP")
for library in ONE_THREAD:
    name = library.replace("TF_", "TF_NUM_") + "_THREADS"
    os.environ[name if "TF" in library else f"{library}_NUM_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, DenseNetwork

TABLES = ("cardio", "fault", "letter")
NEIGHBORS = 15


def sets(folder):
    """Give rows by name: tables first, then images."""
    found = {"breast_cancer": load_breast_cancer().data}
    if folder is not None:
        for name in TABLES:
            found[name] = np.load(folder / "outliers" / f"{name}.npz")["X"]
        found["segment"] = np.load(folder / "clusters" / "segment.npz")["X"]
    found["digits"] = load_digits().data / 16
    if folder is not None:
        usps = np.load(folder / "clusters" / "usps.npz")["X"]
        found["usps"] = usps.reshape(len(usps), -1)
        images = np.load(folder / "mnist.npz")["x_train"]
        some = np.random.RandomState(0).permutation(len(images))[:2000]
        found["mnist"] = images[some].reshape(2000, -1) / 255
    return found


def split(name, X, seed):
    """Give rows to train on and rows held out, in the scale for all."""
    rows = np.random.RandomState(seed).permutation(len(X))
    train, test = np.split(X[rows].astype(np.float32), [len(X) * 3 // 4])
    if name not in ("digits", "usps", "mnist"):
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    return train, test


# ------------------------------------------- the peers: from (dim, seed) and rows to
# two functions, `transform` and `inverse_transform`


def _estimator(model, X):
    model.fit(X)
    return model.transform, model.inverse_transform


def skae(dim, seed, X):
    return _estimator(AutoencoderTransformer(dim, random_state=seed), X)


def unarranged(dim, seed, X):
    model = AutoencoderTransformer(dim, arrange=None, random_state=seed)
    return _estimator(model, X)


def pca(dim, seed, X):
    return _estimator(PCA(dim, random_state=seed), X)


def umap(dim, seed, X):
    # Its parametric kin wants TensorFlow, which beside PyTorch can crash.
    sys.modules["tensorflow"] = None
    from umap import UMAP

    return _estimator(UMAP(n_components=dim, random_state=seed, n_jobs=1), X)


def _layers(dim, X):
    encoder, decoder = DenseNetwork().layer_sizes(X.shape[1], dim)
    return encoder, decoder


def mlp(dim, seed, X):
    """MLPRegressor: "relu" would cut the latent values, so "tanh"."""
    encoder, decoder = _layers(dim, X)
    sizes = (*encoder, *decoder[:-1])
    model = MLPRegressor(
        hidden_layer_sizes=sizes, activation="tanh", random_state=seed
    ).fit(X, X)

    def run(X, first, last):
        for i in range(first, last):
            X = X @ model.coefs_[i] + model.intercepts_[i]
            X = X if i == len(sizes) else np.tanh(X)
        return X

    middle = len(encoder)
    return (
        lambda X: run(X, 0, middle),
        lambda Z: run(Z, middle, len(sizes) + 1),
    )


def scikeras(dim, seed, X):
    import keras
    from scikeras.wrappers import KerasRegressor

    def chain(n_inputs, sizes):
        *hidden, last = sizes
        layers = [keras.layers.Dense(units, activation="relu") for units in hidden]
        return [keras.Input((n_inputs,)), *layers, keras.layers.Dense(last)]

    encoder, decoder = _layers(dim, X)
    parts = []

    def build():
        ends = ((X.shape[1], encoder), (dim, decoder))
        parts[:] = [keras.Sequential(chain(n, sizes)) for n, sizes in ends]
        return keras.Sequential([keras.Input((X.shape[1],)), *parts])

    KerasRegressor(
        build, loss="mse", optimizer="adam", epochs=50, verbose=0, random_state=seed
    ).fit(X, X)
    return tuple(lambda X, part=part: part.predict(X, verbose=0) for part in parts)


def _torch(encode, decode):
    import torch

    def call(function, X):
        with torch.no_grad():
            return function(torch.as_tensor(np.asarray(X, np.float32))).numpy()

    return (lambda X: call(encode, X)), (lambda Z: call(decode, Z))


def clustpy(dim, seed, X):
    import torch
    from clustpy.deep.neural_networks import FeedforwardAutoencoder

    torch.manual_seed(seed)
    encoder, _ = _layers(dim, X)
    model = FeedforwardAutoencoder([X.shape[1], *encoder], random_state=seed)
    model.fit(100, {"lr": 1e-3}, data=X)
    model.eval()
    return _torch(model.encode, model.decode)


def pythae(dim, seed, X):
    import tempfile

    import torch
    from pythae.models import AE, AEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    torch.manual_seed(seed)
    config = AEConfig(input_dim=(X.shape[1],), latent_dim=dim)
    with tempfile.TemporaryDirectory() as folder:
        training = BaseTrainerConfig(output_dir=folder, seed=seed, no_cuda=True)
        model = AE(config)
        TrainingPipeline(model=model, training_config=training)(train_data=X)
    model = model.cpu().eval()
    return _torch(
        lambda X: model.encoder(X).embedding,
        lambda Z: model.decoder(Z).reconstruction.reshape(len(Z), -1),
    )


PEERS = {
    "skae": (skae, "numpy"),
    "skae, unarranged": (unarranged, "numpy"),
    "PCA": (pca, "sklearn"),
    "UMAP": (umap, "umap"),
    "MLPRegressor": (mlp, "sklearn"),
    "Keras by scikeras": (scikeras, "scikeras"),
    "ClustPy": (clustpy, "clustpy"),
    "pythae": (pythae, "pythae"),
}
# Its way back takes hours from more dimensions than a map has, and minutes to images.
MAPS_ALONE = {"UMAP": 2}
FEW_COLUMNS = {"UMAP": 300}


# ------------------------------------------------------------------- the figures


def kept(X, Z):
    """Give the share of the nearest neighbours that are neighbours still."""
    before, after = (
        NearestNeighbors(n_neighbors=NEIGHBORS).fit(A).kneighbors()[1] for A in (X, Z)
    )
    pairs = zip(before, after, strict=True)
    return float(np.mean([len({*a} & {*b}) for a, b in pairs]) / NEIGHBORS)


def measure(peer, name, X, dim, seed):
    """Give the figures of a fit."""
    train, test = split(name, X, seed)
    start = time.process_time()
    transform, inverse = PEERS[peer][0](dim, seed, train)
    spent = time.process_time() - start
    Z = transform(test)
    error = np.nan
    if X.shape[1] <= FEW_COLUMNS.get(peer, X.shape[1]):
        left = np.square(np.asarray(inverse(Z)) - test).sum()
        error = left / np.square(test - train.mean(axis=0)).sum()
    return {"error": float(error), "kept": kept(test, Z), "time": spent}


def run_peer(peer, args, seed):
    """Print a line of JSON for each fit of a peer, in this process."""
    warnings.simplefilter("ignore")
    data = sets(args.data)
    warm_up = split("digits", data["digits"], 0)[0][:200]
    PEERS[peer][0](2, 0, warm_up)
    for name, X in data.items():
        if args.sets and not any(word in name for word in args.sets):
            continue
        for dim in args.dims:
            if dim > MAPS_ALONE.get(peer, dim):
                continue
            found = measure(peer, name, X, dim, seed)
            found |= {"peer": peer, "set": name, "dim": dim, "seed": seed}
            print("FOUND", json.dumps(found), flush=True)


def collect(args):
    """Give what all found: each seed of each peer in a process of its own, in turn."""
    found = []
    peers = [peer for peer in PEERS if args.only in peer]
    missing = [peer for peer in peers if find_spec(PEERS[peer][1]) is None]
    print("not installed:", ", ".join(missing) or "none", flush=True)
    for seed in range(args.seeds):
        for peer in peers:
            if peer in missing:
                continue
            command = [sys.executable, *sys.argv, "--peer", peer, "--seed", str(seed)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            lines = [
                line.partition(" ")[2]
                for line in done.stdout.splitlines()
                if line.startswith("FOUND ")
            ]
            found += map(json.loads, lines)
            failed = f", exit status {done.returncode}" if done.returncode else ""
            print(f"  seed {seed}, {peer}: {len(lines)} fits{failed}", flush=True)
            if args.keep is not None:
                args.keep.write_text(json.dumps(found))
    return found


def show(found):
    """Print a table for each number of latent values and figure, a set a column."""
    names = list(dict.fromkeys(one["set"] for one in found))
    for dim in sorted({one["dim"] for one in found}):
        by = defaultdict(lambda: defaultdict(list))
        for one in found:
            if one["dim"] == dim:
                for figure in ("error", "kept", "time"):
                    by[figure, one["peer"]][one["set"]].append(one[figure])
        for figure, worst in (("error", np.nanmax), ("kept", min), ("time", max)):
            print(f"\n{figure}, {dim} latent values: mean over seeds (worst)")
            print(" " * 18, *(f"{name[:12]:>13}" for name in (*names, "mean", "worst")))
            for (other, peer), sets_ in by.items():
                if other != figure:
                    continue
                values = {name: np.array(sets_[name]) for name in sets_}
                if figure == "time":
                    ours = by[figure, "skae"]
                    values = {
                        name: v / np.mean(ours[name] or np.nan)
                        for name, v in values.items()
                    }
                cells = [
                    f"{values[name].mean():.3f} ({worst(values[name]):.3f})"
                    if name in values
                    else "-"
                    for name in names
                ]
                means = [v.mean() for v in values.values()]
                cells += [f"{np.nanmean(means):.3f}", f"{worst(means):.3f}"]
                print(f"{peer:18}", *(f"{cell:>13}" for cell in cells))


def main():
    """Read the command, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with more data sets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 10])
    parser.add_argument("--only", default="", help="peers whose name holds this word")
    parser.add_argument("--sets", nargs="+", help="sets whose name holds one of these")
    parser.add_argument("--keep", type=Path, help="a file for all figures, as JSON")
    parser.add_argument("--peer", help="one peer, in this process")
    parser.add_argument("--seed", type=int, help="its seed")
    args = parser.parse_args()
    if args.peer is not None:
        run_peer(args.peer, args, args.seed)
    else:
        show(collect(args))


if __name__ == "__main__":
    main()
