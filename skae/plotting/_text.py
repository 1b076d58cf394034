"""Words of users in a figure: written as they are, in a font that has their letters."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import sys
import textwrap
from functools import lru_cache
from itertools import takewhile
from unicodedata import name as unicode_name
from warnings import warn

# On a map; the key has the whole name.
_LONGEST_ON_MAP = 24
_WIDEST_IN_KEY = 32
# Families that are often there, by the word that begins the Unicode names of their
# letters; the first is the one to install.
_FAMILIES = {
    "HANGUL": [
        "Noto Sans CJK KR",
        "Noto Sans KR",
        "Malgun Gothic",
        "Apple SD Gothic Neo",
        "AppleGothic",
        "NanumGothic",
        "UnDotum",
    ],
    "HIRAGANA": [
        "Noto Sans CJK JP",
        "Noto Sans JP",
        "Yu Gothic",
        "Hiragino Sans",
        "MS Gothic",
        "IPAexGothic",
        "IPAGothic",
        "TakaoPGothic",
    ],
    "CJK": [
        "Noto Sans CJK SC",
        "Noto Sans SC",
        "Microsoft YaHei",
        "PingFang SC",
        "PingFang HK",
        "SimHei",
        "Hiragino Sans GB",
        "WenQuanYi Zen Hei",
        "WenQuanYi Micro Hei",
        "Droid Sans Fallback",
        "Arial Unicode MS",
    ],
    "ARABIC": ["Noto Sans Arabic", "Segoe UI", "Geeza Pro", "Tahoma", "Amiri"],
    "HEBREW": ["Noto Sans Hebrew", "Segoe UI", "Arial Hebrew", "Tahoma"],
    "DEVANAGARI": ["Noto Sans Devanagari", "Nirmala UI", "Devanagari MT"],
    "THAI": ["Noto Sans Thai", "Leelawadee UI", "Thonburi", "Tahoma"],
}
_FAMILIES["KATAKANA"] = _FAMILIES["HIRAGANA"]


def as_written(texts):
    """Have artists show their words as they are: `$` is a dollar, 한 has a glyph."""
    families = fallback_families("".join(text.get_text() for text in texts))
    for text in texts:
        text.set_parse_math(False)
        text.set_usetex(False)
        if families:
            text.set_fontfamily([*text.get_fontfamily(), *families])
    return texts


def fallback_families(letters):
    """Return installed fonts for letters that the font in use lacks, or warn."""
    letters = {one for one in letters if ord(one) > 127 and not one.isspace()}
    if not letters:
        return []
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    missing = letters.difference(
        *(
            _letters_of(FontProperties(family=[family]))
            for family in rcParams["font.family"]
        )
    )
    found = []
    for family in [one for families in _FAMILIES.values() for one in families]:
        if missing and family in _installed():
            more = missing & _letters_of(FontProperties(family=[family]))
            if more:
                found.append(family)
                missing -= more
    if missing:
        _warn_of(missing)
    return found


def _warn_of(missing):
    scripts = {unicode_name(one, "SYMBOL").split()[0].split("-")[0] for one in missing}
    fonts = sorted({_FAMILIES[one][0] for one in scripts if one in _FAMILIES})
    warn(
        "Expected a font with the letters of all names. Received names with "
        f"{''.join(sorted(missing))[:20]!r}, which no font known here has. Install "
        f"{' and '.join(fonts) or 'a font that has them'}, empty the folder that "
        "matplotlib.get_cachedir() names, and start anew; or set a font of yours by "
        "matplotlib.rcParams['font.family'].",
        stacklevel=_outside(),
    )


def _outside():
    """Return the stack level of the line that called a Display."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("skae."):
        frame, level = frame.f_back, level + 1
    return level


def _installed():
    from matplotlib.font_manager import fontManager

    return {font.name for font in fontManager.ttflist}


def _letters_of(properties):
    from matplotlib.font_manager import findfont

    return _letters_in(findfont(properties))


@lru_cache(maxsize=32)
def _letters_in(path):
    from matplotlib.font_manager import get_font

    return frozenset(map(chr, get_font(path).get_charmap()))


def shortened(names, longest=_LONGEST_ON_MAP):
    """Return names of a bounded length that differ where the names do."""
    short = [_cut(name, longest) for name in names]
    for name in {one for one in short if short.count(one) > 1}:
        rows = [i for i, one in enumerate(short) if one == name]
        whole = [names[i] for i in rows]
        if len(set(whole)) == 1:
            continue
        # They differ where they were cut: what they have in common goes instead.
        start = len(_common_start(whole))
        for i in rows:
            short[i] = "…" + _cut(names[i][max(0, start - 2) :], longest - 1)
    return short


def _common_start(names):
    """Return the letters in which all names begin."""
    columns = takewhile(lambda ones: len(set(ones)) == 1, zip(*names, strict=False))
    return [ones[0] for ones in columns]


def _cut(name, longest):
    """Cut the middle out of a long name: its ends tell more."""
    if len(name) <= longest:
        return name
    tail = (longest - 1) // 2
    return f"{name[: longest - 1 - tail].rstrip()}…{name[-tail:].lstrip()}"


def wrapped(names):
    """Return whole names in lines short enough for a key."""
    return [
        textwrap.fill(name, _WIDEST_IN_KEY) if len(name) > _WIDEST_IN_KEY else name
        for name in names
    ]
