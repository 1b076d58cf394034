"""Labels in all Displays: one mechanism, honoured or refused in words."""

import datetime
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from skae.plotting import EmbeddingDisplay, _text
from skae.plotting._labels import encode_labels
from skae.plotting._text import shortened

NAN = float("nan")


def _encoded(labels, class_names=None):
    """Names by sample, None for unlabelled ones."""
    codes, names = encode_labels(labels, len(labels), class_names)
    return [None if code < 0 else names[code] for code in codes], names


def _objects(*values):
    return np.array(values, dtype=object)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([3, 1, 3], ["1", "3"]),
        (_objects("b", "a", None), ["a", "b"]),
        (np.array([2.0, 0.0, np.nan]), ["0", "2"]),
        (np.array([True, False, True]), ["False", "True"]),
        ([1, "a", None], ["1", "a"]),
        (_objects(1, 10, 2), ["1", "2", "10"]),
        (_objects(np.int64(1), np.int8(10), np.float32(2)), ["1", "2", "10"]),
        ((True, None, False), ["False", "True"]),
        ([True, NAN, False], ["False", "True"]),
        (["a", NAN, "b"], ["a", "b"]),
        (["a", None, "nan"], ["a", "nan"]),
        ([b"cat", b"ant", b"cat"], ["ant", "cat"]),
        (np.array([b"cat", b"ant", "ö".encode()]), ["ant", "cat", "ö"]),
        ([Decimal(10), Decimal(2), Decimal("NaN")], ["2", "10"]),
        (["a", 10, 2], ["2", "10", "a"]),
        (["", "a", ""], ["(empty)", "a"]),
        ([2**70, 5, 2**70], ["5", str(2**70)]),
        ([1e300, 5.0, 1e300], ["5", str(int(1e300))]),
        (np.array([2**64 - 1, 1, 5], dtype=np.uint64), ["1", "5", str(2**64 - 1)]),
        (np.array([255, 1, 0], dtype=np.uint8), ["0", "1", "255"]),
        (np.array([[2], [1], [2]]), ["1", "2"]),
        (["b", "a", "c"], ["a", "b", "c"]),
        (np.array(["b", "a", "c"], np.dtypes.StringDType()), ["a", "b", "c"]),
    ],
)
def test_labels_of_any_kind_become_sorted_classes(labels, names):
    drawn, found = _encoded(labels)
    assert found == names
    for label, name in zip(np.ravel(_plain(labels)), drawn, strict=True):
        missing = label is None or label != label
        text = label.decode() if isinstance(label, bytes) else label
        if isinstance(text, float | np.floating | Decimal) and not missing:
            text = int(text)
        assert name == (None if missing else str(text) or "(empty)")


def _plain(labels):
    return (
        np.array(labels, dtype=object) if isinstance(labels, list | tuple) else labels
    )


def test_fractions_are_a_continuous_quantity():
    for labels in ([0.5, None, 2], _objects(Decimal("0.5"), None, Fraction(2, 1))):
        values, names = encode_labels(labels, 3)
        assert names is None
        np.testing.assert_array_equal(values, [0.5, np.nan, 2])


def test_masked_labels_are_unlabelled():
    masked = np.ma.array([0, 1, 2], mask=[False, True, False])
    assert _encoded(masked) == (["0", None, "2"], ["0", "2"])
    column = np.ma.array([[0], [1], [2]], mask=[[False], [True], [False]])
    assert _encoded(column)[0] == ["0", None, "2"]
    values, names = encode_labels(np.ma.array([0.5, 9.0], mask=[False, True]), 2)
    np.testing.assert_array_equal(values, [0.5, np.nan])
    assert names is None


def test_dates_are_classes_in_their_order():
    days = np.array(["2024-03-01", "2023-12-31", "NaT"], dtype="datetime64[ns]")
    assert _encoded(days) == (
        ["2024-03-01", "2023-12-31", None],
        ["2023-12-31", "2024-03-01"],
    )
    day = datetime.date(2024, 3, 1)
    assert _encoded([day, None])[0] == ["2024-03-01", None]
    hour = datetime.datetime(2024, 3, 1, 12)
    assert _encoded([hour, None])[0] == ["2024-03-01T12:00:00", None]


