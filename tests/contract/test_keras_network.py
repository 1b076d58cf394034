"""A network from the user's Keras models: trained as copies, and kept as asked."""

import copy
import hashlib
import json
import pickle
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from small import TWO_DEVICES, python

import skae
from skae import AutoencoderTransformer, KerasNetwork, Variational

# Nearly all of them trace networks of their own in TensorFlow.
pytestmark = [pytest.mark.long, pytest.mark.versions]

DIGITS = load_digits()
X = (DIGITS.data[:300] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)


def encoder_model(n_latent=5, n_features=64):
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((n_features,)),
            layers.Dense(24, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.1),
            layers.Dense(n_latent),
        ]
    )


def decoder_model(n_latent=5, n_features=64):
    from keras import Input, Model, layers

    latents = Input((n_latent,))
    x = layers.Dense(24, activation="relu")(latents)
    x = x + layers.Dense(24, activation="relu")(x)
    return Model(latents, layers.Dense(n_features, activation="sigmoid")(x))


def autoencoder(n_latent=5):
    """One model, of which a layer is called "latent"."""
    from keras import Input, Model, layers

    samples = Input((64,))
    x = layers.Dense(24, activation="relu")(samples)
    x = layers.Dense(n_latent, name="latent")(x)
    x = layers.Dense(24, activation="relu")(x)
    return Model(samples, layers.Dense(64, activation="sigmoid")(x))


def build_encoder(inputs, latent_dim, activation, width=24):
    """As a user writes it, for data of any shape."""
    from keras import layers

    x = layers.Flatten()(inputs) if len(inputs.shape) > 2 else inputs
    x = layers.Dense(width, activation=activation)(x)
    return layers.Dense(latent_dim)(x)


def build_decoder(latents, output_shape, output_activation):
    from keras import layers

    return [
        layers.Dense(24, activation="relu"),
        layers.Dense(int(np.prod(output_shape)), activation=output_activation),
    ]


def transformer(network, *latent_dim, **params):
    params = {"epochs": 2, "random_state": 0} | params
    return AutoencoderTransformer(*latent_dim, network=network, **params)


def arrays_of(*models):
    return [array for model in models for array in model.get_weights()]


def same(arrays, others):
    return [bool((a == b).all()) for a, b in zip(arrays, others, strict=True)]


def nodes_of(*models):
    return [len(layer._inbound_nodes) for model in models for layer in model.layers]


# -------------------------------------------------------------- the user's models


def named_models(name):
    """An encoder and a decoder, in either of which a layer has the name."""
    from keras import Input, Sequential, layers

    encoder = [Input((64,)), layers.Dense(8, name=name), layers.Dense(5)]
    decoder = [Input((5,)), layers.Dense(8, name=name), layers.Dense(64)]
    return Sequential(encoder), Sequential(decoder)


@pytest.mark.parametrize("name", ["samples", "latents", "encoder", "decoder"])
def test_layers_have_any_name_and_keep_it(name, tmp_path):
    """Also the names that skae gives to inputs and models."""
    import keras
    import tensorflow as tf

    params = {"epochs": 1, "callbacks": [keras.callbacks.TerminateOnNaN()]}
    ae = transformer(KerasNetwork(*named_models(name)), **params).fit(X)
    expected = transformer(KerasNetwork(*named_models("own")), **params).fit(X)
    assert_array_equal(ae.transform(X), expected.transform(X))
    assert ae.encoder_.get_layer(name).units == 8
    assert ae.decoder_.get_layer(name).units == 8
    for part, takes in [("encoder", X), ("decoder", ae.transform(X)), (None, X)]:
        path = tmp_path / str(part)
        ae.export(path, format="tf_saved_model", part=part or "autoencoder")
        signature = tf.saved_model.load(path).signatures["serve"]
        given = {("latents" if part == "decoder" else "samples"): takes}
        (outputs,) = signature(**given).values()
        assert len(outputs) == len(X)


@pytest.mark.parametrize("name", ["samples", "column_means", "values_and_known"])
def test_layers_have_any_name_where_values_are_missing(name, tmp_path):
    from keras import layers

    def encoder(x, latent_dim):
        return layers.Dense(latent_dim)(layers.Dense(8, name=name)(x))

    network = KerasNetwork(encoder, build_decoder)
    holes = np.where(X > 0.9, np.nan, X)
    ae = transformer(network, 5, missing="mask").fit(holes)
    assert ae.encoder_.get_layer(name).units == 8
    ae.export(tmp_path / "encoder", format="tf_saved_model")


def test_a_layer_called_as_one_of_skae_is_none_of_them(tmp_path):
    """It takes no missing values, and its export is not asked to."""
    ae = transformer(KerasNetwork(*named_models("column_means"))).fit(X)
    ae.export(tmp_path / "encoder", format="tf_saved_model")


