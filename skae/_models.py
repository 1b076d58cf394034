"""From the user's words to Keras objects: models, initial weights, losses.

TensorFlow and Keras are imported only when one of them is made.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np


class Spec(NamedTuple):
    """Everything that decides what a program computes."""

    network: Any
    sample_shape: tuple[int, ...]
    latent_dim: int
    activation: Any
    latent_activation: Any
    output_activation: Any
    loss: Any
    optimizer: Any
    dtype: str


def fingerprint(value: Any) -> Any:
    """Give something hashable that is equal for objects that compute the same."""
    if value is None or isinstance(value, (str, bytes, bool, int, float, type)):
        return value
    if isinstance(value, (tuple, list)):
        return (type(value).__name__, *map(fingerprint, value))
    if isinstance(value, dict):
        return tuple(sorted((str(k), fingerprint(v)) for k, v in value.items()))
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        return array.dtype.str, array.shape, array.tobytes()
    if hasattr(value, "get_params"):
        return type(value), fingerprint(value.get_params(deep=False))
    if hasattr(value, "get_config"):
        import keras

        # Keras' own Huber, and many a user's loss, leave parameters out of it.
        is_loss = isinstance(value, keras.losses.Loss)
        return type(value), fingerprint(vars(value) if is_loss else value.get_config())
    if callable(value) or not hasattr(value, "__dict__"):
        return value  # a function stands for itself
    return type(value), fingerprint(vars(value))


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let Ctrl-C strike after a block of at most a second or two, not within it.

    Keras keeps what it is about in variables of the thread while it builds and traces,
    and would be left believing that it still is.
    """
    struck = []
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, lambda *args: struck.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if struck:
            raise KeyboardInterrupt


@ctrl_c_waits()
def build_models(spec: Spec) -> tuple[Any, Any]:
    """Build the encoder and the decoder as plain Keras models."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "skae needs Keras' TensorFlow backend; Keras runs on "
            f"{keras.backend.backend()!r}. Set the environment variable "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    # Keras draws default seeds from Python's global generator. Every weight is
    # drawn anew from `random_state`, so the user's generator is left as it was.
    # The policy is Keras' own and belongs to this thread.
    for kind in ("activation", "latent_activation", "output_activation"):
        resolve(kind, getattr(spec, kind))
    python_state, policy = random.getstate(), keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(spec.dtype)
        inputs = keras.Input(spec.sample_shape, dtype=spec.dtype, name="samples")
        latents = spec.network.build_encoder(
            inputs,
            latent_dim=spec.latent_dim,
            activation=spec.activation,
            latent_activation=spec.latent_activation,
        )
        _check_built(latents, "build_encoder", (spec.latent_dim,))
        encoder = keras.Model(inputs, latents, name="encoder")
        codes = keras.Input((spec.latent_dim,), dtype=spec.dtype, name="latents")
        outputs = spec.network.build_decoder(
            codes,
            output_shape=spec.sample_shape,
            activation=spec.activation,
            output_activation=spec.output_activation,
        )
        _check_built(outputs, "build_decoder", spec.sample_shape)
        decoder = keras.Model(codes, outputs, name="decoder")
    finally:
        keras.config.set_dtype_policy(policy)
        random.setstate(python_state)
    return encoder, decoder


def _check_built(tensor: Any, method: str, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape[1:]) != tuple(shape):
        raise ValueError(
            f"`{method}` of the network must give a Keras tensor of shape (None, "
            f"{', '.join(map(str, shape))}), got {tuple(tensor.shape)}."
        )


def join_models(encoder: Any, decoder: Any) -> Any:
    """Join encoder and decoder to the model that a Keras callback sees."""
    import keras

    return keras.Model(encoder.input, decoder(encoder.output), name="autoencoder")


def find_initializers(model: Any) -> list:
    """Find the initializer of each weight of a Keras model.

    Keras layers keep it as an attribute, `kernel_initializer` for `kernel`; the
    variable itself forgets it. A weight without one must start from a constant.
    """
    import keras

    found: dict[int, Any] = {}
    # The public `layers` of a model leaves out the layers inside of layers.
    for layer in model._flatten_layers(include_self=False):
        for name, value in vars(layer).items():
            initializer = getattr(layer, f"{name.lstrip('_')}_initializer", None)
            if isinstance(value, keras.Variable) and initializer is not None:
                found[id(value)] = keras.initializers.get(initializer)
    for weight in model.weights:
        if id(weight) in found:
            continue
        value = weight.numpy()
        if value.size and (value != value.flat[0]).any():
            raise ValueError(
                f"The weight {weight.path!r} of the network starts from random values, "
                "but its layer does not say how they are drawn. Expected an attribute "
                f"`{weight.name}_initializer` beside the attribute `{weight.name}`, as "
                "in Keras' own layers, so that `random_state` can draw them anew."
            )
        found[id(weight)] = keras.initializers.Constant(value.flat[0])
    return [found[id(weight)] for weight in model.weights]


def draw(
    initializer: Any, random_state: np.random.RandomState, variable: Any
) -> np.ndarray:
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    if "seed" in config:
        seed = int(random_state.randint(np.iinfo(np.int32).max))
        initializer = type(initializer).from_config({**config, "seed": seed})
    value = initializer(tuple(variable.shape), dtype=variable.dtype)
    return value.numpy().copy()


def sample_loss(loss: Any) -> Callable:
    """Give the loss as a function of (inputs, outputs): a value a sample."""
    import tensorflow as tf

    loss = resolve("loss", loss)
    function = getattr(loss, "call", loss)

    def loss_of_samples(x: Any, outputs: Any) -> Any:
        values = function(x, outputs)
        return tf.reduce_mean(tf.reshape(values, [tf.shape(x)[0], -1]), axis=1)

    return loss_of_samples


def resolve(kind: str, value: Any) -> Any:
    """Give the Keras object that a parameter names; other objects as they are."""
    import keras

    module = {"loss": keras.losses, "optimizer": keras.optimizers}.get(
        kind, keras.activations
    )
    try:
        found = module.get(value)
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise ValueError(
            f"The {kind!r} parameter must be the name of one in {module.__name__} or "
            f"an object of its kind. Got {value!r} instead."
        )
    return found
