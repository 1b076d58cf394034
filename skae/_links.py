"""Where the documentation stands, as the installed package says of itself."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


@cache
def _site():
    """Return the address called Documentation in the package's metadata, or None."""
    try:
        urls = metadata("skae").get_all("Project-URL") or []
    except PackageNotFoundError:  # a source tree that was not installed
        return None
    pairs = (url.partition(",")[::2] for url in urls)
    sites = [place.strip() for name, place in pairs if name.lower() == "documentation"]
    return sites[0].rstrip("/") if sites else None


def doc_link_template(estimator):
    """Return what scikit-learn makes the link of an estimator's HTML of.

    As long as no address is known there is no link, rather than one to nowhere.
    """
    page = "/generated/{estimator_module}.{estimator_name}.html"
    return "" if _site() is None else _site() + page
