import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score

from skae import AutoencoderTransformer, DenseNetwork
from skae._objectives.whitening import local_whitening

pytestmark = pytest.mark.kernel

X = load_digits().data / 16


def fitted(latent_activation="linear", n_samples=500, **parameters):
    return AutoencoderTransformer(
        2,
        latent_activation=latent_activation,
        epochs=5,
        random_state=0,
        **parameters,
    ).fit(X[:n_samples])


def test_reconstructions_stay_as_they_are():
    white, plain = fitted(), fitted(arrange=None)
    assert_allclose(white.score(X), plain.score(X), rtol=1e-9)
    assert abs(white.transform(X) - plain.transform(X)).max() > 0.05


def test_latents_differ_by_an_invertible_linear_map():
    white, plain = fitted().transform(X), fitted(arrange=None).transform(X)
    mapping, residual, rank, _ = np.linalg.lstsq(plain, white, rcond=None)
    assert rank == 2
    assert residual.max() < 1e-9
    assert_allclose(np.linalg.det(mapping), 1)


def test_few_samples_and_other_activations_are_left_alone():
    for parameters in ({"n_samples": 39}, {"latent_activation": "elu"}):
        white, plain = fitted(**parameters), fitted(arrange=None, **parameters)
        assert_array_equal(white.transform(X), plain.transform(X))


def test_stretched_clusters_are_found_again():
    def score(Z):
        clusters = KMeans(4, n_init=10, random_state=0).fit_predict(Z)
        return adjusted_rand_score(labels, clusters)

    gains = []
    for seed in range(1, 7):
        blobs, labels = make_blobs(2000, centers=4, n_features=3, random_state=seed)
        # Within clusters the first direction varies most, and says nothing about them.
        noise = np.random.RandomState(0).normal(scale=(8, 0, 0), size=blobs.shape)
        stretched = blobs + noise
        whitened = stretched @ local_whitening(stretched)
        gains.append(score(whitened) - score(stretched))
    assert np.min(gains) > -0.02
    assert np.mean(gains) > 0.07


def test_latents_that_never_vary_are_no_trouble():
    Z = np.zeros((300, 3))
    assert_array_equal(local_whitening(Z), np.eye(3))
    Z[:, 0] = np.random.RandomState(0).normal(size=300)
    assert np.isfinite(local_whitening(Z)).all()


@pytest.mark.filterwarnings("ignore:The reconstructions are no better than the mean")
@pytest.mark.parametrize("n_others", [0, 3, 8, 20])
def test_data_of_almost_nothing_but_zeros_are_no_trouble(n_others):
    zeros = np.zeros((4000, 20), np.float32)
    random_state = np.random.RandomState(0)
    rows = random_state.permutation(4000)[:n_others]
    zeros[rows] = random_state.uniform(size=(n_others, 20))
    ae = AutoencoderTransformer(
        4, network=DenseNetwork((8,)), epochs=2, random_state=0
    ).fit(zeros)
    assert max(abs(weight).max() for weight in ae.weights_) < 100
    plain = clone(ae).set_params(arrange=None).fit(zeros)
    assert_allclose(ae.score(zeros), plain.score(zeros), rtol=1e-5)
