"""`EmbeddingDisplay`, and the colours and places that it draws with."""

import subprocess
import sys
import time
from itertools import combinations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skae.plotting import EmbeddingDisplay
from skae.plotting._labels_colors import COLORS
from skae.plotting._placement import medoids

X, y = load_digits(return_X_y=True)
Z = PCA(3, random_state=0).fit_transform(X)


def _extents(artists):
    """Left, bottom, right and top of artists in pixels, once they are drawn."""
    figure = artists[0].figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    return [artist.get_window_extent(renderer).extents for artist in artists]


def _overlap(a, b):
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def test_plotting_imports_neither_matplotlib_nor_tensorflow():
    code = (
        "import sys, skae.plotting; print(sorted({'matplotlib', 'tensorflow', 'keras',"
        " 'bokeh'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("constructor", ["from_embedding", "from_estimator"])
def test_both_constructors_draw_every_sample(pyplot, constructor):
    if constructor == "from_embedding":
        display = EmbeddingDisplay.from_embedding(Z[:, :2], labels=y, name="PCA")
    else:
        pca = PCA(10, random_state=0).fit(X)
        display = EmbeddingDisplay.from_estimator(
            pca, X, labels=y, reducer=PCA(2, random_state=0)
        )
    (points,) = display.scatters_
    assert len(points.get_offsets()) == len(X)
    # Counted as get_feature_names_out counts them.
    assert display.ax_.get_xlabel() == "PCA 0"
    assert display.ax_.get_ylabel() == "PCA 1"
    assert display.figure_ is display.ax_.figure
    assert display.unlabelled_ is None


def test_embedding_and_reducer_agree_with_what_they_are_made_of(pyplot):
    pca = PCA(2, random_state=0).fit(X)
    as_is = EmbeddingDisplay.from_estimator(pca, X)
    np.testing.assert_array_equal(as_is.embedding, pca.transform(X))

    # A Pipeline that clusters has latent vectors before its last step.
    pipe = make_pipeline(pca, KMeans(10, n_init=1, random_state=0)).fit(X)
    clustered = EmbeddingDisplay.from_estimator(pipe, X)
    np.testing.assert_array_equal(clustered.embedding, pca.transform(X))


def test_callers_axes_are_drawn_on(pyplot):
    figure, (left, right) = pyplot.subplots(1, 2)
    display = EmbeddingDisplay.from_embedding(Z[:, :2], labels=y, ax=right, key=None)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.collections


def test_users_keywords_win_over_defaults(pyplot):
    display = EmbeddingDisplay.from_embedding(
        Z[:, :2],
        labels=y,
        images=X,
        n_images=5,
        scatter_kwargs={"s": 3.5, "alpha": 0.25, "rasterized": False, "lw": 1},
        text_kwargs={"ha": "left", "color": "green", "size": 5},
        image_kwargs={"cmap": "plasma"},
        frame_kwargs={"ec": "red", "lw": 3},
        key_kwargs={"label": "digit"},
    )
    (points,) = display.scatters_
    assert points.get_sizes() == [3.5]
    assert points.get_alpha() == 0.25
    assert not points.get_rasterized()
    assert display.texts_[0].get_horizontalalignment() == "left"
    assert display.texts_[0].get_color() == "green"
    assert display.images_[0].get_cmap().name == "plasma"
    assert display.frames_.get_linewidth()[0] == 3
    np.testing.assert_array_equal(display.frames_.get_edgecolor()[0], [1, 0, 0, 1])
    assert display.key_.ax.get_ylabel() == "digit"


def test_users_color_replaces_the_classes(pyplot):
    display = EmbeddingDisplay.from_embedding(
        Z[:, :2], labels=y, scatter_kwargs={"color": "black"}
    )
    np.testing.assert_array_equal(display.scatters_[0].get_facecolor()[0, :3], 0)
    assert display.key_ is None


def test_ticks_of_the_colour_bar_sit_in_the_middle_of_their_colours(pyplot):
    display = EmbeddingDisplay.from_embedding(Z[:, :2], labels=y, key="colorbar")
    bar = display.key_
    edges = bar.norm.boundaries
    np.testing.assert_allclose(bar.get_ticks(), (edges[:-1] + edges[1:]) / 2)
    assert [t.get_text() for t in bar.ax.get_yticklabels()] == list("0123456789")
    assert bar.cmap.N == 10


@pytest.mark.parametrize("missing", [-1, np.nan, None])
def test_unlabelled_samples_are_grey_and_behind(pyplot, missing):
    labels = np.array([missing if i % 3 == 0 else n for i, n in enumerate(y)], object)
    if missing is not None:
        labels = labels.astype(float)
    display = EmbeddingDisplay.from_embedding(Z[:, :2], labels=labels)
    grey = display.unlabelled_
    assert len(grey.get_offsets()) == len(labels[::3])
    assert grey.get_zorder() < display.scatters_[0].get_zorder()
    names = [t.get_text() for t in display.key_.ax.get_yticklabels()]
    assert names == ["unlabelled", *"0123456789"]


def test_continuous_labels_have_a_continuous_colour_bar_and_no_names(pyplot):
    values = X.mean(axis=1)
    values[0] = np.nan
    display = EmbeddingDisplay.from_embedding(Z[:, :2], labels=values)
    assert display.texts_ == []
    np.testing.assert_array_equal(display.scatters_[0].get_array(), values[1:])
    assert len(display.unlabelled_.get_offsets()) == 1


def test_a_key_is_drawn_only_where_names_are_not_on_the_map(pyplot):
    named = EmbeddingDisplay.from_embedding(Z[:, :2], labels=y)
    assert named.key_ is None
    assert [text.get_text() for text in named.texts_] == list("0123456789")
    bare = EmbeddingDisplay.from_embedding(Z[:, :2], labels=y, show_names=False)
    assert bare.key_ is not None
    # The grey of unlabelled points has no name on the map.
    some = np.where(y == 3, -1, y)
    assert EmbeddingDisplay.from_embedding(Z[:, :2], labels=some).key_ is not None
    crowded = np.zeros_like(Z[:, :2])
    crowded[0], crowded[1] = 1, -1
    names = [f"a name of many letters {i}" for i in range(20)]
    display = EmbeddingDisplay.from_embedding(
        crowded, labels=np.arange(len(Z)) % 20, class_names=names
    )
    assert not all(text.get_visible() for text in display.texts_)
    assert display.key_ is not None


def test_the_map_is_a_square_of_one_scale(pyplot):
    for points in (Z[:, :2], Z[:, :2] * [1, 1.8]):
        display = EmbeddingDisplay.from_embedding(points, labels=y)
        display.figure_.canvas.draw()
        box = display.ax_.get_window_extent()
        assert box.width == pytest.approx(box.height, rel=0.01)
        assert np.ptp(display.ax_.get_xlim()) == pytest.approx(
            np.ptp(display.ax_.get_ylim())
        )
    # A long map would be a line in a square, and a far longer one has two scales.
    long = EmbeddingDisplay.from_embedding(Z[:, :2] * [4, 1])
    assert long.ax_.get_aspect() == 1
    longer = EmbeddingDisplay.from_embedding(Z[:, :2] * [40, 1])
    assert longer.ax_.get_aspect() == "auto"


def test_axes_that_mean_nothing_have_no_ticks(pyplot):
    for name in ("t-SNE", "UMAP"):
        ax = EmbeddingDisplay.from_embedding(Z[:, :2], name=name).ax_
        assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
        assert (ax.get_xlabel(), ax.get_ylabel()) == (name, "")
    ax = EmbeddingDisplay(Z[:, :2], name="t-SNE").plot(show_axes=True).ax_
    assert ax.get_ylabel() == "t-SNE 1"
    assert len(EmbeddingDisplay(Z[:, :2]).plot(show_axes=False).ax_.get_xticks()) == 0


def _inside(ax, points):
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    x, y = np.asarray(points).T
    return np.all((left < x) & (x < right) & (bottom < y) & (y < top))


def test_drawing_twice_and_on_shared_axes_clips_nothing(pyplot):
    display = EmbeddingDisplay.from_embedding(Z[:, :2])
    EmbeddingDisplay.from_embedding(0.1 * Z[:, :2] + 90, ax=display.ax_)
    assert _inside(display.ax_, Z[:, :2])
    assert _inside(display.ax_, 0.1 * Z[:, :2] + 90)
    figure, axes = pyplot.subplots(1, 2, sharex=True, sharey=True, layout="constrained")
    for ax, scale in zip(axes, (3, 1), strict=True):
        EmbeddingDisplay.from_embedding(scale * Z[:, :2], labels=y, ax=ax)
    figure.canvas.draw()
    assert _inside(axes[0], 3 * Z[:, :2])
    assert axes[0].get_xlim() == axes[1].get_xlim()


@pytest.mark.parametrize("n_points", [1, 2])
def test_few_points_are_seen_beside_their_names(pyplot, n_points):
    points = np.array([[1.0, 2.0], [1.0, 5.0]])[:n_points]
    display = EmbeddingDisplay.from_embedding(points, labels=["a", "b"][:n_points])
    assert _inside(display.ax_, points)
    pixels = display.ax_.transData.transform(points)
    for box, (_, height) in zip(_extents(display.texts_), pixels, strict=True):
        assert box[1] > height


def test_a_name_that_has_to_move_far_has_a_line_to_its_class(pyplot):
    points = np.random.default_rng(0).normal(size=(900, 2))
    labels = np.arange(900) % 25
    names = [f"class number {i}" for i in range(25)]
    display = EmbeddingDisplay.from_embedding(points, labels=labels, class_names=names)
    medoid = {tuple(points[row]) for row in medoids(points, labels, 25)}
    ends = [tuple(line[1]) for line in display.leaders_.get_segments()]
    assert ends
    assert set(ends) <= medoid
    assert EmbeddingDisplay.from_embedding(Z[:, :2], labels=y).leaders_ is None


@pytest.mark.parametrize(("n_classes", "named"), [(60, 60), (400, 0), (2000, 0)])
def test_many_classes_are_quick_and_what_is_left_out_is_said(pyplot, n_classes, named):
    points = np.random.default_rng(0).normal(size=(10_000, 2))
    start = time.process_time()
    display = EmbeddingDisplay.from_embedding(
        points, labels=np.arange(10_000) % n_classes
    )
    display.figure_.canvas.draw()
    assert time.process_time() - start < 4
    assert len(display.texts_) == named
    if n_classes > 250:
        assert display.key_ is None
        (note,) = display.ax_.texts
        assert note.get_text() == f"{n_classes:,} classes, too many to name here"


def test_no_labels_no_key(pyplot):
    display = EmbeddingDisplay.from_embedding(Z[:, :2])
    assert display.key_ is None
    assert display.texts_ == []


def test_beyond_twenty_classes_markers_change_and_a_legend_names_them(pyplot):
    labels = np.arange(len(X)) % 45
    display = EmbeddingDisplay.from_embedding(Z[:, :2], labels=labels, show_names=False)
    assert len(display.scatters_) == 3
    assert len(display.key_.get_texts()) == 45
    drawn = [len(one.get_paths()[0].vertices) for one in display.scatters_]
    assert drawn[0] != drawn[1]


def test_three_columns_are_drawn_in_three_dimensions(pyplot):
    display = EmbeddingDisplay.from_embedding(Z, labels=y)
    assert display.ax_.name == "3d"
    assert display.ax_.get_zlabel() == "Dimension 2"
    with pytest.raises(ValueError, match="Received axes with projection='rectilinear'"):
        EmbeddingDisplay.from_embedding(Z, ax=pyplot.subplots()[1])


@pytest.mark.parametrize(("width", "n_classes"), [(4, 20), (6.4, 45)])
def test_no_name_covers_another_or_leaves_the_axes(pyplot, width, n_classes):
    _, ax = pyplot.subplots(figsize=(width, 3), layout="constrained")
    # All medoids are in one place: the worst case.
    points = np.random.default_rng(0).normal(size=(900, 2))
    names = [f"a class of number {i}" for i in range(n_classes)]
    display = EmbeddingDisplay.from_embedding(
        points, labels=np.arange(900) % n_classes, class_names=names, ax=ax
    )
    seen = [text for text in display.texts_ if text.get_visible()]
    assert len(seen) >= 8
    boxes = _extents(seen)
    assert not any(_overlap(a, b) for a, b in combinations(boxes, 2))
    frame = ax.get_window_extent().extents
    for box in boxes:
        assert np.all(box[:2] >= frame[:2] - 1)
        assert np.all(box[2:] <= frame[2:] + 1)


@pytest.mark.parametrize("size", [(6.4, 4.8), (4, 3)])
def test_no_thumbnail_hides_another_or_a_name(pyplot, size):
    _, ax = pyplot.subplots(figsize=size, layout="constrained")
    display = EmbeddingDisplay.from_embedding(
        Z[:, :2], labels=y, images=X, n_images=100, ax=ax
    )
    assert len(display.images_) == len(display.shown_) == 100
    boxes = _extents([*display.images_, *display.texts_])
    assert not any(_overlap(a, b) for a, b in combinations(boxes, 2))
    # A smaller figure does not bring them over one another.
    display.figure_.set_size_inches(3, 3)
    boxes = _extents(display.images_)
    assert not any(_overlap(a, b) for a, b in combinations(boxes, 2))


def test_thumbnails_are_the_pictures_of_their_points(pyplot):
    display = EmbeddingDisplay.from_embedding(Z[:, :2], images=X[:40], n_images=10)
    assert len(display.images_) == 10
    for image, row in zip(display.images_, display.shown_, strict=True):
        np.testing.assert_array_equal(image.get_array(), X[row].reshape(8, 8))
        left, right, bottom, top = image.get_extent()
        middle = (left + right) / 2, (bottom + top) / 2
        np.testing.assert_allclose(middle, Z[row, :2], atol=1e-6)
    assert EmbeddingDisplay(Z[:, :2], images=X).plot(n_images=0).images_ == []


def test_image_size_is_in_points(pyplot):
    display = EmbeddingDisplay.from_embedding(Z[:, :2], images=X, image_size=30)
    left, _, right, _ = _extents(display.images_)[0]
    assert (right - left) * 72 / display.figure_.dpi == pytest.approx(30, rel=0.02)


def test_colour_images_and_image_shape(pyplot):
    flat = np.random.default_rng(0).random((len(Z), 5 * 4 * 3))
    display = EmbeddingDisplay.from_embedding(
        Z[:, :2], images=flat, image_shape=(5, 4, 3), n_images=3
    )
    assert display.images_[0].get_array().shape == (5, 4, 3)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"embedding": X},
            r"two or three columns. Received shape \(1797, 64\). Reduce",
        ),
        ({"embedding": Z * np.nan}, r"finite numbers. Received NaN or infinity. Leave"),
        ({"labels": y[:-1]}, r"one label for each of 1797 .* Received shape \(1796,\)"),
        ({"images": np.ones((2000, 64))}, r"at most 1797 images.* Received 2000. Give"),
        ({"images": X[:, :50]}, r"Expected pictures. Received rows of 50 .* Give"),
        ({"images": X, "image_shape": (9, 9)}, r"of 64 values.*\(9, 9\).* 81. Give"),
        ({"images": X, "embedding": Z}, r"two columns to draw images on. Received"),
        ({"class_names": ["a"]}, r"together with labels. Received class_names alone"),
        ({"labels": y, "class_names": ["a"]}, r"10 class names.* Received 1. Give"),
        ({"key": "bar"}, r"Expected key to be .* Received 'bar'"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(pyplot, kwargs, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embedding(**{"embedding": Z[:, :2], **kwargs})


def test_many_points_are_small_rasterized_and_quick(pyplot):
    rng = np.random.default_rng(0)
    many = rng.normal(size=(100_000, 2))
    labels = rng.integers(0, 10, len(many))

    def bare():
        figure, ax = pyplot.subplots()
        ax.scatter(*many.T)
        return figure

    def ours():
        display = EmbeddingDisplay.from_embedding(many, labels=labels)
        (points,) = display.scatters_
        assert points.get_sizes()[0] < 1
        assert points.get_rasterized()
        return display.figure_

    def seconds(draw):
        start = time.process_time()
        figure = draw()
        figure.savefig("/dev/null", format="png")
        pyplot.close(figure)
        return time.process_time() - start

    # The best of several: others may be using the machine.
    assert min(seconds(ours) for _ in range(3)) < 5 * min(
        seconds(bare) for _ in range(3)
    )


def test_a_medoid_is_a_member_of_its_class():
    angle = np.linspace(0, 2 * np.pi, 100)
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    codes = np.arange(100) % 2
    for code, row in enumerate(medoids(ring, codes, 2)):
        assert codes[row] == code


def _lab(linear):
    """CIELAB of linear RGB."""
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    xyz = linear @ np.transpose(to_xyz) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.column_stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])]
    )


