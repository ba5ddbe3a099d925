"""What `trainyard check` warns of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainyard.pipeline.check import check
from trainyard.recipe_schema import Recipe


@pytest.mark.parametrize(
    ("values", "label", "warned"),
    [
        (("ok", "fraud"), {"name": "y"}, True),
        (("ok", "fraud"), {"name": "y", "positive": "fraud"}, False),
        (("True", "false"), {"name": "y"}, False),
        (("0", "1"), {"name": "y"}, False),
        (("ok", "fraud"), {"name": "bad", "expression": "y == 'fraud'"}, False),
    ],
)
def test_text_label_without_positive_is_worth_a_look(
    tmp_path: Path, values: tuple[str, str], label: dict[str, Any], warned: bool
) -> None:
    rows = "".join(f"{number},{values[number % 2]}\n" for number in range(20))
    (tmp_path / "a.csv").write_text(f"x,y\n{rows}", encoding="utf-8")
    recipe = Recipe.model_validate(
        {
            "name": "a",
            "data": {"path": str(tmp_path / "a.csv"), "schema": "infer"},
            "label": label,
            "task": "binary",
        }
    )

    warnings = check(recipe, tmp_path / "a.yaml").warnings

    assert any("alphabetical order" in text for text in warnings) == warned
