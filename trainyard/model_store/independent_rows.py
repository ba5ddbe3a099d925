"""Which signatures of a version answer a row alike whatever rows are beside it.

The Pusher proves it (`trainyard.components.pusher.contract`) and writes it beside the model; the
server puts requests of several clients together only where it is proved.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from trainyard.files import write_whole

FILE = Path("assets.extra") / "independent_rows.json"


class _Proved(BaseModel):
    signatures: list[str]


def write(saved_model: Path, signatures: Iterable[str]) -> None:
    """Writes what was proved.

    Args:
        saved_model: A SavedModel's folder.
        signatures: Their keys.
    """
    proved = _Proved(signatures=sorted(signatures))
    write_whole(saved_model / FILE, proved.model_dump_json())


def read(saved_model: Path) -> frozenset[str]:
    """Reads what was proved; nothing of a SavedModel that Trainyard did not make.

    Args:
        saved_model: A SavedModel's folder.
    """
    try:
        return frozenset(_Proved.model_validate_json((saved_model / FILE).read_bytes()).signatures)
    except FileNotFoundError:
        return frozenset()
