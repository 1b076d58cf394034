"""Files that are damaged, foreign or lie: refused in words, soon, in little memory."""

import copy
import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
import tracemalloc
import zipfile
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from small import small as any_small

import skae
from skae import ConvNetwork, DenseNetwork
from skae._files.content import _KERAS_ACTIVATIONS
from skae._models import Spec, build_models

X = (load_digits().data[:200] / 16).astype(np.float32)
FOLDER = os.path.join(os.path.dirname(__file__), "released")


small = partial(any_small, network=DenseNetwork((8,)), epochs=1, arrange=None)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a good file."""
    path = tmp_path_factory.mktemp("good") / "good.skae"
    small().fit(X).save(path)
    return path.read_bytes()


def split(data):
    """The header of a file as JSON, its content as JSON, and its arrays' bytes."""
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    return header, json.loads(header["__metadata__"]["skae"]), data[8 + n :]


def joined(header, content, arrays, text=None):
    """The bytes of a file that says so, with the digest that goes with it."""
    text = json.dumps(content) if text is None else text
    digest = hashlib.sha256(text.encode())
    for name in sorted(set(header) - {"__metadata__"}):
        entry = header[name]
        dtype = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}[entry["dtype"]]
        begin, end = entry["data_offsets"]
        digest.update(f"{name} {dtype} {tuple(entry['shape'])}".encode())
        digest.update(arrays[begin:end])
    metadata = {"skae": text, "digest": digest.hexdigest()}
    return raw(json.dumps(header | {"__metadata__": metadata}), arrays)


def raw(header, arrays=b""):
    header = header.encode()
    return len(header).to_bytes(8, "little") + header + arrays


def refused(path):
    """Check that a file is refused with its name, in a second and 50 MiB."""
    start = time.perf_counter()
    with pytest.raises(skae.FileFormatError, match=r"bad\.skae"):
        skae.load(path)
    assert time.perf_counter() - start < 1
    tracemalloc.start()
    try:
        with pytest.raises(skae.FileFormatError):
            skae.load(path)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------- accidents


def flip(data, random):
    place = random.integers(len(data))
    return (
        data[:place]
        + bytes([data[place] ^ 1 << random.integers(8)])
        + data[place + 1 :]
    )


def cut(data, random):
    return data[: random.integers(len(data))]


def swap(data, random):
    """Two parts change places."""
    a, b, c = np.sort(random.choice(len(data), 3, replace=False))
    swapped = data[:a] + data[b:c] + data[a:b] + data[c:]
    return swapped if swapped != data else data[1:]


def overwrite(data, random):
    place = random.integers(len(data) - 16)
    return data[:place] + random.bytes(16) + data[place + 16 :]


def append(data, random):
    return data + random.bytes(random.integers(1, 100))


def drop(data, random):
    place = random.integers(len(data))
    return data[:place] + data[place + 1 :]


@pytest.mark.parametrize("damage", [flip, cut, swap, overwrite, append, drop])
def test_accidents(good, damage, tmp_path):
    random = np.random.default_rng(0)
    n_header = int.from_bytes(good[:8], "little")
    for i in range(20):
        # Every other one strikes the header, where the meaning stands.
        if i % 2 or damage in (cut, append):
            data = damage(good, random)
        else:
            data = damage(good[: 8 + n_header], random) + good[8 + n_header :]
        (tmp_path / "bad.skae").write_bytes(data)
        refused(tmp_path / "bad.skae")


# --------------------------------------------------------------------- other formats


def an_npz(path):
    with open(path, "wb") as file:
        np.savez_compressed(file, skae=np.zeros(10**6))


def an_npy(path):
    with open(path, "wb") as file:
        np.save(file, X)


def an_h5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["weights"] = X


def a_pickle(path):
    path.write_bytes(pickle.dumps(small()))


def a_zip_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../etc/weight_0", b"\0" * 10**7)


def a_keras_file(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", '{"class_name": "Lambda"}')
        file.writestr("model.weights.h5", b"")


def other_tensors(path):
    from safetensors.numpy import save_file

    save_file({"weight_0": X}, path, {"format": "pt"})


def a_sparse_terabyte(path):
    """A claim that the size of the file bears out, though no disk holds it."""
    header = raw(json.dumps({"weight_0": entry("F32", [2**38], 0, 2**40)}))
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + 2**40)


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "write",
    [
        an_npz,
        an_npy,
        an_h5,
        a_pickle,
        a_zip_bomb,
        a_keras_file,
        other_tensors,
        a_sparse_terabyte,
    ],
)
def test_other_formats(write, tmp_path):
    write(tmp_path / "bad.skae")
    refused(tmp_path / "bad.skae")


