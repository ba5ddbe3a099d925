"""Images in rows: from folders, paths, bytes and pixels, to examples."""

from __future__ import annotations

import io
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
from PIL import Image
from pydantic import ValidationError
from tfx.types import standard_artifacts

from tests.components.example_gen.image_files import class_folders, write
from tests.components.example_gen.test_executor import execute, set_aside, splits
from tests.support.example_gen import quick_look
from trainyard import progress
from trainyard.components.example_gen import images, input_splits, quarantine, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.example_gen.executor import ENCODED_AGAIN, SET_ASIDE
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data, Label

LABEL = Label.model_validate("label")
SPLIT = {"train": 2, "eval": 1, "test": 1}


def generate(data: Data, out: Path) -> standard_artifacts.Examples:
    return execute(ExampleGen(data, {"label": LABEL}, "1"), out)


def rows(artifact: standard_artifacts.Examples) -> dict[str, list[dict]]:
    """All rows of each split, as plain values."""
    return {name: [_row(example) for example in some] for name, some in splits(artifact).items()}


def _row(example: tf.train.Example) -> dict:
    values = {}
    for name, feature in example.features.feature.items():
        (values[name],) = getattr(feature, feature.WhichOneof("kind")).value
    return values


def every(artifact: standard_artifacts.Examples) -> list[dict]:
    return [row for some in rows(artifact).values() for row in some]


def test_class_folders_with_a_val_folder(tmp_path):
    parts = {"train/ants": 40, "train/bees": 40, "val/ants": 7, "val/bees": 5}
    root = class_folders(tmp_path / "data", parts)
    (root / "train/ants/.DS_Store").write_text("x")
    (root / "train/bees/Thumbs.db").write_text("x")
    found = rows(generate(Data(path=str(root), format="folders"), tmp_path / "out"))
    assert {row["path"].split(b"/")[0] for row in found["train"] + found["eval"]} == {b"train"}
    assert {row["path"].split(b"/")[0] for row in found["test"]} == {b"val"}
    assert len(found["test"]) == 12
    assert len(found["train"]) + len(found["eval"]) == 80
    assert 0 < len(found["eval"]) < 25
    assert Counter(row["label"] for row in found["test"]) == {b"ants": 7, b"bees": 5}
    for row in found["test"]:
        assert row["image"] == (root / row["path"].decode()).read_bytes()
        assert row["path"].split(b"/")[1] == row["label"]
        assert row["image_bytes"] == len(row["image"])
        assert (row["image_height"], row["image_channels"]) == (8, 3)
        level = int(row["path"][-7:-4])
        assert row["image_brightness"] == pytest.approx(level / 255)
        assert row["image_contrast"] == 0


@pytest.mark.parametrize("part", ["", "/train"])
def test_the_newest_span(tmp_path, part):
    spans = {f"{span}{part}/{name}": span for span in (9, 10) for name in ("ants", "bees")}
    class_folders(tmp_path / "data", spans)
    data = Data(path=str(tmp_path / "data/{SPAN}"), format="folders", split=SPLIT)
    artifact = generate(data, tmp_path / "out")
    found = every(artifact)
    assert len(found) == 20
    assert {row["path"].decode()[:-8] for row in found} == {name for name in spans if "10" in name}
    for row in found:
        assert row["image"] == (tmp_path / "data" / row["path"].decode()).read_bytes()
    before = images.referenced(data)
    write(tmp_path / f"data/10{part}/ants/003.png", level=99, size=(20, 20))
    assert images.referenced(data) != before
    class_folders(tmp_path / "data", {f"11{part}/ants": 12, f"11{part}/bees": 12})
    assert {row["path"][:2] for row in every(generate(data, tmp_path / "again"))} == {b"11"}


