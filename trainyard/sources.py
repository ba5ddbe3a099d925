"""Digests of source code: TFX's cache looks at parameters and inputs only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(paths: Iterable[Path]) -> str:
    """Hashes Python sources, so that a change of code is a change of a parameter.

    Args:
        paths: Files, or folders whose `*.py` count.

    Returns:
        16 hexadecimal digits.
    """
    total = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:16]