META = '{"__metadata__": {"digest": "0", "skae": '
HEADERS = {
    "empty file": b"",
    "seven bytes": b"\0" * 7,
    "no header": b"\0" * 8,
    "header longer than the file": (100).to_bytes(8, "little") + b"{}",
    "header of 2**63 bytes": (2**63).to_bytes(8, "little") + b"{}",
    "plain JSON": b'{"format_version": 1}',
    "text": b"import os; os.abort()\n" * 50,
    "zeros": b"\0" * 10_000,
    "not JSON": raw("import os"),
    "not UTF-8": (4).to_bytes(8, "little") + b"\xff\xfe\xff\xfe",
    "a list": raw("[]"),
    "a number": raw("1"),
    "null": raw("null"),
    "no metadata": raw("{}"),
    "metadata null": raw('{"__metadata__": null}'),
    "metadata a list": raw('{"__metadata__": [1]}'),
    "metadata a string": raw('{"__metadata__": "skae"}'),
    "content a number": raw(META + "1}}"),
    "content an object": raw(META + "{}}}"),
    "content no JSON": raw(META + '"import os"}}'),
    "content a list": raw(META + '"[]"}}'),
    "content empty": raw(META + '"{}"}}'),
    "content NaN": raw(META + '"NaN"}}'),
    "deep lists": raw("[" * 100_000),
    "deep closed lists": raw("[" * 5_000 + "]" * 5_000),
    "deep objects": raw('{"a":' * 100_000),
    "deep content": raw(META + '"' + "[" * 100_000 + '"}}'),
    "millions of lists": raw("[" + "[]," * 1_300_000 + "[]]"),
    "millions of objects": raw("[" + "{}," * 1_300_000 + "{}]"),
    "millions of numbers": raw("[" + "1.5," * 1_000_000 + "1]"),
    "millions of strings": raw("[" + '"ab",' * 800_000 + "1]"),
    "a string without an end": raw('{"a": "' + '\\"' * 2_000_000),
    "a number of a million digits": raw('{"a": ' + "9" * 1_000_000 + "}"),
    "a key twice": raw('{"__metadata__": {}, "__metadata__": {}}'),
    "surrogates": raw(META + '"\\ud800"}}'),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers(case, tmp_path):
    (tmp_path / "bad.skae").write_bytes(HEADERS[case])
    refused(tmp_path / "bad.skae")


def test_a_folder_or_no_file_is_an_oserror(tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / "ae\n.skae", "x" * 5000):
        with pytest.raises(OSError):  # noqa: PT011 (the system's words)
            skae.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on Windows")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "bad.skae")
    refused(tmp_path / "bad.skae")


# ------------------------------------------------------- lies, with a digest that fits

WRONG = [None, True, -1, 1.5, 2**70, 1e999, "x", [], {}, [[]], {"a": 1}, "../../x"]
# What a file may well say; and what only the next fit looks at.
FREE = {("parameters", name) for name in ("warm_start",)}


def set_in(content, path, value):
    content = copy.deepcopy(content)
    *outer, last = path
    inner = content
    for key in outer:
        inner = inner[key]
    inner[last] = value
    return content


FITTED = [
    "activation", "dtype", "feature_names_in", "history", "latent_activation",
    "latent_dim", "n_features_in", "n_iter", "network", "output_activation",
    "random_state", "sample_shape",
]  # fmt: skip
ALLOWED = {
    "feature_names_in": ([],),
    "n_iter": (),
}


@pytest.mark.parametrize("name", FITTED)
def test_fitted_values_of_the_wrong_type(good, name, tmp_path):
    header, content, arrays = split(good)
    for value in WRONG:
        if value in ALLOWED.get(name, ()):
            continue
        lying = set_in(content, ("fitted", name), value)
        (tmp_path / "bad.skae").write_bytes(joined(header, lying, arrays))
        refused(tmp_path / "bad.skae")


PARAMETERS = [
    "latent_dim", "network", "epochs", "batch_size", "early_stopping",
    "validation_fraction", "n_iter_no_change", "tol", "learning_rate_init", "callbacks",
]  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("value", [[[]], {"a": 1}, {"network": "os.system"}, -2])
def test_parameters_of_the_wrong_type(good, name, value, tmp_path):
    header, content, arrays = split(good)
    lying = set_in(content, ("parameters", name), value)
    (tmp_path / "bad.skae").write_bytes(joined(header, lying, arrays))
    refused(tmp_path / "bad.skae")


def state(content):
    return content["fitted"]["random_state"]["random_state"]


def twister(**changes):
    """A change of parts of the random state, by place."""

    def change(content):
        for place, value in changes.items():
            state(content)[int(place[1:])] = value

    return change


def put(*path, value):
    def change(content):
        inner = content
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


def without(*path):
    def change(content):
        inner = content
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return change


LIES = {
    "version 0": put("format_version", value=0),
    "version -1": put("format_version", value=-1),
    "version a string": put("format_version", value="1"),
    "version a float": put("format_version", value=1.0),
    "version true": put("format_version", value=True),
    "version null": put("format_version", value=None),
    "version a list": put("format_version", value=[1]),
    "version 2": put("format_version", value=2),
    "version 10**4000": put("format_version", value=10**4000),
    "no version": without("format_version"),
    "no parameters": without("parameters"),
    "no fitted": without("fitted"),
    "no history": without("fitted", "history"),
    "no losses": put("fitted", "history", value={}),
    "infinite losses": put("fitted", "history", value={"loss": [1e999]}),
    "losses in words": put("fitted", "history", value={"loss": ["low"]}),
    "giant latents": put("fitted", "latent_dim", value=2**30),
    "more latents": put("fitted", "latent_dim", value=4),
    "other n_features_in": put("fitted", "n_features_in", value=63),
    "other sample_shape": put("fitted", "sample_shape", value=[8, 8, 2]),
    "5-D samples": put("fitted", "sample_shape", value=[2, 2, 2, 2, 4]),
    "giant samples": put("fitted", "sample_shape", value=[2**30]),
    "names of too few features": put("fitted", "feature_names_in", value=["a"]),
    "names that are numbers": put("fitted", "feature_names_in", value=[1] * 64),
    "names that are numbers, too": put("fitted", "feature_names_in", value="a" * 64),
    "float64": put("fitted", "dtype", value="float64"),
    "float16": put("fitted", "dtype", value="float16"),
    "object": put("fitted", "dtype", value="object"),
    "unknown activation": put("fitted", "activation", value="nope"),
    "activation of a package": put("fitted", "activation", value="os>system"),
    "unknown output": put("fitted", "output_activation", value="auto"),
    "unknown parameter": put("parameters", "code", value="import os"),
    "unknown network": put("fitted", "network", "network", value="eval"),
    "network with code": put("fitted", "network", "parameters", "x", value=1),
    "network by name": put("fitted", "network", value="dense"),
    "wider network": put(
        "fitted", "network", "parameters", "hidden_layer_sizes", value=[9]
    ),
    "giant network": put(
        "fitted", "network", "parameters", "hidden_layer_sizes", value=[2**40] * 3
    ),
    "network of many layers": put(
        "fitted", "network", "parameters", "hidden_layer_sizes", value=[1] * 10**5
    ),
    "convolutions": put(
        "fitted", "network", value={"network": "ConvNetwork", "parameters": {}}
    ),
    "giant strides": put(
        "fitted",
        "network",
        value={
            "network": "ConvNetwork",
            "parameters": {"filters": [1] * 999, "strides": 2**62},
        },
    ),
    "recurrent layers": put(
        "fitted", "network", value={"network": "RecurrentNetwork", "parameters": {}}
    ),
    "recurrent layers of no kind": put(
        "fitted",
        "network",
        value={"network": "RecurrentNetwork", "parameters": {"cell": "eval"}},
    ),
    "giant recurrent layers": put(
        "fitted",
        "network",
        value={"network": "RecurrentNetwork", "parameters": {"units": [2**62] * 999}},
    ),
    "random state of another kind": twister(_0="PCG64"),
    "random state without keys": twister(_1=[]),
    "random state of zeros": twister(_1=[0] * 624),
    "random state of strings": twister(_1=["1"] * 624),
    "random state of large keys": twister(_1=[2**32] * 624),
    "random state of a million keys": twister(_1=[1] * 10**5),
    "random state beyond its keys": twister(_2=10**6),
    "random state before its keys": twister(_2=-1),
    "random state with a bad gauss": twister(_4=1e999),
    "random state too short": put(
        "fitted", "random_state", value={"random_state": ["MT19937"]}
    ),
    "callbacks": put("parameters", "callbacks", value=["print"]),
    "an optimizer that is none": put("parameters", "optimizer", value=3),
    "a loss that is none": put("parameters", "loss", value=None),
    "a rate that is none": put("parameters", "learning_rate", value=[1]),
    "an activation that is none": put("parameters", "activation", value=None),
    "no optimizer": without("parameters", "optimizer"),
    "an object for a loss": put("parameters", "loss", value={"object": "eval"}),
    "an object for a seed": put("parameters", "random_state", value={"object": "1"}),
    "an object for a network": put("fitted", "network", value={"object": "eval"}),
    "an object for a size": put("fitted", "latent_dim", value={"object": "3"}),
    "an object for an activation": put("fitted", "activation", value={"object": "f"}),
    "an object for a layer": put(
        "fitted",
        "network",
        "parameters",
        "hidden_layer_sizes",
        value=[{"object": "16"}],
    ),
    "an object without words": put("parameters", "loss", value={"object": ["eval"]}),
}


@pytest.mark.parametrize("case", LIES)
def test_lies_about_the_fit(good, case, tmp_path):
    header, content, arrays = split(good)
    lying = copy.deepcopy(content)
    LIES[case](lying)
    (tmp_path / "bad.skae").write_bytes(joined(header, lying, arrays))
    refused(tmp_path / "bad.skae")


def changed(name, **changes):
    def change(header):
        header[name].update(changes)

    return change


def renamed(old, new):
    def change(header):
        header[new] = header.pop(old)

    return change


def swapped(header):
    header["weight_0"], header["state_1"] = header["state_1"], header["weight_0"]
    header["weight_0"]["shape"] = header["weight_0"]["shape"][::-1]


ARRAYS = {
    "a huge shape": changed("weight_0", shape=[2**40, 2**20]),
    "a shape that overflows": changed("weight_0", shape=[2**32, 2**32]),
    "a huge shape of nothing": changed("weight_0", shape=[2**62, 0]),
    "a negative shape": changed("weight_0", shape=[-64, -8]),
    "a shape of strings": changed("weight_0", shape=["64", "8"]),
    "a shape of floats": changed("weight_0", shape=[64.0, 8.0]),
    "no shape": changed("weight_0", shape=None),
    "many dimensions": changed("weight_0", shape=[1] * 5000 + [64, 8]),
    "turned": changed("weight_0", shape=[8, 64]),
    "flat": changed("weight_0", shape=[512]),
    "another dtype": changed("weight_0", dtype="I64"),
    "an unknown dtype": changed("weight_0", dtype="O"),
    "a dtype that is none": changed("weight_0", dtype=["F32"]),
    "offsets beyond the end": changed("weight_0", data_offsets=[2**40, 2**40 + 2048]),
    "offsets backwards": changed("weight_0", data_offsets=[2048, 0]),
    "offsets before the start": changed("weight_0", data_offsets=[-2048, 0]),
    "one offset": changed("weight_0", data_offsets=[0]),
    "no offsets": changed("weight_0", data_offsets=None),
    "the bytes of another": changed("weight_1", data_offsets=[0, 32]),
    "a path for a name": renamed("weight_0", "../../weight_0"),
    "an absolute path": renamed("state_0", "/etc/passwd"),
    "a gap in the names": renamed("weight_3", "weight_9"),
    "a weight less": renamed("weight_3", "state_9"),
    "no array": lambda header: header.update(weight_0=3),
    "arrays missing": lambda header: header.pop("weight_0"),
    "moments of other shapes": swapped,
}


@pytest.mark.parametrize("case", ARRAYS)
def test_lies_about_the_arrays(good, case, tmp_path):
    header, _, arrays = split(good)
    metadata = header["__metadata__"]
    ARRAYS[case](header)
    (tmp_path / "bad.skae").write_bytes(
        raw(json.dumps(header | {"__metadata__": metadata}), arrays)
    )
    refused(tmp_path / "bad.skae")


def test_the_forger_of_these_tests_can_write_a_good_file(good, tmp_path):
    """Else every file above would be refused for the forger's own mistakes."""
    (tmp_path / "forged.skae").write_bytes(joined(*split(good)))
    loaded = skae.load(tmp_path / "forged.skae")
    assert_array_equal(loaded.transform(X), small().fit(X).transform(X))


# -------------------------------------------------------------------- what is accepted


@pytest.mark.parametrize(
    "shape", [(64,), (8, 8), (8, 8, 2), (7, 9), (5, 5, 3), (13,), (5, 4, 3, 2)]
)
@pytest.mark.parametrize(
    "network",
    [
        DenseNetwork(),
        DenseNetwork((9, 4), decoder_layer_sizes=(5,)),
        DenseNetwork(()),
        ConvNetwork(),
        ConvNetwork((3,), kernel_size=5, strides=3),
        ConvNetwork((2, 3, 4), kernel_size=(5, 3, 2), hidden_layer_sizes=(6, 7)),
    ],
    ids=repr,
)
def test_the_expected_weights_are_those_that_keras_makes(network, shape):
    spec = Spec(network, shape, 3, "elu", "linear", "linear", "mse", "adam", "float32")
    expected = [
        weight.shape for model in build_models(spec) for weight in model.weights
    ]
    assert network._weight_shapes(shape, 3) == [tuple(shape) for shape in expected]


def test_every_activation_of_keras_can_be_saved():
    from keras.src.activations import ALL_OBJECTS_DICT

    assert set(ALL_OBJECTS_DICT) <= _KERAS_ACTIVATIONS


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "adafactor"])
def test_state_of_any_optimizer(optimizer, tmp_path):
    ae = small(optimizer=optimizer).fit(X)
    ae.save(tmp_path / "ae.skae")
    loaded = skae.load(tmp_path / "ae.skae").partial_fit(X)
    assert_array_equal(loaded.transform(X), ae.partial_fit(X).transform(X))


