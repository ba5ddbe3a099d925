"""Digests of source code: TFX's cache looks at parameters and inputs only.

The code of a stage is its executor's module and all that this may import, at the top of a file or
within a function, as far as it is Trainyard's own. What only type checkers read, docstrings,
comments and layout do not count. Other packages count by their versions.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from trainyard.files import write_whole

PACKAGES = ("trainyard", "tfx", "tensorflow", "keras", "apache-beam", "ml-metadata")
"""The packages whose versions count."""

_PACKAGE = Path(__file__).parent
_digests: dict[str, dict[str, str]] = {}


def digest(modules: Iterable[str]) -> str:
    """Hashes code, so that a change of it is a change of a parameter.

    Args:
        modules: Dotted names of what is run; others than Trainyard's are passed over. What is
            looked up by name while it runs has to be named too.

    Returns:
        16 hexadecimal digits.
    """
    parts = {str(file.relative_to(_PACKAGE.parent)): code(file).digest for file in closure(modules)}
    parts |= {package: version(package) for package in PACKAGES}
    told = "".join(f"{name}\0{part}\n" for name, part in sorted(parts.items()))
    total = hashlib.sha256(told.encode()).hexdigest()[:16]
    _digests[total] = parts
    _save()
    return total


def parts(digest: str) -> dict[str, str]:
    """Returns what a digest was made of: a digest for each file, a version for each package.

    Args:
        digest: From `digest`, in this process; nothing is known of others.
    """
    return _digests.get(digest, {})


def whole() -> str:
    """Hashes all files of Trainyard as they stand, docstrings included: much quicker."""
    total = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        total.update(str(file.relative_to(_PACKAGE)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:16]


def closure(modules: Iterable[str], package: Path = _PACKAGE) -> list[Path]:
    """Finds the files that modules may load.

    Args:
        modules: Their dotted names.
        package: The folder of the package that counts.

    Returns:
        Python files of the package, sorted.
    """
    files = _modules(package)
    found: set[str] = set()
    wanted = [part for name in modules for part in _parts(name)]
    while wanted:
        name = wanted.pop()
        if name in files and name not in found:
            found.add(name)
            wanted += [part for other in code(files[name]).imports for part in _parts(other)]
    return sorted(files[name] for name in found)


def _modules(package: Path) -> dict[str, Path]:
    """Finds the files of a package by the dotted names of their modules."""
    files = {file.relative_to(package.parent): file for file in package.rglob("*.py")}
    names = {
        path: path.parent if path.stem == "__init__" else path.with_suffix("") for path in files
    }
    return {".".join(name.parts): files[path] for path, name in names.items()}


def _parts(name: str) -> Iterator[str]:
    """The module, and the packages around it."""
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


class Code(NamedTuple):
    """What counts of a file.

    Attributes:
        digest: Of its statements, 16 hexadecimal digits.
        imports: Dotted names, those of what may be a module or something in one included.
    """

    digest: str
    imports: frozenset[str]


def code(file: Path) -> Code:
    """Reads a file; once, as long as it does not change.

    Args:
        file: A Python file.
    """
    state = file.stat()
    mark = (state.st_mtime_ns, state.st_ctime_ns, state.st_size)
    known = _remembered().get(str(file))
    if known is None or known.mark != mark:
        known = _remembered()[str(file)] = _Remembered(mark, _read(file))
        _unsaved.append(file)
    return known.code


class _Remembered(NamedTuple):
    """What is known of a file in a state: times of its last changes, and size."""

    mark: tuple[int, int, int]
    code: Code


_NOTES = _PACKAGE / "__pycache__" / "code_digests.json"
"""Parsing all files takes half a second; like Python's own cache, this one lies beside them."""

_unsaved: list[Path] = []


@cache
def _remembered() -> dict[str, _Remembered]:
    with suppress(OSError, ValueError):
        notes = json.loads(_NOTES.read_text(encoding="utf-8"))
        if notes["rules"] == _rules():
            return {
                file: _Remembered(tuple(mark), Code(digest, frozenset(imports)))
                for file, (mark, (digest, imports)) in notes["files"].items()
            }
    return {}


def _save() -> None:
    if not _unsaved:
        return
    files = {
        file: (each.mark, (each.code.digest, sorted(each.code.imports)))
        for file, each in _remembered().items()
        if Path(file).is_relative_to(_PACKAGE)
    }
    with suppress(OSError):  # an installation that is read-only is parsed each time
        write_whole(_NOTES, json.dumps({"rules": _rules(), "files": files}))
    _unsaved.clear()


def _rules() -> str:
    """What a digest depends on beside the file: how this file makes it, and Python's syntax."""
    return f"{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()} {sys.version}"


def _read(file: Path) -> Code:
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        for block in ("body", "orelse"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                setattr(node, block, [each for each in statements if not _is_for_readers(each)])
    names = frozenset(name for node in ast.walk(tree) for name in _imported(node))
    return Code(hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16], names)


def _is_for_readers(statement: ast.stmt) -> bool:
    """Whether it is a docstring, or for type checkers only."""
    if isinstance(statement, ast.If):
        test = statement.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        return name == "TYPE_CHECKING" and not statement.orelse
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
