"""From the user's words to Keras objects: models, initial weights, losses.

TensorFlow and Keras are imported only when one of them is made.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from skae._copies import remembered, with_copies, without_variables
from skae._interrupts import ctrl_c_waits
from skae._named_apart import make_apart
from skae._process import (
    import_tensorflow,
    python_random_kept,
    quiet,
    spare_gpu_memory,
)


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
    objective: Any = None

    @property
    def code_size(self) -> int:
        """The number of values that the encoder gives."""
        size = getattr(self.objective, "code_size", None)
        return self.latent_dim if size is None else int(size(self.latent_dim))


class UnbuiltModel:
    """Stands for a Keras model where an estimator is shown."""

    def __repr__(self) -> str:
        return "built when asked for"


@quiet()
@ctrl_c_waits()
def build_models(spec: Spec) -> tuple[Any, Any]:
    """Build the encoder and the decoder as plain Keras models.

    The encoder gives the code, which an objective may turn into latent vectors. Layers
    that the user holds are copied.
    """
    spare_gpu_memory()
    for kind in ("activation", "latent_activation", "output_activation"):
        resolve(kind, getattr(spec, kind))
    with _as_keras_has_it(spec.dtype), remembered() as made:
        models = _build(spec)
    return with_copies(models, made)


@quiet()
@ctrl_c_waits()
def find_sizes(spec: Spec, latent_dim: Callable[[int], int]) -> tuple[Spec, Any]:
    """Build both models, of latent vectors whose size only the encoder tells.

    `latent_dim` gives it, from the number of values that the encoder ends in. Gives the
    spec with that size, and the decoder.
    """
    spare_gpu_memory()
    import keras

    with _as_keras_has_it(spec.dtype), remembered() as made:
        network = _begin(spec)
        inputs, code = _connect_encoder(spec, network)
        spec = spec._replace(latent_dim=latent_dim(int(code.shape[-1])))
        models = keras.Model(inputs, code), _build_decoder(spec, network)
    return spec, with_copies(models, made)[1]


def shapes_of(spec: Spec) -> list[tuple[int, ...]]:
    """Give the shapes of the weights of both models, without making a variable."""

    def shapes() -> list[tuple[int, ...]]:
        with _as_keras_has_it(spec.dtype):
            encoder, decoder = _build(spec)
        return [tuple(weight.shape) for weight in (*encoder.weights, *decoder.weights)]

    return without_variables(shapes)


@contextmanager
def _as_keras_has_it(dtype: str) -> Iterator[None]:
    """Let Keras build in a dtype, and leave no trace.

    Keras draws default seeds from Python's global generator. Every weight is drawn anew
    from `random_state`, so the user's generator is left as it was. The policy is Keras'
    own and belongs to this thread.
    """
    import keras

    policy = keras.config.dtype_policy()
    with python_random_kept():
        try:
            keras.config.set_dtype_policy(dtype)
            yield
        finally:
            keras.config.set_dtype_policy(policy)


def _begin(spec: Spec) -> Any:
    """Give what builds the layers: the network, or what it makes to build with.

    What holds layers makes them once for encoder and decoder, which may share some.
    """
    begin = getattr(spec.network, "begin_building", None)
    if begin is None:
        return spec.network
    return begin({**spec._asdict(), "output_shape": spec.sample_shape})


def _connect_encoder(spec: Spec, network: Any) -> tuple[Any, Any]:
    import keras

    inputs = keras.Input(spec.sample_shape, dtype=spec.dtype, name="samples")
    prepare = getattr(spec.objective, "encoder_inputs", None)
    start = inputs if prepare is None else prepare(inputs, spec.network)
    code = network.build_encoder(
        start,
        latent_dim=spec.code_size,
        activation=spec.activation,
        latent_activation=spec.latent_activation,
    )
    make_apart(start, code)
    return inputs, code


def _build(spec: Spec) -> tuple[Any, Any]:
    import keras

    network = _begin(spec)
    inputs, code = _connect_encoder(spec, network)
    _check_built(code, "build_encoder", (spec.code_size,))
    encoder = keras.Model(inputs, code, name="encoder")
    return encoder, _build_decoder(spec, network)


def _build_decoder(spec: Spec, network: Any) -> Any:
    import keras

    codes = keras.Input((spec.latent_dim,), dtype=spec.dtype, name="latents")
    outputs = network.build_decoder(
        codes,
        output_shape=spec.sample_shape,
        activation=spec.activation,
        output_activation=spec.output_activation,
    )
    make_apart(codes, outputs)
    _check_built(outputs, "build_decoder", spec.sample_shape)
    return keras.Model(codes, outputs, name="decoder")


def _check_built(tensor: Any, method: str, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape[1:]) != tuple(shape):
        owner = "objective" if method == "encoded" else "network"
        raise ValueError(
            f"`{method}` of the {owner} must give a Keras tensor of shape (None, "
            f"{', '.join(map(str, shape))}), got {tuple(tensor.shape)}."
        )


def latent_models(encoder: Any, decoder: Any, spec: Spec) -> tuple[Any, Any]:
    """Give the encoder with latent vectors for its output, and the decoder."""
    import keras

    encoded = getattr(spec.objective, "encoded", None)
    if encoded is None:
        return encoder, decoder
    latents = encoded(encoder.output)
    make_apart(encoder.input, latents)
    _check_built(latents, "encoded", (spec.latent_dim,))
    return keras.Model(encoder.input, latents, name="encoder"), decoder


def join_models(encoder: Any, decoder: Any) -> Any:
    """Join encoder and decoder to the model that a Keras callback sees."""
    import keras

    if any(layer.name == decoder.name for layer in encoder.layers):
        # A layer of the user's, whose name would stand twice.
        inputs = keras.Input(
            encoder.input.shape[1:], dtype=encoder.input.dtype, name="samples"
        )
        return keras.Model(inputs, decoder(encoder(inputs)), name="autoencoder")
    return keras.Model(encoder.input, decoder(encoder.output), name="autoencoder")


def with_input(model: Any, name: str) -> Any:
    """Give a model whose input has a name, also where a layer of the user's has it."""
    import keras

    given = model.inputs[0]
    if given.name == name:
        return model
    inputs = keras.Input(given.shape[1:], dtype=given.dtype, name=name)
    return keras.Model(inputs, model(inputs), name=model.name)


