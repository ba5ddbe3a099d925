"""The film reviews of IMDB as Keras keeps them: numbers of words, and an index of the words.

Source: `keras/src/datasets/imdb.py`. A word's number is its place by frequency,
from 1; only `load_data` of Keras shifts it.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

from trainyard.errors import DataError

_LABELS = ("neg", "pos")
_SPLITS = ("train", "test")
_ROWS = 5_000


def unpack(archive: Path, index: Path, folder: Path) -> None:
    """Writes Parquet files, `train/` and `test/`, with `text` and `label`.

    Pickles can run any code: the archive must have been verified.

    Args:
        archive: The publisher's `imdb.npz`: `x_train`, `y_train`, `x_test`, `y_test`.
        index: The publisher's `imdb_word_index.json`: every word's number.
        folder: Where to.

    Raises:
        DataError: They are laid out in another way.
    """
    import numpy as np

    try:
        words = {number: word for word, number in json.loads(index.read_text("utf-8")).items()}
        with np.load(archive, allow_pickle=True) as arrays:
            for split in _SPLITS:
                (folder / split).mkdir(exist_ok=True)
                file = folder / split / "imdb.parquet"
                _write(file, arrays[f"x_{split}"], arrays[f"y_{split}"], words)
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        LookupError,
        ValueError,
        EOFError,
        AttributeError,
    ) as error:
        raise DataError(
            f"these are not the files of IMDB: {error!r}",
            where=str(archive),
            expected="x_train, y_train, x_test and y_test; numbers of words in "
            f"{index.name}; labels 0 and 1",
        ) from None


def _write(file: Path, reviews: Any, labels: Any, words: dict[int, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    schema = pa.schema({"text": pa.string(), "label": pa.string()})
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for start in range(0, len(reviews), _ROWS):
            some = slice(start, start + _ROWS)
            texts = [" ".join(words[number] for number in review) for review in reviews[some]]
            names = [_LABELS[label] for label in labels[some]]
            writer.write_table(pa.table([pa.array(texts), pa.array(names)], schema))
