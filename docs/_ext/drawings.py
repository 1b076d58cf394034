"""Drawings of the guide, and the explorer of the landing page, made by each build."""

import contextlib
import doctest
import io
import re
from pathlib import Path

from cycler import cycler
from dark import dark_name, darken
from flows import FLOWS
from results import RESULTS
from sklearn.base import BaseEstimator

# The fields of the table of benchmarks in speed.rst: work, against, what came out.
_ROW = re.compile(
    r"   \* - (.+(?:\n       .+)*)\n     - (.+(?:\n       .+)*)\n"
    r"     - (\d[\d,.]*) times faster"
)
# Their code makes the figures that they show.
_PAGES_WITH_FIGURES = [
    "getting_started",
    *(
        f"user_guide/{page}"
        for page in (
            "augmentation",
            "clusters",
            "denoising",
            "plotting",
            "text",
            "variational",
        )
    ),
]
_WIDTH = 7.5
_TIMES = "\N{MULTIPLICATION SIGN}"
_ENCODER, _LATENT, _DECODER, _SAMPLE = "#8332c7", "#dec604", "#0e9ebb", "#a8a8a8"


def one_set_of_colors(gallery_conf=None, fname=None, when="before"):
    """Make the colours of skae.plotting those of all figures."""
    import matplotlib as mpl

    from skae.plotting._labels_colors import _LINES

    mpl.rcParams["axes.prop_cycle"] = cycler(color=_LINES)


def _save(fig, path, **kwargs):
    """Save a figure and its dark twin."""
    import matplotlib.pyplot as plt

    if path.suffix == ".svg":
        kwargs["metadata"] = {"Date": None}
    fig.savefig(path, bbox_inches="tight", **kwargs)
    darken(fig)
    fig.savefig(dark_name(path), bbox_inches="tight", **kwargs)
    plt.close(fig)


def _networks(folder):
    """Draw the layers of the default dense network, and of the chapter's other one."""
    from skae import DenseNetwork

    encoder, decoder = DenseNetwork().layer_sizes(n_features=64, latent_dim=10)
    columns = [(64, "sample", _SAMPLE)]
    columns += [(size, "hidden", _ENCODER) for size in encoder[:-1]]
    columns += [(encoder[-1], "latent\nvector", _LATENT)]
    columns += [(size, "hidden", _DECODER) for size in decoder[:-1]]
    columns += [(decoder[-1], "reconstruction", _SAMPLE)]
    _draw_columns(columns, folder / "network_dense.svg")
    maps = [(28, 1, _SAMPLE), (14, 32, _ENCODER), (7, 64, _ENCODER), (1, 64, _LATENT)]
    maps += [(7, 64, _DECODER), (14, 32, _DECODER), (28, 1, _SAMPLE)]
    _draw_maps(maps, folder / "network_conv.svg")


def _brace(ax, left, right, y, text):
    ax.annotate(
        "",
        (right, y),
        (left, y),
        arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 1.2},
    )
    ax.text((left + right) / 2, y + 0.06, text, ha="center", family="monospace")


def _draw_columns(columns, path):
    """Draw each layer as a column, as high as it is wide in values."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(_WIDTH, 3))
    largest = max(size for size, _, _ in columns)
    for x, (size, name, color) in enumerate(columns):
        height = 1.6 * size / largest
        ax.bar(x, height, 0.42, -height / 2, color=color, edgecolor="black", lw=0.7)
        ax.text(x, height / 2 + 0.06, str(size), ha="center", weight="bold")
        ax.text(x, -height / 2 - 0.06, name, ha="center", va="top", fontsize=9)
        if x:
            before = 1.6 * columns[x - 1][0] / largest
            for sign in (1, -1):
                ends = [sign * before / 2, sign * height / 2]
                ax.plot([x - 0.79, x - 0.21], ends, color="#a8a8a8", lw=0.7)
    middle = len(columns) // 2
    _brace(ax, 0, middle - 0.15, 1.05, "transform")
    _brace(ax, middle + 0.15, len(columns) - 1, 1.05, "inverse_transform")
    ax.set(xlim=(-0.6, len(columns) - 0.4), ylim=(-1.15, 1.3))
    ax.axis("off")
    _save(fig, path)


def _draw_maps(maps, path):
    """Draw each layer of convolutions as a pile of maps, a vector as a column."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    fig, ax = plt.subplots(figsize=(_WIDTH, 2.6))
    x = 0.0
    for size, depth, color in maps:
        side = size / 14 if size > 1 else 0.18
        height = side if size > 1 else 1.5
        pile = 1 + (depth > 1) * (2 if depth < 64 else 4) * (size > 1)
        for i in reversed(range(pile)):
            corner = (x + 0.12 * i, -height / 2 + 0.08 * i)
            ax.add_patch(Rectangle(corner, side, height, fc=color, ec="black", lw=0.7))
        name = f"{size} {_TIMES} {size}" if size > 1 else "latent"
        if depth > 1 and size > 1:
            name += f"\n{_TIMES} {depth}"
        elif size == 1:
            name += f"\n{depth}"
        ax.text(x + side / 2, -1.12, name, ha="center", va="top", fontsize=9)
        x += side + 0.12 * pile + 0.75
    ax.set(xlim=(-0.2, x - 0.5), ylim=(-1.75, 1.25), aspect="equal")
    ax.axis("off")
    _save(fig, path)


