"""The course chapter on autoencoders as a program, on MNIST.

    python examples/mnist_chapter.py --data mnist.npz --out pictures

It trains the dense network and the convolutional one, the latter with ReLU and with
ELU, prints the test error of each, clusters the latent vectors of the ELU network
and draws the chapter's figures. Without `--data` Keras downloads MNIST. `--epochs`
and `--limit` make it shorter.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from sklearn.metrics import (
    adjusted_rand_score,
    confusion_matrix,
    normalized_mutual_info_score,
)
from sklearn.pipeline import Pipeline

from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
from skae.plotting import (
    ClusterDisplay,
    EmbeddingDisplay,
    LossCurveDisplay,
    PerplexityDisplay,
    ReconstructionDisplay,
)

COMMON = {
    "latent_dim": 64,
    "output_activation": "sigmoid",
    "learning_rate": 0.001,
    "batch_size": 256,
    "verbose": 1,
    "random_state": 42,
}


def dense():
    """784-784-64-784, ReLU: 716,640 parameters."""
    return AutoencoderTransformer(
        network=DenseNetwork(hidden_layer_sizes=(784,), decoder_layer_sizes=()),
        activation="relu",
        latent_activation="relu",
        **COMMON,
    )


def conv(activation):
    """Two strided convolutions and a dense layer, mirrored: 421,377 parameters."""
    return AutoencoderTransformer(
        network=ConvNetwork(filters=(32, 64), kernel_size=2, strides=2),
        activation=activation,
        latent_activation=activation,
        **COMMON,
    )


def load(args):
    if args.data is None:
        import keras

        (X_train, y_train), (X_test, _) = keras.datasets.mnist.load_data()
    else:
        with np.load(args.data) as data:
            X_train, y_train = data["x_train"], data["y_train"]
            X_test = data["x_test"]
    rows = slice(None, args.limit)
    return (
        X_train[rows].astype(np.float32) / 255,
        y_train[rows],
        X_test[rows].astype(np.float32) / 255,
    )


def clustering_accuracy(y, clusters):
    """Give the share of samples in the right cluster under the best matching."""
    counts = confusion_matrix(y, clusters)
    rows, columns = linear_sum_assignment(-counts)
    return counts[rows, columns].sum() / len(y)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="mnist.npz, as Keras stores it")
    parser.add_argument("--out", type=Path, default=Path("pictures"), metavar="DIR")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--limit", type=int, help="use the first samples only")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    X_train, y_train, X_test = load(args)

    def save(name):
        plt.savefig(args.out / f"{name}.png", bbox_inches="tight", dpi=150)
        plt.close("all")

    # The networks, and how well they reconstruct.
    networks = {"dense": dense(), "conv-ReLU": conv("relu"), "conv-ELU": conv("elu")}
    for name, ae in networks.items():
        ae.set_params(epochs=args.epochs).fit(X_train)
        n_parameters = ae.encoder_.count_params() + ae.decoder_.count_params()
        error = -ae.score(X_test)
        print(f"{name:10} {n_parameters:9,} parameters, test MSE {error:.5f}")
        ReconstructionDisplay.from_estimator(
            ae, X_test, random_state=42, layout="columns"
        )
        save(f"reconstructions_{name}")
    LossCurveDisplay.from_estimator(networks)
    save("loss_curves")

    # Twice as many epochs for the latent vectors, as in the chapter.
    ae = networks["conv-ELU"].set_params(warm_start=True).fit(X_train)
    Z = ae.transform(X_train)
    print(f"latent vectors {Z.shape}")

    # K-means on them.
    km = KMeans(n_clusters=10, n_init=10, random_state=42).fit(Z)
    print(f"labels {km.labels_.shape}, centres {km.cluster_centers_.shape}")
    print(
        f"accuracy {clustering_accuracy(y_train, km.labels_):.3f}, "
        f"NMI {normalized_mutual_info_score(y_train, km.labels_):.3f}, "
        f"ARI {adjusted_rand_score(y_train, km.labels_):.3f}"
    )
    pipe = Pipeline([("ae", ae), ("km", km)])
    ClusterDisplay.from_estimator(pipe, X_train[:5000], y_train[:5000])
    save("clusters")

    # t-SNE of the first 5,000.
    Z, y, X = Z[:5000], y_train[:5000], X_train[:5000]
    tsne = TSNE(learning_rate=100, perplexity=min(15, len(Z) // 4), random_state=0)
    embedding = tsne.fit_transform(Z)
    EmbeddingDisplay.from_embedding(embedding, labels=y, name="t-SNE", key="colorbar")
    save("tsne")
    EmbeddingDisplay.from_embedding(
        embedding, labels=y, images=X, n_images=200, name="t-SNE"
    )
    save("tsne_with_digits")
    perplexities = [p for p in (5, 15, 30, 50) if p < len(Z) / 3]
    PerplexityDisplay.from_latents(Z, labels=y, perplexities=perplexities)
    save("perplexities")
    print(f"pictures in {args.out}")


if __name__ == "__main__":
    main()
