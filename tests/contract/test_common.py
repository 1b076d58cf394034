"""The scikit-learn contract: every check that applies."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import (
    AutoencoderTransformer,
    DenseNetwork,
    KerasNetwork,
    RecurrentNetwork,
    Sparse,
)


class Builds:
    """A function whose name stays the same in each process, as names of tests must."""

    def __repr__(self):
        return type(self).__name__


class Encoder(Builds):
    def __call__(self, inputs, latent_dim):
        from keras import layers

        x = layers.Dense(8, activation="relu")(inputs)
        return layers.Dense(latent_dim)(x)


class Decoder(Builds):
    def __call__(self, latents, output_shape):
        from keras import layers

        return [layers.Dense(8, activation="relu"), layers.Dense(output_shape[0])]


# Few epochs in TensorFlow: the checks fit hundreds of times, and ask for no good fit.
ESTIMATORS = [
    AutoencoderTransformer(),
    AutoencoderTransformer(network="conv", epochs=5),
    AutoencoderTransformer(
        network=DenseNetwork(hidden_layer_sizes=(16, 8)), early_stopping=True
    ),
    AutoencoderTransformer(missing="mask", epochs=5),
]
# They differ from those above in what is learned, not in how they meet scikit-learn.
OTHERS = [
    AutoencoderTransformer(objective=Sparse(), epochs=2),
    AutoencoderTransformer(network=KerasNetwork(Encoder(), Decoder()), epochs=2),
    AutoencoderTransformer(network=RecurrentNetwork((8,)), epochs=2),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.long
@parametrize_with_checks(OTHERS)
def test_scikit_learn_check_of_other_networks_and_objectives(estimator, check):
    check(estimator)


# What scikit-learn asks of its own estimators only. Which there are depends on its
# version.
OWN_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_estimators_partial_fit_n_features",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


# Some fit a frame and transform its values, or the other way round.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("network", ["dense", "conv"])
@pytest.mark.parametrize(
    "check", [name for name in OWN_CHECKS if hasattr(estimator_checks, name)]
)
def test_check_that_scikit_learn_keeps_for_its_own(check, network):
    estimator = AutoencoderTransformer(2, network=network, epochs=2)
    getattr(estimator_checks, check)("AutoencoderTransformer", estimator)
