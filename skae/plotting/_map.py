"""The parts of a map of points: dots, key, names, thumbnails and their frames."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

from skae.plotting._drawing import merge_kwargs, one_axes
from skae.plotting._images import (
    as_array,
    drawable,
    image_defaults,
    is_series,
    need_images,
    value_range,
)
from skae.plotting._labels import encode_labels
from skae.plotting._labels_colors import (
    COLORS,
    MARKERS,
    UNLABELLED_COLOR,
    class_color,
)
from skae.plotting._lines import draw_on_map, most
from skae.plotting._placement import thin

# Vector graphics of more points than this take longer to open than to draw.
_RASTERIZED_FROM = 1_000
# A map is drawn as a square, unless one side is so many times the other.
_SQUARE_UP_TO = 2
_FEW_POINTS = 10
# The most rounds in which a layout comes to rest.
_ROUNDS = 6
_LONGEST_SIDE = 5
# Maps that turn and stretch by chance: where a point lies says nothing, only beside
# which others.
_WITHOUT_AXES = {
    "t-sne",
    "tsne",
    "umap",
    "parametricumap",
    "pacmap",
    "trimap",
    "phate",
    "mds",
    "spectralembedding",
    "locallylinearembedding",
}


def checked_map(display):
    """Return points, codes, class names and pictures, or say what is amiss."""
    Z = as_array(display.embedding)
    if Z.ndim != 2 or Z.shape[1] not in (2, 3) or len(Z) == 0:
        raise ValueError(
            "Expected an embedding of two or three columns. Received shape "
            f"{Z.shape}. Reduce it first, such as by TSNE().fit_transform, or "
            "use EmbeddingDisplay.from_estimator with a `reducer`."
        )
    if not np.isfinite(Z).all():
        raise ValueError(
            "Expected an embedding of finite numbers. Received NaN or infinity. "
            "Leave out those rows; an embedding that diverged needs a lower "
            "learning rate."
        )
    codes, names = None, None
    if display.labels is None and display.class_names is not None:
        raise ValueError(
            "Expected class_names together with labels. Received class_names alone. "
            "Give the labels of the samples, or leave class_names out."
        )
    if display.labels is not None:
        codes, names = encode_labels(display.labels, len(Z), display.class_names)
    if display.images is None:
        return Z, codes, names, None
    images = need_images(display.images, display.image_shape)
    if len(images) > len(Z):
        raise ValueError(
            f"Expected at most {len(Z)} images, those of the first samples of "
            f"the embedding. Received {len(images)}. Give the images of the "
            "same rows, in the same order."
        )
    if Z.shape[1] == 3:
        raise ValueError(
            "Expected an embedding of two columns to draw images on. Received "
            "three. Leave `images` out, or give two columns, such as "
            "embedding[:, :2]."
        )
    return Z, codes, names, images


def axes_for(Z, ax):
    """Return `ax`, or new axes with as many dimensions as the embedding."""
    if Z.shape[1] == 2:
        ax = one_axes(ax, (6, 5.4))
    elif ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(layout="constrained").add_subplot(projection="3d")
    if (ax.name == "3d") != (Z.shape[1] == 3):
        raise ValueError(
            f"Expected axes for {Z.shape[1]} columns. Received axes with "
            f"projection={ax.name!r}. Make them by plt.subplots(), and for three "
            'columns by plt.subplots(subplot_kw={"projection": "3d"}).'
        )
    return ax


def frame_points(ax, Z, name, margin, show_axes, before=None):
    """Set limits, scale and axis labels for the points Z.

    `before`, the box of what the axes hold already, stays in sight, and so do the
    points of axes that share a side with these.
    """
    low, high = Z.min(axis=0), Z.max(axis=0)
    if Z.shape[1] == 2:
        low, high = _with_others(ax, low, high, before)
    span = np.where(high > low, high - low, max(1.0, (high - low).max()))
    equal = Z.shape[1] == 2 and span.max() <= _LONGEST_SIDE * span.min()
    if equal and span.max() <= _SQUARE_UP_TO * span.min():
        middle = (low + high) / 2
        span[:] = span.max()
        low, high = middle - span / 2, middle + span / 2
    if Z.shape[1] == 2:
        # One scale for both axes makes distances comparable, but would squeeze a map
        # with one much longer side into a line.
        ax.set_aspect("equal" if equal else "auto", adjustable="box")
    if len(Z) < _FEW_POINTS:
        margin = max(margin, 0.15)
    for i, side in enumerate("xyz"[: Z.shape[1]]):
        limits = low[i] - margin * span[i], high[i] + margin * span[i]
        # auto=None keeps autoscaling as it is.
        getattr(ax, f"set_{side}lim")(limits, auto=None)
    _label_axes(ax, Z.shape[1], name, show_axes)


def _with_others(ax, low, high, before):
    """Widen limits by what these axes, or those that share them, have drawn."""
    bounds = [] if before is None else [(before.min, before.max)]
    shared = ax.get_shared_x_axes(), ax.get_shared_y_axes()
    for i, siblings in enumerate(shared):
        for other in siblings.get_siblings(ax):
            if other is not ax and other.has_data():
                one_low, one_high = low.copy(), high.copy()
                one_low[i], one_high[i] = other.dataLim.min[i], other.dataLim.max[i]
                bounds.append((one_low, one_high))
    lows, highs = zip((low, high), *bounds, strict=True)
    return np.min(lows, axis=0), np.max(highs, axis=0)


def _label_axes(ax, n_axes, name, show_axes):
    from matplotlib.ticker import MaxNLocator

    if show_axes == "auto":
        show_axes = name.lower() not in _WITHOUT_AXES
    for i, side in enumerate("xyz"[:n_axes]):
        axis = getattr(ax, f"{side}axis")
        if show_axes:
            axis.set_label_text(f"{name} {i}")
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        else:
            axis.set_label_text(name if i == 0 else "")
            axis.set_ticks([])


def draw_points(ax, Z, codes, names, scatter_kwargs):
    """Draw the points; return the labelled artists and that of the unlabelled."""
    from matplotlib.collections import PathCollection
    from matplotlib.colors import ListedColormap

    n_points = len(Z)
    box = ax.get_window_extent()
    area = box.width * box.height * (72 / ax.figure.dpi) ** 2
    defaults = {
        # Together the dots would cover a third of the axes.
        "s": float(np.clip(area / 3 / n_points, 0.6, 30)),
        "alpha": float(np.clip(1.5 - 0.2 * np.log10(n_points), 0.3, 0.9)),
        "linewidth": 0,
        "rasterized": n_points > _RASTERIZED_FROM,
    }
    kwargs = merge_kwargs(defaults, scatter_kwargs, PathCollection)
    own_color = {"c", "color", "facecolor"} & set(kwargs)
    if codes is None:
        if not own_color:
            kwargs["color"] = COLORS[0]
        return [ax.scatter(*Z.T, **kwargs)], None

    known = codes >= 0 if names is not None else ~np.isnan(codes)
    unlabelled = None
    if not known.all():
        ground = {**kwargs, "color": UNLABELLED_COLOR, "zorder": 0.9}
        for word in ("c", "facecolor", "cmap", "norm", "vmin", "vmax", "marker"):
            ground.pop(word, None)
        unlabelled = ax.scatter(*Z[~known].T, **ground)
    if own_color or not known.any():
        points = [ax.scatter(*Z[known].T, **kwargs)] if known.any() else []
        return points, unlabelled
    if names is None:
        kwargs = {"cmap": "viridis", **kwargs}
        return [ax.scatter(*Z[known].T, c=codes[known], **kwargs)], unlabelled

    points = []
    n_rounds = min(-(-len(names) // len(COLORS)), len(MARKERS))
    for place in range(n_rounds):
        rows = (codes >= 0) & (codes // len(COLORS) % len(MARKERS) == place)
        coloring = {
            "c": codes[rows] % len(COLORS),
            "cmap": ListedColormap(COLORS),
            "vmin": -0.5,
            "vmax": len(COLORS) - 0.5,
            "marker": MARKERS[place],
        }
        points.append(ax.scatter(*Z[rows].T, **{**coloring, **kwargs}))
    return points, unlabelled


def draw_thumbnails(ax, Z, images, n_images, image_size, boxes, image_kwargs, shape):
    """Draw pictures at their points; return them, their rows and their extents."""
    rows, size = thin(Z[: len(images)], n_images, image_size, ax, boxes)
    draw = _thumbnail(ax, images, image_kwargs, is_series(shape))
    height, width = (2, 3) if is_series(shape) else images.shape[1:3]
    half = size / 2 * np.array([width, height]) / max(height, width)
    to_data = ax.transData.inverted()
    artists, extents = [], []
    # With autoscaling on, each picture would set the limits to its own.
    scaling = ax.get_autoscalex_on(), ax.get_autoscaley_on()
    ax.autoscale(False)
    for row, centre in zip(rows, ax.transData.transform(Z[rows]), strict=True):
        (left, bottom), (right, top) = to_data.transform([centre - half, centre + half])
        extents.append((left, right, bottom, top))
        artists.append(draw(images[row], extents[-1]))
    ax.set_autoscalex_on(scaling[0])
    ax.set_autoscaley_on(scaling[1])
    return artists, rows, extents


def _thumbnail(ax, images, user, series):
    """Return what draws one of the pictures at its place."""
    limits = value_range(images)
    if series:
        features = most(np.nanstd(images, axis=(0, 1)))
        return lambda image, extent: draw_on_map(
            ax, image, extent, features, limits, user
        )
    kwargs = {**image_defaults(images, ax), "zorder": 3, "aspect": ax.get_aspect()}
    return lambda image, extent: ax.imshow(
        drawable(image, limits), **{**kwargs, "extent": extent, **(user or {})}
    )


def draw_frames(ax, extents, codes, names, points, frame_kwargs):
    """Draw frames around the thumbnails in the colours of their labels."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    edges = [UNLABELLED_COLOR] * len(extents)
    if codes is not None and names is None and points:
        edges = points[0].to_rgba(codes, alpha=1)
    elif names is not None:
        edges = [UNLABELLED_COLOR if c < 0 else class_color(c) for c in codes]
    patches = [
        Rectangle((left, bottom), right - left, top - bottom)
        for left, right, bottom, top in extents
    ]
    defaults = {"facecolor": "none", "edgecolor": edges, "linewidth": 0.8, "zorder": 4}
    frames = PatchCollection(
        patches, **merge_kwargs(defaults, frame_kwargs, PatchCollection)
    )
    return ax.add_collection(frames, autolim=False)


def settle_layout(ax):
    """Give the axes the place and limits that they will have when drawn."""
    engine = ax.figure.get_layout_engine()
    if engine is None:
        ax.apply_aspect()
        return
    # Beside a tall key a square map moves with each round, less each time.
    for _ in range(_ROUNDS):
        before = ax.get_position().bounds
        engine.execute(ax.get_figure(root=True))
        ax.apply_aspect()
        if np.allclose(before, ax.get_position().bounds, atol=1e-3):
            break
