"""Latent vectors that learn the map of a manifold learner."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.manifold import TSNE, Isomap
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from small import SMALL, small, small_conv

import skae
from skae import AutoencoderTransformer, Denoising, Sparse
from skae._objectives import manifold

DIGITS = load_digits()
X = (DIGITS.data / 16).astype(np.float32)
Y = DIGITS.target
IMAGES = X.reshape(-1, 8, 8)
FEW = 600


class Halves(BaseEstimator):
    """A map of one's own, whose fits are noted."""

    seen = []

    def __init__(self, random_state=None, n_components=None, shape=None):
        self.random_state = random_state
        self.n_components = n_components
        self.shape = shape

    def fit_transform(self, X):
        self.seen.append((self, X.copy()))
        places = np.stack([X[:, :32].mean(axis=1), X[:, 32:].mean(axis=1)], axis=1)
        return places if self.shape is None else np.zeros(self.shape)


class Labelled(Halves):
    def fit_transform(self, X, y=None):
        self.labels = y
        return super().fit_transform(X)


@pytest.fixture(autouse=True)
def seen():
    Halves.seen.clear()
    return Halves.seen


def mapped(**params):
    params = {"arrange": Halves(), "epochs": 30, "batch_size": 50} | params
    return small(latent_dim=2, **params)


def standardised(Z):
    Z = Z - Z.mean(axis=0)
    return Z / np.sqrt((Z**2).mean())


# ------------------------------------------------------------------- what is learned


@SMALL
def test_latent_vectors_learn_the_map(make, seen):
    ae = make(latent_dim=2, arrange=Halves(), epochs=40, batch_size=50).fit(IMAGES)
    assert ae.arranged_ == "Halves"
    wanted = standardised(Halves().fit_transform(X))
    assert ((ae.transform(IMAGES) - wanted) ** 2).mean() < 0.1
    # The learner gets flat samples, and the decoder has learned, too.
    assert seen[0][1].shape == (1797, 64)
    assert -ae.score(IMAGES) < 0.95 * X.var(axis=0).mean()


def test_a_tsne_has_a_place_for_new_samples_and_samples_for_places():
    ae = AutoencoderTransformer(2, arrange=TSNE(perplexity=15), random_state=0)
    ae.fit(X[:FEW])
    knn = KNeighborsClassifier(5).fit(ae.transform(X[:FEW]), Y[:FEW])
    assert knn.score(ae.transform(X[FEW:]), Y[FEW:]) > 0.7
    pca = PCA(2).fit(X[:FEW])
    linear = ((pca.inverse_transform(pca.transform(X[FEW:])) - X[FEW:]) ** 2).mean()
    assert -ae.score(X[FEW:]) < linear


def test_a_linear_map_is_learned_but_for_its_scale():
    ae = AutoencoderTransformer(2, arrange=PCA(), epochs=100, random_state=0).fit(X)
    wanted = standardised(PCA(2, random_state=0).fit_transform(X))
    assert ((ae.transform(X) - wanted) ** 2).mean() < 0.05


def test_of_many_rows_a_sample_is_mapped_and_the_rest_follow(monkeypatch, seen):
    monkeypatch.setattr(manifold, "MAX_ROWS", 400)
    ae = mapped().fit(X)
    assert ae.arranged_ == "Halves, of 400 of 1797 samples"
    assert len(seen[0][1]) == 400
    wanted = standardised(Halves().fit_transform(X))
    assert ((ae.transform(X) - wanted) ** 2).mean() < 0.4


def test_streamed_rows_are_mapped_as_rows_in_memory(small_limits, monkeypatch, seen):
    monkeypatch.setattr(manifold, "MAX_ROWS", 400)
    mapped().fit(X)
    small_limits(resident=100_000, part=60_000, shuffle=60_000, long_shuffle=60_000)
    ae = mapped().fit_dataset(np.array_split(X, 9))
    assert ae.arranged_ == "Halves, of 400 of 1797 samples"
    rows = {row.tobytes() for row in X}
    assert len(seen[1][1]) == 400
    assert {row.tobytes() for row in seen[1][1]} <= rows
    wanted = standardised(Halves().fit_transform(X))
    assert ((ae.transform(X) - wanted) ** 2).mean() < 0.4


