"""Programs: looked up by what they are made of, and nobody waits for another's."""

import sys
import threading
import types

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from small import SMALL, small, small_conv

from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
from skae._data.resident import Resident
from skae._data.schema import Schema
from skae._engines.choice import choose, training_program
from skae._engines.tensorflow.program import _programs
from skae._fitting.plan import make_spec

X = (load_digits().data[:300] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)


@pytest.fixture
def notebook(request):
    """A module whose code is written cell by cell."""
    module = types.ModuleType(f"notebook_{request.node.name}")
    sys.modules[module.__name__] = module

    def cell(code):
        exec(code, vars(module))
        return module

    yield cell
    del sys.modules[module.__name__]


# --------------------------------------------------- made of what its code names, too


def test_a_loss_that_reads_a_global_is_traced_anew_when_it_changes(notebook):
    cell = notebook("WEIGHT = 1\ndef loss(x, y): return WEIGHT * (x - y) ** 2")
    losses = []
    for weight in (1, 5, 25):
        cell.WEIGHT = weight
        ae = small(loss=cell.loss, epochs=1, learning_rate=1e-9).fit(X)
        losses.append(ae.history_["loss"][0])
    assert_allclose(losses, np.array([1, 5, 25]) * losses[0], rtol=1e-4)


def test_a_loss_whose_attribute_changes_is_traced_anew():
    class Weighted:
        weight = 1

        def __call__(self, x, y):
            return self.weight * (x - y) ** 2

    loss, found = Weighted(), []
    for weight in (1, 5):
        loss.weight = weight
        ae = small(loss=loss, epochs=1, learning_rate=1e-9).fit(X)
        found.append(ae.history_["loss"][0])
    assert_allclose(found[1], 5 * found[0], rtol=1e-4)


NETWORK = """
import keras
UNITS = 4
class Layer(keras.layers.Layer):
    def call(self, x):
        return x * {factor}
class Network:
    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        x = Layer()(keras.layers.Dense(UNITS)(inputs))
        return keras.layers.Dense(latent_dim)(x)
    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        return keras.layers.Dense(output_shape[0])(latents)
"""


def test_a_network_that_reads_a_global_is_built_anew_when_it_changes(notebook):
    cell = notebook(NETWORK.format(factor=1))
    first = small(network=cell.Network(), epochs=1).fit(X)
    before = first.transform(X)
    cell.UNITS = 6
    second = small(network=cell.Network(), epochs=1).fit(X)
    assert first.weights_[0].shape == (64, 4)
    assert second.weights_[0].shape == (64, 6)
    # What was fitted stays what it was.
    assert_array_equal(first.transform(X), before)
    assert second.encoder_.predict(X, verbose=0).shape == (300, 3)


def test_a_layer_defined_anew_in_a_cell_is_used(notebook):
    cell = notebook(NETWORK.format(factor=1))
    first = small(network=cell.Network(), epochs=1, learning_rate=1e-9).fit(X)
    before = first.transform(X)
    cell = notebook(NETWORK.format(factor=100))
    second = small(network=cell.Network(), epochs=1, learning_rate=1e-9).fit(X)
    assert abs(second.transform(X)).mean() > 30 * abs(before).mean()
    assert_array_equal(first.transform(X), before)


def test_what_is_defined_anew_alike_shares_its_program(notebook):
    def program():
        ae = small(network=notebook(NETWORK.format(factor=1)).Network())
        rows = IMAGES.reshape(-1, 64)
        data = Resident(rows, np.ones(len(rows)), Schema(64, (64,)))
        return training_program(make_spec(ae, data, None)[0])

    assert program() is program()


@SMALL
def test_a_lambda_that_is_made_anew_for_each_fit_shares_a_program(make):
    """A trace takes a second and some MiB, which TensorFlow keeps for good."""
    known = {*_programs}
    programs = set()
    for _ in range(4):
        weight = 2.0
        ae = make(loss=lambda x, y: weight * (x - y) ** 2, epochs=1)  # noqa: B023
        programs.add(training_program(ae.fit(IMAGES)._spec))
    assert len(programs) == 1
    assert len({*_programs} - known) == 1
    [program] = programs
    assert len(program._idle) == 1


# ------------------------------------------------------------- a subclass is a subclass


class Noisy(DenseNetwork):
    def build_encoder(self, inputs, **parameters):
        import keras

        return super().build_encoder(
            keras.layers.GaussianNoise(1.0)(inputs), **parameters
        )


