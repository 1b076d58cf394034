"""The objectives of skae: variational, sparse, several at once."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from small import SMALL, long, python, small, small_conv

import skae
from skae import AutoencoderTransformer, Denoising, Sparse, Variational
from skae._engines.choice import choose
from skae._fitting.plan import make_spec

X = (load_digits().data / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)
EACH = pytest.mark.parametrize(
    "objective",
    [
        Variational(),
        long(Sparse()),
        long([Denoising(), Sparse()]),
        long([Denoising(), Variational()]),
    ],
    ids=str,
)


@pytest.fixture(scope="module")
def variational():
    """A variational autoencoder of digits. Do not fit it again."""
    ae = AutoencoderTransformer(5, objective=Variational(), epochs=60, random_state=0)
    return ae.fit(X[:1400])


def code_of(ae, data):
    """The means and the logarithms of variances, as docs/user_guide says."""
    import keras

    encoder = ae.encoder_
    code = keras.Model(encoder.inputs, encoder.layers[-1].output)
    return np.split(code.predict(data, verbose=0), 2, axis=1)


# ----------------------------------------------------------------------- variational


def test_latents_are_the_means_and_none_collapses(variational):
    mean, log_variance = code_of(variational, X)
    assert_allclose(variational.transform(X), mean, atol=1e-5)
    # A collapsed latent value has the mean 0 and the variance 1 for all samples.
    assert (mean.std(axis=0) > 0.5).all()
    assert (np.exp(log_variance).mean(axis=0) < 0.7).all()
    assert -variational.score(X[1400:]) < 0.6 * X.var(axis=0).mean()


def test_the_history_tells_reconstruction_from_penalty(variational):
    history = variational.history_
    assert {*history} == {"loss", "reconstruction", "penalty"}
    both = np.add(history["reconstruction"], history["penalty"])
    assert_allclose(both, history["loss"], rtol=1e-6)
    assert history["loss"][-1] < history["loss"][0]
    assert history["penalty"][-1] > 5


def test_early_stopping_has_all_three_of_the_rows_set_aside():
    ae = small(objective=Variational(), early_stopping=True, epochs=2).fit(X)
    kinds = ("loss", "reconstruction", "penalty")
    assert {*ae.history_} == {*kinds, *(f"val_{kind}" for kind in kinds)}


@pytest.mark.parametrize("loss", ["binary_crossentropy", "mse"])
def test_the_loss_is_minus_the_evidence_lower_bound(loss):
    """One epoch whose steps change nothing, against the sum written out."""
    ae = small(objective=Variational(), loss=loss, epochs=1, learning_rate=1e-30)
    ae.set_params(batch_size=len(X), learning_rate_init=1e-30).fit(X)
    mean, log_variance = code_of(ae, X)
    divergence = (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1) / 2
    assert_allclose(ae.history_["penalty"], divergence.mean(), rtol=1e-4)
    rng = np.random.default_rng(0)
    bounds = []
    for _ in range(20):
        Z = mean + np.exp(log_variance / 2) * rng.normal(size=mean.shape)
        P = ae.inverse_transform(Z.astype(np.float32)).astype(float)
        if loss == "mse":
            variance = ((P - X) ** 2).mean()
            terms = ((P - X) ** 2 / variance + np.log(2 * np.pi * variance)) / 2
        else:
            terms = -xlogy(X, P) - xlogy(1 - X, 1 - P)
        bounds.append(terms.sum(axis=1).mean())
    assert_allclose(ae.history_["reconstruction"], np.mean(bounds), rtol=0.01)


@pytest.mark.long
def test_the_penalty_rises_in_the_warm_up_and_stays():
    shares = [Variational(warm_up=0.3).penalty_share(e, 10) for e in range(10)]
    assert_allclose(shares, [0.25, 0.5, 0.75, *[1] * 7])
    assert Variational(warm_up=0).penalty_share(0, 10) == 1
    # A chunk of `partial_fit` has the whole penalty.
    assert Variational().penalty_share(0, 1) == 1
    # Steps feel it, and the history has the whole at any time.
    slow, fast = (
        small(objective=Variational(10.0, warm_up=w), epochs=20, batch_size=20).fit(X)
        for w in (1.0, 0.0)
    )
    assert slow.history_["penalty"][4] > 2 * fast.history_["penalty"][4]


def test_new_samples_are_drawn(variational):
    new = variational.sample(500, random_state=0)
    assert new.shape == (500, 64)
    assert new.dtype == np.float32
    assert_array_equal(new, variational.sample(500, random_state=0))
    assert abs(new - variational.sample(500, random_state=1)).max() > 0.1
    # They are like the digits, pixel by pixel, and differ from one another.
    assert_allclose(new.mean(axis=0), X.mean(axis=0), atol=0.15)
    assert new.std(axis=0).mean() > 0.5 * X.std(axis=0).mean()
    images = small_conv(objective=Variational(), epochs=1).fit(IMAGES[:100])
    assert images.sample().shape == (1, 8, 8)


def test_who_cannot_draw_says_the_way_out():
    with pytest.raises(ValueError, match=r"objective=None.*objective=Variational\(\)"):
        small().fit(X).sample(3)
    with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
        small(objective=Variational(), epochs=1).fit(X).sample(0)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (Variational(-1), "'beta' parameter of Variational must be a float"),
        (Variational(warm_up=2), "'warm_up' parameter of Variational must be a float"),
        (Sparse(-1), "'weight' parameter of Sparse must be a float"),
    ],
)
def test_parameters_out_of_range_are_refused(objective, words):
    with pytest.raises(ValueError, match=words):
        small(objective=objective).fit(X)


# ---------------------------------------------------------------------------- sparse


def units(Z):
    """Latent values in the root mean square of each: one may be large for all rows."""
    return abs(Z) / np.sqrt((Z**2).mean(axis=0))


def hoyer(Z):
    """0 where all values are equally large, 1 where one stands alone."""
    Z, root = units(Z), np.sqrt(Z.shape[1])
    return (root - Z.sum(axis=1) / np.linalg.norm(Z, axis=1)).mean() / (root - 1)


def test_few_values_are_large_at_a_moderately_higher_error():
    plain, sparse, sparser = (
        AutoencoderTransformer(
            32, objective=one, arrange=None, epochs=60, random_state=0
        ).fit(X[:1400])
        for one in (None, Sparse(), Sparse(0.05))
    )
    test = X[1400:]
    assert sparse.score(test) > 1.3 * plain.score(test)
    large = [
        (units(ae.transform(test)) > 1).sum(axis=1).mean()
        for ae in (plain, sparse, sparser)
    ]
    assert large[1] < 0.87 * large[0]
    assert large[2] < 0.6 * large[0]
    # None has grown beyond the others, to be the largest of nearly all samples.
    assert np.bincount(abs(sparser.transform(test)).argmax(axis=1)).max() < 0.3 * 397


# ------------------------------------------------------------------- several at once


def test_several_objectives_each_have_their_say():
    plain = small(latent_dim=8, arrange=None, epochs=20)
    both = clone(plain).set_params(objective=[Denoising(0.3), Sparse(0.1)]).fit(X)
    sparse = clone(plain).set_params(objective=Sparse(0.1)).fit(X)
    plain.fit(X)
    assert "penalty" in both.history_
    assert hoyer(both.transform(X)) > hoyer(plain.transform(X)) + 0.05
    assert abs(both.transform(X) - sparse.transform(X)).max() > 0.1


def test_two_kinds_of_noise_are_added_one_after_the_other():
    twice = small(objective=[Denoising(0.2), Denoising(0.2, "mask")])
    assert twice.fit(X).history_["loss"] != small().fit(X).history_["loss"]
    assert choose(spec_of([Denoising(0.2)])).engine == "numpy"
    assert choose(spec_of([Denoising(0.2)] * 2)).engine == "tensorflow"


def spec_of(objective):
    from skae._data.resident import Resident
    from skae._data.schema import Schema

    data = Resident(X, np.ones(len(X)), Schema(64, (64,)))
    return make_spec(small(objective=objective), data, None)[0]


def test_parameters_of_several_are_searched_by_their_classes():
    ae = small(objective=[Denoising(), Sparse()], epochs=10)
    grid = {"objective__denoising__noise": [0.01, 5.0]}
    search = GridSearchCV(ae, grid, cv=2).fit(X)
    assert search.best_params_ == {"objective__denoising__noise": 0.01}
    assert ae.objective[0].noise == 0.1
    twins = small(objective=[Denoising(), Denoising()])
    twins.set_params(**{"objective__denoising-2__noise": 7})
    assert [one.noise for one in twins.objective] == [0.1, 7]
    with pytest.raises(ValueError, match="set it by its class, as in objective__den"):
        ae.set_params(objective__noise=1)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ([Variational(), Variational(2)], r"Variational\(\), Variational\(beta=2\) "),
        ([], r"or a list of such objects. Got \[\]"),
        ([Denoising(), "sparse"], "Got 'sparse'"),
        ([Denoising(), [Sparse()]], r"Got \[Sparse\(\)\]"),
    ],
)
def test_what_cannot_be_combined_is_named(objective, words):
    with pytest.raises(ValueError, match=words):
        small(objective=objective).fit(X)


# ---------------------------------------------------------- as the plain autoencoder


@EACH
@SMALL
def test_files_pickles_and_clones_keep_them(make, objective, tmp_path):
    ae = make(objective=objective, epochs=1).fit(IMAGES[:200])
    ae.save(tmp_path / "ae.skae")
    loaded = skae.load(tmp_path / "ae.skae")
    again = pickle.loads(pickle.dumps(ae))
    assert clone(ae).fit(IMAGES[:200]).history_ == ae.history_
    twins = [one.partial_fit(IMAGES[:200]) for one in (ae, loaded, again)]
    for twin in twins[1:]:
        assert_array_equal(twin.transform(IMAGES), ae.transform(IMAGES))
        assert twin.history_ == ae.history_


@pytest.mark.parametrize(
    "objective",
    [
        *(Denoising(0.2, kind) for kind in ("gaussian", "mask", "swap")),
        Variational(),
        [Denoising(), Variational()],
    ],
    ids=str,
)
def test_a_weight_of_two_does_what_two_copies_do(objective):
    """Draws are those of the sample, and not of its place in the batch."""
    weight = np.arange(60) % 3
    one = small(objective=objective, batch_size=60, learning_rate="constant")
    copied = clone(one).set_params(batch_size=60)
    one.fit(X[:60], sample_weight=weight)
    copied.fit(np.repeat(X[:60], weight, axis=0))
    assert_allclose(one.transform(X), copied.transform(X), atol=1e-4)
    assert_allclose(one.history_["loss"], copied.history_["loss"], rtol=1e-4)


@EACH
def test_streams_and_checkpoints_keep_them(objective, tmp_path, small_limits):
    small_limits(seconds_between_checkpoints=0, resident=100_000)
    small_limits(part=60_000, shuffle=60_000, long_shuffle=60_000)

    def run(path, batches):
        ae = small(objective=objective, epochs=3)
        return ae.fit_dataset(batches, checkpoint=path)

    batches = np.array_split(X, 9)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        run(tmp_path / "run.skae", Failing(batches))
    resumed = run(tmp_path / "run.skae", batches)
    whole = run(tmp_path / "other.skae", batches)
    assert resumed.history_ == whole.history_
    for mine, other in zip(resumed.weights_, whole.weights_, strict=True):
        assert_array_equal(mine, other)
    loaded = skae.load(tmp_path / "run.skae")
    assert_array_equal(loaded.transform(X), whole.transform(X))


class Failing(list):
    """Batches whose reading fails in the second epoch."""

    left = 9 * 2 + 12

    def __getitem__(self, i):
        self.left -= 1
        if self.left < 0:
            raise OSError("the disk is gone")
        return super().__getitem__(i)


def test_a_checkpoint_goes_on_with_an_objective_of_ones_own(tmp_path):
    ae = small(objective=[Denoising(), Own()], epochs=2)
    first = ae.fit_dataset([X], checkpoint=tmp_path / "run.skae")
    again = small(objective=[Denoising(), Own()], epochs=2)
    again.fit_dataset([X], checkpoint=tmp_path / "run.skae")
    assert_array_equal(again.transform(X), first.transform(X))
    with pytest.raises(skae.FileFormatError, match=r"objects of your own.*objective"):
        skae.load(tmp_path / "run.skae")
    with pytest.raises(TypeError, match="`save` writes no code"):
        ae.save(tmp_path / "ae.skae")


class Own(Variational):
    """An objective of the user's that codes twice as many values."""


