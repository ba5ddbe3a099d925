"""IMDB from small files that are laid out as Keras's.

Source of the layout: `keras/src/datasets/imdb.py`. The publisher's own files have not been
downloaded for this.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet
import pytest

from trainyard.components.example_gen import input_splits, reader
from trainyard.data import datasets, homes, imdb
from trainyard.errors import DataError
from trainyard.recipe_schema import Data

WORDS = {"the": 1, "film": 2, "été": 3, "bad": 4, "good": 5}
ARRAYS = {
    "x_train": [[1, 2, 5], [4, 1], [3] * 7],
    "y_train": [1, 0, 1],
    "x_test": [[2, 4], [5, 5, 2]],
    "y_test": [0, 1],
}


def originals(folder: Path, words: dict[str, int] = WORDS, **arrays) -> tuple[Path, Path]:
    """Writes what Keras's `load_data` and `get_word_index` read."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        name: np.array(values, dtype=object if name.startswith("x") else np.int64)
        for name, values in {**ARRAYS, **arrays}.items()
        if values is not None
    }
    np.savez(folder / "imdb.npz", **content)
    (folder / "imdb_word_index.json").write_text(json.dumps(words))
    return folder / "imdb.npz", folder / "imdb_word_index.json"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def register(monkeypatch, *files: Path) -> None:
    """Makes the small files the ones that are meant."""
    dataset = datasets.find("imdb")
    (file,) = dataset.files
    small = tuple(
        dataclasses.replace(original, digest=homes.digest(path, homes.kind_of(original.digest)))
        for original, path in zip(file.originals, files, strict=True)
    )
    changed = dataclasses.replace(file, originals=small)
    monkeypatch.setitem(datasets.DATASETS, "imdb", dataclasses.replace(dataset, files=(changed,)))


def test_the_reviews_are_kerass(home, monkeypatch):
    archive, index = originals(home / "imdb")
    register(monkeypatch, archive, index)
    folder = Path(datasets.fetch("imdb"))
    table = pyarrow.parquet.read_table(folder / "train/imdb.parquet")
    assert table.to_pydict() == {
        "text": ["the film good", "bad the", " ".join(["été"] * 7)],
        "label": ["pos", "neg", "pos"],
    }
    words = {number + 3: word for word, number in WORDS.items()}
    monkeypatch.setattr(keras.src.datasets.imdb, "get_file", lambda **_: str(archive))
    (texts, labels), (held_out, _) = keras.datasets.imdb.load_data(num_words=100)
    said = {" ".join(words[number] for number in text[1:]) for text in texts}
    assert said == set(table["text"].to_pylist())
    assert sorted(labels) == [0, 1, 1]
    assert len(held_out) == 2


def test_publishers_splits(home, monkeypatch):
    register(monkeypatch, *originals(home / "imdb"))
    data = Data(path=datasets.fetch("imdb"), **datasets.find("imdb").reading)
    assert sorted(input_splits.inputs(data).patterns) == ["test", "train"]
    files = input_splits.find(data)
    blocks = list(reader.blocks(data, files, reader.columns(data, files)))
    assert [len(block.batch) for block in blocks] == [3, 2]


def test_another_file_is_refused_unread(home, monkeypatch):
    originals(home / "imdb")
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(DataError, match="not the one that Trainyard knows"):
        datasets.fetch("imdb")


def test_another_index_is_refused(home, monkeypatch):
    archive, index = originals(home / "imdb")
    register(monkeypatch, archive, index)
    index.write_text("{}")
    with pytest.raises(DataError, match=r"(?s)imdb_word_index\.json.*expected: md5"):
        datasets.fetch("imdb")


@pytest.mark.parametrize(
    "changed",
    [{"x_train": [[1, 9]] * 3}, {"y_test": [0, 2]}, {"y_train": None}, {"words": {}}],
)
def test_another_layout(tmp_path, changed):
    files = originals(tmp_path / "in", **changed)
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="not the files of IMDB"):
        imdb.unpack(*files, tmp_path / "out")


def test_no_archive_at_all(tmp_path):
    _, index = originals(tmp_path)
    for content in (b"nothing", b""):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DataError, match="not the files of IMDB"):
            imdb.unpack(tmp_path / "a.npz", index, tmp_path)
