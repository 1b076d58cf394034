"""Rows seen as pictures: their shape, the range of their values, their drawing."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from math import isqrt, prod

import numpy as np
from scipy.sparse import issparse

from skae.plotting._drawing import on_dark_page
from skae.plotting._lines import draw_in_place, most, name_lines

# Below 8 x 8 a number of columns that happens to be a square is more often a
# table than a picture.
_SMALLEST_SIDE = 8


def as_array(X):
    """Return tables, lists, tensors and sparse matrices as one NumPy array."""
    return X.toarray() if issparse(X) else np.asarray(X)


def as_pictures(X, image_shape="auto"):
    """Return X as pictures, as windows (n, steps, features), or None for a table.

    The image_shape "series" says that they are windows; those of one feature may be
    rows (n, steps).
    """
    if not is_series(image_shape):
        return as_images(X, image_shape)
    X = as_array(X)
    X = X[..., np.newaxis] if X.ndim == 2 else X
    if X.ndim != 3:
        raise ValueError(
            "Expected windows of series (n, steps, features) for image_shape='series'. "
            f"Received an array of shape {X.shape}. Leave image_shape='auto' for "
            "pictures."
        )
    return X


def is_series(image_shape):
    """Tell whether pictures are windows of series, drawn as lines."""
    return isinstance(image_shape, str) and image_shape == "series"


def as_images(X, image_shape="auto"):
    """Return X as pictures (n, h, w) or (n, h, w, c), or None for tabular rows."""
    if is_series(image_shape):
        raise ValueError(
            "Expected pictures. Received image_shape='series', which only figures draw "
            "of EmbeddingDisplay, LatentDisplay, ClusterDisplay, TrainingDisplay and "
            "ReconstructionDisplay. Leave image_shape='auto' for pictures."
        )
    X = as_array(X)
    if X.ndim == 2:
        image_shape = _flat_image_shape(X.shape[1], image_shape)
        if image_shape is None:
            return None
        X = X.reshape(len(X), *image_shape)
    if X.ndim == 4 and X.shape[-1] == 1:
        X = X[..., 0]
    if X.ndim == 3 or (X.ndim == 4 and X.shape[-1] in (3, 4)):
        return X
    raise ValueError(
        "Expected rows (n, p), grey pictures (n, h, w) or colour pictures "
        f"(n, h, w, 3). Received an array of shape {X.shape}. Put the samples on "
        "the first axis and the colours on the last."
    )


def _flat_image_shape(n_features, image_shape):
    if image_shape is None:
        return None
    if isinstance(image_shape, str) and image_shape == "auto":
        side = isqrt(n_features)
        square = side * side == n_features and side >= _SMALLEST_SIDE
        return (side, side) if square else None
    if len(image_shape) in (2, 3) and prod(image_shape) == n_features:
        return tuple(image_shape)
    raise ValueError(
        f"Expected an image_shape (h, w) or (h, w, c) of {n_features} values, one "
        f"for each column. Received image_shape={tuple(image_shape)}, which has "
        f"{prod(image_shape)}. Give the shape that the rows were flattened from, or "
        "image_shape=None to draw them as a table."
    )


def need_images(X, image_shape="auto"):
    """Return X as pictures, or say how to make them some."""
    images = as_pictures(X, image_shape)
    if images is None:
        raise ValueError(
            f"Expected pictures. Received rows of {np.shape(X)[1]} columns that "
            f"are none by image_shape={image_shape!r}. Give the shape that they "
            "were flattened from, such as image_shape=(28, 28)."
        )
    return images


def grid_of_pictures(images, image_shape="auto"):
    """Return a grid (n_rows, n_cols, ...) of pictures, or of windows of series."""
    images = as_array(images)
    if images.ndim not in (4, 5):
        raise ValueError(
            "Expected a grid of pictures (n_rows, n_cols, h, w) or (n_rows, "
            f"n_cols, h, w, c). Received shape {images.shape}. Draw latent "
            "vectors by LatentDisplay.from_latents, and pictures in one row as "
            "images[None]."
        )
    flat = need_images(images.reshape(-1, *images.shape[2:]), image_shape)
    return flat.reshape(*images.shape[:2], *flat.shape[1:])


def value_range(images):
    """Return the values drawn darkest and brightest, the same for all `images`."""
    low, high = float(np.nanmin(images)), float(np.nanmax(images))
    if images.ndim == 4:
        # Colours have agreed ranges, and stretching them would change the hue.
        if low >= 0 and high <= 1:
            return 0.0, 1.0
        if low >= 0 and high <= 255:
            return 0.0, 255.0
    return low, high if high > low else low + 1.0


def is_ink(images, limits):
    """Tell whether grey pictures are ink on an empty ground.

    Ink takes the ground of the page; a photograph would turn into its negative.
    """
    low, high = limits
    border = np.concatenate(
        [images[:, [0, -1], :].ravel(), images[:, :, [0, -1]].ravel()]
    )
    return bool(np.nanmedian(border) <= low + 0.1 * (high - low))


def image_defaults(images, ax, limits=None):
    """Return what `imshow` is given for `images` unless the user says otherwise."""
    defaults = {"interpolation": "nearest"}
    if images.ndim == 3:
        low, high = limits or value_range(images)
        is_drawing = is_ink(images, (low, high))
        cmap = "gray_r" if is_drawing and not on_dark_page(ax) else "gray"
        defaults.update(cmap=cmap, vmin=low, vmax=high)
    return defaults


def drawable(image, limits):
    """Return one picture as `imshow` wants it: colours lie in [0, 1]."""
    if image.ndim == 2:
        return image
    low, high = limits
    return np.clip((image - low) / (high - low), 0, 1)


def image_grid(
    ax,
    grid,
    image_kwargs,
    *,
    limits=None,
    offsets=None,
    strengths=None,
    image_shape="auto",
):
    """Draw pictures side by side in one axes, one unit wide and high each.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.

    grid : list of list of ndarray or None
        Rows, the first on top, of pictures; None leaves a place empty.

    image_kwargs : dict or None
        Keywords of `imshow`, or of `plot` for windows of series.

    limits : tuple of float, default=None
        Values drawn darkest and brightest; by default those of the pictures.

    offsets : list of float, default=None
        Where the centre of each column lies, counted from 0 by default.

    strengths : array-like of shape (n_rows, n_cols), default=None
        How strongly each is drawn, from 0 to 1.

    image_shape : tuple of int, "auto", "series" or None, default="auto"
        "series" where the pictures are windows (n_steps, n_features).

    Returns
    -------
    artists : ndarray of shape (n_rows, n_cols) of AxesImage, tuple of Line2D or None
        The pictures drawn.
    """
    n_cols = max(len(row) for row in grid)
    offsets = range(n_cols) if offsets is None else offsets
    every = np.stack([image for row in grid for image in row if image is not None])
    limits = limits or value_range(every)
    draw = _drawer(ax, every, limits, image_kwargs, is_series(image_shape))
    height, width = (2, 3) if is_series(image_shape) else every.shape[1:3]
    half_width = 0.46 * width / max(height, width)
    half_height = 0.46 * height / max(height, width)
    artists = np.full((len(grid), n_cols), None, dtype=object)
    for i, row in enumerate(grid):
        for j, image in enumerate(row):
            if image is None:
                continue
            x = offsets[j]
            sides = x - half_width, x + half_width
            own = {} if strengths is None else {"alpha": float(strengths[i][j])}
            artists[i, j] = draw(image, (*sides, i + half_height, i - half_height), own)
    if is_series(image_shape):
        name_lines(ax, next(filter(None, artists.flat)), every)
    ax.set(xlim=(offsets[0] - 0.5, offsets[-1] + 0.5), ylim=(len(grid) - 0.5, -0.5))
    ax.set_aspect("equal")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return artists


def _drawer(ax, every, limits, user, series):
    """Return what draws one of the pictures into a box."""
    if not series:
        kwargs = {**image_defaults(every, ax, limits), **(user or {})}

        def draw(image, extent, own):
            picture = drawable(image, limits)
            return ax.imshow(picture, **{"extent": extent, **own, **kwargs})

        return draw

    features = most(np.nanstd(every, axis=(0, 1)))
    return lambda image, extent, own: draw_in_place(
        ax, image, extent, features, limits, {**own, **(user or {})}
    )
