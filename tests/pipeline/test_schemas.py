"""Schemas: inferred from data, shown, and compared in sentences."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from rich.console import Console
from tensorflow_metadata.proto.v0 import schema_pb2

from tests.components.example_gen.image_files import class_folders
from trainyard.errors import DataError, RecipeError
from trainyard.pipeline import schema_inference, schemas
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.recipe_schema import Recipe

ROOT = Path(__file__).parents[2]
CURATED = sorted((ROOT / "schemas").glob("*.pbtxt"))
BOUNDLESS = {("taxi", "company"), ("digits", "image"), ("mnist", "image")}

ROWS = "".join(
    f"{i % 7},{i * 0.5},{'ab'[i % 2]},{'' if i % 4 == 0 else 'x'},{i - 3}\n" for i in range(40)
)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "table.csv").write_text("day,fare,kind,note,change\n" + ROWS)
    return Recipe.model_validate(
        {
            "name": "table",
            "data": {"path": str(tmp_path / "table.csv"), "schema": "does_not_matter.pbtxt"},
            "label": {"name": "dear", "expression": "fare > 5"},
            "task": "binary",
        }
    )


def schema(**columns: str) -> schema_pb2.Schema:
    text = "".join(f'feature {{ name: "{name}" {body} }}' for name, body in columns.items())
    return text_format.Parse(text, schema_pb2.Schema())


def test_inferred_schema_has_types_presence_domains_and_the_derived_label(recipe: Recipe) -> None:
    text = schemas.infer(recipe)

    columns = schemas.columns(text_format.Parse(text, schema_pb2.Schema()))
    # A whole number that is an input is a number to the model: 1.5 may be asked.
    assert columns["day"] == schemas.Column("number", "every row", low=0)
    assert columns["fare"] == schemas.Column("number", "every row", low=0)
    assert columns["kind"] == schemas.Column("text", "every row", ("a", "b"))
    assert columns["note"].categories == ("x",)
    assert columns["change"] == schemas.Column("number", "every row")
    assert columns["dear"] == schemas.Column("whole number", "every row", low=0, high=1)


@pytest.mark.parametrize(("share", "rows"), [(0.665, 40), (0.665, 4000), (0.02, 400), (0.99, 400)])
def test_a_split_of_the_same_data_has_as_many_values_as_are_asked_for(share, rows):
    """In 2,000 draws of the smallest split none is stopped, and of many rows the bound is near."""
    least = schema_inference._least(share, rows // 5)

    drawn = np.random.default_rng(4).binomial(rows // 5, share, 2_000) / (rows // 5)
    assert drawn.min() >= least
    assert rows < 4000 or least >= 0.85 * share


def test_of_images_it_says_what_was_measured(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "data", {"train/a": 20, "train/b": 20, "val/a": 10})
    data = {"path": str(root), "format": "folders"}
    settings = {"name": "images", "data": data, "label": "label", "task": "binary"}

    text = schemas.infer(Recipe.model_validate(settings))

    schema = text_format.Parse(text, schema_pb2.Schema())
    columns = schemas.columns(schema)
    assert columns["image"] == schemas.Column("text", "every row")
    assert columns["image_width"] == schemas.Column("whole number", "every row", low=0)
    assert columns["image_brightness"] == schemas.Column("number", "every row", low=0)
    assert columns["label"].categories == ("a", "b")
    (image,) = (feature for feature in schema.feature if feature.name == "image")
    assert [dim.size for dim in image.shape.dim] == [1]
    assert "# Of " in text


def test_inferred_schema_says_what_was_seen(recipe: Recipe) -> None:
    text = schemas.infer(recipe)

    assert text.startswith("# The schema of table, written by `trainyard schema infer` from 40 row")
    assert '# Seen: 0 to 6.\nfeature {\n  name: "day"' in text
    assert '# Different values seen: 1; 25.0% missing.\nfeature {\n  name: "note"' in text


def test_inferred_schema_is_the_same_block_by_block(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = schemas.infer(recipe)
    monkeypatch.setattr("trainyard.components.example_gen.csv_files.BLOCK_BYTES", 128)

    assert schemas.infer(recipe) == whole


def test_infer_tells_bad_rows(recipe: Recipe) -> None:
    Path(recipe.data.path or "").write_text("day,fare\n1,2\n3\n")

    with pytest.raises(DataError, match="row 2"):
        schemas.infer(recipe)


PRESENT = "type: INT presence { min_fraction: 1 }"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ({"a": PRESENT}, {}, "Column 'a' is only in the first."),
        ({}, {"a": PRESENT}, "Column 'a' is only in the second."),
        (
            {"a": "type: INT"},
            {"a": "type: BYTES"},
            "Column 'a': the type is whole number in the first and text in the second.",
        ),
        (
            {"a": PRESENT},
            {"a": "type: INT presence { min_fraction: 0.5 }"},
            "Column 'a': it has a value in every row in the first and at least 50% of the rows in "
            "the second.",
        ),
        (
            {"a": 'string_domain { value: "x" value: "y" }'},
            {"a": 'string_domain { value: "y" }'},
            "Column 'a': only the first allows 'x'.",
        ),
        (
            {"a": 'string_domain { value: "x" }'},
            {"a": 'string_domain { value: "x" value: "z" }'},
            "Column 'a': only the second allows 'z'.",
        ),
        (
            {"a": 'string_domain { value: "x" }'},
            {"a": ""},
            "Column 'a': only the first lists the values it may have.",
        ),
        (
            {"a": "int_domain { min: 0 }"},
            {"a": "int_domain { min: 0 max: 9 }"},
            "Column 'a': the range is from 0 in the first and from 0 to 9 in the second.",
        ),
        (
            {"a": "float_domain { max: 2.5 }"},
            {"a": ""},
            "Column 'a': the range is to 2.5 in the first and open in the second.",
        ),
    ],
)
def test_each_difference_is_one_sentence(
    before: dict[str, str], after: dict[str, str], sentence: str
) -> None:
    assert schemas.diff(schema(**before), schema(**after)) == [sentence]


@pytest.mark.parametrize("file", CURATED, ids=lambda path: path.stem)
def test_curated_schemas_are_complete(file: Path) -> None:
    curated = schemas.load(str(file))

    assert not schemas.diff(curated, curated)
    for name, column in schemas.columns(curated).items():
        assert column.type != "not said", name
        bounded = column.low is not None or column.high is not None
        assert bounded or column.categories or (file.stem, name) in BOUNDLESS, name
    header = file.read_text("utf-8").split("feature")[0]
    assert "Source: " in header
    assert "icence: " in header or "Apache-2.0" in header


def test_shared_domains_count_as_the_columns_own() -> None:
    shared = text_format.Parse(
        'feature { name: "a" domain: "d" } string_domain { name: "d" value: "x" }',
        schema_pb2.Schema(),
    )

    assert not schemas.diff(shared, schema(a='string_domain { value: "x" }'))


def test_show_names_every_column() -> None:
    console = Console(width=160)
    with console.capture() as printed:
        console.print(schemas.show(schemas.load(str(ROOT / "schemas" / "taxi.pbtxt"))))

    text = printed.get()
    assert "Cash, Credit Card, Dispute, No Charge, Pcard, Prcard and 1 more" in text
    assert "from 0 to 23" in text
    assert "big_tip" in text


def test_show_takes_brackets_for_text() -> None:
    console = Console(width=100)
    with console.capture() as printed:
        console.print(schemas.show(schema(a='string_domain { value: "[red]" }')))

    assert "[red]" in printed.get()


def write_recipe(folder: Path, **data: Any) -> Path:
    (folder / "table.csv").write_text("a,y\n1,0\n")
    entries = "".join(f"  {key}: {value}\n" for key, value in data.items())
    file = folder / "r.yaml"
    file.write_text(f"name: r\ntask: binary\nlabel: y\ndata:\n  path: table.csv\n{entries}")
    return file


def test_recipe_stands_for_its_curated_schema(tmp_path: Path) -> None:
    (tmp_path / "s.pbtxt").write_text('feature { name: "a" type: INT }')

    loaded = schemas.load(str(write_recipe(tmp_path, schema="s.pbtxt")))

    assert list(schemas.columns(loaded)) == ["a"]


def test_recipe_without_a_schema_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="trainyard schema infer"):
        schemas.load(str(write_recipe(tmp_path)))


def test_run_stands_for_its_schema(tmp_path: Path, home: Path) -> None:
    (tmp_path / "schema.pbtxt").write_text('feature { name: "b" type: INT }')
    stage = StageRecord(name="SchemaGen", outputs={"schema": [str(tmp_path)]})
    record = RunRecord(
        id="20260101T000000-1",
        recipe="r",
        recipe_file="r.yaml",
        recipe_json="{}",
        started=datetime(2026, 1, 1, tzinfo=UTC),
        stages=[stage],
    )
    record.save()

    assert list(schemas.columns(schemas.load("r"))) == ["b"]

    record.stages.clear()
    record.save()
    with pytest.raises(RecipeError, match="ended before SchemaGen"):
        schemas.load("20260101")


def test_unreadable_schema_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "s.pbtxt").write_text("feature { nome: 3 }")

    with pytest.raises(RecipeError, match=r"s\.pbtxt"):
        schemas.load(str(tmp_path / "s.pbtxt"))
    with pytest.raises(RecipeError, match="cannot be read"):
        schemas.load(str(tmp_path / "absent.pbtxt"))
