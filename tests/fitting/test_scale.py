"""Several devices, workers and grids: real processes, on loopback."""

import json
import os
import pickle
import socket
import subprocess
import sys
import textwrap
import time
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from worker import Worker

from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork

pytestmark = pytest.mark.scale

# What every process of the tests of `tf.distribute` begins with.
BEGIN = """
import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from skae import AutoencoderTransformer, ConvNetwork

X = (load_digits().data[:777] / 16).astype("float32")

class NormalizedNetwork:
    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        x = keras.layers.Dense(16, activation=activation)(inputs)
        x = keras.layers.BatchNormalization()(x)
        return keras.layers.Dense(latent_dim)(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        regularizer = keras.regularizers.L2(1e-3)
        x = keras.layers.Dense(output_shape[0], kernel_regularizer=regularizer)
        return x(latents)

def make(**parameters):
    # 777 rows leave 9 for the last batch of 64, and 9 rows do not divide by 2 or 4.
    parameters = {"batch_size": 64, "epochs": 3, "random_state": 0, **parameters}
    return AutoencoderTransformer(6, **parameters)
"""


def start_workers(n_workers, code):
    """Start the workers of a strategy, which find each other on loopback."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_workers)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return [
        Worker(
            f"{BEGIN}\nworker = {i}\n"
            "strategy = tf.distribute.MultiWorkerMirroredStrategy()\n"
            + textwrap.dedent(code),
            TF_CONFIG=json.dumps(
                {
                    "cluster": {"worker": addresses},
                    "task": {"type": "worker", "index": i},
                }
            ),
        )
        for i in range(n_workers)
    ]


FIT = """
with strategy.scope():
    ae = make().fit(X)
    latents = ae.transform(X)
    ae.partial_fit(X[:99])
weights = [float(np.float64(w).sum()) for w in ae.weights_]
tell(loss=ae.history_["loss"], weights=weights, latents=latents.shape)
"""
AGREE = """
with strategy.scope():
    for rows, batch_size in ((X[worker:], 32), (X, 32 + worker)):
        try:
            make(batch_size=batch_size).fit(rows)
        except ValueError as error:
            tell(error=str(error))
    try:
        make().fit(X, validation_data=X[worker : worker + 50])
    except ValueError as error:
        tell(error=str(error))
    # Each worker draws its own seed; they train by that of the first.
    ae = make(random_state=None, loss="mae", early_stopping=True).fit(X)
tell(history=ae.history_, weights=[float(w.sum()) for w in ae.weights_])
"""


def test_any_number_of_workers_trains_as_one():
    ((one,),) = map(Worker.finish, start_workers(1, FIT))
    two = list(map(Worker.finish, start_workers(2, FIT + AGREE)))
    four = list(map(Worker.finish, start_workers(4, FIT)))
    for told in (two, four):
        assert all(worker == told[0] for worker in told)
        result = told[0][0]
        assert result["latents"] == [777, 6]
        np.testing.assert_allclose(result["loss"], one["loss"], rtol=1e-4)

    _, shape, batch_size, validation, unseeded = two[0]
    assert "disagree on the shape of X" in shape["error"]
    assert "disagree on `batch_size`" in batch_size["error"]
    assert "disagree on `validation_data`" in validation["error"]
    assert len(unseeded["history"]["val_loss"]) == 3


STREAM = """
from skae._data import limits
limits.MAX_RESIDENT_BYTES, limits.SHUFFLE_BYTES = 60_000, 320_000

X = X[:776]

class Counting:  # an array on disk, of which it is counted what is read
    shape, dtype = X.shape, X.dtype

    def __init__(self):
        self.read = np.zeros(len(X), int)

    def __getitem__(self, rows):
        # Some single rows are read once more, to see what the network does with them.
        if rows.stop - rows.start > 1:
            self.read[rows] += 1
        return self.rows()[rows]

    def rows(self):
        return X

class Spoilt(Counting):  # the second time that a row is read
    def rows(self):
        return np.where(self.read[:, None] > 1, np.nan, X)

def fit(source, **parameters):
    source = source()
    ae = make(epochs=4, arrange=None, **parameters)
    try:
        with strategy.scope():
            ae.fit_dataset(source)
    except (RuntimeError, ValueError) as error:
        return tell(error=str(error), fitted=hasattr(ae, "weights_"))
    weights = [float(np.float64(w).sum()) for w in ae.weights_]
    tell(loss=ae.history_["loss"], weights=weights, read=source.read.tolist())

