"""Time skae against its peers, as ratios within one run.

    python examples/benchmarks/run.py [--data mnist.npz] [--only WORD] [--repeat 5]

Each row runs both sides in turn and prints the medians and their ratio: below one,
skae is the faster. The times of one machine say little about another, and on a
shared machine little about the next minute; the ratios hold better. Rows on MNIST
need `--data`, an `mnist.npz` as Keras stores it, and PyTorch is compared with where
it is installed.
"""

import argparse
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline

from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork

warnings.simplefilter("ignore", ConvergenceWarning)

ROWS = []


def row(reach, *, needs=()):
    """Register a function that gives the two sides of a comparison."""

    def register(function):
        ROWS.append((function, reach, needs))
        return function

    return register


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def many(function, n=200):
    """Call a function of microseconds often enough to be timed."""

    def repeated():
        for _ in range(n):
            function()

    function()
    return repeated


def compare(ours, other, repeat):
    pairs = [(seconds(ours), seconds(other)) for _ in range(repeat)]
    ratio = statistics.median(a / b for a, b in pairs)
    return [statistics.median(side) for side in zip(*pairs, strict=True)], ratio


# ------------------------------------------------------------------- the peers


def keras_dense(sizes, activation="elu", output="sigmoid", latent=None):
    """The autoencoder with these layer sizes, as a Keras user writes it."""
    import keras

    model = keras.Sequential([keras.Input((sizes[0],))])
    for i, units in enumerate(sizes[1:]):
        last, coded = i == len(sizes) - 2, i == len(sizes) // 2 - 1
        kind = output if last else "linear" if coded else activation
        model.add(keras.layers.Dense(units, activation=kind))
    model.compile("adam", "mse")
    return model


