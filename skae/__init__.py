"""Keras autoencoders as scikit-learn transformers."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from importlib import import_module

__version__ = "0.1.0"

# Where each public name lives. Names are resolved when first used, so that
# `import skae` stays as quick as scikit-learn's own import.
_HOME = {
    "AutoencoderClusterer": "skae._clusterer",
    "AutoencoderImputer": "skae._imputer",
    "AutoencoderOutlierDetector": "skae._outliers",
    "AutoencoderTransformer": "skae._autoencoder",
    "Augmented": "skae._objectives.augmented",
    "ConvNetwork": "skae._networks",
    "DenseNetwork": "skae._networks",
    "RecurrentNetwork": "skae._recurrent",
    "Denoising": "skae._objectives.denoising",
    "Sparse": "skae._objectives.sparse",
    "Variational": "skae._objectives.variational",
    "FileFormatError": "skae._files.store",
    "KerasAutoencoderTransformer": "skae._keras",
    "KerasNetwork": "skae._keras_models",
    "load": "skae._load",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'skae' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOME])
