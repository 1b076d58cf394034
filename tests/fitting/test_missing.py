"""missing="mask": NaN goes in wherever samples do, and the loss leaves it out."""

import pickle
import warnings

import keras
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import skae
from skae import AutoencoderTransformer, ConvNetwork, Denoising, DenseNetwork
from skae._data import limits
from skae._engines import choice
from tests.small import need, small

TABLE = StandardScaler().fit_transform(load_breast_cancer().data)[:200, :12]


def with_holes(X, share=0.3, seed=0):
    return np.where(np.random.RandomState(seed).rand(*X.shape) < share, np.nan, X)


X = with_holes(TABLE)
EMPTY = X.copy()
EMPTY[5] = np.nan


def masked(**params):
    return small(**{"missing": "mask", "arrange": None, **params})


@pytest.fixture
def tensorflow(monkeypatch):
    """What NumPy would train, TensorFlow does."""
    monkeypatch.setattr(choice, "_MAX_NUMPY_WORK", 0)
    monkeypatch.setattr(choice, "_numpy_keeps_up", lambda: False)


@pytest.fixture(scope="module")
def fitted():
    """Fitted once; do not fit it again."""
    return masked(network="dense", epochs=100).fit(EMPTY)


def test_holes_go_in_and_come_out_filled(fitted):
    Z = fitted.transform(EMPTY)
    filled = fitted.inverse_transform(Z)
    assert np.isfinite(Z).all()
    assert filled.shape == X.shape
    missing = np.isnan(X)
    error = np.square(filled - TABLE)[missing].mean()
    assert error < 0.6 * np.square(TABLE)[missing].mean()


def test_the_score_is_of_known_values(fitted):
    difference = fitted.inverse_transform(fitted.transform(EMPTY)) - EMPTY
    known = np.delete(difference, 5, axis=0)
    expected = -np.nanmean(known**2, axis=1)
    scores = fitted.score_samples(EMPTY)
    np.testing.assert_allclose(np.delete(scores, 5), expected)
    assert scores[5] == 0
    assert fitted.score(EMPTY) == pytest.approx(expected.mean())


def test_a_row_of_which_nothing_is_known_counts_nothing():
    """It has finite latent vectors, and the fit is the one without it, row for row."""
    weight = np.ones(len(X))
    weight[5] = 0
    some = masked().fit(EMPTY)
    others = masked().fit(X, sample_weight=weight)
    assert some.history_ == others.history_
    assert (some.weights_[1] == others.weights_[1]).all()


def test_nothing_known_at_all_is_said():
    with pytest.raises(ValueError, match="no known value"):
        masked().fit(np.full((5, 3), np.nan))


def test_score_of_nothing_known_is_said(fitted):
    with pytest.raises(ValueError, match="no known value"):
        fitted.score(EMPTY[5:6])


def test_a_column_of_which_nothing_is_known_does_no_harm():
    empty = X.copy()
    empty[:, 2] = np.nan
    assert np.isfinite(masked().fit(empty).transform(empty)).all()


def test_the_encoder_gets_means_and_what_is_known(fitted):
    """Other values under the mask make no difference, and their mean is in weights_."""
    means = fitted.weights_[0]
    np.testing.assert_allclose(means, np.nanmean(EMPTY, axis=0), rtol=1e-6)
    by_hand = np.where(np.isnan(X), means, X)
    assert not np.allclose(fitted.transform(X), fitted.transform(by_hand))


