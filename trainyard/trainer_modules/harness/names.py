"""What columns, labels, weights and answers are called; needs no TensorFlow.

The name of a column may be any text. Keras layers, TensorFlow's scopes and signatures, and files of
vocabularies allow less: they get what `keys` or `arguments` makes of it. Everywhere else the column
keeps its name.
"""

from __future__ import annotations

import itertools
import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from trainyard.recipe_schema import ONLY

LABEL = "label"
"""The key of an only head's label among the transformed features, and its vocabulary's name."""

WEIGHT = "row_weight"
"""The key of what a row counts among the transformed features, if the recipe says so."""

SUFFIX = "_xf"
"""Ends the names of transformed features: TFMA's slices must find the raw columns."""

PREDICTIONS = "predictions"
"""What the model answers for an only head."""

EVALUATION = "evaluation"
"""The signature whose answers text is judged by: beside what was written, two more."""

REFERENCE = "reference"
"""What should have been written, strings `[B, 1]`."""

LIKELIHOOD = "likelihood"
"""Of that: the logarithm of its probability, its tokens, its characters, `[B, 3]`."""

CONSTANT_INPUTS = "constant_inputs.json"
"""The Trainer's file that names inputs which are the same in all rows, each with a reason."""

_LONGEST = 100
"""Letters of a column's name in a key: the name of a file has 255 bytes at most."""

Part = TypeVar("Part")


def keys(columns: Iterable[str], ending: str = "") -> dict[str, str]:
    """Names the model's inputs, and vocabularies and layers after them.

    Args:
        columns: Of one kind.
        ending: Of each key: keeps the kinds apart.

    Returns:
        By column, what begins with a letter or a digit and goes on with those, `_`, `-` and `.`;
        such a name itself if no other rule of a model is in the way. No two are the same, even
        if case does not count.
    """

    def stem(column: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", column)[:_LONGEST]
        return name if name[0].isalnum() and not _is_of_target(name) else f"column_{name}"

    return _distinct(columns, stem, ending)


def by_key(columns: Mapping[str, Part]) -> dict[str, Part]:
    """Says of the model's inputs what is said of columns.

    Args:
        columns: All of a kind whose keys have no ending of their own.
    """
    return {key: columns[column] for column, key in keys(columns).items()}


def arguments(columns: Iterable[str]) -> dict[str, str]:
    """Names the arguments of the signature that takes raw columns.

    Args:
        columns: The inputs.

    Returns:
        By column, an identifier of Python; no two are the same, even if case does not count.
    """

    def stem(column: str) -> str:
        name = re.sub(r"\W", "_", column, flags=re.ASCII)[:_LONGEST]
        plain = name[0].isalpha() and not keyword.iskeyword(name) and name != "self"
        return name if plain else f"column_{name}"

    return _distinct(columns, stem)


def _is_of_target(name: str) -> bool:
    return name.lower() in (LABEL, WEIGHT) or name.lower().startswith(f"{LABEL}_")


def _distinct(
    columns: Iterable[str], stem: Callable[[str], str], ending: str = ""
) -> dict[str, str]:
    """Numbers those stems that several columns have; a column that is its own stem comes first."""
    stems = {column: stem(column) for column in columns}
    reserved = {each.lower() for each in stems.values()}
    numbers: dict[str, Iterator[int]] = {}
    named: dict[str, str] = {}
    for column in sorted(stems, key=lambda name: (stems[name] != name, name)):
        key = first = stems[column]
        if first.lower() in numbers:
            options = (f"{first}_{number}" for number in numbers[first.lower()])
            key = next(each for each in options if each.lower() not in reserved)
        numbers.setdefault(first.lower(), itertools.count(2))
        named[column] = f"{key}{ending}"
    return named


def label(head: str) -> str:
    """The key of a head's label among the transformed features, and its vocabulary's name."""
    return LABEL if head == ONLY else f"{LABEL}_{head}"


def prediction(head: str) -> str:
    """The key of a head's numbers among the model's answers."""
    return PREDICTIONS if head == ONLY else head


def predicted_class(head: str) -> str:
    """The key of the class that a head names among the model's answers."""
    return "label" if head == ONLY else f"{head}_label"


def of(head: str, name: str) -> str:
    """Names what there is for each head, such as `income_auc`; `auc` of an only head."""
    return name if head == ONLY else f"{head}_{name}"


def joined(parts: Mapping[str, Part]) -> Any:
    """What Keras takes for several heads: a dictionary; an only head's part stands alone.

    Args:
        parts: By head.
    """
    return parts[ONLY] if ONLY in parts else dict(parts)


def parted(value: Any) -> dict[str, Any]:
    """The parts of what `joined` made, by head."""
    return dict(value) if isinstance(value, Mapping) else {ONLY: value}
