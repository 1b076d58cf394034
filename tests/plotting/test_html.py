"""Pages of maps and decoders, in a real browser where one is installed."""

import json
import re
from base64 import b64decode
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import NMF, PCA, FastICA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae import AutoencoderTransformer
from skae.plotting import EmbeddingDisplay, LatentDisplay, _page
from skae.plotting._explorer import _ACTIVATIONS

PICTURES = np.random.default_rng(0).random((29, 4, 4))
PICTURES[:, [0, -1]] = PICTURES[:, :, [0, -1]] = 0


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of 30 points of three classes, the last of them without a picture."""
    # On a grid, so that no point lies under another.
    Z = np.array([(i % 6, i // 6) for i in range(30)], dtype=float)
    display = EmbeddingDisplay(
        Z,
        labels=np.where(np.arange(30) == 29, -1, np.arange(30) % 3),
        images=PICTURES,
        class_names=["cat", "dog", "</script><b>eel</b>"],
        name="PCA",
    )
    return display.to_html(tmp_path_factory.mktemp("page") / "map.html", title="Map")


@pytest.fixture
def opened(browser, page):
    """The browser with the page open and drawn."""
    return _open(browser, page)


def _open(browser, page):
    ui = pytest.importorskip("selenium.webdriver.support.ui")
    browser.get(page.as_uri())
    ui.WebDriverWait(browser, 30).until(
        lambda driver: driver.execute_script("return typeof skae == 'object'")
    )
    return browser


def _state(browser):
    return browser.execute_script("return skae.state()")


def _point(browser, x, y):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    left, top = browser.execute_script(f"return skae.place({x}, {y})")
    actions = ActionBuilder(browser)
    # Two moves: a pointer that appears in place makes no move event.
    actions.pointer_action.move_to_location(round(left) - 3, round(top))
    actions.pointer_action.move_to_location(round(left), round(top))
    actions.perform()
    ActionChains(browser).pause(0.2).perform()


def _button(browser, text):
    return next(
        one
        for one in browser.find_elements("css selector", ".row .name")
        if one.text.startswith(text)
    )


def test_page_opens_without_a_network_or_an_error(opened):
    assert opened.title == "Map"
    assert _state(opened)["n"] == 30
    loaded = opened.execute_script(
        "return performance.getEntriesByType('resource').map((one) => one.name)"
    )
    assert [name for name in loaded if name.startswith("http")] == []
    assert opened.get_log("browser") == []


def test_pointing_at_a_sample_shows_its_picture_alone_as_the_figure_does(opened):
    _point(opened, 2, 1)
    # Row 8 lies at (2, 1); its class is the third, whose name is no markup.
    assert _state(opened)["chosen"] == 8
    caption = opened.find_element("css selector", ".caption").text
    assert caption == "</script><b>eel</b> sample 8"
    pixels = opened.execute_script(
        "const one = document.querySelector('.picture');"
        "return Array.from(one.getContext('2d').getImageData(0, 0, 4, 4).data)"
    )
    grey = np.reshape(pixels, (4, 4, 4))[..., 0]
    # Ink is black on white.
    expected = 255 * (1 - PICTURES[8] / PICTURES.max())
    np.testing.assert_allclose(grey, expected, atol=1)


def test_a_class_is_hidden_and_shown_alone(opened):
    dogs = [i for i in range(29) if i % 3 == 1]
    _button(opened, "dog").click()
    assert set(_state(opened)["shown"]) == set(range(30)) - set(dogs)
    _button(opened, "dog").click()
    assert len(_state(opened)["shown"]) == 30
    only = _button(opened, "dog").find_element("xpath", "following-sibling::button")
    only.click()
    assert _state(opened)["shown"] == dogs
    only.click()
    assert len(_state(opened)["shown"]) == 30


def test_search_finds_labels_and_sample_numbers(opened):
    search = opened.find_element("css selector", "input[type=search]")
    search.send_keys("CAT")
    assert _state(opened)["shown"] == list(range(0, 29, 3))
    search.clear()
    search.send_keys("17")
    assert _state(opened)["shown"] == [17]
    shown = opened.find_element("css selector", ".quiet:not(.caption span)").text
    assert "1 of 30" in shown


@pytest.mark.parametrize("width", [1280, 500])
def test_nothing_is_wider_than_the_window(browser, page, width):
    browser.set_window_size(width, 900)
    _open(browser, page)
    wide = browser.execute_script(
        "return [...document.querySelectorAll('body *')].filter((one) =>"
        "one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.tagName)"
    )
    browser.set_window_size(1100, 900)
    assert wide == []


def test_page_needs_nothing_else(page):
    html = page.read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="?http', html) == []
    assert html.count("</script>") == 2


def test_numbers_have_a_scale_and_no_classes(tmp_path):
    values = np.linspace(0.1, 1, 5)
    values[0] = np.nan
    path = EmbeddingDisplay(np.eye(5)[:, :2], labels=values).to_html(
        tmp_path / "p.html"
    )
    data = _data(path)
    assert data["ends"] == ["0.325", "1"]
    assert data["values"][0] == "unlabelled"
    assert "names" not in data


def _data(path):
    html = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])


def test_pictures_that_no_browser_would_open_are_drawn_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(_page, "_LARGEST_SHEET", 2_000)
    rng = np.random.default_rng(0)
    images = rng.random((12, 30, 20, 3))
    page = EmbeddingDisplay(rng.random((14, 2)), images=images)
    data = _data(page.to_html(tmp_path / "p.html"))
    assert data["size"] == [10, 15]
    assert data["remarks"] == [
        "Of each picture one row and column in 2 is drawn.",
        "The first 12 samples have pictures.",
    ]
    with Image.open(BytesIO(b64decode(data["sprite"]))) as sheet:
        place = np.asarray(sheet)[15:30, 10:20]
    assert data["across"] == 5
    np.testing.assert_allclose(place, 255 * images[6, ::2, ::2], atol=1)


def test_a_notebook_shows_the_page(page):
    shown = EmbeddingDisplay(np.eye(3)[:, :2], name="t-SNE").show()
    assert shown._repr_html_().startswith("<iframe srcdoc=")
    assert ' title="t-SNE: 3 samples" ' in shown._repr_html_()
    assert "<title>t-SNE: 3 samples</title>" in shown.html


def test_three_columns_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"two columns for a page. Received 3. Give"):
        EmbeddingDisplay(np.zeros((4, 3))).to_html(tmp_path / "p.html")


# ---- The decoder in the page ----------------------------------------------------


class Dense:
    """A layer as Keras has it."""

    def __init__(self, weights, activation):
        self.activation = SimpleNamespace(__name__=activation)
        self.weights = weights

    def get_weights(self):
        """Return kernel and bias."""
        return self.weights


class Reshape:
    """A layer that leaves values as they are."""


class SmallDecoder(TransformerMixin, BaseEstimator):
    """A transformer with a decoder of two dense layers, as an autoencoder has it."""

    def __init__(self, activation="elu", last="sigmoid", latent_dim=3):
        self.activation = activation
        self.last = last
        self.latent_dim = latent_dim

    def fit(self, X, y=None):
        """Draw weights."""
        rng = np.random.default_rng(0)
        X = np.asarray(X)
        self.coder_ = rng.normal(size=(X.shape[1], self.latent_dim)) / X.shape[1]
        shapes = (self.latent_dim, 16), (16, X.shape[1])
        layers = [
            Dense([rng.normal(0, 0.3, one), rng.normal(0, 0.3, one[1])], activation)
            for one, activation in zip(
                shapes, (self.activation, self.last), strict=True
            )
        ]
        self.decoder_ = SimpleNamespace(layers=[*layers, Reshape()])
        return self

    def transform(self, X):
        """Return latent vectors."""
        return np.asarray(X) @ self.coder_

    def inverse_transform(self, Z):
        """Decode."""
        import keras

        values = np.asarray(Z, dtype=np.float32)
        for layer in self.decoder_.layers[:2]:
            kernel, bias = layer.get_weights()
            activation = keras.activations.get(layer.activation.__name__)
            values = np.asarray(activation((values @ kernel + bias).astype("float32")))
        return values


DIGITS, DIGIT = load_digits(return_X_y=True)
WINE = load_wine(as_frame=True)


@pytest.mark.parametrize("activation", sorted(_ACTIVATIONS))
def test_decoded_numbers_equal_inverse_transform(browser, tmp_path, pyplot, activation):
    pytest.importorskip("keras")
    ae = SmallDecoder(activation).fit(DIGITS)
    display = LatentDisplay.from_estimator(ae, DIGITS)
    _open(browser, display.to_html(tmp_path / "p.html", n_samples=100))
    _compare(browser, ae, DIGITS)


@pytest.mark.parametrize(
    "X", [DIGITS.astype(np.float32) / 16, WINE.data], ids=["pixels", "table"]
)
def test_a_fitted_autoencoder_decodes_as_in_the_page(browser, tmp_path, pyplot, X):
    ae = AutoencoderTransformer(3, epochs=5, random_state=0).fit(X)
    display = LatentDisplay.from_estimator(ae, X)
    _open(browser, display.to_html(tmp_path / "p.html", n_samples=50))
    _compare(browser, ae, X)


def _compare(browser, estimator, X):
    """Check what the page decodes of some latent vectors."""
    Z = estimator.transform(X)[:3]
    expected = np.asarray(estimator.inverse_transform(Z))
    for z, true in zip(Z.astype(float).tolist(), expected, strict=True):
        decoded = browser.execute_script(f"return skae.decode({z})")
        np.testing.assert_allclose(decoded, true, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(2, random_state=0),
        PCA(6, whiten=True, random_state=0),
        make_pipeline(StandardScaler(), PCA(5, random_state=0)),
        make_pipeline(MinMaxScaler(), PCA(5), KMeans(3, n_init=1, random_state=0)),
    ],
    ids=["PCA", "whitened", "scaled", "clustered"],
)
def test_tables_and_steps_before_equal_inverse_transform(
    browser, tmp_path, pyplot, estimator
):
    estimator = clone(estimator).fit(WINE.data)
    display = LatentDisplay.from_estimator(estimator, WINE.data)
    path = display.to_html(tmp_path / "p.html", labels=WINE.target, title="Wine")
    _open(browser, path)
    _compare(browser, display.source_[0], WINE.data)
    bars = browser.find_elements("css selector", ".bar")
    assert len(bars) == 13
    names = {bar.text.split("\n")[0] for bar in bars}
    assert names == set(WINE.data.columns)


def test_the_decoder_draws_what_lies_under_the_pointer(browser, tmp_path, pyplot):
    pca = PCA(2, random_state=0).fit(DIGITS)
    display = LatentDisplay.from_estimator(pca, DIGITS)
    path = display.to_html(tmp_path / "p.html", labels=DIGIT)
    _open(browser, path)
    x, y = pca.transform(DIGITS[[7]])[0]
    _point(browser, x, y)
    state = _state(browser)
    # To the pixel.
    np.testing.assert_allclose(state["latents"], [x, y], atol=0.3)
    expected = pca.inverse_transform([state["latents"]])[0]
    np.testing.assert_allclose(state["output"], expected, atol=1e-3)
    drawn = browser.execute_script(
        "const one = document.querySelector('.picture');"
        "return Array.from(one.getContext('2d').getImageData(0, 0, 8, 8).data)"
    )
    ink = np.clip(255 * (1 - expected / 16), 0, 255)
    np.testing.assert_allclose(np.reshape(drawn, (64, 4))[:, 0], ink, atol=1)
    assert "Move over" in browser.find_element("css selector", ".caption").text
    _point(browser, *pca.transform(DIGITS).min(axis=0))
    caption = browser.find_element("css selector", ".caption").text
    assert caption == "No sample is near: the decoder guesses."
    assert browser.get_log("browser") == []


def test_sliders_move_latent_values(browser, tmp_path, pyplot):
    pca = PCA(20, random_state=0).fit(DIGITS)
    display = LatentDisplay.from_estimator(pca, DIGITS)
    path = display.to_html(tmp_path / "p.html", n_samples=50)
    _open(browser, path)
    sliders = browser.find_elements("css selector", "input[type=range]")
    assert len(sliders) == 12
    before = _state(browser)["latents"]
    browser.execute_script(
        "arguments[0].value = 7; arguments[0].dispatchEvent(new Event('input'))",
        sliders[3],
    )
    after = _state(browser)
    assert after["latents"][3] == pytest.approx(7, abs=0.5)
    assert after["latents"][:3] == before[:3]
    np.testing.assert_allclose(
        after["output"], pca.inverse_transform([after["latents"]])[0], atol=1e-3
    )
    text = browser.find_element("css selector", "aside").text
    assert "50 of 1,797 samples, at random." in text
    assert "Sliders for the 12 values that vary most." in text


def test_a_page_begins_where_samples_are_dense(browser, tmp_path, pyplot):
    """And not in the middle between two groups, where the decoder guesses."""
    rng = np.random.default_rng(0)
    groups = rng.normal(scale=0.1, size=(60, 3)) + np.repeat(
        [[5, 0, 0], [-5, 0, 0]], 30, 0
    )
    Z = np.concatenate([groups, [[0, 0, 0]]])
    pca = PCA(3).fit(Z)
    _open(browser, LatentDisplay.from_estimator(pca, Z).to_html(tmp_path / "p.html"))
    latents = _state(browser)["latents"]
    assert abs(pca.inverse_transform([latents])[0, 0]) > 4


def test_the_page_opens_in_a_second_and_draws_in_milliseconds(
    browser, tmp_path, pyplot
):
    rng = np.random.default_rng(0)
    images = rng.random((2000, 784))
    pca = PCA(10, random_state=0).fit(images)
    path = LatentDisplay.from_estimator(pca, images).to_html(tmp_path / "p.html")
    times = []
    # The quickest of five: others may be using the machine.
    for _ in range(5):
        _open(browser, path)
        times.append(
            browser.execute_script(
                "const start = performance.now();"
                "for (let i = 0; i < 20; i++) skae.decode(skae.state().latents);"
                "const took = (performance.now() - start) / 20;"
                "return [performance.getEntriesByType('navigation')[0].loadEventEnd,"
                "took]"
            )
        )
    loaded, decoded = np.min(times, axis=0)
    assert loaded < 1000
    assert decoded < 5


class Bent(TransformerMixin, BaseEstimator):
    """A step that changes columns as no page can."""

    def fit(self, X, y=None):
        """Learn nothing."""
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X):
        """Return logarithms."""
        return np.log1p(X)

    def inverse_transform(self, X):
        """Return what they are the logarithms of."""
        return np.expm1(X)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_pipeline(Bent(), PCA(2)), r"other values than its layers. Draw"),
        (lambda: SmallDecoder("mish"), r"the activation 'mish', which is none of"),
        (lambda: FastICA(2, whiten="unit-variance"), r"other values than its layers"),
        (lambda: NMF(2, max_iter=2000), r"Received NMF: it has no decoder_. Draw it"),
    ],
)
def test_a_decoder_that_no_page_can_compute_is_refused(pyplot, make, message):
    display = LatentDisplay.from_estimator(make().fit(WINE.data), WINE.data)
    with pytest.raises(ValueError, match=message):
        display.show()


def test_layers_that_are_not_dense_are_refused(pyplot):
    pytest.importorskip("keras")
    ae = SmallDecoder().fit(DIGITS)
    ae.decoder_.layers.insert(0, SimpleNamespace())
    ae.decoder_.layers.sort(key=lambda one: type(one).__name__ == "SimpleNamespace")
    with pytest.raises(ValueError, match=r"its decoder has a layer SimpleNamespace"):
        LatentDisplay.from_estimator(ae, DIGITS).show()


def test_a_display_of_pictures_has_no_decoder():
    with pytest.raises(ValueError, match=r"one of pictures or latent vectors. Make it"):
        LatentDisplay(np.ones((1, 1, 8, 8))).show()
