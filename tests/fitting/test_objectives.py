"""What is learned beside the reconstruction: objectives and arrangements."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import all_estimators
from small import SMALL, small, small_conv

import skae
from skae import AutoencoderTransformer, ConvNetwork, Denoising, DenseNetwork
from skae._engines.choice import choose
from skae._fitting.plan import held_out, make_plan, make_spec
from skae._objectives.neighbors import nearest

X = (load_digits().data / 16).astype(np.float32)
NOISES = pytest.mark.parametrize(
    "objective",
    [Denoising(0.3), Denoising(0.3, kind="mask"), Denoising(0.3, kind="swap")],
    ids=str,
)


class Gaussian(BaseEstimator):
    """A variational autoencoder, as in docs/extending.rst."""

    def __init__(self, beta=1.0):
        self.beta = beta

    def code_size(self, latent_dim):
        return 2 * latent_dim

    def latents(self, code, draw):
        import keras

        mean, log_variance = keras.ops.split(code, 2, axis=1)
        return mean + keras.ops.exp(log_variance / 2) * draw.normal(mean)

    def encoded(self, code):
        import keras

        return keras.ops.split(code, 2, axis=1)[0]

    def penalty(self, code, latents):
        import keras

        mean, log_variance = keras.ops.split(code, 2, axis=1)
        terms = mean**2 + keras.ops.exp(log_variance) - 1 - log_variance
        return self.beta * keras.ops.sum(terms, axis=1) / 2


class Corner(BaseEstimator):
    """Draws all latent vectors to one place, from the second epoch on."""

    def __init__(self, place=3.0, strength=10.0):
        self.place = place
        self.strength = strength

    def places(self, epoch, view):
        if epoch != 1:
            return None
        return np.full(view.encode_all().shape, self.place), self.strength


class Halves:
    """Only the first half of the columns counts."""

    def losses(self, loss, x, outputs):
        return loss(x[:, :32], outputs[:, :32])


def plan_of(ae, n_rows=1797):
    from skae._data.resident import Resident
    from skae._data.schema import Schema

    rows = np.resize(X, (n_rows, 64))
    data = Resident(rows, np.ones(n_rows), Schema(64, (64,)))
    spec, scaling = make_spec(ae, data, None)
    aside = held_out(ae, spec, data, partial=False, new=True)
    return make_plan(ae, spec, scaling, data, 0, aside, partial=False)


# ------------------------------------------------------------------------- denoising


@NOISES
@SMALL
def test_noise_is_of_training_alone(make, objective):
    images = X.reshape(-1, 8, 8)
    plain = make(epochs=2).fit(images)
    noisy = make(epochs=2, objective=objective).fit(images)
    assert noisy.history_["loss"] != plain.history_["loss"]
    assert_array_equal(noisy.transform(images), noisy.transform(images))
    assert_allclose(noisy.score(images), plain.score(images), rtol=0.3)


@pytest.mark.long
@NOISES
def test_a_network_that_has_seen_noise_removes_it(objective):
    noise = np.random.default_rng(0).normal(scale=0.3, size=X.shape)
    spoilt = (X + noise).astype(np.float32)

    def error(ae):
        return ((ae.inverse_transform(ae.transform(spoilt)) - X) ** 2).mean()

    plain, noisy = (
        AutoencoderTransformer(10, objective=one, epochs=30, random_state=0).fit(X)
        for one in (None, Denoising(0.3))
    )
    assert error(noisy) < 0.9 * error(plain)
    # Whatever spoils the samples, the same seed gives the same bits.
    first, second = (small(objective=objective).fit(X) for _ in range(2))
    assert_array_equal(first.transform(X), second.transform(X))


@NOISES
def test_small_networks_go_on_training_without_tensorflow(objective):
    ae = small(objective=objective)
    assert choose(plan_of(ae).spec).engine == "numpy"


@SMALL
def test_an_objective_is_a_parameter_like_any_other(make, tmp_path):
    images = X[:200].reshape(-1, 8, 8)
    ae = make(objective=Denoising(0.2), epochs=1).fit(images)
    assert clone(ae).get_params()["objective__noise"] == 0.2
    again = pickle.loads(pickle.dumps(ae))
    assert_array_equal(again.transform(images), ae.transform(images))
    ae.save(tmp_path / "ae.skae")
    loaded = skae.load(tmp_path / "ae.skae")
    assert loaded.objective.noise == 0.2
    twins = [one.partial_fit(images).transform(images) for one in (ae, again, loaded)]
    assert_array_equal(twins[0], twins[1])
    assert_array_equal(twins[0], twins[2])


def test_the_grid_finds_the_noise_that_helps():
    grid = {"objective__noise": [0.01, 5.0]}
    search = GridSearchCV(small(objective=Denoising(), epochs=10), grid, cv=2).fit(X)
    assert search.best_params_ == {"objective__noise": 0.01}


def test_noise_goes_on_where_a_checkpoint_left_off(tmp_path, small_limits):
    small_limits(seconds_between_checkpoints=0)

    def run(path, epochs=4):
        ae = small(objective=Denoising(0.2), epochs=4)
        batches = np.array_split(X, 9)
        if epochs < 4:
            batches = Failing(batches, epochs)
            with pytest.raises(RuntimeError):
                ae.fit_dataset(batches, checkpoint=path)
            return None
        return ae.fit_dataset(batches, checkpoint=path)

    small_limits(resident=100_000, part=60_000, shuffle=60_000, long_shuffle=60_000)
    run(tmp_path / "run.skae", epochs=2)
    resumed, whole = run(tmp_path / "run.skae"), run(tmp_path / "other.skae")
    for mine, other in zip(resumed.weights_, whole.weights_, strict=True):
        assert_array_equal(mine, other)


class Failing(list):
    """Batches whose reading fails in a later epoch."""

    def __init__(self, batches, epochs):
        super().__init__(batches)
        self.left = (epochs + 1) * len(batches) + 3

    def __getitem__(self, i):
        self.left -= 1
        if self.left < 0:
            raise OSError("the disk is gone")
        return super().__getitem__(i)


# -------------------------------------------------------------- objectives of one's own


@SMALL
def test_an_objective_may_give_two_values_for_each_latent_one(make):
    images = X.reshape(-1, 8, 8)
    ae = make(latent_dim=2, objective=Gaussian(0.01), epochs=3).fit(images)
    Z = ae.transform(images)
    assert Z.shape == (1797, 2)
    assert ae.inverse_transform(Z).shape == images.shape
    assert_allclose(ae.encoder_.predict(images, verbose=0), Z, atol=1e-5)
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]
    assert ae.arranged_.endswith("says what latent vectors are like")
    again = pickle.loads(pickle.dumps(ae))
    assert_array_equal(again.transform(images), Z)


def test_the_same_seed_draws_the_same_latents():
    fits = [small(objective=Gaussian(0.1)).fit(X).transform(X) for _ in range(2)]
    assert_array_equal(*fits)
    other = small(objective=Gaussian(0.1), random_state=1).fit(X).transform(X)
    assert abs(fits[0] - other).max() > 0


def test_its_parameters_are_searched():
    grid = {"objective__beta": [0.001, 10.0]}
    search = GridSearchCV(small(objective=Gaussian(), epochs=5), grid, cv=2).fit(X)
    assert search.best_params_ == {"objective__beta": 0.001}


def test_a_loss_may_leave_columns_out():
    ae = small(objective=Halves(), epochs=20).fit(X)
    errors = ((ae.inverse_transform(ae.transform(X)) - X) ** 2).mean(axis=0)
    plain = small(loss="mse", optimizer="adam", epochs=20).fit(X)
    theirs = ((plain.inverse_transform(plain.transform(X)) - X) ** 2).mean(axis=0)
    assert errors[:32].mean() < theirs[:32].mean()
    assert errors[32:].mean() > 2 * theirs[32:].mean()


@SMALL
def test_latent_vectors_go_to_their_places(make):
    images = X.reshape(-1, 8, 8)
    ae = make(objective=Corner(), epochs=20, batch_size=50).fit(images)
    assert_allclose(ae.transform(images).mean(axis=0), 3, atol=0.3)
    assert ae.transform(images).std() < 0.3
    assert ae.arranged_ == "nothing: Corner() says what latent vectors are like"
    plain = make(epochs=20, batch_size=50).fit(images)
    assert plain.transform(images).std() > 0.5


def test_places_of_streamed_rows_are_those_of_rows_in_memory(small_limits):
    class Sums(BaseEstimator):
        def places(self, epoch, view):
            if epoch != 1:
                return None
            Z = view.encode_all()
            return np.sign(Z), 100.0

    expected = small(objective=Sums(), epochs=6).fit(X)
    small_limits(resident=100_000, part=60_000, shuffle=60_000, block=2**16)
    streamed = small(objective=Sums(), epochs=6).fit(X)
    for ae in (expected, streamed):
        assert np.median(abs(abs(ae.transform(X)) - 1)) < 0.35


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("denoising", "must be None or an object with one of the methods places, end"),
        (Denoising, "must be None or an object"),
        (object(), "must be None or an object"),
        (Denoising(-1), "'noise' parameter of Denoising must be a float in the range"),
        (
            Denoising(2, kind="mask"),
            "is a share for kind='mask': expected 0 to 1, got 2",
        ),
        (Denoising(kind="salt"), "'kind' parameter of Denoising must be a str among"),
    ],
)
def test_what_is_no_objective_is_refused(objective, words):
    ae = small().fit(X[:100])
    before = ae.transform(X)
    with pytest.raises(ValueError, match=words):
        ae.set_params(objective=objective).fit(X)
    assert_array_equal(ae.transform(X), before)


def test_half_an_objective_is_refused():
    class OnlyLatents:
        def latents(self, code, draw):
            return code

    with pytest.raises(ValueError, match="has `latents` but no `encoded`"):
        small(objective=OnlyLatents()).fit(X)


def test_inputs_may_be_changed_in_place():
    class InPlace:
        plain_arithmetic = True

        def inputs(self, x, draw):
            x += 0.3 * draw.normal(x)
            return x

    mine, ours = small(objective=InPlace()), small(objective=Denoising(0.3))
    assert_array_equal(mine.fit(X).transform(X), ours.fit(X).transform(X))


class OneColumn:
    def inputs(self, x, draw):
        return x[:, :1]


class PlainOneColumn(OneColumn):
    plain_arithmetic = True


class Tensors:
    plain_arithmetic = True

    def inputs(self, x, draw):
        import keras

        return keras.ops.relu(x)


class ScalarPenalty:
    def penalty(self, code, latents):
        return 1.0


class OnlyPlaces:
    def places(self, epoch, view):
        return view.encode_all()


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (OneColumn(), r"`inputs` of the objective .*shape \(None, 64\).*Got \(None, 1"),
        (PlainOneColumn(), r"`inputs` of the objective .*shape \(None, 64\).*, 1\)"),
        (Tensors(), "plain_arithmetic=True.*Write it with operators"),
        (ScalarPenalty(), r"`penalty` of the objective .*shape \(None,\).*Got \(\)"),
        (OnlyPlaces(), "must give None or a pair.*Got ndarray"),
    ],
)
def test_what_a_hook_gives_is_checked(objective, words):
    with pytest.raises((ValueError, TypeError), match=words):
        small(objective=objective).fit(X)


def test_places_of_the_wrong_shape_are_refused():
    class Wrong:
        def places(self, epoch, view):
            return np.zeros((3, 3)), 1.0

    with pytest.raises(ValueError, match=r"of shape \(1797, 3\). Got .* \(3, 3\)"):
        small(objective=Wrong()).fit(X)


# ------------------------------------------------------------------------ arrangement


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"latent_dim": 8}, "whiten, spectral"),
        ({"latent_dim": 8, "arrange": "whiten"}, "whiten"),
        ({"arrange": None}, "nothing: arrange=None"),
        ({"latent_dim": 2}, "whiten; not spectral: it takes 4 to 20 latent values"),
        ({"latent_dim": 8, "early_stopping": True}, "whiten; not spectral: early"),
        ({"latent_dim": 8, "epochs": 4}, "whiten; not spectral: it takes 5 epochs"),
        ({"latent_dim": 95}, "nothing: it takes 20 samples for each of 95 latent"),
        ({"latent_activation": "elu"}, "nothing: it takes latent_activation='linear'"),
        ({"objective": Corner()}, "nothing: Corner() says what latent vectors"),
    ],
    ids=str,
)
def test_the_plan_says_what_is_arranged_and_why_not(parameters, said):
    params = {"network": "dense", "epochs": "auto", **parameters}
    plan = plan_of(small(**params))
    assert plan.arranged.startswith(said)
    assert said.split(":")[0] in repr(plan)


def test_what_is_no_arrangement_is_refused():
    with pytest.raises(ValueError, match="'arrange' parameter must be 'spectral'"):
        small(arrange="whitened").fit(X)


def test_partial_fit_says_that_it_arranges_nothing():
    assert small().partial_fit(X).arranged_.startswith("nothing: partial_fit")


def test_a_checkpoint_changes_nothing_in_the_model(tmp_path):
    params = {"latent_dim": 4, "network": DenseNetwork((16,)), "batch_size": 15}
    batches = np.array_split(X, 9)
    fits = [
        small(epochs=6, **params).fit_dataset(batches, checkpoint=path)
        for path in (None, tmp_path / "run.skae")
    ]
    assert [ae.arranged_ for ae in fits] == ["whiten, spectral"] * 2
    assert_array_equal(fits[0].transform(X), fits[1].transform(X))
    loaded = skae.load(tmp_path / "run.skae")
    assert loaded.arranged_ == "whiten, spectral"
    assert_array_equal(loaded.transform(X), fits[1].transform(X))


@pytest.mark.parametrize("epochs", [2, 5])
def test_latents_are_drawn_on_where_a_checkpoint_left_off(
    tmp_path, small_limits, epochs
):
    small_limits(seconds_between_checkpoints=0, resident=100_000)
    small_limits(part=60_000, shuffle=60_000, long_shuffle=60_000)
    params = {"latent_dim": 4, "network": DenseNetwork((16,)), "batch_size": 15}
    batches, path = np.array_split(X, 9), tmp_path / "run.skae"
    ae = small(epochs=6, **params)
    failing = Failing(batches, epochs)
    # Arranging reads the source once more.
    failing.left += 9 * (epochs > 3)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        ae.fit_dataset(failing, checkpoint=path)
    resumed = small(epochs=6, **params).fit_dataset(batches, checkpoint=path)
    whole = small(epochs=6, **params).fit_dataset(batches)
    assert resumed.arranged_ == whole.arranged_ == "whiten, spectral"
    assert_array_equal(resumed.transform(X), whole.transform(X))


def test_a_subclass_that_builds_other_ends_is_not_arranged():
    class Normed(ConvNetwork):
        def build_decoder(self, latents, **parameters):
            import keras

            latents = keras.layers.LayerNormalization()(latents)
            return super().build_decoder(latents, **parameters)

    images = X.reshape(-1, 8, 8)
    ae = small_conv(network=Normed((4,)), epochs=1)
    plain = clone(ae).set_params(arrange=None)
    assert ae.fit(images).arranged_.startswith("nothing: it takes")
    assert_array_equal(ae.transform(images), plain.fit(images).transform(images))


# ------------------------------------------------------------------ nobody else's fits


@pytest.fixture
def fits(monkeypatch):
    """The names of scikit-learn's estimators whose `fit` is called, in order."""
    called = []

    def counted(name, fit):
        def counting(self, *args, **kwargs):
            called.append(name)
            return fit(self, *args, **kwargs)

        return counting

    for name, estimator in all_estimators():
        for method in {"fit", "fit_transform", "fit_predict"} & {*dir(estimator)}:
            counting = counted(name, getattr(estimator, method))
            monkeypatch.setattr(estimator, method, counting)
    return called


