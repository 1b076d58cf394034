"""Pages of a map that need nothing else: no network, no server, no package."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import json
from base64 import b64encode
from html import escape
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np

from skae.plotting._images import is_ink, is_series, value_range
from skae.plotting._labels_colors import COLORS, UNLABELLED_COLOR, class_color
from skae.plotting._lines import pictures_of
from skae.plotting._map import checked_map
from skae.plotting._map_names import MOST_NAMES
from skae.plotting._placement import medoids
from skae.plotting._text import shortened

_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{heading}</h1>
<main><div id="map"></div><aside></aside></main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
# Pixels of the sheet that holds all pictures; browsers open no much larger ones.
_LARGEST_SHEET = 64_000_000


class Page:
    """A page that shows itself in a notebook, and can be written to a file.

    Parameters
    ----------
    html : str
        The page.

    title : str
        What screen readers call it.

    height : int, default=620
        Height of the frame that shows it in a notebook, in pixels.
    """

    def __init__(self, html, title, height=620):
        self.html = html
        self.title = title
        self.height = height

    def _repr_html_(self):
        return (
            f'<iframe srcdoc="{escape(self.html)}" title="{escape(self.title)}" '
            'width="100%" '
            f'height="{self.height}" style="border: 0"></iframe>'
        )

    def write(self, path):
        """Write the page; return its path."""
        path = Path(path)
        path.write_text(self.html, encoding="utf-8")
        return path


def make_page(data, title, default_title):
    """Return the page that draws `data`."""
    # "<" would end the element that holds the data.
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    here = files("skae.plotting")
    html = _TEMPLATE.format(
        title=escape(title or default_title),
        heading=escape(title or ""),
        style=here.joinpath("_page.css").read_text(encoding="utf-8"),
        data=text,
        script=here.joinpath("_page.js").read_text(encoding="utf-8"),
    )
    return Page(html, title or default_title)


def embedding_page(display, title):
    """Return a page of the points of a map, their labels and their pictures."""
    Z, codes, names, images = checked_map(display)
    name = display.name
    if Z.shape[1] != 2:
        raise ValueError(
            "Expected an embedding of two columns for a page. Received "
            f"{Z.shape[1]}. Give two of them, such as embedding[:, :2]."
        )
    data = map_data(Z, codes, names, name)
    data["hint"] = "Point at a sample. Drag to move, turn the wheel to zoom."
    if images is not None:
        if is_series(display.image_shape):
            images = pictures_of(images)
        data["remarks"] = []
        every = int(np.ceil(np.sqrt(np.prod(images.shape[:3]) / _LARGEST_SHEET)))
        if every > 1:
            side = f"one row and column in {every}"
            data["remarks"] += [f"Of each picture {side} is drawn."]
        if len(images) < len(Z):
            data["remarks"] += [f"The first {len(images):,} samples have pictures."]
        data |= picture_data(images, images[:, ::every, ::every])
    return make_page(data, title, f"{name}: {len(Z):,} samples")


def map_data(Z, codes, names, name):
    """Return what the page draws of points and their labels."""
    data = {
        "x": as_text(Z[:, 0]),
        "y": as_text(Z[:, 1]),
        "equal": _has_one_scale(Z),
        "colors": [COLORS[0]],
        "alt": f"map of {len(Z):,} samples, {name}",
    }
    if codes is None:
        return data
    if names is None:
        return {**data, **_quantity(codes)}
    data |= {
        "codes": codes.tolist(),
        "names": names,
        "colors": [
            UNLABELLED_COLOR,
            *(class_color(code) for code in range(len(names))),
        ],
    }
    if 0 < len(names) <= MOST_NAMES:
        rows = medoids(Z, codes, len(names))
        data |= {"places": Z[rows].tolist(), "short": shortened(names)}
    return data


def _has_one_scale(Z):
    span = np.ptp(Z, axis=0)
    return bool(span.max() <= 5 * max(span.min(), 1e-300))


def _quantity(values):
    """Return colours, texts and the ends of a continuous quantity."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize, to_hex

    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    viridis, norm = colormaps["viridis"], Normalize(low, high)
    return {
        "each": [
            UNLABELLED_COLOR if np.isnan(value) else to_hex(viridis(norm(value)))
            for value in values
        ],
        "values": ["unlabelled" if np.isnan(v) else f"{v:.4g}" for v in values],
        "gradient": [to_hex(viridis(share)) for share in np.linspace(0, 1, 8)],
        "ends": [f"{low:.4g}", f"{high:.4g}"],
    }


def picture_data(images, drawn):
    """Return pictures on one sheet, in the greys or colours of the figure.

    `drawn` are the same in as many pixels as a page can hold.
    """
    from PIL import Image

    low, high = value_range(images)
    turned = images.ndim == 3 and is_ink(images, (low, high))
    height, width = drawn.shape[1:3]
    # About a square.
    across = int(np.ceil(np.sqrt(len(drawn) * height / width)))
    n_rows = -(-len(drawn) // across)
    depth = () if drawn.ndim == 3 else (drawn.shape[3],)
    sheet = np.zeros((n_rows * height, across * width, *depth), dtype=np.uint8)
    for i, image in enumerate(drawn):
        share = np.clip((np.nan_to_num(image) - low) / (high - low), 0, 1)
        pixels = np.rint(255 * (1 - share if turned else share))
        row, column = divmod(i, across)
        rows = slice(row * height, (row + 1) * height)
        sheet[rows, column * width : (column + 1) * width] = pixels.astype(np.uint8)
    file = BytesIO()
    Image.fromarray(sheet).save(file, "PNG", optimize=True)
    return {
        "sprite": b64encode(file.getvalue()).decode("ascii"),
        "size": [width, height],
        "across": across,
        "pictures": len(drawn),
    }


def as_text(values):
    """Return numbers as 32-bit floats in base64, which a page reads at once."""
    values = np.ascontiguousarray(values, dtype="<f4")
    return b64encode(values.tobytes()).decode("ascii")
