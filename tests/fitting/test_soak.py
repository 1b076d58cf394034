"""Many fits, many threads, large files: no memory grows, no bit moves."""

import subprocess
import sys

import pytest
from small import python

pytestmark = pytest.mark.long

COMMON = """
import json, os, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork

network = {"dense": DenseNetwork((16,)), "conv": ConvNetwork((4,))}[sys.argv[1]]
X = np.random.default_rng(0).random((100, 8, 8), np.float32)

def make(**params):
    return AutoencoderTransformer(3, network=network, epochs=1, **params)
"""

GROWTH = (
    COMMON
    + """
def mebibytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

for i in range(int(sys.argv[2])):
    make(random_state=i).fit(X).transform(X)
    if i == 50:
        start = mebibytes()
print(mebibytes() - start)
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("network", "n_fits"), [("dense", 800), ("conv", 150)])
def test_many_fits_grow_by_less_than_two_mebibytes(network, n_fits):
    assert python(GROWTH, network, str(n_fits)) < 2


THREADS = (
    COMMON
    + """
def fits(seed):
    return [make(random_state=seed * 5 + i).fit(X).transform(X) for i in range(5)]

def equal(a, b):
    return all(map(np.array_equal, a, b))

with ThreadPoolExecutor(4) as pool:  # the first fits of the process
    together = list(pool.map(fits, range(4)))
assert all(map(equal, together, map(fits, range(4))))

import pickle
data = pickle.dumps(make(random_state=0).fit(X))
print(json.dumps(data.hex()))
"""
)
TRANSFORMS = (
    COMMON
    + """
import pickle
ae = pickle.loads(bytes.fromhex(sys.stdin.read()))

def transforms(i):
    return [ae.transform(X[i : i + 1 + j % 50]) for j in range(200)]

with ThreadPoolExecutor(8) as pool:  # the first transforms of the process
    together = list(pool.map(transforms, range(8)))
for i, parts in enumerate(together):
    assert all(map(np.array_equal, parts, transforms(i)))
"""
)


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_threads_give_the_bits_of_one_after_another(network):
    pickled = python(THREADS, network)
    result = subprocess.run(
        [sys.executable, "-c", TRANSFORMS, network],
        input=pickled,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]


LARGE_FILE = (
    COMMON
    + """
import threading, time

def mebibytes():
    "Memory of the process's own: pages of the file are the system's cache."
    with open("/proc/self/status") as status:
        own = next(line for line in status if line.startswith("RssAnon:"))
    return int(own.split()[1]) / 2**10

def growth(function, X):
    peak, ended = start, threading.Event()
    def watch():
        nonlocal peak
        while not ended.wait(0.005):
            peak = max(peak, mebibytes())
    watcher = threading.Thread(target=watch)
    watcher.start()
    function(X)
    ended.set()
    watcher.join()
    return peak - start

if sys.argv[1] == "conv":
    network = ConvNetwork((2,), strides=4, image_shape=(64, 64))
path, size = sys.argv[2], int(sys.argv[3]) * 2**20
with open(path, "wb") as file:
    file.truncate(size)  # takes no room on the disk
X = np.memmap(path, np.uint8, "r", shape=(size // 4096, 4096))
ae = make(batch_size=1000, loss=sys.argv[4])
ae.fit(X[:4000]).transform(X[:4000])  # what is imported and traced once
start = mebibytes()
print(json.dumps([growth(ae.fit, X), growth(ae.transform, X)]))
"""
)


ARRAY = (
    LARGE_FILE.partition("path, size")[0]
    + """
X = np.random.default_rng(0).random((8000, 64, 64), np.float32)
ae = make(batch_size=100)
ae.fit(X[:1000])
start = mebibytes()
print(json.dumps(growth(ae.fit, X) * 2**20 / X.nbytes))
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("network", "n_copies"), [("dense", 0), ("conv", 1)])
def test_a_fit_holds_at_most_one_copy_of_an_array(network, n_copies):
    # And what the batches take.
    assert python(ARRAY, network) < n_copies + 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("network", "loss", "size"),
    [("dense", "mse", 512), ("dense", "mae", 384), ("conv", "mse", 384)],
    ids=["512 MiB in NumPy", "384 MiB in TensorFlow", "384 MiB of images"],
)
def test_a_large_file_takes_less_than_300_mebibytes(network, loss, size, tmp_path):
    fit, transform = python(LARGE_FILE, network, str(tmp_path / "x"), str(size), loss)
    assert fit < 300
    assert transform < 300