def test_all_three_folders(tmp_path):
    root = class_folders(tmp_path / "data", {"train/a": 9, "val/a": 5, "test/a": 3})
    found = rows(generate(Data(path=str(root), format="folders"), tmp_path / "out"))
    assert {name: len(some) for name, some in found.items()} == {"train": 9, "eval": 5, "test": 3}


def test_folders_without_a_division_are_split_by_hash(tmp_path):
    root = class_folders(tmp_path / "data", {"a": 40, "b": 40})
    data = Data(path=str(root), format="folders", split=SPLIT)
    first, again = (rows(generate(data, tmp_path / name)) for name in ("1", "2"))
    assert first == again
    assert all(first.values())
    assert sum(map(len, first.values())) == 80


def test_a_folder_in_a_class_folder(tmp_path):
    root = class_folders(tmp_path / "data", {"a": 2, "b/c": 2, "b": 1})
    with pytest.raises(DataError, match="there is a folder in the folder of the class 'b'"):
        list(reader.blocks(*_read(Data(path=str(root), format="folders"))))


def _read(data: Data):
    files = input_splits.find(data)
    return data, files, reader.columns(data, files)


@pytest.fixture
def table(tmp_path) -> Path:
    """A CSV file with paths of images beside it."""
    names = [f"pictures/{i:02d}.png" for i in range(60)]
    for i, name in enumerate(names):
        write(tmp_path / name, level=i)
    lines = [f"{name},{i % 2},{i}" for i, name in enumerate(names)]
    (tmp_path / "table.csv").write_text("\n".join(["photo,label,age", *lines]) + "\n")
    return tmp_path / "table.csv"


def test_a_table_of_paths(table, tmp_path):
    data = Data(path=str(table), images={"source": "photo"}, split=SPLIT)
    for row in every(generate(data, tmp_path / "out")):
        assert row["photo"] == f"pictures/{row['age']:02d}.png".encode()
        assert row["image"] == (tmp_path / row["photo"].decode()).read_bytes()
        assert row["image_brightness"] == pytest.approx(row["age"] / 255)


def test_two_images_a_row(tmp_path):
    files = [write(tmp_path / f"{level}.png", level=level).name for level in range(61)]
    lines = [f"{one},{other},{i % 2}" for i, (one, other) in enumerate(pairwise(files))]
    (tmp_path / "table.csv").write_text("\n".join(["first,second,label", *lines]) + "\n")
    columns = [{"column": "left", "source": "first"}, {"column": "second"}]
    data = Data(path=str(tmp_path / "table.csv"), images=columns, split=SPLIT)
    found = every(generate(data, tmp_path / "out"))
    assert len(found) == 60
    for row in found:
        assert row["left"] == (tmp_path / row["first"].decode()).read_bytes()
        assert bytes(row["second"][:4]) == b"\x89PNG"
        steps = row["second_brightness"] - row["left_brightness"]
        assert steps == pytest.approx(1 / 255, abs=1e-6)
    (tmp_path / "7.png").write_bytes(b"no image")
    tolerant = data.model_copy(update={"on_bad_row": "quarantine"})
    assert len(every(generate(tolerant, tmp_path / "rest"))) == 58


def test_two_images_of_one_name_are_refused():
    for both in ([{}, {"max_pixels": 9}], [{"column": "a", "source": "x"}, {"source": "x"}]):
        with pytest.raises(ValidationError, match="a `column` and a `source` of its own"):
            Data(path="x", images=both)


def test_a_column_that_is_replaced(table, tmp_path):
    data = Data(path=str(table), images={"column": "photo"}, split=SPLIT)
    found = every(generate(data, tmp_path / "out"))
    assert {bytes(row["photo"][:4]) for row in found} == {b"\x89PNG"}
    assert "photo_width" in found[0]


