"""Measure what objectives and arrangements reach, beside plain Keras.

    python examples/benchmarks/quality_objectives.py [--data FOLDER] [--seeds N]
        [--only WORD] [--rows N] [--latent-dim N] [--spoilt 0.3]

`FOLDER` holds `mnist.npz`, as Keras stores it; without it the rows run on the digits of
scikit-learn, which are too few to tell much. Each row prints its figures for each seed,
then their mean and the worst.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import TSNE
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer, Denoising, DenseNetwork, Sparse, Variational

warnings.simplefilter("ignore", ConvergenceWarning)

ROWS = []
HIDDEN, BATCH = (256,), 100


def row(function):
    ROWS.append(function)
    return function


def read(args, seed):
    """Give samples to train on and others, with their labels."""
    if args.data is None:
        digits = load_digits()
        X, y = (digits.data / 16).astype(np.float32), digits.target
        order = np.random.RandomState(seed).permutation(len(X))
        train, test = order[:1300], order[1300:]
        return X[train], y[train], X[test], y[test]
    with np.load(Path(args.data) / "mnist.npz") as data:
        X, X_test = (
            data[name].reshape(-1, 784).astype(np.float32) / 255
            for name in ("x_train", "x_test")
        )
        some = np.random.RandomState(seed).permutation(len(X))[: args.rows]
        return X[some], data["y_train"][some], X_test, data["y_test"]


def transformer(args, seed, **parameters):
    """The network that `keras_parts` builds, at the same rate and for as long."""
    return AutoencoderTransformer(
        args.latent_dim,
        network=DenseNetwork(HIDDEN),
        activation="relu",
        epochs=args.epochs,
        batch_size=BATCH,
        learning_rate=1e-3,
        arrange=None,
        random_state=seed,
        **parameters,
    )


def keras_parts(n_features, latent_dim, code_size):
    import keras

    layers = keras.layers
    encoder = keras.Sequential([keras.Input((n_features,))])
    decoder = keras.Sequential([keras.Input((latent_dim,))])
    for units in HIDDEN:
        encoder.add(layers.Dense(units, activation="relu"))
    encoder.add(layers.Dense(code_size))
    for units in HIDDEN[::-1]:
        decoder.add(layers.Dense(units, activation="relu"))
    decoder.add(layers.Dense(n_features, activation="sigmoid"))
    return encoder, decoder


def bound(mean, log_variance, decode, X, seed):
    """Give the evidence lower bound of samples, in nats, by one draw for each."""
    rng = np.random.default_rng(seed)
    Z = mean + np.exp(log_variance / 2) * rng.normal(size=mean.shape)
    P = np.clip(decode(Z.astype(np.float32)), 1e-7, 1 - 1e-7).astype(float)
    fit = (X * np.log(P) + (1 - X) * np.log(1 - P)).sum(axis=1)
    divergence = (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1) / 2
    return float((fit - divergence).mean())


def keras_vae(X, args, seed):
    """A variational autoencoder as the Keras documentation writes it."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    encoder, decoder = keras_parts(X.shape[1], args.latent_dim, 2 * args.latent_dim)

    class VAE(keras.Model):
        def train_step(self, x):
            with tf.GradientTape() as tape:
                mean, log_variance = tf.split(encoder(x), 2, axis=1)
                noise = tf.random.normal(tf.shape(mean))
                outputs = decoder(mean + tf.exp(log_variance / 2) * noise)
                losses = keras.losses.binary_crossentropy(x, outputs) * X.shape[1]
                terms = mean**2 + tf.exp(log_variance) - 1 - log_variance
                loss = tf.reduce_mean(losses + tf.reduce_sum(terms, axis=1) / 2)
            weights = encoder.trainable_weights + decoder.trainable_weights
            gradients = tape.gradient(loss, weights)
            self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
            return {"loss": loss}

    model = VAE()
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(X, batch_size=BATCH, epochs=args.epochs, verbose=0)
    return encoder, decoder


@row
def variational(args, seed):
    """variational: test bound in nats and seconds; the same in plain Keras; ratios"""
    import keras

    X, _, X_test, _ = read(args, seed)
    start = time.perf_counter()
    ae = transformer(
        args, seed, objective=Variational(), loss="binary_crossentropy"
    ).fit(X)
    ours = time.perf_counter() - start
    code = keras.Model(ae.encoder_.inputs, ae.encoder_.layers[-1].output)
    start = time.perf_counter()
    encoder, decoder = keras_vae(X, args, seed)
    theirs = time.perf_counter() - start
    mine, other = (
        bound(
            *np.split(model.predict(X_test, verbose=0), 2, axis=1), decode, X_test, seed
        )
        for model, decode in (
            (code, ae.inverse_transform),
            (encoder, lambda Z: decoder.predict(Z, verbose=0)),
        )
    )
    return mine, ours, other, theirs, mine / other, ours / theirs


