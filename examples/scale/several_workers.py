"""Train with several processes, which stand for several machines.

The script starts the workers itself; they meet on loopback. On machines of your own,
start the same program on each, with the addresses of all in TF_CONFIG.
"""

import json
import os
import socket
import subprocess
import sys

N_WORKERS = 2


def work():
    """Train as one of the workers that TF_CONFIG names."""
    import tensorflow as tf
    from sklearn.datasets import load_digits

    from skae import AutoencoderTransformer

    # Made before anything else runs in TensorFlow; it waits for the other workers.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    worker = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    X = (load_digits().data / 16).astype("float32")
    with strategy.scope():
        ae = AutoencoderTransformer(8, epochs=10, random_state=0).fit(X)
    print(
        f"worker {worker} of {strategy.num_replicas_in_sync}: the loss fell from "
        f"{ae.history_['loss'][0]:.4f} to {ae.history_['loss'][-1]:.4f}; "
        f"score {ae.score(X):.6f}",
        flush=True,
    )
    # Only one of them writes: `if worker == 0: ae.save(path)`.


def main():
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(N_WORKERS)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    workers = []
    for index in range(N_WORKERS):
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": addresses}, "task": task}
        environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
        workers.append(subprocess.Popen([sys.executable, __file__], env=environment))
    try:
        codes = [worker.wait() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    sys.exit(max(map(abs, codes)))


if __name__ == "__main__":
    if "TF_CONFIG" in os.environ:
        work()
    else:
        main()
