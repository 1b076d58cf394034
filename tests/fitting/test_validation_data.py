"""Validation on samples of the user's own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_wine
from small import SMALL, small

from skae import AutoencoderTransformer

X = (load_digits().data / 16).astype(np.float32)
TRAIN, TEST = X[:300], X[300:400]
IMAGES = X.reshape(-1, 8, 8)


@SMALL
def test_the_loss_of_each_epoch_is_told_and_changes_nothing(make):
    ae = make().fit(IMAGES[:300], validation_data=IMAGES[300:400])
    plain = make().fit(IMAGES[:300])
    assert_array_equal(ae.transform(IMAGES), plain.transform(IMAGES))
    assert ae.history_["loss"] == plain.history_["loss"]
    assert len(ae.history_["val_loss"]) == 3
    # Nothing happens to the last weights but arrangement, which keeps reconstructions.
    assert_allclose(ae.history_["val_loss"][-1], -ae.score(IMAGES[300:400]), rtol=0.01)


def test_early_stopping_takes_them_in_the_place_of_a_part():
    """All of X is trained on, and the weights are those that suit the samples given."""
    ae = small(epochs=40, early_stopping=True, n_iter_no_change=3)
    far = np.ones((5, 64))
    ae.fit(TRAIN, validation_data=far)
    losses = ae.history_["val_loss"]
    assert len(losses) < 40
    assert_allclose(-ae.score(far), min(losses), rtol=1e-5)


def test_some_of_them_must_be_known():
    holes = np.full((5, 64), np.nan)
    with pytest.raises(ValueError, match=r"`validation_data` has no known value"):
        small(missing="mask").fit(TRAIN, validation_data=holes)


def test_columns_with_units_of_their_own_are_weighed_alike_there_too():
    wine = load_wine().data
    ae = AutoencoderTransformer(3, epochs=3, random_state=0)
    ae.fit(wine[::2], validation_data=wine[1::2])
    assert ae.scale_ is not None
    assert ae.history_["val_loss"][-1] < 3


def test_callbacks_and_streams_have_it(tmp_path):
    import keras

    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["val_loss"])

    ae = small(callbacks=[Look()]).fit(TRAIN, validation_data=TEST)
    assert seen == ae.history_["val_loss"]
    batches = np.array_split(TRAIN, 3)
    kept = small().fit_dataset(batches, validation_data=TEST)
    read = small().fit_dataset(batches, validation_data=TEST, cache=False)
    assert kept.history_["val_loss"] == ae.history_["val_loss"]
    assert_allclose(read.history_["val_loss"], seen, rtol=0.2)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("other", [TEST[:9], X[400:500], None])
def test_a_run_does_not_go_on_with_other_samples_for_validation(tmp_path, cache, other):
    """By how many they are, by what they are, and by whether there are any."""
    batches, path = np.array_split(TRAIN, 3), tmp_path / "run.skae"

    def fit(given):
        return small().fit_dataset(
            batches, validation_data=given, checkpoint=path, cache=cache
        )

    expected = fit(TEST)
    assert_array_equal(fit(TEST.copy()).transform(X), expected.transform(X))
    with pytest.raises(ValueError, match=r"of another run: .*validation_data='100 ro"):
        fit(other)


def test_a_run_does_not_go_on_with_other_targets_for_validation(tmp_path):
    path = tmp_path / "run.skae"

    def fit(given):
        batches = [(TRAIN, TRAIN / 2)]
        return small().fit_dataset(
            batches, targets=True, validation_data=given, checkpoint=path
        )

    fit((TEST, TEST / 2))
    with pytest.raises(ValueError, match=r"of another run: .*validation_data"):
        fit((TEST, TEST / 4))


def test_pairs_are_validated_on_pairs():
    noisy = TRAIN + np.float32(0.1)
    ae = small().fit(noisy, target=TRAIN, validation_data=(TEST + 0.1, TEST))
    expected = -ae.score(TEST + np.float32(0.1), target=TEST)
    assert_allclose(ae.history_["val_loss"][-1], expected, rtol=0.01)
    with pytest.raises(ValueError, match=r"a tuple \(X, target\)"):
        small().fit(noisy, target=TRAIN, validation_data=TEST)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (TEST[:, :9], "validation_data.*9 features"),
        (np.full((3, 64), np.nan), "validation_data.*NaN"),
        (TEST[:0], "0 sample"),
        ((TEST, np.zeros(100)), "Labels say nothing"),
    ],
)
def test_what_is_no_validation_data_is_named(given, words):
    ae = small().fit(TRAIN)
    before = ae.transform(TEST)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        ae.fit(TRAIN, validation_data=given)
    assert_array_equal(ae.transform(TEST), before)
