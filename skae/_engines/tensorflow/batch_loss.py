"""What a step minimises on a batch: one loss for every trainer of TensorFlow."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from skae._copies import copy_with_keras, layers_in, seed_states
from skae._engines.draws import KerasDraw
from skae._engines.protocol import ROUNDED
from skae._models import Spec, sample_loss
from skae._objectives.objective import (
    hook,
    hooks,
    penalty_of,
    refuse_other_shape,
)

_DRAWING = {"samples", "inputs", "latents"}


class Losses(NamedTuple):
    """Sums over a batch, in the dtype of the network."""

    # Of w l, and of w.
    loss: Any
    weight: Any
    # What a step minimises beside: of w times the strength times the distance to the
    # target, without the share of the penalty that does not count yet.
    drawn: Any
    # Of w times the penalty, which is a part of l.
    penalty: Any = None

    def reported(self) -> tuple[Any, ...]:
        """Give the sums that are added up."""
        return tuple(s for s in (self.loss, self.weight, self.penalty) if s is not None)


class BatchLoss:
    """The loss of an encoder and a decoder under an objective."""

    def __init__(self, encoder: Any, decoder: Any, spec: Spec):
        self._encoder, self._decoder = encoder, decoder
        self._loss = sample_loss(spec.loss)
        self._objective = spec.objective
        if any(True for _ in layers_in(spec.objective)):
            # What its layers draw by belongs to one run.
            self._objective = copy_with_keras(spec.objective, "the objective")
        self.n_sums = 2 + (hook(spec.objective, "penalty") is not None)
        self._draw = None
        self.seeds = seed_states(layers_in(self._objective))
        if hooks(spec.objective) & _DRAWING:
            import keras

            generator = keras.random.SeedGenerator(0)
            self._draw = KerasDraw(generator)
            self.seeds.insert(0, generator.state)

    def __call__(
        self,
        x: Any,
        w: Any,
        targets: Any = None,
        strength: Any = 0,
        share: Any = 1,
        *,
        root: bool = False,
        training: bool = False,
    ) -> Losses:
        """Give the sums over a batch; each penalty of a layer counts for every row.

        `share` is how much of the objective's penalty counts in a step, and `root`
        whether it is the root of the mean square distance that costs `strength`.
        """
        import tensorflow as tf

        wanted = None
        # Pairs have an axis more: a sample, and what is to be made of it.
        if len(x.shape) > len(self._encoder.inputs[0].shape):
            x, wanted = x[:, 0], x[:, 1]
        if self._draw is not None:
            self._draw.begin(x)
        x = self._changed("samples", x, training)
        wanted = x if wanted is None else wanted
        code = self._encoder(self._changed("inputs", x, training), training=training)
        # Layers may have a dtype of their own, the last ones too.
        code = tf.cast(code, x.dtype)
        latents = self._latents(code)
        outputs = tf.cast(self._decoder(latents, training=training), x.dtype)
        weight = tf.reduce_sum(w)
        losses = tf.cast(self._sample_losses(wanted, outputs, w), w.dtype)
        penalty = self._penalty(code, latents, w)
        if penalty is not None:
            penalty = tf.cast(penalty, w.dtype)
            losses += penalty
            penalty = tf.reduce_sum(penalty * w)
        loss = tf.reduce_sum(losses * w)
        for of_layer in (*self._encoder.losses, *self._decoder.losses):
            loss += tf.cast(of_layer, loss.dtype) * weight
        if targets is None:
            return Losses(loss, weight, tf.zeros_like(loss), penalty)
        encoded = hook(self._objective, "encoded")
        places = latents if encoded is None else encoded(code)
        distances = tf.reduce_mean((places - targets) ** 2, axis=1)
        if root:
            distances = tf.sqrt(distances + ROUNDED**2)
        drawn = strength * tf.reduce_sum(w * distances)
        if penalty is not None:
            drawn -= (1 - share) * penalty
        return Losses(loss, weight, drawn, penalty)

    def _changed(self, name: str, x: Any, training: bool) -> Any:
        change = hook(self._objective, name)
        if not training or change is None:
            return x
        changed = change(x, self._draw)
        refuse_other_shape(name, self._objective, changed, tuple(x.shape))
        return changed

    def _latents(self, code: Any) -> Any:
        # Validation draws, too: the loss is an expectation over what is drawn.
        latents = hook(self._objective, "latents")
        return code if latents is None else latents(code, self._draw)

    def _penalty(self, code: Any, latents: Any, w: Any) -> Any:
        penalty = hook(self._objective, "penalty")
        if penalty is None:
            return None
        values = penalty_of(penalty, code, latents, w)
        refuse_other_shape("penalty", self._objective, values, (None,))
        return values

    def _sample_losses(self, x: Any, outputs: Any, w: Any) -> Any:
        losses = hook(self._objective, "losses")
        if losses is None:
            return self._loss(x, outputs)
        values = losses(_with_mean(self._loss, w), x, outputs)
        refuse_other_shape("losses", self._objective, values, (None,))
        return values


def _with_mean(loss: Callable, w: Any) -> Callable:
    """Let a loss give means over the batch, too, by the weights of its samples."""
    import tensorflow as tf

    def mean(values: Any) -> Any:
        weight = tf.cast(w, values.dtype)
        return tf.reduce_sum(values * weight) / tf.reduce_sum(weight)

    @functools.wraps(loss)
    def loss_of_batch(x: Any, outputs: Any) -> Any:
        return loss(x, outputs)

    loss_of_batch.mean = mean  # type: ignore[attr-defined]
    return loss_of_batch
