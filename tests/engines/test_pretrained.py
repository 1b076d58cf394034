"""The user's own models: trained as copies, and kept as they were set."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from small import TWO_DEVICES, python

from skae import AutoencoderTransformer

# Nearly all of them trace networks of their own in TensorFlow.
pytestmark = [pytest.mark.long, pytest.mark.versions]

# Keras says it of NumPy 2 when it pickles a layer, which `clone` does, too.
pickles_layers = pytest.mark.filterwarnings("ignore:__array__ implementation")

DIGITS = load_digits()
X = (DIGITS.data[:300] / 16).astype(np.float32)


class Around:
    """A network whose encoder ends in a layer of its own, behind the user's."""

    def __init__(self, held):
        self.held = held

    def users(self):
        return self.held

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        import keras

        return keras.layers.Dense(latent_dim)(self.users()(inputs))

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        import keras

        return keras.layers.Dense(output_shape[0], activation=output_activation)(
            latents
        )


def holds(backbone):
    """A network with the user's model for an attribute."""
    return Around(backbone)


def closes_over(backbone):
    """A network that finds the user's model in a closure."""

    class Closing(Around):
        def users(self):
            return backbone

    return Closing(None)


GLOBAL = []


def reads_a_global(backbone):
    """A network that finds the user's model in a global."""

    class Reading(Around):
        def users(self):
            return GLOBAL[0]

    GLOBAL[:] = [backbone]
    return Reading(None)


def takes_a_part(backbone):
    """A network that calls a new model, of some layers of the user's."""

    class Taking(Around):
        def users(self):
            import keras

            return keras.Model(backbone.inputs, backbone.layers[-2].output)

    return Taking(None)


WAYS = pytest.mark.parametrize(
    "network_of", [holds, closes_over, reads_a_global, takes_a_part]
)