@pytest.mark.parametrize("keep_weights", [False, True])
def test_models_are_trained_as_copies_and_stay_as_they_are(keep_weights):
    encoder, decoder = encoder_model(), decoder_model()
    before, nodes = arrays_of(encoder, decoder), nodes_of(encoder, decoder)
    network = KerasNetwork(encoder, decoder, keep_weights=keep_weights)
    ae = transformer(network).fit(X).partial_fit(X)
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]
    ae.encoder_.set_weights([w + 1 for w in ae.encoder_.get_weights()])
    assert all(same(before, arrays_of(encoder, decoder)))
    assert nodes_of(encoder, decoder) == nodes
    assert network.encoder is encoder
    assert network.decoder is decoder
    assert not encoder.compiled


def test_the_fitted_models_have_the_layers_of_the_users_models():
    import keras

    encoder, decoder = encoder_model(), decoder_model()
    ae = transformer(KerasNetwork(encoder, decoder)).fit(X)
    for users, mine in ((encoder, ae.encoder_), (decoder, ae.decoder_)):
        names = [layer.name for layer in users.layers if layer.weights]
        assert [layer.name for layer in mine.layers if layer.weights] == names
        # Its layers can be asked for their outputs, as those of any model.
        inner = keras.Model(mine.input, mine.get_layer(names[0]).output)
        assert inner.output_shape == (None, 24)
    assert_allclose(ae.encoder_.predict(X, verbose=0), ae.transform(X), atol=1e-5)
    assert ae.output_activation_ == "sigmoid"


def test_kept_weights_are_where_training_starts():
    encoder, decoder = encoder_model(), decoder_model()
    network = KerasNetwork(encoder, decoder, keep_weights=True)
    ae = transformer(network, learning_rate=1e-12, epochs=1).fit(X)
    trained = [*encoder.trainable_weights, *decoder.trainable_weights]
    mine = [*ae.encoder_.trainable_weights, *ae.decoder_.trainable_weights]
    for users, copied in zip(trained, mine, strict=True):
        assert_allclose(copied.numpy(), users.numpy(), atol=1e-6)
    fits = [ae, clone(ae).fit(X), copy.deepcopy(ae).fit(X), clone(ae).fit(X)]
    for again in fits[1:]:
        assert_array_equal(again.transform(X), ae.transform(X))
    # Without them, `random_state` says it.
    anew = [
        transformer(KerasNetwork(encoder, decoder), random_state=seed).fit(X)
        for seed in (0, 0, 1)
    ]
    assert all(same(anew[0].weights_, anew[1].weights_))
    assert (anew[0].weights_[0] != anew[2].weights_[0]).any()
    assert (anew[0].weights_[0] != ae.weights_[0]).any()


def test_from_the_same_weights_it_learns_what_keras_learns():
    """With the whole data in a batch, and so no order."""
    import keras

    model = autoencoder()
    network = KerasNetwork(model, latent_layer="latent", keep_weights=True)
    ae = transformer(
        network,
        epochs=20,
        batch_size=len(X),
        optimizer="sgd",
        learning_rate=0.5,
        early_stopping=False,
        arrange=None,
    ).fit(X)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    history = model.fit(X, X, epochs=20, batch_size=len(X), verbose=0)
    assert_allclose(ae.history_["loss"], history.history["loss"], rtol=1e-4)
    for mine, keras_own in zip(ae.weights_, model.get_weights(), strict=True):
        assert_allclose(mine, keras_own, atol=1e-4)


def test_a_model_that_was_trained_further_is_taken_as_it_is_now():
    encoder, decoder = encoder_model(), decoder_model()
    encoder.trainable = False
    network = KerasNetwork(encoder, decoder)
    first = transformer(network).fit(X)
    latents = first.transform(X)
    encoder.set_weights([w + 0.1 for w in encoder.get_weights()])
    second = transformer(network).fit(X)
    assert all(same(encoder.get_weights(), second.weights_[:8]))
    assert_array_equal(first.transform(X), latents)


# ------------------------------------------------------------------- frozen layers


@pytest.mark.parametrize("keep_weights", [False, True])
def test_frozen_layers_stay_frozen(keep_weights):
    encoder, decoder = encoder_model(), decoder_model()
    encoder.layers[0].trainable = False
    decoder.layers[-1].trainable = False
    frozen = arrays_of(encoder.layers[0], decoder.layers[-1])
    ae = transformer(KerasNetwork(encoder, decoder, keep_weights=keep_weights)).fit(X)
    for again in (ae, clone(ae).fit(X), pickle.loads(pickle.dumps(ae)).fit(X)):
        assert all(same(frozen, [*again.weights_[:2], *again.weights_[-2:]]))
        assert not again.encoder_.layers[1].trainable
        assert (again.weights_[6] != arrays_of(encoder)[6]).any()


