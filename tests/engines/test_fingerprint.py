"""A program is shared exactly where all that it is made of is the same."""

import copy
import functools
import pickle
import sys
import textwrap
import threading
import types

import cloudpickle
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.preprocessing import StandardScaler
from small import python

from skae import DenseNetwork
from skae._fingerprints import digest, fingerprint


class Notebook:
    """Cells that run one after the other in one namespace."""

    def __init__(self, *cells):
        self.space = {"__name__": "__main__"}
        for cell in cells:
            self.run(cell)

    def run(self, cell):
        exec(compile(textwrap.dedent(cell), "<cell>", "exec"), self.space)

    def keys(self, name="made"):
        value = self.space[name]
        return fingerprint(value), digest(value)


# Each line: what makes `made`, and what changes a thing that it is made of.
CHANGES = {
    "a global number": ("w = 1\ndef made(a, b): return w * (a - b)", "w = 5"),
    "a number's type": ("w = 1\ndef made(a, b): return w * (a - b)", "w = 1.0"),
    "true for one": ("w = 1\ndef made(a, b): return w * (a - b)", "w = True"),
    "the sign of zero": ("w = 0.0\ndef made(a): return w", "w = -0.0"),
    "a global that appears": ("def made(a): return max(a)", "def max(a): return 1"),
    "a global that goes": (
        "def max(a): return 1\ndef made(a): return max(a)",
        "del max",
    ),
    "a global by its name": ("w = 1\ndef made(): return globals()['w']", "w = 2"),
    "a global of a lambda": ("w = 1\nmade = lambda a: a * w", "w = 2"),
    "a global within a lambda within": (
        "w = 1\ndef made(a): return list(map(lambda x: x * w, a))",
        "w = 2",
    ),
    "a global of a comprehension": (
        "w = 1\ndef made(a): return [w for _ in a]",
        "w = 2",
    ),
    "a global of a class within": (
        "w = 1\ndef made(a):\n    class Inner:\n        v = w\n    return Inner.v",
        "w = 2",
    ),
    "a helper's global": ("w = 1\ndef h(): return w\ndef made(): return h()", "w = 2"),
    "a helper": ("def h(): return 1\ndef made(): return h()", "def h(): return 2"),
    "an operator": ("def made(a): return a + 1", "def made(a): return a - 1"),
    "a constant": ("def made(a): return a + 1", "def made(a): return a + 2"),
    "a constant within a tuple": (
        "made = lambda a: (1, a)",
        "made = lambda a: (1.0, a)",
    ),
    "constants that are equal": (
        "made = lambda a: (1, 2)",
        "made = lambda a: (1, 2.0)",
    ),
    "the order of parameters": ("def made(a, b): return a", "def made(b, a): return a"),
    "a default": ("def made(a, w=1): return a * w", "made.__defaults__ = (2,)"),
    "a default by keyword": (
        "def made(a, *, w=1): return a * w",
        "made.__kwdefaults__ = {'w': 2}",
    ),
    "an attribute of a function": (
        "def made(): return made.w\nmade.w = 1",
        "made.w = 2",
    ),
    "a closure": (
        "def make(w):\n    def made(a): return a * w\n    return made\nmade = make(1)",
        "made = make(2)",
    ),
    "what a closure shares": (
        """
        def make():
            w = 1
            def made(a): return a * w
            def change():
                nonlocal w
                w = 2
            return made, change
        made, change = make()
        """,
        "change()",
    ),
    "a dictionary that a function reads": (
        "c = {'w': 1}\ndef made(a): return a * c['w']",
        "c['w'] = 2",
    ),
    "an array that a function reads": (
        "import numpy as np\nw = np.ones(3)\ndef made(a): return a * w",
        "w[1] = 2",
    ),
    "an object that a function reads": (
        "class C: pass\nc = C()\nc.w = 1\ndef made(a): return a * c.w",
        "c.w = 2",
    ),
    "a class that a function reads": (
        "class C: w = 1\ndef made(): return C.w",
        "C.w = 2",
    ),
    "another function of the same name": ("made = lambda a: a", "made = lambda a: -a"),
    "the function of a partial": (
        "from functools import partial\nw = 1\ndef f(): return w\nmade = partial(f)",
        "w = 2",
    ),
    "an argument of a partial": (
        "from functools import partial\ndef f(a): return a\nmade = partial(f, a=1)",
        "made.keywords['a'] = 2",
    ),
    "a decorated function": (
        """
        import functools
        def twice(f):
            @functools.wraps(f)
            def twice(a): return 2 * f(a)
            return twice
        w = 1
        @twice
        def made(a): return a * w
        """,
        "w = 2",
    ),
    "a function with a cache": (
        "import functools\nw = 1\n@functools.cache\ndef made(a): return a * w",
        "w = 2",
    ),
    "an attribute of a callable": (
        "class L:\n    def __call__(self, a, b): return self.w\nmade = L()\nmade.w = 1",
        "made.w = 2",
    ),
    "a slot": (
        "class L:\n    __slots__ = ('w',)\nmade = L()\nmade.w = 1",
        "made.w = 2",
    ),
    "a slot that is emptied": (
        "class L:\n    __slots__ = ('w',)\nmade = L()\nmade.w = 1",
        "del made.w",
    ),
    "the object of a bound method": (
        "class L:\n    def f(self, a): return self.w\nl = L()\nl.w = 1\nmade = l.f",
        "l.w = 2",
    ),
    "a method's global": (
        "w = 1\nclass N:\n    def build(self): return w\nmade = N()",
        "w = 2",
    ),
    "a base's method": (
        "class B:\n    def f(self): return 1\nclass N(B): pass\nmade = N()",
        "B.f = lambda self: 2",
    ),
    "a property": (
        "class N:\n    @property\n    def w(self): return 1\nmade = N()",
        "N.w = property(lambda self: 2)",
    ),
    "a static method": (
        "w = 1\nclass N:\n    @staticmethod\n    def f(): return w\nmade = N()",
        "w = 2",
    ),
    "a class method": (
        "w = 1\nclass N:\n    @classmethod\n    def f(cls): return w\nmade = N()",
        "w = 2",
    ),
    "a cached property": (
        """
        import functools
        w = 1
        class N:
            @functools.cached_property
            def f(self): return w
        made = N()
        """,
        "w = 2",
    ),
    "a class' attribute": ("class N: w = 1\nmade = N()", "N.w = 2"),
    "a metaclass": (
        "class M(type): w = 1\nclass N(metaclass=M): pass\nmade = N()",
        "M.w = 2",
    ),
    "a class defined anew": (
        "class N:\n    def f(self): return 1\nmade = N()",
        "class N:\n    def f(self): return 2\nmade = N()",
    ),
    "what a dictionary of one's own class holds": (
        "class D(dict): pass\nmade = D(w=1)",
        "made['w'] = 2",
    ),
    "what a list of one's own class holds": (
        "class D(list): pass\nmade = D([1])",
        "made[0] = 2",
    ),
    "a number of one's own class": ("class F(float): pass\nmade = F(1)", "made = F(2)"),
    "an array of one's own class": (
        "import numpy as np\nclass A(np.ndarray): pass\nmade = np.ones(2).view(A)",
        "made[0] = 2",
    ),
    "what a queue holds": (
        "from collections import deque\nclass Q(deque): pass\nmade = Q([1])",
        "made.append(2)",
    ),
    "the type of a container": ("made = (1, 2)", "made = [1, 2]"),
    "the order of a dictionary": ("made = {'a': 1, 'b': 2}", "made = {'b': 2, 'a': 1}"),
    "a key's type": ("made = {1: 2}", "made = {'1': 2}"),
    "a set": ("made = {'a', 'b'}", "made = {'a', 'c'}"),
    "where a string ends": ("made = ('ab', 'c')", "made = ('a', 'bc')"),
    "the shape of an array": (
        "import numpy as np\nmade = np.ones((2, 3))",
        "made = np.ones((3, 2))",
    ),
    "the type of an array": (
        "import numpy as np\nmade = np.zeros(2, 'i4')",
        "made = np.zeros(2, 'f4')",
    ),
    "the fields of an array": (
        "import numpy as np\nmade = np.zeros(2, [('a', 'f4')])",
        "made = np.zeros(2, [('b', 'f4')])",
    ),
    "an object in an array": (
        "import numpy as np\nmade = np.array([[1], 'a'], object)",
        "made[0].append(2)",
    ),
    "the state of a generator of numbers": (
        "import numpy as np\nmade = np.random.RandomState(0)",
        "made.rand()",
    ),
    "a pattern": ("import re\nmade = re.compile('a')", "made = re.compile('b')"),
    "a ufunc": (
        "from scipy import special\nmade = special.expit",
        "made = special.logit",
    ),
    "a view of a dictionary": ("c = {'a': 1}\nmade = c.values()", "c['a'] = 2"),
    "what a weak reference leads to": (
        "import weakref\nclass C: pass\nc = C()\nmade = weakref.ref(c)",
        "c.w = 2",
    ),
    "a fraction": (
        "from fractions import Fraction\nmade = Fraction(1, 2)",
        "made = Fraction(1, 3)",
    ),
    "a member of an enumeration": (
        "import enum\nclass E(enum.Enum): A = 1; B = 2\nmade = E.A",
        "made = E.B",
    ),
    "a field of a dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass D: w: int\nmade = D(1)",
        "made.w = 2",
    ),
    "a cycle": ("made = [1]\nmade.append(made)", "made[0] = 2"),
    "the shape of a cycle": (
        "made = []\nmade.append(made)",
        "made = [[]]; made[0] += made",
    ),
    "functions that call each other": (
        "w = 1\ndef made(n): return g(n - 1)\ndef g(n): return n and made(n) * w",
        "w = 2",
    ),
    "a class that names itself": (
        "w = 1\nclass N:\n    def f(self): return super().f(N, w)\nmade = N()",
        "w = 2",
    ),
}


