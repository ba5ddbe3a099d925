"""Predictions of whole files through real, tiny SavedModels."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from trainyard.errors import ContractError, DataError, EnvironmentProblem, RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline.predict import asked, predict
from trainyard.recipe_schema import Data
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description

DATA = Data(path="unused.csv")
INPUTS: dict[str, Any] = {"fare": "float32", "hour": "int64", "kind": "string"}
CLASSES = {"regression": (), "binary": ("no", "yes"), "multiclass": ("a", "b", "c")}


def export(
    folder: Path,
    task: Any,
    factor: float = 1.0,
    classes: tuple[str, ...] = (),
    kinds: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
) -> None:
    """A model whose score is factor * fare + hour + length of kind; missing counts -1.

    The three may have other names, in this order.
    """
    import tensorflow as tf

    inputs = inputs or INPUTS
    fare, hour, kind_ = inputs

    defaults = {"float32": -1.0, "int64": -1, "string": ""}
    spec = {
        name: tf.io.FixedLenFeature([1], tf.as_dtype(kind), [defaults[kind]])
        for name, kind in inputs.items()
    }
    classes = classes or CLASSES[task]
    names = tf.constant(classes or ("",))

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> dict[str, Any]:
            raw = tf.io.parse_example(examples, spec)
            length = tf.cast(tf.strings.length(raw[kind_]), tf.float32)
            score = factor * raw[fare] + tf.cast(raw[hour], tf.float32) + length
            if task == "regression":
                return {"predictions": score}
            if task == "binary":
                share = tf.sigmoid(score)
                return {
                    "predictions": share,
                    "label": tf.gather(names, tf.cast(share > 0.5, tf.int32)),
                }
            shares = tf.nn.softmax(tf.concat([score, -score, score - 1], axis=1))
            return {
                "predictions": shares,
                "label": tf.gather(names, tf.argmax(shares, axis=1))[:, None],
            }

    model = Model()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    told = Description(
        task=task, label="tip", inputs=inputs, class_names=classes, kinds=kinds or {}
    )
    (folder / description.FILE).parent.mkdir(exist_ok=True)
    (folder / description.FILE).write_text(told.model_dump_json())


@pytest.fixture(scope="module")
def servings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("serving")
    for task in CLASSES:
        export(folder / task / "9", task)
    export(folder / "regression" / "10", "regression", factor=2.0)
    return {task: folder / task for task in CLASSES}


def rows(count: int) -> pd.DataFrame:
    index = np.arange(count)
    return pd.DataFrame(
        {
            "trip": [f"{i:06}" for i in index],
            "fare": index * 0.25,
            "hour": index % 24,
            "kind": [str(i % 1000) for i in index],
        }
    )


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def score(frame: pd.DataFrame, factor: float = 2.0) -> np.ndarray:
    return factor * frame.fare + frame.hour + frame.kind.str.len()


def run(servings: dict[str, Path], task: str, source: Path, target: Path, **options: Any) -> Any:
    count = predict(servings[task], source, target, DATA, **options).rows
    reads = {".parquet": pd.read_parquet}.get(
        target.suffix, lambda file: pd.read_csv(file, dtype={"trip": str, "kind": str})
    )
    frame = reads(target)
    assert len(frame) == count
    return frame


@pytest.mark.parametrize("source", ["in.csv", "in.csv.gz", "in.parquet"])
@pytest.mark.parametrize("target", ["out.csv", "out.csv.gz", "out.parquet"])
def test_rows_keep_order_and_columns(
    servings: dict[str, Path], tmp_path: Path, source: str, target: str
) -> None:
    frame = rows(10_000)
    if source.endswith("parquet"):
        frame.to_parquet(tmp_path / source)
    else:
        frame.to_csv(tmp_path / source, index=False)

    found = run(servings, "regression", tmp_path / source, tmp_path / target)

    assert list(found) == [*frame, "prediction"]
    assert list(found.trip) == list(frame.trip)
    np.testing.assert_allclose(found.prediction, score(frame), rtol=1e-6)
    assert names(tmp_path) == sorted([source, target])


def test_blocks_do_not_show(
    servings: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainyard.components.example_gen.csv_files.BLOCK_BYTES", 2000)
    frame = rows(3_000)
    frame.to_csv(tmp_path / "in.csv", index=False)

    found = run(servings, "regression", tmp_path / "in.csv", tmp_path / "out.csv")

    np.testing.assert_allclose(found.prediction, score(frame), rtol=1e-6)


def test_binary_gives_class_and_probability(servings: dict[str, Path], tmp_path: Path) -> None:
    frame = rows(50).assign(fare=np.linspace(-40, 5, 50))
    frame.to_csv(tmp_path / "in.csv", index=False)

    found = run(servings, "binary", tmp_path / "in.csv", tmp_path / "out.csv")

    expected = 1 / (1 + np.exp(-score(frame, 1.0)))
    np.testing.assert_allclose(found.probability, expected, rtol=1e-5)
    assert list(found.prediction) == ["yes" if share > 0.5 else "no" for share in expected]
    assert set(found.prediction) == {"yes", "no"}


@pytest.mark.parametrize(
    ("kind", "classes", "values"),
    [("integer", ("1", "2"), [1, 2]), ("boolean", ("False", "True"), [False, True])],
)
def test_predictions_are_the_labels_own_values(
    tmp_path: Path, kind: Any, classes: tuple[str, ...], values: list[Any]
) -> None:
    export(tmp_path / "serving" / "1", "binary", classes=classes, kinds={"tip": kind})
    rows(20).assign(fare=np.linspace(-40, 5, 20)).to_csv(tmp_path / "in.csv", index=False)

    found = run({"": tmp_path / "serving"}, "", tmp_path / "in.csv", tmp_path / "out.parquet")

    expected = [values[share > 0.5] for share in found.probability]
    assert found.prediction.tolist() == expected
    assert set(expected) == set(values)
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    said = asked(tmp_path / "serving", [], source, target, DATA, None)
    assert f"probability: that 'tip' is {classes[1]!r}" in said
    assert pd.read_csv(target).prediction.tolist() == expected


def test_multiclass_gives_a_probability_a_class(servings: dict[str, Path], tmp_path: Path) -> None:
    rows(20).assign(fare=np.linspace(-40, 5, 20)).to_csv(tmp_path / "in.csv", index=False)

    found = run(servings, "multiclass", tmp_path / "in.csv", tmp_path / "out.parquet")

    shares = found[["probability_a", "probability_b", "probability_c"]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert list(found.prediction) == ["abc"[i] for i in shares.argmax(axis=1)]


def test_values_take_the_models_types(servings: dict[str, Path], tmp_path: Path) -> None:
    text = "note,kind,hour,fare\nNA,007,3.0,12\nb,?,,4.5\n"
    (tmp_path / "in.csv").write_text(text)

    predict(servings["regression"], tmp_path / "in.csv", tmp_path / "out.csv", DATA)

    # 007 has three letters; `?` and the empty hour are missing, yet kept as they are.
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "note,kind,hour,fare,prediction"
    assert lines[1:] == ["NA,007,3.0,12,30.0", "b,?,,4.5,8.0"]


def test_parquet_types_give_way_to_the_models(servings: dict[str, Path], tmp_path: Path) -> None:
    frame = pd.DataFrame({"fare": [1, 2], "hour": [3.0, None], "kind": [7, 123]})
    frame.to_parquet(tmp_path / "in.parquet")

    found = run(servings, "regression", tmp_path / "in.parquet", tmp_path / "out.parquet")

    assert list(found.prediction) == [2 + 3 + 1, 4 - 1 + 3]
    assert found.kind.dtype == np.int64


def test_the_champion_answers_after_a_rollback_and_during_a_canary(
    servings: dict[str, Path], tmp_path: Path
) -> None:
    rows(5).to_csv(tmp_path / "in.csv", index=False)
    version_config.label(servings["regression"], {"stable": 9, "canary": 10})
    try:
        found = run(servings, "regression", tmp_path / "in.csv", tmp_path / "a.csv")
    finally:
        (servings["regression"] / version_config.FILE).unlink()

    assert list(found.prediction) == list(score(rows(5), 1.0))


def test_newest_version_answers_unless_one_is_named(
    servings: dict[str, Path], tmp_path: Path
) -> None:
    rows(5).to_csv(tmp_path / "in.csv", index=False)

    newest = run(servings, "regression", tmp_path / "in.csv", tmp_path / "a.csv")
    older = run(servings, "regression", tmp_path / "in.csv", tmp_path / "b.csv", version=9)

    assert list(newest.prediction) == list(score(rows(5)))
    assert list(older.prediction) == list(score(rows(5), 1.0))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("fare,hour\n1,2\n", "missing: 'kind'"),
        ("fare,hour,kind,prediction\n1,2,a,3\n", "column 'prediction' already"),
        ("fare,hour,kind\n1,2,a\n1,two,a\n", "in.csv, row 2: column 'hour'"),
        ("fare,hour,kind\n1,2,a\n1,2.5,a\n", "in.csv, row 2: column 'hour'"),
        ("fare,hour,kind\ninf,2,a\n", "in.csv, row 1: column 'fare'"),
        ("fare,hour,kind\n1,2,a\n1,2\n", "row 2"),
        ("fare,hour,kind\n1,2,a\n3e38,2,a\n", "in.csv, row 2: the model answers"),
        ("fare,hour,kind\n", "no rows"),
        ("", "empty"),
    ],
)
def test_bad_input_is_one_error_and_nothing_is_written(
    servings: dict[str, Path], tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "in.csv").write_text(content)
    (tmp_path / "out.csv").write_text("from before")

    with pytest.raises(DataError, match=words):
        predict(servings["regression"], tmp_path / "in.csv", tmp_path / "out.csv", DATA)

    assert (tmp_path / "out.csv").read_text() == "from before"
    assert names(tmp_path) == ["in.csv", "out.csv"]


@pytest.mark.parametrize(
    ("delimiter", "other"), [(a, b) for a in ",;\t|" for b in ",;\t|" if a != b]
)
def test_another_delimiter_than_in_training_is_named(
    servings: dict[str, Path], tmp_path: Path, delimiter: str, other: str
) -> None:
    data = DATA.model_copy(update={"delimiter": delimiter})
    (tmp_path / "in.csv").write_text(other.join(INPUTS) + "\n" + other.join("12a"))

    with pytest.raises(DataError, match="columns that the model needs are missing") as caught:
        predict(servings["regression"], tmp_path / "in.csv", tmp_path / "out.csv", data)

    assert f"if {other!r} stands between the fields" in (caught.value.hint or "")


@pytest.mark.parametrize("header", ["fare;hour;the kind, if known", '"fare";"hour";"kind"'])
def test_a_delimiter_in_a_name_does_not_hide_another_delimiter(
    servings: dict[str, Path], tmp_path: Path, header: str
) -> None:
    (tmp_path / "in.csv").write_text(f"{header}\n1;2;a\n")

    with pytest.raises(DataError, match="columns that the model needs are missing") as caught:
        predict(servings["regression"], tmp_path / "in.csv", tmp_path / "out.csv", DATA)

    assert "if ';' stands between the fields" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("columns", "task", "answers"),
    [
        (["fare", "hour"], "binary", ["prediction", "probability"]),
        (["prediction", "hour"], "binary", ["model.prediction", "model.probability"]),
        (["probability", "hour"], "binary", ["model.prediction", "model.probability"]),
        (
            ["probability_b", "model.prediction"],
            "multiclass",
            ["model.model.prediction", "model.model.probability_a"],
        ),
        (["probability", "probability_b"], "regression", ["prediction"]),
    ],
)
def test_an_input_may_be_called_like_an_answer(
    servings: dict[str, Path], tmp_path: Path, columns: list[str], task: str, answers: list[str]
) -> None:
    """The input keeps its name and its values; the answers are written in full."""
    first, second = columns
    folder = tmp_path / "serving" / "9"
    export(folder, task, inputs={first: "float32", second: "int64", "kind": "string"})
    table = rows(5).rename(columns={"fare": first, "hour": second})
    table.to_csv(tmp_path / "in.csv", index=False)

    predict(folder.parent, tmp_path / "in.csv", tmp_path / "out.csv", DATA)

    found = pd.read_csv(tmp_path / "out.csv", dtype={"trip": str, "kind": str})
    assert list(found.columns[: len(table.columns) + len(answers)]) == [*table.columns, *answers]
    pd.testing.assert_frame_equal(found[table.columns], table)
    expected = score(rows(5), 1.0)
    if task == "regression":
        assert list(found.prediction) == list(expected)
    if task == "binary":
        np.testing.assert_allclose(found[answers[1]], 1 / (1 + np.exp(-expected)), rtol=1e-5)


def test_a_version_pushed_unchecked_whose_rows_see_each_other_is_refused(
    servings: dict[str, Path], tmp_path: Path
) -> None:
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> dict[str, Any]:
            lengths = tf.cast(tf.strings.length(examples), tf.float32)[:, tf.newaxis]
            return {"predictions": tf.nn.softmax(lengths, axis=0)}

    folder, model = tmp_path / "serving" / "1", Model()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    told = description.read(servings["regression"] / "9")
    description.write(folder, told)
    rows(100).to_csv(tmp_path / "in.csv", index=False)

    with pytest.raises(ContractError, match="depends on the rows beside it"):
        predict(folder.parent, tmp_path / "in.csv", tmp_path / "out.csv", DATA)

    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("source", "stored"),
    [
        ("in.csv", pa.string()),
        ("in.parquet", pa.string()),
        ("in.parquet", pa.large_string()),
        ("in.parquet", pa.dictionary(pa.int8(), pa.string())),
    ],
    ids=str,
)
@pytest.mark.parametrize(("trained_on", "letters"), [("csv", 0), ("parquet", 2)])
def test_a_word_is_missing_where_it_was_in_training(
    servings: dict[str, Path],
    tmp_path: Path,
    source: str,
    stored: pa.DataType,
    trained_on: str,
    letters: int,
) -> None:
    """NA stands for nothing in CSV and is a text like any other in Parquet, as training read it."""
    data = Data.model_validate({"path": "unused", "format": trained_on})
    words = pa.array(["NA"]).dictionary_encode() if "dict" in str(stored) else pa.array(["NA"])
    table = pa.table({"fare": [1.0], "hour": [1], "kind": words.cast(stored)})
    write = pq.write_table if source == "in.parquet" else csv.write_csv
    write(table, tmp_path / source)

    predict(servings["regression"], tmp_path / source, tmp_path / "out.csv", data)

    assert pd.read_csv(tmp_path / "out.csv").prediction.tolist() == [2 * 1 + 1 + letters]


MONEY = {"numbers": {"columns": {"fare": {"thousands": ",", "unit": "$"}}}}


@pytest.mark.parametrize("source", ["in.csv", "in.parquet"])
def test_numbers_are_read_as_in_training(
    servings: dict[str, Path], tmp_path: Path, source: str
) -> None:
    """A number of that column, however it is written, is the same question."""
    data = Data.model_validate({"path": "unused.csv", **MONEY})
    frame = pd.DataFrame({"fare": ["$2,000.50", None, "($3)"], "hour": 1, "kind": "None"})
    data = data.model_copy(update={"not_missing": {"kind": ("None",)}})
    write = frame.to_parquet if source == "in.parquet" else frame.to_csv
    write(tmp_path / source)

    predict(servings["regression"], tmp_path / source, tmp_path / "out.csv", data)

    out = pd.read_csv(tmp_path / "out.csv")
    assert out.prediction.tolist() == [2 * 2000.5 + 5, 2 * -1 + 5, 2 * -3 + 5]
    assert out.fare.tolist()[0] == "$2,000.50"

    frame.assign(fare=["$2", "$3", "free"]).to_csv(tmp_path / "in.csv")
    with pytest.raises(DataError, match=r"row 3: column 'fare'") as caught:
        predict(servings["regression"], tmp_path / "in.csv", tmp_path / "no.csv", data)
    assert (caught.value.received, caught.value.expected[:9]) == ("'free'", "a number ")
    assert not (tmp_path / "no.csv").exists()


def test_recipes_csv_dialect_is_used(servings: dict[str, Path], tmp_path: Path) -> None:
    dialect = DATA.model_copy(update={"delimiter": ";", "encoding": "latin-1"})
    with gzip.open(tmp_path / "in.csv.gz", "wb") as stream:
        stream.write("Straße;fare;hour;kind\nGärten;1;2;ä\n".encode("latin-1"))

    predict(servings["regression"], tmp_path / "in.csv.gz", tmp_path / "out.csv", dialect)

    lines = (tmp_path / "out.csv").read_text("utf-8").splitlines()
    assert lines == ["Straße;fare;hour;kind;prediction", "Gärten;1;2;ä;6.0"]


def test_what_has_not_been_pushed_is_said(servings: dict[str, Path], tmp_path: Path) -> None:
    rows(2).to_csv(tmp_path / "in.csv", index=False)
    arguments = (tmp_path / "in.csv", tmp_path / "out.csv", DATA)

    with pytest.raises(RecipeError, match="no model has been pushed yet"):
        predict(tmp_path / "nowhere", *arguments)
    with pytest.raises(RecipeError, match="version 3 has not been pushed"):
        predict(servings["regression"], *arguments, version=3)
    (tmp_path / "foreign" / "1").mkdir(parents=True)
    with pytest.raises(RecipeError, match="does not say which columns"):
        predict(tmp_path / "foreign", *arguments)


def test_files_that_cannot_be_are_said(servings: dict[str, Path], tmp_path: Path) -> None:
    serving, source = servings["regression"], tmp_path / "in.csv"
    rows(2).to_csv(source, index=False)

    with pytest.raises(RecipeError, match=r"table\.xlsx"):
        predict(serving, tmp_path / "table.xlsx", tmp_path / "out.csv", DATA)
    with pytest.raises(DataError, match="no such file"):
        predict(serving, tmp_path / "absent.csv", tmp_path / "out.csv", DATA)
    with pytest.raises(RecipeError, match="the same file"):
        predict(serving, source, source, DATA)
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        predict(serving, source, source / "below" / "out.csv", DATA)


def test_a_table_names_its_columns_even_if_the_recipes_data_do_not(tmp_path):
    export(tmp_path / "serving/1", "regression")
    (tmp_path / "in.csv").write_text("kind\tfare\thour\na b\t1\t2\n\t1\t2\n")
    data = Data(path="x", header=("fare", "hour", "kind"), delimiter="\t", texts=("kind", "tip"))
    assert predict(tmp_path / "serving", tmp_path / "in.csv", tmp_path / "out.csv", data).rows == 2
    table = pd.read_csv(tmp_path / "out.csv", sep="\t")
    assert table["prediction"].tolist() == [6, 3]
    assert "kind_words" not in table


def export_sum(folder: Path) -> None:
    """A model that answers a series with the sum of its last three values."""
    import tensorflow as tf

    spec = {"past": tf.io.FixedLenFeature([3], tf.float32)}

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> dict[str, Any]:
            past = tf.io.parse_example(examples, spec)["past"]
            return {"predictions": tf.reduce_sum(past, axis=1, keepdims=True)}

    model = Model()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    head = {"task": "regression", "label": "cold", "class_names": ()}
    told = Description(heads={"": head}, inputs={"past": "float32"}, series={"past": 3})
    (folder / description.FILE).parent.mkdir(exist_ok=True)
    (folder / description.FILE).write_text(told.model_dump_json())


def test_a_series_is_predicted_where_enough_is_known(tmp_path: Path) -> None:
    """The day to come has no value yet; after a gap the series begins anew."""
    export_sum(tmp_path / "serving" / "1")
    lines = ["2000-01-01,1", "2000-01-02,2", "2000-01-03,4", "2000-01-04,8", "2000-01-05,"]
    lines += ["2000-01-06,7", "2000-02-01,1", "2000-02-02,1", "2000-02-03,1", "2000-02-04,"]
    (tmp_path / "days.csv").write_text("\n".join(["day,cold", *lines]) + "\n")
    series = {"time": "day", "value": "cold", "past": 3, "every": "1D"}
    data = Data.model_validate({"path": "unused", "series": series})
    for name in ("out.csv", "out.parquet"):
        output = tmp_path / name
        assert predict(tmp_path / "serving", tmp_path / "days.csv", output, data).rows == 10
        read = pd.read_csv if name.endswith("csv") else pd.read_parquet
        found = read(output)
        assert list(found.columns) == ["day", "cold", "prediction"]
        known = found["prediction"].dropna()
        assert known.to_dict() == {3: 7.0, 4: 14.0, 9: 3.0}


def test_a_series_without_its_columns_is_one_error(tmp_path: Path) -> None:
    export_sum(tmp_path / "serving" / "1")
    (tmp_path / "days.csv").write_text("date,cold\n2000-01-01,1\n")
    series = {"time": "day", "value": "cold", "past": 3, "every": "1D"}
    data = Data.model_validate({"path": "unused", "series": series})
    with pytest.raises(DataError, match="no column 'day'"):
        predict(tmp_path / "serving", tmp_path / "days.csv", tmp_path / "out.csv", data)


KINDS = {"fare": "float", "hour": "integer", "kind": "text"}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says what its columns held."""
    folder = tmp_path_factory.mktemp("known")
    export(folder / "1", "regression", kinds={**KINDS, "tip": "float"})
    return folder