def test_a_renamed_column(table, tmp_path):
    data = Data(path=str(table), images={}, columns={"image": "photo", "years": "age"}, split=SPLIT)
    found = every(generate(data, tmp_path / "out"))
    assert {row["years"] for row in found} == set(range(60))
    assert {bytes(row["image"][:4]) for row in found} == {b"\x89PNG"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"image": "foto"}, "did you mean 'photo'"), ({"age": "photo"}, "two columns .* 'age'")],
)
def test_a_column_that_cannot_be_renamed(table, columns, message):
    data = Data(path=str(table), columns=columns)
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        reader.columns(data, [table])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "foto"}, "did you mean 'photo'"),
        ({"column": "age", "source": "photo"}, "a column 'age'"),
        ({"source": "age"}, "holds numbers"),
        ({"source": "photo", "shape": (8, 12, 3)}, "no lists of numbers"),
    ],
)
def test_a_column_that_has_no_images(table, tmp_path, settings, message):
    data = Data(path=str(table), images=settings)
    with pytest.raises(RecipeError, match=message):
        quick_look(data, {"label": LABEL}, [table])
    with pytest.raises(RecipeError, match=message):
        generate(data, tmp_path / "out")


def png(level: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (5, 4), level).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_parquet_of_bytes(tmp_path, kind):
    content = [png(i) for i in range(50)]
    table = pa.table({"image": pa.array(content, kind), "label": list(range(50))})
    pa.parquet.write_table(table, tmp_path / "images.parquet")
    data = Data(path=str(tmp_path / "images.parquet"), format="parquet", images={}, split=SPLIT)
    assert reader.columns(*_read(data)[:2])["image"] is ColumnType.BYTES
    for row in every(generate(data, tmp_path / "out")):
        assert row["image"] == content[row["label"]]
        assert row["image_channels"] == 1


def test_parquet_of_paths(table, tmp_path):
    paths = [f"pictures/{i:02d}.png" for i in range(40)]
    pa.parquet.write_table(pa.table({"image": paths, "label": [1] * 40}), tmp_path / "p.parquet")
    data = Data(path=str(tmp_path / "p.parquet"), format="parquet", images={}, split=SPLIT)
    found = every(generate(data, tmp_path / "out"))
    assert {row["image"] for row in found} == {(tmp_path / path).read_bytes() for path in paths}


LISTS = {
    "uint8": pa.list_(pa.uint8()),
    "float": pa.list_(pa.float32()),
    "large": pa.large_list(pa.int64()),
    "fixed": pa.list_(pa.uint8(), 60),
}


@pytest.mark.parametrize("kind", LISTS)
def test_parquet_of_pixels(tmp_path, kind):
    pixels = np.random.default_rng(1).integers(0, 256, (50, 60))
    values = [list(each / 255) if kind == "float" else list(each) for each in pixels]
    table = pa.table({"image": pa.array(values, LISTS[kind]), "label": list(range(50))})
    pa.parquet.write_table(table, tmp_path / "p.parquet")
    settings = {"shape": (5, 4, 3)}
    data = Data(path=str(tmp_path / "p.parquet"), format="parquet", images=settings, split=SPLIT)
    for row in every(generate(data, tmp_path / "out")):
        seen = np.asarray(Image.open(io.BytesIO(row["image"])))
        np.testing.assert_array_equal(seen.ravel(), pixels[row["label"]])


def tfrecord(file: Path, values: list, make) -> Path:
    with tf.io.TFRecordWriter(str(file)) as writer:
        for i, value in enumerate(values):
            label = tf.train.Feature(int64_list=tf.train.Int64List(value=[i]))
            example = tf.train.Example(
                features=tf.train.Features(feature={"raw": make(value), "class": label})
            )
            writer.write(example.SerializeToString())
    return file


def test_tfrecord_of_bytes(tmp_path):
    content = [png(i) for i in range(50)]
    file = tfrecord(
        tmp_path / "i.tfrecord",
        content,
        lambda value: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])),
    )
    columns = {"image": "raw", "label": "class"}
    data = Data(path=str(file), format="tfrecord", images={}, columns=columns, split=SPLIT)
    for row in every(generate(data, tmp_path / "out")):
        assert row["image"] == content[row["label"]]