@pytest.mark.parametrize(("cell", "change"), CHANGES.values(), ids=CHANGES)
def test_what_is_changed_is_another(cell, change):
    notebook = Notebook(cell)
    before = notebook.keys()
    assert notebook.keys() == before
    hash(before)
    notebook.run(change)
    after = notebook.keys()
    assert after[0] != before[0]
    assert after[1] != before[1]


# Views of other objects are other views.
VIEWS = {"a view of a dictionary", "what a weak reference leads to"}
# Each line makes `made`, and makes the same when it is run once more.
SAME = {
    **{name: cell for name, (cell, _) in CHANGES.items() if name not in VIEWS},
    "a number that is none": "made = float('nan')",
    "an array of such": "import numpy as np\nmade = np.array([np.nan, -0.0])",
    "an array's layout": "import numpy as np\nmade = np.ones((2, 3), order='CF'[i])",
    "a copy": "made = [[1, 2]] * 2 if i else [[1, 2], [1, 2]]",
    "other lines": "\n" * 3 + "def made(a):\n\n    # why\n\n    return a",
    "another name": "def f(a): return a\ndef g(a): return a\nmade = (f, g)[i]",
    "a global that only an attribute is called like": "w = i\ndef made(a): return a.w",
    "a global of no part in it": "w = i\ndef made(a): return a",
    "the order of attributes": (
        "class N: pass\nmade = N()\n"
        "for name in ('ab', 'ba')[i]: setattr(made, name, ord(name))"
    ),
    "an abstract class": (
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\n"
        "class made(A):\n    def f(self): return 1"
    ),
    "a named tuple": (
        "import typing\nclass P(typing.NamedTuple):\n    x: int = 1\nmade = P()"
    ),
    "a function of a library": "from scipy.special import expit as made",
    "a ufunc": "import numpy as np\nmade = np.exp",
    "a logger": "import logging\nmade = logging.getLogger(f'{i}').parent",
    "a class within a function": "def made():\n    class C: pass\n    return C",
    "what is deep": "made = 1\nfor _ in range(100): made = [made]",
    "what is wide": "made = 1\nfor _ in range(100): made = [made, made]",
}


