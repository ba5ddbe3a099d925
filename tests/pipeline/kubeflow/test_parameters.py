"""What of a recipe a run may have another value of."""

import pytest

from trainyard.pipeline.kubeflow.parameters import parameters
from trainyard.recipe_schema import Recipe


def recipe(**sections) -> Recipe:
    base = {"name": "a", "data": {"path": "/data/rows.csv"}, "label": "y", "task": "binary"}
    return Recipe.model_validate(base | sections)


@pytest.mark.parametrize(
    ("path", "value", "written"),
    [
        ("/d/span-{SPAN}/*.csv", "{SPAN}", "data.path=/d/span-7/*.csv"),
        ("/d/{SPAN:4}/v{VERSION}/*.csv", "{SPAN:4}", "data.path=/d/7/v{VERSION}/*.csv"),
        ("/d/{YYYY}-{MM}-{DD}/a.csv", "{YYYY}-{MM}-{DD}", "data.path=/d/7/a.csv"),
    ],
)
def test_the_span_is_a_part_of_the_path(path, value, written):
    (span,) = parameters(recipe(data={"path": path}))
    assert (span.name, span.value, span.change("7")) == ("span", value, written)
    assert span.change(span.value) == f"data.path={path}"


def test_length_and_bounds():
    found = parameters(
        recipe(
            trainer={"steps": 50},
            evaluation={
                "thresholds": [
                    {"metric": "auc", "min": 0.5},
                    {"metric": "log_loss", "max": 1.5, "slice": {"day": "Credit Card"}},
                ],
                "change": [{"metric": "auc", "worse_by": 0.01}],
            },
        )
    )
    assert {each.name: (each.key, each.value) for each in found} == {
        "steps": ("trainer.steps", 50),
        "auc_min": ("evaluation.thresholds.0.min", 0.5),
        "log_loss_max_day_credit_card": ("evaluation.thresholds.1.max", 1.5),
        "auc_worse_by": ("evaluation.change.0.worse_by", 0.01),
    }


def test_a_recipe_may_have_none():
    assert parameters(recipe()) == ()
