"""Which split a row belongs to: a hash decides, exactly as in stock TFX.

Source: `tfx/components/example_gen/base_example_gen_executor.py`, `_PartitionFn`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.records import encoder
from trainyard.errors import DataError, RecipeError, nearest

_DIGITS = 8  # a SHA-256 digest in base 2^32


class Splitter:
    """Assigns rows to splits.

    Args:
        names: All splits.
        buckets: Hash buckets for each of those that these rows may fall into, in order.
        key: The column whose value decides, or None: the whole row does.
    """

    def __init__(self, names: Sequence[str], buckets: Mapping[str, int], key: str | None) -> None:
        self.names = list(names)
        places = [self.names.index(name) for name in buckets]
        self._split_of_bucket = np.repeat(places, list(buckets.values()))
        self._key = key

    def assign(self, batch: pa.RecordBatch, records: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """Returns the place in `names` of every row's split, shape `(n,)`.

        Rows with a missing key have one key in common.

        Args:
            batch: The columns, shape `(n,)` each.
            records: The same rows as `encoder.encode` serialized them.

        Raises:
            RecipeError: There is no key column.
            DataError: The key column is neither integer nor text.
        """
        hashed = records if self._key is None else self._keys(batch, self._key)
        digests = b"".join([hashlib.sha256(value).digest() for value in hashed])
        remainder = np.zeros(len(batch), np.uint64)
        for digit in np.frombuffer(digests, ">u4").reshape(-1, _DIGITS).T:
            remainder = (remainder << np.uint64(32) | digit) % np.uint64(len(self._split_of_bucket))
        return self._split_of_bucket[remainder.astype(np.int64)]

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
        return encoder.each(pc.fill_null(encoder.features(column), b""))