@pytest.mark.kernel
@pytest.mark.parametrize("version", ["0.1.0"])
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_files_of_earlier_versions(kind, version):
    data = X if kind == "dense" else X[:, :16].astype(np.float64).reshape(-1, 4, 4)
    ae = skae.load(os.path.join(FOLDER, f"{kind}_{version}.skae"))
    first, score = {
        "dense": ([-0.2218498737, -0.9262968898, -0.2025131285], -0.1838057344),
        "conv": ([-0.7696385825, 0.5327488289], -0.1865435723),
    }[kind]
    assert_allclose(ae.transform(data)[0], first, rtol=1e-4)
    assert_allclose(ae.score(data), score, rtol=1e-5)
    assert ae.partial_fit(data).n_iter_ == 3


# ------------------------------------------------------------------------ writing


def test_a_new_file_has_the_usual_permissions(good, tmp_path):
    usual, saved = tmp_path / "usual", tmp_path / "saved"
    usual.touch()
    ae = small().fit(X)
    ae.save(saved)
    assert saved.stat().st_mode == usual.stat().st_mode
    saved.chmod(0o640)
    ae.save(saved)
    assert saved.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.skae"
    link.symlink_to(tmp_path / "there" / "ae.skae")
    small().fit(X).save(link)
    assert link.is_symlink()
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["ae.skae"]


