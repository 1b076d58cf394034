"""From the user's words to Keras objects: models, initial weights, losses.

TensorFlow and Keras are imported only when one of them is made.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skae._interrupts import ctrl_c_waits


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
