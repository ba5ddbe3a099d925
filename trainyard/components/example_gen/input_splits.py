"""Which files there are, and whether their folders say what is trained on and judged.

A folder with `train/`, and `val/` or `test/` beside it, has been split by its
publisher. TFX calls these input splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trainyard.components.example_gen import folders, patterns, reader
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data

WHOLE = "single_split"
"""TFX's name for the input split if there is but one."""

_VALIDATION = ("val", "valid", "validation")
_ROLES = {"train": "train", **dict.fromkeys(_VALIDATION, "val"), "test": "test"}
_NOT_MEANT = {"__MACOSX"}


class Inputs(NamedTuple):
    """Where the rows come from.

    Attributes:
        folder: A folder, as a pattern.
        patterns: A pattern below it for each input split. The first split is divided by
            a hash among the output splits that no other is meant for; the others are
            named like the output split that they are.
    """

    folder: str
    patterns: dict[str, str]


def inputs(data: Data) -> Inputs:
    """Finds out how the input is divided.

    Args:
        data: The recipe's data section, its path absolute: a path, a glob, or a pattern with
            `{SPAN}`, `{VERSION}` or `{YYYY}-{MM}-{DD}`. It stands for a folder if the format is
            `folders`, or if there is `train/` in it; of several spans the newest says how.

    Raises:
        DataError: There is no such folder, or it is divided in a way that nobody knows.
        RecipeError: There is a folder `test`, but the recipe wants no test split.
    """
    parts = _divided(data)
    folder, below = patterns.divided(data.path or "")
    if parts is None:
        return Inputs(folder, {WHOLE: below})
    rest = {split: str(Path(below) / pattern) for split, pattern in parts.items()}
    return Inputs(folder, rest)


def words(data: Data) -> str:
    """Says how rows come to the splits.

    Args:
        data: The recipe's data section, its path absolute.

    Returns:
        Such as `train 8, eval 1, test 1`, or `train/ as train 8, eval 1; val/ as test`.

    Raises:
        TrainyardError: As `inputs`.
    """
    (first, pattern), *others = inputs(data).patterns.items()
    claimed = [name for name, _ in others]
    left = {name: share for name, share in data.split.buckets.items() if name not in claimed}
    divided = ", ".join(f"{name} {share}" for name, share in left.items())
    if first == WHOLE:
        return divided
    parts = [(divided if len(left) > 1 else first, pattern), *others]
    return "; ".join(f"{rest.partition('/*')[0]}/ as {name}" for name, rest in parts)


def _divided(data: Data) -> dict[str, str] | None:
    """A pattern in the folder that the data are for each input split; None if they are files."""
    root, is_classes = _root(data.path or ""), data.format == "folders"
    parts = _parts(root, is_classes) if root.is_dir() else {}
    if not is_classes and not parts:
        return None
    if not root.is_dir():
        raise DataError(
            "there is no such folder" if not root.exists() else "this is no folder",
            where=str(root),
            expected="a folder that has a folder of images for each class",
        )
    rest = "*/*" if is_classes else "*"
    found = {split: f"{name}/{rest}" for split, name in _meant_for(data, parts).items()}
    return found or {WHOLE: rest}


def _root(pattern: str) -> Path:
    """The one folder of a pattern, of several spans the newest; else the pattern itself."""
    path = Path(pattern)
    found = [] if path.exists() else patterns.newest(pattern)
    return found[0] if len(found) == 1 else path


def _parts(root: Path, is_classes: bool) -> dict[str, str]:
    """The folders that are splits, by what they are; none if there is no `train/`."""
    names = sorted(
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _NOT_MEANT
    )
    if "train" not in names or (is_classes and not _has_folders(root / "train")):
        return {}  # there are trains on those images
    parts: dict[str, str] = {}
    for name in names:
        role = _ROLES.get(name)
        if role is None or role in parts:
            raise DataError(
                f"there is a folder {name!r} beside 'train'",
                where=str(root),
                expected=f"train, one of {', '.join(_VALIDATION)}, and test",
                received=", ".join(names),
                hint="move it elsewhere",
            )
        parts[role] = name
    return parts


def _has_folders(folder: Path) -> bool:
    return any(entry.is_dir() for entry in folder.iterdir())


def _meant_for(data: Data, parts: Mapping[str, str]) -> dict[str, str]:
    """The folder of each output split, that for training first."""
    if "test" in parts and not data.split.test:
        raise RecipeError(
            "there is a folder 'test', but the recipe wants no test split",
            where="data.split.test",
            expected="1 or more: the rows of the folder are judged on",
        )
    judged = "test" if data.split.test and "test" not in parts else "eval"
    roles = {"train": "train", "val": judged, "test": "test"}
    return {split: parts[role] for role, split in roles.items() if role in parts}


def find(data: Data) -> list[Path]:
    """Finds all files of the input; for `folders`, the class folders.

    Args:
        data: The recipe's data section, its path absolute.

    Raises:
        DataError: There are none, or one cannot be read.
        RecipeError: As `inputs`.
    """
    if _divided(data) is None:
        return reader.find(data.path or "", data.spans)
    folder, parts = inputs(data)
    found = patterns.windows(folder, parts.values(), data.spans)
    return [file for spans in found.values() for file in _below(data, folder, spans)]


def _below(data: Data, folder: str, spans: Sequence[patterns.Span]) -> list[Path]:
    files = [file for span in spans for file in patterns.matching(str(Path(folder, span.pattern)))]
    return units(data, files, spans[-1].pattern)


def units(data: Data, files: list[Path], pattern: str) -> list[Path]:
    """Returns what the reader takes for files: the class folders, if they are such.

    Args:
        data: The recipe's data section.
        files: What a pattern matched.
        pattern: For the error message.

    Raises:
        DataError: There are none, or one cannot be read.
    """
    if data.format != "folders":
        return reader.checked(files, pattern)
    if not files:
        raise DataError(
            f"no class folder with a file in it: {pattern}",
            where=str(data.path),
            expected="a folder of images for each class, such as cats/1.jpg and dogs/1.jpg",
        )
    return folders.classes(files)
