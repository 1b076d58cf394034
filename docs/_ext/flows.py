"""Drawings of the guide: what goes where, as boxes and arrows.

They are narrow, so that their letters can still be read on a phone.
"""

# Edges of boxes: what is skae's, what comes in or out, and what is the user's.
_OURS, _DATA, _YOURS = "#8332c7", "#a8a8a8", "#0e9ebb"
_SIZE = 9


class _Flow:
    """A drawing whose unit is an inch, counted from the left and from the top.

    Parameters
    ----------
    width, height : float
        Size of the drawing.
    """

    def __init__(self, width, height):
        import matplotlib.pyplot as plt

        self.figure = plt.figure(figsize=(width, height))
        self.ax = self.figure.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, width), ylim=(height, 0))
        self.ax.axis("off")

    def box(self, x, y, width, height, text, color=_OURS, *, code=False):
        """Draw a box with words in it; the first line is heavier, or code."""
        from matplotlib.patches import FancyBboxPatch

        style = "round,pad=0,rounding_size=0.06"
        self.ax.add_patch(
            FancyBboxPatch((x, y), width, height, style, fc="white", ec=color, lw=1.6)
        )
        first, *others = text.split("\n")
        top = y + height / 2 - 0.08 * len(others)
        family = "monospace" if code else "sans-serif"
        self.text(x + width / 2, top, first, weight="bold", family=family)
        for i, line in enumerate(others, start=1):
            self.text(x + width / 2, top + 0.165 * i, line, size=_SIZE - 1)

    def text(self, x, y, words, *, size=_SIZE, align="center", **kwargs):
        """Write words about a point."""
        self.ax.text(x, y, words, fontsize=size, ha=align, va="center", **kwargs)

    def arrow(self, start, end, words="", *, bend=0.0, code=False, offset=(0, -0.1)):
        """Draw an arrow, with words at its middle."""
        style = {
            "arrowstyle": "-|>,head_width=0.18,head_length=0.35",
            "color": "black",
            "linewidth": 1.1,
            "connectionstyle": f"arc3,rad={bend}",
            "shrinkA": 0,
            "shrinkB": 0,
        }
        self.ax.annotate("", end, start, arrowprops=style)
        if words:
            x, y = ((a + b) / 2 + c for a, b, c in zip(start, end, offset, strict=True))
            family = "monospace" if code else "sans-serif"
            self.text(x, y, words, size=_SIZE - 1, family=family)


def pipeline():
    """Draw the steps of a pipeline, both ways, and a search around it."""
    flow = _Flow(5, 2.75)
    flow.text(0.1, 0.15, "GridSearchCV(pipeline, {", align="left", family="monospace")
    words = '"autoencodertransformer__latent_dim": [8, 16]})'
    flow.text(0.35, 0.36, words, align="left", family="monospace", size=_SIZE - 1)
    flow.box(0.05, 0.55, 4.9, 2.15, "", _DATA)
    steps = [
        ("StandardScaler", "64 columns", _YOURS),
        ("AutoencoderTransformer", "16 latent values", _OURS),
        ("LogisticRegression", "10 classes", _YOURS),
    ]
    for i, (name, gives, color) in enumerate(steps):
        y = 0.72 + 0.66 * i
        flow.box(0.95, y, 2.1, 0.34, name, color, code=True)
        flow.arrow((1.4, y + 0.34), (1.4, y + 0.66 - 0.02 * (i == 2)))
        flow.text(1.52, y + 0.49, gives, align="left", size=_SIZE - 1)
    flow.text(0.42, 1.6, "fit\npredict\nscore", family="monospace")
    flow.arrow((0.8, 0.85), (0.8, 2.3))
    flow.arrow((3.2, 0.85), (3.2, 1.65))
    flow.arrow((3.4, 1.65), (3.4, 0.85))
    for i, words in enumerate(("pipeline[:-1]", ".transform", ".inverse_transform")):
        y = 1.05 + 0.2 * i
        flow.text(3.5, y, words, align="left", family="monospace", size=_SIZE - 1)
    return flow.figure


