"""From a file that `save` wrote to an estimator."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os

from skae._autoencoder import AutoencoderTransformer
from skae._engines.protocol import refuse_other_shapes
from skae._files.content import OwnObject
from skae._files.store import FileFormatError, read, refusing
from skae._fitting.fitted import Fitted, spec_from_file
from skae._keras_models import Settled
from skae._models import shapes_of


def load(path):
    """Load a transformer that `AutoencoderTransformer.save` wrote.

    The file holds no code, and none is run: it is safe to load a file from a stranger,
    as far as its latent vectors and reconstructions can be trusted.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator : AutoencoderTransformer
        The fitted transformer, with the parameters it was saved with.

    Raises
    ------
    FileFormatError
        If the file is damaged, cut off, of another format or of a newer version.

    OSError
        If the file can't be read, for instance because there is none.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import skae
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> ae = skae.AutoencoderTransformer(2, epochs=5).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ae.save(Path(folder) / "iris.skae")
    ...     again = skae.load(Path(folder) / "iris.skae")
    >>> bool(np.all(again.transform(X) == ae.transform(X)))
    True
    """
    path = os.fsdecode(path)
    with refusing(path):
        content = read(path)
        parameters, fitted = content.parameters, content.fitted
        values = [*fitted.items(), *parameters.items()]
        own = {name for name, value in values if isinstance(value, OwnObject)}
        if own:
            raise FileFormatError(
                f"{path!r} is the checkpoint of a run with objects of your own or of "
                f"Keras, which no file holds: {', '.join(sorted(own))}. `fit_dataset` "
                "with these objects goes on from it."
            )
        estimator = AutoencoderTransformer(**parameters)
        estimator._validate_params()
        spec = spec_from_file(fitted, estimator.loss, estimator.optimizer)
        read_fit = Fitted.from_file(fitted, content.tensors, spec)
        if isinstance(spec.network, Settled):
            refuse_other_shapes(read_fit.weights, shapes_of(spec))
        return estimator._adopt(read_fit)