# ----------------------------------------------------------------------- the learner


def test_the_learner_is_copied_and_seeded(seen):
    mine = Halves()
    ae = mapped().set_params(arrange=mine).fit(X)
    used = seen[0][0]
    assert used is not mine
    assert (mine.random_state, mine.n_components) == (None, None)
    assert used.n_components == 2
    assert isinstance(used.random_state, int)
    clone(ae).fit(X)
    assert seen[1][0].random_state == used.random_state
    clone(ae).set_params(random_state=1).fit(X)
    assert seen[2][0].random_state != used.random_state
    clone(ae).set_params(arrange__random_state=7).fit(X)
    assert seen[3][0].random_state == 7


def test_the_same_seed_gives_the_same_map():
    quick = TSNE(perplexity=5, max_iter=250)
    one, two = (mapped().set_params(arrange=quick, epochs=3) for _ in range(2))
    assert_array_equal(one.fit(X[:100]).transform(X), two.fit(X[:100]).transform(X))


def test_steps_of_a_pipeline_are_seeded_too():
    pipe = make_pipeline(PCA(64), Halves())
    prepared = manifold._prepared(pipe, 2, 7)
    assert [step.random_state for step in prepared] == [7, 7]
    assert [step.random_state for step in pipe] == [None, None]


def test_an_object_without_parameters_will_do():
    class Plain:
        def fit_transform(self, X):
            self.fitted = True
            return X[:, 20:22]

    plain = Plain()
    assert mapped().set_params(arrange=plain).fit(X).arranged_ == "Plain"
    assert not hasattr(plain, "fitted")


def test_labels_go_to_learners_that_take_them(seen):
    weight = np.ones(len(X))
    weight[::3] = 0
    mapped().set_params(arrange=Labelled()).fit(X, Y, sample_weight=weight)
    assert_array_equal(seen[0][0].labels, Y[weight > 0])
    assert_array_equal(seen[0][1], X[weight > 0])
    mapped().set_params(arrange=Labelled()).fit(X)
    assert seen[1][0].labels is None
    mapped().fit(X, Y)  # one that takes none gets none


def test_a_supervised_map_places_new_samples():
    params = {"arrange": LinearDiscriminantAnalysis(), "epochs": 60, "random_state": 0}
    ae = AutoencoderTransformer(4, **params).fit(X[:1300], Y[:1300])
    knn = KNeighborsClassifier(5).fit(ae.transform(X[:1300]), Y[:1300])
    assert knn.score(ae.transform(X[1300:]), Y[1300:]) > 0.8
    with pytest.raises(ValueError, match=r"learns from labels.*fit\(X, y\)"):
        AutoencoderTransformer(4, **params).fit(X)
    with pytest.raises(ValueError, match=r"a label for each of 1797 samples, got y"):
        mapped().set_params(arrange=Labelled()).fit(X, Y[:5])


# ----------------------------------------------------------------------- what is not


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (
            {"arrange": TSNE(3)},
            "a map of 3 columns, and latent_dim=2. Set latent_dim=3",
        ),
        ({"early_stopping": True}, "Halves.*: early_stopping=True keeps the weights"),
        ({"objective": Sparse()}, r"objective=Sparse\(\) says what latent vectors"),
        ({"arrange": TSNE}, "or an object with the method fit_transform, such as TSNE"),
        ({"arrange": Halves(shape=(5, 2))}, r"shape \(1797, 2\).*Got one of shape"),
        ({"latent_dim": 3}, r"shape \(1797, 3\).*for latent_dim=3. Got .*\(1797, 2\)"),
    ],
    ids=str,
)
def test_what_cannot_be_learned_is_said(params, words):
    ae = mapped().set_params(**params)
    with pytest.raises(ValueError, match=words):
        ae.fit(X)
    assert not hasattr(ae, "weights_")


