"""Starter recipes for tables that nobody made for this project."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from trainyard.components.example_gen import reader
from trainyard.errors import DataError, RecipeError
from trainyard.pipeline.starter import Starter, new_recipe, sampling
from trainyard.recipe_schema import Recipe

ROWS = 400
RANDOM = np.random.default_rng(5)
NOISE = RANDOM.normal(size=ROWS)


def table(**columns: Any) -> pd.DataFrame:
    """A frame with one honest numeric input beside the given columns."""
    return pd.DataFrame({"size": np.round(NOISE, 3), **columns})


def starter_for(folder: Path, frame: pd.DataFrame, label: str, **options: Any) -> Starter:
    file = folder / "table.csv"
    frame.to_csv(file, index=False, **options)
    return new_recipe(folder / "starter.yaml", file, label)


def loaded(starter: Starter) -> Recipe:
    return Recipe.model_validate(YAML(typ="safe").load(starter.path.read_text("utf-8")))


def readable_columns(recipe: Recipe, folder: Path) -> list[str]:
    data = recipe.data.model_copy(update={"path": str(folder / recipe.data.path)})
    return list(reader.columns(data, reader.find(data.path)))


@pytest.mark.parametrize(
    ("values", "task", "positive"),
    [
        (["no", "no", "yes"], "binary", "yes"),
        (["yes", "yes", "no"], "binary", "yes"),
        (["ok", "ok", "odd"], "binary", "odd"),
        (["ok", "odd", "odd"], "binary", "odd"),
        ([0, 1, 0], "binary", None),
        ([1, 2, 1], "binary", "2"),
        ([1, 2, 2], "binary", "1"),
        ([-1, 1, 1], "binary", "1"),
        ([0.5, 2.0, 2.0], "binary", "0.5"),
        (["stays", "stays", "churns"], "binary", "churns"),
        (["it's", "no", "no"], "binary", "it's"),
        (["`a`: #1", "b", "b"], "binary", "`a`: #1"),
        (["2026-11-28", "2026-11-29", "2026-11-29"], "binary", "2026-11-28"),
        ([1, 2, 3, 4, 5, 6, 7], "multiclass", None),
        ([0.5, 1.0, 1.5], "multiclass", None),
        (["red", "green", "blue"], "multiclass", None),
    ],
)
def test_task_and_label_follow_the_values(
    tmp_path: Path, values: Sequence[Any], task: str, positive: str | None
) -> None:
    frame = table(answer=np.resize(np.array(values, dtype=object), ROWS))

    starter = starter_for(tmp_path, frame, "answer")

    recipe = loaded(starter)
    assert (recipe.task, recipe.label.positive) == (task, positive)
    assert recipe.label.is_column
    guessed = [text for text in starter.warnings if "positive class" in text]
    assert len(guessed) == (positive is not None)
    assert all(repr(positive) in text and "label.positive" in text for text in guessed)


def test_many_numbers_are_a_regression_with_the_medians_error_as_bound(tmp_path: Path) -> None:
    frame = table(price=np.arange(ROWS) * 2.5)

    recipe = loaded(starter_for(tmp_path, frame, "price"))

    error = np.abs(frame.price - frame.price.median()).mean()
    assert recipe.task == "regression"
    assert recipe.evaluation.thresholds[0].max == pytest.approx(error, rel=0.005)


def test_multiclass_bound_is_not_met_by_the_most_frequent_class(tmp_path: Path) -> None:
    frame = table(kind=np.resize(["a", "a", "b", "c"], ROWS))

    recipe = loaded(starter_for(tmp_path, frame, "kind"))

    (bound,) = recipe.evaluation.thresholds
    assert bound.metric == "accuracy"
    assert 0.5 < bound.min < 0.51


COLUMNS: dict[str, tuple[Any, str]] = {
    "size": (NOISE, "numeric"),
    "empty": ([None] * ROWS, "ignored"),
    "constant": (["x"] * ROWS, "ignored"),
    "customer_id": (RANDOM.permutation(ROWS) + 10_000, "ignored"),
    "customerID": ([f"C{i:05}" for i in range(ROWS)], "ignored"),
    "counter": (np.arange(ROWS), "ignored"),
    "day": (pd.date_range("2020-01-01", periods=ROWS).strftime("%d.%m.%Y"), "ignored"),
    "started_at": (1_600_000_000 + RANDOM.integers(0, 1e6, ROWS), "ignored"),
    "remark": ([f"the driver was {i} minutes late again" for i in range(ROWS)], "text"),
    "name": ([f"Smith, Mr. J{i}" for i in range(ROWS)], "ignored"),
    "colour": (np.resize(["red", "green"], ROWS), "categorical"),
    "code": (np.resize([3, 1, 4, 1, 5], ROWS), "categorical"),
    "flag": (RANDOM.integers(0, 2, ROWS), "numeric"),
    "tract": (RANDOM.integers(17_031_000_000, 17_031_000_050, ROWS), "categorical"),
    "income": (np.round(np.exp(RANDOM.normal(0, 2.5, ROWS)), 2), "bucketized"),
    "nearly": ([str(i) if i % 9 else "many" for i in range(ROWS)], "ignored"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_kind_of_a_column(tmp_path: Path, name: str) -> None:
    values, kind = COLUMNS[name]
    frame = table(**{name: values, "answer": np.resize([0, 1, 1, 0, 1, 0, 0], ROWS)})

    recipe = loaded(starter_for(tmp_path, frame, "answer"))

    assert recipe.features[name].kind == kind


def remarks(end: str) -> list[str]:
    return [f"the driver was {i} minutes late {end}" for i in range(ROWS)]


def test_a_column_of_text_gets_a_model_that_reads(tmp_path: Path) -> None:
    frame = table(remark=remarks("again"), answer=np.resize([0, 1, 1], ROWS))

    recipe = loaded(starter_for(tmp_path, frame, "answer"))

    remark = recipe.features["remark"]
    assert (remark.ngrams, remark.length) == (2, 20)  # 7 words, 6 pairs, in tens
    assert recipe.features["size"].kind == "numeric"
    assert recipe.trainer.module == "text_classifier"
    assert recipe.data.empty_texts == "refuse"
    assert not recipe.data.key


def test_long_texts_keep_most_of_their_words(tmp_path: Path) -> None:
    texts = [f"{i} " + "word " * (200 if i % 50 == 0 else 30) for i in range(ROWS)]
    frame = table(text=texts, answer=np.resize([0, 1, 1], ROWS))

    recipe = loaded(starter_for(tmp_path, frame, "answer"))

    assert recipe.features["text"].length == 70  # not for the few long ones


def test_rows_without_a_text_and_texts_that_repeat(tmp_path: Path) -> None:
    texts = remarks("again")
    texts[3], texts[5] = None, texts[4]
    frame = table(remark=texts, answer=np.resize([0, 1, 1], ROWS))

    recipe = loaded(starter_for(tmp_path, frame, "answer"))

    assert recipe.data.empty_texts == "keep"
    assert recipe.data.key == "remark"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_folder_with_a_file_for_each_class(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "wishes"
    folder.mkdir()
    for name, end in (("complaint", "again, très tard"), ("praise", "only")):
        text = "\n".join(remarks(end)) + "\n"
        (folder / f"letters.{name}.txt").write_text(text, encoding=encoding)
    (folder / ".hidden").touch()

    starter = new_recipe(tmp_path / "letters.yaml", folder, "label")
    recipe = loaded(starter)

    assert (recipe.data.path, recipe.data.format) == ("wishes/*.txt", "lines")
    assert recipe.data.encoding == encoding
    assert recipe.task == "binary"
    assert recipe.features["text"].kind == "text"
    assert readable_columns(recipe, tmp_path) == ["text", "label"]
    assert "for wishes/*.txt," in starter.path.read_text("utf-8").splitlines()[0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has 0 files"),
        ({"a.txt": b"one"}, "has 1 file"),
        ({"a.txt": b"one", "b.txt": b""}, "b.txt is empty"),
        ({"a.jpg": b"\xff\xd8\xff\xe0\0", "b.jpg": b"\xff\xd8"}, "a.jpg is no text"),
        ({"a.txt": b"one", "b.zip": b"PK\x03\x04\0"}, "b.zip is no text"),
    ],
)
def test_other_folders_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)

    with pytest.raises(DataError, match=message):
        new_recipe(tmp_path / "s.yaml", folder, "label")


def test_column_that_gives_the_label_away_is_told(tmp_path: Path) -> None:
    answer = np.resize([0, 1, 1], ROWS)
    frame = table(paid_back=answer * 5.0 + RANDOM.normal(0, 0.1, ROWS), answer=answer)

    starter = starter_for(tmp_path, frame, "answer")

    assert any("'paid_back' predicts the label almost alone" in text for text in starter.warnings)
    assert loaded(starter).features["paid_back"].kind == "numeric"
    assert "# CHECK" in starter.path.read_text("utf-8")


def test_honest_columns_raise_no_alarm(tmp_path: Path) -> None:
    answer = (NOISE + RANDOM.normal(size=ROWS) > 0).astype(int)

    assert not starter_for(tmp_path, table(answer=answer), "answer").warnings


def test_label_under_another_name_is_ignored(tmp_path: Path) -> None:
    answer = np.resize(["yes", "no", "no"], ROWS)
    frame = table(copy=np.where(answer == "yes", "J", "N"), answer=answer)

    starter = starter_for(tmp_path, frame, "answer")

    assert loaded(starter).features["copy"].kind == "ignored"
    assert any("under another name" in text for text in starter.warnings)


def test_repeating_identifier_keeps_rows_together(tmp_path: Path) -> None:
    frame = table(patient_id=np.arange(ROWS) // 4, answer=RANDOM.integers(0, 2, ROWS))

    recipe = loaded(starter_for(tmp_path, frame, "answer"))

    assert recipe.data.key == "patient_id"
    assert recipe.features["patient_id"].kind == "ignored"


def test_slices_have_rows_enough(tmp_path: Path) -> None:
    frame = table(
        sex=np.resize(["f", "m"], ROWS),
        rare=np.where(np.arange(ROWS) < 5, "a", "b"),
        answer=RANDOM.integers(0, 2, ROWS),
    )

    assert loaded(starter_for(tmp_path, frame, "answer")).evaluation.slices == ("sex",)


def test_rare_class_suggests_weights(tmp_path: Path) -> None:
    starter = starter_for(tmp_path, table(answer=(np.arange(ROWS) % 25 == 0) * 1), "answer")

    assert "# class_weights: balanced" in starter.path.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "delimiter", "encoding"),
    [
        ({"sep": ";", "encoding": "latin-1"}, ";", "cp1252"),  # of which it is a part
        ({"encoding": "utf-16"}, ",", "utf-16"),
        ({"sep": "\t"}, "\t", "utf-8"),
        ({"sep": "|"}, "|", "utf-8"),
        ({"encoding": "utf-8-sig"}, ",", "utf-8"),
        ({"encoding": "cp1252"}, ",", "cp1252"),
    ],
)
def test_delimiter_and_encoding_are_told(
    tmp_path: Path, options: dict[str, str], delimiter: str, encoding: str
) -> None:
    euro = "€ " if options.get("encoding") == "cp1252" else ""
    frame = table(**{f"{euro}Größe": NOISE, "Straße, Nr.": np.resize(["Köln", "Jülich"], ROWS)})
    frame["answer"] = RANDOM.integers(0, 2, ROWS)

    recipe = loaded(starter_for(tmp_path, frame, "answer", **options))

    assert (recipe.data.delimiter, recipe.data.encoding) == (delimiter, encoding)
    assert readable_columns(recipe, tmp_path) == list(frame)


def test_awkward_names_and_quoted_newlines_survive(tmp_path: Path) -> None:
    awkward = [
        "class",
        "yes",
        "a: b",
        "# no",
        "two\nlines",
        '"quoted"',
        " blank ",
        "年龄",
        "null",
        "1e3",
    ]
    frame = table(**dict.fromkeys(awkward, NOISE))
    frame["note"] = np.resize(["first\nsecond", "only"], ROWS)
    frame["class"] = np.resize(["p", "n"], ROWS)

    recipe = loaded(starter_for(tmp_path, frame, "class", quoting=csv.QUOTE_NONNUMERIC))

    assert set(recipe.features) == set(frame) - {"class"}
    assert readable_columns(recipe, tmp_path) == list(frame)


def test_an_infinite_number_is_one_error(tmp_path: Path) -> None:
    lines = [f"{'-inf' if i == 7 else i},{i % 2}" for i in range(40)]
    (tmp_path / "d.csv").write_text("\n".join(["x,y", *lines]))
    with pytest.raises(DataError, match="column 'x' holds an infinite number"):
        new_recipe(tmp_path / "r.yaml", tmp_path / "d.csv", "y")
    assert not (tmp_path / "r.yaml").exists()


def test_parquet_with_booleans_and_timestamps(tmp_path: Path) -> None:
    frame = table(
        member=RANDOM.integers(0, 2, ROWS).astype(bool),
        seen=pd.date_range("2021-03-04", periods=ROWS, freq="H"),
        answer=RANDOM.integers(0, 2, ROWS).astype(bool),
    )
    frame.to_parquet(tmp_path / "table.parquet")

    recipe = loaded(new_recipe(tmp_path / "s.yaml", tmp_path / "table.parquet", "answer"))

    assert (recipe.data.format, recipe.task, recipe.label.is_column) == ("parquet", "binary", True)
    assert recipe.features["seen"].kind == "ignored"
    assert recipe.features["member"].kind == "numeric"


def test_wide_table_lists_only_what_is_not_numeric(tmp_path: Path) -> None:
    frame = table(**{f"c{i}": RANDOM.normal(size=ROWS).round(4) for i in range(300)})
    frame["text"] = np.resize(["a", "b"], ROWS)
    frame["answer"] = RANDOM.integers(0, 2, ROWS)

    starter = starter_for(tmp_path, frame, "answer")

    assert loaded(starter).features.keys() == {"text"}
    assert "the other 301 are numeric" in starter.path.read_text("utf-8")


@pytest.mark.parametrize("rows", [60, 400, 3_000, 20_000])
def test_every_split_gets_rows_and_training_enough_steps(tmp_path: Path, rows: int) -> None:
    frame = pd.DataFrame({"a": np.arange(rows) * 1.5 % 7.1, "answer": np.arange(rows) % 2})

    recipe = loaded(starter_for(tmp_path, frame, "answer"))

    split = recipe.data.split
    smallest = rows * min(split.eval, split.test) / (split.train + split.eval + split.test)
    assert smallest >= 1.5 * recipe.gate.min_rows
    assert 5 <= recipe.trainer.epochs <= 100


def test_path_is_relative_to_the_recipe(tmp_path: Path) -> None:
    file = tmp_path / "my data" / "table [1].csv"
    file.parent.mkdir()
    table(answer=RANDOM.integers(0, 2, ROWS)).to_csv(file, index=False)

    recipe = loaded(new_recipe(tmp_path / "recipes" / "2 Übung.yaml", file, "answer"))

    assert recipe.data.path == "../my data/table [1].csv"
    assert recipe.name == "recipe_2_bung"


def test_large_table_is_sampled_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "MOST_ROWS", 1000)
    monkeypatch.setattr("trainyard.components.example_gen.csv_files.BLOCK_BYTES", 4096)
    frame = pd.DataFrame({"a": np.arange(5_000) * 2, "answer": np.arange(5_000) * 3.0})
    frame["b"] = np.arange(5_000) % 7.5

    starter = starter_for(tmp_path, frame, "answer")

    assert "Judged by 625 rows, spread evenly over the 5,000." in starter.sentences
    assert loaded(starter).features["a"].kind == "ignored"  # it counts the rows, also in the sample


Spoil = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.assign(answer=None), "no value in any row"),
        (lambda f: f.assign(answer=f.answer.where(f.index < 12)), "has 12 rows with a label"),
        (lambda f: f.assign(answer="same"), "the same in every row"),
        (lambda f: f.assign(answer=[f"t{i}" for i in f.index]), "400 different texts"),
        (lambda f: f.head(12), "has 12 rows"),
        (lambda f: f[["answer"]], "no column to learn from"),
        (lambda f: f.head(0), "there are no rows"),
    ],
)
def test_what_cannot_be_learned_is_said(tmp_path: Path, spoil: Spoil, message: str) -> None:
    frame = spoil(table(answer=np.resize(["a", "b"], ROWS)))

    with pytest.raises(DataError, match=message):
        starter_for(tmp_path, frame, "answer")

    assert not (tmp_path / "starter.yaml").exists()


def test_unknown_label_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'answer'"):
        starter_for(tmp_path, table(answer=np.resize([0, 1], ROWS)), "anwser")


def test_existing_recipe_is_kept_without_force(tmp_path: Path) -> None:
    starter = starter_for(tmp_path, table(answer=np.resize([0, 1], ROWS)), "answer")
    starter.path.write_text("mine")

    with pytest.raises(RecipeError, match="--force"):
        new_recipe(starter.path, tmp_path / "table.csv", "answer")
    assert starter.path.read_text() == "mine"

    new_recipe(starter.path, tmp_path / "table.csv", "answer", force=True)
    assert loaded(starter).task == "binary"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"PK\x03\x04rest", "Excel"), (b'{"a": 1}', "JSON")],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(content)

    with pytest.raises(DataError, match=message):
        new_recipe(tmp_path / "s.yaml", file, "answer")
    with pytest.raises(DataError, match="No such file"):
        new_recipe(tmp_path / "s.yaml", tmp_path / "absent.csv", "answer")


def test_copies_are_warned_about(tmp_path: Path) -> None:
    frame = table(answer=np.resize(["no", "yes", "no"], ROWS))
    starter = starter_for(tmp_path, pd.concat([frame, frame.head(ROWS // 5)]), "answer")
    assert any("are copies of an earlier row in every field" in text for text in starter.warnings)
