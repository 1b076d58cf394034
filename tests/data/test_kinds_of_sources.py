"""What people have at hand as a source: read as it is meant, or refused in words."""

import sys
import types
import warnings
from functools import partial
from itertools import count

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from small import small as any_small

from skae._data.sources import open_source

N = 300
X = (load_digits().data[:N] / 16).astype(np.float32)
IMAGES = X.reshape(-1, 8, 8)
y = load_digits().target[:N]
EXPECTED = {}

small = partial(any_small, latent_dim=4)


def assert_is_fitted_as(source, array):
    """The source trains as the array does, in its order."""
    assert_array_equal(rows_of(source), array)
    assert_array_equal(
        small().fit_dataset(source).transform(array),
        small().fit(array).transform(array),
    )


def rows_of(source):
    return np.concatenate([batch.X for _, batch in open_source(source).ordered()])


def halves(*columns):
    return zip(*(np.array_split(column, 2) for column in columns), strict=True)


# ------------------------------------------------------------------- lists of arrays


class Loader:
    """Gives batches as lists, as PyTorch's DataLoader and generators of Keras do."""

    def __init__(self, *columns):
        self.held = columns

    def __iter__(self):
        return map(list, halves(*self.held))


@pytest.mark.parametrize("array", [X, IMAGES])
@pytest.mark.parametrize("more", [(), (y,), (y, np.ones(N))])
def test_a_list_of_arrays_is_what_the_tuple_is(array, more):
    assert_is_fitted_as(Loader(array, *more), array)


def test_a_list_of_many_arrays_is_refused():
    words = r"tuple of 4.*np\.stack"
    with pytest.raises(ValueError, match=words):
        small().fit_dataset([list(IMAGES[:4])])


def test_a_list_of_rows_is_a_batch():
    assert_array_equal(rows_of([[list(row) for row in X]]), X)
    assert_array_equal(rows_of([list(X)]), X)


# ------------------------------------------------------------------- single samples


def unbatched(*columns):
    tf = pytest.importorskip("tensorflow")
    columns = columns if len(columns) > 1 else columns[0]
    return tf.data.Dataset.from_tensor_slices(columns)


