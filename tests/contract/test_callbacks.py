"""Callbacks of scikit-learn and of Keras: told what happens, or refused by name."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.utils.fixes import parse_version
from small import SMALL, small, small_conv

X = (load_digits().data[:200] / 16).astype(np.float32)
Y = load_digits().target[:200]

needs_sklearn_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="callbacks came with scikit-learn 1.9",
)


# ----------------------------------------------------------------------- scikit-learn's


@needs_sklearn_callbacks
@pytest.mark.long
def test_the_callback_tests_of_scikit_learn_pass_with_an_autoencoder(tmp_path):
    """The five files, with an autoencoder for the estimator that iterates."""
    import sklearn.callback

    theirs = Path(sklearn.callback.__file__).parent / "tests"
    names = sorted(path.name for path in theirs.glob("test_*.py"))
    assert len(names) == 5
    for name in [*names, "_utils.py"]:
        text = (theirs / name).read_text()
        text = text.replace("sklearn.callback.tests._utils", "callback_utils")
        text = text.replace("class MaxIterEstimator(", "class Replaced(")
        # What skae calls its tasks.
        text = text.replace('f"iteration {i}"', '"epoch"')
        text = text.replace('startswith("iteration")', 'startswith("epoch")')
        if name == "_utils.py":
            name = "callback_utils.py"
            text += "\n"
            begin = text.index("class Replaced(")
            imported = "from callback_estimator import MaxIterEstimator\n\n\n"
            text = text[:begin] + imported + text[begin:]
        (tmp_path / name).write_text(text)
    here = Path(__file__).parents[1]
    paths = [str(tmp_path), str(here), str(here.parent), *sys.path]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert result.returncode == 0, result.stdout[-5000:]
    passed = int(result.stdout.split(" passed")[0].split()[-1])
    assert passed > 80


class Recorder:
    """Keeps what a callback of scikit-learn is told."""

    def __init__(self, fails=False):
        self.told = []
        self.fails = fails

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.told.append(("begin", context.task_name, X, y, metadata, None))

    def on_fit_task_end(
        self,
        estimator,
        context,
        *,
        X=None,
        y=None,
        metadata=None,
        fitted_estimator=None,
    ):
        self.told.append(("end", context.task_name, X, y, metadata, fitted_estimator))
        if self.fails and context.task_name == "fit":
            raise OSError("disk full")


@needs_sklearn_callbacks
@SMALL
def test_scikit_learns_callbacks_are_told_of_the_end_with_the_finished_estimator(make):
    recorder = Recorder()
    ae = make(epochs=3).set_callbacks(recorder)
    weights = np.arange(200) % 3
    ae.fit(X, Y, sample_weight=weights)
    tasks = [told[:2] for told in recorder.told]
    epoch = [("begin", "epoch"), ("end", "epoch")]
    assert tasks == [("begin", "fit"), *epoch * 3, ("end", "fit")]
    for _, _, data, y, metadata, _ in recorder.told:
        assert data is X
        assert y is Y
        assert metadata["sample_weight"] is weights
    finished = recorder.told[-1][-1]
    assert_array_equal(finished.transform(X), ae.transform(X))
    assert finished.history_ == ae.history_


@needs_sklearn_callbacks
def test_the_end_of_a_fit_that_stops_early_is_the_best_estimator():
    recorder = Recorder()
    ae = small(
        epochs=300, early_stopping=True, n_iter_no_change=2, tol=0.1, learning_rate=0.01
    ).set_callbacks(recorder)
    ae.fit(X)
    assert ae.n_iter_ < 300
    assert recorder.told[-1][:2] == ("end", "fit")
    assert_array_equal(recorder.told[-1][-1].transform(X), ae.transform(X))


@needs_sklearn_callbacks
@SMALL
def test_a_fit_whose_end_a_callback_fails_at_changes_nothing(make):
    ae = make(epochs=1).fit(X)
    before = ae.transform(X)
    ae.set_callbacks(Recorder(fails=True))
    with pytest.raises(OSError, match="disk full"):
        ae.fit(X * 2)
    assert_array_equal(ae.transform(X), before)


@needs_sklearn_callbacks
def test_a_fit_that_goes_on_ends_with_all_of_its_history():
    recorder = Recorder()
    ae = small(epochs=2, warm_start=True).fit(X)
    ae.set_callbacks(recorder).fit(X)
    assert recorder.told[-1][-1].history_ == ae.history_
    assert len(ae.history_["loss"]) == 4


# ------------------------------------------------------------------------------- Keras'


def sets_weights_in(hook, value=0.125):
    import keras

    class Sets(keras.callbacks.Callback):
        def set(self, *args, **kwargs):
            weights = [np.full_like(w, value) for w in self.model.get_weights()]
            self.model.set_weights(weights)

    setattr(Sets, hook, Sets.set)
    return Sets()


@SMALL
@pytest.mark.filterwarnings("ignore:The latent vector is the same")
@pytest.mark.parametrize(
    "hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"]
)
def test_weights_that_a_callback_sets_are_taken_over(make, hook):
    params = {"epochs": 1, "arrange": None, "learning_rate": 1e-9}
    ae = make(callbacks=[sets_weights_in(hook)], **params).fit(X)
    for weight in ae.weights_:
        assert_allclose(weight, 0.125, atol=1e-6)


@SMALL
def test_callbacks_see_at_the_beginning_of_an_epoch_what_the_last_one_left(make):
    import keras

    seen = []

    class Sees(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(self.model.get_weights())

        on_epoch_end = on_epoch_begin

    make(callbacks=[Sees()], epochs=2, arrange=None).fit(X)
    for one, other in zip(seen[1], seen[2], strict=True):
        assert_array_equal(one, other)


def test_averaged_weights_stay_in_place_beside_callbacks():
    import keras

    def fit(*callbacks):
        optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
        return small_conv(optimizer=optimizer, callbacks=list(callbacks)).fit(X)

    assert_array_equal(fit().transform(X), fit(keras.callbacks.Callback()).transform(X))


@SMALL
@pytest.mark.parametrize(
    "name", ["BackupAndRestore", "SwapEMAWeights", "ProgbarLogger"]
)
def test_callbacks_that_cannot_work_are_refused_with_the_way_out(make, name, tmp_path):
    import keras

    way_out = {
        "BackupAndRestore": (r"fit_dataset\(X, checkpoint", (tmp_path / "backup",)),
        "SwapEMAWeights": ("use_ema=True", ()),
        "ProgbarLogger": ("verbose=1", ()),
    }
    words, arguments = way_out[name]
    callback = getattr(keras.callbacks, name)(*arguments)
    with pytest.raises(TypeError, match=rf"{name} cannot work.*{words}"):
        make(callbacks=callback).fit(X)


def own_callback(hook):
    import keras

    class Own(keras.callbacks.Callback):
        pass

    setattr(Own, hook, lambda self, *args, **kwargs: None)
    return Own()


@SMALL
@pytest.mark.parametrize(
    "hook", ["on_train_batch_end", "on_batch_begin", "on_test_begin"]
)
def test_hooks_that_are_never_called_are_named(make, hook):
    with pytest.warns(
        UserWarning, match=f"Own has hooks that are never called: {hook}"
    ):
        make(callbacks=[own_callback(hook)], epochs=1).fit(X)


def by_lambda(path):
    import keras

    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)


def checkpoint_by_batch(path):
    import keras

    return keras.callbacks.ModelCheckpoint(path / "a.keras", save_freq=10)


def board_by_batch(path):
    pytest.importorskip("tensorboard")
    import keras

    return keras.callbacks.TensorBoard(path, update_freq=10)


@pytest.mark.parametrize(
    "make_callback", [by_lambda, checkpoint_by_batch, board_by_batch]
)
def test_callbacks_of_keras_that_wait_for_batches_are_named(make_callback, tmp_path):
    with pytest.warns(UserWarning, match=r"never called: on_train_batch_end"):
        small(callbacks=[make_callback(tmp_path)], epochs=1).fit(X)


# Keras says it of NumPy 2 when it saves a model.
@pytest.mark.filterwarnings("ignore:__array__ implementation")
@SMALL
def test_callbacks_of_keras_that_work_are_taken_without_a_word(make, tmp_path):
    import keras

    callbacks = keras.callbacks
    works = [
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.EarlyStopping("loss"),
        callbacks.History(),
        callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate),
        callbacks.ModelCheckpoint(tmp_path / "model.keras"),
        callbacks.ReduceLROnPlateau("loss"),
        callbacks.TerminateOnNaN(),
    ]
    ae = make(callbacks=works, epochs=2).fit(X)
    assert ae.callbacks_[2].history["loss"] == ae.history_["loss"]
