"""Which program does the work: the NumPy one or the TensorFlow one."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import math
import os

from skae._engines.numpy.activations import ACTIVATIONS
from skae._engines.numpy.program import DenseProgram
from skae._engines.tensorflow.distributed import distributed_program
from skae._engines.tensorflow.program import get_program
from skae._engines.tensorflow.workers import current_strategy
from skae._networks import ConvNetwork, DenseNetwork

_NETWORKS = {"dense": DenseNetwork, "conv": ConvNetwork}
# Up to this many multiplications a sample a step takes less time in NumPy than in
# TensorFlow: see the benchmarks. With two cores, NumPy keeps up with any network.
_MAX_NUMPY_WORK = 2**18
_MAX_NUMPY_CORES = 2
# Files of the drivers of NVIDIA and of Windows' subsystem for Linux.
_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def resolve_network(network):
    """Give the network that a parameter names, or a copy of the user's own."""
    if isinstance(network, str) and network in _NETWORKS:
        return _NETWORKS[network]()
    if not isinstance(network, (str, type)) and all(
        callable(getattr(network, name, None))
        for name in ("build_encoder", "build_decoder")
    ):
        return copy.deepcopy(network)
    raise ValueError(
        "The 'network' parameter of AutoencoderTransformer must be 'dense', 'conv' or "
        "an object with the methods build_encoder and build_decoder, such as "
        f"DenseNetwork() or ConvNetwork(). Got {network!r} instead."
    )


def activation_name(activation):
    """Give Keras' own activations by name, so that NumPy finds them too."""
    name = getattr(activation, "__name__", None)
    module = getattr(activation, "__module__", None) or ""
    if name in ACTIVATIONS and module.startswith("keras."):
        return name
    return activation


def dense_program(spec):
    """Give the NumPy program of a spec, or None where only TensorFlow will do.

    It encodes and decodes; training has more conditions.
    """
    activations = (spec.activation, spec.latent_activation, spec.output_activation)
    if not hasattr(spec.network, "layer_sizes") or not all(
        isinstance(name, str) and name in ACTIVATIONS for name in activations
    ):
        return None
    n_features = math.prod(spec.sample_shape)
    encoder, decoder = spec.network.layer_sizes(n_features, spec.latent_dim)
    return DenseProgram(encoder, decoder, *activations, dtype=spec.dtype)


def _numpy_keeps_up():
    """Tell whether TensorFlow would have neither more cores to use nor a GPU.

    The answer is the same in all processes of a machine, and asks TensorFlow, whose
    import takes seconds, for nothing.
    """
    cores = os.cpu_count() or 1
    return cores <= _MAX_NUMPY_CORES and not any(map(os.path.exists, _GPU_FILES))


def training_program(spec):
    """Give the program that trains."""
    strategy = current_strategy()
    if strategy is not None:
        return distributed_program(spec, strategy)
    dense = dense_program(spec)
    if (
        dense is not None
        and (dense.work <= _MAX_NUMPY_WORK or _numpy_keeps_up())
        and isinstance(spec.loss, str)
        and spec.loss in ("mse", "mean_squared_error")
        and isinstance(spec.optimizer, str)
        and spec.optimizer == "adam"
    ):
        return dense
    return get_program(spec)