@pytest.mark.parametrize("cell", SAME.values(), ids=SAME)
def test_what_is_made_anew_of_the_same_is_equal(cell):
    assert Notebook("i = 0", cell).keys() == Notebook("i = 1", cell).keys()


# cloudpickle refuses the first two, and forgets the globals of the others.
UNPICKLED = {
    "a cached property",
    "a function with a cache",
    "a global by its name",
    "a global of a class within",
}


@pytest.mark.parametrize("name", [name for name in SAME if name not in UNPICKLED])
def test_what_is_pickled_is_equal(name):
    made = Notebook("i = 0", SAME[name]).space["made"]
    again = pickle.loads(cloudpickle.dumps(made))
    assert digest(again) == digest(made)
    assert fingerprint(copy.deepcopy(made)) == fingerprint(made)


class Network(BaseEstimator):
    """A user's network."""

    def __init__(self, width=3, scaler=None):
        self.width = width
        self.scaler = scaler

    def build_encoder(self, inputs, **words):
        return inputs[: self.width]


@pytest.mark.parametrize(
    "made", [DenseNetwork((3,)), Network(2, StandardScaler()), StandardScaler()]
)
def test_a_clone_is_equal_and_one_with_another_parameter_is_not(made):
    assert fingerprint(clone(made)) == fingerprint(made)
    assert fingerprint(pickle.loads(pickle.dumps(made))) == fingerprint(made)
    name = min(made.get_params(deep=False))
    other = clone(made).set_params(**{name: 7})
    assert fingerprint(other) != fingerprint(made)
    assert digest(other) != digest(made)


