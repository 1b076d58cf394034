"""`EmbeddingDisplay.to_html`, in a real browser where one is installed."""

import re
import shutil
import sys

import numpy as np
import pytest

from skae.plotting import EmbeddingDisplay

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

# Elements of the page live in nested shadow roots, which selectors do not enter.
DEEP = """
function deep(node, found = []) {
  for (const child of node.children) { found.push(child); deep(child, found) }
  if (node.shadowRoot) deep(node.shadowRoot, found)
  return found
}
function shown(element) { return element.getBoundingClientRect().width > 0 }
function middle(element) {
  const box = element.getBoundingClientRect()
  return [box.x + box.width / 2, box.y + box.height / 2]
}
const view = Object.values(Bokeh.index).find((one) => one.model.type == "Figure")
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of 30 points of three classes, the last of them without a picture."""
    pytest.importorskip("bokeh")
    rng = np.random.default_rng(0)
    # On a grid, so that no point lies under another.
    Z = np.array([(i % 6, i // 6) for i in range(30)], dtype=float)
    display = EmbeddingDisplay(
        Z,
        labels=np.arange(30) % 3,
        images=rng.random((29, 4, 4)),
        class_names=["cat", "dog", "<b>eel</b>"],
        name="PCA",
    )
    return display.to_html(tmp_path_factory.mktemp("page") / "map.html", title="Map")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs Chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=1100,900",
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(f"--{switch}")
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=DRIVER)
    )
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, page):
    """The browser with the page open and drawn, and what runs a script in it."""
    ui = pytest.importorskip("selenium.webdriver.support.ui")
    browser.get(page.as_uri())
    wait = ui.WebDriverWait(browser, 30)
    wait.until(
        lambda driver: driver.execute_script(
            "return typeof Bokeh == 'object' && Object.keys(Bokeh.index).length > 0"
        )
    )

    def run(script):
        return wait.until(lambda driver: driver.execute_script(DEEP + script))

    return browser, run


def _point(browser, place, click=False):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    actions = ActionBuilder(browser)
    # Two moves: a pointer that appears in place makes no move event.
    actions.pointer_action.move_to_location(int(place[0]) - 3, int(place[1]))
    actions.pointer_action.move_to_location(int(place[0]), int(place[1]))
    if click:
        actions.pointer_action.click()
    actions.perform()
    ActionChains(browser).pause(0.2).perform()


PLACE = """
const canvas = deep(view.el).concat(deep(document.body)).find(
  (one) => one.classList.contains("bk-Canvas"))
const box = canvas.getBoundingClientRect()
return [box.x + view.frame.x_scale.compute(%s), box.y + view.frame.y_scale.compute(%s)]
"""


def test_page_opens_without_a_network_and_draws_every_class(opened):
    browser, run = opened
    assert browser.title == "Map"
    assert run("return view.model.renderers.length") == 3
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map((one) => one.name)"
    )
    assert [name for name in loaded if name.startswith("http")] == []


def test_hover_shows_the_picture_of_the_sample(opened):
    browser, run = opened
    _point(browser, run(PLACE % (2, 1)))
    # Row 8 lies at (2, 1); its class is the third, whose name is no markup.
    source = run(
        "const img = deep(document.body).find((one) => one.tagName == 'IMG' &&"
        " shown(one)); return img && img.src"
    )
    assert source.startswith("data:image/png;base64,")
    text = run(
        "const tip = deep(document.body).find((one) => one.tagName == 'IMG' &&"
        " shown(one)).parentElement.parentElement.parentElement;"
        " return tip.textContent"
    )
    assert "sample 8" in text
    assert "<b>eel</b>" in text


def test_click_on_the_legend_hides_the_class_and_shows_it_again(opened):
    browser, run = opened
    place = run(
        "const item = deep(document.body).find((one) => one.children.length == 0 &&"
        " one.textContent.trim() == 'dog' && shown(one)); return item && middle(item)"
    )
    visible = "return view.model.renderers.map((one) => one.visible)"
    assert run(visible) == [True, True, True]
    _point(browser, place, click=True)
    assert run(visible) == [True, False, True]
    _point(browser, place, click=True)
    assert run(visible) == [True, True, True]


def test_page_needs_nothing_else(page):
    html = page.read_text(encoding="utf-8")
    assert re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="http', html) == []


def test_numbers_have_a_colour_bar_and_no_legend(tmp_path):
    pytest.importorskip("bokeh")
    values = np.linspace(0.1, 1, 5)
    values[0] = np.nan
    path = EmbeddingDisplay(np.eye(5)[:, :2], labels=values).to_html(
        tmp_path / "p.html"
    )
    html = path.read_text(encoding="utf-8")
    assert '"name":"ColorBar"' in html
    assert '"name":"LegendItem"' not in html


def test_three_columns_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"two columns for a page. Received 3. Give"):
        EmbeddingDisplay(np.zeros((4, 3))).to_html(tmp_path / "p.html")


def test_missing_bokeh_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh.embed", None)
    with pytest.raises(ImportError, match=r'pip install "skae\[html\]"'):
        EmbeddingDisplay(np.zeros((4, 2))).to_html(tmp_path / "p.html")