@pytest.mark.parametrize("latent_dim", [4, 25])
def test_a_fit_calls_the_fit_of_no_estimator_that_others_log(fits, latent_dim):
    """`mlflow.sklearn.autolog` makes a run of each."""
    data = np.tile(X, (3, 1))
    ae = small(latent_dim=latent_dim, epochs=20, batch_size=20).fit(data)
    if latent_dim == 4:
        assert ae.arranged_ == "whiten, spectral"
    ae.partial_fit(data).score(data)
    small_conv(epochs=1).fit(X[:50])
    assert not fits
    KMeans(2, n_init=1).fit(X)
    assert fits == ["KMeans"]


@pytest.mark.parametrize("n_columns", [3, 20, 21, 40])
def test_neighbors_are_those_of_scikit_learn(n_columns):
    rng = np.random.RandomState(0)
    points = rng.normal(1000, size=(2500, n_columns))
    vectors = np.vstack([points[:50], rng.normal(1000, size=(2000, n_columns))])
    theirs = NearestNeighbors(n_neighbors=9).fit(points).kneighbors(vectors)[1]
    assert_array_equal(nearest(points, vectors, 9), theirs)
    assert_array_equal(nearest(points, vectors[:1], 1), theirs[:1, :1])


class Shuffling:
    """Batches in another order each time."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        rows = np.random.default_rng(self.passes).permutation(X)
        return iter(np.array_split(rows, 9))


def shuffled_by_tensorflow():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(X).shuffle(2000).batch(200)


@pytest.mark.parametrize("make", [Shuffling, shuffled_by_tensorflow])
def test_a_source_that_shuffles_itself_is_whitened_alone(small_limits, make):
    small_limits(resident=100_000, part=60_000, shuffle=60_000, long_shuffle=60_000)
    params = {"latent_dim": 4, "network": DenseNetwork((16,)), "batch_size": 15}
    ae = small(epochs=6, **params).fit_dataset(make())
    assert ae.arranged_ == (
        "whiten; not spectral: the source gives its rows in another order each time"
    )
    with pytest.raises(ValueError, match="in another order each time"):
        small(objective=Corner(), epochs=3).fit_dataset(make())