def test_an_adapted_layer_keeps_what_it_was_adapted_to():
    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(X * 16)
    encoder = [normalization, keras.layers.Dense(5)]
    ae = transformer(KerasNetwork(encoder, [keras.layers.Dense(64)])).fit(X * 16)
    assert_allclose(ae.weights_[0], (X * 16).mean(axis=0), rtol=1e-5)
    found = pickle.loads(pickle.dumps(ae)).encoder_.layers[1](X * 16).numpy()
    assert_allclose(found.mean(axis=0), 0, atol=1e-3)


def test_an_encoder_of_another_fit_serves_a_second_one():
    """Transfer learning, from skae to skae."""
    first = AutoencoderTransformer(5, epochs=20, random_state=0).fit(X)
    encoder = first.encoder_
    encoder.trainable = False
    ae = transformer(KerasNetwork(encoder, decoder_model()), epochs=5).fit(X)
    assert_allclose(ae.transform(X), first.transform(X), atol=1e-5)
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]


def test_a_frozen_part_of_a_nested_model_stays_so():
    from keras import Input, Sequential, layers

    inner = Sequential([Input((64,)), layers.Dense(16), layers.Dense(12)])
    inner.layers[0].trainable = False
    encoder = Sequential([Input((64,)), inner, layers.Dense(5)])
    ae = transformer(KerasNetwork(encoder, decoder_model(), keep_weights=True)).fit(X)
    users, mine = inner.get_weights(), ae.weights_
    assert [bool((a == b).all()) for a, b in zip(users, mine[:4], strict=True)] == [
        *(True, True),
        *(False, False),
    ]


def test_a_layer_that_is_frozen_in_part_keeps_its_weights():
    """As LoRA leaves it: the kernel stays, and what is put beside it is trained."""
    encoder = encoder_model()
    encoder.layers[0].enable_lora(2)
    ae = transformer(KerasNetwork(encoder, decoder_model())).fit(X)
    layer = ae.encoder_.layers[1]
    assert_array_equal(layer.weights[0], encoder.layers[0].weights[0])
    assert [w.trainable for w in layer.weights] == [False, True, True, True]


# ------------------------------------------------------------- ways to give a network


@pytest.mark.parametrize("latent_layer", ["latent", 2, -3])
def test_one_model_is_cut_at_its_latent_layer(latent_layer):
    model = autoencoder()
    before = arrays_of(model)
    ae = transformer(KerasNetwork(model, latent_layer=latent_layer)).fit(X)
    assert ae.transform(X).shape == (300, 5)
    assert ae.encoder_.layers[-1].name == "latent"
    assert all(same(before, arrays_of(model)))
    again = pickle.loads(pickle.dumps(ae)).fit(X)
    assert_array_equal(again.transform(X), ae.transform(X))


def test_sequences_of_layers_have_the_shape_of_the_data():
    from keras import layers

    encoder = [layers.Conv2D(4, 3, strides=2), layers.Flatten(), layers.Dense(6)]
    decoder = (layers.Dense(32, "relu"), layers.Dense(64, "sigmoid"))
    ae = transformer(KerasNetwork(encoder, decoder)).fit(IMAGES)
    assert ae.transform(IMAGES).shape == (300, 6)
    assert ae.inverse_transform(ae.transform(IMAGES)).shape == (300, 8, 8)
    assert not encoder[0].built
    assert len(encoder[0]._inbound_nodes) == 0


def test_functions_are_given_what_they_ask_for():
    network = KerasNetwork(build_encoder, build_decoder)
    ae = transformer(network, 3, activation="relu").fit(IMAGES)
    assert ae.transform(IMAGES).shape == (300, 3)
    assert ae.encoder_.layers[-2].activation.__name__ == "relu"
    assert ae.output_activation_ == "sigmoid"
    assert ae.decoder_.layers[-2].activation.__name__ == "sigmoid"
    assert transformer(network, 4).fit(DIGITS.data).output_activation_ == "linear"


def test_a_function_may_do_without_the_tensor():
    network = KerasNetwork(
        lambda latent_dim, width=9: encoder_model(latent_dim), lambda: []
    )
    with pytest.raises(ValueError, match="decoder of KerasNetwork gives"):
        transformer(network, 3).fit(X)
    network.decoder = lambda: decoder_model(3)
    assert transformer(network, 3).fit(X).transform(X).shape == (300, 3)


def test_a_function_may_build_the_whole_autoencoder():
    from keras import layers

    def build(inputs, latent_dim, output_shape, output_activation):
        x = layers.Dense(latent_dim, name="latent")(inputs)
        return layers.Dense(output_shape[0], activation=output_activation)(x)

    ae = transformer(KerasNetwork(build, latent_layer="latent"), 3).fit(X)
    assert ae.transform(X).shape == (300, 3)
    assert ae.output_activation_ == "sigmoid"


