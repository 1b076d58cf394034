"""Train on a Dask array, block by block, and transform it where the blocks are.

The script starts a cluster of two workers on loopback.
"""

import pickle

import dask.array as da
from dask.distributed import Client, LocalCluster
from dask_ml.wrappers import Incremental, ParallelPostFit
from sklearn.datasets import load_digits

from skae import AutoencoderTransformer


def main():
    images = (load_digits().data / 16).astype("float32")
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster),
    ):
        X = da.from_array(images, chunks=(300, 64))

        # One pass over the blocks, each a call of partial_fit on a worker.
        incremental = Incremental(AutoencoderTransformer(8, random_state=0))
        for _ in range(5):
            incremental.partial_fit(X)
        ae = incremental.estimator_
        losses = ae.history_["loss"]
        print(f"{len(losses)} blocks, last loss {losses[-1]:.4f}")

        # Fitted on a sample that fits, applied to all.
        fitted = ParallelPostFit(AutoencoderTransformer(8, random_state=0))
        fitted.fit(images[:1000])
        print("latents by ParallelPostFit:", fitted.transform(X).compute().shape)

        # Without dask-ml: a transformer is its weights, and goes to the blocks.
        size = len(pickle.dumps(ae)) / 1000
        latents = X.map_blocks(ae.transform, chunks=(X.chunks[0], (8,)), dtype=X.dtype)
        print(
            f"latents by map_blocks: {latents.compute().shape}, {size:.0f} kB shipped"
        )


if __name__ == "__main__":
    main()
