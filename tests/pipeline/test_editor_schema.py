"""The JSON schema accepts what the recipe's models accept, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from trainyard.pipeline.editor_schema import recipe_json_schema
from trainyard.pipeline.recipe_reference import recipe_reference
from trainyard.recipe_schema import Recipe

jsonschema = pytest.importorskip("jsonschema")

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
LEAST: dict[str, Any] = {"name": "a", "data": {"path": "a.csv"}, "label": "y", "task": "binary"}


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(recipe_json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_example_recipes_are_valid(validator: Any, recipe: Path) -> None:
    validator.validate(YAML(typ="safe").load(recipe.read_text("utf-8")))


@pytest.mark.parametrize(
    "change",
    [
        {"label": {"column": "class"}},
        {"label": "tips > fare * 0.2"},
        {"label": {"name": "y", "expression": "a > 1"}},
        {"label": {"name": "risk", "positive": 2}},
        {"label": {"column": "a b", "name": "a b", "positive": "fraud"}},
        {"label": {"name": "late", "expression": "a > 1", "positive": False}},
        {"features": {"a": "numeric", "b": None, "c": {"kind": "categorical", "vocabulary": 5}}},
        {"trainer": {"optimizer": "sgd", "loss": "huber", "schedule": "cosine"}},
        {"trainer": {"optimizer": {"name": "sgd", "momentum": 0.9}}},
        {"data": {"path": "a", "schema": "a.pbtxt"}},
        {"evaluation": {"slices": ["a", ["a", "b"]]}},
    ],
)
def test_short_forms_are_valid_for_both(validator: Any, change: dict[str, Any]) -> None:
    Recipe.model_validate(LEAST | change)
    validator.validate(LEAST | change)


@pytest.mark.parametrize(
    "change",
    [
        {"lable": "y"},
        {"label": 3},
        {"label": {"column": "y", "columns": "z"}},
        {"label": {"name": "y", "positive": [1]}},
        {"label": {"name": "y", "positive": ""}},
        {"features": {"a": "nmeric"}},
        {"trainer": {"schedule": "cosines"}},
        {"task": "clustering"},
        {"data": {"path": "a", "schema_file": 1}},
    ],
)
def test_mistakes_are_mistakes_for_both(validator: Any, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(LEAST | change)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(LEAST | change)


DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "write"),
    [("recipe.schema.json", recipe_json_schema), ("recipes.md", recipe_reference)],
)
def test_what_docs_say_of_recipes_is_what_the_code_says(page, write):
    """Mend with: trainyard recipes --json-schema (or --reference) > docs/PAGE."""
    assert (DOCS / page).read_text(encoding="utf-8").strip() == write().strip()


def test_the_reference_names_every_key():
    page = recipe_reference()
    for key in ("oov_buckets", "learning_rate", "worse_by", "stop_on", "contract_rows", "schema"):
        assert f"| `{key}` |" in page
    assert "| `task` | `binary` \\| `multiclass` \\| `regression` \\| `text` | required |" in page
