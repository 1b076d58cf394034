"""A dark twin of each figure: black and white change places, and hues stay."""

from pathlib import Path

from docutils import nodes
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from sphinx.transforms import SphinxTransform

# The ground of the theme's dark pages, and the ink on it.
_GROUND, _INK = to_rgba("#14181e")[:3], to_rgba("#e3e3e8")[:3]
# Greys are colours whose channels lie as near to one another as this.
_GREY = 0.08
# What a thin line needs, as a contrast to the ground (WCAG 2).
_LEAST_CONTRAST = 4.5


def _turned(color):
    """Return a grey in its place between ink and ground, any other colour as it is."""
    *rgb, alpha = to_rgba(color)
    if max(rgb) - min(rgb) > _GREY:
        return (*rgb, alpha)
    light = sum(rgb) / 3
    pairs = zip(_INK, _GROUND, strict=True)
    return (*(ink + light * (ground - ink) for ink, ground in pairs), alpha)


def _thin(color):
    """Return a colour that a thin line is seen in; dark ones become lighter."""
    *rgb, alpha = _turned(color)
    for share in range(10):
        light = [one + (1 - one) * share / 10 for one in rgb]
        if _contrast(light) >= _LEAST_CONTRAST:
            break
    return (*light, alpha)


def _contrast(rgb):
    """Return the contrast of a colour to the ground."""
    one, other = (_luminance(color) + 0.05 for color in (rgb, _GROUND))
    return max(one, other) / min(one, other)


def _luminance(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _turn(artist: Artist):
    """Turn the greys of an artist; pictures stay as they are."""
    if isinstance(artist, Text):
        artist.set_color(_turned(artist.get_color()))
        if arrow := getattr(artist, "arrow_patch", None):
            _turn(arrow)
        for effect in artist.get_path_effects() or ():
            if ring := getattr(effect, "_gc", {}).get("foreground"):
                effect._gc["foreground"] = to_hex(_turned(ring))
    elif isinstance(artist, Line2D):
        artist.set_color(_thin(artist.get_color()))
        for part in ("markerfacecolor", "markeredgecolor"):
            if (color := getattr(artist, f"get_{part}")()) != "none":
                getattr(artist, f"set_{part}")(_turned(color))
    elif isinstance(artist, Patch):
        face, edge = artist.get_facecolor(), artist.get_edgecolor()
        # Around nothing or the colour of the page, an edge is a line.
        edge = _thin(edge) if face[3] == 0 or max(face) == min(face) else _turned(edge)
        artist.set(facecolor=_turned(face), edgecolor=edge)
    elif isinstance(artist, Collection) and artist.get_array() is None:
        faces, edges = artist.get_facecolor(), artist.get_edgecolor()
        artist.set_facecolor([_turned(one) for one in to_rgba_array(faces)])
        artist.set_edgecolor([_turned(one) for one in to_rgba_array(edges)])


def _lies_on_picture(artist):
    """Tell whether a text is one of a table of colours, which are kept."""
    ax = artist.axes
    if not isinstance(artist, Text) or ax is None or artist.get_path_effects():
        return False
    left, bottom, width, height = artist.get_window_extent().bounds
    middle = left + width / 2, bottom + height / 2
    return any(one.get_window_extent().contains(*middle) for one in ax.images)


def darken(fig):
    """Make a figure one for dark pages."""
    effects = set()
    for artist in fig.findobj(lambda one: not _lies_on_picture(one)):
        # Several texts may have one ring, which is turned once.
        own = [one for one in artist.get_path_effects() or () if id(one) in effects]
        if own:
            artist.set_color(_turned(artist.get_color()))
            continue
        effects |= {id(one) for one in artist.get_path_effects() or ()}
        _turn(artist)


def dark_name(path):
    """Return the name of the twin of a figure."""
    path = Path(path)
    return str(path.with_name(f"{path.stem}_dark{path.suffix}"))


class DarkTwins(SphinxTransform):
    """Put the dark twin of a drawing behind it; the theme shows one of the two."""

    default_priority = 100

    def apply(self, **kwargs):
        """Look for drawings of the class `skae-figure`."""
        for image in list(self.document.findall(nodes.image)):
            if "skae-figure" not in image.get("classes", []):
                continue
            twin = image.deepcopy()
            twin["uri"] = dark_name(image["uri"])
            if not (Path(self.env.srcdir) / twin["uri"].lstrip("/")).exists():
                continue
            image["classes"].append("only-light")
            twin["classes"].append("only-dark")
            image.parent.insert(image.parent.index(image) + 1, twin)


def setup(app):
    """Add the twins to the pages."""
    app.add_transform(DarkTwins)
    return {"parallel_read_safe": True}