BAD = "fare,hour,kind\n1,2,a\n1,x,a\n1,2\n2.5,3,b\ny,1,c\n"


def test_bad_rows_have_no_prediction_and_are_kept_word_for_word(
    known: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(BAD)
    target = tmp_path / "out.csv"

    done = predict(known, tmp_path / "in.csv", target, DATA, on_bad_row="quarantine")

    assert (done.rows, done.bad, done.bad_rows) == (5, 3, tmp_path / "out.csv.bad_rows.csv")
    found = pd.read_csv(target, dtype=str, keep_default_na=False)
    assert found.prediction.tolist() == ["4.0", "", "", "6.5", ""]
    assert found.fare.tolist() == ["1", "1", "", "2.5", "y"]  # the third could not be read at all
    bad = pd.read_csv(done.bad_rows, dtype=str)
    assert bad.row.tolist() == ["2", "3", "5"]
    assert bad.text.tolist() == ["1,x,a", "1,2", "y,1,c"]
    assert "'hour'" in bad.reason[0]
    assert bad.detail[0] == "'x' instead of a whole number"
    assert bad.reason[1] == "wrong number of fields"
    said = asked(known, [], tmp_path / "in.csv", target, DATA, None, "quarantine")
    assert said.startswith("2 rows predicted")
    assert "3 of 5 rows are bad" in said
    (tmp_path / "in.csv").write_text("fare,hour,kind\n1,2,a\n")
    done = predict(known, tmp_path / "in.csv", target, DATA, on_bad_row="quarantine")
    assert (done.bad, done.bad_rows) == (0, None)
    assert names(tmp_path) == ["in.csv", "out.csv"]


def test_bad_row_is_an_error_unless_quarantine_is_wanted(known: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("fare,hour,kind\n1,2,a\n1,x,a\n")

    with pytest.raises(DataError, match=r"row 2[\s\S]*--on-bad-row quarantine"):
        predict(known, tmp_path / "in.csv", tmp_path / "out.csv", DATA)
    assert names(tmp_path) == ["in.csv"]


def test_bad_rows_do_not_depend_on_blocks(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainyard.components.example_gen.csv_files.BLOCK_BYTES", 300)
    wrong = {5: "x", 40: "", 41: "1.5", 99: "1e999"}
    lines = [f"{i},{wrong.get(i, i % 24)},a" for i in range(100)]
    lines[60:80] = ["a line"] * 20  # whole blocks of nothing else
    (tmp_path / "in.csv").write_text("fare,hour,kind\n" + "\n".join(lines) + "\n")

    done = predict(
        known, tmp_path / "in.csv", tmp_path / "out.parquet", DATA, on_bad_row="quarantine"
    )

    bad = [5, 41, *range(60, 80), 99]
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert np.flatnonzero(found.prediction.isna()).tolist() == bad
    listed = pd.read_csv(done.bad_rows)
    assert (listed.row - 1).tolist() == bad
    assert listed.text.tolist() == [lines[row] for row in bad]


def test_parquet_rows_can_be_bad_too(known: Path, tmp_path: Path) -> None:
    pd.DataFrame({"fare": [1.0, 2.0], "hour": [0.5, 3.0], "kind": ["a", "b"]}).to_parquet(
        tmp_path / "in.parquet"
    )

    done = predict(
        known, tmp_path / "in.parquet", tmp_path / "out.csv", DATA, on_bad_row="quarantine"
    )

    assert pd.read_csv(tmp_path / "out.csv").prediction.isna().tolist() == [True, False]
    assert json.loads(pd.read_csv(done.bad_rows).text[0]) == {"fare": 1.0, "hour": 0.5, "kind": "a"}


def test_file_of_bad_rows_only_is_refused(known: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("fare,hour,kind\n1,x,a\n1,y,a\n")

    with pytest.raises(DataError, match="no row can be predicted"):
        predict(known, tmp_path / "in.csv", tmp_path / "out.csv", DATA, on_bad_row="quarantine")
    assert names(tmp_path) == ["in.csv"]


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("kind", [1, 2], "it held text in training, and the file has whole numbers"),
        ("kind", [True, False], "it held text in training, and the file has true and false"),
        ("hour", pd.to_datetime(["2026-11-28", "2026-11-29"]), "and the file has dates"),
    ],
)
def test_column_of_another_kind_is_refused_as_a_whole(
    known: Path, tmp_path: Path, column: str, values: Any, words: str
) -> None:
    frame = rows(2).assign(**{column: values})
    frame.to_parquet(tmp_path / "in.parquet")

    for on_bad_row in ("error", "quarantine"):
        with pytest.raises(DataError, match=words):
            predict(
                known,
                tmp_path / "in.parquet",
                tmp_path / "out.csv",
                DATA,
                on_bad_row=on_bad_row,  # type: ignore[arg-type]
            )


def test_model_that_does_not_say_what_columns_held_takes_what_it_took(
    servings: dict[str, Path], tmp_path: Path
) -> None:
    frame = rows(2).assign(kind=[1, 22], hour=[True, False])
    frame.to_parquet(tmp_path / "in.parquet")

    found = run(servings, "regression", tmp_path / "in.parquet", tmp_path / "out.csv")

    expected = 2 * frame.fare + frame.hour + frame.kind.astype(str).str.len()
    np.testing.assert_allclose(found.prediction, expected)
