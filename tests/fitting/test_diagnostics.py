"""A fit whose numbers tell nothing says so, and what to do."""

import re
import warnings
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from small import small as any_small

from skae import ConvNetwork, DenseNetwork
from skae._data.resident import Resident
from skae._data.schema import Schema
from skae._fitting.diagnostics import warn_of_useless_fit

X = (load_digits().data[:200] / 16).astype(np.float32)
NETWORKS = pytest.mark.parametrize("network", [DenseNetwork((16,)), ConvNetwork((4,))])


small = partial(any_small, epochs=2)


@NETWORKS
def test_a_dead_decoder(network):
    # So high a rate kills every unit at the first steps.
    ae = small(network=network, activation="relu", learning_rate=100.0, arrange=None)
    with pytest.warns(ConvergenceWarning, match="for every sample.*'elu'"):
        ae.set_params(latent_activation="relu", epochs=3).fit(X)


@pytest.mark.parametrize(
    ("dead", "words"), [([0, 1, 2], "^The latent vector"), ([1], "1 of 3 .*: 1\\.")]
)
def test_dead_latents(dead, words):
    ae = small(latent_activation="relu", epochs=1).fit(X)
    kernel, bias = ae.weights_[2:4]
    bias[:] = 50
    kernel[:, dead], bias[dead] = 0, -1
    data = Resident(X, np.ones(len(X), X.dtype), Schema(64, (64,)))
    with pytest.warns(ConvergenceWarning, match=f"{words}.*'linear'") as told:
        warn_of_useless_fit(ae._inference(), ae.weights_, ae._spec, data, False)
    # Neither is advised that is so already: the activation, and pixels in [0, 1].
    assert not re.search("'elu'|StandardScaler", str(told[0].message))


def test_unscaled_columns():
    with pytest.warns(UserWarning, match="columns of X differ.*StandardScaler"):
        small(scale=None).fit(load_wine().data)


@NETWORKS
def test_an_output_that_cannot_reach_the_data(network):
    ae = small(network=network, output_activation="sigmoid")
    with pytest.warns(UserWarning, match=r"from 0 to 16.*'sigmoid'.*MinMaxScaler"):
        ae.fit(X * 16)


def test_no_better_than_the_mean():
    with pytest.warns(ConvergenceWarning, match="no better than the mean.*Scale"):
        small(epochs="auto").fit(X + 1e5)


@NETWORKS
@pytest.mark.parametrize(
    "data",
    [np.zeros((20, 64)), np.full((20, 64), 7.0), X[:1], X * 16, X - 0.5, X > 0.5],
    ids=["zeros", "constant", "one sample", "counts", "centred", "bool"],
)
def test_silence_on_sane_data(network, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(network=network).fit(data)


def test_a_warning_made_an_error_leaves_the_fit_before():
    ae = small().fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="reach"):
            ae.set_params(output_activation="sigmoid").fit(X * 16)
    assert ae.output_activation_ == "sigmoid"
    assert ae.score(X) > -1


def search(estimator):
    return GridSearchCV(estimator, {"batch_size": [50]}, cv=2)


@pytest.mark.parametrize("wrap", [lambda ae: ae, make_pipeline, search])
@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_the_warning_points_to_the_line_of_the_user(wrap, method):
    estimator = wrap(small(output_activation="sigmoid"))
    call = getattr(estimator, method, estimator.fit)
    with pytest.warns(UserWarning, match="from 0 to 16") as caught:
        call(X * 16)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("loss", ["binary_crossentropy", "object"])
def test_a_cross_entropy_of_what_is_no_probability(loss):
    keras = pytest.importorskip("keras")
    loss = keras.losses.BinaryCrossentropy() if loss == "object" else loss
    ae = small(loss=loss, output_activation="sigmoid")
    with pytest.warns(UserWarning, match=r"from 0 to 1\.03.*from 0 to 1.*loss='mse'"):
        ae.fit(X * 1.03)
    ae.fit(X)


def test_images_that_are_bytes():
    images = (X.reshape(-1, 8, 8) * 255).astype(np.uint8)
    with pytest.warns(UserWarning, match="from 0 to 255.*Divide them by 255"):
        small().fit(images)
