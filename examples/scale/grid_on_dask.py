"""Search a grid with the processes of a Dask cluster.

The script starts a cluster of two workers on loopback. For one of your own, give its
address to `Client`.
"""

import os
import time

import dask
from dask.distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skae import AutoencoderTransformer

GRID = {"latent_dim": [4, 8, 16], "activation": ["elu", "relu", "tanh"]}


def megabytes():
    """Give the memory of the process that runs this."""
    import psutil

    return round(psutil.Process().memory_info().rss / 2**20)


def main():
    X = load_digits().data / 16
    ae = AutoencoderTransformer(epochs=20, batch_size=32, random_state=0)
    scores = {}
    for n_workers in (1, 2):
        # Dask limits BLAS. Networks that train in TensorFlow need this limit, too.
        n_threads = max(1, os.cpu_count() // n_workers)
        environ = "distributed.nanny.pre-spawn-environ"
        with (
            dask.config.set(
                {
                    f"{environ}.TF_NUM_INTRAOP_THREADS": n_threads,
                    f"{environ}.TF_NUM_INTEROP_THREADS": n_threads,
                }
            ),
            LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
            ) as cluster,
            Client(cluster) as client,
            parallel_config("dask"),
        ):
            for repeat in range(3):
                start = time.perf_counter()
                search = GridSearchCV(ae, GRID, cv=5).fit(X)
                seconds = time.perf_counter() - start
                memory = sorted(client.run(megabytes).values())
                print(
                    f"{n_workers} workers, search {repeat + 1}: {seconds:.1f} s, "
                    f"memory of each {memory} MB",
                    flush=True,
                )
            scores[n_workers] = search.cv_results_["mean_test_score"]
    print("the same scores:", bool((scores[1] == scores[2]).all()))
    print("best:", search.best_params_)


if __name__ == "__main__":
    main()