fit(Counting)
fit(Counting, network=NormalizedNetwork(), batch_size=500)
fit(Spoilt if worker == 0 else Counting)
"""


def test_each_worker_reads_its_own_rows_of_a_stream():
    ((plain, normalized, spoilt),) = map(Worker.finish, start_workers(1, STREAM))
    told = list(map(Worker.finish, start_workers(3, STREAM)))
    assert plain["read"] == [5] * 776  # to count them, and for each epoch
    assert "NaN" in spoilt["error"]
    for i, expected in enumerate((plain, normalized)):
        results = [worker[i] for worker in told]
        assert all(r["weights"] == results[0]["weights"] for r in results)
        # All but the rows that say what the others are held to.
        total = np.sum([r["read"] for r in results], axis=0)
        assert total[2:].tolist() == [5] * 774
        # Each has about as many.
        for r in results:
            assert np.sum(r["read"]) == pytest.approx(776 * 5 / 3, rel=0.02)
        if expected is plain:
            loss = results[0]["loss"]
            np.testing.assert_allclose(loss, expected["loss"], rtol=1e-4)
    first, *others = [worker[2] for worker in told]
    assert "NaN" in first["error"]
    for other in others:
        assert "Worker 0 of the strategy failed" in other["error"]
    assert not any(r["fitted"] for r in (first, *others))


def test_a_dead_worker_ends_the_run_on_the_others():
    code = """
    class Tell(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            tell(epoch=epoch)

    ae = make(epochs=100_000, callbacks=[Tell()])
    try:
        with strategy.scope():
            ae.fit(X)
    except RuntimeError as error:
        tell(error=str(error), fitted=hasattr(ae, "weights_"))
    """
    survivor, victim = start_workers(2, code)
    for _ in range(3):
        assert "epoch" in victim.hear()
    victim.kill()
    last = survivor.finish(seconds=60)[-1]
    assert "A worker of the strategy is gone" in last["error"]
    assert "Start all workers again" in last["error"]
    assert "Collective ops is aborted by" in last["error"]
    assert not last["fitted"]


RESUME = """
from skae._data import limits
limits.SECONDS_BETWEEN_CHECKPOINTS = 0
limits.MAX_RESIDENT_BYTES = limits.PART_BYTES = 60_000

class DrawingNetwork:
    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        return keras.layers.Dense(latent_dim)(keras.layers.Dropout(0.2)(inputs))

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        return keras.layers.Dense(output_shape[0])(latents)

def fit(checkpoint):
    ae = make(network=DrawingNetwork(), epochs=8, early_stopping=True)
    try:
        with strategy.scope():
            ae.fit_dataset(np.array_split(X, 8), checkpoint=checkpoint)
    except (RuntimeError, ValueError) as error:
        tell(error=str(error), fitted=hasattr(ae, "weights_"))
    else:
        weights = [float(np.float64(w).sum()) for w in ae.weights_]
        tell(weights=weights, history=ae.history_)

fit(path)
"""


def test_a_cluster_started_again_goes_on_from_its_checkpoint(tmp_path):
    (expected,), _ = map(Worker.finish, start_workers(2, "path = None\n" + RESUME))
    path = tmp_path / "run.skae"
    code = f"path = {str(path)!r}\n" + RESUME
    for victim in (0, 1):
        before = path.stat().st_mtime_ns if path.exists() else 0
        workers = start_workers(2, code)
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert workers[victim].works()
            time.sleep(0.01)
        workers[victim].kill()
        (told,) = workers[1 - victim].finish(seconds=60)
        assert "A worker of the strategy is gone" in told["error"]
        # The first worker wrote the checkpoint, and is now what stands in it.
        assert told["fitted"] == (victim == 1)
    # Where each worker has a disk of its own, the second finds no checkpoint.
    elsewhere = "fit(path if worker == 0 else 'nowhere')\n"
    for told in map(Worker.finish, start_workers(2, code + elsewhere)):
        assert told[0] == expected
        assert "disagree on what is in the file `checkpoint`" in told[1]["error"]
    assert [p.name for p in tmp_path.iterdir()] == ["run.skae"]


def test_two_devices_train_as_one_process_does():
    code = """
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, parts)
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    one = tf.distribute.MirroredStrategy(["CPU:0"])
    cases = {
        "early": dict(loss="mae", early_stopping=True),
        "conv": dict(network=ConvNetwork(filters=(4,)), optimizer="adagrad"),
        "clip": dict(optimizer=keras.optimizers.SGD(0.5, global_clipnorm=0.01)),
        "rows": dict(loss="mae", batch_size=1, epochs=1),
    }
    for name, case in cases.items():
        x = X[:50] if name == "rows" else X
        plain = make(**case).fit(x)
        found = {}
        for n, strategy in {1: one, 2: two}.items():
            with strategy.scope():
                ae = make(**case).fit(x)
                score = ae.score(x)
                assert not hasattr(ae.encoder_.weights[0].value, "values")
            found[n] = ae.history_, ae.score(x)
            assert score == found[n][1]
        tell(plain=(plain.history_, plain.score(x)), one=found[1], two=found[2])

    # There are strategies without steps that all take together.
    from skae._engines.tensorflow.distributed import distributed_program

    class Server(tf.distribute.ParameterServerStrategy):
        def __init__(self):
            pass

    try:
        distributed_program(None, Server())
    except ValueError as error:
        tell(error=str(error))

    # Statistics of layers are averaged; what regularizes counts once.
    with two.scope():
        ae = make(network=NormalizedNetwork()).fit(X)
    alone = make(network=NormalizedNetwork()).fit(X)
    tell(normalized=ae.history_["loss"], alone=alone.history_["loss"])

    # Fits one after the other use the same traces, which the strategy holds.
    programs = vars(two)["_skae_programs"]
    trainers = [t for p in programs.values() for t in p._idle]
    before = len(programs), len(trainers)
    with two.scope():
        make(loss="mae").fit(X).partial_fit(X)
    trainers = [t for p in programs.values() for t in p._idle]
    after = len(programs), len(trainers)
    tell(before=before, after=after)
    """
    *cases, refused, normalized, programs = Worker(
        BEGIN + textwrap.dedent(code)
    ).finish()
    for case in cases:
        for name, losses in case["plain"][0].items():
            for n in ("one", "two"):
                np.testing.assert_allclose(losses, case[n][0][name], rtol=1e-4)
                np.testing.assert_allclose(case["plain"][1], case[n][1], rtol=1e-3)
    assert "Expected a strategy of tf.distribute that trains synch" in refused["error"]
    np.testing.assert_allclose(normalized["normalized"], normalized["alone"], rtol=0.1)
    assert programs["before"] == programs["after"]


def traces_in_this_process():
    """Give the trainers of this process, and the functions that they traced."""
    from skae._engines.tensorflow.program import _programs

    trainers = [t for program in _programs.values() for t in program._idle]
    return len(trainers), sum(len(trainer._traced) for trainer in trainers)


def blas_threads():
    """Give the most threads that a BLAS of this process may take."""
    from threadpoolctl import threadpool_info

    import skae._engines.numpy.forward  # noqa: F401

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(pool["num_threads"] for pool in pools)


def tensorflow_threads():
    """Give the number of threads that compute for TensorFlow in this process."""
    names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    return sum(name.startswith("tf_Compute") for name in names)


@contextmanager
def two_workers(**environ):
    """Two worker processes of Dask, on loopback, with variables of their own."""
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    key = "distributed.nanny.pre-spawn-environ"
    with warnings.catch_warnings(action="ignore"), ExitStack() as stack:
        # A cluster sets the variables here, too, where the next would inherit them.
        with (
            patch.dict(os.environ),
            dask.config.set(
                {f"{key}.{name}": value for name, value in environ.items()}
            ),
        ):
            cluster = distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
            )
            client = stack.enter_context(cluster).get_client()
            stack.enter_context(client).wait_for_workers(2)
        yield client


@pytest.fixture(scope="module")
def client():
    """Workers whose TensorFlow computes in one thread each, as the guide advises."""
    with two_workers(TF_NUM_INTRAOP_THREADS=1, TF_NUM_INTEROP_THREADS=1) as client:
        yield client


@pytest.fixture(scope="module")
def client_with_all_threads():
    """Workers as they come: convolutions have the bits of the number of threads."""
    with two_workers() as client:
        yield client


@pytest.fixture
def X():
    return (load_digits().data[:300] / 16).astype("float32")


SEARCHES = {
    "grid": lambda ae, grid: GridSearchCV(ae, grid, cv=2),
    "random": lambda ae, grid: RandomizedSearchCV(
        ae, grid, n_iter=2, cv=2, random_state=0
    ),
    "halving": lambda ae, grid: HalvingGridSearchCV(ae, grid, cv=2, random_state=0),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("search", SEARCHES)
def test_every_backend_finds_the_same_scores(search, client, X):
    ae = AutoencoderTransformer(epochs=2, random_state=0)
    search = SEARCHES[search](ae, {"latent_dim": [2, 4], "activation": ["elu", "relu"]})
    expected = clone(search).fit(X).cv_results_["mean_test_score"]
    for backend in ("loky", "threading", "dask"):
        with parallel_config(backend, n_jobs=2):
            scores = clone(search).fit(X).cv_results_["mean_test_score"]
        np.testing.assert_array_equal(scores, expected, err_msg=backend)


def test_a_fit_makes_no_tasks_of_its_own(client, X):
    def transitions(dask_scheduler):
        return dask_scheduler.transition_counter

    before = client.run_on_scheduler(transitions)
    with parallel_config("dask"):
        # Enough rows for the latent space to be whitened, by nearest neighbours.
        AutoencoderTransformer(1, epochs=1, random_state=0).fit(X)
    assert client.run_on_scheduler(transitions) == before


def test_dask_names_a_transformer_without_tensorflow(X):
    code = """
    import sys
    from dask.base import tokenize
    from sklearn.datasets import load_digits
    from skae import AutoencoderTransformer
    ae = AutoencoderTransformer(4, epochs=1, random_state=0)
    names = [tokenize(ae), tokenize(ae.fit(load_digits().data)), tokenize(ae.transform)]
    print(*names, "tensorflow" in sys.modules)
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    first, second = (subprocess.check_output(command, text=True) for _ in range(2))
    assert first == second
    *names, imported = first.split()
    assert len({*names}) == 3
    assert imported == "False"


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_workers_trace_once_and_keep_to_their_threads(client, X):
    # The loss takes it to TensorFlow.
    ae = AutoencoderTransformer(4, loss="mae", epochs=2, random_state=0)
    grid = {"learning_rate_init": [0.001, 0.003, 0.01]}
    for _ in range(2):
        with parallel_config("dask"):
            GridSearchCV(ae, grid, cv=4).fit(X)
    # One trainer, whose one function is that of a step.
    counts = set(client.run(traces_in_this_process).values())
    assert counts <= {(1, 1), (0, 0)}
    assert (1, 1) in counts
    assert set(client.run(blas_threads).values()) == {1}
    if sys.platform == "linux":
        threads = client.run(tensorflow_threads).values()
        assert max(threads) == 1


