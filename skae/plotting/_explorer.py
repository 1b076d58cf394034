"""A page with a decoder in it, which draws what lies under the pointer."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from skae.plotting._drawing import largest_first
from skae.plotting._images import as_array, as_images, is_ink, is_series, value_range
from skae.plotting._labels import encode_labels
from skae.plotting._page import as_text, make_page, map_data
from skae.plotting._places import Surroundings
from skae.plotting._profiles import as_numbers, name_columns

# Latent values with a slider, those of the greatest variance, and columns of a table
# with a bar, those that change most.
_MOST_SLIDERS = 12
_MOST_BARS = 15
# By the distance to which of its nearest a place counts as dense.
_NEIGHBOURS = 10
# Rows by which the layers found are compared with `inverse_transform`.
_COMPARED = 200
# The largest difference, as a part of the range of a column.
_NEAR = 1e-3
# Layers of Keras that leave the values of a dense network as they are.
_PASSING = {"InputLayer", "Reshape", "Flatten", "Dropout", "Identity", "Add"}
# Layers of a linear path around those of a dense network, the second of which gives
# the logits of what the first would, from so much above 0 to as much below 1.
_PATHS = {"decoder_path", "decoder_logits"}
_LEAST_OUTPUT = 0.01


def _erf(x):
    from scipy.special import erf

    return erf(x)


# The same as in the page, which has no others.
_ACTIVATIONS: dict[str, Callable] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: (
        1.0507009873554805
        * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "gelu": lambda x: x / 2 * (1 + _erf(x / np.sqrt(2))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
}


def explorer_page(
    display, *, labels=None, class_names=None, title=None, n_samples=2_000
):
    """Return the page of a display that was made from an estimator and samples."""
    if display.source_ is None:
        raise ValueError(
            "Expected a display of a fitted estimator, whose decoder goes into the "
            "page. Received one of pictures or latent vectors. Make it by "
            "LatentDisplay.from_estimator."
        )
    transformer, X, shape = display.source_
    Z = as_array(transformer.transform(X)).astype(float)
    codes, names = None, None
    if labels is not None:
        codes, names = encode_labels(labels, len(Z), class_names)
    around = Surroundings(Z)
    axes, origin, share = _plane(around)
    # A fixed choice, so that the same data make the same page.
    rows = np.sort(np.random.default_rng(0).permutation(len(Z))[:n_samples])
    shown = (Z[rows] - origin) @ axes.T
    data = map_data(
        shown, None if codes is None else codes[rows], names, "latent space"
    )
    data |= {
        "rows": rows.tolist(),
        "axes": axes.tolist(),
        "origin": origin.tolist(),
        "start": _typical(Z[rows]).tolist(),
        "sliders": _sliders(around),
        "hint": "Move over the map: the decoder draws what lies there. "
        "Sliders move latent values.",
        "remarks": _remarks(around, rows, share),
    }
    data |= _decoder_data(*_layers_of(transformer, Z))
    data |= _output(transformer, X, Z, shape)
    return make_page(data, title, "Latent space")


def _decoder_data(layers, path, scaling):
    """Return what the page decodes by."""
    decoder = {
        "layers": [
            {
                "kernel": as_text(kernel),
                "bias": as_text(bias),
                "activation": activation,
            }
            for kernel, bias, activation in layers
        ],
        "scaling": scaling and [one.tolist() for one in scaling],
    }
    if path:
        kernel, bias, least = path
        beside = {"kernel": as_text(kernel), "bias": as_text(bias), "least": least}
        decoder["path"] = beside
    return decoder


def _plane(around):
    """Return the plane of the map: the latent space, or its widest directions."""
    n_axes = len(around.mean)
    if n_axes <= 2:
        axes = np.eye(2, n_axes)
        return axes, np.zeros(n_axes), 1.0
    variances, directions = np.linalg.eigh(around.covariance)
    # The sign of a direction is chance; the larger part points to the right.
    axes = directions[:, [-1, -2]].T
    axes *= np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])[:, None]
    return axes, around.mean, variances[-2:].sum() / (variances.sum() or 1.0)


def _typical(Z):
    """Return the latent vector whose nearest neighbours are nearest.

    That in the middle of all may lie between groups, where no picture is sharp.
    """
    n_neighbours = min(_NEIGHBOURS, len(Z))
    away, _ = cKDTree(Z).query(Z, [n_neighbours])
    return Z[away[:, 0].argmin()]


def _sliders(around):
    axes = around.widest_axes(_MOST_SLIDERS)
    ends = np.percentile(around.Z[:, axes], [1, 99], axis=0).T
    return [
        {"axis": int(axis), "low": float(low), "high": float(max(high, low + 1e-6))}
        for axis, (low, high) in zip(axes, ends, strict=True)
    ]


def _remarks(around, rows, share):
    remarks = []
    n_samples, n_axes = around.Z.shape
    if len(rows) < n_samples:
        remarks.append(f"{len(rows):,} of {n_samples:,} samples, at random.")
    if n_axes > 2:
        remarks.append(
            f"The map is the plane of the greatest variance, {share:.0%} of that of "
            f"{n_axes:,} latent values; two samples may lie on one point."
        )
    if n_axes > _MOST_SLIDERS:
        remarks.append(f"Sliders for the {_MOST_SLIDERS} values that vary most.")
    return remarks


def _output(transformer, X, Z, shape):
    """Return how the page draws what is decoded: as a picture or as bars."""
    if is_series(shape):
        raise ValueError(
            "Expected pictures or rows of a table for a page. Received series. Draw "
            "them by LatentDisplay.plot."
        )
    images = as_images(X, shape)
    if images is not None:
        limits = value_range(images)
        height, width = images.shape[1:3]
        depth = 1 if images.ndim == 3 else images.shape[3]
        if depth == 4:
            raise ValueError(
                "Expected grey pictures or three colours for a page. Received four. "
                "Leave the transparency out before fitting."
            )
        ink = images.ndim == 3 and is_ink(images, limits)
        return {"shape": [height, width, depth], "limits": list(limits), "ink": ink}
    table = as_numbers(X)
    names = name_columns(getattr(X, "columns", None), table.shape[1])
    mean, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    some = Z[:: max(1, len(Z) // _COMPARED)]
    change = np.nanstd(_decoded(transformer, some) / spread, axis=0)
    columns = largest_first(change)[:_MOST_BARS]
    return {
        "columns": [
            {
                "name": names[column],
                "column": int(column),
                "mean": float(mean[column]),
                "spread": float(spread[column]),
            }
            for column in columns
        ]
    }


def _decoded(transformer, Z):
    decoded = as_array(transformer.inverse_transform(Z.astype(np.float32)))
    return decoded.reshape(len(Z), -1).astype(float)


def _layers_of(transformer, Z):
    """Return kernel, bias and activation of each layer, a linear path and a scaling.

    Steps of a Pipeline before the autoencoder may scale columns, which is found by
    comparison. What layers and scaling give is compared with `inverse_transform`, so
    that a page that would draw something else is never written.
    """
    last = transformer
    while hasattr(last, "steps"):
        real = [step for _, step in last.steps if step not in (None, "passthrough")]
        last = real[-1]
    layers, path = _dense_layers(last)
    some = Z[:: max(1, len(Z) // _COMPARED)]
    true = _decoded(transformer, some)
    ours = _forward(layers, path, some)
    if ours.shape != true.shape:
        _refuse(transformer, f"{ours.shape[1]} values become {true.shape[1]}")
    unit = np.ptp(true, axis=0)
    near = _NEAR * np.where(unit > 0, unit, 1.0)
    if np.all(np.abs(ours - true) <= near):
        return layers, path, None
    factor, offset = _column_scaling(ours, true)
    if not np.all(np.abs(ours * factor + offset - true) <= near):
        _refuse(transformer, "inverse_transform gives other values than its layers")
    return layers, path, (factor, offset)


def _forward(layers, path, Z):
    # What overflows differs from `inverse_transform`, and is refused for that.
    with np.errstate(over="ignore", invalid="ignore"):
        values = Z
        for i, (kernel, bias, activation) in enumerate(layers, start=1):
            values = values @ kernel + bias
            if path and i == len(layers):
                values = values + _beside(path, Z)
            values = _ACTIVATIONS[activation](values)
    return values


def _beside(path, Z):
    """Return what a linear path adds to the last layer."""
    kernel, bias, least = path
    values = Z @ kernel + bias
    if least:
        values = np.clip(values, least, 1 - least)
        values = np.log(values / (1 - values))
    return values


def _column_scaling(ours, true):
    """Return the factor and the offset of each column that bring one to the other."""
    center, goal = ours.mean(axis=0), true.mean(axis=0)
    spread = np.square(ours - center).sum(axis=0)
    products = ((ours - center) * (true - goal)).sum(axis=0)
    factor = np.where(spread > 0, products / np.where(spread > 0, spread, 1.0), 0.0)
    return factor, goal - factor * center


def _dense_layers(estimator):
    """Return the dense layers of a decoder, known by what it offers, and its path."""
    if hasattr(estimator, "decoder_"):
        return _keras_layers(estimator, estimator.decoder_)
    if hasattr(estimator, "components_") and hasattr(estimator, "mean_"):
        kernel = np.asarray(estimator.components_, dtype=float)
        if getattr(estimator, "whiten", False) and hasattr(
            estimator, "explained_variance_"
        ):
            kernel = kernel * np.sqrt(estimator.explained_variance_)[:, None]
        return [(kernel, np.asarray(estimator.mean_, dtype=float), "linear")], None
    return _refuse(estimator, "it has no decoder_")


def _keras_layers(estimator, decoder):
    layers: list[tuple] = []
    path = None
    for layer in decoder.layers:
        kind = type(layer).__name__
        if kind in _PASSING:
            continue
        if (name := getattr(layer, "name", None)) in _PATHS:
            least = _LEAST_OUTPUT if name == "decoder_logits" else 0
            path = (*_kernel_and_bias(layer), least)
            continue
        if kind not in ("Dense", "Activation"):
            _refuse(estimator, f"its decoder has a layer {kind}")
        activation = _activation_of(estimator, layer)
        if kind == "Activation":
            layers[-1] = (*layers[-1][:2], activation)
        else:
            layers.append((*_kernel_and_bias(layer), activation))
    return layers, path


def _activation_of(estimator, layer):
    activation = getattr(layer.activation, "__name__", str(layer.activation))
    if activation not in _ACTIVATIONS:
        _refuse(
            estimator,
            f"its decoder has the activation {activation!r}, which is none of "
            f"{sorted(_ACTIVATIONS)}",
        )
    return activation


def _kernel_and_bias(layer):
    kernel, *bias = (np.asarray(one, dtype=float) for one in layer.get_weights())
    return kernel, bias[0] if bias else np.zeros(kernel.shape[1])


def _refuse(estimator, why):
    raise ValueError(
        "Expected a dense decoder, which a page can compute. Received "
        f"{type(estimator).__name__}: {why}. Draw it by LatentDisplay.plot, or make a "
        "page of its map by EmbeddingDisplay.from_estimator(...).to_html."
    )