def test_what_would_not_be_read_is_not_written(tmp_path):
    ae = small().fit(X)
    ae.history_ = {"loss": [0.5] * 400_000}
    with pytest.raises(ValueError, match="more than a file holds"):
        ae.save(tmp_path / "ae.skae")
    assert not list(tmp_path.iterdir())


def test_a_generator_of_another_kind_is_not_written(tmp_path):
    state = np.random.RandomState(np.random.PCG64(0))
    ae = small(random_state=state).fit(X)
    with pytest.raises(TypeError, match="random_state"):
        ae.save(tmp_path / "ae.skae")


KILLS = """
import os, random, signal, sys, time
import skae
old, new, target = sys.argv[1:]
old, new = skae.load(old), skae.load(new)
random.seed(0)
seen = []
for _ in range(50):
    child = os.fork()
    if not child:
        while True:
            new.save(target)
            old.save(target)
    time.sleep(random.uniform(0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    seen.append(skae.load(target).history_)
assert all(history in (old.history_, new.history_) for history in seen)
assert old.history_ in seen and new.history_ in seen
"""


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path):
    network = DenseNetwork((300,))  # a file of 500 KB takes a while to write
    for seed, name in enumerate(["old", "new"]):
        small(random_state=seed, network=network).fit(X).save(tmp_path / name)
    folder = tmp_path / "target"
    folder.mkdir()
    target = folder / "ae.skae"
    target.write_bytes((tmp_path / "old").read_bytes())
    paths = map(str, (tmp_path / "old", tmp_path / "new", target))
    subprocess.run([sys.executable, "-c", KILLS, *paths], check=True, timeout=300)
    # What is left behind is named so that it can be told from all else.
    names = set(os.listdir(folder)) - {"ae.skae"}
    assert names
    assert all(name.startswith(".skae-") and name.endswith(".tmp") for name in names)
    skae.load(tmp_path / "new").save(target)
    assert skae.load(target).history_ == skae.load(tmp_path / "new").history_