def test_tfrecord_of_pixels_with_a_range(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (50, 20))
    file = tfrecord(
        tmp_path / "i.tfrecord",
        list(pixels / 255 - 0.5),
        lambda value: tf.train.Feature(float_list=tf.train.FloatList(value=value)),
    )
    columns = {"image": "raw", "label": "class"}
    settings = {"shape": (4, 5, 1), "range": (-0.5, 0.5)}
    data = Data(path=str(file), format="tfrecord", images=settings, columns=columns, split=SPLIT)
    for row in every(generate(data, tmp_path / "out")):
        seen = np.asarray(Image.open(io.BytesIO(row["image"])))
        np.testing.assert_array_equal(seen.ravel(), pixels[row["label"]])
    without = data.model_copy(
        update={"images": (data.images[0].model_copy(update={"range": None}),)}
    )
    with pytest.raises(DataError, match=r"(?s)darker than black.*data\.images\.range"):
        generate(without, tmp_path / "none")
    other = data.model_copy(
        update={"images": (data.images[0].model_copy(update={"shape": (4, 4, 1)}),)}
    )
    with pytest.raises(DataError, match="20 numbers instead of 4 x 4 x 1"):
        generate(other, tmp_path / "none")


# What cannot be used.


def spoil(table: Path) -> None:
    (table.parent / "pictures/03.png").write_bytes(b"no image")
    (table.parent / "pictures/07.png").unlink()
    whole = (table.parent / "pictures/55.png").read_bytes()
    (table.parent / "pictures/55.png").write_bytes(whole[:-20])


def test_the_first_bad_image_is_named(table, tmp_path):
    spoil(table)
    data = Data(path=str(table), images={"source": "photo"})
    with pytest.raises(DataError, match=r"not an image(?s:.*)quarantine") as caught:
        generate(data, tmp_path / "out")
    assert caught.value.where == f"{tmp_path}/pictures/03.png ({table}, row 4)"


def test_in_a_folder_the_file_is_named(tmp_path):
    root = class_folders(tmp_path / "data", {"train/a": 5, "train/b": 5, "val/a": 5})
    (root / "val/a/002.png").write_bytes(b"GIF89a")
    with pytest.raises(DataError) as caught:
        generate(Data(path=str(root), format="folders"), tmp_path / "out")
    assert caught.value.where == str(root / "val/a/002.png")