def test_a_source_that_shuffles_itself_is_refused(small_limits):
    class Shuffling:
        passes = 0

        def __iter__(self):
            self.passes += 1
            rows = np.random.default_rng(self.passes).permutation(X)
            return iter(np.array_split(rows, 9))

    small_limits(resident=100_000, part=60_000, shuffle=60_000, long_shuffle=60_000)
    with pytest.raises(ValueError, match="no row can be told from its number"):
        mapped().fit_dataset(Shuffling())


def test_partial_fit_leaves_latent_vectors_in_place(seen):
    ae = mapped().partial_fit(X)
    assert ae.arranged_.startswith("nothing: partial_fit")
    assert not seen


# -------------------------------------------------------------- as any other parameter


def test_its_parameters_are_searched(seen):
    ae = mapped().set_params(arrange=Isomap(n_neighbors=5), epochs=3)
    search = GridSearchCV(ae, {"arrange__n_neighbors": [10, 20]}, cv=2).fit(X)
    assert search.best_estimator_.arrange.n_neighbors in (10, 20)
    assert ae.arrange.n_neighbors == 5


def test_pickles_files_and_clones_keep_it(tmp_path):
    quick = TSNE(perplexity=15, max_iter=250)
    ae = mapped().set_params(arrange=quick, epochs=3).fit(X[:100])
    again = pickle.loads(pickle.dumps(ae))
    assert again.arrange.perplexity == 15
    ae.save(tmp_path / "ae.skae")
    loaded = skae.load(tmp_path / "ae.skae")
    assert (loaded.arranged_, loaded.arrange.perplexity) == ("TSNE", 15)
    for twin in (again, loaded):
        assert_array_equal(twin.transform(X), ae.transform(X))
    assert_array_equal(loaded.fit(X[:100]).transform(X), ae.transform(X))
    own = mapped().fit(X[:200])
    with pytest.raises(TypeError, match=r"`save` writes no code, and arrange=Halves"):
        own.save(tmp_path / "own.skae")


@pytest.mark.parametrize("failing_epoch", [0, 2])
def test_a_checkpoint_goes_on_with_the_map(tmp_path, small_limits, failing_epoch):
    small_limits(seconds_between_checkpoints=0, resident=100_000)
    small_limits(part=60_000, shuffle=60_000, long_shuffle=60_000)
    batches = np.array_split(X, 9)

    class Failing(list):
        # Surveyed once, and read once more for the map.
        left = 9 * (2 + failing_epoch) + 5

        def __getitem__(self, i):
            self.left -= 1
            if self.left < 0:
                raise OSError("the disk is gone")
            return super().__getitem__(i)

    ae = mapped().set_params(arrange=PCA(), epochs=4)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        clone(ae).fit_dataset(Failing(batches), checkpoint=tmp_path / "run.skae")
    resumed = clone(ae).fit_dataset(batches, checkpoint=tmp_path / "run.skae")
    whole = clone(ae).fit_dataset(batches)
    assert resumed.arranged_ == whole.arranged_ == "PCA"
    assert_array_equal(resumed.transform(X), whole.transform(X))


def test_noise_goes_with_it_and_convolutions():
    ae = mapped().set_params(objective=Denoising(0.1, "swap"), epochs=3)
    assert ae.fit(X).arranged_ == "Halves"
    conv = small_conv(latent_dim=2, arrange=Halves(), epochs=2).fit(IMAGES[:100])
    assert conv.arranged_ == "Halves"
    assert_allclose(conv.encoder_.predict(IMAGES[:100], verbose=0),
                    conv.transform(IMAGES[:100]), atol=1e-5)  # fmt: skip