def keras_models():
    """Draw what KerasNetwork takes, and what comes back from the fit."""
    flow = _Flow(5, 3.4)
    given = [
        ("an encoder and a decoder", "models, or lists of layers"),
        ("one model", "and the name of its latent layer"),
        ("two functions", "that build encoder and decoder"),
    ]
    for i, (first, second) in enumerate(given):
        y = 0.3 + 0.58 * i
        flow.box(0.05, y, 2.15, 0.46, f"{first}\n{second}", _YOURS)
        flow.arrow((2.2, y + 0.23), (2.85, 1.11 + 0.1 * (i - 1)))
    flow.text(1.12, 0.13, "yours, and left as they are", size=_SIZE - 1)
    flow.box(
        2.87, 0.85, 2.05, 0.52, "KerasNetwork\nkeeps weights, or draws new", code=True
    )
    flow.arrow((3.9, 1.37), (3.9, 2.08))
    flow.text(3.98, 1.72, "a copy", align="left", size=_SIZE - 1)
    flow.box(1.3, 2.1, 3.62, 0.5, "AutoencoderTransformer\ntrains it", code=True)
    gives = [("encoder_", "keras.Model"), ("decoder_", "keras.Model")]
    for i, (first, second) in enumerate([*gives, ("weights_", "NumPy arrays")]):
        flow.arrow((1.86 + 1.25 * i, 2.6), (1.86 + 1.25 * i, 2.85))
        flow.box(1.3 + 1.25 * i, 2.87, 1.12, 0.48, f"{first}\n{second}", code=True)
    return flow.figure


def ways_to_save():
    """Draw what each way of saving writes, and who reads it."""
    flow = _Flow(5, 2.9)
    for x, words in ((0.65, "call"), (2.35, "writes"), (4.15, "read by")):
        flow.text(x, 0.12, words, size=_SIZE - 1)
    ways = [
        ("save", "numbers and names\nno code in it", "skae.load\nlater versions, too"),
        ("pickle", "a pickle\nwith code of yours", "the same skae\nruns what it holds"),
        ("encoder_.save", "a .keras file\nencoder or decoder", "Keras\nwithout skae"),
        (
            "export",
            "ONNX, SavedModel\nor LiteRT",
            "other programs\nwithout Python",
        ),
    ]
    for i, (call, file, reader) in enumerate(ways):
        y = 0.28 + 0.66 * i
        flow.box(0.05, y, 1.25, 0.48, call, code=True)
        flow.arrow((1.3, y + 0.24), (1.53, y + 0.24))
        flow.box(1.55, y, 1.62, 0.48, file, _DATA)
        flow.arrow((3.17, y + 0.24), (3.38, y + 0.24))
        flow.box(3.4, y, 1.55, 0.48, reader, _YOURS)
    return flow.figure


def start_of_a_service():
    """Draw when a worker loads, warms up and answers."""
    flow = _Flow(5, 2.35)
    flow.box(0.05, 0.25, 1.5, 0.52, "main process\nskae.load", _OURS)
    flow.text(0.8, 0.11, "no TensorFlow yet", size=_SIZE - 1)
    flow.arrow((1.55, 0.51), (2.0, 0.51), "fork", offset=(0, -0.1))
    for i, name in enumerate(("first worker", "second worker")):
        y = 0.25 + 0.68 * i
        flow.box(2.02, y, 1.4, 0.52, f"{name}\ncalls twice: warm", _OURS)
        flow.arrow((3.42, y + 0.26), (3.78, y + 0.26))
        flow.box(3.8, y, 1.15, 0.52, "requests\neach in its time", _YOURS)
    flow.arrow((1.55, 0.6), (2.0, 1.1))
    flow.arrow((0.05, 1.95), (4.95, 1.95))
    flow.text(2.5, 2.2, "time", size=_SIZE - 1)
    first = "first call: 0.01 s if dense,\nelse 3 to 9 s (TensorFlow)"
    flow.text(2.72, 1.7, first, size=_SIZE - 1)
    flow.text(4.38, 1.7, "then 0.2 ms\nor 0.7 ms", size=_SIZE - 1)
    return flow.figure


