"""Every kind of source trains as the array of its rows, and names what is wrong."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from small import small as any_small

from skae._data.checks import BatchChecks
from skae._data.sources import open_source
from skae._data.streamed import Streamed
from skae._data.survey import survey

N = 600
X = (load_digits().data[:N] / 16).astype(np.float32)
NAMES = [f"pixel{i}" for i in range(64)]


small = partial(any_small, latent_dim=4)


@pytest.fixture
def little_memory(small_limits):
    """An array of some hundred rows is larger than memory."""
    small_limits(
        resident=40_000, part=20_000, block=2**14, shuffle=60_000, long_shuffle=60_000
    )


# Each makes a source of the rows in a folder of its own. `broken` puts other values
# for the rows from 400 to 499, or raises an error there.


def parquet(folder, rows):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for i in range(0, len(rows), 200):
        table = pa.table(dict(zip(NAMES, rows[i : i + 200].T, strict=False)))
        pq.write_table(table, folder / f"part{i}.parquet", row_group_size=100)
    return folder


def parquet_of_lists(folder, rows):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({"X": list(rows), "label": np.arange(len(rows))})
    pq.write_table(table, folder / "rows.parquet", row_group_size=100)
    return folder


def hugging_face(folder, rows):
    datasets = pytest.importorskip("datasets")
    return datasets.Dataset.from_dict({"X": rows, "label": np.arange(len(rows))})


def hugging_face_of_parquet(folder, rows):
    datasets = pytest.importorskip("datasets")
    files = sorted(map(str, parquet(folder, rows).glob("*.parquet")))
    return datasets.Dataset.from_parquet(files, cache_dir=str(folder / "cache"))


def tensorflow(folder, rows):
    tf = pytest.importorskip("tensorflow")
    labels = np.arange(len(rows))
    return tf.data.Dataset.from_tensor_slices((rows, labels)).batch(100)


def keras_dataset(folder, rows):
    keras = pytest.importorskip("keras")

    class Dataset(keras.utils.PyDataset):
        def __len__(self):
            return len(rows) // 100

        def __getitem__(self, i):
            batch = rows[100 * i : 100 * (i + 1)]
            return batch, batch

    return Dataset()


def hdf5(folder, rows):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "rows.h5", "w") as file:
        file.create_dataset(
            "rows", data=rows, chunks=(50, rows.shape[1]), compression="gzip"
        )
    return h5py.File(folder / "rows.h5")["rows"]


def zarr_array(folder, rows):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(str(folder / "rows.zarr"), data=rows, chunks=(50, rows.shape[1]))
    return zarr.open_array(str(folder / "rows.zarr"), mode="r")


def memory_map(folder, rows):
    np.save(folder / "rows.npy", rows)
    return np.load(folder / "rows.npy", mmap_mode="r")


def batches(folder, rows):
    return np.array_split(rows, range(100, len(rows), 100))


SOURCES = [
    parquet,
    parquet_of_lists,
    hugging_face,
    hugging_face_of_parquet,
    tensorflow,
    keras_dataset,
    hdf5,
    zarr_array,
    memory_map,
    batches,
]


def named(make):
    """Give the rows with the names that the source has for the features, if any."""
    if make in (parquet, hugging_face_of_parquet):
        return pd.DataFrame(X, columns=NAMES)
    return X


def streamed_from(source):
    data = survey(open_source(source), BatchChecks(small(), reset=True))
    assert isinstance(data, Streamed)
    return data


@pytest.mark.parametrize("make", SOURCES)
def test_a_source_that_fits_in_memory_is_fitted_as_its_array(tmp_path, make):
    source, expected = make(tmp_path, X), small().fit(X)
    ae = small().fit_dataset(source)
    assert_array_equal(ae.transform(named(make)), expected.transform(X))
    assert hasattr(ae, "feature_names_in_") == hasattr(named(make), "columns")


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("make", SOURCES)
def test_a_source_that_does_not_is_streamed(tmp_path, make):
    source, expected = make(tmp_path, X), small().fit(X)
    ae = small().fit_dataset(source)
    assert_allclose(ae.score(named(make)), expected.score(X), rtol=0.05)
    latents = np.concatenate(list(ae.transform_batches(source)))
    assert_allclose(latents, ae.transform(named(make)), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("make", SOURCES)
def test_what_looks_at_some_rows_finds_the_same_in_every_source(tmp_path, make):
    streamed, expected = streamed_from(make(tmp_path, X)), streamed_from(X)
    rows = streamed.encode_some(np.array, 7, np.random.RandomState(0))
    assert_array_equal(
        rows, expected.encode_some(np.array, 7, np.random.RandomState(0))
    )


class Recorder:
    """Stands for a trainer; gives the columns as they are."""

    def put(self, *columns):
        return columns


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("aside", [0, 0.3])
@pytest.mark.parametrize("make", SOURCES)
def test_each_row_goes_with_its_own_target(tmp_path, make, aside):
    streamed, random_state = streamed_from(make(tmp_path, X)), np.random.RandomState(0)
    if aside:
        streamed.set_aside(aside, random_state)
    streamed.bring(Recorder(), "float32", 50)
    sums = streamed.encode_all(lambda rows: rows[:, :2] + rows[:, 5:7])
    assert sums.shape == (streamed.n_train, 2)
    streamed.set_targets(sums)
    n_rows = 0
    for (rows, weight, targets), order in streamed.epoch(random_state, 0):
        assert_array_equal(targets[order], (rows[:, :2] + rows[:, 5:7])[order])
        assert_array_equal(weight[order], 1)
        n_rows += len(order)
    assert n_rows == streamed.n_train


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("make", [hdf5, zarr_array, memory_map])
def test_an_array_on_disk_is_what_the_same_array_in_memory_is(tmp_path, make):
    stored, ae = make(tmp_path, X), small().fit(X)
    latents = ae.transform(X)
    assert_array_equal(ae.transform(stored), latents)
    assert ae.score(stored) == ae.score(X)
    # Chunks of a file are read whole, and so come in another order.
    again = small().fit(stored)
    assert_allclose(again.score(X), ae.score(X), rtol=0 if make is memory_map else 0.05)
    again = small().partial_fit(stored)
    assert_allclose(again.score(X), small().partial_fit(X).score(X), rtol=0.05)
    (tmp_path / "z").mkdir()
    stored = make(tmp_path / "z", np.tile(latents, (9, 1)))
    images = ae.inverse_transform(np.tile(latents, (9, 1)))
    assert_array_equal(ae.inverse_transform(stored), images)


@pytest.fixture
def images(tmp_path):
    """Digits as files, in a directory for each class."""
    Image = pytest.importorskip("PIL.Image")
    digits = load_digits()
    for i in range(N):
        folder = tmp_path / "images" / str(digits.target[i])
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (digits.images[i] * 15).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:04}.png")
    order = np.argsort(digits.target[:N], kind="stable")
    return tmp_path / "images", (digits.images[order] * 15 / 255).astype(np.float32)


def test_a_directory_of_images_is_fitted_as_its_images(images):
    folder, array = images
    ae, expected = small().fit_dataset(folder), small().fit(array)
    assert ae.sample_shape_ == (8, 8)
    assert_array_equal(ae.transform(array), expected.transform(array))
    latents = np.concatenate(list(ae.transform_batches(folder)))
    assert_allclose(latents, ae.transform(array), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("little_memory")
def test_a_directory_of_images_is_streamed(images):
    folder, array = images
    keras = pytest.importorskip("keras")
    ae, expected = small().fit_dataset(folder), small().fit(array)
    assert_allclose(ae.score(array), expected.score(array), rtol=0.05)
    dataset = keras.utils.image_dataset_from_directory(
        folder, labels=None, color_mode="grayscale", image_size=(8, 8), shuffle=False
    )
    dataset = dataset.map(lambda x: x / 255)
    ae = small().fit_dataset(dataset)
    assert ae.sample_shape_ == (8, 8, 1)
    expected = small().fit(array[..., np.newaxis])
    score = ae.score(array[..., np.newaxis])
    assert_allclose(score, expected.score(array[..., np.newaxis]), rtol=0.05)


@pytest.mark.usefixtures("little_memory")
def test_an_image_of_another_size_is_named(images):
    folder, _ = images
    Image = pytest.importorskip("PIL.Image")
    Image.new("L", (9, 8)).save(folder / "5" / "0000.png")
    with pytest.raises(ValueError, match=r"image 5/0000.png.*shape \(1, 8, 9\)"):
        small().fit_dataset(folder)
    (folder / "5" / "0000.png").write_bytes(b"no image")
    with pytest.raises(RuntimeError, match=r"image 5/0000.png.*cannot identify"):
        small().fit_dataset(folder)


def spoilt(value):
    rows = X.copy()
    rows[450, 3] = value
    return rows


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("make", "place"),
    [
        (parquet, r"row group 0 of part400.parquet"),
        (parquet_of_lists, r"row group 4 of rows.parquet"),
        (hugging_face, r"rows 256 to 511"),
        (tensorflow, r"batch 4"),
        (keras_dataset, r"batch 4"),
        (hdf5, r"rows 432 to 479"),
        (zarr_array, r"rows 432 to 479"),
        (memory_map, r"rows 432 to 479"),
        (batches, r"batch 4"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_malformed_value_is_named_in_every_source(tmp_path, make, place, value):
    source = make(tmp_path, spoilt(value))
    ae = small()
    with pytest.raises(ValueError, match=f"(?s){place} of the source.*(NaN|infinity)"):
        ae.fit_dataset(source)
    assert not hasattr(ae, "weights_")


@pytest.mark.usefixtures("little_memory")
def test_a_file_of_other_columns_is_named(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    source = parquet(tmp_path, X)
    for names, words in (
        (NAMES[::-1], "0 is 'pixel63', but"),
        (NAMES[:3], "3 is None, but"),
    ):
        table = pa.table(dict(zip(names, X[:100].T, strict=False)))
        pq.write_table(table, source / "part400.parquet")
        with pytest.raises(ValueError, match=f"row group 0 of part400.*{words}"):
            small().fit_dataset(source)
    (source / "part400.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(ValueError, match="part400"):
        small().fit_dataset(source)


@pytest.mark.usefixtures("little_memory")
def test_an_error_of_tensorflow_is_that_of_a_batch():
    tf = pytest.importorskip("tensorflow")

    def check(i, x):
        with tf.control_dependencies([tf.debugging.assert_less(i, np.int64(450))]):
            return x

    dataset = tf.data.Dataset.from_tensor_slices((np.arange(N), X)).map(check).batch(50)
    with pytest.raises(RuntimeError, match=r"batch 9 of the source.*InvalidArgument"):
        small().fit_dataset(dataset)
