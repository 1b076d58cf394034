"""Charts of the guide: what fits gave, and what the tables of a page say."""

import re

# A row of the table on which parameter to change first: what was changed, two errors.
_CHANGED = re.compile(r"   \* - (.+)\n     - (0\.\d+)\n     - (0\.\d+)\n", re.MULTILINE)
_TEST, _TRAIN = "#8332c7", "#0e9ebb"


def parameters(page):
    """Draw the table of errors by parameter of the page itself, the best first."""
    import matplotlib.pyplot as plt

    rows = _CHANGED.findall(page.read_text(encoding="utf-8"))
    rows = sorted(
        (float(test), float(train), name.replace("`", "")) for name, test, train in rows
    )
    fig, ax = plt.subplots(figsize=(5.2, 4.6), layout="constrained")
    names = [name.replace("network=", "") for _, _, name in rows]
    places = range(len(rows))
    for values, word, marker, color in (
        ([row[0] for row in rows], "test error", "o", _TEST),
        ([row[1] for row in rows], "training error", "s", _TRAIN),
    ):
        ax.plot(values, places, marker, color=color, label=word)
    ax.hlines(places, *zip(*((b, a) for a, b, _ in rows), strict=True), color="0.6")
    default = next(row[0] for row in rows if row[2] == "all defaults")
    ax.axvline(default, color="0.4", linestyle=":", linewidth=1)
    ax.set_yticks(places, names, family="monospace", fontsize=8)
    ax.set(xlim=(0, None), xlabel="mean squared error")
    fig.suptitle("latent_dim decides; then length and size", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.invert_yaxis()
    ax.legend(frameon=False, loc="upper right", fontsize=9)
    return fig


def scales(page):
    """Draw how much of each column of the wine data three values keep."""
    import matplotlib.pyplot as plt
    import numpy as np
    from sklearn.datasets import load_wine
    from sklearn.decomposition import PCA

    from skae import AutoencoderTransformer

    wine = load_wine()
    X, names = wine.data, [name.replace("_", " ") for name in wine.feature_names]
    models = {
        "PCA on the columns as they are": PCA(3),
        'scale="auto", the default': AutoencoderTransformer(3, random_state=0),
    }
    order = np.argsort(-X.std(axis=0))
    fig, ax = plt.subplots(figsize=(5.2, 4.4), layout="constrained")
    places = np.arange(len(order))
    kept = []
    for model in models.values():
        back = model.inverse_transform(model.fit_transform(X))
        kept.append(1 - np.mean((back - X) ** 2, axis=0) / X.var(axis=0))
    for i, (name, color) in enumerate(zip(models, (_TRAIN, _TEST), strict=True)):
        ax.barh(places + 0.4 * i, 100 * kept[i][order], 0.38, color=color, label=name)
    words = [f"{names[column]}  {X[:, column].std():.3g}" for column in order]
    ax.set_yticks(places + 0.2, words, fontsize=8)
    ax.set(xlim=(0, 100), xlabel="% of the variance of the column that comes back")
    ax.set_ylabel("column, and its standard deviation", fontsize=9)
    fig.suptitle("Unscaled, three values keep three columns of thirteen", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.invert_yaxis()
    fig.legend(loc="outside lower center", frameon=False, fontsize=9)
    return fig


def seeds(page):
    """Draw how far the latent values of one seed follow those of another."""
    import matplotlib.pyplot as plt
    import numpy as np
    from sklearn.datasets import load_digits

    from skae import AutoencoderTransformer, DenseNetwork

    X = (load_digits().data / 16).astype("float32")
    networks = {
        "starts at PCA": "dense",
        "starts at random": DenseNetwork(linear_path=False),
    }
    fig, axes = plt.subplots(1, 2, figsize=(6.2, 3.5), layout="constrained")
    for ax, (words, network) in zip(axes, networks.items(), strict=True):
        fits = [
            AutoencoderTransformer(10, network=network, random_state=seed).fit(X)
            for seed in (0, 1)
        ]
        first, second = (ae.transform(X).T for ae in fits)
        agree = np.abs(np.corrcoef(first, second)[:10, 10:])
        image = ax.imshow(agree, vmin=0, vmax=1, cmap="viridis")
        errors = " and ".join(f"{-ae.score(X):.4f}" for ae in fits)
        ax.set_title(f"{words}\nerrors {errors}", fontsize=10)
        ax.set(xticks=range(0, 10, 3), yticks=range(0, 10, 3))
        ax.set(xlabel="latent value of seed 1", ylabel="latent value of seed 0")
    bar = fig.colorbar(image, ax=axes, location="bottom", shrink=0.6, aspect=30)
    bar.set_label("correlation, without its sign", fontsize=9)
    return fig


def looks(page):
    """Draw reconstructions that are wrong, each in a way that can be seen."""
    import warnings

    import numpy as np
    from sklearn.datasets import load_digits

    from skae import AutoencoderTransformer, DenseNetwork
    from skae.plotting import LatentDisplay

    X = (load_digits().data / 16).astype("float32")
    layers = DenseNetwork((128, 128))
    fits = {
        "all like the mean": AutoencoderTransformer(10, network=layers, epochs=2),
        "cut off at 0": AutoencoderTransformer(10, output_activation="relu"),
        "blurred": AutoencoderTransformer(2),
        "good": AutoencoderTransformer(16),
    }
    rows = [X[:8]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ae in fits.values():
            shown = X if ae.output_activation != "relu" else X - X.mean(axis=0)
            ae.set_params(random_state=0).fit(shown)
            back = ae.inverse_transform(ae.transform(shown[:8]))
            rows.append(back + (X - shown)[:8])
    grid = np.stack(rows).reshape(len(rows), 8, 8, 8)
    display = LatentDisplay(grid, y_ticks=["digits", *fits], limits=(0, 1)).plot()
    return display.figure_


RESULTS = {
    "parameters": parameters,
    "scaling": scales,
    "reproducibility": seeds,
    "errors": looks,
}
