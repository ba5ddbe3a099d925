"""Which split a row belongs to: a hash decides, exactly as in stock TFX.

Source: `tfx/components/example_gen/base_example_gen_executor.py`, `_PartitionFn`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from trainyard.components.example_gen import encoder
from trainyard.errors import DataError, RecipeError, nearest


class Splitter:
    """Assigns rows to splits.

    Args:
        buckets: Hash buckets per split, in order.
        key: The column whose value decides, or None: the whole row does.
    """

    def __init__(self, buckets: Mapping[str, int], key: str | None) -> None:
        self.names = list(buckets)
        self._split_of_bucket = [name for name, count in buckets.items() for _ in range(count)]
        self._key = key

    def assign(self, batch: pa.RecordBatch, examples: pa.Array) -> Iterator[tuple[str, bytes]]:
        """Yields every row's split and serialized example.

        Rows with a missing key have one key in common.

        Args:
            batch: The columns, shape `(n,)` each.
            examples: The same rows as `encoder.encode` serialized them.

        Raises:
            RecipeError: There is no key column.
            DataError: The key column is neither integer nor text.
        """
        records = examples.to_pylist()
        hashed = records if self._key is None else self._keys(batch, self._key)
        total = len(self._split_of_bucket)
        for record, value in zip(records, hashed, strict=True):
            digest = hashlib.sha256(value).digest()
            yield self._split_of_bucket[int.from_bytes(digest, "big") % total], record

    def _keys(self, batch: pa.RecordBatch, key: str) -> list[bytes]:
        if key not in batch.schema.names:
            raise RecipeError(
                f"there is no column {key!r} to split by",
                where="data.key",
                hint=nearest(key, batch.schema.names),
            )
        column = batch.column(key)
        kind = column.type.value_type if pa.types.is_list(column.type) else column.type
        if pa.types.is_floating(kind):
            raise DataError(
                f"the rows cannot be split by column {key!r}: it holds fractional numbers",
                where="data.key",
                expected="integers or text",
                hint="choose another key, or give the column the type BYTES in a curated schema",
            )
        distinct = encoder.features(column).dictionary_encode()
        values = np.array([*distinct.dictionary.to_pylist(), b""], dtype=object)
        return list(values[np.asarray(distinct.indices.fill_null(len(values) - 1))])
