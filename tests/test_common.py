"""The scikit-learn contract: every check that applies, with no exception."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderTransformer, DenseNetwork

# Twenty epochs instead of 200: the checks fit some hundred times.
ESTIMATORS = [
    AutoencoderTransformer(),
    AutoencoderTransformer(network="conv"),
    AutoencoderTransformer(
        network=DenseNetwork(hidden_layer_sizes=(16, 8)), early_stopping=True
    ),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
