"""A long text in windows."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.components.example_gen.test_executor import execute, splits
from trainyard.components.example_gen import left_out, reader, text_files, windows
from trainyard.components.example_gen.component import ExampleGen
from trainyard.errors import DataError
from trainyard.recipe_schema import Data, Label

TEXT = "".join(chr(97 + i % 26) if i % 7 else "é\n"[i % 2] for i in range(1000))


def read(file: Path, **options) -> list[tuple[int, str]]:
    data = Data(path=str(file), format="text", **options)
    types = reader.columns(data, [file])
    return [
        (row["position"], row["text"])
        for block in reader.blocks(data, [file], types)
        for row in block.batch.to_pylist()
    ]


@pytest.mark.parametrize("block_bytes", [1, 5, 64, 1 << 20])
@pytest.mark.parametrize(("length", "stride"), [(10, None), (10, 3), (10, 25), (1000, 1), (7, 7)])
def test_windows_are_slices(tmp_path, monkeypatch, block_bytes, length, stride):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(windows, "BLOCK_CHARACTERS", 50)
    file = tmp_path / "long.txt"
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    step = stride or length
    assert read(file, windows={"length": length, "stride": stride}) == [
        (at, TEXT[at : at + length]) for at in range(0, len(TEXT) - length + 1, step)
    ]


@pytest.mark.parametrize("content", ["", "short", "four\r\n"])
def test_a_text_that_is_shorter_than_a_window(tmp_path, content):
    file = tmp_path / "long.txt"
    file.write_text(content)
    with pytest.raises(DataError, match=r"(?s)long\.txt: the text is shorter.*at least 10 char"):
        read(file, windows={"length": 10})


def test_a_wrong_byte(tmp_path):
    file = tmp_path / "long.txt"
    file.write_bytes(b"one\ntwo\nthr\xffe\n")
    with pytest.raises(DataError, match=r"(?s)long\.txt, line 3: .*byte 0xff"):
        read(file, windows={"length": 10})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "text"}, "needs them"),
        ({"windows": {"length": 3}}, "belong to the format `text`"),
        (
            {"format": "text", "windows": {"length": 3, "stride": 1}, "split": {"in_order": False}},
            "must be split `in_order`",
        ),
        (
            {"format": "text", "windows": {"length": 3}, "split": {"in_order": "time"}},
            "by their place",
        ),
    ],
)
def test_recipes_that_make_no_sense(options, said):
    with pytest.raises(ValidationError, match=said):
        Data(path="x", **options)


def test_no_character_is_in_two_splits(tmp_path):
    file = tmp_path / "long.txt"
    file.write_text("".join(map(chr, range(0x100, 0x100 + 2000))), "utf-8")  # each but once
    data = Data(path=str(file), format="text", windows={"length": 50, "stride": 20})
    label = Label(name="continuation", expression="text")
    artifact = execute(ExampleGen(data, {"label": label}, "1"), tmp_path / "out")
    found = splits(artifact)
    seen = {
        name: {c for e in examples for c in e.features.feature["text"].bytes_list.value[0].decode()}
        for name, examples in found.items()
    }
    assert all(not (a & b) for a, b in itertools.combinations(seen.values(), 2))
    places = {
        name: [e.features.feature["position"].int64_list.value[0] for e in examples]
        for name, examples in found.items()
    }
    assert max(places["train"]) < min(places["eval"]) <= max(places["eval"]) < min(places["test"])
    every = set(range(0, 1951, 20))
    kept = {place for some in places.values() for place in some}
    crossing = {p for p in every if any(p < border <= p + 49 for border in (1600, 1800))}
    assert every - kept == crossing
    assert f'"{left_out.IN_ORDER}": {len(crossing)}' in artifact.get_string_custom_property(
        left_out.PROPERTY
    )