# What a reader sees of linear RGB (Machado, Oliveira and Fernandes, 2009).
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("sight", SIGHT)
def test_colour_blind_readers_can_tell_the_colours_apart(sight):
    srgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in COLORS])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    lab = _lab(np.clip(linear @ np.transpose(SIGHT[sight]), 0, 1))
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1e3 * np.eye(len(lab))
    # 2.3 is the least difference that an eye notices.
    assert apart.min() > 13
    assert apart[:10, :10].min() > 23


def test_maps_side_by_side_have_dots_of_one_size(pyplot):
    Z = np.random.default_rng(0).normal(size=(300, 2))
    _, axes = pyplot.subplots(1, 2, figsize=(9.5, 4.8), layout="constrained")
    sizes = [
        EmbeddingDisplay.from_embedding(Z, name="t-SNE", ax=ax).scatters_[0].get_sizes()
        for ax in axes
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.2)


def test_a_tall_legend_beside_a_map_is_not_cut(pyplot):
    rng = np.random.default_rng(0)
    names = [f"class number {i}" for i in range(60)]
    display = EmbeddingDisplay.from_embedding(
        rng.normal(size=(600, 2)), labels=names * 10, name="UMAP"
    )
    display.figure_.canvas.draw()
    legend = display.key_.get_window_extent()
    assert legend.y0 >= 0
    # Names that were placed before would now lie over the border.
    right = display.ax_.get_window_extent().x1
    shown = [one for one in display.texts_ if one.get_visible()]
    assert max(one.get_window_extent().x1 for one in shown) <= right + 1
