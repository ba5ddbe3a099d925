"""Digests of what files hold, remembered so that a file that has not changed is read once.

Caches are keyed by content: two files that are renamed into each other, or one that is
written anew with its old size and time, are other inputs than before.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainyard import outputs
from trainyard.files import write_whole

Digest = Callable[[Path], str]

_NOTES = "file_digests.json"
_SETTLED_NS = 2_000_000_000
"""A file that changed later than so long ago may change again within one tick of its times."""


@contextmanager
def remembered() -> Iterator[Digest]:
    """Yields what finds the digest of a file, or of a folder with all that is below it.

    A file is read again only if its size, its inode or one of its times has changed: that of its
    last change of any kind (ctime) among them, which no program can set back. What was read is
    noted in `TRAINYARD_HOME` at the end.

    Yields:
        A function from a path to 32 hexadecimal digits. It raises OSError if a file cannot be read.
    """
    notes = _Notes(outputs.home() / _NOTES)
    yield notes.digest
    notes.save()


def digest(path: Path) -> str:
    """Returns the digest of one file or folder; see `remembered`.

    Args:
        path: It exists.

    Raises:
        OSError: It cannot be read.
    """
    with remembered() as digest_of:
        return digest_of(path)


class _Notes:
    """What is known of files: `[size, mtime, ctime, inode, digest]` by path."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, list[object]] = {}
        self._new: dict[str, list[object]] = {}
        with suppress(OSError, ValueError):
            self._known = dict(json.loads(file.read_text(encoding="utf-8")))

    def digest(self, path: Path) -> str:
        if path.is_dir():
            inner = sorted(file for file in path.rglob("*") if file.is_file())
            told = (f"{file.relative_to(path)}\0{self.digest(file)}\n" for file in inner)
            return _short(hashlib.sha256("".join(told).encode("utf-8", "surrogateescape")))
        key, state = str(path.absolute()), path.stat()
        mark = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
        known = self._new.get(key) or self._known.get(key) or [None]
        if known[:-1] == mark:
            return str(known[-1])
        with path.open("rb") as stream:
            found = _short(hashlib.file_digest(stream, "sha256"))
        if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) > _SETTLED_NS:
            self._new[key] = [*mark, found]
        return found

    def save(self) -> None:
        if not self._new:
            return
        kept = {path: note for path, note in self._known.items() if Path(path).exists()}
        with suppress(OSError):  # without the notes the files are only read again
            write_whole(self._file, json.dumps(kept | self._new))


def _short(total: hashlib._Hash) -> str:
    return total.hexdigest()[:32]
