"""Inside of scikit-learn's own machinery."""

import copy
import io
import json
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from joblib.externals.loky import get_reusable_executor
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils.fixes import parse_version
from small import SMALL, small, small_conv

from skae import (
    AutoencoderClusterer,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    Denoising,
    DenseNetwork,
)

DIGITS = load_digits()
X = (DIGITS.data[:300] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)
y = DIGITS.target[:300]


# ------------------------------------------------------------------------- pipelines


def test_kmeans_behind():
    ae = small(latent_dim=8, epochs=60, learning_rate=0.01)
    pipe = Pipeline([("ae", ae), ("km", KMeans(10, n_init=3, random_state=0))])
    labels = pipe.fit_predict(X)
    assert adjusted_rand_score(y, labels) > 0.35
    assert_array_equal(pipe.predict(X), labels)
    assert pipe[1].cluster_centers_.shape == (10, 8)
    assert_allclose(pipe.score(X), pipe[1].score(pipe[0].transform(X)))
    assert pipe[:-1].inverse_transform(pipe[1].cluster_centers_).shape == (10, 64)


@SMALL
def test_kmeans_behind_images(make):
    pipe = make_pipeline(make(), KMeans(3, n_init=1, random_state=0)).fit(IMAGES)
    assert pipe.predict(IMAGES[:5]).shape == (5,)


@pytest.mark.parametrize("scaler", [StandardScaler, MinMaxScaler])
def test_scalers_in_front(scaler):
    pipe = make_pipeline(scaler(), small(epochs=40, learning_rate=0.01))
    data = DIGITS.data[:300]
    back = pipe.inverse_transform(pipe.fit_transform(data))
    assert back.shape == data.shape
    assert ((back - data) ** 2).mean() < 0.8 * data.var(axis=0).mean()
    expected = "sigmoid" if scaler is MinMaxScaler else "linear"
    assert pipe[1].output_activation_ == expected
    assert list(pipe.get_feature_names_out()) == [
        f"autoencodertransformer{i}" for i in range(3)
    ]


def test_tsne_last():
    pipe = make_pipeline(small(), TSNE(perplexity=5, max_iter=250, random_state=0))
    assert pipe.fit_transform(X[:50]).shape == (50, 2)


def test_a_classifier_behind():
    ae = small(latent_dim=8, epochs=40, learning_rate=0.01)
    pipe = make_pipeline(ae, LogisticRegression(max_iter=1000))
    scores = cross_val_score(pipe, X, y, cv=3)
    assert scores.mean() > 0.6
    assert_array_equal(cross_val_score(pipe, X, y, cv=3), scores)


def test_the_score_of_a_pipeline_that_ends_here():
    pipe = make_pipeline(StandardScaler(), small()).fit(X)
    scaled = pipe[0].transform(X)
    assert pipe.score(X) == pipe[1].score(scaled)
    assert_array_equal(pipe.score_samples(X), pipe[1].score_samples(scaled))


def test_column_transformer_and_feature_union():
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    top, rest = list(frame.columns[:32]), list(frame.columns[32:])
    columns = ColumnTransformer(
        [("ae", small(), top), ("rest", "passthrough", rest)]
    ).set_output(transform="pandas")
    out = columns.fit_transform(frame)
    assert list(out.columns[:3]) == [f"ae__autoencodertransformer{i}" for i in range(3)]
    assert_array_equal(out.iloc[:, :3], small().fit_transform(frame[top]))
    union = FeatureUnion([("ae", small()), ("pca", PCA(2))]).fit(X)
    assert union.transform(X).shape == (300, 5)
    assert_array_equal(union.transform(X)[:, :3], small().fit_transform(X))
    assert list(union.get_feature_names_out())[2:4] == [
        "ae__autoencodertransformer2",
        "pca__pca0",
    ]


# ----------------------------------------------------------------------- grid search

GRIDS = {
    "dense": (
        small(epochs=2),
        {
            "activation": ["relu", "elu"],
            "latent_dim": [2, 3],
            "network__hidden_layer_sizes": [(8,), (16, 8)],
        },
    ),
    "conv": (
        small_conv(epochs=2),
        {"activation": ["relu", "elu"], "latent_dim": [2], "network__filters": [(4,)]},
    ),
}


def scores(grid, backend, n_jobs):
    ae, params = GRIDS[grid]
    if backend == "loky" and n_jobs > 1:
        # New workers: where psutil is installed, loky takes the memory of TensorFlow,
        # imported in a later task of a worker than its first, for a leak, ends the
        # worker, and may wait for ever.
        get_reusable_executor().shutdown(wait=True)
    search = GridSearchCV(ae, params, cv=2, n_jobs=n_jobs, error_score="raise")
    with joblib.parallel_config(backend):
        results = search.fit(X[:120]).cv_results_
    return np.array([results[f"split{i}_test_score"] for i in range(2)])


