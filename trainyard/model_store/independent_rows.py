"""Which signatures of a version answer a row alike whatever rows are beside it.

The Pusher proves it (`trainyard.components.pusher.contract`) and writes it beside the model; the
server puts requests of several clients together only where it is proved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from trainyard.files import write_whole

FILE = Path("assets.extra") / "independent_rows.json"


class _Proved(BaseModel):
    """What was proved, and of which graph: a folder's files may be exchanged later."""

    signatures: list[str]
    graph: str = ""


def write(saved_model: Path, signatures: Iterable[str]) -> None:
    """Writes what was proved.

    Args:
        saved_model: A SavedModel's folder.
        signatures: Their keys.
    """
    proved = _Proved(signatures=sorted(signatures), graph=_graph(saved_model))
    write_whole(saved_model / FILE, proved.model_dump_json())


def read(saved_model: Path) -> frozenset[str]:
    """Reads what was proved; nothing of a SavedModel that Trainyard did not make.

    Args:
        saved_model: A SavedModel's folder.
    """
    try:
        proved = _Proved.model_validate_json((saved_model / FILE).read_bytes())
    except FileNotFoundError:
        return frozenset()
    return frozenset(proved.signatures if proved.graph == _graph(saved_model) else ())


def _graph(saved_model: Path) -> str:
    """The digest of what the model computes; how its weights are valued does not matter."""
    file = saved_model / "saved_model.pb"
    return hashlib.sha256(file.read_bytes()).hexdigest()[:32] if file.is_file() else ""