SERVED = """
import json, sys
import skae
ae = skae.load(sys.argv[1])
X = ae.sample(3, random_state=0)
shape = ae.transform(X).shape
print(json.dumps([*shape, "tensorflow" in sys.modules or "keras" in sys.modules]))
"""


def test_a_dense_one_is_served_without_tensorflow(tmp_path, variational):
    variational.save(tmp_path / "ae.skae")
    assert python(SERVED, tmp_path / "ae.skae") == [3, 5, False]


class Log(Variational):
    """An objective whose latent vectors are the rest of the code."""

    def encoded(self, code):
        import keras

        return keras.ops.split(code, 2, axis=1)[1]


def test_a_class_with_latents_of_its_own_has_those(variational):
    ae = AutoencoderTransformer(5, objective=Log(), epochs=2, random_state=0).fit(X)
    _, log_variance = code_of(ae, X)
    assert_allclose(ae.transform(X), log_variance, atol=1e-5)


def test_the_encoder_is_exported_with_latents_that_are_means(tmp_path, variational):
    import tensorflow as tf

    variational.export(tmp_path / "encoder", format="tf_saved_model")
    encoder = tf.saved_model.load(tmp_path / "encoder")
    mine = variational.transform(X[:5])
    assert_allclose(encoder.serve(X[:5]).numpy(), mine, atol=1e-5)
