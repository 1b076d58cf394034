"""Pages and figures say what they show, also to those who do not see them."""

import re
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
from dark import dark_name, darken
from docutils import nodes
from PIL import Image
from sphinx_gallery.scrapers import matplotlib_scraper

# What an example says of its figures, in a comment that its page leaves out:
#
#     # sphinx_gallery_start_ignore
#     # Seen: two curves, which ...
#     # sphinx_gallery_end_ignore
_IGNORED = re.compile(
    r"# sphinx_gallery_start_ignore\n(.*?)# sphinx_gallery_end_ignore", re.S
)
# A directive for an image in what the scraper of sphinx-gallery writes.
_DIRECTIVE = re.compile(r"^( *)\.\. image-sg::.*\n(?:\1 +:.*\n)+\n*", re.M)
_LONGEST_DESCRIPTION = 160


def descriptions_of_figures(code):
    """Return what the comments of a block of code say of its figures, in order."""
    text = "\n".join(_IGNORED.findall(code))
    words = " ".join(line.lstrip("# ") for line in text.splitlines())
    return [one.strip() for one in words.split("Seen:")[1:]]


def scrape(block, block_vars, gallery_conf):
    """Save the figures of a block for light and dark pages, with words for each."""
    figures = [plt.figure(number) for number in plt.get_fignums()]
    paths = block_vars["image_path_iterator"]
    n_before = len(paths)
    rst = matplotlib_scraper(block, block_vars, gallery_conf)
    words = descriptions_of_figures(block.content)
    if len(figures) != len(words):
        source = Path(block_vars["src_file"]).name
        raise ValueError(
            f"{source}, line {block.lineno}: expected a comment '# Seen: ...' for each "
            f"figure. Received {len(words)} for {len(figures)}."
        )
    for fig, path in zip(figures, paths.paths[n_before:], strict=True):
        darken(fig)
        for times in (1, 2):
            name = Path(path) if times == 1 else _doubled(path)
            fig.savefig(
                dark_name(name), dpi=times * fig.dpi, facecolor=fig.get_facecolor()
            )
    left = iter(words)
    rst = re.sub(r":alt: .*", lambda _: f":alt: {next(left)}", rst)
    return _DIRECTIVE.sub(_with_twin, rst)


def _doubled(path):
    path = Path(path)
    return path.with_name(f"{path.stem}_2_00x{path.suffix}")


def _with_twin(match):
    """Return a directive and behind it that of the dark figure."""
    return match[0] + re.sub(r"(/images/\S+)\.png", r"\1_dark.png", match[0])


# A figure in a page, with the link to it that Sphinx puts around scaled ones.
_FIGURE = re.compile(
    r"(?:<a [^>]*image-reference[^>]*>)?"
    r"<img [^>]*(?:skae-figure|sphx-glr-(?:single|multi)-img)[^>]*>(?:\s*</a>)?"
)
# Figures of up to so many pixels, those of one panel, are readable on a phone whole;
# others are at this width.
_READABLE, _WIDE = 650, 600


def widen_figures(app, pagename, templatename, context, doctree):
    """Give wide figures a box, in which a phone shows them large enough to read."""
    if body := context.get("body"):
        source = Path(app.srcdir)
        folders = source / "auto_examples" / "images", source / "generated" / "drawings"
        context["body"] = _FIGURE.sub(lambda match: _boxed(match[0], folders), body)


def _boxed(html, folders):
    file = Path(re.search(r'src="([^"]+)"', html)[1]).name
    path = next((one / file for one in folders if (one / file).exists()), None)
    width = 0 if path is None else _width(path)
    if width <= _READABLE:
        return html
    style = f"--skae-width: {min(width, _WIDE)}px"
    return f'<div class="skae-wide" style="{style}">{html}</div>'


def _width(path):
    """Return how wide a figure was made, in pixels of 1/100 inch."""
    if path.suffix == ".svg":
        points = re.search(r'width="([\d.]+)pt"', path.read_text(encoding="utf-8"))
        return round(float(points[1]) / 0.72)
    with Image.open(path) as image:
        doubled = "_2_00x" in path.name or path.parent.name == "drawings"
        return image.width // (2 if doubled else 1)


def describe_page(app, pagename, templatename, context, doctree):
    """Give search engines the first sentences of a page, and its language."""
    if pagename.startswith("ko/"):
        context["language"] = "ko"
    if doctree is None:
        return
    paragraphs = list(doctree.findall(nodes.paragraph))
    if not paragraphs:
        return
    # Of the page itself rather than of a box, a list or a table, if it has one.
    own = (one for one in paragraphs if isinstance(one.parent, nodes.section))
    words = " ".join(next(own, paragraphs[0]).astext().split())
    if len(words) > _LONGEST_DESCRIPTION:
        words = words[: _LONGEST_DESCRIPTION - 2].rsplit(" ", 1)[0] + " …"
    tag = f'<meta name="description" content="{escape(words)}" />'
    context["metatags"] = context.get("metatags", "") + tag


def setup(app):
    """Describe the pages as they are written."""
    app.connect("html-page-context", describe_page)
    app.connect("html-page-context", widen_figures)
    return {"parallel_read_safe": True}