def test_categoricals_of_pandas_keep_their_order():
    pd = pytest.importorskip("pandas")
    sizes = pd.Series(["small", "large", None, "small"], index=[7, 3, 5, 1]).astype(
        pd.CategoricalDtype(["small", "medium", "large"], ordered=True)
    )
    expected = ["small", "large", None, "small"], ["small", "large"]
    assert _encoded(sizes) == expected
    assert _encoded(sizes.array) == expected
    assert _encoded(pd.Index(sizes)) == expected
    # Names for all categories, of which one is not there.
    assert _encoded(sizes, ["S", "M", "L"])[0] == ["S", "L", None, "S"]
    assert _encoded(sizes, ["S", "L"])[1] == ["S", "L"]
    assert _encoded(sizes, {"large": "L"})[1] == ["small", "L"]
    bins = pd.cut([1, 25, 11], [0, 9, 19, 29])
    assert _encoded(bins)[1] == ["(0, 9]", "(9, 19]", "(19, 29]"]
    noise = pd.Categorical([2, -1, 0], categories=[2, -1, 0])
    assert _encoded(noise) == (["2", None, "0"], ["2", "0"])


def test_series_of_pandas_with_holes():
    pd = pytest.importorskip("pandas")
    flags = pd.Series([True, None, False], dtype="boolean", index=[5, 9, 2])
    assert _encoded(flags) == (["True", None, "False"], ["False", "True"])
    counts = pd.Series([10, None, 2], dtype="Int64")
    assert _encoded(counts)[1] == ["2", "10"]
    words = pd.Series(["b", None, "a"])
    assert _encoded(words)[0] == ["b", None, "a"]
    stamps = pd.Series(pd.to_datetime(["2024-03-01", None])).dt.tz_localize("UTC")
    assert _encoded(stamps)[0] == ["2024-03-01T00:00:00+00:00", None]
    # A frame of one column, as y is often given, is that column.
    assert _encoded(words.to_frame("animal"))[1] == ["a", "b"]
    with pytest.raises(ValueError, match=r"columns \['a', 'b'\]. Give .* frame\['a'\]"):
        encode_labels(pd.DataFrame({"a": [1], "b": [2]}), 1)


def test_series_of_polars():
    pl = pytest.importorskip("polars")
    sizes = pl.Series(["small", "large", None], dtype=pl.Enum(["small", "large"]))
    assert _encoded(sizes) == (["small", "large", None], ["small", "large"])
    assert _encoded(pl.Series([True, None, False]))[1] == ["False", "True"]
    assert _encoded(pl.Series(["b", None, "a"]))[0] == ["b", None, "a"]
    assert _encoded(pl.DataFrame({"a": [10, None, 2]}))[1] == ["2", "10"]
    assert _encoded(pl.Series([datetime.date(2024, 3, 1)]))[1] == ["2024-03-01"]


def test_minus_one_is_unlabelled_unless_it_has_a_name():
    assert _encoded([-1, 0, 1]) == ([None, "0", "1"], ["0", "1"])
    assert _encoded([-1, 0, 1], ["a", "b"])[0] == [None, "a", "b"]
    assert _encoded([-1, 0, 1], {0: "a"})[0] == [None, "a", "1"]
    for key in (-1, "-1"):
        named = {key: "none", 0: "a", 1: "b"}
        assert _encoded([-1, 0, 1], named)[0] == ["none", "a", "b"]
    # Three names may begin at -1 or at 0; outliers are -1 and 1.
    for labels, names in (([-1, 0, 1], "abc"), ([-1, 1], "ab")):
        with pytest.raises(ValueError, match=r"whether -1 is a class.* Give a dict"):
            _encoded(labels, list(names))


def test_names_by_label_or_by_place():
    assert _encoded([0, 2], ["a", "b", "c"])[1] == ["a", "c"]
    assert _encoded([0, 2], {2: "two"})[1] == ["0", "two"]
    # The keys of JSON are strings.
    assert _encoded([0, 2], {"0": "zero", "2": "two"})[1] == ["zero", "two"]
    assert _encoded([False, True], {"False": "no", True: "yes"})[1] == ["no", "yes"]
    assert _encoded(np.array([0, 1]), np.array(["no", "yes"]))[1] == ["no", "yes"]
    assert _encoded(["x", "y"], ("no", "yes"))[1] == ["no", "yes"]