def test_means_go_by_weight():
    weight = np.random.RandomState(0).randint(1, 4, len(X)).astype(float)
    ae = masked(epochs=1).fit(X, sample_weight=weight)
    expected = np.nanmean(np.repeat(X, weight.astype(int), axis=0), axis=0)
    np.testing.assert_allclose(ae.weights_[0], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "objective", [None, Denoising(0.1), Denoising(0.1, "mask"), Denoising(0.1, "swap")]
)
def test_both_engines_give_the_same_model(tensorflow, dtype, objective):
    data = EMPTY.astype(dtype)
    ours = masked(objective=objective).fit(data)
    choice._MAX_NUMPY_WORK, choice._numpy_keeps_up = 2**18, lambda: True
    theirs = masked(objective=objective).fit(data)
    assert choice.choose(theirs._spec).engine == "numpy"
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    for one, other in zip(ours.weights_, theirs.weights_, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    assert ours.history_["loss"] == pytest.approx(theirs.history_["loss"], rel=1e-5)


@pytest.mark.parametrize("paired", [False, True])
def test_threads_change_nothing(monkeypatch, paired):
    """A batch that two threads share gives the weights that one thread gives."""
    from skae._engines.numpy import trainer

    monkeypatch.setattr(trainer, "_SHARED_WORK", 0)
    target = with_holes(TABLE, seed=1) if paired else None
    threads = masked().fit(X, target=target)
    monkeypatch.setattr(trainer.DenseTrainer, "__init__", _one_thread(trainer))
    single = masked().fit(X, target=target)
    assert all(map(np.array_equal, threads.weights_, single.weights_))


def _one_thread(trainer):
    init = trainer.DenseTrainer.__init__

    def with_one(self, chain, n_threads=1, inputs=None):
        init(self, chain, 1, inputs)

    return with_one


def test_targets_may_have_holes():
    """The loss counts what is known of the target, whatever is missing of X."""
    target = TABLE.copy()
    target[:, 3] = np.nan
    ae = masked(epochs=5).fit(X, target=target)
    expected = ae.inverse_transform(ae.transform(X)) - target
    score = -np.nanmean(expected**2)
    assert ae.score(X, target=target) == pytest.approx(score)


def test_early_stopping_sees_known_values():
    ae = masked(early_stopping=True, epochs=5).fit(EMPTY)
    assert np.isfinite(ae.history_["val_loss"]).all()


def test_missing_error_takes_no_nan_and_says_the_way():
    with pytest.raises(ValueError, match="missing='mask'"):
        small().fit(X)


def test_infinity_is_no_missing_value():
    spoilt = X.copy()
    spoilt[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        masked().fit(spoilt)


def test_the_tag_follows_the_parameter():
    assert get_tags(masked()).input_tags.allow_nan
    assert not get_tags(small()).input_tags.allow_nan


def test_mask_fraction_without_missing_values_is_said():
    with pytest.raises(ValueError, match="Take missing='mask'"):
        small(mask_fraction=0.2).fit(TABLE)


def test_mask_fraction_hides_known_values():
    """The loss of a network that can copy is far from zero where values are hidden."""
    params = {"latent_dim": 12, "network": DenseNetwork(()), "epochs": 200}
    whole = masked(mask_fraction=0, **params).fit(TABLE)
    hidden = masked(mask_fraction=0.5, **params).fit(TABLE)
    assert hidden.history_["loss"][-1] > 2 * whole.history_["loss"][-1]


# ------------------------------------------------------------ kinds of containers


def test_frames_may_have_what_their_packages_call_missing():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = [f"x{i}" for i in range(X.shape[1])]
    plain = masked().fit(X).weights_
    frame = pd.DataFrame(X, columns=names)
    nullable = frame.astype("Float64")
    assert nullable.isna().any(axis=None)
    objects = frame.astype(object).mask(frame.isna(), pd.NA)
    columns = {n: [None if v != v else v for v in X[:, i]] for i, n in enumerate(names)}
    for given in (frame, nullable, objects, pl.DataFrame(columns)):
        ae = masked().fit(given)
        assert list(ae.feature_names_in_) == names
        assert all(map(np.array_equal, ae.weights_, plain))
        np.testing.assert_array_equal(ae.transform(given), ae.transform(frame))


def test_integers_with_holes_may_come_in_some_batches_only():
    pl = pytest.importorskip("polars")
    whole = np.random.RandomState(0).randint(0, 5, (40, 3))
    some = pl.DataFrame({"a": [1, None] * 20, "b": [2, 3] * 20, "c": [None, 1] * 20})
    full = pl.DataFrame(whole, schema=["a", "b", "c"], orient="row")
    ae = masked(latent_dim=2).fit_dataset([full, some])
    assert np.isfinite(np.concatenate([*ae.transform_batches([some, full])])).all()


def test_lists_may_hold_none():
    rows = [[1.0, None, 2.0], [0.5, 1.0, None], [None, 2.0, 1.0]] * 5
    assert np.isfinite(masked(latent_dim=2).fit(rows).transform(rows)).all()


# ------------------------------------------------------- streams, files, going on


def test_a_stream_gives_what_fit_gives():
    batches = [EMPTY[:90], EMPTY[90:]]
    streamed = masked().fit_dataset(batches)
    assert all(map(np.array_equal, streamed.weights_, masked().fit(EMPTY).weights_))


def test_larger_than_memory(small_limits):
    rows = with_holes(np.random.RandomState(0).rand(3000, 8).astype(np.float32))
    rows[7] = np.nan
    small_limits(resident=10_000, part=4_000, block=4_000, shuffle=8_000)
    ae = masked().fit_dataset(rows)
    np.testing.assert_allclose(ae.weights_[0], np.nanmean(rows, axis=0), rtol=1e-5)
    assert np.isfinite(ae.history_["loss"]).all()
    Z = np.concatenate([*ae.transform_batches(rows)])
    np.testing.assert_array_equal(Z, ae.transform(rows))
    assert rows.nbytes > limits.MAX_RESIDENT_BYTES


def test_partial_fit_goes_on_with_the_first_means():
    ae = masked().partial_fit(X[:100])
    means = ae.weights_[0].copy()
    ae.partial_fit(X[100:])
    assert (ae.weights_[0] == means).all()
    again = masked().partial_fit(X[:100])
    again.set_params(missing="error")
    with pytest.raises(ValueError, match="weights of the last fit"):
        again.partial_fit(TABLE[100:])


def test_a_checkpoint_goes_on_with_holes(tmp_path):
    class Stops(Exception):
        pass

    class Breaking:
        def __init__(self, passes):
            self.passes = passes

        def __iter__(self):
            self.passes -= 1
            if self.passes < 0:
                raise Stops
            yield from (EMPTY[:90], EMPTY[90:])

    whole = masked(epochs=4).fit_dataset(Breaking(100))
    path = tmp_path / "run.skae"
    masked(epochs=4).fit_dataset(Breaking(100), checkpoint=path)
    again = masked(epochs=4).fit_dataset(Breaking(100), checkpoint=path)
    assert all(map(np.array_equal, again.weights_, whole.weights_))


@pytest.mark.parametrize("objective", [None, Denoising(0.2)])
def test_files_pickles_and_clones(tmp_path, objective):
    ae = masked(objective=objective, mask_fraction=0.2).fit(X)
    ae.save(tmp_path / "ae.skae")
    for again in (skae.load(tmp_path / "ae.skae"), pickle.loads(pickle.dumps(ae))):
        assert again.missing == "mask"
        np.testing.assert_array_equal(again.transform(X), ae.transform(X))
        assert np.isfinite(again.partial_fit(X).transform(X)).all()
    assert clone(ae).get_params()["mask_fraction"] == 0.2


def test_the_encoder_takes_nan_and_needs_no_skae(fitted, tmp_path):
    encoder = fitted.encoder_
    expected = fitted.transform(X)
    np.testing.assert_allclose(encoder(X).numpy(), expected, atol=1e-6)
    own = {layer.__class__.__module__.partition(".")[0] for layer in encoder.layers}
    assert own == {"keras"}
    with warnings.catch_warnings():
        # Keras and NumPy, of how arrays are made.
        warnings.filterwarnings("ignore", "__array__", DeprecationWarning)
        encoder.save(tmp_path / "encoder.keras")
        again = keras.models.load_model(tmp_path / "encoder.keras")
    np.testing.assert_allclose(again(X).numpy(), expected, atol=1e-6)


def test_an_exported_encoder_takes_nan(fitted, tmp_path):
    import tensorflow as tf

    fitted.export(tmp_path / "encoder", format="tf_saved_model")
    encoder = tf.saved_model.load(tmp_path / "encoder")
    np.testing.assert_allclose(encoder.serve(X).numpy(), fitted.transform(X), atol=1e-6)


@pytest.mark.parametrize("part", ["encoder", "autoencoder"])
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_other_programs_take_nan(tmp_path, format, part):
    """What is written is run on samples with holes before it takes its place."""
    need(format)
    ae = masked(epochs=1).fit(X.astype(np.float32))
    ae.export(tmp_path / "ae.file", format=format, part=part)
    if format == "onnx" and part == "encoder":
        import onnxruntime

        path = str(tmp_path / "ae.file")
        session = onnxruntime.InferenceSession(path)
        (Z,) = session.run(None, {"samples": X.astype(np.float32)})
        np.testing.assert_allclose(Z, ae.transform(X.astype(np.float32)), atol=1e-5)


# ------------------------------------------------------- networks, losses, objectives

IMAGES = with_holes(load_digits().images[:60] / 16)


@pytest.mark.parametrize(
    ("network", "data"),
    [
        ("dense", IMAGES),
        (ConvNetwork((4,)), IMAGES),
        (ConvNetwork((4,)), np.repeat(IMAGES[..., None], 3, axis=-1)),
        (ConvNetwork((4,), axes=1), IMAGES),
        (ConvNetwork((4,), axes=1), IMAGES.reshape(60, 64)),
    ],
)
def test_images_and_signals_may_have_holes(network, data, tmp_path):
    ae = masked(network=network, epochs=1).fit(data)
    assert ae.output_activation_ == "sigmoid"
    filled = ae.inverse_transform(ae.transform(data))
    assert filled.shape == data.shape
    ae.save(tmp_path / "ae.skae")
    again = skae.load(tmp_path / "ae.skae").transform(data)
    np.testing.assert_array_equal(again, ae.transform(data))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"network": "conv"}, "Reshape X"),
        ({"network": ConvNetwork((4,), image_shape=(8, 8))}, "Reshape X"),
        ({"loss": "cosine_similarity"}, "loss of single values"),
        ({"loss": keras.losses.KLDivergence()}, "loss of single values"),
    ],
)
def test_what_does_not_go_with_it_says_the_way_out(params, words):
    with pytest.raises(ValueError, match=words):
        masked(**params).fit(IMAGES.reshape(60, 64))


