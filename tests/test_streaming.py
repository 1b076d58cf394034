"""Data larger than memory: streamed as if they were in memory, and gone on with."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from skae import (
    AutoencoderTransformer,
    DenseNetwork,
    _checkpoint,
    _program,
    _sources,
    _streaming,
    load,
)

X = (load_digits().data / 16).astype(np.float32)


def small(**params):
    params = {"network": DenseNetwork((16,)), "epochs": 3, "random_state": 0} | params
    return AutoencoderTransformer(4, **params)


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
def little_memory(monkeypatch):
    monkeypatch.setattr(_program, "MAX_RESIDENT_BYTES", 100_000)
    monkeypatch.setattr(_streaming, "PART_BYTES", 60_000)
    monkeypatch.setattr(_sources, "BLOCK_BYTES", 2**16)
    monkeypatch.setattr(_sources, "SHUFFLE_BYTES", 120_000)
    monkeypatch.setattr(_sources.Source, "shuffle_bytes", 200_000)
    monkeypatch.setattr(_checkpoint, "SECONDS_BETWEEN", 0)


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


@pytest.mark.usefixtures("little_memory")
def test_rows_sorted_by_class_train_as_well():
    order = np.argsort(load_digits().target, kind="stable")
    shuffled = -small(epochs=10).fit(X).score(X)
    assert -small(epochs=10).fit(X[order]).score(X) < 1.05 * shuffled


def test_a_generator_is_refused():
    with pytest.raises(TypeError, match="read only once"):
        small().fit_dataset(iter([X]))


def broken(batch):
    raise OSError("the disk is gone")


@pytest.mark.usefixtures("little_memory")
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
def test_a_malformed_batch_is_named(tmp_path, spoil, error, cause, in_pass):
    path = tmp_path / "run.skae"
    ae = small()
    with pytest.raises(error, match=f"(?s)batch 5.*{cause}"):
        ae.fit_dataset(Batches(spoil, in_pass), checkpoint=path)
    assert path.exists() == hasattr(ae, "weights_") == (in_pass > 1)
    if in_pass > 1:
        assert_array_equal(ae.transform(X), load(path).transform(X))
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


RUN = """
import sys
import numpy as np
from sklearn.datasets import load_digits
from skae import AutoencoderTransformer, DenseNetwork, _checkpoint, _program
from skae import _sources, _streaming
_program.MAX_RESIDENT_BYTES = 100_000
_streaming.PART_BYTES = 60_000
_sources.Source.shuffle_bytes = 200_000
_checkpoint.SECONDS_BETWEEN = 0
X = (load_digits().data / 16).astype(np.float32)
ae = AutoencoderTransformer(
    4, network=DenseNetwork((16,)), epochs=60, random_state=0, whiten=False
)
ae.fit_dataset(np.array_split(X, 20), checkpoint=sys.argv[1])
ae.save(sys.argv[2])
"""


def test_a_killed_run_ends_as_one_never_killed(tmp_path):
    def start(checkpoint, result):
        arguments = [str(tmp_path / checkpoint), str(tmp_path / result)]
        return subprocess.Popen([sys.executable, "-c", RUN, *arguments])

    assert start("whole", "expected").wait(120) == 0
    waits = np.random.default_rng().uniform(0.02, 0.3, 3)
    for wait in waits:
        run = start("killed", "result")
        before = (tmp_path / "killed").exists()
        while not before and not (tmp_path / "killed").exists():
            time.sleep(0.01)
        time.sleep(wait + 2 * before)
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert start("killed", "result").wait(120) == 0
    expected, result = load(tmp_path / "expected"), load(tmp_path / "result")
    for mine, other in zip(result.weights_, expected.weights_, strict=True):
        assert_array_equal(mine, other)
    assert result.history_ == expected.history_
