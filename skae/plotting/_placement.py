"""Where names and thumbnails go on a map of points, so that none hides another."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import numpy as np

# Enough members to find a medoid by; all pairs of more would take seconds.
_MEDOID_MEMBERS = 400
# Free space around a name, in points.
_TEXT_GAP = 1.0
# How far a name may move, in its heights: without a line to its place, and at all.
_NEAR = 2
_FARTHEST = 8
# Thumbnails are looked for among this many points.
_CANDIDATES = 8_000
# Widths of thumbnails: the smallest in points, the largest as a part of the axes.
_SMALLEST_THUMBNAIL = 8
_LARGEST_THUMBNAIL = 0.11


def medoids(points, codes, n_classes):
    """Return for each class its member with the least distance to the others.

    Unlike a mean, a medoid lies on its class even when that is a ring or in two
    parts.
    """
    rows = np.empty(n_classes, dtype=int)
    for code in range(n_classes):
        members = np.flatnonzero(codes == code)
        members = members[:: max(1, len(members) // _MEDOID_MEMBERS)]
        offsets = points[members, None] - points[None, members]
        rows[code] = members[np.linalg.norm(offsets, axis=-1).sum(axis=1).argmin()]
    return rows


def spread_texts(ax, texts):
    """Move texts, most important first, until none covers another.

    Those that find no room, or none near their place, are hidden, the least
    important first.

    Parameters
    ----------
    ax : matplotlib Axes
        Where the texts are.

    texts : list of matplotlib Text
        The texts, at their places.

    Returns
    -------
    boxes : ndarray of shape (n_visible, 4)
        Left, bottom, right and top of the visible ones, in pixels.

    far : list of int
        Which ones ended away from their places.

    far_boxes : ndarray of shape (n_far, 4)
        Where these are.
    """
    if not texts:
        return np.empty((0, 4)), [], np.empty((0, 4))
    renderer = ax.figure.canvas.get_renderer()
    boxes = np.array([text.get_window_extent(renderer).extents for text in texts])
    # Names that touch read as one.
    boxes += _TEXT_GAP * ax.figure.dpi / 72 * np.array([-1, -1, 1, 1])
    start = boxes.copy()
    frame = ax.get_window_extent(renderer).extents
    for _ in range(200):
        moved = _push_apart(boxes)
        _keep_inside(boxes, frame)
        if not moved:
            break

    to_data = ax.transData.inverted()
    heights = start[:, 3] - start[:, 1]
    away = np.linalg.norm((boxes - start)[:, :2], axis=1) / heights
    shown: list = []
    far: list = []
    for i, text in enumerate(texts):
        covered = any(_overlap(boxes[i], boxes[j]) for j in shown)
        if covered or away[i] > _FARTHEST:
            text.set_visible(False)
            continue
        shown.append(i)
        if away[i] > _NEAR:
            far.append(i)
        position = ax.transData.transform(text.get_position())
        text.set_position(to_data.transform(position + (boxes - start)[i, :2]))
    return boxes[shown], far, boxes[far]


def _overlap(a, b):
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def _push_apart(boxes):
    """Move each overlapping pair half its overlap apart, along the shorter way."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    pairs = np.argwhere(np.tril(np.all(high > low, axis=-1), -1))
    for i, j in pairs:
        # An earlier pair may have parted this one.
        if not _overlap(boxes[i], boxes[j]):
            continue
        depth = np.minimum(boxes[i, 2:], boxes[j, 2:]) - np.maximum(
            boxes[i, :2], boxes[j, :2]
        )
        side = int(depth.argmin())
        middles = boxes[[i, j], side] + boxes[[i, j], side + 2]
        sign = 1 if middles[0] >= middles[1] else -1
        # A little more than half, or rounding keeps them touching.
        step = sign * (depth[side] / 2 + 0.5)
        boxes[i, [side, side + 2]] += step
        boxes[j, [side, side + 2]] -= step
    return len(pairs) > 0


def _keep_inside(boxes, frame):
    low = np.maximum(frame[:2] - boxes[:, :2], 0)
    high = np.minimum(frame[2:] - boxes[:, 2:], 0)
    boxes += np.tile(np.where(low > 0, low, high), 2)


def thin(points, n_images, image_size, ax, obstacles):
    """Choose which pictures to draw, and how large, so that none hides another.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
        Where the pictures would go, in data coordinates.

    n_images : int
        The most pictures to draw.

    image_size : float or "auto"
        Longer side of a picture in points. "auto" is the largest size at which
        `n_images` fit, or, of fewer pictures than thrice that, a third of them.

    ax : matplotlib Axes
        Where the pictures go.

    obstacles : ndarray of shape (n_obstacles, 4)
        Boxes to keep free, in pixels.

    Returns
    -------
    chosen : ndarray of int
        Rows of `points`.

    size : float
        Longer side in pixels.
    """
    # The first rows of sorted data would all be of one class. A fixed shuffle
    # draws the same picture each time.
    order = np.random.default_rng(0).permutation(len(points))[:_CANDIDATES]
    pixels = ax.transData.transform(points)[order]
    per_point = ax.figure.dpi / 72
    if image_size != "auto":
        size = image_size * per_point
        return order[_accept(pixels, size, obstacles)[:n_images]], size

    small = _SMALLEST_THUMBNAIL * per_point
    frame = ax.get_window_extent()
    large = max(small, _LARGEST_THUMBNAIL * min(frame.width, frame.height))
    wanted = min(n_images, -(-len(order) // 3))
    if len(_accept(pixels, large, obstacles)) >= wanted:
        small = large
    for _ in range(7):
        middle = np.sqrt(small * large)
        if len(_accept(pixels, middle, obstacles)) >= wanted:
            small = middle
        else:
            large = middle
    return order[_accept(pixels, small, obstacles)[:n_images]], small


def _accept(pixels, size, obstacles):
    """Return the rows that keep a picture's side from each other and obstacles."""
    free = np.ones(len(pixels), dtype=bool)
    for left, bottom, right, top in obstacles:
        free &= ~_within(pixels, [left, bottom], [right, top], size / 2)
    chosen = []
    # A twentieth of the side stays empty between neighbours.
    for row in range(len(pixels)):
        if free[row]:
            chosen.append(row)
            free &= ~_within(pixels, pixels[row], pixels[row], 1.05 * size)
    return np.array(chosen, dtype=int)


def _within(pixels, low, high, margin):
    above = pixels > np.subtract(low, margin)
    below = pixels < np.add(high, margin)
    return np.all(above & below, axis=1)
