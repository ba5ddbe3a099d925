"""Which files of code a stage did not run with before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from trainyard import sources
from trainyard.files import write_whole

_FEW = 3


def is_code(parameter: str) -> bool:
    """Tells whether a stage's parameter is a digest of code.

    Args:
        parameter: Its name, such as `custom_config.code`.
    """
    return parameter.endswith("code")


def keep(folder: Path, parameters: Mapping[str, str]) -> None:
    """Notes what the digests among a stage's parameters were made of, for later runs.

    Args:
        folder: Where to: a file for each digest.
        parameters: By name.
    """
    for digest in {value for name, value in parameters.items() if is_code(name)}:
        parts, file = sources.parts(digest), folder / f"{digest}.json"
        if parts and not file.exists():
            write_whole(file, json.dumps(parts, indent=1))


def reason(folder: Path, before: str, now: str) -> str:
    """Says in a few words what differs, such as `code changed: trainyard/expressions.py`.

    Args:
        folder: That of `keep`.
        before: A digest.
        now: Another.
    """
    old, new = _parts(folder, before), _parts(folder, now)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if not old or not names:
        return "code changed"
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"code changed: {', '.join(names[:_FEW])}{more}"


def _parts(folder: Path, digest: str) -> dict[str, str]:
    with suppress(OSError, ValueError):
        return dict(json.loads((folder / f"{digest}.json").read_text(encoding="utf-8")))
    return sources.parts(digest)
