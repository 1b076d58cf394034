"""Optimizers: TensorFlow's own kernel of Adam, and any other of Keras."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Sequence
from typing import Any

import numpy as np

from skae._models import copy_optimizer


class _FusedAdam:
    """Keras' Adam by TensorFlow's own kernel: one pass over each variable."""

    def __init__(self, optimizer: Any, variables: list):
        import tensorflow as tf

        self._constants = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
        self._variables = [variable.value for variable in variables]
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._moments = [
            tf.Variable(tf.zeros_like(variable), trainable=False)
            for _ in range(2)
            for variable in self._variables
        ]

    def apply(self, gradients: list, rate: Any) -> None:
        import tensorflow as tf

        rate = tf.cast(rate, self._variables[0].dtype)
        # `cast` would take them through float32.
        beta_1, beta_2, epsilon = (tf.constant(c, rate.dtype) for c in self._constants)
        step = tf.cast(self._step.assign_add(1), rate.dtype)
        n = len(self._variables)
        moments = zip(self._moments[:n], self._moments[n:], strict=True)
        for variable, gradient, (mean, square) in zip(
            self._variables, gradients, moments, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=beta_1**step,
                beta2_power=beta_2**step,
                lr=rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=epsilon,
                grad=gradient,
            )

    def state(self) -> list[np.ndarray]:
        return [v.numpy().copy() for v in (self._step, *self._moments)]

    def load(self, state: Sequence | None) -> None:
        import tensorflow as tf

        for i, variable in enumerate((self._step, *self._moments)):
            variable.assign(tf.zeros_like(variable) if state is None else state[i])

    def finish(self) -> None:
        pass


class _KerasOptimizer:
    """Any other optimizer of Keras."""

    def __init__(self, optimizer: Any, variables: list):
        self._optimizer = optimizer
        self._trainable = variables
        optimizer.build(variables)
        self._fresh = self.state()

    def apply(self, gradients: list, rate: Any) -> None:
        self._optimizer.learning_rate = rate
        self._optimizer.apply(gradients, self._trainable)

    def state(self) -> list[np.ndarray]:
        return [variable.numpy().copy() for variable in self._optimizer.variables]

    def load(self, state: Sequence | None) -> None:
        values = self._fresh if state is None else state
        for variable, value in zip(self._optimizer.variables, values, strict=True):
            variable.assign(value)

    def finish(self) -> None:
        self._optimizer.finalize_variable_values(self._trainable)


def make_optimizer(optimizer: Any, variables: list) -> Any:
    copied = copy_optimizer(optimizer, 0.0)
    if _fits_the_kernel(copied, variables):
        return _FusedAdam(copied, variables)
    return _KerasOptimizer(copied, variables)


def _fits_the_kernel(optimizer: Any, variables: list) -> bool:
    """Tell whether TensorFlow's kernel does all that Keras' optimizer would do."""
    import keras

    config, plain = optimizer.get_config(), keras.optimizers.Adam().get_config()
    own = ("name", "learning_rate", "beta_1", "beta_2", "epsilon")
    return (
        type(optimizer) is keras.optimizers.Adam
        and all(config[key] == plain[key] for key in plain if key not in own)
        and all(variable.constraint is None for variable in variables)
        and not any(variable.overwrite_with_gradient for variable in variables)
        # Layers may have a dtype of their own.
        and len({str(variable.dtype) for variable in variables}) == 1
    )