@pytest.mark.parametrize(
    "loss", ["mae", "binary_crossentropy", keras.losses.Huber(), "log_cosh"]
)
def test_losses_of_keras_count_known_values(loss):
    data = IMAGES.reshape(60, 64)
    ae = masked(loss=loss, epochs=1, batch_size=60, mask_fraction=0).fit(data)
    start = masked(loss=loss, epochs=1, batch_size=60, mask_fraction=0)
    start.set_params(learning_rate_init=1e-12)
    outputs = start.fit(data).inverse_transform(start.transform(data))
    value = keras.losses.get(loss) if isinstance(loss, str) else loss.call
    by_value = np.array(value(data[..., None], outputs[..., None]))
    expected = np.nanmean(by_value, axis=1).mean()
    assert ae.history_["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_a_loss_of_your_own_counts_known_values():
    def squares(x, outputs):
        return keras.ops.mean((x - outputs) ** 2, axis=-1)

    own = masked(loss=squares).fit(EMPTY)
    plain = masked().fit(EMPTY)
    assert own.history_["loss"] == pytest.approx(plain.history_["loss"], rel=1e-4)


class Weighing(BaseEstimator):
    """Counts the first half of the values twice, and pulls codes to zero."""

    def losses(self, loss, x, outputs):
        return loss(x, outputs) + loss(x[:, :6], outputs[:, :6])

    def penalty(self, code, latents):
        return keras.ops.mean(code**2, axis=1)


def test_objectives_of_your_own_go_on_working():
    ae = masked(objective=Weighing(), epochs=5).fit(EMPTY)
    assert np.isfinite(ae.transform(EMPTY)).all()
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]
    assert pickle.loads(pickle.dumps(ae)).transform(X).shape == (len(X), 3)


def test_latent_vectors_are_arranged():
    rows = np.tile(EMPTY, (5, 1))
    ae = AutoencoderTransformer(2, missing="mask", arrange="whiten", epochs=2)
    assert ae.fit(rows).arranged_ == "whiten"


def test_a_network_that_diverges_is_not_taken_for_missing_values():
    wild = masked(learning_rate="constant", learning_rate_init=1e30, epochs=5)
    with pytest.raises(ValueError, match="diverged"):
        wild.fit(X.astype(np.float32))
