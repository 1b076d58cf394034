"""Augmentation: samples that are changed anew in every step, and reconstructed so.

A network that has seen an image in many places takes it for the same one wherever it is
(Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural networks
applied to visual document analysis"); latent vectors of clusters gain most (Guo et al.
2018, "Deep embedded clustering with data augmentation").
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import inspect
import math

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods

__all__ = ["Augmented"]


class Augmented(BaseEstimator):
    """Train on samples that are changed anew in every step, and reconstruct those.

    Each epoch sees other shifts, turns or noise of the same samples. The encoder gets
    the changed sample, and the decoder is asked for it as well; where it should be
    asked for the sample as it was, see :class:`Denoising`. Only training changes
    samples: `transform`, `score`, and the loss by which a run stops early take them as
    they are. What latent vectors are arranged by is made of samples as they are, too:
    a changed sample is drawn to the place of the one that it was made of.

    Parameters
    ----------
    augment : callable, keras.layers.Layer or list of keras.layers.Layer
        What changes a batch. Layers that do something in training alone, such as
        `keras.layers.RandomTranslation`, one after the other; images without channels
        get one for them. Or a function of the batch and of an object `draw`, which
        gives random numbers that follow `random_state` (see :doc:`/extending`), written
        in `keras.ops`.

    sample_shape : tuple of int, default=None
        The shape in which `augment` gets a sample, such as (28, 28) where X has rows
        of 784 pixels. None is the shape of X.

    See Also
    --------
    AutoencoderTransformer : Takes it as `objective`.
    Denoising : Asks the decoder for the samples as they were.

    Notes
    -----
    TensorFlow trains it, whatever the network, on the device that it computes on.
    Layers are copied: those given are never called. The first fit with some takes a few
    seconds to trace them, and so does each fit with one of a class of your own. Targets
    of your own (`fit(X, target=...)`) can't be changed with the samples that belong to
    them, and are refused.

    References
    ----------
    .. [1] Simard, P. Y., Steinkraus, D. and Platt, J. C. (2003). "Best practices for
       convolutional neural networks applied to visual document analysis". ICDAR.

    .. [2] Guo, X., Zhu, E., Liu, X. and Yin, J. (2018). "Deep embedded clustering with
       data augmentation". ACML.

    Examples
    --------
    >>> import keras
    >>> from sklearn.datasets import load_digits
    >>> from skae import Augmented, AutoencoderTransformer
    >>> X = load_digits().data / 16
    >>> shift = keras.layers.RandomTranslation(0.125, 0.125, fill_mode="constant")
    >>> objective = Augmented(shift, sample_shape=(8, 8))
    >>> ae = AutoencoderTransformer(8, objective=objective, epochs=2)
    >>> ae.fit_transform(X).shape
    (1797, 8)
    """

    _parameter_constraints = {
        "augment": [callable, HasMethods("call"), list, tuple],
        "sample_shape": [None, tuple, list],
    }

    # Those with weights are refused, so fits with the same ones share a program.
    layers_only_draw = True

    def __init__(self, augment, sample_shape=None):
        self.augment = augment
        self.sample_shape = sample_shape

    def samples(self, x, draw):
        """Change a batch.

        Parameters
        ----------
        x : tensor of shape (n_samples, ...)
            The samples of a step.

        draw : object
            What gives random numbers.

        Returns
        -------
        changed : tensor of shape (n_samples, ...)
            What the step trains on.

        Raises
        ------
        ValueError
            If `sample_shape` does not have as many values as a sample.

        TypeError
            If a layer has weights, which nobody would train.
        """
        from keras import ops

        self._validate_params()
        shape = tuple(x.shape[1:])
        inner = shape if self.sample_shape is None else tuple(self.sample_shape)
        if math.prod(inner) != math.prod(shape):
            raise ValueError(
                f"`sample_shape` of Augmented is {inner}, which has {math.prod(inner)} "
                f"values, and samples of X have the shape {shape}. Expected a shape of "
                f"{math.prod(shape)} values."
            )
        steps = self.augment
        if not isinstance(steps, (list, tuple)):
            steps = [steps]
        changed = ops.reshape(x, (-1, *inner))
        for step in steps:
            changed = _call(step, changed, inner, draw)
            if math.prod(changed.shape[1:]) != math.prod(shape):
                raise ValueError(
                    f"`augment` of Augmented must give samples of shape {inner}, got a "
                    f"batch of shape {tuple(changed.shape)}."
                )
        return ops.cast(ops.reshape(changed, (-1, *shape)), x.dtype)


def _call(step, x, shape, draw):
    """Call a function or a layer on a batch of samples of a shape."""
    from keras import layers, ops

    if not isinstance(step, layers.Layer):
        try:
            inspect.signature(step).bind(x, draw)
        except TypeError as error:
            raise TypeError(
                "`augment` of Augmented must be a layer or a function of (x, draw): "
                f"calling {step!r} so, {error}."
            ) from error
        return step(x, draw)
    # Images without channels get one.
    channels = (1,) * (len(shape) == 2)
    try:
        changed = step(ops.reshape(x, (-1, *shape, *channels)), training=True)
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"The layer {step.name!r} of Augmented can't change samples of shape "
            f"{shape}. Where rows are images, say so by `sample_shape`, such as "
            f"(28, 28). Keras says: {error}"
        ) from error
    if step.weights:
        raise TypeError(
            f"The layer {step.name!r} of Augmented has weights, and the loss trains "
            "none of them. Expected layers that draw alone, such as RandomTranslation; "
            "what is to be learned goes into `network`."
        )
    return changed