def test_bad_images_are_set_aside(table, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_MOST_ROWS", 10)
    spoil(table)
    with table.open("a") as stream:
        stream.write("pictures/01.png,1\n,1,70\nhttps://example.org/a.png,1,71\n")
    settings = {"images": {"source": "photo"}, "on_bad_row": "quarantine", "split": SPLIT}
    artifact = generate(Data(path=str(table), **settings), tmp_path / "out")
    assert {row["age"] for row in every(artifact)} == set(range(60)) - {3, 7, 55}
    found = set_aside(artifact)
    assert [each["row"] for each in found] == [4, 8, 56, 61, 62, 63]
    assert [each["reason"] for each in found] == [
        "this is not an image that can be read",
        "the image's file cannot be read",
        "the image is damaged or not whole",
        "wrong number of fields",
        "the row has no image",
        "the path is an address",
    ]
    assert found[0]["text"] == "photo='pictures/03.png', label=1, age=3"
    assert quarantine.read(tmp_path / "out").bad == 6
    assert artifact.get_int_custom_property(SET_ASIDE) == 6


def test_a_class_of_which_no_image_can_be_used(tmp_path):
    root = class_folders(tmp_path / "data", {"a": 60, "b": 3, "c": 60})
    for file in (root / "b").iterdir():
        file.write_bytes(b"")
    data = Data(path=str(root), format="folders", on_bad_row="quarantine", split=SPLIT)
    artifact = generate(data, tmp_path / "out")
    assert Counter(row["label"] for row in every(artifact)) == {b"a": 60, b"c": 60}
    assert [each["row"] for each in set_aside(artifact)] == [1, 2, 3]
    with pytest.raises(DataError, match=r"too many bad rows: 3 of 123 rows.*image is empty"):
        generate(data.model_copy(update={"max_bad_share": 0.01}), tmp_path / "again")


def test_what_is_encoded_again_is_counted(tmp_path):
    root = class_folders(tmp_path / "data", {"a": 30, "b": 30})
    write(root / "a/x.bmp")
    write(root / "b/y.bmp")
    data = Data(path=str(root), format="folders", split=SPLIT)
    said: list[str] = []
    with progress.listening(lambda text, _: said.append(text)):
        artifact = generate(data, tmp_path / "out")
    assert artifact.get_string_custom_property(ENCODED_AGAIN) == '{"BMP": 2}'
    assert said[-1] == "62 rows, 2 images encoded again"
    assert len(every(artifact)) == 62


def test_preflight_looks_at_the_first_images(table):
    data = Data(path=str(table), images={"source": "photo"})
    kinds = quick_look(data, {"label": LABEL}, [table])
    assert kinds["image"] is ColumnType.BYTES
    assert kinds["image_width"] is ColumnType.INTEGER
    assert kinds["image_contrast"] is ColumnType.FLOAT
    (table.parent / "pictures/03.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="not an image"):
        quick_look(data, {"label": LABEL}, [table])


# Memory, and the cache.


def test_portions_are_bounded_whatever_the_block(table, monkeypatch):
    monkeypatch.setattr(images, "PORTION_BYTES", 1000)
    data, files, types = _read(Data(path=str(table), images={"source": "photo"}))
    (block,) = reader.blocks(data, files, types)
    portions = list(images.blocks(data, [block]))
    sizes = [
        [(table.parent / name).stat().st_size for name in each.batch["photo"].to_pylist()]
        for each in portions
    ]
    assert sum(map(len, sizes)) == 60
    assert all(sum(some) <= 1000 or len(some) == 1 for some in sizes)
    assert len(portions) < 30
    assert [each.numbers[0] for each in portions] == list(np.cumsum([1, *map(len, sizes[:-1])]))
    monkeypatch.setattr(images, "PORTION_BYTES", 1)
    assert len(list(images.blocks(data, [block]))) == 60


def test_a_cut_keeps_the_rows_numbers():
    bad = tuple(quarantine.BadRow(row, "r", "d", "t") for row in (1, 4, 9))
    batch = pa.RecordBatch.from_pydict({"row": [2, 3, 5, 6, 7, 8, 10]})
    block = reader.Block(batch, Path("f"), np.array(batch["row"]), 0.5, bad)
    parts = list(block.cut([0, 2, 3, 6]))
    assert [part.numbers.tolist() for part in parts] == [
        part.batch["row"].to_pylist() for part in parts
    ]
    assert [[row.row for row in part.bad] for part in parts] == [[1, 4], [], [9], []]


def test_the_cache_sees_the_images(table):
    data = Data(path=str(table), images={"source": "photo"})
    first = images.referenced(data)
    assert images.referenced(data) == first
    write(table.parent / "pictures/09.png", level=200, size=(30, 30))
    second = images.referenced(data)
    assert second != first
    (table.parent / "pictures/09.png").unlink()
    assert images.referenced(data) not in (first, second)
    assert ExampleGen(data, {"label": LABEL}, "1").exec_properties["custom_config"]
    assert images.referenced(Data(path=str(table))) == ""


def test_the_cache_sees_a_renamed_class(tmp_path):
    root = class_folders(tmp_path, {"a": 3, "b": 3})
    data = Data(path=str(root), format="folders")
    first = images.referenced(data)
    (root / "b").rename(root / "c")
    assert images.referenced(data) != first