def test_a_function_may_load_weights():
    users = encoder_model()

    def build(inputs):
        model = encoder_model()
        model.set_weights(users.get_weights())
        model.trainable = False
        return model

    ae = transformer(KerasNetwork(build, decoder_model())).fit(X)
    assert all(same(users.get_weights(), ae.weights_[:8]))
    assert [len(layer._inbound_nodes) for layer in ae.encoder_.layers[1:]] == [1] * 4


def test_a_function_may_give_a_model_that_was_there_before():
    users = encoder_model()
    before, nodes, calls = arrays_of(users), nodes_of(users), len(users._inbound_nodes)
    ae = transformer(KerasNetwork(lambda: users, decoder_model())).fit(X)
    assert all(same(before, arrays_of(users)))
    assert nodes_of(users) == nodes
    assert len(users._inbound_nodes) == calls
    assert (ae.weights_[0] != before[0]).any()


def test_samples_and_latents_have_the_shapes_that_models_take():
    """Flat rows for a convolutional model, and feature maps for latents."""
    from keras import Input, Sequential, layers

    encoder = Sequential([Input((8, 8, 1)), layers.Conv2D(3, 3, 2, "same")])
    decoder = Sequential(
        [Input((4, 4, 3)), layers.Conv2DTranspose(1, 3, 2, "same", activation="relu")]
    )
    network = KerasNetwork(encoder, decoder)
    for data in (X, IMAGES, IMAGES[..., None]):
        ae = transformer(network, epochs=1).fit(data)
        assert ae.transform(data).shape == (300, 48)
        assert ae.inverse_transform(ae.transform(data)).shape == data.shape
    everywhere = Sequential([Input((None, None, 1)), *encoder.layers])
    assert transformer(KerasNetwork(everywhere, decoder)).fit(IMAGES).n_iter_ == 2


def test_series_through_recurrent_layers():
    from keras import layers

    encoder = [layers.GRU(6), layers.Dense(4)]
    decoder = [
        layers.RepeatVector(8),
        layers.GRU(6, return_sequences=True),
        layers.TimeDistributed(layers.Dense(8)),
    ]
    ae = transformer(KerasNetwork(encoder, decoder)).fit(IMAGES)
    assert ae.transform(IMAGES).shape == (300, 4)
    again = transformer(KerasNetwork(encoder, decoder)).fit(IMAGES)
    assert all(same(ae.weights_, again.weights_))


def test_one_layer_in_encoder_and_decoder_stays_one():
    from keras import Input, Sequential, layers

    shared = layers.Dense(24, activation="relu")
    encoder = Sequential(
        [Input((64,)), layers.Dense(24), shared, layers.Dense(24, name="code")]
    )
    decoder = Sequential([Input((24,)), shared, layers.Dense(64)])
    for second in (decoder, [shared, layers.Dense(64)]):
        network = clone(KerasNetwork(encoder, second, keep_weights=True))
        ae = transformer(network, learning_rate=1e-12).fit(X)
        assert ae.encoder_.layers[2] is ae.decoder_.layers[1]
        assert_allclose(ae.weights_[2], shared.get_weights()[0], atol=1e-6)
        ae.encoder_.get_config()


def test_models_in_a_sequence_may_have_layers_of_one_name():
    from keras import Input, Sequential, layers

    def part(n, m, name):
        return Sequential([Input((n,)), layers.Dense(m, name="one")], name=name)

    encoder = [part(64, 16, "first"), layers.ReLU(), part(16, 5, "second")]
    before, nodes = arrays_of(encoder[0], encoder[2]), nodes_of(encoder[0], encoder[2])
    ae = transformer(KerasNetwork(encoder, decoder_model(), keep_weights=True)).fit(X)
    assert [len(layer.weights) for layer in ae.encoder_.layers[1:]] == [2, 0, 2]
    assert all(same(before, arrays_of(encoder[0], encoder[2])))
    assert nodes_of(encoder[0], encoder[2]) == nodes
    again = pickle.loads(pickle.dumps(ae)).fit(X)
    assert_array_equal(again.transform(X), ae.transform(X))


def test_a_compiled_model_is_taken_without_its_loss():
    model = autoencoder()
    model.compile("adam", lambda x, outputs: (x - outputs) ** 2)
    ae = transformer(KerasNetwork(model, latent_layer="latent")).fit(X)
    assert pickle.loads(pickle.dumps(ae)).transform(X).shape == (300, 5)
    assert model.compiled


