"""Missing values: the encoder is told which they are, and the loss leaves them out.

In training some of the known values are hidden from the encoder as well, and the
decoder is asked for them: it learns to say what is not there (Gondara and Wang 2018,
"MIDA: multiple imputation using denoising autoencoders"). Missing is NaN, and so is
hidden.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import functools
import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skae._layers import is_chain
from skae._objectives.objective import (
    COMPANIONS,
    HOOKS_OF_BATCHES,
    HOOKS_OF_ROWS,
    hook,
    is_masked,
)

# Of those that Keras has: the losses of single values, which can be left out.
_OF_VALUES = {
    *("meansquarederror", "meanabsoluteerror", "meanabsolutepercentageerror"),
    *("meansquaredlogarithmicerror", "huber", "logcosh", "poisson"),
    *("binarycrossentropy", "binaryfocalcrossentropy"),
}


class Masking(BaseEstimator):
    """Wraps the user's objective, or none, for `missing="mask"`.

    `fraction` is the share of known values that training hides, and `own_loss` says
    that the loss is a function of the user's own, which sees whole samples.
    """

    masks = True

    def __init__(self, fraction=0.3, objective=None, own_loss=False):
        self.fraction = fraction
        self.objective = objective
        self.own_loss = own_loss

    def __getattr__(self, name):
        # The hooks of the user's objective are those of this one.
        if name in (*HOOKS_OF_BATCHES, *HOOKS_OF_ROWS, *COMPANIONS):
            found = hook(vars(self).get("objective"), name)
            if found is not None:
                return found
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def inputs(self, x, draw):
        """Spoil a batch as the user's objective does, and hide some values."""
        spoil = hook(self.objective, "inputs")
        given = x if spoil is None else spoil(x, draw)
        return draw.hidden(given, float(self.fraction), x) if self.fraction else given

    def encoder_inputs(self, samples, network):
        """Give the encoder the values, those missing filled, and which are known.

        It is made of Keras' own layers, so that models can be saved without skae.
        """
        from keras import layers, ops

        shape = tuple(samples.shape[1:])
        inner = _inner_shape(network, shape)
        x = samples
        if inner != shape:
            x = layers.Reshape(inner, name="samples_as_inner")(x)
        is_known = ops.logical_not(ops.isnan(x))
        known = ops.cast(is_known, samples.dtype)
        axes = "abcde"[: len(inner) + 1]
        means = layers.EinsumDense(
            f"{axes},{axes[1:]}->{axes}",
            output_shape=inner,
            kernel_initializer="zeros",
            trainable=False,
            name="column_means",
        )
        filled = ops.where(is_known, x, means(1 - known))
        return layers.Concatenate(name="values_and_known")([filled, known])

    def losses(self, loss, x, outputs):
        """Give the mean of the loss over the known values of each sample."""
        if self.objective is not None and hook(self.objective, "losses") is not None:
            return self.objective.losses(self._known_losses(loss), x, outputs)
        return self._known_losses(loss)(x, outputs)

    def _known_losses(self, loss):
        @functools.wraps(loss)
        def known_losses(x, outputs):
            from keras import ops

            n_values = math.prod(x.shape[1:])
            is_known = ops.reshape(ops.equal(x, x), (-1, n_values))
            known = ops.cast(is_known, outputs.dtype)
            n_known = ops.sum(known, axis=1)
            # Where nothing is known, the decoder is right.
            wanted = ops.where(ops.equal(x, x), x, ops.stop_gradient(outputs))
            if self.own_loss:
                mean = loss(wanted, outputs) * n_values
                counts = ops.cast(n_known > 0, outputs.dtype)
                return mean * counts / ops.maximum(n_known, 1)
            # As many samples of a value each.
            columns = (ops.reshape(part, (-1, 1)) for part in (wanted, outputs))
            values = ops.reshape(loss(*columns), (-1, n_values))
            total = ops.sum(values * known, axis=1)
            return total / ops.maximum(n_known, 1)

        return known_losses


def _inner_shape(network: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape whose last axis gets twice as long, once what is known joins.

    A chain of dense layers takes flat samples; images, signals and volumes get
    channels.
    """
    if is_chain(network):
        return (math.prod(shape),)
    axes = getattr(network, "axes", None)
    if len(shape) == (axes if axes in (1, 3) else 2):
        return (*shape, 1)
    return shape


def encoder_shape(
    objective: Any, network: Any, sample_shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Give the shape of what `build_encoder` of a network gets for a sample."""
    if not is_masked(objective):
        return sample_shape
    *size, last = _inner_shape(network, sample_shape)
    return (*size, 2 * last)


def weight_shapes(
    objective: Any, network: Any, sample_shape: tuple[int, ...], latent_dim: int
) -> list[tuple[int, ...]]:
    """Give the shape of every weight of a network of skae, without building a layer."""
    shapes = network._weight_shapes(sample_shape, latent_dim)
    if not is_masked(objective):
        return shapes
    wide = encoder_shape(objective, network, sample_shape)
    # A size that no layer has tells where the encoder ends.
    mark = 2**61 - 1
    ends = [
        [shape[-1] == mark for shape in network._weight_shapes(of, mark)]
        for of in (wide, sample_shape)
    ]
    n_wide, n_narrow = (len(end) - end[::-1].index(True) for end in ends)
    encoder = network._weight_shapes(wide, latent_dim)[:n_wide]
    return [_inner_shape(network, sample_shape), *encoder, *shapes[n_narrow:]]


def fill_and_flag(
    x: np.ndarray, means: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Do in NumPy, on flat samples, what `encoder_inputs` does in Keras."""
    n_values = x.shape[1]
    if out is None:
        out = np.empty((len(x), 2 * n_values), x.dtype)
    np.equal(x, x, out=out[:, n_values:], casting="unsafe")
    out[:, :n_values] = np.where(np.isnan(x), means, x)
    return out


def known_factors(missing: np.ndarray) -> np.ndarray:
    """Give what turns a mean over the values of a row into that over its known ones."""
    n_known = missing.shape[1] - missing.sum(axis=1, keepdims=True)
    return missing.shape[1] / np.maximum(n_known, 1)


def loss_of_values(loss: Any, found: Any = None) -> bool:
    """Tell whether a loss is one that Keras has, and refuse those of whole samples.

    `found` is what Keras finds by a name.
    """
    if isinstance(loss, str) and loss in ("mse", "mean_squared_error"):
        return True  # without TensorFlow
    kind = found if hasattr(found, "__name__") else type(found)
    name = kind.__name__.lower().replace("_", "")
    if not (getattr(kind, "__module__", None) or "").startswith("keras."):
        return False
    if name not in _OF_VALUES:
        raise ValueError(
            f"loss={loss!r} compares whole samples, of which missing='mask' could "
            "leave out no value. Use a loss of single values, such as 'mse', 'mae', "
            "'huber' or 'binary_crossentropy', or fill X first and take "
            "missing='error'."
        )
    return True
