"""The folders data sets live in, and the check that a file is the one meant."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from trainyard.errors import DataError, EnvironmentProblem
from trainyard.files import write_whole


def cache() -> Path:
    """Trainyard's cache folder: `TRAINYARD_CACHE`, else the user's."""
    import platformdirs

    given = os.environ.get("TRAINYARD_CACHE")
    return Path(given or platformdirs.user_cache_path("trainyard")).absolute()


def data_home() -> Path:
    """Where public data sets are kept: `TRAINYARD_DATA_HOME`, else in the cache."""
    given = os.environ.get("TRAINYARD_DATA_HOME")
    return Path(given).absolute() if given else cache() / "datasets"


def digest(file: Path, kind: str = "sha256") -> str:
    """The digest of a file, in hexadecimal.

    Args:
        file: The file.
        kind: As `hashlib` calls it.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def kind_of(digest: str) -> str:
    """Which kind a digest is: `md5`, where a publisher states nothing better, or `sha256`.

    Args:
        digest: In hexadecimal.
    """
    return {32: "md5"}.get(len(digest), "sha256")


def verify(file: Path, expected: str) -> None:
    """Checks that a file is the one meant; once per size and time of the file.

    Args:
        file: The file, which exists.
        expected: What its digest has to be.

    Raises:
        DataError: It is another.
    """
    stat = file.stat()
    mark = [stat.st_size, stat.st_mtime_ns, expected]
    verified = _verified()
    if verified.get(str(file)) == mark:
        return
    kind = kind_of(expected)
    found = digest(file, kind)
    if found != expected:
        raise DataError(
            "the file is not the one that Trainyard knows",
            where=str(file),
            expected=f"{kind} {expected}",
            received=f"{kind} {found} ({stat.st_size:,} bytes)",
            hint="delete it, and it is fetched anew; or name it in `data.path` to use it as it is",
        )
    with suppress(OSError):  # without the note it is only checked again
        write_whole(_notes(), json.dumps({**verified, str(file): mark}).encode())


def _notes() -> Path:
    return cache() / "verified.json"


def _verified() -> dict[str, object]:
    with suppress(OSError, ValueError):
        return dict(json.loads(_notes().read_text(encoding="utf-8")))
    return {}


def not_writable(folder: Path, error: OSError) -> EnvironmentProblem:
    """The error for a folder that data cannot be written to."""
    return EnvironmentProblem(
        f"the data cannot be written: {error.strerror or error}",
        where=str(folder),
        hint="set TRAINYARD_DATA_HOME or TRAINYARD_CACHE to a writable folder with some space",
    )