def _speed(folder, page):
    """Draw the factors that the table of the page on speed names."""
    import matplotlib.pyplot as plt

    rows = [
        [" ".join(text.replace("`", "").split()) for text in row]
        for row in _ROW.findall(page.read_text(encoding="utf-8"))
    ]
    work, last = [], ""
    for name, against, _ in rows:
        last = last if name == "the same" else name
        work.append(f"{last},\nagainst {against}")
    factors = [float(factor.replace(",", "")) for _, _, factor in rows]
    fig, ax = plt.subplots(figsize=(_WIDTH, 0.5 * len(rows) + 0.6))
    bars = ax.barh(work, factors, color=_ENCODER)
    ax.bar_label(bars, [f"{row[2]} {_TIMES}" for row in rows], padding=3)
    ax.axvline(1, color="black", lw=0.8)
    ax.set(xscale="log", xlim=(0.8, 4 * max(factors)), xlabel="times faster")
    ax.set_xticks([1, 10, 100, 1000], ["1, equal", "10", "100", "1,000"])
    ax.tick_params(axis="y", labelsize=8.5)
    ax.spines[["top", "right"]].set_visible(False)
    ax.invert_yaxis()
    _save(fig, folder / "speed.svg")


def _arrangement(path):
    """Draw latent vectors of digits without and with arrangement."""
    import matplotlib.pyplot as plt
    from scipy.optimize import linear_sum_assignment
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA
    from sklearn.metrics import confusion_matrix

    from skae import AutoencoderTransformer
    from skae.plotting import EmbeddingDisplay

    X, y = load_digits(return_X_y=True)
    fig, axes = plt.subplots(1, 2, figsize=(_WIDTH, 3.8), layout="constrained")
    for ax, arrange in zip(axes, (None, "spectral"), strict=True):
        ae = AutoencoderTransformer(10, arrange=arrange, random_state=0)
        Z = ae.fit_transform((X / 16).astype("float32"))
        counts = confusion_matrix(
            y, KMeans(10, n_init=10, random_state=0).fit_predict(Z)
        )
        found = counts[linear_sum_assignment(-counts)].sum() / len(y)
        EmbeddingDisplay.from_embedding(PCA(2).fit_transform(Z), labels=y, ax=ax)
        title = f"arrange={arrange!r}\nK-means finds {found:.0%} of the digits"
        ax.set_title(title, fontsize=10)
        ax.set(xlabel="PCA 0", ylabel="PCA 1")
    _save(fig, path, dpi=200)


class _OnMap(BaseEstimator):
    """Draw latent vectors to their places on a map, as the page on extending shows."""

    def __init__(self, embedding, strength=0.1):
        self.embedding = embedding
        self.strength = strength

    def places(self, epoch, view):
        return self.embedding, self.strength


def _explorer(path):
    """Write the page in which a decoder of digits draws what lies under the pointer."""
    import matplotlib.pyplot as plt
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.manifold import TSNE

    from skae import AutoencoderTransformer, DenseNetwork
    from skae.plotting import LatentDisplay

    X, y = load_digits(return_X_y=True)
    embedding = TSNE(random_state=0).fit_transform(X / 16)
    images = zoom(X.reshape(-1, 8, 8) / 16, (1, 2, 2), order=1).astype("float32")
    ae = AutoencoderTransformer(
        2,
        network=DenseNetwork((128, 128)),
        objective=_OnMap(embedding / embedding.std()),
        arrange=None,
        epochs=80,
        random_state=0,
    ).fit(images)
    display = LatentDisplay.from_estimator(ae, images)
    plt.close(display.figure_)
    display.to_html(path, labels=y)


def _figures_of(page, folder):
    """Run the code of a page and save its figures, in the order they were made."""
    import matplotlib.pyplot as plt

    examples = doctest.DocTestParser().get_examples(page.read_text(encoding="utf-8"))
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for example in examples:
            exec(compile(example.source, page.name, "single"), names)
    for i, number in enumerate(plt.get_fignums(), start=1):
        _save(plt.figure(number), folder / f"{page.stem}_{i}.png", dpi=200)


def _results(folder, guide):
    """Draw the charts of pages whose code would only hide what they say."""
    import results

    for name, result in RESULTS.items():
        path, page = folder / f"{name}.png", guide / f"{name}.rst"
        if _is_new(path, page, Path(results.__file__)):
            continue
        _save(result(page), path, dpi=200)


def _is_new(path, *made_of):
    """Tell whether a file is there and no older than what it is made of."""
    times = [one.stat().st_mtime for one in made_of]
    return path.exists() and path.stat().st_mtime >= max(times)


def draw(app):
    """Make what the pages show, unless it is there."""
    import matplotlib as mpl

    mpl.use("agg")
    source = Path(app.srcdir)
    folder, extra = source / "generated" / "drawings", source / "generated" / "extra"
    folder.mkdir(parents=True, exist_ok=True)
    extra.mkdir(parents=True, exist_ok=True)
    # As paths, letters need no font; a salt makes each build write the same file.
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "skae"}):
        _networks(folder)
        _speed(folder, source / "speed.rst")
        for name, flow in FLOWS.items():
            _save(flow(), folder / f"{name}.svg")
    plotting = source.parent / "skae" / "plotting"
    for name in _PAGES_WITH_FIGURES:
        page = source / f"{name}.rst"
        if not _is_new(folder / f"{page.stem}_1.png", page, Path(__file__)):
            _figures_of(page, folder)
    if not _is_new(folder / "arrangement.png", Path(__file__)):
        _arrangement(folder / "arrangement.png")
    _results(folder, source / "user_guide")
    explorer = extra / "explorer.html"
    made_of = [*plotting.glob("_page*"), plotting / "_explorer.py", Path(__file__)]
    if not _is_new(explorer, *made_of):
        _explorer(explorer)


def setup(app):
    """Draw before pages are read."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True}
