import os

import pytest

# TensorFlow reads this when it is imported; it keeps its start-up notes, which
# no test is about, out of the report.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def pyplot():
    """`matplotlib.pyplot` with no figure open, before the test and after it."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    yield plt
    plt.close("all")