def backbone(seed=0):
    """A model of the user's, with weights that no initializer would draw."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(24, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.1),
            layers.Dense(16, activation="relu"),
        ]
    )
    rng = np.random.default_rng(seed)
    model.set_weights([rng.random(w.shape, np.float32) - 0.4 for w in model.weights])
    for bad in model.layers[1].weights[3:]:
        bad.assign(abs(bad.numpy()) + 1)
    return model


def transformer(network, **params):
    params = {"epochs": 2, "random_state": 0} | params
    return AutoencoderTransformer(4, network=network, **params)


def same(arrays, others):
    return [bool((a == b).all()) for a, b in zip(arrays, others, strict=False)]


# ------------------------------------------------------------------ never touched


@pytest.mark.long
def test_a_classifier_whose_backbone_is_used_stays_as_good_as_it_was(other_people):
    import keras

    keras.utils.set_random_seed(0)
    y = DIGITS.target[:300]
    users = backbone()
    classifier = keras.Sequential([users, keras.layers.Dense(10, "softmax")])
    classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    classifier.fit(X, y, epochs=30, verbose=0)
    before = classifier.evaluate(X, y, verbose=0)
    for network_of in (holds, closes_over):
        ae = transformer(network_of(users)).fit(X)
        assert len(ae.encoder_.layers) == 3
    assert before[1] > 0.9
    assert classifier.evaluate(X, y, verbose=0) == before


@WAYS
def test_the_users_model_keeps_its_weights_and_its_graph(network_of):
    users = backbone()
    before, calls = users.get_weights(), len(users._inbound_nodes)
    ae = transformer(network_of(users)).fit(X)
    ae.encoder_.set_weights([w + 1 for w in ae.encoder_.get_weights()])
    ae.partial_fit(X)
    assert all(same(before, users.get_weights()))
    assert len(users._inbound_nodes) == calls
    assert len(users.trainable_weights) == 6


@WAYS
def test_training_starts_from_what_the_user_has_set(network_of):
    users = backbone()
    ae = transformer(network_of(users), epochs=1, learning_rate=1e-9).fit(X)
    for weight, mine in zip(users.get_weights()[:4], ae.weights_, strict=False):
        assert_allclose(mine, weight, atol=1e-6)


@pickles_layers
@WAYS
def test_what_is_frozen_stays_as_it_is_across_clone_and_refit(network_of):
    users = backbone()
    users.trainable = False
    before = users.get_weights()[:6]
    ae = transformer(network_of(users)).fit(X)
    cloned = clone(ae).fit(X)
    refitted = copy.deepcopy(ae).fit(X)
    for fitted in (ae, cloned, refitted, clone(ae).set_params(random_state=1).fit(X)):
        assert all(same(before, fitted.weights_))
    assert_array_equal(ae.transform(X), cloned.transform(X))
    assert_array_equal(ae.transform(X), refitted.transform(X))
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]


@WAYS
def test_the_keras_model_is_the_one_that_was_trained(network_of):
    import keras

    ae = transformer(network_of(backbone())).fit(X)
    encoder = ae.encoder_
    assert_allclose(encoder.predict(X, verbose=0), ae.transform(X), atol=1e-5)
    # Its layers can be asked for their outputs, as those of any model.
    inner = keras.Model(encoder.input, encoder.layers[-1].output)
    assert_array_equal(inner(X), encoder(X))


def test_a_model_that_was_trained_on_is_used_as_it_is_now():
    users = backbone()
    users.trainable = False
    network = closes_over(users)
    first = transformer(network).fit(X)
    latents = first.transform(X)
    users.set_weights(backbone(1).get_weights())
    second = transformer(network).fit(X)
    assert all(same(users.get_weights()[:6], second.weights_))
    assert_array_equal(first.transform(X), latents)


def test_layers_that_nothing_was_set_in_are_drawn_from_the_random_state():
    """Though the user holds them, and they are built by the first fit."""
    import keras

    held = keras.Sequential(
        [keras.layers.Dense(8, "relu"), keras.layers.LayerNormalization()]
    )
    network = closes_over(held)
    first = transformer(network).fit(X)
    again = transformer(network).fit(X)
    other = transformer(network, random_state=1).fit(X)
    assert_array_equal(first.transform(X), again.transform(X))
    assert (first.weights_[0] != other.weights_[0]).any()


def test_one_layer_in_encoder_and_decoder_stays_one():
    import keras

    users = keras.layers.Dense(64, "relu")
    users.build((None, 64))

    class Shared(Around):
        def users(self):
            return users

        def build_decoder(self, latents, **kwargs):
            import keras

            return super().build_decoder(
                users(keras.layers.Dense(64)(latents)), **kwargs
            )

    ae = transformer(Shared(None)).fit(X)
    assert ae.encoder_.layers[1] is ae.decoder_.layers[2]


def test_frozen_layers_keep_what_was_set_while_the_network_was_built():
    import keras

    kernel = np.eye(64, 8, dtype=np.float32)

    class Setting(Around):
        def users(self):
            layer = keras.layers.Dense(8, use_bias=False, trainable=False)
            layer.build((None, 64))
            layer.set_weights([kernel])
            return layer

    ae = transformer(Setting(None)).fit(X)
    assert_array_equal(ae.weights_[0], kernel)
    assert_array_equal(ae.encoder_.layers[1].get_weights()[0], kernel)


def test_a_frozen_layer_that_nothing_was_set_in_is_drawn_from_the_random_state():
    import keras

    class Projecting(Around):
        def users(self):
            return keras.layers.Dense(8, trainable=False)

    fits = [transformer(Projecting(None), random_state=i).fit(X) for i in (0, 0, 1)]
    assert_array_equal(fits[0].weights_[0], fits[1].weights_[0])
    assert (fits[0].weights_[0] != fits[2].weights_[0]).any()


@pickles_layers
@pytest.mark.parametrize("network_of", [holds, closes_over])
def test_normalization_keeps_what_it_was_adapted_to(network_of):
    import keras

    layer = keras.layers.Normalization()
    layer.adapt(DIGITS.data[:300].astype(np.float32))
    data = DIGITS.data[:300].astype(np.float32)
    ae = transformer(network_of(layer)).fit(data)
    assert_allclose(ae.weights_[0], data.mean(axis=0), rtol=1e-5)
    assert_allclose(ae.weights_[1], data.var(axis=0), rtol=1e-4, atol=1e-6)
    normalized = ae.encoder_.layers[1](data).numpy()
    assert_allclose(normalized.mean(axis=0), 0, atol=1e-3)
    assert_allclose(ae.encoder_.predict(data, verbose=0), ae.transform(data), atol=1e-4)
    again = clone(ae).fit(data)
    assert_array_equal(again.transform(data), ae.transform(data))


DISTRIBUTED = (
    TWO_DEVICES
    + """
