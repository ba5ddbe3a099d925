"""Recipes of several heads: read, checked, told to TFMA, and asked for predictions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from trainyard.errors import DataError, RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline import evaluation, prediction_answers
from trainyard.pipeline.predict import predict
from trainyard.pipeline.recipe import dump, load_recipe, resolved_recipe
from trainyard.recipe_schema import ONLY, Data, Recipe
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description, HeadDescription

SOUND = """\
name: people
data:
  path: people.csv
heads:
  income: {label: income, task: binary, loss: binary_focal_crossentropy}
  age:
    label: age
    task: regression
    weight: 0.5
"""


def write(folder: Path, text: str) -> Path:
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return folder / "recipe.yaml"


def recipe(weight: str | None = None, heads: Any = None, **section: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "people",
            "data": {"path": "people.csv", "weight": weight},
            "heads": heads
            or {
                "income": {"label": "income", "task": "binary"},
                "age": {"label": "age", "task": "regression"},
            },
            "evaluation": section,
        }
    )


def test_heads_are_read_and_survive_the_way_through_a_record(tmp_path):
    loaded = load_recipe(write(tmp_path, SOUND))
    assert {name: head.task for name, head in loaded.heads.items()} == {
        "income": "binary",
        "age": "regression",
    }
    assert loaded.heads["income"].loss.name == "binary_focal_crossentropy"
    assert loaded.heads["age"].weight == 0.5
    assert loaded.label is None
    assert resolved_recipe(dump(loaded)) == loaded


def test_a_plain_recipe_has_one_head_with_the_trainer_s_loss_and_class_weights():
    plain = Recipe.model_validate(
        {
            "name": "a",
            "data": {"path": "a.csv"},
            "label": "y",
            "task": "binary",
            "trainer": {"class_weights": "balanced", "loss": "binary_crossentropy"},
        }
    )
    (head,) = plain.heads.values()
    assert list(plain.heads) == [ONLY]
    assert (head.loss.name, head.class_weights) == ("binary_crossentropy", "balanced")
    assert list(plain.labels) == ["label"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (SOUND.replace("task: regression", "tsk: regression"), 8, ["'tsk' in heads.age", "'task'"]),
        (SOUND.replace("task: regression", "task: regresion"), 8, ["heads.age.task", "regression"]),
        (SOUND.replace("weight: 0.5", "weight: 0"), 9, ["heads.age.weight", "greater than 0"]),
        (SOUND.replace("label: age", "label: age +"), 7, ["heads.age.label"]),
        (SOUND + "task: binary\n", 4, ["a head has its own"]),
        (SOUND.split("  age:")[0], 4, ["one head needs no name"]),
        (SOUND.replace("  age:", "  income_label:"), 4, ["`income_label` is what the model calls"]),
        (SOUND.replace("  age:", "  val_age:"), 6, ["heads.val_age", "`val_`", "are reserved"]),
        (SOUND.replace("  age:", "  val:"), 6, ["heads.val:", "`val_`", "are reserved"]),
        (SOUND.replace("  age:", "  Age:"), 6, ["Age"]),
        (
            SOUND.replace("label: income", "label: pay > 5").replace(
                "label: age", "label: age > 9"
            ),
            4,
            ["the label of age is named 'label'"],
        ),
    ],
)
def test_a_mistake_names_line_and_remedy(tmp_path, text, line, words):
    file = write(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}:"), message
    for word in words:
        assert word in message


def test_rows_of_each_class_cannot_be_counted_for_several_heads():
    split = {"data": {"path": "a.csv", "split": {"train_per_class": 5}}}
    document = recipe().model_dump(by_alias=True, exclude_none=True, mode="json") | split
    with pytest.raises(ValidationError, match="each head has its own classes"):
        Recipe.model_validate(document)


def test_no_label_and_no_weight_is_an_input_and_one_label_may_serve_two_heads():
    heads = {
        "rich": {"label": {"name": "rich", "expression": "pay > 5"}, "task": "binary"},
        "pair": {"label": "age", "task": "binary"},
        "age": {"label": "age", "task": "regression"},
    }
    made = recipe("w", heads)
    assert made.input_columns(["pay", "age", "w", "rich", "city"]) == ["city"]
    assert list(made.labels) == ["heads.rich.label", "heads.pair.label"]


COLUMNS = ["income", "age", "city"]


@pytest.mark.parametrize(
    ("section", "where", "words"),
    [
        ({"metrics": ["auc"]}, "evaluation.metrics", "do not say whose"),
        ({"metrics": {"incme": ["auc"]}}, "evaluation.metrics.incme", "'income'"),
        ({"metrics": {"age": ["auc"]}}, "evaluation.metrics.age[0]", "does not fit the task"),
        ({"thresholds": [{"metric": "auc", "min": 0.5}]}, "evaluation.thresholds[0]", "whose"),
        (
            {"thresholds": [{"metric": "auc", "min": 0.5, "head": "ag"}]},
            "evaluation.thresholds[0].head",
            "'age'",
        ),
        (
            {"thresholds": [{"metric": "auc", "min": 0.5, "head": "age"}]},
            "evaluation.thresholds[0].metric",
            "does not fit",
        ),
        (
            {
                "metrics": {"income": ["accuracy"]},
                "change": [{"metric": "auc", "head": "income"}],
            },
            "evaluation.change[0].metric",
            "is not computed",
        ),
    ],
)
def test_what_is_measured_must_fit_its_head(section, where, words):
    with pytest.raises(RecipeError, match=words) as caught:
        evaluation.check_metrics(recipe(**section), COLUMNS)
    assert caught.value.where == where


def test_a_plain_recipe_names_no_head():
    plain = Recipe.model_validate(
        {
            "name": "a",
            "data": {"path": "a.csv"},
            "label": "age",
            "task": "regression",
            "evaluation": {"thresholds": [{"metric": "mae", "max": 1, "head": "age"}]},
        }
    )
    with pytest.raises(RecipeError, match="leave `head` out"):
        evaluation.check_metrics(plain, COLUMNS)


def test_tfma_is_told_outputs_labels_and_bounds_by_head():
    section = {
        "metrics": {"income": ["auc"], "age": ["mae"]},
        "thresholds": [
            {"metric": "auc", "head": "income", "min": 0.5},
            {"metric": "mae", "head": "age", "max": 9, "slice": "city"},
        ],
    }
    evaluation.check_metrics(recipe(**section), COLUMNS)
    config = evaluation.eval_config(recipe(**section))
    (model,) = config.model_specs
    assert dict(model.label_keys) == {"income": "label_income_xf", "age": "label_age_xf"}
    assert dict(model.prediction_keys) == {"income": "income", "age": "age"}
    income, age = config.metrics_specs
    assert (list(income.output_names), list(age.output_names)) == (["income"], ["age"])
    bounded = {
        spec.output_names[0]: [
            metric.class_name for metric in spec.metrics if len(metric.per_slice_thresholds)
        ]
        for spec in config.metrics_specs
    }
    assert bounded == {
        "income": ["ExampleCount", "RocArea"],
        "age": ["ExampleCount", "AbsoluteError"],
    }
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["city"]]


def test_rows_are_counted_and_not_weighed():
    config = evaluation.eval_config(recipe("w", metrics={"age": ["mae"]}))
    assert config.model_specs[0].example_weight_key == "row_weight_xf"
    for spec in config.metrics_specs:
        counts = {metric.class_name for metric in spec.metrics} == {"ExampleCount"}
        assert spec.example_weights.unweighted == counts


@pytest.fixture
def serving(tmp_path) -> Path:
    """A pushed model: likes if x is above 3, the price is 10 x."""
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> dict[str, Any]:
            spec = {"x": tf.io.FixedLenFeature([1], tf.float32, [np.nan])}
            x = tf.io.parse_example(examples, spec)["x"]
            share = tf.sigmoid(x - 3)
            known = tf.constant(["no", "yes"])
            label = tf.gather(known, tf.cast(share > 0.5, tf.int32))
            return {"likes": share, "likes_label": label, "price": 10 * x}

    model, folder = Model(), tmp_path / "serving" / "1"
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    heads = {
        "likes": HeadDescription(task="binary", label="likes", class_names=("no", "yes")),
        "price": HeadDescription(task="regression", label="price"),
    }
    (folder / description.FILE).parent.mkdir(exist_ok=True)
    description.write(folder, Description(heads=heads, inputs={"x": "float32"}))
    return tmp_path / "serving"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_predictions_of_each_head_have_columns_of_their_own(serving, tmp_path, form):
    (tmp_path / "in.csv").write_text("id,x\na,1\nb,5\n")
    target = tmp_path / f"out.{form}"
    assert predict(serving, tmp_path / "in.csv", target, Data(path="x")).rows == 2
    found = pd.read_csv(target) if form == "csv" else pd.read_parquet(target)
    added = ["likes_prediction", "likes_probability", "price_prediction"]
    assert list(found) == ["id", "x", *added]
    assert found["likes_prediction"].tolist() == ["no", "yes"]
    assert found["price_prediction"].tolist() == [10, 50]


def test_the_champion_answers_for_all_heads_after_a_rollback(serving, tmp_path):
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    shutil.copytree(serving / "1", serving / "2")
    heads = {"likes": HeadDescription(task="binary", label="likes", class_names=("cold", "warm"))}
    description.write(serving / "2", Description(heads=heads, inputs={"x": "float32"}))
    version_config.label(serving, {"stable": 1})
    predict(serving, tmp_path / "in.csv", tmp_path / "out.csv", Data(path="x"))
    assert pd.read_csv(tmp_path / "out.csv")["likes_prediction"].tolist() == ["no"]


def test_on_the_console_one_head_stands_after_another():
    answers = {
        "path": ["a.jpg", "b.jpg"],
        "kind_prediction": ["bee", "ant"],
        "kind_probability": [0.9, 0.2],
        "size_prediction": [4.0, 2.5],
    }
    kind = HeadDescription(task="binary", label="kind", class_names=("ant", "bee"))
    size = HeadDescription(task="regression", label="size")
    told = Description(heads={"kind": kind, "size": size}, inputs={})
    lines = list(prediction_answers.lines(pa.RecordBatch.from_pydict(answers), told))
    assert lines == ["a.jpg  bee  0.90  4.0", "b.jpg  ant  0.80  2.5"]


def test_an_answer_that_is_no_number_is_an_error_for_any_head(serving, tmp_path):
    (tmp_path / "in.csv").write_text("id,x\na,1\nb,\n")
    with pytest.raises(DataError, match="nan"):
        predict(serving, tmp_path / "in.csv", tmp_path / "out.csv", Data(path="x"))
    assert not (tmp_path / "out.csv").exists()
