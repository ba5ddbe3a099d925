"""Paths that stand for several files, or for the newest of several folders."""

from __future__ import annotations

import glob
import os
from pathlib import Path

_MAGIC = set("*?[{")


def sure_folder(pattern: str) -> Path:
    """Returns the folder that all files of a pattern are in.

    Args:
        pattern: As `data.path`. A file or a folder that is there, whatever its name, is that one.
    """
    folder = Path(pattern)
    if folder.is_dir():
        return folder
    # pathlib takes `..` out of a path only by following links.
    path = Path(os.path.abspath(pattern))  # noqa: PTH100
    if path.is_file():
        return path.parent
    *parts, _ = path.parts
    magic = (number for number, part in enumerate(parts) if set(part) & _MAGIC)
    return Path(*parts[: next(magic, len(parts))])


def divided(pattern: str) -> tuple[str, str]:
    """Divides a pattern into the folder that is sure and the rest.

    Args:
        pattern: As in `sure_folder`.

    Returns:
        The folder, as a pattern, and the pattern relative to it; of a folder nothing is left.
    """
    folder = sure_folder(pattern)
    if folder == Path(pattern):
        return glob.escape(str(folder)), ""
    path = Path(os.path.abspath(pattern))  # noqa: PTH100
    rest = str(path.relative_to(folder))
    return glob.escape(str(folder)), glob.escape(rest) if path.is_file() else rest
