"""The pages of the documentation hold together.

Their code blocks run as doctests of their own (see `testpaths` in pyproject.toml), and
links between pages are checked by the build of the site, which takes no warning.
"""

import re
from pathlib import Path

import pytest

import skae
import skae.plotting

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

if not DOCS.exists():
    pytest.skip("the documentation is not here", allow_module_level=True)

PAGES = sorted(
    [*DOCS.glob("*.rst"), *DOCS.glob("user_guide/*.rst"), *DOCS.glob("ko/*.rst")]
)
CHAPTERS = "chapter.rst", "ko/chapter.rst"
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


def targets(page):
    """Give the pages that a page leads to, by a link or by its contents."""
    text = page.read_text()
    names = re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`", text)
    for block in re.findall(r"\.\. toctree::\n((?:[ ]+.*\n|\n)+)", text):
        lines = [line.strip() for line in block.splitlines()]
        lines = [re.sub(r".*<(.+)>", r"\1", line) for line in lines]
        names += [line for line in lines if line and not line.startswith(":")]
    found = set()
    for name in names:
        folder = DOCS if name.startswith("/") else page.parent
        found.add((folder / name.lstrip("/")).with_suffix(".rst").resolve())
    return found


def generated(page):
    """Tell whether the build of the site writes a page."""
    return page.relative_to(DOCS).parts[0] in ("auto_examples", "generated")


def test_every_page_is_reached_from_the_landing_page():
    reached, new = set(), {DOCS / "index.rst"}
    while new:
        reached |= new
        new = set().union(*map(targets, new)) - reached
        new = {page for page in new if not generated(page)}
    assert reached == set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_is_written_so_that_it_runs(page):
    languages = re.findall(r"\.\. code-block:: *(\S*)", page.read_text())
    assert set(languages) <= {"pycon", "console", "text"}
    assert "SKIP" not in page.read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_references_lead_somewhere(page):
    labels = set()
    for other in PAGES:
        labels |= set(re.findall(r"^\.\. _([\w-]+):$", other.read_text(), re.M))
    labels |= {f"sphx_glr_auto_examples_{path.name}" for path in EXAMPLES}
    names = re.findall(r":ref:`(?:[^`<]*<)?([^`>]+)>?`", page.read_text())
    assert set(names) <= labels


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "api.rst").read_text()
    names = [*skae.__all__, *skae.plotting.__all__]
    listed = set(re.findall(r"^   (\w+)$", text, re.M))
    assert listed == set(names) - {"__version__"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_ask_and_answer(example):
    title = example.read_text().splitlines()[1]
    question, _, answer = title.partition("? ")
    assert question
    assert answer


def test_the_chapter_is_complete():
    text = (DOCS / "chapter.rst").read_text()
    assert re.findall(r"^   \* - (\d+)$", text, re.M) == [str(i) for i in range(1, 13)]


def test_korean_pages_name_the_same_figures():
    english, korean = ((DOCS / name).read_text() for name in CHAPTERS)
    figures = re.findall(r"plot_\d+_\w+", english.split("How well")[0])
    assert re.findall(r"plot_\d+_\w+", korean)[: len(figures)] == figures


def test_what_is_cited_is_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {skae.__version__}\n" in citation
    assert f"version = {{{skae.__version__}}}" in (DOCS / "citing.rst").read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_say_what_their_figures_show(example):
    text = example.read_text()
    assert text.count("plt.show()") <= text.count("# Seen: ")


@pytest.mark.parametrize(
    ("page", "questions"),
    [
        (
            "faq.rst",
            [
                "Can I fill missing values?",
                "Is there a variational autoencoder?",
                "When should I use PCA instead?",
                "How do I put it on a server?",
            ],
        ),
        ("ko/index.rst", ["누락된 값을", "VAE", "언제 PCA를", "서버에는 어떻게"]),
    ],
)
def test_what_people_ask_first_is_one_click_from_the_landing_page(page, questions):
    assert (DOCS / page).resolve() in targets(DOCS / "index.rst")
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [question for question in questions if question not in text] == []
