"""How long a request waits for its latent vector, with one thread and with eight.

Run it on the machine that will serve, with nothing else at work there::

    python examples/serving/latency.py

For a dense and a convolutional transformer it prints the seconds of the first
`transform` in a fresh process, then the milliseconds of the later ones: the median, and
what 99 of 100 take at most, of a single caller and of eight callers at once, who ask
for a row each, as fast as they can.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import pickle
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter

import numpy as np

N_ROWS = 2000
N_CALLS = 300
WHICH = ("dense", "conv")


def fit(which):
    """Train briefly: what is measured does not depend on how well."""
    from skae import AutoencoderTransformer, ConvNetwork

    X = np.random.default_rng(0).random((N_ROWS, 28, 28), "float32")
    network = ConvNetwork((32, 64)) if which == "conv" else "dense"
    return AutoencoderTransformer(
        64, network=network, epochs=1, arrange=None, random_state=0
    ).fit(X)


def milliseconds(call, n_threads):
    """Give the times of all calls of several threads that begin together."""
    times = np.empty((n_threads, N_CALLS))
    begin = threading.Barrier(n_threads)

    def work(thread):
        begin.wait()
        for i in range(N_CALLS):
            start = perf_counter()
            call()
            times[thread, i] = perf_counter() - start

    threads = [threading.Thread(target=work, args=[i]) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times.ravel() * 1000


def serve(path):
    """Measure in a process that has done nothing before."""
    start = perf_counter()
    ae = pickle.loads(Path(path).read_bytes())
    image = np.random.default_rng(1).random((1, 28, 28), "float32")
    read = perf_counter()
    ae.transform(image)
    print(f"  read {read - start:.2f} s, first call {perf_counter() - read:.2f} s")
    for n_threads in (1, 8):
        times = milliseconds(lambda: ae.transform(image), n_threads)
        print(
            f"  {n_threads} threads: median {np.median(times):.2f} ms, "
            f"99 of 100 within {np.percentile(times, 99):.2f} ms, "
            f"{1000 * n_threads / times.mean():.0f} calls a second"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            for which in WHICH:
                path = Path(folder) / which
                path.write_bytes(pickle.dumps(fit(which)))
                print(which, flush=True)
                subprocess.run([sys.executable, __file__, str(path)], check=True)