def keras_conv():
    """The convolutional autoencoder of the course chapter."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 2, strides=2, activation="elu"),
            layers.Conv2D(64, 2, strides=2, activation="elu"),
            layers.Flatten(),
            layers.Dense(64, activation="elu"),
            layers.Dense(3136, activation="elu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(32, 2, strides=2, padding="same", activation="elu"),
            layers.Conv2DTranspose(
                1, 2, strides=2, padding="same", activation="sigmoid"
            ),
        ]
    )
    model.compile("adam", "mse")
    return model


def torch_epoch(X, sizes, batch_size):
    """An epoch of a plain PyTorch loop over the same network."""
    import torch

    torch.set_num_threads(os.cpu_count())
    layers = []
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        layers.append(torch.nn.Linear(fan_in, fan_out))
        last, coded = i == len(sizes) - 2, i == len(sizes) // 2 - 1
        if not coded:
            layers.append(torch.nn.Sigmoid() if last else torch.nn.ELU())
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters())
    data = torch.from_numpy(X)

    def epoch():
        for rows in torch.randperm(len(data)).split(batch_size):
            x = data[rows]
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.mse_loss(model(x), x).backward()
            optimizer.step()

    return epoch


# -------------------------------------------------------------------- the data

DIGITS = (load_digits().data / 16).astype(np.float32)
SMALL = (64, 64, 16, 64, 64)
WIDE = (784, 512, 256, 64, 256, 512, 784)


def small(**parameters):
    """The network of the digits; unarranged, since no other side arranges."""
    return AutoencoderTransformer(
        16,
        network=DenseNetwork(hidden_layer_sizes=(64,)),
        arrange=None,
        epochs=50,
        batch_size=32,
        random_state=0,
        **parameters,
    )


def wide(**parameters):
    return AutoencoderTransformer(
        64,
        network=DenseNetwork(hidden_layer_sizes=(512, 256)),
        epochs=1,
        batch_size=128,
        random_state=0,
        **parameters,
    )


def chapter_conv(**parameters):
    return AutoencoderTransformer(
        64,
        network=ConvNetwork(filters=(32, 64), kernel_size=2),
        latent_activation="elu",
        epochs=1,
        batch_size=256,
        random_state=0,
        **parameters,
    )


def mnist(args):
    with np.load(args.data) as data:
        return data["x_train"].reshape(-1, 784).astype(np.float32) / 255


def per_epoch(estimator, X):
    """An epoch of a fit that goes on: no tracing, no new weights."""
    estimator.fit(X[:1000])
    return lambda: estimator.partial_fit(X)


# -------------------------------------------------------------------- the rows


@row("0.12")
def digits_fit_keras(args):
    """digits, 50 epochs: keras.Model.fit"""
    small().fit(DIGITS[:64])
    return (
        lambda: small().fit(DIGITS),
        lambda: keras_dense(SMALL).fit(
            DIGITS, DIGITS, batch_size=32, epochs=50, verbose=0
        ),
    )


@row("0.4 (first fit 0.7)")
def digits_fit_mlp(args):
    """digits, 50 epochs: MLPRegressor"""
    return (
        lambda: small().fit(DIGITS),
        lambda: MLPRegressor(
            hidden_layer_sizes=(64, 16, 64), batch_size=32, max_iter=50
        ).fit(DIGITS, DIGITS),
    )


@row("0.08")
def grid(args):
    """digits, 9 settings x 5 folds, 20 epochs: scikeras"""
    from scikeras.wrappers import KerasRegressor

    def build(meta, latent_dim, activation):
        return keras_dense((64, 64, latent_dim, 64, 64), activation)

    values = {"latent_dim": [4, 8, 16], "activation": ["relu", "elu", "tanh"]}
    other = KerasRegressor(
        build, latent_dim=4, activation="elu", epochs=20, batch_size=32, verbose=0
    )
    return (
        lambda: GridSearchCV(small().set_params(epochs=20), values).fit(DIGITS),
        lambda: GridSearchCV(
            other,
            {f"model__{name}": v for name, v in values.items()},
            scoring="neg_mean_squared_error",
        ).fit(DIGITS, DIGITS),
    )


@row("0.5", needs=["data"])
def mnist_keras(args):
    """MNIST, dense, an epoch: keras.Model.fit"""
    X = mnist(args)
    model = keras_dense(WIDE)
    model.fit(X[:256], X[:256], batch_size=128, verbose=0)
    return (
        per_epoch(wide(), X),
        lambda: model.fit(X, X, batch_size=128, verbose=0),
    )


@row("0.7", needs=["data", "torch"])
def mnist_torch(args):
    """MNIST, dense, an epoch: PyTorch"""
    X = mnist(args)
    return per_epoch(wide(), X), torch_epoch(X, WIDE, 128)


@row("1.67 (60 % of the rate)", needs=["data"])
def mnist_sgemm(args):
    """MNIST, dense, an epoch: its multiplications at the rate of a large product"""
    X = mnist(args)
    # Two products a layer backwards and one forwards, less the first input's gradient.
    work = [6 * a * b for a, b in pairwise(WIDE)]
    n = 2048
    a = np.ones((n, n), np.float32)
    times = (sum(work) - 2 * WIDE[0] * WIDE[1]) * len(X) / (2 * n**3)

    def products():
        for _ in range(round(times)):
            a @ a

    return per_epoch(wide(), X), products


@row("0.8", needs=["data"])
def conv_keras(args):
    """MNIST, convolutional, an epoch: keras.Model.fit"""
    X = mnist(args).reshape(-1, 28, 28, 1)
    model = keras_conv()
    model.fit(X[:256], X[:256], batch_size=256, verbose=0)
    return (
        per_epoch(chapter_conv(), X),
        lambda: model.fit(X, X, batch_size=256, verbose=0),
    )


@row("0.002")
def one_row_keras(args):
    """transform of a row: keras.Model.predict"""
    ae, model = small().fit(DIGITS), keras_dense(SMALL)
    return (
        many(lambda: ae.transform(DIGITS[:1]), 20),
        many(lambda: model.predict(DIGITS[:1], verbose=0), 20),
    )


@row("5")
def one_row_pca(args):
    """transform of a row: PCA.transform"""
    ae, pca = small().fit(DIGITS), PCA(16).fit(DIGITS)
    return (
        many(lambda: ae.transform(DIGITS[:1])),
        many(lambda: pca.transform(DIGITS[:1])),
    )


@row("0.03")
def one_image_keras(args):
    """transform of an image: keras.Model.predict"""
    X = np.random.RandomState(0).uniform(size=(256, 28, 28, 1)).astype(np.float32)
    ae, model = chapter_conv().fit(X), keras_conv()
    return (
        many(lambda: ae.transform(X[:1]), 20),
        many(lambda: model.predict(X[:1], verbose=0), 20),
    )


@row("1.25", needs=["data"])
def all_rows(args):
    """transform of 60,000 rows: bare products and activations in NumPy"""
    X = mnist(args)
    ae = wide().fit(X[:1000])

    def bare():
        x = X
        for i in range(3):
            x = x @ ae.weights_[2 * i] + ae.weights_[2 * i + 1]
            if i < 2:
                x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))

    return lambda: ae.transform(X), bare


def python(code):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


@row("1.15")
def import_skae(args):
    """import skae: import sklearn.pipeline"""
    return python("import skae"), python("import sklearn.pipeline")


@row("1.3")
def unpickle(args):
    """fresh process, unpickle a pipeline with K-means, a row: the same with PCA"""
    folder = Path(tempfile.mkdtemp())
    sides = []
    for name, first in {"ae": small(), "pca": PCA(16)}.items():
        pipe = make_pipeline(first, KMeans(10, n_init=1)).fit(DIGITS)
        (folder / name).write_bytes(pickle.dumps((pipe, DIGITS[:1])))
        sides.append(
            python(
                "import pickle; pipe, x = pickle.load(open("
                f"{str(folder / name)!r}, 'rb')); pipe.transform(x)"
            )
        )
    return sides


MEMORY = """
import resource, time, numpy as np
from skae import AutoencoderTransformer, ConvNetwork
X = np.random.RandomState(0).uniform(size=(200, 64)).astype(np.float32)
network = {network}
def fit(seed):
    start = time.perf_counter()
    AutoencoderTransformer(8, network=network, epochs=1, random_state=seed).fit(X)
    return time.perf_counter() - start
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
times = [fit(i) for i in range(10)]
before = resident()
times += [fit(i) for i in range(10, 200)]
print(f"{{resident() - before:.1f}} MiB, slowest fit after the first "
      f"{{max(times[1:]) * 1e3:.0f}} ms, median {{np.median(times[1:]) * 1e3:.1f}} ms")
