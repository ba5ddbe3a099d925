"""The label: short forms, and the value that counts as positive."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from trainyard.recipe_schema import Label, Recipe

LEAST: dict[str, Any] = {"name": "a", "data": {"path": "a.csv"}, "task": "binary"}


@pytest.mark.parametrize(
    ("yaml", "positive"),
    [
        ("2", "2"),
        ("2.0", "2"),
        ('"2"', "2"),
        ("0.5", "0.5"),
        ("fraud", "fraud"),
        ("yes", "yes"),
        ("True", "true"),
        ("'True'", "True"),
        ("2026-11-28", "2026-11-28"),
        ("'0007'", "0007"),
        ("null", None),
    ],
)
def test_positive_is_what_the_user_wrote(yaml: str, positive: str | None) -> None:
    label = YAML(typ="safe").load(f"{{name: risk, positive: {yaml}}}")
    recipe = Recipe.model_validate({**LEAST, "label": label})

    assert recipe.label == Label(name="risk", expression="`risk`", positive=positive)
    assert recipe.label.is_column
    assert Recipe.model_validate_json(recipe.model_dump_json(by_alias=True)) == recipe


def test_date_of_the_round_trip_loader_is_a_date() -> None:
    label = YAML(typ="rt").load("{name: risk, positive: 2026-11-28}")
    assert isinstance(label["positive"], datetime.date)
    assert Label.model_validate(label).positive == "2026-11-28"


def test_positive_is_for_two_classes_only() -> None:
    label = {"name": "risk", "positive": 2}
    with pytest.raises(ValidationError, match="for `task: binary`, not"):
        Recipe.model_validate({**LEAST, "label": label, "task": "multiclass"})
    heads = {name: {"label": label, "task": "regression"} for name in ("a", "b")}
    with pytest.raises(ValidationError, match="for `task: binary`, not"):
        Recipe.model_validate({"name": "a", "data": {"path": "a.csv"}, "heads": heads})
