"""Where a file goes: the user's path in whatever is wrong with it."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def file_name(path: Any) -> str:
    """Give a path as a word, and refuse what no file can be written to."""
    path = os.fsdecode(path)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            errno.ENOENT,
            f"There is no folder {folder!r}. Make it first, with os.makedirs, or "
            "choose another path",
            path,
        )
    return path


def refuse_folder(path: str, what: str) -> None:
    if os.path.isdir(path):
        raise IsADirectoryError(
            f"{path!r} is a directory, and {what} is one file. Name a file in it."
        )


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Name the user's path, and not that of what is half done, where writing fails."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        words = f"{error.strerror}: can't write here. Choose a folder that is writable"
        raise OSError(error.errno, words, path) from error
