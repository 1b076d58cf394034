"""Dense, convolutional and the user's own networks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from small import long

import skae
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork

X = (load_digits().data[:100] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)


def fitted(network, data, **params):
    params = {"latent_dim": 3, "epochs": 1, "random_state": 0} | params
    return AutoencoderTransformer(network=network, **params).fit(data)


def n_parameters(ae):
    return ae.encoder_.count_params() + ae.decoder_.count_params()


def outputs(model):
    return [tuple(layer.output.shape[1:]) for layer in model.layers]


def noise(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


# ------------------------------------------------------------------ the chapter's two


def test_parameters_of_the_chapters_dense_network():
    network = DenseNetwork((784,), decoder_layer_sizes=())
    ae = fitted(network, noise(2, 784), latent_dim=64, activation="relu")
    assert n_parameters(ae) == 716_640 == sum(weight.size for weight in ae.weights_)
    assert outputs(ae.encoder_) == [(784,), (784,), (64,)]
    assert outputs(ae.decoder_) == [(64,), (784,)]


def test_parameters_of_the_chapters_convolutional_network():
    network = ConvNetwork(filters=(32, 64), kernel_size=2, strides=2)
    ae = fitted(network, noise(2, 28, 28), latent_dim=64)
    assert n_parameters(ae) == 421_377 == sum(weight.size for weight in ae.weights_)
    assert (14, 14, 32) in outputs(ae.encoder_)
    assert (7, 7, 64) in outputs(ae.encoder_)
    assert (7, 7, 64) in outputs(ae.decoder_)
    assert (14, 14, 32) in outputs(ae.decoder_)
    assert ae.decoder_.layers[-1].output.shape[1:] == (28, 28)
    activations = [
        layer.activation.__name__
        for model in (ae.encoder_, ae.decoder_)
        for layer in model.layers
        if hasattr(layer, "activation")
    ]
    assert activations == ["elu", "elu", "linear", "elu", "elu", "sigmoid"]


# ------------------------------------------------------------------------ dense


def test_the_decoder_mirrors_the_encoder():
    assert DenseNetwork((32, 16)).layer_sizes(64, 2) == ((32, 16, 2), (16, 32, 64))
    assert DenseNetwork((32,), decoder_layer_sizes=(5, 6)).layer_sizes(9, 2) == (
        (32, 2),
        (5, 6, 9),
    )
    assert DenseNetwork(()).layer_sizes(9, 2) == ((2,), (9,))


@pytest.mark.parametrize("sizes", [(16, 8), [16, 8], np.array([16, 8])], ids=repr)
def test_sizes_in_any_sequence(sizes):
    ae = fitted(DenseNetwork(sizes), X)
    assert outputs(ae.encoder_) == [(64,), (16,), (8,), (3,)]
    assert_array_equal(ae.transform(X), fitted(DenseNetwork((16, 8)), X).transform(X))


@pytest.mark.parametrize(
    ("n_features", "hidden"),
    [
        (1, (32, 32)),
        (10, (40, 40)),
        (64, (128, 128)),
        (255, (128, 128)),
        (256, (256, 128, 512)),
        (784, (256, 128, 512)),
    ],
)
def test_auto_sizes_are_the_documented_ones(n_features, hidden):
    encoder, decoder = DenseNetwork().layer_sizes(n_features, 2)
    assert encoder == (*hidden, 2)
    assert decoder == (*hidden[::-1], n_features)


def test_images_are_flat_to_a_dense_network():
    flat, images = (fitted(DenseNetwork((16,)), data) for data in (X, IMAGES))
    latents = flat.transform(X)
    assert_array_equal(latents, images.transform(IMAGES))
    assert_array_equal(
        flat.inverse_transform(latents).reshape(-1, 8, 8),
        images.inverse_transform(latents),
    )


# ----------------------------------------------------------------- convolutional

SHAPES = [(27, 31, 3), (27, 31), (1, 7), (3, 1, 2), (1, 1), (5, 7, 3, 2)]
SIZES = [{"kernel_size": 2, "strides": 2}, long({"kernel_size": 3, "strides": 3})]


@pytest.mark.filterwarnings("ignore:latent_dim=3 is at least:UserWarning")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("params", SIZES, ids=str)
def test_images_come_back_in_their_size(shape, params):
    data = noise(6, *shape)
    ae = fitted(ConvNetwork((2, 3), **params), data)
    assert ae.transform(data).shape == (6, 3)
    back = ae.inverse_transform(ae.transform(data))
    assert back.shape == data.shape
    assert np.isfinite(back).all()
    assert ae.decoder_.output_shape == (None, *shape)


def test_odd_images_are_learned_at_every_edge():
    ramp = np.linspace(0.2, 0.8, 7)[:, np.newaxis] * np.linspace(0.2, 0.8, 5)
    images = ramp + 0.3 * noise(60, 1, 1)
    ae = fitted(ConvNetwork((8,)), images, epochs=300, learning_rate=0.01)
    errors = ((ae.inverse_transform(ae.transform(images)) - images) ** 2).mean(axis=0)
    assert errors.shape == (7, 5)
    assert errors.max() < 0.3 * images.var(axis=0).min()


def test_a_square_is_read_from_flat_samples():
    flat, images = (fitted(ConvNetwork((4,)), data) for data in (X, IMAGES))
    assert outputs(flat.encoder_)[1] == (8, 8, 1)
    assert_array_equal(flat.transform(X), images.transform(IMAGES))
    assert flat.inverse_transform(flat.transform(X)).shape == X.shape


def test_other_flat_samples_are_signals():
    ae = fitted(ConvNetwork((4, 6)), X[:, :60])
    assert outputs(ae.encoder_)[1:4] == [(60, 1), (30, 4), (15, 6)]
    assert ae.inverse_transform(ae.transform(X[:, :60])).shape == (100, 60)
    odd = fitted(ConvNetwork((4, 6)), X[:, :13])
    assert odd.inverse_transform(odd.transform(X[:, :13])).shape == (100, 13)


@pytest.mark.parametrize("image_shape", [(4, 16), [4, 16], (4, 16, 1)])
def test_image_shape_of_flat_samples(image_shape):
    ae = fitted(ConvNetwork((4,), image_shape=image_shape), X)
    images = fitted(ConvNetwork((4,)), X.reshape(-1, 4, 16))
    assert_array_equal(ae.transform(X), images.transform(X.reshape(-1, 4, 16)))
    assert ae.inverse_transform(ae.transform(X)).shape == (100, 64)


def test_image_shape_with_channels():
    ae = fitted(ConvNetwork((4,), image_shape=(4, 4, 4)), X)
    assert outputs(ae.encoder_)[1:3] == [(4, 4, 4), (2, 2, 4)]


def test_image_shape_may_agree_with_the_images():
    ae = fitted(ConvNetwork((4,), image_shape=(8, 8)), IMAGES)
    plain = fitted(ConvNetwork((4,)), IMAGES)
    assert_array_equal(ae.transform(IMAGES), plain.transform(IMAGES))


def test_names_stand_for_the_default_networks():
    for name, network in {"dense": DenseNetwork(), "conv": ConvNetwork()}.items():
        by_name, by_object = fitted(name, IMAGES), fitted(network, IMAGES)
        assert_array_equal(by_name.transform(IMAGES), by_object.transform(IMAGES))


# -------------------------------------------------------------- networks as parameters


@pytest.mark.parametrize(
    "network",
    [
        DenseNetwork((5,), decoder_layer_sizes=(6,)),
        ConvNetwork((5,), kernel_size=2, strides=3, hidden_layer_sizes=(8, 8)),
    ],
)
def test_networks_are_parameter_objects(network):
    copied = clone(network)
    assert copied is not network
    assert copied.get_params() == network.get_params()
    assert repr(copied) == repr(network)
    ae = AutoencoderTransformer(network=network)
    for name, value in network.get_params().items():
        assert ae.get_params()[f"network__{name}"] == value


def test_nested_parameters_are_set():
    ae = AutoencoderTransformer(network=DenseNetwork(), epochs=1)
    ae.set_params(network__hidden_layer_sizes=(5,)).fit(X)
    assert outputs(ae.encoder_)[1] == (5,)


def test_a_grid_of_networks():
    networks = [DenseNetwork((1,)), DenseNetwork((32,)), ConvNetwork((4,))]
    search = GridSearchCV(
        AutoencoderTransformer(8, epochs=25, learning_rate=0.01, random_state=0),
        {"network": networks},
        cv=2,
        error_score="raise",
    ).fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_["network"] is not networks[0]
    assert scores[0] == scores.min()
    assert len(set(scores)) == 3


# -------------------------------------------------------------- the user's own networks


class ResidualNetwork(BaseEstimator):
    """Residual blocks with batch normalisation and dropout."""

    def __init__(self, width=16, rate=0.3):
        self.width = width
        self.rate = rate

    def _block(self, x, activation):
        from keras import layers

        h = layers.BatchNormalization()(x)
        h = layers.Dense(self.width, activation=activation)(h)
        return x + layers.Dropout(self.rate)(h)

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        from keras import layers

        x = self._block(layers.Dense(self.width)(inputs), activation)
        return layers.Dense(latent_dim, activation=latent_activation)(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        from keras import layers

        x = self._block(layers.Dense(self.width)(latents), activation)
        return layers.Dense(output_shape[0], activation=output_activation)(x)


class Plain:
    """The least that will do: no base class, no parameters."""

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        import keras

        x = keras.layers.Flatten()(inputs)
        return keras.layers.Dense(latent_dim, activation=latent_activation)(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        import keras

        x = keras.layers.Dense(int(np.prod(output_shape)), activation=output_activation)
        return keras.layers.Reshape(output_shape)(x(latents))


class Sparse(Plain):
    """A penalty on the latents, which Keras adds to the loss."""

    def __init__(self, strength):
        self.strength = strength

    def build_encoder(self, inputs, **kwargs):
        import keras

        latents = super().build_encoder(inputs, **kwargs)
        return keras.layers.ActivityRegularization(l1=self.strength)(latents)


def test_a_network_with_residual_blocks_learns():
    params = {"learning_rate": 0.01, "batch_size": 20}
    ae = fitted(ResidualNetwork(), X, epochs=20, **params)
    assert ae.history_["loss"][0] > 2 * ae.history_["loss"][-1]
    assert -ae.score(X) < X.var(axis=0).mean()
    again = fitted(ResidualNetwork(), X, epochs=20, **params)
    assert_array_equal(ae.transform(X), again.transform(X))
    other = fitted(ResidualNetwork(), X, epochs=20, random_state=1, **params)
    assert (ae.transform(X) != other.transform(X)).any()


def test_dropout_is_for_training_only():
    ae = fitted(ResidualNetwork(rate=0.5), X, epochs=2)
    latents = ae.transform(X)
    assert_array_equal(latents, ae.transform(X))
    assert_array_equal(latents[:7], ae.transform(X)[:7])
    assert_allclose(ae.encoder_.predict(X, verbose=0), latents, atol=1e-5)
    without = fitted(ResidualNetwork(rate=0.0), X, epochs=2)
    assert abs(without.transform(X) - latents).max() > 1e-4


def test_dropout_draws_from_the_seed():
    fits = [fitted(ResidualNetwork(rate=0.5), X, epochs=2) for _ in range(2)]
    assert_array_equal(*(ae.transform(X) for ae in fits))


def test_batch_statistics_are_learned_and_kept():
    ae = fitted(ResidualNetwork(), X, epochs=5)
    moving = [w for w in ae.encoder_.weights if "moving_mean" in w.path]
    assert len(moving) == 1
    assert abs(moving[0].numpy()).max() > 0
    mean = ae.weights_[[w.path for w in ae.encoder_.weights].index(moving[0].path)]
    assert_array_equal(mean, moving[0].numpy())
    # A row alone is normalised by the statistics of the training, not by its own.
    assert_allclose(ae.transform(X[:1]), ae.transform(X)[:1], atol=1e-5)


@pytest.mark.parametrize("shape", [(64,), (8, 8)])
def test_a_network_of_no_class_of_ours(shape):
    data = X.reshape(-1, *shape)
    ae = fitted(Plain(), data, epochs=20, learning_rate=0.01)
    assert ae.inverse_transform(ae.transform(data)).shape == data.shape
    assert ae.history_["loss"][0] > 1.5 * ae.history_["loss"][-1]


def test_penalties_of_layers_count():
    loose, tight = (
        fitted(Sparse(strength), X, epochs=30, learning_rate=0.01)
        for strength in (0.0, 1.0)
    )
    assert abs(tight.transform(X)).mean() < 0.2 * abs(loose.transform(X)).mean()


def test_a_grid_over_the_users_parameters():
    ae = AutoencoderTransformer(3, network=ResidualNetwork(), epochs=20, random_state=0)
    ae.set_params(learning_rate=0.01, batch_size=20)
    search = GridSearchCV(ae, {"network__width": [1, 32]}, cv=2, error_score="raise")
    assert search.fit(X).best_params_ == {"network__width": 32}


class Layers(Plain):
    """An encoder of any layers, behind which all is flat."""

    def __init__(self, make, shape):
        self.make, self.shape = make, shape

    def build_encoder(self, inputs, **kwargs):
        import keras

        x = keras.layers.Reshape(self.shape)(inputs)
        for layer in self.make(keras):
            x = layer(x)
        return super().build_encoder(x, **kwargs)


def own_layer(keras):
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(shape=shape[1:], initializer="normal")
            self.v = self.add_weight(
                shape=shape[1:],
                initializer=lambda shape, dtype=None: keras.ops.ones(shape, dtype) / 2,
            )

        def call(self, x):
            return x * self.factor + self.v

    return [Own()]


# Of some, what draws a weight stands nowhere in the layer.
ANY_LAYERS = {
    "LSTM": (lambda k: [k.layers.LSTM(4)], (8, 8)),
    # The biases are drawn by a function that calls an initializer.
    "LSTM of random biases": (
        lambda k: [k.layers.LSTM(4, bias_initializer="random_normal")],
        (8, 8),
    ),
    "GRU": (lambda k: [k.layers.GRU(4)], (8, 8)),
    "Bidirectional": (lambda k: [k.layers.Bidirectional(k.layers.LSTM(3))], (8, 8)),
    "RNN": (
        lambda k: [k.layers.RNN([k.layers.SimpleRNNCell(4), k.layers.GRUCell(3)])],
        (8, 8),
    ),
    "ConvLSTM1D": (lambda k: [k.layers.ConvLSTM1D(2, 2)], (4, 4, 4)),
    "SeparableConv2D": (lambda k: [k.layers.SeparableConv2D(3, 2)], (8, 8, 1)),
    "DepthwiseConv2D": (lambda k: [k.layers.DepthwiseConv2D(2)], (8, 8, 1)),
    "SpectralNormalization": (
        lambda k: [k.layers.SpectralNormalization(k.layers.Dense(5))],
        (64,),
    ),
    "EinsumDense": (lambda k: [k.layers.EinsumDense("ab,bc->ac", 5)], (64,)),
    "PReLU": (lambda k: [k.layers.PReLU(alpha_initializer="normal")], (64,)),
    "own": (own_layer, (64,)),
}


SLOWLY_TRACED = {"LSTM of random biases", "GRU", "Bidirectional", "RNN", "ConvLSTM1D"}


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize(
    "name", [long(name) if name in SLOWLY_TRACED else name for name in ANY_LAYERS]
)
def test_layers_of_all_kinds_are_drawn_from_the_random_state(name):
    def fit(seed, **params):
        params = {"random_state": seed, "epochs": 2} | params
        return fitted(Layers(*ANY_LAYERS[name]), X, **params)

    first, again, other = fit(0), fit(0), fit(1)
    latents = first.transform(X)
    assert_array_equal(latents, again.transform(X))
    assert (latents != other.transform(X)).any()
    assert_allclose(first.encoder_.predict(X, verbose=0), latents, atol=1e-5)
    if name == "LSTM of random biases":
        starts = [fit(seed, epochs=1, learning_rate=1e-9) for seed in (0, 0, 1)]
        biases = [ae.weights_[2] for ae in starts]
        assert_allclose(biases[0], biases[1], atol=1e-7)
        assert abs(biases[0] - biases[2]).max() > 1e-3
    for mine, theirs in zip(first.weights_, other.weights_, strict=True):
        # But for what was never drawn.
        assert mine.size == 1 or (mine != theirs).any()


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.filterwarnings("ignore:The latent vector is the same")
def test_a_network_of_keras_applications_is_trained():
    def make(keras):
        return [
            keras.applications.MobileNetV2(
                input_shape=(32, 32, 3), alpha=0.35, weights=None, include_top=False
            )
        ]

    data = noise(8, 32 * 32 * 3)
    ae = fitted(Layers(make, (32, 32, 3)), data)
    assert len(ae.weights_) > 250
    assert np.isfinite(ae.history_["loss"]).all()


# ------------------------------------------------------------------- signals or images


def layers_of(network, shape):
    X = np.random.RandomState(0).rand(20, *shape).astype("f4")
    ae = AutoencoderTransformer(2, network=network, epochs=1, random_state=0).fit(X)
    assert ae.inverse_transform(ae.transform(X)).shape == X.shape
    kinds = {type(layer).__name__ for layer in ae.encoder_.layers}
    first = next(w for w in ae.weights_ if w.ndim > 2)
    return kinds, first.shape


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize(
    ("params", "shape", "kind", "kernel"),
    [
        ({}, (64,), "Conv2D", (3, 3, 1, 4)),
        ({"axes": 2}, (64,), "Conv2D", (3, 3, 1, 4)),
        ({"axes": 1}, (64,), "Conv1D", (3, 1, 4)),
        ({}, (50,), "Conv1D", (3, 1, 4)),
        ({}, (16, 6), "Conv2D", (3, 3, 1, 4)),
        ({"axes": 1}, (16, 6), "Conv1D", (3, 6, 4)),
        ({"axes": 1}, (15, 6), "Conv1D", (3, 6, 4)),
        ({"image_shape": (3, 8, 8)}, (3, 8, 8), "Conv2D", (3, 3, 8, 4)),
        ({"axes": 1}, (784,), "Conv1D", (3, 1, 4)),
        ({"axes": 1, "image_shape": (16, 6)}, (96,), "Conv1D", (3, 6, 4)),
        ({}, (5, 6, 7, 2), "Conv3D", (3, 3, 3, 2, 4)),
        ({"axes": 3}, (5, 6, 7), "Conv3D", (3, 3, 3, 1, 4)),
        ({"axes": 3}, (5, 6, 7, 2), "Conv3D", (3, 3, 3, 2, 4)),
        ({"axes": 3, "image_shape": (4, 4, 4)}, (64,), "Conv3D", (3, 3, 3, 1, 4)),
        ({"image_shape": (4, 4, 2, 2)}, (64,), "Conv3D", (3, 3, 3, 2, 4)),
    ],
)
def test_axes_say_what_is_convolved(params, shape, kind, kernel):
    kinds, first = layers_of(ConvNetwork((4,), **params), shape)
    assert kind in kinds
    assert first == kernel


@pytest.mark.parametrize(
    ("params", "shape", "words"),
    [
        ({}, (3, 8, 8), r"channels, height, width.*moveaxis.*image_shape=\(3, 8, 8\)"),
        ({}, (1, 28, 28), "channels, height, width.*moveaxis"),
        ({"axes": 1}, (8, 8, 3), r"axes=1.*signals.*\(8, 8, 3\).*number of axes"),
        ({"axes": 1}, (1, 64), "channels, steps.*moveaxis"),
        ({"axes": 1, "image_shape": (8, 9)}, (64,), r"steps, channels\).*64 features"),
        ({"axes": 3}, (8, 8), "axes=3.*volumes.*number of axes"),
        ({"axes": 2}, (8, 8, 8, 1), "axes=2.*images.*number of axes"),
        ({"axes": 3}, (64,), r"axes=3.*image_shape=\(depth, height, width\)"),
        ({"axes": 3, "image_shape": (8, 8)}, (64,), "depth, height, width, channels"),
        ({}, (1, 8, 8, 8), "channels, depth, height, width.*moveaxis"),
        ({"axes": 2}, (50,), "axes=2.*no square image.*image_shape"),
        ({"axes": 4}, (50,), "'axes' parameter of ConvNetwork"),
        ({"image_shape": (64,)}, (64,), "for a signal say axes=1"),
    ],
)
def test_axes_that_do_not_fit_are_refused(params, shape, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        layers_of(ConvNetwork((4,), **params), shape)


AXES = pytest.mark.parametrize(
    ("axes", "shape"), [(1, (16, 6)), (3, (5, 6, 7)), (3, (5, 6, 7, 2))]
)


@AXES
def test_axes_are_saved(axes, shape, tmp_path):
    data = noise(20, *shape)
    ae = fitted(ConvNetwork((4,), axes=axes), data)
    ae.save(tmp_path / "ae.skae")
    again = skae.load(tmp_path / "ae.skae")
    assert again.network.axes == axes
    assert again.sample_shape_ == shape
    assert_array_equal(again.transform(data), ae.transform(data))


@pytest.mark.long
@pytest.mark.versions
@AXES
def test_signals_and_volumes_have_missing_values(axes, shape, tmp_path):
    data = noise(20, *shape)
    data[::2, 1] = np.nan
    ae = fitted(ConvNetwork((4,), axes=axes), data, missing="mask", arrange=None)
    assert np.isfinite(ae.transform(data)).all()
    assert ae.inverse_transform(ae.transform(data)).shape == data.shape
    ae.save(tmp_path / "ae.skae")
    assert skae.load(tmp_path / "ae.skae").score(data) == ae.score(data)


@pytest.mark.long
@pytest.mark.versions
def test_volumes_are_learned_at_every_face():
    ramps = [np.linspace(0.2, 0.8, n) for n in (5, 3, 4)]
    ramp = np.einsum("i,j,k->ijk", *ramps)
    volumes = ramp + 0.3 * noise(60, 1, 1, 1)
    network = ConvNetwork((8,), axes=3)
    ae = fitted(network, volumes, epochs=100, learning_rate=0.02)
    errors = ((ae.inverse_transform(ae.transform(volumes)) - volumes) ** 2).mean(axis=0)
    assert errors.shape == (5, 3, 4)
    assert errors.max() < 0.3 * volumes.var(axis=0).min()