def test_classes_of_the_users_own(monkeypatch):
    import keras

    class Halving(keras.Model):
        def __init__(self, n_latent=5, **kwargs):
            super().__init__(**kwargs)
            self.n_latent = n_latent
            self.dense = keras.layers.Dense(n_latent)

        def call(self, x):
            self.add_loss(keras.ops.mean(x))
            return self.dense(x) / 2

        def get_config(self):
            return {**super().get_config(), "n_latent": self.n_latent}

    encoder = Halving()
    network = KerasNetwork(encoder, decoder_model(), keep_weights=True)
    with pytest.raises(ValueError, match="no weights yet"):
        transformer(KerasNetwork(encoder, [Halving(64)], keep_weights=True)).fit(X)
    expected = encoder(X)
    ae = transformer(network, learning_rate=1e-12).fit(X)
    assert_allclose(ae.transform(X), expected, atol=1e-5)
    # What it adds to the loss counts.
    assert ae.history_["loss"][0] > X.mean()
    for again in (clone(ae).fit(X), copy.deepcopy(ae).fit(X)):
        assert_array_equal(again.transform(X), ae.transform(X))
    with pytest.raises(TypeError, match=r"Can't pickle layers of .*Halving"):
        pickle.dumps(network)
    # As at the top of a module.
    Halving.__qualname__ = "Halving"
    monkeypatch.setitem(globals(), "Halving", Halving)
    read = pickle.loads(pickle.dumps(network))
    assert_allclose(read.encoder(X), expected, atol=1e-6)


def test_penalties_of_layers_count():
    from keras import layers

    def loss(rate):
        encoder = [layers.Dense(5, kernel_regularizer="l2", activity_regularizer=None)]
        encoder += [layers.ActivityRegularization(l2=rate)]
        ae = transformer(KerasNetwork(encoder, [layers.Dense(64)]), epochs=1).fit(X)
        return ae.history_["loss"][0]

    assert loss(10.0) > loss(0.0) + 0.1


def test_an_objective_with_a_code_of_its_own_halves_what_the_encoder_gives():
    network = KerasNetwork(encoder_model(10), decoder_model())
    ae = transformer(network, objective=Variational()).fit(X)
    assert ae.transform(X).shape == (300, 5)
    network = KerasNetwork(build_encoder, build_decoder)
    ae = transformer(network, 4, objective=Variational()).fit(X)
    assert ae.transform(X).shape == (300, 4)


def test_missing_values_go_through_functions():
    data = X.copy()
    data[::7, 3] = np.nan
    network = KerasNetwork(build_encoder, build_decoder)
    ae = transformer(network, 4, missing="mask").fit(data)
    assert np.isfinite(ae.transform(data)).all()
    with pytest.raises(ValueError, match=r"64.*128.*missing='mask'.*twice as many"):
        transformer(KerasNetwork(encoder_model(), decoder_model()), missing="mask").fit(
            data
        )


# --------------------------------------------------------- search, pickle, and repr


