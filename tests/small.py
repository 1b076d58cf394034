"""What several test modules make: transformers that fit in milliseconds, programs."""

import json
import subprocess
import sys

import pytest

from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork


def small(**params):
    """A transformer that fits in milliseconds, without TensorFlow."""
    params = {"network": DenseNetwork((16,)), "epochs": 3, "random_state": 0} | params
    return AutoencoderTransformer(params.pop("latent_dim", 3), **params)


def small_conv(**params):
    """The same with a convolution, in TensorFlow."""
    return small(**{"network": ConvNetwork((4,)), **params})


def long(*values):
    """A set of parameters of a test that takes long; other packages decide its end."""
    return pytest.param(*values, marks=[pytest.mark.long, pytest.mark.versions])


SMALL = pytest.mark.parametrize(
    "make", [pytest.param(small, marks=pytest.mark.kernel), long(small_conv)]
)


def python(code, *args, warnings="error"):
    """Run a program in a fresh interpreter; give what it prints last, read as JSON."""
    result = subprocess.run(
        [sys.executable, "-W", warnings, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


# What a program begins with that trains on two devices, halves of the processor.
TWO_DEVICES = """
import json
import numpy as np
from skae._process import import_tensorflow

tf = import_tensorflow()
import keras
from skae import AutoencoderTransformer

cpu = tf.config.list_physical_devices("CPU")[0]
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, halves)

def alone_and_on_two(fit):
    alone = fit()
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        return alone, fit()
"""


# What each format of `export` needs beside skae.
EXPORT_NEEDS = {
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
    "tf_saved_model": (),
    "litert": ("ai_edge_litert",),
}


def need(format):
    """Skip a test where a format of `export` can't be written."""
    for name in EXPORT_NEEDS[format]:
        pytest.importorskip(name, reason='needs pip install "skae[export]"')
    if format == "litert":
        import keras

        if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 13):
            pytest.skip("Keras writes LiteRT since 3.13")
