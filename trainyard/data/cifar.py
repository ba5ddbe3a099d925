"""CIFAR-10 as its publisher has it: pickled batches in a tar file.

Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Dataset layout".
"""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path
from typing import Any

from trainyard.data import encoded
from trainyard.errors import DataError
from trainyard.files import write_whole

_FOLDER = "cifar-10-batches-py"
_SPLITS = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}


def unpack(archive: Path, folder: Path) -> None:
    """Writes Parquet files of PNG images, `train/` and `test/`, with `image` and `label`.

    Pickles can run any code: the archive must have been verified.

    Args:
        archive: The publisher's tar file.
        folder: Where to.

    Raises:
        DataError: It is laid out in another way.
    """
    try:
        with tarfile.open(archive) as tar:
            names = _member(tar, "batches.meta")[b"label_names"]
            for split, batches in _SPLITS.items():
                for batch in batches:
                    (folder / split).mkdir(exist_ok=True)
                    file = folder / split / f"{batch}.parquet"
                    write_whole(file, _table(_member(tar, batch), names))
    except (tarfile.TarError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            f"this is not the archive of CIFAR-10: {error}",
            where=str(archive),
            expected=f"a tar file with {_FOLDER}/data_batch_1 to 5, test_batch and batches.meta",
        ) from None


def _member(tar: tarfile.TarFile, name: str) -> Any:
    stream = tar.extractfile(f"{_FOLDER}/{name}")
    if stream is None:
        raise ValueError(f"{name} is not a file")
    return pickle.load(stream, encoding="bytes")


def _table(batch: Any, names: list[bytes]) -> bytes:
    # A row is the red plane, then green, then blue.
    pixels = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (N, 32, 32, 3)
    return encoded.table(
        {"image": pixels}, {"label": [names[i].decode() for i in batch[b"labels"]]}
    )