@row
def denoising(args, seed):
    """denoising: error; of Keras; shares of: the plain's, Keras's; Keras's of plain"""
    import keras
    import tensorflow as tf

    X, _, X_test, _ = read(args, seed)
    noise = np.random.default_rng(seed).normal(scale=args.spoilt, size=X_test.shape)
    spoilt = (X_test + noise).astype(np.float32)

    def error(outputs):
        return float(((outputs - X_test) ** 2).mean())

    plain, robust = (
        error(ae.inverse_transform(ae.fit(X).transform(spoilt)))
        for ae in (
            transformer(args, seed, objective=one)
            for one in (None, Denoising(args.spoilt))
        )
    )
    theirs = []
    for scale in (args.spoilt, 0):
        keras.utils.set_random_seed(seed)
        parts = keras_parts(X.shape[1], args.latent_dim, args.latent_dim)
        noisy = keras.layers.GaussianNoise(scale, seed=seed)
        model = keras.Sequential([keras.Input((X.shape[1],)), noisy, *parts])
        model.compile(keras.optimizers.Adam(1e-3), "mse")
        model.fit(X, X, batch_size=BATCH, epochs=args.epochs, verbose=0)
        theirs.append(error(model(tf.constant(spoilt)).numpy()))
    return robust, theirs[0], robust / plain, robust / theirs[0], theirs[0] / theirs[1]


@row
def sparse(args, seed):
    """sparse (0.01, 0.1, plain): large values of 32, error, of the 8 largest alone"""
    X, _, X_test, _ = read(args, seed)
    found = []
    for objective in (Sparse(), Sparse(0.1), None):
        ae = transformer(args, seed, objective=objective)
        Z = ae.set_params(latent_dim=32).fit(X).transform(X_test)
        # A latent value is large where it is beyond its root mean square.
        units = abs(Z) / np.sqrt((Z**2).mean(axis=0))
        eighth = np.sort(units, axis=1)[:, -8:-7]
        few = ae.inverse_transform(np.where(units < eighth, 0, Z))
        error = ((few - X_test) ** 2).mean()
        found += [(units > 1).sum(axis=1).mean(), -ae.score(X_test), error]
    return found


@row
def maps(args, seed):
    """t-SNE: 5-NN accuracy of placed rows, of the map; error by PCA's; seconds"""
    X, y, X_test, y_test = read(args, seed)
    start = time.perf_counter()
    own = TSNE(random_state=seed).fit_transform(X[:10_000])
    alone = time.perf_counter() - start
    start = time.perf_counter()
    ae = AutoencoderTransformer(
        2,
        arrange=TSNE(),
        objective=Denoising(args.noise, "swap"),
        activation=args.activation,
        random_state=seed,
    ).fit(X)
    whole = time.perf_counter() - start
    knn = KNeighborsClassifier(5)
    of_map = cross_val_score(knn, own, y[:10_000], cv=5).mean()
    placed = knn.fit(ae.transform(X), y).score(ae.transform(X_test), y_test)
    pca = PCA(2, random_state=seed).fit(X)
    linear = ((pca.inverse_transform(pca.transform(X_test)) - X_test) ** 2).mean()
    return placed, float(of_map), -ae.score(X_test) / linear, whole, alone


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="a folder that holds mnist.npz")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    parser.add_argument("--rows", type=int, default=60_000, help="rows of MNIST")
    parser.add_argument("--epochs", type=int, default=10, help="beside plain Keras")
    parser.add_argument("--latent-dim", type=int, default=10, help="beside plain Keras")
    parser.add_argument("--spoilt", type=float, default=0.3, help="noise of denoising")
    parser.add_argument("--activation", default="relu", help="of the maps' network")
    parser.add_argument("--noise", type=float, default=0.1, help="of the maps")
    args = parser.parse_args()
    for function in ROWS:
        if args.only not in function.__name__:
            continue
        print(f"\n{function.__doc__}")
        found = []
        for seed in range(args.seeds):
            found.append(function(args, seed))
            print(f"  seed {seed}: ", *(f"{value:10.4g}" for value in found[-1]))
        print("  mean:   ", *(f"{value:10.4g}" for value in np.mean(found, axis=0)))
        print("  least:  ", *(f"{value:10.4g}" for value in np.min(found, axis=0)))
        print("  most:   ", *(f"{value:10.4g}" for value in np.max(found, axis=0)))


if __name__ == "__main__":
    main()
