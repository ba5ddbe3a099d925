"""A reference to beat is a finding in words, and the default where a recipe sets no thresholds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainyard.components.evaluator.omitted import Omitted
from trainyard.errors import RecipeError
from trainyard.pipeline import evaluation, findings, verdict
from trainyard.pipeline.check import with_module_defaults
from trainyard.pipeline.measured import Measured, Slice
from trainyard.pipeline.records import Verdict
from trainyard.recipe_schema import ONLY, Recipe


def recipe(task: str = "multiclass", **section: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "test",
            "data": {"path": "x.csv"},
            "label": "kind",
            "task": task,
            "features": {"kind": {"kind": "text"}} if task == "text" else {},
            "trainer": {"module": "seq2seq" if task == "text" else "mlp"},
            "evaluation": section,
        }
    )


def measured(gain: float, value: float, metric: str = "accuracy", task: str = "multiclass"):
    asked = recipe(task, thresholds=[{"metric": metric, "beats": "trivial"}])
    config = evaluation.eval_config(asked)
    for entry in config.metrics_specs[0].metrics:
        if entry.class_name == "Gain":
            answer = {"words": "always answering 'b'"}
            entry.config = json.dumps(json.loads(entry.config) | {"answer": answer})
    beside = {f"{metric}_gain": gain, f"{metric}_trivial": 0.36}
    part = Slice((), {metric: value, "example_count": 150.0}, {}, beside)
    return Measured(ONLY, Path(), config, [part], {})


@pytest.mark.parametrize(
    ("gain", "value", "metric", "ok", "sentence"),
    [
        (
            -1.2,
            0.38,
            "accuracy",
            False,
            "accuracy on all rows is 0.38: it does not beat always answering 'b' (0.36) by more "
            "than chance (95 % interval, 150 rows).",
        ),
        (
            0.5,
            0.6,
            "accuracy",
            True,
            "accuracy on all rows is 0.6: it beats always answering 'b' (0.36) by more than chance "
            "(95 % interval, 150 rows).",
        ),
        (
            0.0,
            0.3,
            "log_loss",
            False,
            "log_loss on all rows is 0.3: it does not beat always answering 'b' (0.36) by more "
            "than chance (95 % interval, 150 rows).",
        ),
    ],
)
def test_a_reference_to_beat_is_worded(gain, value, metric, ok, sentence):
    ((finding,),) = findings.of(measured(gain, value, metric))
    assert finding.ok == ok
    assert verdict._one(finding, Verdict()) == sentence


@pytest.mark.parametrize(
    ("task", "metric"),
    [("binary", "auc"), ("multiclass", "accuracy"), ("regression", "r2"), ("text", "perplexity")],
)
def test_without_thresholds_a_model_has_to_beat_the_trivial_answer(task, metric):
    section = with_module_defaults(recipe(task)).evaluation
    assert [(bound.metric, bound.beats) for bound in section.thresholds] == [(metric, "trivial")]
    evaluation.check_metrics(with_module_defaults(recipe(task)), ["kind"])


def test_what_has_to_be_beaten_is_measured_whatever_metrics_the_recipe_names():
    complete = with_module_defaults(recipe(metrics=["macro_f1"]))
    evaluation.check_metrics(complete, ["kind"])
    assert complete.evaluation.metrics == ("macro_f1", "accuracy")


def test_thresholds_of_the_recipe_take_its_place():
    for thresholds in ([], [{"metric": "macro_f1", "min": 0.1}]):
        complete = with_module_defaults(recipe(thresholds=thresholds))
        assert not any(bound.beats for bound in complete.evaluation.thresholds)


def test_a_metric_without_a_trivial_answer_is_refused():
    asked = recipe(thresholds=[{"metric": "macro_f1", "beats": "trivial"}])
    with pytest.raises(RecipeError, match="no trivial answer"):
        evaluation.check_metrics(asked, ["kind"])


@pytest.mark.parametrize("bound", [{}, {"beats": "trivial", "min": 0.5}, {"beats": "linear"}])
def test_a_threshold_is_either_bounds_or_a_reference(bound):
    with pytest.raises(ValueError, match=r"beats|trivial"):
        recipe(thresholds=[{"metric": "accuracy", **bound}])


def test_a_comparison_that_could_not_be_made_is_the_reason():
    reasons = ["it needs 'age', which the data no longer have"]
    omitted = Omitted(model="/artifacts/3", reasons=reasons, blocks=True)
    assert verdict._missed(Verdict(baseline_run="20260101-1"), omitted) == (
        "the model in service (run 20260101-1) cannot be compared with: it needs 'age', which the "
        "data no longer have; with `evaluation.without_baseline: true` the model is pushed all "
        "the same."
    )
    about = verdict._about_baseline(
        Verdict(),
        recipe(change=[{"metric": "accuracy"}]),
        {},
        omitted.model_copy(update={"blocks": False}),
    )
    assert list(about) == [
        "The model in service (an earlier run) cannot be compared with: it needs 'age', which the "
        "data no longer have."
    ]
