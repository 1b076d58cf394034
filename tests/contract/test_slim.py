"""What the recipe for a slim server promises, where the rest cannot be imported."""

import pickle
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small import python, small, small_conv

from skae import (
    AutoencoderClusterer,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    Variational,
)

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "docs" / "installation.rst"

if not RECIPE.exists():
    pytest.skip("the documentation is not here", allow_module_level=True)

X = StandardScaler().fit_transform(load_wine().data)
HOLES = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.2, np.nan, X)

# What the recipe does not install, as if it were not there.
REFUSE = """
import json, pickle, sys
import numpy as np

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

REFUSED = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Refuse())
import skae
with open(sys.argv[2], "rb") as file:
    X, held = pickle.load(file)
done = {}
"""


def slim(tmp_path, data, held, code):
    """Run code with what is held and nothing but what the recipe installs."""
    line = re.search(r"\$ pip install (numpy .*)", RECIPE.read_text())[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", name)[0] for name in project["dependencies"]}
    refused = needed - set(line.split())
    assert {"tensorflow", "keras", "scikeras", "matplotlib"} <= refused
    (tmp_path / "held").write_bytes(pickle.dumps((data, held)))
    names = str(sorted(refused)).replace("'", '"')
    return python(REFUSE + code, names, tmp_path / "held", tmp_path)


USE = """
ae = skae.load(sys.argv[3] + "/ae.skae")
Z = ae.transform(X)
done["transform"] = Z.tolist()
done["inverse_transform"] = ae.inverse_transform(Z).tolist()
done["score"] = ae.score(X)
done["score_samples"] = ae.score_samples(X).tolist()
done["batches"] = [len(Z) for Z in ae.transform_batches([X[:100], X[100:]])]
shown = repr(ae), ae._repr_html_(), dir(ae)
assert "encoder_" in shown[2] and not hasattr(ae, "encoder_")
ae.save(sys.argv[3] + "/again.skae")
pickle.loads(pickle.dumps(ae))
print(json.dumps(done))
"""


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize("parameters", [{}, {"objective": Variational()}], ids=str)
def test_a_dense_transformer(parameters, tmp_path):
    ae = AutoencoderTransformer(3, epochs=5, random_state=0, **parameters).fit(X)
    ae.save(tmp_path / "ae.skae")
    done = slim(tmp_path, X, None, USE)
    Z = ae.transform(X)
    assert_allclose(done["transform"], Z)
    assert_allclose(done["inverse_transform"], ae.inverse_transform(Z))
    assert_allclose(done["score"], ae.score(X))
    assert_allclose(done["score_samples"], ae.score_samples(X))
    assert done["batches"] == [100, 78]


ESTIMATOR = """
for method in ("predict", "transform", "score_samples"):
    if hasattr(held, method):
        done[method] = getattr(held, method)(X).tolist()
repr(held), held._repr_html_()
print(json.dumps(done))
"""


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: make_pipeline(StandardScaler(), small(), KMeans(3, n_init=1)), 5 * X),
        (lambda: AutoencoderOutlierDetector(random_state=0), X),
        (lambda: AutoencoderClusterer(3, random_state=0), X),
        (lambda: AutoencoderImputer(random_state=0), HOLES),
    ],
    ids=["pipeline", "outliers", "clusters", "missing values"],
)
def test_what_is_unpickled(make, data, tmp_path):
    held = make().fit(data)
    done = slim(tmp_path, data, held, ESTIMATOR)
    assert done
    for method, values in done.items():
        assert_allclose(values, getattr(held, method)(data))


FIT = """
from sklearn.base import clone
print(json.dumps(clone(held).fit(X).score(X)))
"""


def test_what_trains_in_numpy(tmp_path):
    held = small()
    assert slim(tmp_path, X, held, FIT) == pytest.approx(held.fit(X).score(X))


REST = """
said = []
for use in (lambda: held.transform(X), lambda: held.encoder_):
    try:
        use()
    except (ImportError, AttributeError) as error:
        said.append(str(error))
repr(held), held._repr_html_()
print(json.dumps(said))
"""


def test_what_needs_tensorflow_says_so(tmp_path):
    said = slim(tmp_path, X, small_conv().fit(X), REST)
    assert len(said) == 2
    for words in said:
        assert "No module named 'keras'" in words
        assert "pip install keras tensorflow" in words
