"""Classes and categories that differ only in case or spaces: `Yes`, `yes` and ` Yes` are three."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pyarrow as pa

_MOST_CATEGORIES = 1000
_MOST_SHOWN = 3
_REMEDY = "if they mean the same, write them alike in the data"


def alike(counts: Mapping[str, int]) -> list[dict[str, int]]:
    """Groups the values that look the same but for case and spaces, the most frequent first.

    Args:
        counts: Rows by value.

    Returns:
        Groups of two values or more.
    """
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    for value, rows in sorted(counts.items(), key=lambda item: -item[1]):
        groups[_folded(value)][value] = rows
    return [group for group in groups.values() if len(group) > 1]


def _folded(value: str) -> str:
    return " ".join(unicodedata.normalize("NFC", value).casefold().split())


def words(counts: Mapping[str, int]) -> str:
    """Names such values with their rows; empty if there are none.

    Args:
        counts: Rows by value.
    """
    groups = alike(counts)
    named = (
        ", ".join(f"{value!r} ({rows:,})" for value, rows in group.items())
        for group in groups[:_MOST_SHOWN]
    )
    more = f"; and {len(groups) - _MOST_SHOWN:,} more" if len(groups) > _MOST_SHOWN else ""
    return "; ".join(named) + more


def warning(column: str, counts: Mapping[str, int], rows: str = "") -> str:
    """Says which values of a column differ only so; empty if none do.

    Args:
        column: Its name.
        counts: Rows by value.
        rows: Which rows were counted, such as ` among the first rows`; empty if all.
    """
    if not (found := words(counts)):
        return ""
    return f"values of {column!r} differ only in case or spaces{rows}: {found}; {_REMEDY}"


def first_warnings(column: str, values: pa.Array) -> Iterator[str]:
    """Warns of what differs only so among the first rows; not of free text.

    Args:
        column: Its name.
        values: Text, as it stands in the file.
    """
    counts = {each["values"]: each["counts"] for each in values.value_counts().to_pylist()}
    counts.pop(None, None)
    if len(counts) <= _MOST_CATEGORIES and (
        found := warning(column, counts, " among the first rows")
    ):
        yield found
