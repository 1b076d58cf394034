"""Whole pipelines as ONNX, through skl2onnx.

Importing this module tells `skl2onnx` how to convert the estimators of skae, alone or
as steps of a `Pipeline`, a `ColumnTransformer` or a `FeatureUnion`:

>>> import numpy as np
>>> from sklearn.cluster import KMeans
>>> from sklearn.datasets import load_digits
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from skl2onnx import to_onnx
>>> import skae.onnx
>>> X = load_digits().data.astype(np.float32)
>>> pipeline = make_pipeline(
...     StandardScaler(),
...     skae.AutoencoderTransformer(4, epochs=2, random_state=0),
...     KMeans(10, n_init=1, random_state=0),
... ).fit(X)
>>> model = to_onnx(pipeline, X[:1])
>>> [output.name for output in model.graph.output]
['label', 'scores']

What comes out is what `skl2onnx` gives for estimators of that kind: latent vectors of
a transformer; the label and the distances to all centres of `AutoencoderClusterer`, as
of `KMeans`; the label, 1 or -1, and what `decision_function` gives of
`AutoencoderOutlierDetector`, as of `IsolationForest`; the filled rows of
`AutoencoderImputer`. It is float64 where the rows are, and float32 else.

Dense networks are written without TensorFlow. Convolutions and networks of your own are
written by Keras, in float32, run, and compared with the transformer.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

try:
    import skl2onnx
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"skae.onnx needs skl2onnx: {error}. Install what export needs by: "
        'pip install "skae[export]"',
        name=error.name,
    ) from error

from skae._autoencoder import AutoencoderTransformer
from skae._clusterer import AutoencoderClusterer
from skae._imputer import AutoencoderImputer
from skae._keras import KerasAutoencoderTransformer
from skae._outliers import AutoencoderOutlierDetector
from skae.onnx import _tasks, _transformers

__all__: list[str] = []

for _class, _shapes, _convert in (
    (AutoencoderTransformer, _transformers.shapes, _transformers.convert),
    (KerasAutoencoderTransformer, _transformers.shapes, _transformers.convert),
    (AutoencoderClusterer, _tasks.clusterer_shapes, _tasks.convert_clusterer),
    (AutoencoderImputer, _tasks.imputer_shapes, _tasks.convert_imputer),
    (AutoencoderOutlierDetector, _tasks.detector_shapes, _tasks.convert_detector),
):
    skl2onnx.update_registered_converter(
        _class, f"Skae{_class.__name__}", _shapes, _convert
    )
