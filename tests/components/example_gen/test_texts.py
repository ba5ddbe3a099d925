"""Columns of text are checked and measured."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import tensorflow as tf

from tests.components.example_gen.test_executor import execute, splits
from trainyard.components.example_gen import quarantine, reader, texts
from trainyard.components.example_gen.component import ExampleGen
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data, Label, Recipe

LABEL = Label.model_validate("stars")


def table(folder: Path, *rows: str) -> Path:
    file = folder / "rows.csv"
    file.write_text("\n".join(["review,stars", *rows]) + "\n", "utf-8")
    return file


def made(file: Path, **options) -> reader.Block:
    data = Data(path=str(file), **{"texts": ("review",), **options})
    types = reader.columns(data, [file])
    texts.columns(data, types)
    (block,) = reader.blocks(data, [file], types)
    return texts.append(data, block)


def test_measures(tmp_path):
    file = table(tmp_path, '"a  b, c",1', "été,2", '" x\u3000y ",3', "7,4")
    assert made(file).batch.to_pydict() == {
        "review": ["a  b, c", "été", " x\u3000y ", "7"],
        "stars": [1, 2, 3, 4],
        "review_characters": [7, 3, 5, 1],
        "review_words": [3, 1, 2, 1],
    }


def test_numbers_in_a_column_of_text_are_text(tmp_path):
    assert made(table(tmp_path, "007,1", "12,2")).batch["review"].to_pylist() == ["007", "12"]


@pytest.mark.parametrize("row", [",2", '"",2', '"  ",2', "NA,2"])
def test_an_empty_text(tmp_path, row):
    file = table(tmp_path, "good,1", row, "bad,3")
    with pytest.raises(DataError, match=r"rows\.csv, row 2: the text in column 'review' is empty"):
        made(file)
    kept = made(file, empty_texts="keep")
    assert kept.batch["review_words"].to_pylist() == [1, 0, 1]
    assert None not in kept.batch["review"].to_pylist()
    aside = made(file, on_bad_row="quarantine")
    assert aside.batch["stars"].to_pylist() == [1, 3]
    assert aside.numbers.tolist() == [1, 3]
    assert [(bad.row, bad.reason) for bad in aside.bad] == [
        (2, "the text in column 'review' is empty")
    ]


def test_a_text_that_is_too_long(tmp_path):
    file = table(tmp_path, "éé,1", "ééé,2")
    with pytest.raises(DataError, match=r"(?s)row 2: .*is too long.*1 to 2 characters.*: 3"):
        made(file, max_characters=2)
    assert made(file, max_characters=3).batch["review_characters"].to_pylist() == [2, 3]


def test_pairs_with_one_side_missing(tmp_path):
    for language, lines in {"en": "go\nrun\n", "fr": "va\n\n"}.items():
        (tmp_path / f"pairs.{language}").write_text(lines)
    data = Data(path=str(tmp_path / "pairs.*"), format="parallel", texts=("en", "fr"))
    component = ExampleGen(data, {"label": Label(name="label", expression="fr")}, "1")
    with pytest.raises(DataError, match="row 2: the text in column 'fr' is empty"):
        execute(component, tmp_path / "out")


def test_no_such_column(tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'review'"):
        made(table(tmp_path, "good,1"), texts=("reviews",))


def test_a_name_that_is_taken(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("review,review_words\ngood,1\n")
    with pytest.raises(RecipeError, match="bring a column 'review_words'"):
        made(file)


def test_tf_examples(tmp_path):
    file = tmp_path / "rows.tfrecord"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for value in ([b"go on"], ["été".encode()], [b"\xff"], []):
            feature = {"review": tf.train.Feature(bytes_list=tf.train.BytesList(value=value))}
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    with pytest.raises(DataError, match="row 3: the text in column 'review' is not UTF-8"):
        made(file, format="tfrecord")
    found = made(file, format="tfrecord", on_bad_row="quarantine")
    assert found.batch["review_characters"].to_pylist() == [5, 3]
    assert [bad.row for bad in found.bad] == [3, 4]


def test_parquet(tmp_path):
    file = tmp_path / "rows.parquet"
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"review": ["go on", "x"], "stars": [1, 2]}), file)
    assert made(file, format="parquet").batch["review_words"].to_pylist() == [2, 1]


def test_all_that_is_written(tmp_path):
    rows = [f"so good {'!' * (i % 50)},{i % 2}" for i in range(200)]
    file = table(tmp_path, *rows, ",1")
    data = Data(path=str(file), texts=("review",), on_bad_row="quarantine")
    artifact = execute(ExampleGen(data, {"label": LABEL}, "1"), tmp_path / "out")
    found = [e.features.feature for examples in splits(artifact).values() for e in examples]
    assert len(found) == 200
    assert {e["review_characters"].int64_list.value[0] for e in found} == set(range(8, 58))
    summary = quarantine.read(tmp_path / "out")
    assert summary
    assert summary.reasons == {"the text in column 'review' is empty": 1}


def test_lines_bring_their_text_into_the_recipe():
    recipe = Recipe.model_validate(
        {
            "name": "r",
            "data": {"path": "x", "format": "lines"},
            "label": "label",
            "task": "binary",
        }
    )
    assert recipe.data.text_columns == ("text",)
    kinds = {name: feature.kind for name, feature in recipe.features.items()}
    assert kinds == {"text_characters": "ignored", "text_words": "ignored"}
