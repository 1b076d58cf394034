"""An embedding as one page of HTML, drawn by Bokeh."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from base64 import b64encode
from io import BytesIO
from pathlib import Path

import numpy as np

from skae.plotting._images import drawable, value_range
from skae.plotting._labels_colors import COLORS, UNLABELLED_COLOR, class_color

# Bokeh's names of the markers in skae.plotting._labels, in the same order.
_MARKERS = (
    "circle",
    "square",
    "diamond",
    "triangle",
    "inverted_triangle",
    "hex_dot",
    "cross",
    "x",
    "square_pin",
    "triangle_pin",
    "hex",
)
_TOOLTIP = """
<div style="max-width: 180px">
  <div>@picture{safe}</div>
  <div><b>@label</b> <span style="color: gray">sample @row</span></div>
</div>
"""
_PICTURE = (
    '<img alt="" src="data:image/png;base64,{}" style="width: 96px; '
    'image-rendering: pixelated; border: 1px solid gray">'
)
# Beyond this many points a browser draws them on the graphics card.
_WEBGL_FROM = 5_000


def write_page(path, Z, codes, names, images, name, title, size):
    """Write the page; return its path."""
    try:
        from bokeh.embed import file_html
        from bokeh.plotting import figure
        from bokeh.resources import INLINE
    except ImportError as error:
        raise ImportError(
            "EmbeddingDisplay.to_html draws with Bokeh, which is not installed. "
            'Install it by: pip install "skae[html]"'
        ) from error

    plot = figure(
        width=size[0],
        height=size[1],
        title=title,
        x_axis_label=f"{name} 0",
        y_axis_label=f"{name} 1",
        match_aspect=True,
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll="wheel_zoom",
        output_backend="webgl" if len(Z) > _WEBGL_FROM else "canvas",
    )
    data = {
        "x": Z[:, 0],
        "y": Z[:, 1],
        "row": np.arange(len(Z)),
        "label": np.array(_sample_names(codes, names, len(Z)), dtype=object),
        "picture": np.array(_pictures(images, len(Z)), dtype=object),
    }
    _add_points(plot, data, codes, names)
    path = Path(path)
    html = file_html(plot, INLINE, title=title or f"{name}: {len(Z):,} samples")
    path.write_text(html, encoding="utf-8")
    return path


def _sample_names(codes, names, n_samples):
    if codes is None:
        return [""] * n_samples
    if names is None:
        return [f"{value:.4g}" for value in codes]
    return ["unlabelled" if code < 0 else names[code] for code in codes]


def _pictures(images, n_samples):
    """Return a tag of HTML for each sample, empty for those without a picture."""
    if images is None:
        return [""] * n_samples
    limits = value_range(images)
    tags = [_PICTURE.format(_png(image, limits)) for image in images]
    return tags + [""] * (n_samples - len(tags))


def _png(image, limits):
    from PIL import Image

    if image.ndim == 2:
        image = image[..., None]
    pixels = np.rint(255 * np.nan_to_num(drawable(image, limits))).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(
        file, "PNG"
    )
    return b64encode(file.getvalue()).decode("ascii")


def _add_points(plot, data, codes, names):
    """Add one renderer a class, so that a click on the legend can hide it."""
    from bokeh.models import ColumnDataSource, HoverTool, Legend, LegendItem

    n_points = len(data["row"])
    # The same share of the page as in `EmbeddingDisplay.plot`, in pixels across.
    across = float(np.clip(np.sqrt(plot.width * plot.height / 3 / n_points), 2, 8))
    style = {"size": across, "line_color": None, "fill_alpha": 0.75}

    def add(rows, color, marker="circle"):
        part = {column: values[rows] for column, values in data.items()}
        # Markers made of strokes have no fill.
        strokes = {"line_color": color} if marker in ("cross", "x") else {}
        return plot.scatter(
            "x",
            "y",
            source=ColumnDataSource(part),
            fill_color=color,
            marker=marker,
            **{**style, **strokes},
        )

    if names is None:
        renderers = [_add_values(plot, data, codes, add)]
    else:
        items = []
        for code in [-1, *range(len(names))]:
            rows = codes == code
            if not rows.any():
                continue
            color = UNLABELLED_COLOR if code < 0 else class_color(code)
            marker = _MARKERS[max(code, 0) // len(COLORS) % len(_MARKERS)]
            label = "unlabelled" if code < 0 else names[code]
            items.append((label, [add(rows, color, marker)]))
        renderers = [item[1][0] for item in items]
        legend = Legend(
            items=[
                LegendItem(label={"value": label}, renderers=r) for label, r in items
            ],
            click_policy="hide",
            title="click to hide",
            ncols=-(-len(items) // 25),
        )
        plot.add_layout(legend, "right")
    plot.add_tools(
        HoverTool(tooltips=_TOOLTIP, renderers=renderers, attachment="horizontal")
    )


def _add_values(plot, data, values, add):
    """Add points of one colour, or coloured by a continuous quantity."""
    every = slice(None)
    if values is None:
        return add(every, COLORS[0])
    from bokeh.models import ColorBar, LinearColorMapper

    data["value"] = values
    mapper = LinearColorMapper(
        "Viridis256",
        low=float(np.nanmin(values)),
        high=float(np.nanmax(values)),
        nan_color=UNLABELLED_COLOR,
    )
    plot.add_layout(ColorBar(color_mapper=mapper), "right")
    return add(every, {"field": "value", "transform": mapper})