def fit(ae, X):
    return ae.fit(X)


FITS = {
    "NumPy": {"network": DenseNetwork((16,))},
    "TensorFlow": {"network": DenseNetwork((16,)), "loss": "mae"},
    "images": {"network": ConvNetwork((4,))},
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("case", FITS)
def test_fits_on_workers_are_those_at_home_to_the_last_bit(
    case, client_with_all_threads, X
):
    client = client_with_all_threads
    ae = AutoencoderTransformer(3, epochs=2, **FITS[case])
    seeds = range(4)
    sent = [client.submit(fit, clone(ae).set_params(random_state=i), X) for i in seeds]
    for i, fitted in enumerate(client.gather(sent)):
        here = clone(ae).set_params(random_state=i).fit(X)
        np.testing.assert_equal(fitted.weights_, here.weights_)
        assert fitted.history_ == here.history_
        latents = client.submit(fitted.transform, X).result()
        np.testing.assert_array_equal(latents, here.transform(X))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_dask_arrays_and_frames(client, X):
    da = pytest.importorskip("dask.array")
    dd = pytest.importorskip("dask.dataframe")
    wrappers = pytest.importorskip("dask_ml.wrappers")
    blocks = da.from_array(X, chunks=(96, 64))  # whole tiles of rows
    ae = AutoencoderTransformer(4, epochs=2, random_state=0)
    chunked = clone(ae)
    for start in (0, 96, 192, 288):
        chunked.partial_fit(X[start : start + 96])
    incremental = wrappers.Incremental(clone(ae), shuffle_blocks=False).fit(blocks)
    losses = incremental.estimator_.history_["loss"]
    np.testing.assert_array_equal(losses, chunked.history_["loss"])
    latents = incremental.transform(blocks).compute()
    np.testing.assert_array_equal(latents, chunked.transform(X))

    expected = ae.fit(X).transform(X)
    fitted = wrappers.ParallelPostFit(ae)
    np.testing.assert_array_equal(fitted.transform(blocks).compute(), expected)

    assert len(pickle.dumps(ae)) < 1_000_000
    mapped = blocks.map_blocks(ae.transform, chunks=(96, 4), dtype=X.dtype)
    np.testing.assert_array_equal(mapped.compute(), expected)

    frame = pd.DataFrame(X).add_prefix("pixel")
    ae.set_output(transform="pandas").fit(frame)
    mapped = dd.from_pandas(frame, npartitions=3).map_partitions(
        ae.transform, meta=ae.transform(frame[:1])
    )
    pd.testing.assert_frame_equal(mapped.compute(), ae.transform(frame))