@pytest.mark.parametrize(
    ("labels", "class_names", "message"),
    [
        ([0.0, np.inf, 1.0], None, r"finite numbers. Received infinity. Put NaN"),
        ([0.5, -np.inf, 1.0], None, r"finite numbers. Received infinity. Put NaN"),
        (_objects(1, NAN, np.inf), None, r"finite numbers. Received infinity"),
        (np.eye(3), None, r"\(3,\). Received shape \(3, 3\). One-hot .*argmax"),
        (sparse.eye(3).tocsr(), None, r"Received shape \(3, 3\). One-hot"),
        (np.eye(3)[:2], None, r"Received shape \(2, 3\). Take the labels of the same"),
        ("species", None, r"Received a str, 'species'. Give the labels themselves"),
        ({"a": 1}, None, r"Received a dict, .* Give the labels themselves"),
        ([[1], [1, 2], [1]], None, r"list of sequences of different lengths. Give"),
        (np.array([1j, 2, 3]), None, r"numbers, strings, .* Received complex128"),
        (_objects(1j, 2, 3), None, r"Received complex. Give"),
        (_objects({}, {}, {}), None, r"Received dict. Give"),
        ([1, "1", 2], None, r"several types that are all written '1'. Make them"),
        ([0.5, 1.0, 2.0], ["a", "b"], r"a continuous quantity. Leave class_names out"),
        ([0, 1, 2], "abc", r"a list of names or a dict. Received a str. Give"),
        ([0, 1, 2], {"a", "b", "c"}, r"Received a set. Give a list"),
        ([0, 1, 2], {"a": "b"}, r"the keys \['a'\], none of which is a label. Give"),
        ([0, 1, 2], ["a"], r"Expected 3 class names.* Received 1. Give them"),
        (["x", "y", "z"], list("abcd"), r"Expected 3 class names.* Received 4"),
        ([0, 1, 9], list("abcd"), r"sorted labels \[0, 1, 9\], or a dict"),
    ],
)
def test_what_has_no_clear_meaning_is_refused_with_the_way_out(
    labels, class_names, message
):
    with pytest.raises(ValueError, match=message):
        encode_labels(labels, 3, class_names)


def _map(pyplot, names, **kwargs):
    Z = np.random.default_rng(0).normal(size=(60, 2))
    labels = np.arange(60) % len(names)
    return EmbeddingDisplay.from_embedding(
        Z, labels=labels, class_names=names, **kwargs
    )


@pytest.mark.parametrize("key", ["colorbar", "legend"])
def test_dollars_and_leading_lines_stay_in_names(pyplot, key):
    names = ["$5 to $9", "a $x^2", "_hidden"]
    display = _map(pyplot, names, key=key)
    if key == "legend":
        written = display.key_.get_texts()
    else:
        written = display.key_.ax.get_yticklabels()
    # No mathtext, which would lose the dollars of one and fail at another.
    for text in [*display.texts_, *written]:
        assert not text.get_parse_math()
    assert [text.get_text() for text in display.texts_] == names
    assert [text.get_text() for text in written] == names
    display.figure_.canvas.draw()


def test_long_names_are_cut_in_the_middle_and_whole_in_the_key(pyplot):
    names = [f"a very long name of the class that is number {i}" for i in range(3)]
    display = _map(pyplot, names, key="legend")
    seen = [text.get_text() for text in display.texts_]
    assert len(set(seen)) == 3
    assert [one[-1] for one in seen] == ["0", "1", "2"]
    assert max(map(len, seen)) <= 24
    whole = [text.get_text().replace("\n", " ") for text in display.key_.get_texts()]
    assert whole == names


def test_shortened_names_differ_where_the_names_do():
    twins = ["x" * 30 + "A" + "y" * 30, "x" * 30 + "B" + "y" * 30, "short"]
    short = shortened(twins)
    assert len(set(short)) == 3
    assert max(map(len, short)) <= 24
    assert short[2] == "short"
    assert shortened(["z" * 50] * 2) == ["z" * 12 + "…" + "z" * 11] * 2
    # One that ends where the other goes on.
    assert len(set(shortened(["x" * 40, "x" * 41]))) == 2


def test_letters_that_the_font_lacks_come_from_another(pyplot, monkeypatch):
    assert _text.fallback_families("cat, Ünïcode, кот, قطة") == []
    letters = {"DejaVu Sans": frozenset("cat, "), "Malgun Gothic": frozenset("고양이")}
    monkeypatch.setattr(_text, "_installed", lambda: set(letters))
    monkeypatch.setattr(
        _text,
        "_letters_of",
        lambda font: letters.get(font.get_family()[0], frozenset()),
    )
    assert _text.fallback_families("고양이 cat") == ["Malgun Gothic"]
    (text,) = _text.as_written([pyplot.figure().text(0, 0, "고양이")])
    assert text.get_fontfamily()[-1] == "Malgun Gothic"
    with pytest.warns(UserWarning, match="Received names with '猫'.* Noto Sans CJK SC"):
        _text.fallback_families("猫")
    with pytest.warns(UserWarning, match=r"Noto Sans CJK JP and Noto Sans Thai, empty"):
        _text.fallback_families("ネコแมว")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _map(pyplot, ["猫", "cat"])
    # It names the line of the user; matplotlib warns of each missing letter, too.
    ours = [one for one in caught if "which no font known here" in str(one.message)]
    assert {one.filename for one in ours} == {__file__}
