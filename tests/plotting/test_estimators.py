"""Which part of an estimator Displays look at: all of them alike."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE, Isomap
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae.plotting import (
    ClusterDisplay,
    EmbeddingDisplay,
    LatentDisplay,
    LossCurveDisplay,
    PerplexityDisplay,
    ReconstructionDisplay,
)
from skae.plotting._estimators import transformer_of

X, y = load_digits(n_class=4, return_X_y=True)
X, y = X[:150], y[:150]
PCA_2 = PCA(2, random_state=0).fit(X)
LATENTS = PCA_2.transform(X)
LAST = {
    "classifier": LogisticRegression(max_iter=5000),
    "clusterer": KMeans(4, n_init=1, random_state=0),
    "clusterer without predict": DBSCAN(),
    "reducer": TSNE(max_iter=250, method="exact", random_state=0),
}


class Clusters(ClusterMixin, BaseEstimator):
    """A clusterer of latent vectors that it makes itself."""

    def fit(self, X, y=None):
        """Fit a transformer, and K-means on its latent vectors."""
        self.transformer_ = PCA(2, random_state=0).fit(X)
        km = KMeans(4, n_init=1, random_state=0).fit(self.transformer_.transform(X))
        self.km_, self.cluster_centers_ = km, km.cluster_centers_
        self.labels_ = km.labels_
        return self

    def predict(self, X):
        """Return clusters of samples."""
        return self.km_.predict(self.transformer_.transform(X))

    def transform(self, X):
        """Return distances to the centres."""
        return self.km_.transform(self.transformer_.transform(X))


class OnTop(BaseEstimator):
    """A task on top of a transformer, as an outlier detector is."""

    def __init__(self, transformer=None):
        self.transformer = transformer

    def fit(self, X, y=None):
        """Fit a transformer and keep it."""
        self.transformer_ = PCA(2, random_state=0).fit(X)
        return self


def _search(refit=True):
    search = GridSearchCV(PCA(random_state=0), {"n_components": [1, 2]}, refit=refit)
    return search.fit(X)


def _ends_in(last):
    return make_pipeline(PCA(2, random_state=0), last).fit(X, y)


@pytest.mark.long
@pytest.mark.parametrize(
    "make",
    [
        *(lambda last=last: _ends_in(last) for last in LAST.values()),
        _search,
        lambda: OnTop().fit(X),
        lambda: Clusters().fit(X),
        lambda: make_pipeline(FunctionTransformer(), Clusters()).fit(X),
        lambda: make_pipeline(PCA(2, random_state=0), "passthrough").fit(X),
        lambda: make_pipeline(_search(), KMeans(4, n_init=1)).fit(X),
    ],
    ids=[
        *LAST,
        "search",
        "on top",
        "clusters",
        "clusters behind",
        "passthrough",
        "search within",
    ],
)
def test_every_display_looks_at_what_makes_the_latent_vectors(pyplot, make):
    estimator = make()
    np.testing.assert_allclose(
        transformer_of(estimator, "").transform(X), LATENTS, atol=1e-9
    )
    embedding = EmbeddingDisplay.from_estimator(estimator, X, labels=y).embedding
    np.testing.assert_allclose(embedding, LATENTS, atol=1e-9)
    display = LatentDisplay.from_estimator(estimator, X, kind="between", n_steps=2)
    decoded = PCA_2.inverse_transform(LATENTS[:1]).reshape(8, 8)
    np.testing.assert_allclose(display.images_[0, 0].get_array(), decoded, atol=1e-6)
    X_hat = ReconstructionDisplay.from_estimator(
        estimator, X, n_samples=2, random_state=0
    ).X_hat
    assert np.shape(X_hat) == (2, 64)
    maps = PerplexityDisplay.from_estimator(estimator, X, PCA(2))
    assert len(maps.displays_) == 1


def test_a_supervised_map_is_kept():
    pipe = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()).fit(X, y)
    assert transformer_of(pipe, "") is pipe


def test_a_clusterer_with_a_transformer_within_is_one_of_its_latents(pyplot):
    for estimator in (
        Clusters().fit(X),
        make_pipeline(FunctionTransformer(), Clusters()).fit(X),
    ):
        display = ClusterDisplay.from_estimator(estimator, X)
        centers = LATENTS[_km().labels_ == 1].mean(axis=0, keepdims=True)
        expected = PCA_2.inverse_transform(centers)[0].reshape(8, 8)
        drawn = display.center_images_[1].get_array()
        np.testing.assert_allclose(drawn, expected, atol=1e-6)


def _km():
    return KMeans(4, n_init=1, random_state=0).fit(LATENTS)


def test_the_transformer_of_a_target_makes_no_latent_vectors():
    scaled = TransformedTargetRegressor(transformer=StandardScaler())
    pipe = make_pipeline(PCA(2, random_state=0), scaled).fit(X, y)
    np.testing.assert_allclose(transformer_of(pipe, "").transform(X), LATENTS)


def test_searches_are_reached_into_for_clusters_and_losses(pyplot):
    pipe = make_pipeline(PCA(random_state=0), KMeans(4, n_init=1, random_state=0))
    search = GridSearchCV(pipe, {"pca__n_components": [2, 4]}).fit(X)
    display = ClusterDisplay.from_estimator(search, X)
    best = search.best_estimator_
    drawn = display.center_images_[2].get_array()
    expected = best[:-1].inverse_transform(best[-1].cluster_centers_)[2]
    np.testing.assert_allclose(drawn, expected.reshape(8, 8))

    net = MLPRegressor(max_iter=30, tol=1.0, random_state=0)
    search = GridSearchCV(net, {"hidden_layer_sizes": [[2], [3]]}, cv=2).fit(X, X)
    losses = LossCurveDisplay.from_estimator({"best": search}).histories["best"]
    assert losses["loss"] == search.best_estimator_.loss_curve_


@pytest.mark.parametrize(
    ("display", "estimator", "message"),
    [
        (EmbeddingDisplay, DBSCAN(), r"Received DBSCAN, which has no `transform`. Giv"),
        (LatentDisplay, LogisticRegression(), r"to LatentDisplay.from_latents"),
        (
            ReconstructionDisplay,
            make_pipeline(Isomap(), KMeans()),
            r"inverse_transform. Received Pipeline, whose Isomap has none. Give what",
        ),
        (
            PerplexityDisplay,
            _search(refit=False),
            r"has refitted its best. Received GridSearchCV without best_estimator_",
        ),
    ],
)
def test_what_makes_no_latent_vectors_is_refused(display, estimator, message):
    with pytest.raises(ValueError, match=message):
        display.from_estimator(estimator, X)
