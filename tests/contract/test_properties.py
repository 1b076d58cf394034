"""What holds for all data: layouts, dtypes, parts, copies, saved files."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import skae
from skae import AutoencoderTransformer, DenseNetwork

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.filterwarnings("ignore:latent_dim=.* is at least:UserWarning"),
]

quick = settings(max_examples=20, deadline=None, derandomize=True, database=None)
SEEDS = st.integers(0, 2**16)
ROWS = st.integers(2, 40)
COLUMNS = st.integers(1, 6)


def make(**params):
    params = {"network": DenseNetwork((8,)), "epochs": 2, "random_state": 0} | params
    return AutoencoderTransformer(2, **params)


def counts(seed, rows, columns):
    """Whole numbers, which every dtype holds."""
    return np.random.default_rng(seed).integers(0, 9, (rows, columns))


@quick
@given(
    SEEDS,
    ROWS,
    COLUMNS,
    st.sampled_from(["?", "u1", "i1", "<i8", ">i4", "<f2", "<f4", ">f4", "<f8", ">f8"]),
    st.sampled_from("CF"),
    st.sampled_from([1, -1, 2, -3]),
)
def test_layout_and_byte_order_do_not_matter(seed, rows, columns, dtype, order, step):
    data = counts(seed, rows, columns).astype(dtype)
    wide = np.zeros((rows * abs(step), columns), dtype, order)
    view = wide[::step]
    view[...] = data
    view.flags.writeable = False
    plain = data.astype("f8" if np.dtype(dtype).kind == "i" and data.itemsize > 2 else
                        "f8" if dtype[1:] == "f8" else "f4")  # fmt: skip
    ae, expected = make().fit(view), make().fit(plain)
    assert_array_equal(ae.transform(view), expected.transform(plain))
    assert ae.score(view) == expected.score(plain)


@quick
@given(SEEDS, st.integers(2, 2000), st.data())
def test_transform_of_parts_is_part_of_transform(seed, rows, data):
    X = np.random.default_rng(seed).random((rows, 3), np.float32)
    ae = make(epochs=1).fit(X[:40])
    whole = ae.transform(X)
    cut = data.draw(st.integers(1, rows - 1))
    parts = np.concatenate([ae.transform(X[:cut]), ae.transform(X[cut:])])
    assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)
    block = cut - cut % 512
    if block:  # cut at whole blocks, to the bit
        parts = np.concatenate([ae.transform(X[:block]), ae.transform(X[block:])])
        assert_array_equal(parts, whole)


@quick
@given(SEEDS, ROWS, st.lists(st.integers(0, 3), min_size=40, max_size=40))
def test_a_weight_of_k_is_k_copies(seed, rows, weights):
    X = counts(seed, rows, 4) / 8
    weights = np.array(weights[:rows])
    weights[0] = 1
    params = {"batch_size": 1000, "epochs": 3, "arrange": None}
    weighted = make(**params).fit(X, sample_weight=weights)
    copied = make(**params).fit(X.repeat(weights, axis=0))
    assert_allclose(weighted.transform(X), copied.transform(X), rtol=1e-4, atol=1e-5)


@quick
@given(SEEDS, ROWS, COLUMNS, st.data())
def test_a_saved_file_holds_the_bits_and_refuses_any_damage(seed, rows, columns, data):
    X = counts(seed, rows, columns) / 8
    ae = make().fit(X)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ae.skae"
        ae.save(path)
        assert_array_equal(skae.load(path).transform(X), ae.transform(X))
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            del content[place:]
        else:
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        with pytest.raises(skae.FileFormatError):
            skae.load(path)
