"""A canary's share of the traffic: how many of the requests that name no version it answers.

The share is a small file beside `model.config`, which a server looks at as often:

    {"version": 4, "share": 0.1, "since": "2026-11-22T20:00:00Z"}

It counts only while the label `canary` is on that version. So one write of `model.config`
ends a canary, and what is left of an earlier one never takes traffic.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from trainyard.errors import RecipeError
from trainyard.files import write_whole
from trainyard.model_store import version_config
from trainyard.model_store.version_config import CANARY, ModelConfig

FILE = "canary.json"

_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio
_RANGE = 2**64


class Canary(BaseModel):
    """A version on trial.

    Attributes:
        version: Which.
        share: Of the requests that name neither version nor label.
        since: When it began; tells the counts of this trial from those of others.
    """

    version: int
    share: float = Field(gt=0, le=1)
    since: datetime


def read(base_path: Path, config: ModelConfig | None = None) -> Canary | None:
    """Reads which version is on trial; None if there is none.

    Args:
        base_path: The model's.
        config: Its labels, if they have been read already.

    Raises:
        RecipeError: The file says something else.
    """
    config = version_config.read(base_path) if config is None else config
    if CANARY not in config.version_labels:
        return None
    file = base_path / FILE
    try:
        canary = Canary.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise RecipeError(
            f"no canary: {error.errors()[0]['msg']}",
            where=str(file),
            expected='{"version": 4, "share": 0.1, "since": "2026-11-22T20:00:00Z"}',
        ) from None
    return canary if config.version_labels[CANARY] == canary.version else None


def write(base_path: Path, canary: Canary) -> None:
    """Writes the file; the label `canary` makes it count.

    Args:
        base_path: The model's.
        canary: What is to be on trial.
    """
    write_whole(base_path / FILE, canary.model_dump_json())


class Splitter:
    """Deals requests out: an exact share of them, spread evenly, whatever their own rhythm.

    The nth request is taken if the fractional part of n times the golden ratio is below the
    share (Fibonacci hashing, Knuth, The Art of Computer Programming 3, 6.4). Every tenth
    request instead would always be the same one of a client that asks ten things in turn.
    """

    def __init__(self) -> None:
        self._count = 0

    def takes(self, share: float) -> bool:
        """Says whether the next request is one of the share.

        Args:
            share: Between 0 and 1.
        """
        self._count += 1
        return self._count * _GOLDEN % _RANGE < share * _RANGE
