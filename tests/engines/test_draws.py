"""Random numbers of a step: whichever engine draws them, they are the same."""

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import (
    assert_allclose,
    assert_array_equal,
    assert_array_max_ulp,
)

from skae._engines.draws import Draw, KerasDraw, NumpyDraw

# The libraries of the engines have log, sin and cos of their own; 5 were seen.
MAX_ULP = 16
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
BATCHES = pytest.mark.parametrize(
    "shape", [(1, 1), (7, 3), (200, 784), (6, 5, 3), (5, 4, 3, 2)], ids=str
)


def seed_generator(state: Any) -> Any:
    import keras

    generator = keras.random.SeedGenerator(0)
    generator.state.assign(np.array(state, np.int64))
    return generator


def batch(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Give a batch whose numbers are all different."""
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def some_draws(draw: Draw, x: Any) -> list[Any]:
    return [
        draw.normal(x),
        draw.uniform(x),
        draw.kept(x, 0.7),
        draw.permuted(x),
        draw.permuted(x),
        draw.normal(x),
    ]


def assert_same_draws(ours: list[np.ndarray], theirs: list[Any]) -> None:
    for i, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        other = np.asarray(other)
        assert own.dtype == other.dtype
        assert own.shape == other.shape
        if i in (0, 5):
            assert_array_max_ulp(own, other, MAX_ULP)
        else:
            assert_array_equal(own, other)


@DTYPES
@BATCHES
def test_both_engines_draw_the_same_numbers(shape: tuple[int, ...], dtype: str) -> None:
    import keras

    x = batch(shape, dtype)
    keras_draw = KerasDraw(seed_generator([3, 2]))
    numpy_draw = NumpyDraw(keras_draw.state())
    theirs = some_draws(keras_draw, keras.ops.convert_to_tensor(x))
    assert_same_draws(some_draws(numpy_draw, x), theirs)
    assert_array_equal(numpy_draw.state(), [3, 8])
    assert_array_equal(keras_draw.state(), [3, 8])
    assert keras_draw.state().dtype == numpy_draw.state().dtype == np.uint32


@DTYPES
@BATCHES
def test_batches_of_any_size_draw_the_same_numbers_in_a_graph(
    shape: tuple[int, ...], dtype: str
) -> None:
    import tensorflow as tf

    keras_draw = KerasDraw(seed_generator([3, 0]))
    numpy_draw = NumpyDraw(keras_draw.state())

    @tf.function(
        input_signature=[tf.TensorSpec([None, *shape[1:]], dtype)], autograph=False
    )
    def step(x: Any) -> list[Any]:
        drawn = some_draws(keras_draw, x)
        assert all(part.shape.as_list() == [None, *shape[1:]] for part in drawn)
        return drawn

    x = batch(shape, dtype)
    for rows in (x, x[:1], x):
        assert_same_draws(some_draws(numpy_draw, rows), step(rows))
    assert_array_equal(numpy_draw.state(), keras_draw.state())


@DTYPES
@pytest.mark.parametrize("cuts", [[3], [1, 4], [0, 9], [5, 5]], ids=str)
@pytest.mark.parametrize("shape", [(9, 1), (9, 7), (9, 3, 5), (9, 4000)], ids=str)
def test_threads_that_share_a_batch_draw_what_one_draws(
    shape: tuple[int, ...], cuts: list[int], dtype: str
) -> None:
    x = batch(shape, dtype)
    bounds = [0, *cuts, len(x)]
    shares = [
        some_draws(NumpyDraw(np.array([1, 2]), start, x), x[start:stop])
        for start, stop in itertools.pairwise(bounds)
    ]
    whole = some_draws(NumpyDraw(np.array([1, 2])), x)
    for *shared, expected in zip(*shares, whole, strict=True):
        assert_array_equal(np.concatenate(shared), expected)


@DTYPES
def test_numbers_have_the_distribution_asked_for(dtype: str) -> None:
    x = batch((1000, 300), dtype)
    draw = NumpyDraw(np.array([5, 0]))
    drawn = draw.uniform(x)
    assert 0 <= drawn.min() < 1e-4
    assert 1 - 1e-4 < drawn.max() < 1
    drawn = draw.normal(x)
    moments = [(drawn**power).mean() for power in range(1, 5)]
    assert_allclose(moments, [0, 1, 0, 3], atol=0.06)
    kept = draw.kept(x, 0.7)
    assert_array_equal(np.unique(kept), [0, 1])
    assert_allclose(kept.mean(), 0.7, atol=0.005)


def test_all_or_nothing_is_kept_if_asked_for() -> None:
    x = batch((500, 200), "float32")
    draw = NumpyDraw(np.array([5, 0]))
    assert draw.kept(x, 1).all()
    assert not draw.kept(x, 0).any()


def test_features_are_permuted_each_for_itself_from_all_rows() -> None:
    x = batch((50, 4, 10), "float32")
    draw = NumpyDraw(np.array([5, 0]))
    drawn = draw.permuted(x)
    rows, rest = np.divmod(drawn.astype(int), 40)
    assert_array_equal(rest, np.broadcast_to(np.arange(40).reshape(4, 10), x.shape))
    assert_array_equal(np.unique(rows), np.arange(50))
    assert abs(np.corrcoef(rows[:, 0, 0], rows[:, 0, 1])[0, 1]) < 0.5
    assert (draw.permuted(x) != drawn).any()


@DTYPES
def test_equal_samples_get_equal_numbers_and_no_others(dtype: str) -> None:
    x = np.random.RandomState(0).randn(300, 20).astype(dtype)
    x[7] = x[200]
    for numbers in some_draws(NumpyDraw(np.array([5, 0])), x):
        assert_array_equal(numbers[7], numbers[200])
    numbers = NumpyDraw(np.array([5, 0])).uniform(x)
    assert len(np.unique(numbers, axis=0)) == 299
    # Neither features nor rows nor calls go together.
    for other in (numbers[:, ::-1], NumpyDraw(np.array([5, 1])).uniform(x)):
        assert abs(np.corrcoef(numbers.ravel(), other.ravel())[0, 1]) < 0.05
    apart = np.abs(np.corrcoef(numbers)[np.triu_indices(300, 1)])
    assert (apart > 0.9).sum() == 1
    # And it is the sample that counts, whatever is drawn for: a code, for instance.
    code = np.zeros((300, 4), dtype)
    drawn = NumpyDraw(np.array([5, 0]), batch=x).normal(code)
    assert len(np.unique(drawn, axis=0)) == 299


def test_draws_go_on_from_their_state() -> None:
    x = batch((5, 3), "float32")
    state = np.array([7, 0], np.uint32)
    one = NumpyDraw(state)
    one.normal(x)
    other = NumpyDraw(one.state())
    assert_array_equal(one.normal(x), other.normal(x))
    assert_array_equal(state, [7, 0])


@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_numbers_of_another_precision_are_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match=f"float32 or float64, not as {dtype}"):
        NumpyDraw(np.array([5, 0])).uniform(np.zeros((3, 2), dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_engines_hide_the_same_values(dtype):
    """Those of equal rows, wherever they stand, and others at each call."""
    import keras

    x = np.random.RandomState(0).randn(400, 7).astype(dtype)
    x[300], x[5, 2] = x[0], np.nan
    numpy = NumpyDraw(np.array([5, 0], np.uint32))
    tensorflow = KerasDraw(keras.random.SeedGenerator(5))
    before = np.isnan(x)
    for _ in range(2):
        hidden = numpy.hidden(x, 0.3, x)
        assert_array_equal(tensorflow.hidden(tf_tensor(x), 0.3, x), hidden)
        assert np.isnan(hidden[5, 2])
        assert (np.isnan(hidden[300]) == np.isnan(hidden[0])).all()
        assert 0.27 < np.isnan(hidden).mean() < 0.33
        assert (np.isnan(hidden) != before).any()
        before = np.isnan(hidden)
    shifted = NumpyDraw(np.array([5, 1], np.uint32), start=100)
    assert_array_equal(shifted.hidden(x[100:], 0.3, x[100:]), hidden[100:])


def tf_tensor(x):
    import tensorflow as tf

    return tf.constant(x)


def test_what_is_missing_is_put_nowhere():
    """Of a swap with a hole, the value stays, in both engines."""
    import keras

    x = np.random.RandomState(0).randn(50, 4)
    x[::2, 1] = np.nan
    drawn = NumpyDraw(np.array([5, 0], np.uint32)).permuted(x)
    assert_array_equal(KerasDraw(keras.random.SeedGenerator(5)).permuted(x), drawn)
    assert np.isfinite(drawn[1::2]).all()
    assert (drawn[:, 0] != x[:, 0]).any()
