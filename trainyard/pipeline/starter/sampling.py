"""Reads a table once, of any size, and keeps an evenly spread sample of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainyard.errors import DataError
from trainyard.progress import report

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from trainyard.components.example_gen.reader import Block

MOST_ROWS = 100_000
MOST_CELLS = 10_000_000


@dataclass(frozen=True)
class Sample:
    """Rows spread evenly over the whole table.

    Attributes:
        frame: The rows that were kept, all columns.
        rows: How many rows the table has.
        warnings: Sentences about rows that are copies of others.
    """

    frame: pd.DataFrame
    rows: int
    warnings: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether every row was kept."""
        return len(self.frame) == self.rows


def take(blocks: Iterable[Block], label: str) -> Sample:
    """Keeps every k-th row, where k doubles whenever the sample gets too large.

    Args:
        blocks: The table, block by block.
        label: The column that must have a value in every row.

    Raises:
        DataError: The label is missing in some rows.
    """
    import numpy as np
    import pyarrow as pa

    from trainyard.components.example_gen import identity
    from trainyard.components.example_gen.division import Copies

    identities = []
    stride, rows, missing, first_missing = 1, 0, 0, ""
    kept = []
    for block in blocks:
        holes = block.batch[label].is_null()
        first_missing = first_missing or (
            block.row(holes.index(True).as_py()) if holes.true_count else ""
        )
        missing += holes.true_count
        identities.append(identity.rows(block.batch if block.raw is None else block.raw))
        kept.append(block.batch.take(pa.array(range(-rows % stride, len(block.batch), stride))))
        rows += len(block.batch)
        while sum(map(len, kept)) > _most(block.batch.num_columns):
            stride *= 2
            kept = _every_second(kept)
        report(f"reading: {rows:,} rows", block.fraction)
    if missing:
        raise _label_missing(label, missing, first_missing, rows)
    copies = Copies.among(np.concatenate(identities))
    return Sample(pa.Table.from_batches(kept).to_pandas(), rows, [*copies.warnings()])


def _every_second(kept: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    import pyarrow as pa

    table = pa.Table.from_batches(kept)
    halved = table.take(pa.array(range(0, len(table), 2)))
    return list(halved.combine_chunks().to_batches())


def _most(columns: int) -> int:
    return max(1000, min(MOST_ROWS, MOST_CELLS // columns))


def _label_missing(label: str, missing: int, first: str, rows: int) -> DataError:
    return DataError(
        f"the label {label!r} is missing in {missing:,} of {rows:,} rows",
        where=first,
        expected="a label in every row: nothing can be learned from a row without one",
        hint="remove those rows, or fill the label in, then try again",
    )
