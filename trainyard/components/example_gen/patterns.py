"""Paths that stand for several files, or for the newest of several deliveries: spans."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from trainyard.errors import DataError

_MAGIC = set("*?[{")
_PLACEHOLDERS = {
    "SPAN": r"\d+",
    "YYYY": r"\d{4}",
    "MM": r"\d{2}",
    "DD": r"\d{2}",
    "VERSION": r"\d+",
}
_PLACEHOLDER = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(?::(\d+))?\}")


class Span(NamedTuple):
    """One delivery of data.

    Attributes:
        number: What stands for `{SPAN}`, or year, month and day.
        version: What stands for `{VERSION}`; -1 without one.
        pattern: The pattern with these numbers in it, as the files have them.
    """

    number: tuple[int, ...]
    version: int
    pattern: str


def sure_folder(pattern: str) -> Path:
    """Returns the folder that all files of a pattern are in.

    Args:
        pattern: As `data.path`. A file or a folder that is there, whatever its name, is that one:
            brackets in the name of the folder that a recipe is in are no pattern.
    """
    folder = Path(pattern)
    if folder.is_dir():
        return folder
    # pathlib takes `..` out of a path only by following links.
    path = Path(os.path.abspath(pattern))  # noqa: PTH100
    if path.is_file():
        return path.parent
    known, *parts = reversed(path.parents)
    for folder in parts:
        if set(folder.name) & _MAGIC and not folder.is_dir():
            break
        known = folder
    return known


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


def matching(pattern: str) -> list[Path]:
    """Returns what a glob matches, in order."""
    return [Path(file) for file in sorted(glob.glob(pattern))]  # noqa: PTH207


def newest(pattern: str, count: int = 1) -> list[Path]:
    """Returns what a pattern matches; of several spans, what is of the newest, the oldest first.

    Args:
        pattern: As `data.path`.
        count: How many spans.
    """
    folder, rest = divided(pattern)
    found = spans(folder, rest, count)
    return [file for span in found for file in matching(str(Path(folder, span.pattern)))]


def spans(folder: str, rest: str, count: int = 1) -> list[Span]:
    """Finds the newest spans, each in its newest version.

    Args:
        folder: A folder, as a glob.
        rest: A pattern below it.
        count: How many; there may be fewer.

    Returns:
        The oldest first; the pattern itself, if it has no placeholders.

    Raises:
        DataError: A placeholder stands in it twice.
    """
    names = [match[1] for match in _PLACEHOLDER.finditer(rest)]
    if not names:
        return [Span((), -1, rest)]
    if len(set(names)) < len(names):
        raise DataError("a placeholder stands twice in the path", where=str(Path(folder, rest)))
    expression, depth = re.compile(_expression(rest)), len(Path(rest).parts)
    found: dict[tuple[int, ...], Span] = {}
    for file in matching(str(Path(folder, _PLACEHOLDER.sub("*", rest)))):
        if match := expression.fullmatch("/".join(file.parts[-depth:])):
            span = _filled(rest, match.groupdict())
            found[span.number] = max(span, found.get(span.number, span))
    return sorted(found.values())[-count:]


def windows(folder: str, rests: Iterable[str], count: int = 1) -> dict[str, list[Span]]:
    """Finds the newest spans of patterns that belong together.

    Args:
        folder: A folder, as a glob.
        rests: Patterns below it, with placeholders: one for each input split.
        count: How many spans.

    Returns:
        As `spans`, for each pattern.

    Raises:
        DataError: There is none, or the newest is not the same for all.
    """
    found = {rest: spans(folder, rest, count) for rest in rests}
    newest = {each[-1][:2] for each in found.values() if each}
    if len(newest) == 1 and all(found.values()):
        return found
    raise DataError(
        "the newest span is not the same for all splits" if newest else "there are no files",
        where=folder,
        received="; ".join(
            f"{rest}: {each[-1].pattern if each else 'nothing'}" for rest, each in found.items()
        ),
    )


def _filled(rest: str, texts: dict[str, str]) -> Span:
    """Puts the numbers of a file into its pattern; most significant first, they are the span's."""
    numbers = {name: int(texts[name]) for name in _PLACEHOLDERS if name in texts}
    version = numbers.pop("VERSION", -1)
    return Span(tuple(numbers.values()), version, _PLACEHOLDER.sub(lambda m: texts[m[1]], rest))


def _expression(rest: str) -> str:
    """Writes a pattern as a regular expression with a group for each placeholder."""
    return "/".join(map(_part_expression, rest.split("/")))


def _part_expression(part: str) -> str:
    expression, end = "", 0
    for match in _PLACEHOLDER.finditer(part):
        name, width = match.groups()
        digits = rf"\d{{{width}}}" if width else _PLACEHOLDERS[name]
        expression += _translated(part[end : match.start()]) + f"(?P<{name}>{digits})"
        end = match.end()
    return expression + _translated(part[end:])


def _translated(part: str) -> str:
    return fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z")
