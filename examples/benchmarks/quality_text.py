"""Texts: sparse tables of word weights, in topics and in memory.

    python examples/benchmarks/quality_text.py [--seeds 5] [--epochs N] [JOB ...]

The jobs are "topics" (the adjusted Rand index of K-means on latent vectors, beside
TruncatedSVD of as many components) and "memory" (what the fit of a table of 20,000
texts and 5,000 words takes above what the process holds before, in NumPy and in
TensorFlow, each in a process of its own; Linux). `--epochs` shortens the fits of the
second. The texts are drawn: words at random, by the frequencies of a topic and of all
texts.
"""

import argparse
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import adjusted_rand_score

from skae import AutoencoderTransformer

# The number of topics, the words of a text, and the share of them that are of its
# topic.
KINDS = [(5, 30, 0.4), (10, 60, 0.4), (10, 25, 0.6), (20, 80, 0.5), (10, 150, 0.2)]
MEMORY = {"NumPy": {}, "TensorFlow": {"loss": "mae"}}


def texts(n_texts, n_words, n_topics, length, share, seed):
    """Give TF-IDF weights as a CSR matrix, and the topic of each text."""
    random = np.random.RandomState(seed)
    # Zipf's law: the second word is half as frequent as the first.
    common = random.permutation(1 / np.arange(1, n_words + 1))
    common /= common.sum()
    topics = random.dirichlet(0.02 * n_words * common, n_topics)
    edges = np.cumsum(np.vstack([topics, common]), axis=1)
    y = random.randint(n_topics, size=n_texts)
    lengths = np.maximum(3, random.negative_binomial(3, 3 / (3 + length), n_texts))
    text = np.repeat(np.arange(n_texts), lengths)
    kind = np.where(random.random_sample(len(text)) < share, y[text], n_topics)
    word = np.empty(len(text), int)
    for one in range(n_topics + 1):
        drawn = random.random_sample(np.count_nonzero(kind == one))
        word[kind == one] = np.searchsorted(edges[one] / edges[one, -1], drawn)
    shape = n_texts, n_words
    counts = sparse.coo_matrix((np.ones(len(text)), (text, word)), shape).tocsr()
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts), y


def topics(n_seeds):
    """Print the agreement of clusters with topics."""
    print("\nadjusted Rand index, mean (worst), beside TruncatedSVD")
    gains = []
    for n_topics, length, share in KINDS:
        pairs = []
        for seed in range(n_seeds):
            X, y = texts(1200, 2000, n_topics, length, share, seed)
            means = KMeans(n_topics, n_init=10, random_state=seed)
            pairs.append(
                [
                    adjusted_rand_score(y, means.fit_predict(one.fit_transform(X)))
                    for one in (
                        AutoencoderTransformer(random_state=seed),
                        TruncatedSVD(10, random_state=seed),
                    )
                ]
            )
        ours, theirs = np.transpose(pairs)
        gains += [*(ours - theirs)]
        name = f"{n_topics} topics, {length} words, {share:.0%}"
        print(
            f"{name:34} {ours.mean():.3f} ({ours.min():.3f})   {theirs.mean():.3f} "
            f"({theirs.min():.3f})",
            flush=True,
        )
    print(f"{'gain, mean and least':34} {np.mean(gains):+.3f} {min(gains):+.3f}")


def memory(epochs):
    """Print the memory of fits, each in a process of its own."""
    print("\nMiB above the start, 20,000 texts of 5,000 words; as a dense array")
    for engine in MEMORY:
        for dtype in ("float32", "float64"):
            command = [sys.executable, __file__, "--engine", engine, "--dtype", dtype]
            command += ["--epochs", epochs]
            subprocess.run([*map(str, command)], check=True)


def fit_once(engine, dtype, epochs):
    """Fit in this process, and print the memory that it takes."""
    X, _ = texts(20_000, 5000, 10, 75, 0.4, seed=0)
    X = X.astype(dtype)
    ae = AutoencoderTransformer(epochs=epochs, random_state=0, **MEMORY[engine])
    # What is imported when it is first used is not of the table.
    AutoencoderTransformer(epochs=1, **MEMORY[engine]).fit(X[:100, :50]).transform(
        X[:100, :50]
    )
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    ae.fit(X)
    ae.score(X)
    used, dense = _status("VmHWM") - before, np.prod(X.shape) * X.dtype.itemsize
    print(f"{f'{engine}, {dtype}':34} {used:5.0f}   {dense / 2**20:5.0f}", flush=True)


def _status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="topics, memory")
    parser.add_argument("--data", help="not used: the texts are drawn")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", default="auto", help="of the fits in memory")
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    parser.add_argument("--dtype", help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    epochs = args.epochs if args.epochs == "auto" else int(args.epochs)
    if args.engine is not None:
        fit_once(args.engine, args.dtype, epochs)
        return
    for job in args.jobs or ("topics", "memory"):
        if job == "topics":
            topics(args.seeds)
        else:
            memory(args.epochs)


if __name__ == "__main__":
    main()
