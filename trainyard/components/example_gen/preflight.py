"""What `trainyard check` asks about the data, without TensorFlow and without reading it all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainyard.components.example_gen import derived_label, images, left_out, reader, splits, texts
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.recipe_schema import Data, Label

_FEW = 16


def preflight(data: Data, label: Label, files: Sequence[Path]) -> dict[str, ColumnType]:
    """Checks headers, the first block, the first images, and the columns for key, order and label.

    Args:
        data: The recipe's data section.
        label: The recipe's label section.
        files: From `input_splits.find`.

    Returns:
        The raw columns with the types of the first block; a later row may widen one.

    Raises:
        DataError: A header or the first block is wrong, or there are no rows.
        RecipeError: A column is not there.
    """
    raw = reader.first_columns(data, files)
    types = texts.columns(data, images.columns(data, raw))
    first = next(images.blocks(data, reader.blocks(data, files, raw)))
    few = next(first.cut([0, min(_FEW, len(first.batch))]))
    texts.append(data, images.append(data, few).block)
    derived_label.check(label, types, f"({files[0]})")
    left_out.check(data, [*types, label.name])
    splits.check(data, types)
    return types
