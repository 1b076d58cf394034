"""Layers and optimizers of Keras, honoured whole."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from small import long

from skae import AutoencoderTransformer

X = (load_digits().data[:200] / 16).astype(np.float32)


class Network:
    """A layer, made by a function of Keras, in front of the latent one."""

    def __init__(self, make, last=None):
        self.make, self.last = make, last

    def build_encoder(self, inputs, *, latent_dim, activation, latent_activation):
        import keras

        x = self.make(keras)(inputs)
        return keras.layers.Dense(latent_dim, name="latent", dtype=self.last)(x)

    def build_decoder(self, latents, *, output_shape, activation, output_activation):
        import keras

        return keras.layers.Dense(output_shape[0], dtype=self.last)(latents)


def fitted(make, data=X, last=None, **params):
    params = {"epochs": 3, "random_state": 0, "learning_rate": 0.01} | params
    network = Network(make, last)
    return AutoencoderTransformer(3, network=network, **params).fit(data)


# -------------------------------------------------------------------------- constraints


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adamw"])
def test_constraints_hold_after_every_step(optimizer):
    def make(keras):
        class Norm(keras.constraints.Constraint):
            def __call__(self, w):
                return keras.constraints.UnitNorm(axis=0)(w + 1e-6)

        return keras.layers.Dense(
            8, kernel_constraint="non_neg", bias_constraint=Norm()
        )

    ae = fitted(make, optimizer=optimizer)
    assert ae.weights_[0].min() >= 0
    assert_allclose(np.linalg.norm(ae.weights_[1]), 1, rtol=1e-5)
    # Those without a constraint go where they like.
    assert ae.weights_[2].min() < 0


def test_a_constraint_of_a_layer_within_a_layer_holds():
    def make(keras):
        inner = keras.layers.Dense(8, kernel_constraint=keras.constraints.MaxNorm(0.5))
        return keras.Sequential([inner])

    norms = np.linalg.norm(fitted(make).weights_[0], axis=0)
    assert norms.max() <= 0.5 + 1e-5


# ------------------------------------------------------------------ dtypes of their own


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "mixed_float16"])
@pytest.mark.parametrize(
    "last", [None, long("float32"), long("float64"), long("mixed_float16")]
)
def test_layers_may_have_a_dtype_of_their_own(dtype, last):
    ae = fitted(lambda keras: keras.layers.Dense(8, dtype=dtype), last=last)
    own = dtype.removeprefix("mixed_") if "mixed" not in dtype else "float32"
    assert ae.weights_[0].dtype == own
    assert ae.transform(X).dtype == np.float32
    assert ae.inverse_transform(ae.transform(X)).dtype == np.float32
    # In half precision the averages of Adam vanish.
    assert dtype == "float16" or ae.history_["loss"][-1] < ae.history_["loss"][0]


def test_a_layer_of_float32_in_a_network_of_float64():
    data = X.astype(np.float64)
    ae = fitted(lambda keras: keras.layers.Dense(8, dtype="float32"), data)
    assert [w.dtype for w in ae.weights_[:3]] == ["float32", "float32", "float64"]
    assert ae.transform(data).dtype == np.float64


# ----------------------------------------------------------- weights without a gradient


def half_used(keras):
    class HalfUsed(keras.layers.Layer):
        def build(self, shape):
            self.used = self.add_weight(shape=(shape[-1], 8), name="used")
            self.unused = self.add_weight(shape=(4,), name="unused")

        def call(self, x):
            return x @ self.used

    return HalfUsed()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_weight_without_gradient_is_named_and_stays(optimizer):
    for _ in range(2):  # with a trace, and with the one at hand
        with pytest.warns(UserWarning, match=r"does not depend on .*unused.*trainable"):
            ae = fitted(half_used, optimizer=optimizer)
    with pytest.warns(UserWarning, match="unused"):
        start = fitted(half_used, learning_rate=1e-9, epochs=1, optimizer=optimizer)
    assert_array_equal(ae.weights_[1], start.weights_[1])
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_network_in_which_everything_is_frozen_stays_as_it_is(optimizer):
    class Frozen(Network):
        def build_encoder(self, inputs, *, latent_dim, **kwargs):
            import keras

            return keras.layers.Dense(latent_dim, trainable=False)(inputs)

        def build_decoder(self, latents, *, output_shape, **kwargs):
            import keras

            return keras.layers.Dense(output_shape[0], trainable=False)(latents)

    ae = AutoencoderTransformer(
        3, network=Frozen(None), epochs=2, random_state=0, optimizer=optimizer
    ).fit(X)
    assert ae.history_["loss"][0] == pytest.approx(ae.history_["loss"][1], rel=1e-6)


# --------------------------------------------------------------------------- optimizers


def plain(keras):
    return keras.layers.Dense(8, bias_initializer="ones")


@pytest.mark.parametrize("name", ["AdamW", "Lion", "SGD"])
def test_weights_excluded_from_weight_decay_are_not_decayed(name):
    import keras

    def bias(*names):
        optimizer = getattr(keras.optimizers, name)(1e-3, weight_decay=100.0)
        if names:
            optimizer.exclude_from_weight_decay(var_names=[*names])
        ae = fitted(plain, optimizer=optimizer, learning_rate="auto", epochs=20)
        return ae.weights_[1].mean(), abs(ae.weights_[0]).mean()

    (decayed, kernel), (kept, same) = bias(), bias("bias")
    assert kept > 2 * decayed
    assert kernel == pytest.approx(same, rel=0.5)
    assert bias("kernel")[0] == pytest.approx(decayed, rel=0.2)


def test_variables_excluded_from_weight_decay_are_refused_in_words():
    import keras

    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_list=[keras.Variable([1.0])])
    with pytest.raises(ValueError, match="var_names"):
        fitted(plain, optimizer=optimizer, learning_rate="auto")


@pytest.mark.parametrize("learning_rate", ["auto", "cosine", 0.01])
def test_an_optimizer_that_scales_the_loss_is_refused_in_words(learning_rate):
    import keras

    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    with pytest.raises(ValueError, match=r"LossScaleOptimizer.*inner_optimizer"):
        fitted(plain, optimizer=optimizer, learning_rate=learning_rate)