def stream():
    """Draw how rows that are sorted on disk are read and mixed."""
    from matplotlib.patches import Rectangle

    flow = _Flow(5, 2.45)
    colors = ("#8332c7", "#dec604", "#0e9ebb")
    flow.text(0.05, 0.12, "on disk: rows in the order they were written", align="left")
    width = 4.9 / 3
    for i, color in enumerate(colors):
        flow.ax.add_patch(
            Rectangle((0.05 + width * i, 0.24), width, 0.3, fc=color, ec="none")
        )
    runs = [0.35, 1.1, 1.95, 2.75, 3.5, 4.45]
    for i, x in enumerate(runs):
        flow.ax.add_patch(
            Rectangle((x, 0.24), 0.14, 0.3, fc="none", ec="black", lw=1.2)
        )
        flow.arrow((x + 0.07, 0.56), (1.27 + 0.5 * i, 0.98))
    flow.text(4.95, 0.75, "short runs", align="right", size=_SIZE - 1)
    flow.text(4.95, 0.91, "from all over", align="right", size=_SIZE - 1)
    order = [0, 2, 1, 1, 0, 2, 2, 1, 0, 0, 1, 2, 1, 0, 2, 2, 0, 1, 0, 2, 1, 1, 2, 0]
    for i, row in enumerate(order):
        flow.ax.add_patch(
            Rectangle((1.0 + 0.125 * i, 1.0), 0.125, 0.3, fc=colors[row], ec="none")
        )
    flow.text(0.05, 1.15, "in memory:", align="left")
    flow.text(2.5, 1.43, "a block of 32 MiB, mixed", size=_SIZE - 1)
    flow.arrow((2.5, 1.52), (2.5, 1.82))
    flow.text(2.6, 1.67, "batches", align="left", size=_SIZE - 1)
    flow.box(
        1.4, 1.84, 2.2, 0.52, "AutoencoderTransformer\none epoch a pass", code=True
    )
    flow.arrow((3.6, 2.1), (3.88, 2.1))
    flow.box(3.9, 1.84, 1.05, 0.52, "checkpoint\nto go on from", _DATA)
    return flow.figure


def hooks():
    """Draw where in a step each hook of an objective is called."""
    flow = _Flow(4.6, 4.3)
    rows = [
        ("a batch of X", _DATA, False),
        ("samples(x, draw)", _YOURS, True),
        ("inputs(x, draw)", _YOURS, True),
        ("encoder\ncode_size values", _OURS, False),
        ("latents(code, draw)", _YOURS, True),
        ("decoder", _OURS, False),
        ("losses(loss, x, outputs)", _YOURS, True),
    ]
    tops = []
    for i, (words, color, code) in enumerate(rows):
        tops.append(0.05 + 0.62 * i)
        flow.box(0.75, tops[-1], 2.1, 0.4, words, color, code=code)
        if i:
            flow.arrow((1.8, tops[-2] + 0.4), (1.8, tops[-1]))
    flow.text(1.9, tops[1] + 0.51, "x", align="left", size=_SIZE - 1)
    flow.text(1.9, tops[3] + 0.51, "code", align="left", size=_SIZE - 1)
    flow.text(1.9, tops[4] + 0.51, "latents", align="left", size=_SIZE - 1)
    flow.text(1.9, tops[5] + 0.51, "outputs", align="left", size=_SIZE - 1)
    # What the decoder is asked for goes past it.
    flow.ax.plot(
        [0.75, 0.3, 0.3, 0.72],
        [tops[1] + 0.2, tops[1] + 0.2, tops[6] + 0.2, tops[6] + 0.2],
        color="black",
        lw=1.1,
    )
    flow.arrow((0.5, tops[6] + 0.2), (0.75, tops[6] + 0.2))
    flow.text(
        0.16, tops[4] + 0.2, "x, which it is asked for", size=_SIZE - 1, rotation=90
    )
    flow.box(
        3.2, tops[4] - 0.05, 1.35, 0.5, "penalty\n(code, latents)", _YOURS, code=True
    )
    flow.arrow((2.85, tops[4] + 0.2), (3.2, tops[4] + 0.2))
    flow.box(3.2, tops[2] - 0.05, 1.35, 0.5, "places\nonce an epoch", _YOURS, code=True)
    flow.arrow((3.87, tops[2] + 0.45), (2.87, tops[4] + 0.08))
    flow.arrow((3.87, tops[4] + 0.45), (3.87, tops[6] - 0.02))
    flow.box(3.2, tops[6], 1.35, 0.4, "their sum", _OURS)
    flow.arrow((2.85, tops[6] + 0.2), (3.2, tops[6] + 0.2))
    return flow.figure


FLOWS = {
    "pipeline": pipeline,
    "keras_models": keras_models,
    "ways_to_save": ways_to_save,
    "start_of_a_service": start_of_a_service,
    "stream": stream,
    "hooks": hooks,
}
