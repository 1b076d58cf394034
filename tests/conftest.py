import os
import random
import shutil

import numpy as np
import pytest

# TensorFlow reads this when it is imported; it keeps its start-up notes, which
# no test is about, out of the report.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from sklearn.datasets import load_digits

from skae import AutoencoderTransformer, ConvNetwork, DenseNetwork


@pytest.fixture
def pyplot():
    """`matplotlib.pyplot` with no figure open, before the test and after it."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    yield plt
    plt.close("all")


@pytest.fixture
def other_people():
    """Let the test do what skae may not: seed everything, as `keras.utils` offers."""
    import tensorflow as tf
    from keras.src.backend.common import global_state

    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    random.setstate(python_state)
    np.random.set_state(numpy_state)  # noqa: NPY002
    tf.random.set_seed(None)
    global_state.set_global_attribute("global_random_seed", None)


@pytest.fixture
def small_limits(monkeypatch):
    """Set limits of memory, so that data of some kilobytes are larger than memory.

    Call it with the limits by name, as in `small_limits(resident=40_000)`.
    """
    from skae._data import limits

    names = {
        "resident": "MAX_RESIDENT_BYTES",
        "part": "PART_BYTES",
        "block": "BLOCK_BYTES",
        "shuffle": "SHUFFLE_BYTES",
        "long_shuffle": "LONG_SHUFFLE_BYTES",
        "seconds_between_checkpoints": "SECONDS_BETWEEN_CHECKPOINTS",
    }

    def set_limits(**values):
        for name, value in values.items():
            monkeypatch.setattr(limits, names[name], value)

    return set_limits


@pytest.fixture(scope="session")
def dense_fit():
    """A dense transformer, fitted once for all on digits. Do not fit it again."""
    network = DenseNetwork((16,), decoder_layer_sizes=(8,))
    ae = AutoencoderTransformer(3, network=network, epochs=2, random_state=0)
    return ae.fit(load_digits().data[:300].astype(np.float32) / 16)


@pytest.fixture(scope="session")
def conv_fit():
    """A convolutional one, on the same digits as images. Do not fit it again."""
    ae = AutoencoderTransformer(3, network=ConvNetwork((4,)), epochs=2, random_state=0)
    return ae.fit(load_digits().images[:300].astype(np.float32) / 16)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("needs Chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
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
    service = webdriver.ChromeService(executable_path=chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()
