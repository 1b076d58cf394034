"""Configuration of the documentation. Build it with

python -m sphinx -W --keep-going -b html docs docs/_build/html
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As in the conftest.py of the tests: threads that wait do not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import skae

project = "skae"
author = "The skae developers"
project_copyright = author
version = release = skae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    # Those of docs/_ext.
    "dark",
    "described",
    "drawings",
    "mathml",
]
html_math_renderer = "mathml"
exclude_patterns = ["_build", "_ext"]
templates_path = ["_templates"]
default_role = "literal"
nitpicky = True
# No intersphinx: the site builds without a network.
nitpick_ignore_regex = [("py:obj", r"sklearn\..*")]

autosummary_generate = True
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
copybutton_prompt_text = r">>> |\.\.\. |\$ |PS> "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    # The programs of README are not pages of the gallery.
    "ignore_pattern": r"(digits|mnist_chapter|run)\.py$",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("skae",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"skae": None},
    "abort_on_example_error": True,
    "remove_config_comments": True,
    # Each in a process of its own, which takes one core.
    "parallel": min(os.cpu_count() or 1, 4),
    "show_memory": False,
    "write_computation_times": False,
    "image_scrapers": ("described.scrape",),
    "image_srcset": ["2x"],
    "reset_modules": ("matplotlib", "drawings.one_set_of_colors"),
    "reset_modules_order": "before",
}

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
# The explorer of the landing page, which docs/_ext/drawings.py writes.
html_extra_path = ["generated/extra"]
Path(__file__).with_name("generated").joinpath("extra").mkdir(
    parents=True, exist_ok=True
)
html_css_files = ["skae.css"]
html_show_sourcelink = False
# The index holds all that the one of modules would.
html_domain_indices = False
html_theme_options = {
    "logo": {"text": "skae", "alt_text": "skae, to the landing page"},
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 5,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages that have no others under them need no sidebar to find these.
html_sidebars = {
    name: []
    for name in (
        "index",
        "installation",
        "getting_started",
        "comparison",
        "faq",
        "glossary",
        "citing",
        "extending",
        "speed",
        "chapter",
        "changelog",
        "contributing",
    )
}