@pytest.mark.parametrize(
    "grid", ["dense", pytest.param("conv", marks=pytest.mark.long)]
)
def test_a_grid_gives_the_same_scores_however_it_is_run(grid):
    alone = scores(grid, "loky", 1)
    assert len(set(alone.ravel())) == alone.size
    assert_array_equal(scores(grid, "threading", 2), alone)
    assert_array_equal(scores(grid, "loky", 2), alone)


def test_a_grid_finds_the_better_value():
    search = GridSearchCV(
        small(epochs=30, learning_rate=0.01),
        {"latent_dim": [1, 8], "network__hidden_layer_sizes": [(1,), (32,)]},
        cv=2,
        error_score="raise",
    ).fit(X)
    assert search.best_params_ == {
        "latent_dim": 8,
        "network__hidden_layer_sizes": (32,),
    }
    assert search.score(X) == search.best_estimator_.score(X)
    assert search.transform(X).shape == (300, 8)


def test_a_grid_through_a_pipeline():
    pipe = Pipeline([("ae", small()), ("lr", LogisticRegression(max_iter=1000))])
    grid = {"ae__latent_dim": [1, 8], "ae__epochs": [30], "ae__learning_rate": [0.01]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["ae__latent_dim"] == 8


# ---------------------------------------------------------------------------- caching


def test_a_pipeline_with_memory_fits_once(tmp_path, capsys):
    calls = tmp_path / "calls"

    def fit(pipe):
        return pipe.fit(X).transform(X)

    pipe = Pipeline(
        [("ae", small(verbose=1)), ("same", FunctionTransformer())],
        memory=joblib.Memory(calls, verbose=0),
    )
    first = fit(pipe)
    assert "3/3" in capsys.readouterr().err
    assert_array_equal(fit(clone(pipe)), first)
    assert capsys.readouterr().err == ""
    other = fit(clone(pipe).set_params(ae__latent_dim=2))
    assert "3/3" in capsys.readouterr().err
    assert other.shape == (300, 2)
    wider = clone(pipe).set_params(ae__network__hidden_layer_sizes=(17,))
    assert (fit(wider) != first).any()
    assert "3/3" in capsys.readouterr().err


def squares(x, y):
    return (x - y) ** 2


def test_a_pipeline_with_memory_knows_what_the_guide_says_it_knows():
    import keras

    def keys(parameters):
        return {joblib.hash(clone(small(**parameters()))) for _ in range(2)}

    known = [
        lambda: {"optimizer": "adam", "learning_rate": 0.01, "loss": "mae"},
        lambda: {"loss": squares, "activation": keras.activations.elu},
        lambda: {
            "learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
        },
        lambda: {"network": DenseNetwork((3,)), "objective": Denoising()},
    ]
    assert [len(keys(parameters)) for parameters in known] == [1] * len(known)
    with pytest.raises(pickle.PicklingError, match="lambda"):
        joblib.hash(small(loss=lambda x, y: (x - y) ** 2))


@SMALL
def test_a_fitted_transformer_hashes_as_it_did(make):
    """What joblib.Memory goes by does not change with use."""
    ae = make().fit(X)
    before = joblib.hash(ae)
    ae.transform(X), ae.score(X), ae.encoder_.count_params()
    assert joblib.hash(ae) == before
    assert joblib.hash(make().fit(X)) == before


# ------------------------------------------------------------------------------ copies


def by_joblib(ae):
    file = io.BytesIO()
    joblib.dump(ae, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda ae: pickle.loads(pickle.dumps(ae)),
    "pickle 4": lambda ae: pickle.loads(pickle.dumps(ae, 4)),
    "joblib": by_joblib,
    "cloudpickle": lambda ae: pickle.loads(cloudpickle.dumps(ae)),
}


@SMALL
@pytest.mark.parametrize("how", COPIES)
def test_copies_are_whole(make, how):
    ae = make().fit(IMAGES)
    latents = ae.transform(IMAGES)
    assert ae.encoder_.count_params()  # so that Keras models are at hand
    copied = COPIES[how](ae)
    assert_array_equal(copied.transform(IMAGES), latents)
    assert_array_equal(copied.inverse_transform(latents), ae.inverse_transform(latents))
    assert copied.history_ == ae.history_
    assert_allclose(copied.encoder_.predict(IMAGES, verbose=0), latents, atol=1e-5)
    # What happens to the copy stays there.
    copied.partial_fit(IMAGES)
    assert (copied.transform(IMAGES) != latents).any()
    assert_array_equal(ae.transform(IMAGES), latents)
    assert len(ae.history_["loss"]) == 3


@SMALL
def test_an_unfitted_transformer_is_copied_too(make):
    expected = make().fit_transform(X)
    for how in COPIES.values():
        assert_array_equal(how(make()).fit_transform(X), expected)


@SMALL
def test_clone_forgets_the_fit(make):
    ae = make().fit(X)
    assert not hasattr(clone(ae), "weights_")
    assert_array_equal(clone(ae).fit_transform(X), ae.transform(X))
    assert str(clone(ae).get_params()) == str(ae.get_params())


@SMALL
def test_a_joblib_file_may_be_memory_mapped(make, tmp_path):
    ae = make().fit(X)
    joblib.dump(ae, tmp_path / "ae.joblib")
    mapped = joblib.load(tmp_path / "ae.joblib", mmap_mode="r")
    assert isinstance(mapped.weights_[0], np.memmap)
    assert_array_equal(mapped.transform(X), ae.transform(X))
    assert_array_equal(
        mapped.partial_fit(X).transform(X), ae.partial_fit(X).transform(X)
    )


def test_a_pickle_is_hardly_larger_than_its_weights():
    ae = AutoencoderTransformer(network=DenseNetwork((500,)), epochs=1).fit(X)
    weights = sum(weight.nbytes for weight in ae.weights_)
    assert len(pickle.dumps(ae)) < 3.1 * weights + 10_000  # Adam's two moments


def test_functions_of_the_user_travel_by_cloudpickle():
    import keras

    ae = small(activation=lambda x: keras.ops.maximum(x, 0.1 * x)).fit(X)
    copied = pickle.loads(cloudpickle.dumps(ae))
    assert_array_equal(copied.transform(X), ae.transform(X))


# ----------------------------------------------------------------------- how it shows


@pytest.fixture
def published(monkeypatch):
    """Let the metadata of the package name a site, as they will once there is one."""
    from skae import _links

    urls = ["Source, https://host/code", "Documentation, https://host/docs/"]
    monkeypatch.setattr(
        _links, "metadata", lambda _: SimpleNamespace(get_all=lambda _: urls)
    )
    _links._site.cache_clear()
    yield urls
    _links._site.cache_clear()


def test_html_links_to_the_documentation(published):
    page = "https://host/docs/generated/skae.AutoencoderTransformer.html"
    html = estimator_html_repr(small().fit(X))
    assert page in html
    assert "DenseNetwork" in html
    assert page in estimator_html_repr(make_pipeline(StandardScaler(), small()))


def test_html_links_to_no_page_that_is_not_there(published):
    published.clear()
    html = estimator_html_repr(make_pipeline(StandardScaler(), small()))
    assert "skae.AutoencoderTransformer.html" not in html
    assert "sklearn.preprocessing.StandardScaler.html" in html


SHOWN = """
import json, os, sys
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skae import AutoencoderTransformer, DenseNetwork, KerasAutoencoderTransformer

class Sub(AutoencoderTransformer):
    pass

X = np.random.RandomState(0).uniform(size=(300, 8)).astype("f")
params = dict(network=DenseNetwork((8,)), epochs=2, arrange=None)
fitted = [Make(2, **params).fit(X) for Make in (AutoencoderTransformer, Sub)]
fitted.append(make_pipeline(StandardScaler(), fitted[0]).fit(X))
shown = []
for ae in [*fitted, AutoencoderTransformer(), KerasAutoencoderTransformer()]:
    repr(ae), str(ae), ae._repr_html_(), dir(ae)
    shown.append(ae._repr_mimebundle_()["text/html"])
assert {"encoder_", "decoder_"} < {*dir(fitted[0])}
imported = "tensorflow" in sys.modules or "keras" in sys.modules
assert hasattr(fitted[0], "encoder_") and fitted[1].decoder_.count_params()
print(json.dumps([imported, *shown]))
"""


@pytest.mark.long
@pytest.mark.versions
def test_an_estimator_is_shown_without_tensorflow_and_in_silence():
    run = subprocess.run(
        [sys.executable, "-c", SHOWN],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )
    imported, *shown = json.loads(run.stdout)
    assert not imported
    assert not run.stderr
    assert "AutoencoderTransformer" in shown[0]
    if parse_version(sklearn.__version__) >= parse_version("1.9"):
        for name in ("encoder_", "decoder_", "weights_", "built when asked for"):
            assert all(name in html for html in shown[:3])


def test_models_are_shown_once_they_are_built():
    ae = small().fit(X)
    encoder = ae.encoder_
    html = estimator_html_repr(ae)
    assert "built when asked for" not in html
    assert ae.encoder_ is encoder


def test_repr_shows_what_was_changed():
    assert repr(AutoencoderTransformer()) == "AutoencoderTransformer()"
    shown = repr(AutoencoderTransformer(3, network=DenseNetwork((16,))))
    assert shown == (
        "AutoencoderTransformer(latent_dim=3,\n"
        "                       network=DenseNetwork(hidden_layer_sizes=(16,)))"
    )
    assert eval(shown).latent_dim == 3


# -------------------------------------------------------------------- metadata routing


def test_sample_weight_is_routed():
    weights = np.linspace(0.1, 3, 300)
    expected = small().fit(X, sample_weight=weights)
    unweighted = small().fit(X)
    with config_context(enable_metadata_routing=True):
        ae = small().set_fit_request(sample_weight=True)
        pipe = make_pipeline(FunctionTransformer(), ae)
        routed = pipe.fit(X, sample_weight=weights)[-1]
        assert_array_equal(routed.transform(X), expected.transform(X))
        assert (routed.transform(X) != unweighted.transform(X)).any()
        refused = make_pipeline(FunctionTransformer(), small())
        with pytest.raises(ValueError, match="explicitly set as requested or not"):
            refused.fit(X, sample_weight=weights)


def test_sample_weight_is_routed_by_a_search():
    weights = np.linspace(0.1, 3, 300)
    with config_context(enable_metadata_routing=True):
        ae = small().set_fit_request(sample_weight=True)
        ae.set_score_request(sample_weight=True)
        search = GridSearchCV(ae, {"latent_dim": [2]}, cv=2, error_score="raise")
        weighted = search.fit(X, sample_weight=weights).best_score_
        plain = search.fit(X).best_score_
    half = small(latent_dim=2).fit(X[:150], sample_weight=weights[:150])
    other = small(latent_dim=2).fit(X[150:], sample_weight=weights[150:])
    expected = np.mean(
        [
            other.score(X[:150], sample_weight=weights[:150]),
            half.score(X[150:], sample_weight=weights[150:]),
        ]
    )
    assert_allclose(weighted, expected, rtol=1e-9)
    assert weighted != plain


def test_sample_weight_by_the_name_of_the_step():
    weights = np.linspace(0.1, 3, 300)
    pipe = make_pipeline(FunctionTransformer(), small())
    pipe.fit(X, autoencodertransformer__sample_weight=weights)
    expected = small().fit(X, sample_weight=weights)
    assert_array_equal(pipe.transform(X), expected.transform(X))


# -------------------------------------------------------------------------- set_output


@SMALL
def test_set_output(make):
    expected = make().fit_transform(X)
    names = [f"autoencodertransformer{i}" for i in range(3)]
    ae = make().fit(X).set_output(transform="pandas")
    frame = ae.transform(pd.DataFrame(X, index=np.arange(300) + 5))
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == names
    assert list(frame.index) == list(range(5, 305))
    assert_array_equal(frame, expected)
    # What it gives it takes back.
    assert_array_equal(ae.inverse_transform(frame), ae.inverse_transform(expected))
    frame = ae.set_output(transform="polars").transform(X)
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == names
    assert_array_equal(frame.to_numpy(), expected)
    assert_array_equal(ae.inverse_transform(frame), ae.inverse_transform(expected))
    ae.set_output(transform="default")
    assert isinstance(ae.transform(X), np.ndarray)


def test_set_output_for_all():
    with config_context(transform_output="pandas"):
        frame = make_pipeline(StandardScaler(), small()).fit_transform(X)
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (300, 3)


# ----------------------------------------------------------- without pandas, polars


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scikit-learn before 1.9 takes a blocked pandas for pandas",
)
def test_pandas_and_polars_are_not_required():
    code = """
import sys
sys.modules["pandas"] = sys.modules["polars"] = None
import numpy as np
from skae import AutoencoderTransformer
X = np.arange(40.0).reshape(10, 4)
ae = AutoencoderTransformer(2, epochs=1)
assert ae.inverse_transform(ae.fit_transform(X)).shape == (10, 4)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    "estimator", [AutoencoderClusterer, AutoencoderImputer, AutoencoderOutlierDetector]
)
def test_what_a_transformer_leaves_to_chance_follows_the_seed(estimator):
    """What it does not is as the user has chosen."""

    def seed(transformer, random_state):
        fitted = estimator(transformer=transformer, random_state=random_state).fit(X)
        fitted = getattr(fitted.transformer_, "transformers", [fitted.transformer_])
        return fitted[0].random_state

    free, chosen = (
        small(missing="mask", epochs=1, random_state=seed) for seed in (None, 7)
    )
    assert seed(free, 1) == seed(free, 1) != seed(free, 2)
    assert seed(free, None) != seed(free, None)
    assert seed(chosen, 1) == seed(chosen, None) == 7