def test_what_an_estimator_has_learned_counts():
    fitted = Network(scaler=StandardScaler())
    before = fingerprint(fitted)
    fitted.scaler.fit(np.arange(4.0).reshape(-1, 1))
    assert fingerprint(fitted) != before


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A module of the user's own, `lab.settings`."""
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "settings.py").write_text("w = 1\nother = 1\n")
    (folder / "losses.py").write_text(
        "from . import settings\n"
        "def loss(a, b): return settings.w * (a - b)\n"
        "def late(a, b):\n"
        "    from .settings import w\n"
        "    return w * (a - b)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import lab.losses
    import lab.settings

    yield lab.settings
    for name in ("lab", "lab.settings", "lab.losses"):
        del sys.modules[name]


@pytest.mark.parametrize(
    "cell",
    [
        "import lab.settings\ndef made(a): return lab.settings.w * a",
        "from lab import settings as s\ndef made(a): return s.w * a",
        "from lab import settings as s\ndef made(a): return getattr(s, 'w') * a",
        "def made(a):\n    import lab.settings\n    return lab.settings.w * a",
        "def made(a):\n    from lab import settings as s\n    return s.w * a",
        "def made(a):\n    from lab.settings import w\n    return w * a",
        "from lab.losses import loss as made",
        "from lab.losses import late as made",
        "from lab import losses\ndef made(a, b): return losses.loss(a, b)",
        "from lab import settings as s\ndef h(m): return m.w\ndef made(): return h(s)",
        """
        from lab import settings
        def make(s): return lambda a: s.w * a
        made = make(settings)
        """,
    ],
)
def test_what_code_asks_of_a_module_counts_and_nothing_else(cell, settings):
    notebook = Notebook(cell)
    before = notebook.keys()
    settings.w = 2
    after = notebook.keys()
    assert after[0] != before[0]
    assert after[1] != before[1]
    if "h(s)" not in cell and "getattr" not in cell:  # which may ask for anything
        settings.other = 2
        assert notebook.keys() == after


@pytest.mark.parametrize(
    "make", [threading.Lock, threading.local, lambda: (x for x in ())]
)
def test_what_cannot_be_looked_into_is_itself_only(make):
    network = Network(make())
    assert fingerprint(network) == fingerprint(network)
    assert fingerprint(network) != fingerprint(Network(make()))
    assert digest(network) == digest(Network(make()))


def test_a_key_keeps_what_it_stands_for_alive():
    keys = [fingerprint(threading.Lock()) for _ in range(100)]
    assert len(set(keys)) == 100


def test_what_is_too_deep_is_shared_with_nothing():
    made = []
    for _ in range(sys.getrecursionlimit()):
        made = [made]
    assert fingerprint(made) != fingerprint(made)


def test_bound_methods_of_copies_are_equal():
    network = Network()
    assert fingerprint(network.build_encoder) == fingerprint(Network().build_encoder)
    made = functools.partial(network.build_encoder, 1)
    assert fingerprint(made) == fingerprint(copy.deepcopy(made))


def test_modules_made_by_hand_are_read():
    module = types.ModuleType("by_hand")
    notebook = Notebook("def made(): return module.f()")
    notebook.space["module"] = module
    exec("w = 1\ndef f(): return w", vars(module))
    before = notebook.keys()
    module.w = 2
    assert notebook.keys() != before


PROGRAM = """
import json, sys
{shift}
import cloudpickle
from skae._fingerprints import digest
{cell}
print(json.dumps(digest(made)))
"""
CELL = """
import enum, functools, numpy as np
from dataclasses import dataclass, field
words = {"a", "b", "c", ("d", 1.5)}
class Kind(enum.Enum):
    A = "a"
@dataclass
class Net:
    kinds: set = field(default_factory=lambda: {*Kind, *words})
    def build(self, x):
        return [w in {"a", "b", "c"} for w in words], super().__init__, self.again()
    @functools.cached_property
    def again(self):
        return lambda: Net and np.exp(1)
made = [Net(), functools.partial(Net.build, x=object), object.__new__(object), words]
"""


def test_a_digest_is_the_same_in_every_process(monkeypatch):
    found = set()
    for seed in "123":
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        found.add(python(PROGRAM.format(cell=CELL, shift="\n" * int(seed))))
    assert len(found) == 1
    assert python(PROGRAM.format(cell=CELL + "words.add(1)", shift="")) not in found


# Each line: what makes `made` of Keras, and what changes a thing that it is made of.
KERAS_CHANGES = {
    "a name": ("made = 'mse'", "made = 'mae'"),
    "what a loss leaves out of its config": (
        "made = keras.losses.Huber(1.0)",
        "made = keras.losses.Huber(2.0)",
    ),
    "an attribute of a loss": (
        """
        class Mine(keras.losses.Loss):
            def call(self, a, b): return self.w * (a - b)
        made = Mine()
        made.w = 1
        """,
        "made.w = 2",
    ),
    "a slot of a loss": (
        """
        class Mine(keras.losses.Loss):
            __slots__ = ("w",)
            def call(self, a, b): return self.w * (a - b)
        made = Mine()
        made.w = 1
        """,
        "made.w = 2",
    ),
    "a global of a loss": (
        """
        w = 1
        class Mine(keras.losses.Loss):
            def call(self, a, b): return w * (a - b)
        made = Mine()
        """,
        "w = 2",
    ),
    "a name that a loss was given": (
        "made = keras.losses.Huber(name='one')",
        "made = keras.losses.Huber(name='two')",
    ),
    "a parameter of an optimizer": (
        "made = keras.optimizers.Adam(beta_1=0.9)",
        "made = keras.optimizers.Adam(beta_1=0.8)",
    ),
    "a schedule": (
        """
        w = 1
        class Mine(keras.optimizers.schedules.LearningRateSchedule):
            def __call__(self, step): return w
            def get_config(self): return {}
        made = keras.optimizers.Adam(Mine())
        """,
        "w = 2",
    ),
    "a class of layers": (
        """
        class Mine(keras.layers.Layer):
            def call(self, x): return x
        class Net:
            def build_encoder(self, x, **words): return Mine()(x)
        made = Net()
        """,
        """
        class Mine(keras.layers.Layer):
            def call(self, x): return 2 * x
        """,
    ),
    "an attribute of a layer": ("made = keras.layers.ELU(0.1)", "made.alpha = 0.2"),
    "an attribute of a layer that draws": (
        "made = keras.layers.Dropout(0.1)",
        "made.rate = 0.2",
    ),
    "an activation of a layer": (
        "made = keras.layers.Dense(2, activation=lambda x: x)",
        "made.activation = lambda x: -x",
    ),
    "whether a layer learns": (
        "made = keras.layers.Dense(2)",
        "made.trainable = False",
    ),
    "a layer's dtype": (
        "made = keras.layers.Dense(2, dtype='float32')",
        "made = keras.layers.Dense(2, dtype='float64')",
    ),
    "a list of a layer": (
        """
        class Mine(keras.layers.Layer):
            def call(self, x): return x * self.w[0]
        made = Mine()
        made.w = [1]
        """,
        "made.w[0] = 2",
    ),
    "a dictionary of a model": (
        """
        class Mine(keras.Model):
            def call(self, x): return x * self.w['a']
        made = Mine()
        made.w = {'a': 1}
        """,
        "made.w['a'] = 2",
    ),
    "a weight of a layer": (
        "made = keras.layers.Dense(2)\nmade.build((None, 2))",
        "made.kernel.assign(made.kernel + 1)",
    ),
    "an attribute of a layer of a model": (
        "made = keras.Sequential([keras.Input((2,)), keras.layers.ReLU(1.0)])",
        "made.layers[0].max_value = 2.0",
    ),
    "a variable of Keras": ("made = keras.Variable(1.0)", "made.assign(2.0)"),
    "a variable of TensorFlow": ("made = tf.Variable(1.0)", "made.assign(2.0)"),
    "a tensor": ("made = tf.constant(1.0)", "made = tf.constant(2.0)"),
    "a tensor that a loss reads": (
        "w = tf.constant(1.0)\ndef made(a, b): return w * (a - b)",
        "w = tf.constant(2.0)",
    ),
    "a global of a tf.function": (
        "w = 1\n@tf.function\ndef made(a): return a * w",
        "w = 2",
    ),
    "how a tf.function is made": (
        "def f(a): return a\nmade = tf.function(f)",
        "made = tf.function(f, jit_compile=True)",
    ),
    "a gradient of one's own": (
        "w = 1\n@tf.custom_gradient\ndef made(a): return a, lambda g: g * w",
        "w = 2",
    ),
    "a seed": (
        "made = keras.initializers.RandomNormal(seed=1)",
        "made = keras.initializers.RandomNormal(seed=2)",
    ),
    "an initializer of one's own": (
        """
        w = 1
        class Mine(keras.initializers.Initializer):
            def __call__(self, shape, dtype=None): return w
        made = Mine()
        """,
        "w = 2",
    ),
    "a type of TensorFlow's": ("made = tf.float32", "made = tf.float64"),
    "what a name of one's own stands for": (
        """
        def mine(a, b): return a
        keras.saving.get_custom_objects()["mine"] = mine
        made = "mine"
        """,
        """
        def mine(a, b): return b
        keras.saving.get_custom_objects()["mine"] = mine
        """,
    ),
    "what a name stands for that code knows": (
        """
        def mine(a): return a
        keras.saving.get_custom_objects()["mine"] = mine
        def made(a): return keras.activations.get("mine")(a)
        """,
        """
        def mine(a): return -a
        keras.saving.get_custom_objects()["mine"] = mine
        """,
    ),
}
# Other variables are others, and so are layers within others.
ONLY_ITSELF = {
    "a weight of a layer",
    "an attribute of a layer of a model",
    "an attribute of a layer that draws",
    "a variable of Keras",
    "a variable of TensorFlow",
}


@pytest.fixture
def keras_notebook():
    """Notebooks in which Keras is imported, and whose names it forgets."""
    import keras

    objects = keras.saving.get_custom_objects()
    before = dict(objects)
    yield lambda cell: Notebook("import keras\nimport tensorflow as tf", cell)
    objects.clear()
    objects.update(before)


@pytest.mark.parametrize("name", KERAS_CHANGES)
def test_what_is_changed_of_keras_is_another(name, keras_notebook):
    cell, change = KERAS_CHANGES[name]
    notebook = keras_notebook(cell)
    before = notebook.keys()
    assert notebook.keys() == before
    anew = keras_notebook(cell).keys()
    assert (anew[0] == before[0]) == (name not in ONLY_ITSELF)
    assert anew[1] == before[1] or name == "a weight of a layer"
    notebook.run(change)
    after = notebook.keys()
    assert after[0] != before[0]
    assert after[1] != before[1]


def test_generators_of_keras_are_themselves_however_often_they_draw():
    import keras

    made = keras.random.SeedGenerator(0)
    before = fingerprint(made), digest(made)
    keras.random.normal((1,), seed=made)
    assert (fingerprint(made), digest(made)) == before
    assert fingerprint(keras.random.SeedGenerator(0)) != before[0]
