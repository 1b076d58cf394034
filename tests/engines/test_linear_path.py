"""A linear path around the layers, which starts at the principal components."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import skae._autoencoder
from skae import AutoencoderTransformer, DenseNetwork, load
from skae._engines.tensorflow.program import get_program

X = (load_digits().data[:400] / 16).astype("f4")
# Around zero, so that the output is linear.
CENTRED = X - X.mean(axis=0)


def one_epoch(X, latent_dim=5, **params):
    """Fit for an epoch of steps that change next to nothing."""
    params = {"learning_rate": 1e-9, "arrange": None, "random_state": 0, **params}
    return AutoencoderTransformer(latent_dim, epochs=1, **params).fit(X)


def pca_error(X, latent_dim):
    pca = PCA(latent_dim).fit(X)
    return np.square(pca.inverse_transform(pca.transform(X)) - X).mean()


@pytest.mark.parametrize("latent_dim", [1, 5, 40])
def test_training_begins_at_the_error_of_pca(latent_dim):
    ae = one_epoch(CENTRED, latent_dim)
    assert_allclose(-ae.score(CENTRED), pca_error(CENTRED, latent_dim), atol=1e-6)


def test_so_it_does_where_the_output_is_a_sigmoid():
    """What PCA gives is moved into the reach of a sigmoid, which costs little."""
    assert -one_epoch(X).score(X) < pca_error(X, 5)


def test_latent_vectors_begin_as_those_of_pca():
    ours = one_epoch(CENTRED).transform(CENTRED)
    theirs = PCA(5).fit_transform(CENTRED)
    assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rows", [CENTRED[:30], CENTRED, np.tile(CENTRED, 4)])
def test_more_latents_than_components_lose_nothing(rows):
    ae = one_epoch(rows, 70)
    assert -ae.score(rows) < 1e-6 * rows.var()


def test_a_weight_of_two_does_what_two_copies_do():
    weight = np.ones(400)
    weight[:100] = 2
    weighted = AutoencoderTransformer(
        5, epochs=1, learning_rate=1e-9, arrange=None, random_state=0
    ).fit(CENTRED, sample_weight=weight)
    copied = one_epoch(np.concatenate([CENTRED, CENTRED[:100]]))
    assert_allclose(weighted.transform(CENTRED), copied.transform(CENTRED), atol=2e-4)


@pytest.mark.parametrize("data", [X, CENTRED], ids=["sigmoid", "linear"])
def test_both_engines_learn_the_same(monkeypatch, data):
    params = {"epochs": 3, "random_state": 0, "arrange": None}
    ours = AutoencoderTransformer(5, **params).fit(data)
    monkeypatch.setattr(skae._autoencoder, "training_program", get_program)
    theirs = AutoencoderTransformer(5, **params).fit(data)
    for a, b in zip(ours.weights_, theirs.weights_, strict=True):
        assert_allclose(a, b, atol=2e-5)
    assert_allclose(ours.history_["loss"], theirs.history_["loss"], rtol=1e-5)


@pytest.mark.parametrize("data", [X, CENTRED], ids=["sigmoid", "linear"])
def test_keras_models_and_files_have_it(tmp_path, data):
    ae = AutoencoderTransformer(5, epochs=2, random_state=0).fit(data)
    Z = ae.transform(data)
    assert_allclose(ae.encoder_.predict(data, verbose=0), Z, atol=1e-5)
    assert_allclose(
        ae.decoder_.predict(Z, verbose=0), ae.inverse_transform(Z), atol=1e-5
    )
    weights = ae.encoder_.get_weights() + ae.decoder_.get_weights()
    for mine, theirs in zip(ae.weights_, weights, strict=True):
        assert_array_equal(mine, theirs)
    ae.save(tmp_path / "ae.skae")
    for again in (load(tmp_path / "ae.skae"), pickle.loads(pickle.dumps(ae))):
        assert_array_equal(again.transform(data), Z)
        again.partial_fit(data)


def test_layers_that_the_user_chooses_are_all_there_are():
    chosen = DenseNetwork((32,))
    ae = AutoencoderTransformer(5, network=chosen, epochs=1).fit(X)
    assert [w.shape for w in ae.weights_[::2]] == [(64, 32), (32, 5), (5, 32), (32, 64)]
    with_path = DenseNetwork((32,), linear_path=True)
    ae = AutoencoderTransformer(5, network=with_path, epochs=1).fit(X)
    assert len(ae.weights_) == 8 + 3
    assert ae.get_params()["network__linear_path"] is True


@pytest.mark.parametrize(
    "params", [{"latent_activation": "tanh"}, {"output_activation": "tanh"}]
)
def test_where_it_cannot_be_had_it_is_left_out_or_refused(params):
    ae = AutoencoderTransformer(5, epochs=1, **params).fit(X)
    assert not any(w.shape == (64, 5) for w in ae.weights_)
    (name,) = params
    with pytest.raises(ValueError, match=f"linear_path=True, .*{name}"):
        ae.set_params(network=DenseNetwork(linear_path=True)).fit(X)


def test_a_first_partial_fit_begins_there_too():
    ae = AutoencoderTransformer(5, learning_rate=1e-9, random_state=0)
    ae.partial_fit(CENTRED)
    assert_allclose(-ae.score(CENTRED), pca_error(CENTRED, 5), atol=1e-6)


def test_streamed_rows_begin_near_it(small_limits):
    ae = one_epoch(CENTRED)
    assert_allclose(-ae.score(CENTRED), pca_error(CENTRED, 5), rtol=0.02)
