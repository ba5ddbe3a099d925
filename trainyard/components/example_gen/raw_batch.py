"""What a file format hands to the reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from trainyard.components.example_gen.quarantine import BadRow


class RawBatch(NamedTuple):
    """Some consecutive rows of a file, not yet typed.

    Attributes:
        batch: The rows that can be read, shape `(n,)` each column.
        position: How many bytes of the file have been read.
        bad: Those among them that cannot, numbered from 0 with the others.
        texts: Returns the `n` rows as they stand in the file, slowly; None where a
            row is no text.
    """

    batch: pa.RecordBatch
    position: int
    bad: Sequence[BadRow] = ()
    texts: Callable[[], list[str]] | None = None

    def __len__(self) -> int:
        """Returns the number of rows, bad ones included."""
        return len(self.batch) + len(self.bad)

    def as_text(self, indices: Sequence[int]) -> list[str]:
        """Returns rows as they stand in the file; JSON of their values where that is no text."""
        if self.texts:
            texts = self.texts()
            return [texts[index] for index in indices]
        values = self.batch.take(pa.array(indices, pa.int64())).to_pylist()
        return [json.dumps(row, default=str) for row in values]
