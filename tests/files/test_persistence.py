import json
import pickle
import struct
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

import skae
from skae import AutoencoderTransformer

X = (load_digits().data[:200] / 16).astype(np.float32)


@pytest.fixture
def saved(dense_fit, tmp_path):
    path = tmp_path / "ae.skae"
    dense_fit.save(path)
    return path


def test_a_loaded_transformer_gives_the_same_bits(dense_fit, saved):
    loaded = skae.load(saved)
    assert_array_equal(loaded.transform(X), dense_fit.transform(X))
    Z = dense_fit.transform(X)
    assert_array_equal(loaded.inverse_transform(Z), dense_fit.inverse_transform(Z))
    assert loaded.score(X) == dense_fit.score(X)
    assert loaded.history_ == dense_fit.history_
    assert loaded.n_iter_ == 2
    assert str(loaded.get_params()) == str(dense_fit.get_params())


def test_images_and_convolutions(conv_fit, tmp_path):
    conv_fit.save(tmp_path / "conv_fit.skae")
    loaded = skae.load(str(tmp_path / "conv_fit.skae"))
    images = X.reshape(-1, 8, 8)
    assert_array_equal(loaded.transform(images), conv_fit.transform(images))
    assert loaded.inverse_transform(conv_fit.transform(images)).shape == images.shape


def test_training_goes_on_after_loading(dense_fit, saved):
    loaded, twin = skae.load(saved), pickle.loads(pickle.dumps(dense_fit))
    before = loaded.transform(X)
    assert_array_equal(
        loaded.partial_fit(X).transform(X), twin.partial_fit(X).transform(X)
    )
    assert (loaded.transform(X) != before).any()


def test_feature_names_are_kept(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X[:, :4], columns=list("abcd"))
    ae = AutoencoderTransformer(2, epochs=1).fit(frame)
    ae.save(tmp_path / "ae.skae")
    loaded = skae.load(tmp_path / "ae.skae")
    assert list(loaded.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(frame[list("dcba")])


def test_a_dense_file_loads_without_tensorflow(saved):
    code = (
        "import sys, numpy, skae; ae = skae.load(sys.argv[1]); "
        "ae.transform(numpy.zeros((1, 64), 'f4')); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(saved)], check=True)


def test_any_flipped_bit_is_refused(saved, tmp_path):
    data = saved.read_bytes()
    random_state = np.random.RandomState(0)
    damaged = tmp_path / "damaged.skae"
    header = struct.unpack("<Q", data[:8])[0] + 8
    # Half in the header, where the meaning stands, half anywhere.
    places = [*random_state.randint(header, size=60)]
    places += [*random_state.randint(len(data), size=60)]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << random_state.randint(8)
        damaged.write_bytes(flipped)
        with pytest.raises(skae.FileFormatError, match=r"damaged\.skae"):
            skae.load(damaged)


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.99])
def test_any_cut_is_refused(saved, tmp_path, share):
    data = saved.read_bytes()
    cut = tmp_path / "cut.skae"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(skae.FileFormatError, match=r"cut\.skae"):
        skae.load(cut)


def foreign_tensors(path):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3)}, path)


def huge_claim(path):
    header = json.dumps(
        {"a": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)


def huge_header(path):
    path.write_bytes(struct.pack("<Q", 2**60) + b"\0" * 64)


def a_pickle(path):
    path.write_bytes(pickle.dumps({"skae": 1}))


@pytest.mark.parametrize("write", [foreign_tensors, huge_claim, huge_header, a_pickle])
def test_foreign_files_are_refused(tmp_path, write):
    path = tmp_path / "foreign.skae"
    write(path)
    with pytest.raises(skae.FileFormatError, match=r"foreign\.skae"):
        skae.load(path)


def test_a_newer_format_says_to_upgrade(dense_fit, tmp_path, monkeypatch):
    monkeypatch.setattr("skae._files.store.FORMAT_VERSION", 2)
    dense_fit.save(tmp_path / "newer.skae")
    monkeypatch.undo()
    with pytest.raises(skae.FileFormatError, match="Upgrade skae"):
        skae.load(tmp_path / "newer.skae")


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        skae.load(tmp_path / "none.skae")


def test_a_failed_save_leaves_the_old_file(dense_fit, saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        dense_fit.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_objects_that_are_code_are_refused(tmp_path):
    ae = AutoencoderTransformer(2, activation=np.tanh, epochs=1)
    ae.activation = "elu"
    ae.fit(X)
    ae.activation = np.tanh
    with pytest.raises(TypeError, match=r"activation=.*pickle"):
        ae.save(tmp_path / "ae.skae")
    assert not list(tmp_path.iterdir())


def test_an_unfitted_transformer_is_not_saved(tmp_path):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        AutoencoderTransformer().save(tmp_path / "ae.skae")


def test_a_pickle_of_another_version_warns(dense_fit, monkeypatch):
    monkeypatch.setattr("skae._autoencoder.__version__", "0.0.1")
    data = pickle.dumps(dense_fit)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"0\.0\.1.*" + skae.__version__):
        pickle.loads(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(dense_fit))


def test_skops_holds_a_whole_pipeline(dense_fit, tmp_path):
    skops = pytest.importorskip("skops.io")
    pipe = make_pipeline(dense_fit, KMeans(3, n_init=1, random_state=0)).fit(X)
    skops.dump(pipe, tmp_path / "pipe.skops")
    unknown = skops.get_untrusted_types(file=tmp_path / "pipe.skops")
    assert all(name.startswith("skae.") for name in unknown)
    loaded = skops.load(tmp_path / "pipe.skops", trusted=unknown)
    assert_array_equal(loaded.transform(X), pipe.transform(X))


def test_joblib_maps_the_weights_into_memory(dense_fit, tmp_path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(dense_fit, tmp_path / "ae.joblib")
    loaded = joblib.load(tmp_path / "ae.joblib", mmap_mode="r")
    assert_array_equal(loaded.transform(X), dense_fit.transform(X))
    loaded.partial_fit(X)
