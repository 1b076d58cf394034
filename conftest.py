"""What holds for every test and doctest: no window opens, nothing global changes."""

import locale
import os
import random
import signal
import sys
import warnings
from importlib.util import find_spec

# Threads of OpenMP spin while they wait for one another, which takes ten times as long
# where they outnumber the cores. Read where OpenMP is loaded: here, and in processes
# that tests start.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest
import sklearn
import threadpoolctl

# Where it is missing, importing this module says so.
collect_ignore = [] if find_spec("skl2onnx") else ["skae/onnx"]

os.environ.setdefault("MPLBACKEND", "agg")


def pytest_itemcollected(item):
    """Mark the examples, which print numbers; the pages of the guide fit for long."""
    if isinstance(item, pytest.DoctestItem):
        item.add_marker("kernel")
        if item.path.suffix == ".rst":
            item.add_marker("long")


@pytest.fixture(autouse=True)
def _close_figures():
    """Close figures that a test has left open, without importing matplotlib."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


# Set by pytest, and by TensorFlow, h5py, polars and scikit-learn when imported.
_NOT_OURS = {
    "ENABLE_RUNTIME_UPTIME_TELEMETRY",
    "HDF5_PLUGIN_PATH",
    "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK",
    "PYTEST_CURRENT_TEST",
    "TF2_BEHAVIOR",
    "TPU_ML_PLATFORM",
    "TPU_ML_PLATFORM_VERSION",
    "_RJEM_MALLOC_CONF",
}
# What TensorFlow starts with, whatever a user has configured: a test that is the first
# to import it has nothing else to be compared with.
_TENSORFLOW = {
    "the seed of TensorFlow": None,
    "op determinism of TensorFlow": False,
    "the threads of TensorFlow": (None, None),
    "eager functions of TensorFlow": False,
    "the strategy of TensorFlow": False,
}
# Importing these adds filters.
_ADD_FILTERS = ("keras", "pandas", "polars", "scikeras", "scipy", "tensorflow")


def _state():
    """Give what is global, by name; nothing is imported for it."""
    state = {
        f"os.environ[{name!r}]": value
        for name, value in os.environ.items()
        if name not in _NOT_OURS
    }
    random_state = random.getstate()[1]
    state |= {
        "the seed of random": _Generator(random_state[:-1], random_state[-1]),
        "the seed of np.random": _Generator(*np.random.get_state()[1:3]),  # noqa: NPY002
        "np.seterr": (np.geterr(), np.geterrcall()),
        "np.set_printoptions": np.get_printoptions(),
        "sklearn.set_config": sklearn.get_config(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the working directory": os.getcwd(),
        "what Ctrl-C does": signal.getsignal(signal.SIGINT),
        "the threads of BLAS": [
            library["num_threads"] for library in _blas_libraries().info()
        ],
    }
    if "keras" in sys.modules:
        state |= _keras_state()
    return state | (_tensorflow_state() if "tensorflow" in sys.modules else {})


class _Generator:
    """The state of a Mersenne twister, equal to those it reaches by drawing.

    A transformer without `random_state` draws from NumPy's, as scikit-learn's do, and
    a Keras layer without a seed from Python's.
    """

    def __init__(self, key, position):
        self.state = {"key": np.asarray(key, np.uint32), "pos": int(position)}

    def __eq__(self, later):
        twister = np.random.MT19937()
        twister.state = {"bit_generator": "MT19937", "state": self.state}
        for _ in range(20_000):
            if (twister.state["state"]["key"] == later.state["key"]).all():
                return True
            twister.random_raw(624, output=False)
        return False


def _blas_libraries(found=[]):  # noqa: B006
    """Look up the libraries once: it takes longer than many a test."""
    if not found:
        found.append(threadpoolctl.ThreadpoolController().select(user_api="blas"))
    return found[0]


def _keras_state():
    import keras
    from keras.src.backend.common.global_state import get_global_attribute

    return {
        "floatx of Keras": keras.config.floatx(),
        "epsilon of Keras": keras.config.epsilon(),
        "image_data_format of Keras": keras.config.image_data_format(),
        "the backend of Keras": keras.config.backend(),
        "the dtype policy of Keras": keras.config.dtype_policy().name,
        "the seed of Keras": get_global_attribute("global_random_seed"),
        "traceback filtering of Keras": keras.config.is_traceback_filtering_enabled(),
    }


def _tensorflow_state():
    import tensorflow as tf
    from tensorflow.python.eager import context
    from tensorflow.python.framework.config import is_op_determinism_enabled

    # The public functions would start TensorFlow.
    started = context.context_safe()
    names = "_intra_op_parallelism_threads", "_inter_op_parallelism_threads"
    threads = [getattr(started, name, None) for name in names]
    values = (
        getattr(started, "_seed", None),
        is_op_determinism_enabled(),
        tuple(threads),
        tf.config.functions_run_eagerly(),
        tf.distribute.has_strategy(),
    )
    return dict(zip(_TENSORFLOW, values, strict=True))


def _filters():
    """Give the filters of warnings, but for what scikit-learn does to them.

    In threads, its validation of arrays leaves one behind, and its parallel loops copy
    them all.
    """
    category = np.exceptions.ComplexWarning
    filters = (f for f in warnings.filters if f[2] is not category)
    return {tuple(getattr(part, "pattern", part) for part in f) for f in filters}


def _compare(before, after):
    """Name what is no longer as it was."""
    missing = object()
    changed = []
    for name in sorted(before | after):
        then = before.get(name, _TENSORFLOW.get(name, missing))
        if name.endswith(" of Keras") and then is missing:
            continue  # imported in between, as the user has configured it
        now = after.get(name, missing)
        if then is missing or now is missing or then != now:
            changed.append(name)
    return changed


def _refuse(changed):
    if changed:
        words = f"changed for all that comes after: {', '.join(changed)}"
        pytest.fail(words, pytrace=False)


@pytest.fixture(autouse=True)
def _nothing_global_changes():
    """Fail a test that changes what belongs to all; draw alike in each run.

    What is given no `random_state` draws from NumPy's generator, which tests before
    have moved on. SKAE_SEED tries other draws.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    seed = int(os.environ.get("SKAE_SEED", "0"))
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    before, filters, imported = _state(), _filters(), set(sys.modules)
    yield
    after = _state()
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002
    changed = _compare(before, after)
    new = set(sys.modules) - imported
    if _filters() != filters and not new & {*_ADD_FILTERS}:
        changed.append("the filters of warnings")
    _refuse(changed)


@pytest.fixture(autouse=True, scope="module")
def _fixtures_change_nothing_global():
    """Fail the last test of a module whose fixtures change what belongs to all."""
    before = _state()
    yield
    _refuse(_compare(before, _state()))