SINGLE = {
    "images": lambda: unbatched(IMAGES),
    "rows": lambda: unbatched(X),
    "images with labels": lambda: unbatched(IMAGES, y),
    "mapped": lambda: unbatched(IMAGES).map(lambda x: x * 2, deterministic=True),
    "shuffled": lambda: unbatched(IMAGES).shuffle(9).prefetch(1),
    "batched and unbatched": lambda: unbatched(IMAGES).batch(9).unbatch(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", SINGLE)
def test_single_samples_of_tensorflow_are_refused(case):
    with pytest.raises(ValueError, match=r"single samples, of shape.*batch\(256\)"):
        small().fit_dataset(SINGLE[case]())


def test_batches_of_a_known_size_are_batches():
    assert_array_equal(rows_of(unbatched(X).batch(100, drop_remainder=True)), X)
    tf = pytest.importorskip("tensorflow")
    assert_array_equal(rows_of(tf.data.Dataset.from_tensors(X)), X)


@pytest.mark.parametrize(
    "item", [(IMAGES[0], 3), (IMAGES[0], np.int64(3)), (IMAGES[0], np.eye(10)[3])]
)
def test_a_sample_with_its_label_is_no_batch(item):
    with pytest.raises(ValueError, match=r"as many labels.*one sample"):
        small().fit_dataset([item])


# -------------------------------------------------------------------- endless data


class Endless:
    """Never ends, but says how many batches an epoch has."""

    def __len__(self):
        return 3

    def __iter__(self):
        return (X[100 * (i % 3) : 100 * (i % 3 + 1)] for i in count())


def test_an_endless_source_ends_where_its_length_says():
    assert_is_fitted_as(Endless(), X)


def test_an_endless_data_set_of_tensorflow_is_refused():
    data = unbatched(X).batch(100).repeat()
    with pytest.raises(ValueError, match=r"endless.*repeat.*take\(n\)"):
        small().fit_dataset(data)
    assert_array_equal(rows_of(data.take(3)), X)


# ------------------------------------------------------------------------- columns


def test_the_index_of_pandas_is_no_feature(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(X[:, 20:26], columns=list("abcdef"))
    frame.index = pd.Index(np.arange(N) * 7, name=None)
    frame.to_parquet(tmp_path / "rows.parquet")
    ae = small().fit_dataset(tmp_path)
    assert list(ae.feature_names_in_) == list("abcdef")
    frame.index.name = "number"
    frame.to_parquet(tmp_path / "rows.parquet")
    ae = small().fit_dataset(tmp_path)
    assert list(ae.feature_names_in_) == list("abcdef")


@pytest.mark.parametrize("name", ["id", "Target", "user_id", "label"])
@pytest.mark.parametrize("kind", ["dict", "frame", "parquet"])
def test_columns_that_look_like_labels_are_named(tmp_path, kind, name):
    frame = pd.DataFrame(X[:, 20:26].astype(float), columns=list("abcdef"))
    frame = frame.assign(**{name: y / 10})
    source = frame
    if kind == "dict":
        source = [{name: frame[name].to_numpy() for name in frame}]
    elif kind == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(tmp_path / "rows.parquet")
        source = tmp_path
    with pytest.warns(UserWarning, match=f"columns '{name}' of .*drop"):
        small().fit_dataset(source)


# -------------------------------------------------------------------------- images


def test_an_image_lies_as_its_camera_was_held(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    pixels = (IMAGES[0, :6] * 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(pixels).save(tmp_path / "upright.png", exif=exif)
    assert_allclose(rows_of(tmp_path)[0] * 255, np.rot90(pixels, -1), atol=1e-4)


def bytes_of_images():
    return np.tile((IMAGES * 255).astype(np.uint8), (1, 1, 1))


@pytest.mark.parametrize("kind", ["array", "floats", "tensorflow", "hugging face"])
def test_pixels_that_are_still_bytes_are_told(kind):
    pixels = bytes_of_images()
    call, source = small().fit_dataset, pixels
    if kind == "floats":
        call, source = small().fit, pixels.astype(np.float32)
    elif kind == "tensorflow":
        source = unbatched(pixels).batch(100)
    elif kind == "hugging face":
        datasets = pytest.importorskip("datasets")
        features = datasets.Features({"X": datasets.Array2D((8, 8), "uint8")})
        source = datasets.Dataset.from_dict({"X": pixels}, features=features)
    with pytest.warns(UserWarning, match="from 0 to 255.*Divide them by 255"):
        call(source)


# ------------------------------------------------------------------- other things


def test_an_image_data_generator_is_a_source():
    keras = pytest.importorskip("keras")
    image = pytest.importorskip("keras.src.legacy.preprocessing.image")
    assert keras
    flow = image.ImageDataGenerator().flow(
        IMAGES[..., np.newaxis], y, batch_size=100, shuffle=False
    )
    assert_is_fitted_as(flow, IMAGES[..., np.newaxis])


class OldSequence:
    """Gives batches by number, and has no way to be iterated over."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        if i > 2:
            raise AssertionError("beyond the end")
        return X[100 * i : 100 * (i + 1)], y[100 * i : 100 * (i + 1)]


def test_what_gives_batches_by_number_is_a_source():
    assert_is_fitted_as(OldSequence(), X)


@pytest.mark.parametrize("to", [lambda frame: frame, pl.from_pandas])
def test_a_frame_is_a_source(to):
    frame = to(pd.DataFrame(X[:, 20:26], columns=list("abcdef")))
    ae, expected = small().fit_dataset(frame), small().fit(frame)
    assert_array_equal(ae.transform(frame), expected.transform(frame))
    assert list(ae.feature_names_in_) == list("abcdef")
    assert ae.history_ == expected.history_


REFUSED = {
    "paths": (["a.png", "b.png"], TypeError, "words such as 'a.png'.*directory"),
    "generator": ((x for x in [X]), TypeError, "only once"),
    "missing": ("no/such/folder", FileNotFoundError, "no/such/folder"),
    "bytes": (b"no/such/folder", FileNotFoundError, "no/such/folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_source_is_refused(case):
    source, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        small().fit_dataset(source)


SOURCES = {
    "tensorflow": lambda: unbatched(X).batch(100),
    "generator": lambda: (x for x in [X]),
    "path": lambda: "folder",
    "loader": lambda: Loader(X, y),
    "sequence": OldSequence,
    "hugging face": lambda: pytest.importorskip("datasets").Dataset.from_dict({"X": X}),
}


@pytest.mark.parametrize("case", SOURCES)
def test_methods_for_arrays_name_those_for_sources(case):
    for call in (small().fit, small().partial_fit):
        with pytest.raises(TypeError, match="`fit_dataset`"):
            call(SOURCES[case]())
    with pytest.raises(TypeError, match="`transform_batches`"):
        small().fit(X).transform(SOURCES[case]())


# ------------------------------------------------------------------------- PyTorch


class Tensor:
    """Stands for a tensor on a device, which NumPy can't read."""

    def __init__(self, values):
        self.values = np.asarray(values)
        self.shape, self.dtype = self.values.shape, "torch.float32"

    def detach(self):
        return self

    def cpu(self):
        return self.values


class Dataset:
    """As that of PyTorch: a sample by its number, with its label."""

    def __getitem__(self, i):
        return Tensor(X[i]), int(y[i])

    def __len__(self):
        return N


class IterableDataset(Dataset):
    def __iter__(self):
        return iter((Tensor(row), "label") for row in X)


class RandomSampler:
    num_samples, replacement = N, False


class SequentialSampler:
    pass


class DataLoader:
    """As that of PyTorch: batches of tensors in lists."""

    batch_size = 100

    def __init__(self, dataset, sampler):
        self.dataset, self.sampler = dataset, sampler

    def collate_fn(self, samples):
        return [Tensor(column) for column in map(list, self._columns(samples))]

    @staticmethod
    def _columns(samples):
        rows, labels = zip(*samples, strict=True)
        return [row.values for row in rows], labels

    def __len__(self):
        return 3

    def __iter__(self):
        order = np.arange(N)
        if isinstance(self.sampler, RandomSampler):
            order = np.random.permutation(N)  # noqa: NPY002
        for i in range(3):
            yield self.collate_fn([self.dataset[j] for j in order[100 * i :][:100]])


@pytest.fixture
def torch(monkeypatch):
    """Stands for PyTorch, which is not among the dependencies."""
    names = ("torch", "torch.utils", "torch.utils.data")
    modules = [types.ModuleType(name) for name in names]
    modules[0].utils, modules[1].data = modules[1], modules[2]
    for found in (Dataset, IterableDataset, DataLoader):
        setattr(modules[2], found.__name__, found)
    for name, module in zip(names, modules, strict=True):
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(
    "make",
    [
        Dataset,
        IterableDataset,
        lambda: DataLoader(Dataset(), SequentialSampler()),
        lambda: DataLoader(Dataset(), RandomSampler()),
    ],
)
def test_data_of_pytorch_are_a_source(make):
    assert_is_fitted_as(make(), X)
    with pytest.raises(TypeError, match="`fit_dataset`"):
        small().fit(make())


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("sampler", [SequentialSampler, RandomSampler])
def test_data_of_pytorch_are_streamed(small_limits, sampler):
    small_limits(resident=20_000, part=20_000, shuffle=40_000, long_shuffle=40_000)
    with warnings.catch_warnings():
        ae = small().fit_dataset(DataLoader(Dataset(), sampler()))
    assert_allclose(ae.score(X), small().fit(X).score(X), rtol=0.1)


def test_a_tensor_is_an_array():
    assert_array_equal(rows_of([Tensor(X)]), X)
    assert_array_equal(small().fit(Tensor(X)).transform(X), small().fit(X).transform(X))