def test_a_grid_of_networks():
    networks = [
        KerasNetwork(build_encoder, build_decoder),
        KerasNetwork(partial(build_encoder, width=8), build_decoder),
        KerasNetwork(encoder_model(), decoder_model(), keep_weights=True),
    ]
    search = GridSearchCV(transformer("dense"), {"network": networks}, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    grid = {"network__keep_weights": [False, True]}
    search = GridSearchCV(transformer(networks[2]), grid, cv=2).fit(X)
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    ae = transformer(networks[2]).set_params(network__encoder=encoder_model(7))
    ae.set_params(network__decoder=decoder_model(7))
    assert ae.fit_transform(X).shape == (300, 7)


def test_networks_of_other_weights_are_told_apart():
    """Also where all else is the same, as in copies of a model."""
    import keras

    encoder, decoder = encoder_model(), decoder_model()
    other = keras.models.clone_model(encoder)
    fits = [
        transformer(KerasNetwork(one, decoder, keep_weights=True)).fit(X)
        for one in (encoder, other, encoder)
    ]
    assert_array_equal(fits[0].transform(X), fits[2].transform(X))
    assert (fits[0].transform(X) != fits[1].transform(X)).any()


def test_copies_are_networks_of_models_again():
    network = KerasNetwork(encoder_model(), decoder_model(), keep_weights=True)
    network.encoder.layers[0].trainable = False
    for again in (clone(network), copy.deepcopy(network), copy.copy(network)):
        assert all(same(arrays_of(network.encoder), arrays_of(again.encoder)))
        assert not again.encoder.layers[0].trainable
        assert again.encoder.layers[1].trainable
        assert again.get_params()["keep_weights"] is True
    assert clone(network).encoder is not network.encoder
    read = pickle.loads(pickle.dumps(network))
    assert_array_equal(read.encoder(X), network.encoder(X))
    with pytest.raises(AttributeError, match="no attribute 'epochs'"):
        _ = read.epochs


def test_a_transformer_is_shown_in_some_lines():
    network = KerasNetwork(encoder_model(), decoder_model())
    ae = transformer(network).fit(X)
    assert len(repr(ae)) < 400
    assert "Sequential" in repr(network)
    assert "KerasNetwork" in ae._repr_html_()


def test_the_rest_of_the_transformer_works(tmp_path):
    """Streams and checkpoints, early stopping, warm starts, export."""
    encoder, decoder = encoder_model(), decoder_model()
    network = KerasNetwork(encoder, decoder, keep_weights=True)
    ae = transformer(network, early_stopping=True).fit(X)
    assert "val_loss" in ae.history_
    whole = transformer(network).fit(X)
    streamed = transformer(network).fit_dataset(X, checkpoint=tmp_path / "run")
    assert_array_equal(streamed.transform(X), whole.transform(X))
    finished = transformer(network).fit_dataset(X, checkpoint=tmp_path / "run")
    assert_array_equal(finished.transform(X), whole.transform(X))
    again = transformer(network, warm_start=True).fit(X)
    assert again.fit(X).history_["loss"][2] < whole.history_["loss"][0]
    whole.export(tmp_path / "model", format="tf_saved_model")


DISTRIBUTED = (
    TWO_DEVICES
    + """
from skae import KerasNetwork

layers = keras.layers
X = np.random.default_rng(0).random((60, 12), np.float32)
encoder = keras.Sequential(
    [keras.Input((12,)), layers.Dense(8, "relu", trainable=False), layers.Dense(4)]
)

def build_decoder(latents, output_shape):
    inputs = keras.Input(latents.shape[1:])
    x = layers.Dense(5)(inputs)
    x = layers.Concatenate()([layers.Dense(5)(x), x])
    return keras.Model(inputs, layers.Dense(output_shape[0])(x))

def fit():
    network = KerasNetwork(encoder, build_decoder, keep_weights=True)
    params = {"epochs": 3, "batch_size": 20, "random_state": 0, "arrange": None}
    return AutoencoderTransformer(network=network, **params).fit(X)

alone, ae = alone_and_on_two(fit)
pairs = zip(alone.weights_, ae.weights_, strict=True)
print(json.dumps({
    "apart": max(float(abs(a - b).max()) for a, b in pairs),
    "frozen": bool((encoder.get_weights()[0] == ae.weights_[0]).all()),
    "trained": bool((encoder.get_weights()[2] != ae.weights_[2]).any()),
}))
"""
)


@pytest.mark.scale
def test_on_several_devices_it_is_the_same():
    found = python(DISTRIBUTED, warnings="default")
    assert found["apart"] < 1e-4
    assert found["frozen"]
    assert found["trained"]


# ---------------------------------------------------------------------------- files


def normalizing():
    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(X)
    return KerasNetwork([normalization, keras.layers.Dense(5)], decoder_model())


@pytest.mark.parametrize(
    "make",
    [
        lambda: KerasNetwork(encoder_model(), decoder_model()),
        lambda: KerasNetwork(encoder_model(), decoder_model(), keep_weights=True),
        lambda: KerasNetwork(autoencoder(), latent_layer="latent", keep_weights=True),
        normalizing,
    ],
)
def test_layers_of_keras_are_saved_without_code(make, tmp_path):
    ae = transformer(make()).fit(X)
    ae.save(tmp_path / "ae.skae")
    again = skae.load(tmp_path / "ae.skae")
    assert_array_equal(again.transform(X), ae.transform(X))
    assert again.output_activation_ == "sigmoid"
    again.save(tmp_path / "again.skae")
    assert_array_equal(skae.load(tmp_path / "again.skae").transform(X), ae.transform(X))
    # What it starts from is in the file, too.
    assert_array_equal(again.fit(X).transform(X), ae.transform(X))
    assert type(again.network.decoder) is type(ae.network.decoder)


class Batches:
    """X in batches; reading it fails in a pass, if that is said."""

    def __init__(self, failing_pass=0):
        self.left = failing_pass

    def __iter__(self):
        self.left -= 1
        if self.left == 0:
            raise OSError("the disk is gone")
        return iter(np.array_split(X, 3))


@pytest.mark.parametrize("keep_weights", [False, True])
def test_a_checkpoint_is_read_as_a_file_is(keep_weights, tmp_path):
    """In the middle of a run, too; the run goes on from it as from any other."""
    path = tmp_path / "run.skae"
    encoder, decoder = encoder_model(), decoder_model()

    def fit(source, checkpoint=path):
        network = KerasNetwork(encoder, decoder, keep_weights=keep_weights)
        ae = transformer(network, epochs=4, early_stopping=True)
        return ae.fit_dataset(source, checkpoint=checkpoint, cache=False)

    # Read to count, to set rows aside, and for two epochs.
    with pytest.raises(RuntimeError, match="the disk is gone"):
        fit(Batches(failing_pass=5))
    begun = skae.load(path)
    assert begun.n_iter_ == 2
    assert begun.network.keep_weights == keep_weights
    assert begun.fit(X).n_iter_ == 4
    ae = fit(Batches())
    assert_array_equal(ae.transform(X), fit(Batches(), None).transform(X))
    assert_array_equal(skae.load(path).transform(X), ae.transform(X))


def test_a_checkpoint_with_what_only_code_says_tells_the_way_out(tmp_path):
    network = KerasNetwork(build_encoder, build_decoder)
    path = tmp_path / "run.skae"
    ae = transformer(network, 5).fit_dataset([X], checkpoint=path)
    with pytest.raises(skae.FileFormatError, match="`fit_dataset` with these objects"):
        skae.load(path)
    again = transformer(network, 5).fit_dataset([X], checkpoint=path)
    assert_array_equal(again.transform(X), ae.transform(X))


def scaling(x):
    return x * 2


def test_what_is_code_is_in_no_file(tmp_path):
    import keras

    @keras.saving.register_keras_serializable("test_keras_network")
    class Twice(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    keras.saving.register_keras_serializable("test_keras_network")(scaling)
    decoder = decoder_model()
    try:
        for network, name in (
            (KerasNetwork(build_encoder, build_decoder), "build_encoder"),
            (KerasNetwork([Twice(), keras.layers.Dense(5)], decoder), "Twice"),
            (
                KerasNetwork([keras.layers.Dense(5, activation=scaling)], decoder),
                "function",
            ),
        ):
            ae = transformer(network).fit(X)
            with pytest.raises(TypeError, match=rf"writes no code.*{name}"):
                ae.save(tmp_path / "ae.skae")
    finally:
        for name in ("Twice", "scaling"):
            keras.saving.get_custom_objects().pop(f"test_keras_network>{name}")


def told(path, change):
    """Give the bytes of a file whose content was changed, with the right digest."""
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    header, arrays = json.loads(data[8 : 8 + n]), data[8 + n :]
    content = json.loads(header["__metadata__"]["skae"])
    for held in (content["parameters"], content["fitted"]):
        change(held["network"]["keras"])
    text = json.dumps(content)
    digest = hashlib.sha256(text.encode())
    for name in sorted(set(header) - {"__metadata__"}):
        entry = header[name]
        dtype = {"F32": "<f4", "I64": "<i8"}[entry["dtype"]]
        digest.update(f"{name} {dtype} {tuple(entry['shape'])}".encode())
        digest.update(arrays[slice(*entry["data_offsets"])])
    header["__metadata__"] = {"skae": text, "digest": digest.hexdigest()}
    written = json.dumps(header).encode()
    return len(written).to_bytes(8, "little") + written + arrays


def first_layer(network):
    return network["configs"][0]["config"]["layers"][1]


LIES = {
    "a function": lambda n: first_layer(n)["config"].update(
        activation={
            "module": "builtins",
            "class_name": "function",
            "config": "get_file",
            "registered_name": "get_file",
        }
    ),
    "a layer with code": lambda n: first_layer(n).update(class_name="Lambda"),
    "a layer that reads files": lambda n: first_layer(n).update(
        class_name="TFSMLayer", config={"filepath": "model"}
    ),
    "a class of another module": lambda n: first_layer(n).update(
        module="os", class_name="system"
    ),
    "a registered class": lambda n: first_layer(n).update(registered_name="my>Layer"),
    "a class without its module": lambda n: first_layer(n).pop("module"),
    "a terabyte": lambda n: first_layer(n)["config"].update(units=2**38),
    "a layer less": lambda n: n["layers"][0].pop(),
    "arrays of another layer": lambda n: n["layers"][0].reverse(),
    "no configuration": lambda n: n.update(configs=[]),
    "a part that is not there": lambda n: n.update(decoder=7),
    "an array that is not there": lambda n: n["layers"][0][1].__setitem__(
        0, {"0": 99, "1": 0}
    ),
    "no arrays": lambda n: [one.__setitem__(0, None) for one in n["layers"][0]],
}


@pytest.fixture(scope="module")
def true_file(tmp_path_factory):
    """A file, saved once for all, that can be loaded. Do not write to it."""
    path = tmp_path_factory.mktemp("files") / "ae.skae"
    network = KerasNetwork(encoder_model(), decoder_model(), keep_weights=True)
    transformer(network, epochs=1).fit(X).save(path)
    told_path = path.with_name("told.skae")
    told_path.write_bytes(told(path, lambda n: None))
    skae.load(told_path)
    return path


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_file_that_lies_is_refused(lie, true_file, tmp_path):
    told_path = tmp_path / "bad.skae"
    told_path.write_bytes(told(true_file, lie))
    with pytest.raises(skae.FileFormatError, match=r"bad\.skae"):
        skae.load(told_path)


# -------------------------------------------------------------------------- errors


def test_what_a_finished_model_settles_can_not_be_chosen():
    encoder, decoder = encoder_model(), decoder_model()
    network = KerasNetwork(encoder, decoder)
    for name in ("activation", "latent_activation", "output_activation"):
        with pytest.raises(ValueError, match=rf"settles .*{name}='tanh'.*leave it"):
            transformer(network, **{name: "tanh"}).fit(X)
    with pytest.raises(ValueError, match=r"latent_dim=3 .*gives 5 values"):
        transformer(network, 3).fit(X)
    assert transformer(network, 5).fit(X).transform(X).shape == (300, 5)


def stateful():
    from keras import Input, Sequential, layers

    return Sequential([Input((8, 8), batch_size=4), layers.GRU(3, stateful=True)])


def two_outputs():
    from keras import Input, Model, layers

    samples = Input((64,))
    return Model(samples, [layers.Dense(5)(samples), layers.Dense(5)(samples)])


def skipping():
    from keras import Input, Model, layers

    samples = Input((64,))
    latents = layers.Dense(5, name="latent")(samples)
    return Model(samples, layers.Dense(64)(latents) + samples)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KerasNetwork(encoder_model()), "an encoder and a decoder, or one"),
        (
            lambda: KerasNetwork(
                encoder_model(), decoder_model(), latent_layer="latent"
            ),
            "an encoder and a decoder, or one",
        ),
        (
            lambda: KerasNetwork(encoder_model(n_features=60), decoder_model()),
            r"encoder .*takes inputs of shape \(60,\).*have shape \(64,\)",
        ),
        (
            lambda: KerasNetwork(encoder_model(), decoder_model(4)),
            r"decoder .*takes inputs of shape \(4,\).*latent vectors have shape \(5,\)",
        ),
        (
            lambda: KerasNetwork(encoder_model(), decoder_model(n_features=60)),
            r"decoder .*shape \(60,\).*samples have shape \(64,\)",
        ),
        (lambda: KerasNetwork(stateful(), decoder_model()), "is stateful"),
        (lambda: KerasNetwork(two_outputs(), decoder_model()), "one output"),
        (lambda: KerasNetwork(skipping(), latent_layer="latent"), "lead past it"),
        (lambda: KerasNetwork(autoencoder(), latent_layer="code"), "'code'; the 5"),
        (
            lambda: KerasNetwork(build_encoder, build_decoder, keep_weights="yes"),
            "'keep_weights' parameter of KerasNetwork",
        ),
        (
            lambda: KerasNetwork(
                lambda inputs: np.zeros(3), lambda latents: latents, keep_weights=True
            ),
            "builds the encoder of KerasNetwork a Keras tensor",
        ),
    ],
)
def test_networks_that_can_not_be_are_refused_in_words(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        transformer(make()).fit(X)


def test_functions_in_layers_are_told_of_the_way_out():
    from keras import layers

    doubling = layers.Lambda(lambda x: 2 * x)
    with pytest.raises(TypeError, match=r"lambda.*made where the network is built"):
        transformer(KerasNetwork([doubling, layers.Dense(5)], decoder_model())).fit(X)

    def build(inputs):
        return [layers.Lambda(lambda x: 2 * x), layers.Dense(5)]

    ae = transformer(KerasNetwork(build, decoder_model())).fit(X)
    assert ae.transform(X).shape == (300, 5)


def test_layers_without_weights_can_not_keep_them():
    from keras import layers

    network = KerasNetwork([layers.Dense(5)], [layers.Dense(64)], keep_weights=True)
    with pytest.raises(ValueError, match="no weights yet"):
        transformer(network).fit(X)


def test_layers_that_do_not_go_together_are_named():
    from keras import layers

    encoder = [layers.Dense(5), layers.LSTM(5)]
    network = KerasNetwork(encoder, [layers.Dense(64)])
    with pytest.raises(ValueError, match=r"'lstm.*' of the encoder .*\(None, 5\)"):
        transformer(network).fit(X)


@pytest.mark.parametrize("given", [3, "dense", [1, 2], AutoencoderTransformer])
def test_what_is_no_model_is_refused_in_words(given):
    with pytest.raises(TypeError, match="expects encoder to be a model of Keras 3"):
        transformer(KerasNetwork(given, decoder_model())).fit(X)


def test_a_model_by_itself_is_told_of_the_network():
    with pytest.raises(ValueError, match=r"KerasNetwork\(encoder, decoder\)"):
        transformer(encoder_model()).fit(X)
