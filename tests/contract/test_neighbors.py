"""Other people's Keras models in the same process: neither side disturbs the other."""

import json

import pytest
from small import python

CODE = """
import hashlib, json, sys
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from skae import (
    AutoencoderTransformer, ConvNetwork, DenseNetwork, KerasAutoencoderTransformer
)

X = (load_digits().data[:120] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)

def make(network=DenseNetwork((16,)), **params):
    return AutoencoderTransformer(3, network=network, epochs=2, **params)

OURS = {
    "dense": make(),
    "dense in TensorFlow": make(loss="mae"),
    "conv": make(ConvNetwork((4, 4))),
    "Keras": KerasAutoencoderTransformer(),
}

def digest(Z):
    assert np.isfinite(Z).all()
    return hashlib.sha256(Z.tobytes()).hexdigest()

def seeded():
    for name, ae in OURS.items():
        found = digest(clone(ae).set_params(random_state=0).fit_transform(IMAGES))
        assert bits.setdefault(name, found) == found, (name, order)

def unseeded():
    for ae in OURS.values():
        # It draws from NumPy's generator, which others may have seeded.
        digest(clone(ae).fit_transform(IMAGES))

def neighbors():
    import keras

    def train():
        keras.utils.set_random_seed(7)
        model = keras.Sequential(
            [keras.Input((64,)), keras.layers.Dense(8), keras.layers.Dense(64)]
        )
        model.compile("adam", "mse")
        model.fit(X, X, verbose=0)
        return model, digest(model.predict(X, verbose=0))

    model, found = train()
    assert theirs.setdefault("model", found) == found, order
    yield
    # What we did in between has changed nothing of the model, and of the next one.
    assert digest(model.predict(X, verbose=0)) == found, order
    assert train()[1] == found, order

bits, theirs = {}, {}
orders = json.loads(sys.argv[1])
for order in orders:
    left = None
    for who in order:
        if who == "n":
            left = neighbors()
            next(left)
        else:
            {"s": seeded, "u": unseeded}[who]()
    next(left, None)
print(json.dumps([bits, theirs]))
"""


@pytest.mark.long
def test_in_any_order_all_work_and_seeded_bits_do_not_move():
    # Who comes first, us or the neighbors, finds TensorFlow not yet started.
    orders = ["sun", "uns", "usn"], ["nsu", "nus", "snu"]
    ours, theirs = (
        python(CODE, json.dumps(some), warnings="default") for some in orders
    )
    assert len(ours[0]) == 4
    assert ours == theirs


CONFIGURED = """
import json, sys
import keras
import numpy as np
from sklearn.datasets import load_digits
from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
from skae._engines.tensorflow import program as _program

images = (load_digits().images[:120, :7] / 16).astype(np.float32)
networks = {
    "dense": dict(network=DenseNetwork((16,))),
    "dense in TensorFlow": dict(network=DenseNetwork((16,)), loss="mae"),
    "conv": dict(network=ConvNetwork((4, 4))),
}

def latents():
    _program._programs.clear()
    for params in networks.values():
        ae = AutoencoderTransformer(3, epochs=1, random_state=0, **params).fit(images)
        Z = ae.transform(images)
        theirs = np.asarray(ae.decoder_(ae.encoder_(images)))
        ours = ae.inverse_transform(Z)
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)
        yield Z

expected = list(latents())
config = keras.config
config.set_floatx("float16")
config.set_epsilon(1e-2)
config.set_image_data_format("channels_first")
config.set_dtype_policy("mixed_float16")
for found, wanted in zip(latents(), expected, strict=True):
    np.testing.assert_array_equal(found, wanted)
kept = (
    config.floatx(), config.epsilon(), config.image_data_format(),
    config.dtype_policy().name,
)
print(json.dumps(kept))
"""


@pytest.mark.long
@pytest.mark.versions
def test_keras_may_be_configured_in_any_way():
    config = python(CONFIGURED, warnings="default")
    assert config == ["float16", 1e-2, "channels_first", "mixed_float16"]
