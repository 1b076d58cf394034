"""Warnings that point at the user's line."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import sys
import warnings

import joblib
import sklearn

# The folders of code that no warning is about.
_INSIDE = tuple(
    os.path.join(os.path.dirname(path), "")
    for path in (__file__, joblib.__file__, sklearn.__file__)
)


def warn(words: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called skae, or the part of scikit-learn that did."""
    # From Python 3.12 on this is the argument `skip_file_prefixes`.
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(words, category, stacklevel=level)
