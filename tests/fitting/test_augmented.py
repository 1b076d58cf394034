"""Augmentation: each step trains on samples that are changed anew."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from small import small, small_conv

from skae import Augmented, AutoencoderTransformer, Denoising

X = (load_digits().data[:400] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)
# Steps that change nothing: losses tell of samples alone.
STILL = {"learning_rate": 1e-30, "learning_rate_init": 1e-30, "arrange": None}


def shift(**kwargs):
    import keras

    kwargs = {"fill_mode": "constant", "interpolation": "nearest"} | kwargs
    return keras.layers.RandomTranslation(0.25, 0.25, **kwargs)


def test_each_epoch_sees_other_samples_and_validation_those_given():
    plain, changed = (
        small(objective=objective, epochs=4, early_stopping=True, **STILL).fit(X)
        for objective in (None, Augmented(shift(), (8, 8)))
    )
    assert len({*np.round(plain.history_["loss"], 5)}) == 1
    assert len({*np.round(changed.history_["loss"], 5)}) == 4
    assert_allclose(changed.history_["val_loss"], plain.history_["val_loss"], 1e-5)


def test_the_decoder_is_asked_for_the_changed_sample():
    objective = Augmented(lambda x, draw: 0 * x + 7.0)
    ae = small(objective=objective, epochs=300, output_activation="linear").fit(X)
    assert ae.history_["loss"][-1] < 0.1
    # Denoising asks for the sample as it was.
    noise = [objective, Denoising(0.0)]
    assert small(objective=noise, epochs=1, **STILL).fit(X).history_["loss"][0] > 30


def test_rows_are_images_where_it_is_said():
    """A shift of images is none of rows, which wrap from one line to the next."""
    seen = []

    def look(x, draw):
        seen.append(tuple(x.shape))
        return x

    small(objective=Augmented(look, (8, 8)), epochs=1).fit(X)
    small(objective=Augmented(look), epochs=1).fit(X)
    assert {*seen} == {(None, 8, 8), (None, 64)}
    rows = small(objective=Augmented(shift(), (8, 8)), **STILL).fit(X)
    images = small(objective=Augmented(shift()), **STILL).fit(IMAGES)
    assert_allclose(rows.history_["loss"], images.history_["loss"], rtol=1e-5)


def test_a_network_learns_that_a_shifted_image_is_the_same():
    rng = np.random.default_rng(0)
    moved = np.stack([np.roll(one, rng.integers(-1, 2, 2), (0, 1)) for one in IMAGES])
    plain, changed = (
        AutoencoderTransformer(8, objective=objective, epochs=60, random_state=0)
        for objective in (None, Augmented(shift(), (8, 8)))
    )
    errors = [-ae.fit(X).score(moved.reshape(-1, 64)) for ae in (plain, changed)]
    assert errors[1] < 0.8 * errors[0]


def test_the_same_seed_gives_the_same_model_and_layers_stay_as_they_were():
    layer = shift()
    state = [variable.numpy().copy() for variable in layer.variables]
    ae = small_conv(objective=Augmented([layer, shift()]), epochs=2).fit(IMAGES)
    again = clone(ae).fit(IMAGES)
    thawed = pickle.loads(pickle.dumps(ae))
    assert again.history_ == thawed.history_ == ae.history_
    assert_array_equal(again.transform(IMAGES), ae.transform(IMAGES))
    assert_array_equal(thawed.transform(IMAGES), ae.transform(IMAGES))
    assert clone(ae).set_params(random_state=1).fit(IMAGES).history_ != ae.history_
    for variable, before in zip(layer.variables, state, strict=True):
        assert_array_equal(variable.numpy(), before)
    assert not layer.built


def n_traces(monkeypatch, fits):
    """Count the programs that fits make; give what they have learned, too."""
    from skae._engines.tensorflow import program

    made = []

    class Counted(program.Program):
        def __init__(self, spec):
            made.append(spec)
            super().__init__(spec)

    monkeypatch.setattr(program, "Program", Counted)
    histories = [ae.fit(IMAGES).history_ for ae in fits]
    return len(made), histories


@pytest.mark.parametrize("beside", [[], [Denoising(0.1)]])
def test_fits_with_the_same_layers_trace_them_once(monkeypatch, beside):
    """Whatever was fitted before: what layers draw by begins anew."""
    objective = [Augmented([shift(), shift(fill_mode="nearest")]), *beside]
    fits = [small(objective=objective, random_state=i % 2) for i in range(4)]
    n_made, histories = n_traces(monkeypatch, fits)
    assert n_made <= 1
    assert histories[0] == histories[2] != histories[1] == histories[3]


def test_fits_with_other_layers_have_other_programs(monkeypatch):
    """By what they do, by their seeds and by the shape that they get."""
    layers = [
        shift(name="s"),
        shift(name="s", seed=3),
        shift(name="s", fill_mode="wrap"),
    ]
    objectives = [Augmented(one) for one in layers]
    objectives.append(Augmented(layers[0], (4, 16)))
    objectives.append(Augmented([layers[0], layers[1]]))
    n_made, histories = n_traces(
        monkeypatch, [small(objective=one) for one in objectives]
    )
    assert n_made == 5
    assert len({str(history) for history in histories if history}) >= 4


def test_layers_of_a_class_of_ones_own_may_remember_and_are_not_shared(monkeypatch):
    import keras

    class Noise(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.generator = keras.random.SeedGenerator(0)

        def call(self, x, training=False):
            return x + keras.random.normal(keras.ops.shape(x), seed=self.generator)

    objective = Augmented(Noise(name="noise"))
    fits = [small(objective=objective, **STILL) for _ in range(2)]
    n_made, (first, second) = n_traces(monkeypatch, fits)
    assert n_made == 2
    assert first == second


def test_it_is_searched_and_combined():
    choices = [None, Augmented(lambda x, draw: x + 0.1 * draw.normal(x))]
    search = GridSearchCV(small(epochs=1), {"objective": choices}, cv=2).fit(X)
    first, second = search.cv_results_["mean_test_score"]
    assert first != second
    both = small(objective=[choices[1], Denoising(0.1)], missing="mask", epochs=2)
    assert np.isfinite(both.fit(X).history_["loss"]).all()


def test_streams_and_checkpoints_keep_it(tmp_path, small_limits):
    small_limits(seconds_between_checkpoints=0, resident=50_000)
    small_limits(part=20_000, shuffle=20_000, long_shuffle=20_000)

    def run(path, batches):
        ae = small(objective=Augmented(shift(), (8, 8)), epochs=3)
        return ae.fit_dataset(batches, checkpoint=path)

    batches = np.array_split(X, 4)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        run(tmp_path / "run.skae", Failing(batches))
    resumed = run(tmp_path / "run.skae", batches)
    assert resumed.history_ == run(tmp_path / "other.skae", batches).history_


class Failing(list):
    """Batches whose reading fails in the second epoch."""

    left = 4 * 2 + 5

    def __getitem__(self, i):
        self.left -= 1
        if self.left < 0:
            raise OSError("the disk is gone")
        return super().__getitem__(i)


class Crops(list):
    """A source that shows other crops each time it is read."""

    def __init__(self, images):
        super().__init__(np.array_split(images, 4))
        self.rng, self.n_reads = np.random.default_rng(0), 0

    def __getitem__(self, i):
        self.n_reads += 1
        return np.roll(super().__getitem__(i), self.rng.integers(-3, 4), axis=2)


@pytest.mark.parametrize(
    ("cache", "n_losses", "n_reads"), [(True, 1, 4), (False, 3, 16)]
)
def test_a_source_is_read_anew_if_it_is_not_kept(cache, n_losses, n_reads):
    crops = Crops(IMAGES)
    ae = small(epochs=3, **STILL).fit_dataset(crops, cache=cache)
    assert len({*np.round(ae.history_["loss"], 5)}) == n_losses
    assert crops.n_reads == n_reads


def dense():
    import keras

    return keras.layers.Dense(1)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Augmented(3), ValueError, "'augment' parameter of Augmented"),
        (
            lambda: Augmented(shift()),
            ValueError,
            r"of shape \(64,\).*say so by",
        ),
        (lambda: Augmented(shift(), (8, 9)), ValueError, "has 72 values.*of 64 values"),
        (lambda: Augmented(dense(), (8, 8)), TypeError, "has weights"),
        (lambda: Augmented(lambda x: x), TypeError, r"a function of \(x, draw\)"),
        (lambda: Augmented(lambda x, draw: x[:, :3]), ValueError, "must give samples"),
    ],
)
def test_what_cannot_change_samples_is_named(make, error, words):
    with pytest.raises(error, match=f"(?s){words}"):
        small(objective=make()).fit(X)


def test_pairs_are_refused():
    objective = Augmented(lambda x, draw: x)
    with pytest.raises(ValueError, match="not the targets that belong to them"):
        small(objective=objective).fit(X, target=X)


class Perceived:
    """An objective of the user's: errors as a network that is trained sees them."""

    def __init__(self, model):
        self.model = model

    def losses(self, loss, x, outputs):
        apart = self.model(x) - self.model(outputs)
        return loss(x, outputs) + (apart * apart)[:, 0]


def test_the_weights_of_a_model_in_an_objective_stay_as_they_are():
    """Beside an objective that draws, too: what draws has a seed, and weights none."""
    import keras

    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
    alone, beside = (
        small(objective=objective, epochs=1, **STILL).fit(X)
        for objective in (Perceived(model), [Denoising(0.0), Perceived(model)])
    )
    assert_allclose(beside.history_["loss"], alone.history_["loss"], rtol=1e-5)