X = np.random.default_rng(0).random((60, 12), np.float32)
layers = keras.layers
users = keras.Sequential([keras.Input((12,)), layers.Dense(8, "relu"), layers.Dense(6)])
users.trainable = False
normalization = layers.Normalization()
normalization.adapt(X)
before = users.get_weights()

class Network:
    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        x = users(normalization(inputs))
        return layers.Dense(latent_dim, kernel_constraint="non_neg")(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        x = layers.Dense(5, dtype="float64")(latents)
        return layers.Dense(output_shape[0], activation=output_activation)(x)

def fit():
    params = {"epochs": 3, "batch_size": 20, "random_state": 0}
    return AutoencoderTransformer(4, network=Network(), **params).fit(X)

alone, ae = alone_and_on_two(fit)
pairs = zip(alone.weights_, ae.weights_, strict=True)
print(json.dumps({
    "apart": max(float(abs(a - b).max()) for a, b in pairs),
    "same": all((a == b).all() for a, b in zip(before, users.get_weights())),
    "frozen": all((a == b).all() for a, b in zip(before, ae.weights_[3:7])),
    "smallest": float(ae.weights_[7].min()),
}))
"""
)


@pytest.mark.scale
def test_on_several_devices_the_users_layers_mean_the_same():
    found = python(DISTRIBUTED, warnings="default")
    assert found["apart"] < 1e-4
    assert found["same"]
    assert found["frozen"]
    assert found["smallest"] >= 0


# ---------------------------------------------------------------- classes of the user's


def own_class():
    import keras

    class Scale(keras.layers.Layer):
        def __init__(self, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1],), initializer="ones")

        def call(self, x):
            return x * self.w * 2.0

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    return Scale


class Silent:
    """What no configuration can hold."""


def set_to_threes(layer):
    layer.build((None, 64))
    layer.set_weights([np.full(64, 3, np.float32)])
    return layer


@pickles_layers
@pytest.mark.parametrize("network_of", [holds, closes_over])
def test_layers_of_classes_that_keras_does_not_know_are_copied(network_of):
    layer = set_to_threes(own_class()(2.0))
    layer.trainable = False
    ae = transformer(network_of(layer)).fit(X)
    for again in (clone(ae).fit(X), copy.deepcopy(ae), copy.deepcopy(ae).fit(X)):
        assert_array_equal(again.transform(X), ae.transform(X))
    assert_array_equal(ae.weights_[0], layer.get_weights()[0])
    assert_array_equal(ae.encoder_.layers[1](X), layer(X))


@pickles_layers
def test_a_pickle_of_classes_that_keras_does_not_know_is_refused_in_words():
    ae = transformer(holds(set_to_threes(own_class()())))
    with pytest.raises(TypeError, match=r"Scale.*register_keras_serializable"):
        pickle.dumps(ae)
    with pytest.raises(TypeError, match=r"Scale.*register_keras_serializable"):
        pickle.dumps(ae.fit(X))


@pickles_layers
def test_a_pickle_of_registered_classes_is_read(monkeypatch):
    import keras

    cls = own_class()
    # As at the top of a module.
    cls.__qualname__ = cls.__name__
    monkeypatch.setitem(globals(), "Scale", cls)
    keras.saving.register_keras_serializable("test_pretrained")(cls)
    try:
        ae = transformer(holds(set_to_threes(cls()))).fit(X)
        read = pickle.loads(pickle.dumps(ae))
        assert_array_equal(read.transform(X), ae.transform(X))
        assert_array_equal(read.fit(X).transform(X), ae.transform(X))
    finally:
        keras.saving.get_custom_objects().pop("test_pretrained>Scale")


@pytest.mark.parametrize("network_of", [holds, closes_over])
def test_a_layer_that_does_not_say_what_it_is_made_of_is_refused_in_words(network_of):
    layer = set_to_threes(own_class()(Silent()))
    with pytest.raises(TypeError, match=r"skae trains a copy .*get_config.*Scale"):
        transformer(network_of(layer)).fit(X)
