"""Latent vectors are drawn to a spectral embedding, late in training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import ArpackNoConvergence
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score

from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork
from skae._objectives import spectral, whitening
from skae._objectives.spectral import spectral_embedding, spectral_targets

pytestmark = pytest.mark.kernel

digits = load_digits()
X = (digits.data / 16).astype(np.float32)


@pytest.fixture(autouse=True)
def any_scales(monkeypatch):
    """Whiten whatever the scales, as `arrange="whiten"` does; guards have their own."""
    monkeypatch.setattr(whitening, "MAX_CONDITION", np.inf)


def fitted(latent_dim=8, n_samples=1797, copies=1, **parameters):
    parameters = {"epochs": 30, "random_state": 0} | parameters
    samples = np.tile(X[:n_samples], (copies, 1))
    return AutoencoderTransformer(latent_dim, **parameters).fit(samples)


def kmeans_finds(Z, labels):
    """How often a single run of K-means finds the clusters."""
    k = len(np.unique(labels))
    runs = [KMeans(k, random_state=seed).fit_predict(Z) for seed in range(20)]
    return np.mean([adjusted_rand_score(labels, clusters) for clusters in runs])


def test_clusters_in_touch_are_set_apart():
    Z, labels = make_blobs(
        3000, 8, centers=10, cluster_std=1, center_box=(-4, 4), random_state=0
    )
    embedding, targets = spectral_embedding(Z), spectral_targets(Z, Z[::2])
    assert_allclose(np.linalg.norm(embedding, axis=1), 1)
    before = kmeans_finds(Z, labels)
    assert kmeans_finds(targets, labels) > before + 0.03
    # They stay told from one another, and about where they were.
    assert len(np.unique(targets, axis=0)) == len(Z)
    assert_allclose(targets.mean(axis=0), Z.mean(axis=0), atol=1e-9)


def test_clusters_stand_out_and_reconstructions_stay_good():
    parameters = {"epochs": 40, "batch_size": 32}
    gathered, plain = fitted(**parameters), fitted(arrange="whiten", **parameters)
    # Scores are negative.
    assert gathered.score(X) > 1.25 * plain.score(X)
    assert gathered.n_iter_ == plain.n_iter_ == 40

    found, before = (
        kmeans_finds(ae.transform(X), digits.target) for ae in (gathered, plain)
    )
    assert found > before + 0.02


@pytest.mark.parametrize("network", [DenseNetwork((32,)), ConvNetwork((4,))])
def test_both_networks_are_drawn(network):
    params = {
        "network": network,
        "epochs": 5,
        "batch_size": 15,
        "latent_dim": 4,
    }
    images = X.reshape(-1, 8, 8)
    gathered, plain = (
        AutoencoderTransformer(arrange=value, random_state=0, **params).fit(images)
        for value in ("spectral", "whiten")
    )
    assert_array_equal(gathered.history_["loss"][:3], plain.history_["loss"][:3])
    assert gathered.history_["loss"][3:] != plain.history_["loss"][3:]
    assert np.isfinite(gathered.transform(images)).all()


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_samples": 159},
        {"latent_dim": 3},
        {"latent_dim": 21, "copies": 3},
        {"latent_activation": "elu"},
        {"early_stopping": True},
        {"epochs": 4},
        {"batch_size": 19},
    ],
    ids=str,
)
def test_where_it_does_not_apply_it_changes_nothing(parameters):
    parameters = {
        "epochs": 5,
        "batch_size": 15,
        "network": DenseNetwork((16,)),
        **parameters,
    }
    gathered, plain = fitted(**parameters), fitted(arrange="whiten", **parameters)
    assert_array_equal(gathered.transform(X), plain.transform(X))
    assert "not spectral: " in gathered.arranged_ or "nothing: " in gathered.arranged_


@pytest.mark.parametrize("copies", [1, pytest.param(2, marks=pytest.mark.long)])
def test_streamed_data_are_drawn_as_those_in_memory(small_limits, copies):
    def found():
        ae = fitted(epochs=40, batch_size=32, copies=copies)
        assert ae.arranged_ == "whiten, spectral"
        return kmeans_finds(ae.transform(X), digits.target), ae.score(X)

    in_memory = found()
    small_limits(resident=100_000, part=60_000, shuffle=120_000, block=2**16)
    assert_allclose(found(), in_memory, rtol=0.1)


def test_samples_that_are_all_alike_are_no_trouble():
    ae = AutoencoderTransformer(4, epochs=5, random_state=0).fit(np.ones((900, 5)))
    assert np.isfinite(ae.transform(np.ones((3, 5)))).all()


def test_a_graph_in_many_parts_is_no_trouble():
    Z, labels = make_blobs(
        2000, 8, centers=100, cluster_std=0.01, center_box=(-50, 50), random_state=0
    )
    targets = spectral_targets(Z, Z)
    assert np.isfinite(targets).all()
    assert kmeans_finds(targets, labels) > 0.7


def test_where_the_embedding_is_not_found_training_goes_on_as_before(monkeypatch):
    monkeypatch.setattr(spectral, "_MAX_ITERATIONS", 1)
    with pytest.raises(ArpackNoConvergence):
        spectral_embedding(np.random.default_rng(0).normal(size=(1000, 8)))
    parameters = {
        "epochs": 5,
        "batch_size": 15,
        "network": DenseNetwork((16,)),
    }
    gathered, plain = fitted(**parameters), fitted(arrange="whiten", **parameters)
    assert_array_equal(gathered.transform(X), plain.transform(X))


def test_an_estimator_drawn_once_is_drawn_again_by_a_warm_start():
    parameters = {
        "epochs": 5,
        "batch_size": 15,
        "network": DenseNetwork((16,)),
        "warm_start": True,
    }
    ae = fitted(**parameters)
    before = ae.transform(X)
    loss = ae.fit(X).history_["loss"]
    assert len(loss) == 10
    assert loss[-1] < loss[4]
    assert abs(ae.transform(X) - before).max() > 0


def test_a_run_that_a_callback_ends_early_is_whitened_all_the_same():
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    parameters = {
        "epochs": 5,
        "batch_size": 15,
        "network": DenseNetwork((16,)),
        "callbacks": Stop(),
    }
    gathered, plain = fitted(**parameters), fitted(arrange="whiten", **parameters)
    assert gathered.n_iter_ == 2
    assert_array_equal(gathered.transform(X), plain.transform(X))
