"""Ways into ExampleGen that tests take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainyard.components.example_gen import preflight, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.recipe_schema import Data, Label


def quick_look(
    data: Data, labels: Mapping[str, Label], files: Sequence[Path]
) -> dict[str, ColumnType]:
    """Does what `trainyard check` does first.

    Args:
        data: The recipe's data section.
        labels: The recipe's labels.
        files: The input.
    """
    return preflight.preflight(data, labels, reader.first(data, files))
