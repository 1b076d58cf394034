"""Data larger than memory: streamed as if they were in memory, and gone on with."""

import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from small import small as any_small

from skae import (
    ConvNetwork,
    DenseNetwork,
    FileFormatError,
    load,
)

X = (load_digits().data / 16).astype(np.float32)


small = partial(any_small, latent_dim=4)


class Batches:
    """Batches of a hundred rows; one of a later pass may be spoilt."""

    def __init__(self, spoil=None, in_pass=1):
        self.spoil, self.left = spoil, in_pass

    def __iter__(self):
        self.left -= 1
        for start in range(0, len(X), 100):
            batch = X[start : start + 100]
            spoilt = self.spoil and not self.left and start == 500
            yield self.spoil(batch) if spoilt else batch


@pytest.fixture
def little_memory(small_limits):
    small_limits(
        resident=100_000,
        part=60_000,
        block=2**16,
        shuffle=120_000,
        long_shuffle=200_000,
        seconds_between_checkpoints=0,
    )


def test_what_fits_in_memory_is_fitted_as_by_fit():
    expected = small().fit(X).transform(X)
    assert_array_equal(small().fit_dataset(Batches()).transform(X), expected)


@pytest.mark.usefixtures("little_memory")
def test_a_memmap_gives_the_bits_of_the_array(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    ours, theirs = small().fit(X), small().fit(mapped)
    assert_array_equal(ours.transform(X), theirs.transform(mapped))
    assert ours.score(X) == theirs.score(mapped)


@pytest.mark.parametrize("network", [DenseNetwork((16,)), ConvNetwork(filters=(2,))])
def test_latents_are_mapped_back_block_by_block(tmp_path, small_limits, network):
    ae = small(network=network, epochs=1).fit(X)
    latents = np.tile(ae.transform(X), (20, 1))
    expected = ae.inverse_transform(latents)
    # The latents are few; it is the reconstructions that are large.
    small_limits(resident=2 * latents.nbytes, block=2**19)
    np.save(tmp_path / "z.npy", latents)
    mapped = np.load(tmp_path / "z.npy", mmap_mode="r")
    tracemalloc.start()
    images = ae.inverse_transform(mapped)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * images.nbytes
    assert_array_equal(images, expected)
    latents[7000] = np.nan
    with pytest.raises(ValueError, match=r"(?s)rows 6120 to 8159.*NaN"):
        ae.inverse_transform(latents)
    with pytest.raises(ValueError, match="3 columns"):
        ae.inverse_transform(latents[:, :3])


@pytest.mark.usefixtures("little_memory")
def test_rows_sorted_by_class_train_as_well():
    order = np.argsort(load_digits().target, kind="stable")
    shuffled = -small(epochs=10).fit(X).score(X)
    assert -small(epochs=10).fit(X[order]).score(X) < 1.05 * shuffled


def test_chunks_with_a_falling_learning_rate_reach_what_fit_reaches():
    mixed = np.random.default_rng(0).permutation(X)
    train, test = mixed[:1500], mixed[1500:]
    chunks = np.array_split(train, 6)
    whole = small(epochs=20, batch_size=50).fit(train)
    ae, n_calls = small(batch_size=50), 20 * len(chunks)
    for call in range(n_calls):
        done = (call + 1) / (n_calls + 1)
        rate = 0.003 * min(1, done / 0.1) * (1 + np.cos(np.pi * done)) / 2
        ae.set_params(learning_rate_init=rate).partial_fit(chunks[call % len(chunks)])
    assert -ae.score(test) < -1.03 * whole.score(test)


def test_a_generator_is_refused():
    with pytest.raises(TypeError, match="read only once"):
        small().fit_dataset(iter([X]))


def broken(batch):
    raise OSError("the disk is gone")


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("loss", ["mse", "mae"])  # in NumPy, in TensorFlow
@pytest.mark.parametrize("in_pass", [1, 3])
@pytest.mark.parametrize(
    ("spoil", "error", "cause"),
    [
        (lambda x: x * np.nan, ValueError, "NaN"),
        (lambda x: x[:, :3], ValueError, "3 features"),
        (lambda x: x.astype(np.float64), ValueError, "dtype float64"),
        (broken, RuntimeError, "the disk is gone"),
    ],
)
def test_a_malformed_batch_is_named(tmp_path, spoil, error, cause, in_pass, loss):
    path = tmp_path / "run.skae"
    ae = small(loss=loss)
    with pytest.raises(error, match=f"(?s)batch 5.*{cause}"):
        ae.fit_dataset(Batches(spoil, in_pass), checkpoint=path)
    assert path.exists() == hasattr(ae, "weights_") == (in_pass > 1)
    if in_pass > 1:
        assert_array_equal(ae.transform(X), load(path).transform(X))
        assert ae.n_iter_ == 1
        # Once the source is mended, the run ends as if nothing had been.
        ae = small(loss=loss).fit_dataset(Batches(), checkpoint=path)
        expected = small(loss=loss).fit_dataset(Batches())
        assert_array_equal(ae.transform(X), expected.transform(X))
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("skae-reader")]


@pytest.mark.usefixtures("little_memory")
def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.skae"
    ae = small().fit_dataset(Batches(), checkpoint=path)
    again = small().fit_dataset(Batches(), checkpoint=path)
    assert_array_equal(ae.transform(X), again.transform(X))
    with pytest.raises(ValueError, match=r"activation='elu'.*activation='relu'"):
        small(activation="relu").fit_dataset(Batches(), checkpoint=path)


