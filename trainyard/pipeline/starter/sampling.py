"""Reads a table once, of any size, and keeps an evenly spread sample of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainyard.components.example_gen import column_types
from trainyard.progress import report
from trainyard.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from trainyard.components.example_gen.reader import Block

MOST_ROWS = 100_000
MOST_CELLS = 10_000_000


@dataclass(frozen=True)
class Sample:
    """Rows spread evenly over the whole table.

    Attributes:
        table: The rows that were kept, all columns, as they stand in the file.
        rows: How many rows the table has.
        unlabelled: How many of them have no label, by the word that stands there for it; None
            where nothing does.
        copies: Sentences about rows that are copies of others.
    """

    table: pa.Table
    rows: int
    unlabelled: Counter[str | None]
    copies: Sequence[str]

    @property
    def complete(self) -> bool:
        """Whether every row was kept."""
        return len(self.table) == self.rows


def take(blocks: Iterable[Block], label: str, missing: Sequence[str]) -> Sample:
    """Keeps every k-th row, where k doubles whenever the sample gets too large.

    Args:
        blocks: The table, block by block.
        label: Its column for which missing values are counted.
        missing: What stands for them.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from trainyard.components.example_gen import identity
    from trainyard.components.example_gen.division import Copies

    stride, rows = 1, 0
    kept, identities, unlabelled = [], [], Counter[str | None]()
    words = pa.array([None, *missing], pa.string())
    for block in blocks:
        if column_types.is_text(block.batch[label].type):
            found = block.batch[label].filter(pc.is_in(block.batch[label], words))
            unlabelled.update(found.to_pylist())
        else:
            unlabelled[None] += block.batch[label].null_count
        identities.append(identity.rows(block.batch if block.raw is None else block.raw))
        kept.append(block.batch.take(pa.array(range(-rows % stride, len(block.batch), stride))))
        rows += len(block.batch)
        while sum(map(len, kept)) > _most(block.batch.num_columns):
            stride *= 2
            kept = _every_second(kept)
        report(f"reading: {counted(rows, 'row')}", block.fraction)
    copies = Copies.among(np.concatenate(identities))
    return Sample(pa.Table.from_batches(kept), rows, unlabelled, [*copies.warnings()])


def _every_second(kept: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    import pyarrow as pa

    table = pa.Table.from_batches(kept)
    halved = table.take(pa.array(range(0, len(table), 2)))
    return list(halved.combine_chunks().to_batches())


def _most(columns: int) -> int:
    return max(1000, min(MOST_ROWS, MOST_CELLS // columns))