"""


def memory():
    for network in ("'dense'", "'conv'"):
        code = MEMORY.format(network=network)
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        print(f"200 fits, {network}: grew by {result.stdout.strip()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="mnist.npz, as Keras stores it")
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--row", help="one row, in this process")
    args = parser.parse_args()
    if args.row is not None:
        return run_row(args)
    have = {"data": args.data is not None, "torch": find_spec("torch") is not None}
    print(f"{'skae against':75} {'skae':>9} {'other':>9} {'ratio':>7}  to reach")
    for function, _, needs in ROWS:
        if args.only in function.__name__ and all(have[n] for n in needs):
            # Each in a process of its own: PyTorch and TensorFlow in one crash.
            command = [sys.executable, *sys.argv, "--row", function.__name__]
            subprocess.run(command, check=True)
    if args.only in "memory":
        memory()
    return None


def run_row(args):
    """Run one row, and print it."""
    function, reach, _ = next(row for row in ROWS if row[0].__name__ == args.row)
    ours, other = function(args)
    (a, b), ratio = compare(ours, other, 1 if function is grid else args.repeat)
    name = function.__doc__
    print(f"{name:75} {a:9.4f} {b:9.4f} {ratio:7.4f}  {reach}", flush=True)


if __name__ == "__main__":
    main()
