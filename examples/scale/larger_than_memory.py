"""Train on, transform and score files larger than memory; print what it takes.

Run it with sizes in GB: ``python larger_than_memory.py 1 5 20``. Each size runs in a
process of its own, which may take 3 GB of memory, on a sparse file that takes up little
of the disk: most rows are zeros.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from skae import AutoencoderTransformer, DenseNetwork

N_FEATURES = 784
MAX_BYTES = 3 * 10**9


def measure(gigabytes, path):
    # What a process allocates; the pages of a file come and go beside it.
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_BYTES, MAX_BYTES))
    n_rows = int(gigabytes * 1e9) // (4 * N_FEATURES)
    X = np.memmap(path, np.float32, "w+", shape=(n_rows, N_FEATURES))
    generator = np.random.default_rng(0)
    for start in range(0, n_rows, n_rows // 50):
        part = X[start : start + 100]
        part[...] = generator.random(part.shape)
    del X
    X = np.memmap(path, np.float32, "r", shape=(n_rows, N_FEATURES))
    ae = AutoencoderTransformer(4, network=DenseNetwork((8,)), epochs=1, random_state=0)
    seconds = []
    for work in (ae.fit, ae.transform, ae.score):
        start = time.perf_counter()
        work(X)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rates = " ".join(f"{n_rows / s:12,.0f}" for s in seconds)
    print(f"{gigabytes:6g} {n_rows:12,} {rates} {peak:10,.0f}")


if sys.argv[1:2] == ["--measure"]:
    measure(float(sys.argv[2]), sys.argv[3])
else:
    print("    GB         rows  fit, rows/s    transform        score   peak MiB")
    for size in sys.argv[1:] or ["1", "5"]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.dat"
            subprocess.run(
                [sys.executable, __file__, "--measure", size, str(path)], check=True
            )