def sample_loss(loss: Any) -> Callable:
    """Give the loss as a function of (inputs, outputs): a value a sample."""
    import tensorflow as tf

    loss = resolve("loss", loss)
    function = getattr(loss, "call", loss)
    name = getattr(loss, "name", getattr(loss, "__name__", ""))

    def loss_of_samples(x: Any, outputs: Any) -> Any:
        values = function(x, outputs)
        if getattr(values, "shape", None) == ():
            # One number for the batch: each of its samples has it, as in Keras.
            return tf.fill([tf.shape(x)[0]], values)
        return tf.reduce_mean(tf.reshape(values, [tf.shape(x)[0], -1]), axis=1)

    # An objective may want to know which one it gets.
    loss_of_samples.__name__ = str(name)
    return loss_of_samples


def copy_optimizer(optimizer: Any, learning_rate: float) -> Any:
    """Copy the user's optimizer, to train with a learning rate of our own."""
    optimizer = resolve("optimizer", optimizer)
    config = optimizer.get_config()
    copied = type(optimizer).from_config({**config, "learning_rate": learning_rate})
    # Neither of these is in the configuration.
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise ValueError(
            "Expected an optimizer that excludes weights from weight decay by their "
            "names, got one with `exclude_from_weight_decay(var_list=...)`: skae "
            "trains variables of its own. Use "
            "`exclude_from_weight_decay(var_names=[...])`."
        )
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    if pattern is not None:
        copied._exclude_from_weight_decay_pattern = pattern
    return copied


def of_keras_2(value: Any) -> str:
    """Say so where an object is of Keras 2, whose classes have the same names."""
    modules = [cls.__module__.partition(".")[0] for cls in type(value).__mro__]
    if "tf_keras" not in modules:
        return ""
    return (
        " It is of tf_keras, which is Keras 2, and skae takes objects of Keras 3: "
        "import its class from keras."
    )


def resolve(kind: str, value: Any) -> Any:
    """Give the Keras object that a parameter names; other objects as they are."""
    import_tensorflow()
    import keras

    module = {"loss": keras.losses, "optimizer": keras.optimizers}.get(
        kind, keras.activations
    )
    try:
        found = None if of_keras_2(value) else module.get(value)
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise ValueError(
            f"The {kind!r} parameter must be the name of one in {module.__name__} or "
            f"an object of its kind. Got {value!r} instead.{of_keras_2(value)}"
        )
    if isinstance(found, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            "Expected an optimizer that steps by the gradients as they are, got a "
            "LossScaleOptimizer, which serves training in half precision; skae trains "
            "in float32 or float64, where nothing needs to be scaled. Pass the "
            "optimizer inside of it (`inner_optimizer`)."
        )
    return found
