"""The classes that a label divides the rows into."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen.reader import Block
from trainyard.raw_values import canonical_text


def of(block: Block, label: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Returns the classes that a block has, as canonical text, and the class of every row.

    Args:
        block: The rows.
        label: The column; of a list the first value counts. A missing one is the class of the
            empty text.

    Returns:
        Names, and the place of each row's among them, `(n,)`.
    """
    if label not in block.batch.schema.names:  # no tf.Example of the block has it
        return [""], np.zeros(len(block.batch), np.int64)
    encoded = _firsts(block.batch.column(label)).dictionary_encode()
    texts = ["", *map(canonical_text, encoded.dictionary.to_pylist())]
    names = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    places = np.array([names[text] for text in texts])
    return list(names), places[np.asarray(encoded.indices.fill_null(-1)) + 1]


def _firsts(column: pa.Array) -> pa.Array:
    if not pa.types.is_list(column.type):
        return column
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    starts = np.cumsum(lengths) - lengths
    firsts = pa.array(starts, mask=lengths == 0)
    return pc.list_flatten(column).take(firsts)