@pytest.mark.parametrize("cache", [True, False])
def test_a_run_does_not_go_on_with_rows_of_another_scale(tmp_path, cache):
    """Even at its end: what it has learned says nothing of them."""
    path = tmp_path / "run.skae"
    small().fit_dataset(np.array_split(X, 4), checkpoint=path, cache=cache)
    twice = np.array_split(2 * X, 4)
    with pytest.raises(ValueError, match=r"X='values from .*X='values from 0.0 to 2"):
        small().fit_dataset(twice, checkpoint=path, cache=cache)


def test_a_run_in_memory_does_not_go_on_with_other_rows(tmp_path):
    path = tmp_path / "run.skae"
    ae = small().fit_dataset([X[:300]], checkpoint=path)
    # In another order they are the same ones, as of a source that shuffles.
    again = small().fit_dataset([X[:300][::-1]], checkpoint=path)
    assert_array_equal(again.transform(X), ae.transform(X))
    with pytest.raises(ValueError, match=r"of another run: .*X="):
        small().fit_dataset([X[300:600]], checkpoint=path)
    weighted = [(X[:300], None, np.linspace(1, 2, 300))]
    with pytest.raises(ValueError, match=r"of another run: .*X="):
        small().fit_dataset(weighted, checkpoint=path)


@pytest.mark.usefixtures("little_memory")
def test_a_source_that_changes_its_samples_goes_on(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "run.skae"

    class Changing(Batches):
        def __iter__(self):
            return (x * rng.uniform(0.5, 1) for x in super().__iter__())

    ae = small(arrange=None).fit_dataset(Changing(), checkpoint=path, cache=False)
    again = small(arrange=None).fit_dataset(Changing(), checkpoint=path, cache=False)
    assert_array_equal(again.transform(X), ae.transform(X))


@pytest.mark.usefixtures("little_memory")
def test_an_interrupted_run_sets_the_same_rows_aside(tmp_path):
    path, waits = tmp_path / "run.skae", iter(range(5))

    class Interrupted(Batches):
        def __iter__(self):
            if next(waits, None) == 4:
                raise KeyboardInterrupt
            return super().__iter__()

    ae = small(early_stopping=True, random_state=None, epochs=5)
    with pytest.raises(KeyboardInterrupt):
        ae.fit_dataset(Interrupted(), checkpoint=path)
    assert ae.n_iter_ == 2
    begun = load(path)
    again = small(early_stopping=True, random_state=None, epochs=5)
    again.fit_dataset(Interrupted(), checkpoint=path)
    assert again.n_iter_ == 5
    assert again.history_["val_loss"][:2] == begun.history_["val_loss"]


def test_callbacks_are_not_for_checkpoints(tmp_path):
    import keras

    ae = small(callbacks=[keras.callbacks.TerminateOnNaN()])
    with pytest.raises(TypeError, match="state of callbacks"):
        ae.fit_dataset(Batches(), checkpoint=tmp_path / "run.skae")


@pytest.mark.usefixtures("little_memory")
def test_objects_of_ones_own_go_on_from_a_checkpoint_but_are_not_in_it(tmp_path):
    import keras

    path = tmp_path / "run.skae"

    def own(delta):
        return small(
            loss=keras.losses.Huber(delta),
            optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
            activation=my_activation,
        )

    ae = own(0.5).fit_dataset(Batches(), checkpoint=path)
    again = own(0.5).fit_dataset(Batches(), checkpoint=path)
    assert_array_equal(again.transform(X), ae.transform(X))
    assert_array_equal(
        again.partial_fit(X).transform(X), ae.partial_fit(X).transform(X)
    )
    with pytest.raises(ValueError, match=r"delta=0.5.*delta=0.7"):
        own(0.7).fit_dataset(Batches(), checkpoint=path)
    with pytest.raises(FileFormatError, match="activation, loss, optimizer"):
        load(path)


def my_activation(x):
    return x / (1 + abs(x))


RUN = """
import sys
import numpy as np
from sklearn.datasets import load_digits
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
from skae._data import limits

class DrawingNetwork(ConvNetwork):
    __module__ = "run"  # in both processes

    def build_encoder(self, inputs, **parameters):
        import keras
        x = keras.layers.GaussianNoise(0.1)(inputs)
        return super().build_encoder(keras.layers.Dropout(0.1)(x), **parameters)

def run(which, checkpoint):
    X = (load_digits().images / 16).astype(np.float32)
    networks = {
        "dense": (DenseNetwork((16,)), 40),
        "conv": (DrawingNetwork(filters=(2,)), 8),
    }
    network, epochs = networks[which]
    ae = AutoencoderTransformer(4, network=network, epochs=epochs, random_state=0)
    return ae.fit_dataset(np.array_split(X, 20), checkpoint=checkpoint)

if __name__ == "__main__":
    limits.MAX_RESIDENT_BYTES = 100_000
    limits.PART_BYTES = 60_000
    limits.LONG_SHUFFLE_BYTES = 200_000
    limits.SECONDS_BETWEEN_CHECKPOINTS = 0
    run(*sys.argv[1:])
"""


@pytest.mark.long
@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("which", ["dense", "conv"])
def test_a_killed_run_ends_as_one_never_killed(tmp_path, which):
    path = tmp_path / "run.skae"

    def start():
        return subprocess.Popen([sys.executable, "-c", RUN, which, str(path)])

    for wait in np.random.default_rng().uniform(0, 0.2, 3):
        before = path.stat().st_mtime_ns if path.exists() else 0
        process = start()
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    names = {"__name__": "run"}
    exec(RUN, names)
    result = names["run"](which, path)
    expected = names["run"](which, None)
    for mine, other in zip(result.weights_, expected.weights_, strict=True):
        assert_array_equal(mine, other)
    assert result.history_ == expected.history_
