"""A file a class, and files that are parallel."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from trainyard.components.example_gen import input_splits, line_files, reader, text_files
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data
from trainyard.wording import counted


def written(folder: Path, **contents: str | bytes) -> str:
    """Writes files `reviews.NAME`, and returns the pattern for them."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in contents.items():
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / f"reviews.{name}").write_bytes(raw)
    return str(folder / "reviews.*")


def blocks(path: str, format: str = "lines", **options) -> list[reader.Block]:
    data = Data(path=path, format=format, **options)
    files = input_splits.find(data)
    return list(reader.blocks(data, files, reader.columns(data, files)))


def read(path: str, format: str = "lines", **options) -> list[dict]:
    tables = [pa.Table.from_batches([each.batch]) for each in blocks(path, format, **options)]
    return pa.concat_tables(tables).to_pylist()


def failure(path: str, format: str = "lines", **options) -> str:
    with pytest.raises(DataError) as caught:
        read(path, format, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/rt-polarity.pos", "a/rt-polarity.neg"], ["pos", "neg"]),
        (["a/pos.txt", "a/neg.txt", "b/pos.txt"], ["pos", "neg", "pos"]),
        (["positive.txt.gz", "negative.txt.gz"], ["positive", "negative"]),
        (["texts.txt", "labels.txt"], ["texts", "labels"]),
        (["train.en.tok", "train.fr.tok"], ["en", "fr"]),
        (["a", "a.b"], ["a", "a.b"]),
        (["one"], [""]),
        (["x/one", "y/one"], ["", ""]),
    ],
)
def test_what_tells_names_apart(names, expected):
    assert list(line_files.parts([Path(name) for name in names]).values()) == expected


def test_each_file_is_a_class(tmp_path):
    path = written(tmp_path, pos='good\nso "good", 1\r\nfine', neg="bad\n7\n")
    assert read(path) == [
        {"text": "bad", "label": "neg"},
        {"text": "7", "label": "neg"},
        {"text": "good", "label": "pos"},
        {"text": 'so "good", 1', "label": "pos"},
        {"text": "fine", "label": "pos"},
    ]


def test_a_single_file_has_no_label(tmp_path):
    written(tmp_path, pos="good\n")
    assert read(str(tmp_path / "reviews.pos")) == [{"text": "good"}]


def test_names_of_the_recipe(tmp_path):
    path = written(tmp_path, pos="good\n", neg="bad\n")
    data = Data(path=path, format="lines", columns={"review": "text", "verdict": "label"})
    assert data.text_columns == ("review",)
    assert read(path, columns={"review": "text"})[0] == {"review": "bad", "label": "neg"}


def test_folders_of_the_publisher(tmp_path):
    for part in ("train", "val"):
        written(tmp_path / part, pos="good\n", neg="bad\n")
    assert [row["label"] for row in read(str(tmp_path))] == ["neg", "pos"] * 2


@pytest.mark.parametrize("block_bytes", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "utf-8-sig"])
def test_blocks_cut_lines_anywhere(tmp_path, monkeypatch, block_bytes, encoding):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    lines = ["œuvre" if "8" in encoding else "Öl", "", "x\x85y\x0b", "z"]
    raw = "\r\n".join(lines).encode(encoding)
    path = written(tmp_path, pos=raw)
    (tmp_path / "reviews.neg.gz").write_bytes(gzip.compress(raw))
    found = blocks(path, encoding=encoding)
    assert [text for b in found for text in b.batch["text"].to_pylist()] == lines * 2
    assert [number for b in found for number in b.numbers] == [1, 2, 3, 4] * 2
    assert found[-1].fraction == 1


def test_a_byte_that_does_not_decode(tmp_path):
    path = written(tmp_path, neg="bad\n", pos="fine\né\n".encode() + b"caf\xe9 au lait\nx\n")
    said = failure(path)
    assert "reviews.pos, line 3: the file is not utf-8 text" in said
    assert "byte 0xe9 in 'caf\N{REPLACEMENT CHARACTER} au lait'" in said
    assert "latin-1" in said
    good, bad = blocks(path, on_bad_row="quarantine")[1], []
    bad = [(row.row, row.reason, row.text) for row in good.bad]
    assert good.batch["text"].to_pylist() == ["fine", "é", "x"]
    assert good.numbers.tolist() == [1, 2, 4]
    assert bad == [(3, "not utf-8 text", "caf\udce9 au lait")]


def test_bytes_that_no_character_stands_for(tmp_path):
    path = written(tmp_path, neg="a\nb\n".encode("utf-16-le") + b"\x00\xd8\x00", pos="x")
    assert "reviews.neg, in or after line 3" in failure(path, encoding="utf-16-le")


def test_an_unknown_encoding(tmp_path):
    with pytest.raises(RecipeError, match="no text encoding named 'latin-one'"):
        read(written(tmp_path, pos="x"), encoding="latin-one")


def test_not_gzip(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"plain")
    assert "not whole gzip data" in failure(str(tmp_path / "a.gz"))


def test_no_line_at_all(tmp_path):
    assert "there are no rows" in failure(written(tmp_path, pos="", neg=""))


def test_a_line_without_an_end_takes_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 1000)
    path = written(tmp_path, pos="a\n" + "x" * 50_000 + "\nb\n", neg="c\n")
    texts = [row["text"] for row in read(path, max_characters=100)]
    assert [len(text) if len(text) < 100 else "long" for text in texts] == [1, 1, "long", 1]
    assert max(map(len, texts)) < 1200


def test_parallel_files(tmp_path):
    path = written(tmp_path, en="go\n\nrun\n", fr="va\nsalut\ncours", score="1\n2\n\n")
    assert read(path, "parallel") == [
        {"en": "go", "fr": "va", "score": 1},
        {"en": None, "fr": "salut", "score": 2},
        {"en": "run", "fr": "cours", "score": None},
    ]
    data = Data(path=path, format="parallel", texts=("score",))
    assert reader.columns(data, input_splits.find(data))["score"] is ColumnType.TEXT


def test_parallel_files_in_folders_of_the_publisher(tmp_path):
    for part in ("train", "test"):
        written(tmp_path / part, en=f"{part} 1\n{part} 2\n", fr="va\nva")
    assert [row["en"] for row in read(str(tmp_path), "parallel")] == [
        "train 1",
        "train 2",
        "test 1",
        "test 2",
    ]


@pytest.mark.parametrize("many", [1, line_files.BLOCK_ROWS + 3])
def test_a_label_file_that_is_too_short(tmp_path, many):
    path = written(tmp_path, text="x\n" * (many + 2), label="1\n" * many)
    said = failure(path, "parallel")
    assert f"reviews.label, line {many}: the file ends after {counted(many, 'line')}, but" in said
    assert "reviews.label, reviews.text" in said


def test_nothing_parallel(tmp_path):
    written(tmp_path, en="go\n")
    assert "no file parallel to this one" in failure(str(tmp_path / "reviews.en"), "parallel")