class Wider(DenseNetwork):
    def layer_sizes(self, n_features, latent_dim):
        return (20, latent_dim), (20, n_features)


def test_a_subclass_that_builds_its_own_layers_is_asked_for_them():
    plain = small(network=DenseNetwork((16,)), epochs=5).fit(X)
    noisy = small(network=Noisy((16,)), epochs=5).fit(X)
    assert noisy.history_["loss"] != plain.history_["loss"]
    names = [type(layer).__name__ for layer in noisy.encoder_.layers]
    assert "GaussianNoise" in names


def test_a_subclass_that_says_other_sizes_stays_a_chain():
    ae = small(network=Wider(), epochs=1).fit(X)
    assert ae.weights_[0].shape == (64, 20)
    assert choose(ae._spec).engine == "numpy"
    assert [w.shape for w in ae.encoder_.weights] == [w.shape for w in ae.weights_[:4]]


def test_a_network_whose_method_was_replaced_is_asked():
    network = DenseNetwork((16,))
    called = []

    def build_encoder(inputs, **parameters):
        called.append(parameters)
        return DenseNetwork.build_encoder(network, inputs, **parameters)

    network.build_encoder = build_encoder
    small(network=network, epochs=1).fit(X)
    assert called


# -------------------------------------------------------------------------- old weights


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"latent_dim": 1}, {"latent_dim": 5}),
        ({"network": DenseNetwork((1,))}, {"network": DenseNetwork((7,))}),
        ({"network": ConvNetwork((1,))}, {"network": ConvNetwork((3,))}),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_old_weights_that_only_broadcast_are_refused(before, after, method):
    ae = small(warm_start=True, epochs=1, **before).fit(IMAGES)
    latents = ae.transform(IMAGES)
    with pytest.raises(ValueError, match="do not go with the network"):
        getattr(ae.set_params(**after), method)(IMAGES)
    assert_array_equal(ae.set_params(**before).transform(IMAGES), latents)


def test_the_state_of_another_optimizer_is_refused():
    ae = small(optimizer="adam", arrange=None).fit(X)
    with pytest.raises(ValueError, match="do not go with the network"):
        ae.set_params(optimizer="sgd").partial_fit(X)


# ------------------------------------------------------------------------------- locks


class Nested(ConvNetwork):
    """Fits another transformer while it is built."""

    def build_encoder(self, inputs, **parameters):
        AutoencoderTransformer(2, network=ConvNetwork((3,)), epochs=1).fit(IMAGES[:20])
        return super().build_encoder(inputs, **parameters)


def test_a_network_may_fit_transformers_while_it_is_built():
    thread = threading.Thread(
        target=lambda: small_conv(network=Nested((2,)), epochs=1).fit(IMAGES[:20]),
        daemon=True,
    )
    thread.start()
    thread.join(120)
    assert not thread.is_alive()


def test_fits_of_two_networks_do_not_wait_for_each_other():
    """Each is built only once the other is being built, too."""
    both = threading.Barrier(2, timeout=60)

    class Meeting(ConvNetwork):
        def build_encoder(self, inputs, **parameters):
            if not met:
                both.wait()
                met.append(True)
            return super().build_encoder(inputs, **parameters)

        def __deepcopy__(self, memo):
            return self

    met, errors = [], []

    def fit(n_filters):
        try:
            small_conv(network=Meeting((n_filters,)), epochs=1).fit(IMAGES[:20])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=fit, args=(n,)) for n in (5, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors


# ------------------------------------------------------------------------------ memory


def test_what_trainers_keep_between_fits_is_no_data():
    ae = small_conv(epochs=5, latent_dim=4, batch_size=2).fit(IMAGES)
    trainers = training_program(ae._spec)._idle
    assert trainers
    for trainer in trainers:
        arrays = [v for v in vars(trainer).values() if isinstance(v, np.ndarray)]
        assert not any(hasattr(value, "numpy") for value in vars(trainer).values())
        assert sum(array.nbytes for array in arrays) < 1000


@SMALL
def test_engines_are_chosen_in_one_place_that_says_why(make):
    spec = make(epochs=1).fit(IMAGES)._spec
    engine, why = choose(spec)
    assert (engine, why) in {
        ("numpy", "a small chain of dense layers"),
        ("tensorflow", "the network is no chain of dense layers"),
    }
