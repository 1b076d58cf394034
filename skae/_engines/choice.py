"""Which program does the work: the NumPy one or the TensorFlow one.

What NumPy can do is decided here, and nowhere else.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import os
from typing import NamedTuple

from skae._engines.numpy.activations import ACTIVATIONS
from skae._engines.numpy.program import DenseProgram
from skae._engines.protocol import Program
from skae._engines.tensorflow.distributed import distributed_program
from skae._engines.tensorflow.program import Inference, get_program
from skae._engines.tensorflow.program import Program as Traced
from skae._engines.tensorflow.workers import current_strategy
from skae._layers import has_path, is_chain
from skae._models import Spec
from skae._objectives.masking import encoder_shape
from skae._objectives.objective import hooks, latents_lead, runs_in_numpy

# Up to this many multiplications a sample a step takes less time in NumPy than in
# TensorFlow: see the benchmarks. With two cores, NumPy keeps up with any network.
_MAX_NUMPY_WORK = 2**18
_MAX_NUMPY_CORES = 2
# Files of the drivers of NVIDIA and of Windows' subsystem for Linux.
_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


class Choice(NamedTuple):
    """Who trains, and why."""

    engine: str
    why: str


def choose(spec: Spec) -> Choice:
    """Choose who trains a network."""
    if current_strategy() is not None:
        return Choice("distributed", "a strategy of tf.distribute is entered")
    dense = dense_program(spec)
    if dense is None:
        return Choice("tensorflow", "the network is no chain of dense layers")
    if not isinstance(spec.loss, str) or spec.loss not in ("mse", "mean_squared_error"):
        return Choice("tensorflow", "NumPy knows the mean squared error alone")
    if not isinstance(spec.optimizer, str) or spec.optimizer != "adam":
        return Choice("tensorflow", "NumPy knows 'adam' alone")
    if not runs_in_numpy(spec.objective):
        return Choice("tensorflow", "the objective has hooks that NumPy does not call")
    if dense.work <= _MAX_NUMPY_WORK:
        return Choice("numpy", "a small chain of dense layers")
    if _numpy_keeps_up():
        return Choice("numpy", "a chain of dense layers on few cores without a GPU")
    return Choice("tensorflow", "a large network, on many cores or a GPU")


def training_program(spec: Spec) -> Program:
    """Give the program that trains."""
    engine = choose(spec).engine
    if engine == "distributed":
        return distributed_program(spec, current_strategy())
    if engine == "numpy":
        dense = dense_program(spec)
        assert dense is not None
        return dense
    return get_program(spec)


def inference_program(
    spec: Spec, trained: Program | None = None
) -> DenseProgram | Inference | None:
    """Give the program that encodes and decodes; None where it is yet to be traced.

    It is the one that has trained, but for what NumPy does without TensorFlow.
    """
    dense = dense_program(spec)
    if dense is not None or current_strategy() is not None:
        return dense
    return Inference(trained) if isinstance(trained, Traced) else None


def dense_program(spec: Spec) -> DenseProgram | None:
    """Give the NumPy program of a spec, or None where only TensorFlow will do.

    It encodes and decodes; training has more conditions.
    """
    activations = (spec.activation, spec.latent_activation, spec.output_activation)
    of_code = {"code_size", "latents", "encoded"} & hooks(spec.objective)
    if (
        not is_chain(spec.network)
        or (of_code and not latents_lead(spec.objective))
        or not all(
            isinstance(name, str) and name in ACTIVATIONS for name in activations
        )
    ):
        return None
    n_features = math.prod(spec.sample_shape)
    given = encoder_shape(spec.objective, spec.network, (n_features,))
    encoder, _ = spec.network.layer_sizes(given[0], spec.code_size)
    _, decoder = spec.network.layer_sizes(n_features, spec.latent_dim)
    return DenseProgram(
        encoder,
        decoder,
        *activations,
        spec.dtype,
        spec.objective,
        linear_path=has_path(spec.network),
        latent_dim=spec.latent_dim if of_code else None,
    )


def _numpy_keeps_up() -> bool:
    """Tell whether TensorFlow would have neither more cores to use nor a GPU.

    The answer is the same in all processes of a machine, and asks TensorFlow, whose
    import takes seconds, for nothing.
    """
    cores = os.cpu_count() or 1
    return cores <= _MAX_NUMPY_CORES and not any(map(os.path.exists, _GPU_FILES))
