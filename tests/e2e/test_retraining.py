"""Spans of data that come one after the other: trained, compared with the champion, promoted."""

import json
from datetime import UTC, datetime

import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from tests.pipeline.scheduling.processes import killed, started, until
from trainyard.pipeline.recipe import load_recipe
from trainyard.pipeline.records import all_runs, find_run
from trainyard.pipeline.registry import decisions
from trainyard.pipeline.scheduling import owed, schedule
from trainyard.recipe_schema import RunSchedule

RECIPE = """\
name: cells
data: {path: "day-{SPAN}.csv", spans: 2, split: {train: 6, eval: 2, test: 2}}
label: target
task: binary
trainer: {module: mlp, params: {hidden: [8], dropout: 0.0}, epochs: 8, batch_size: 32}
evaluation:
  metrics: [auc, accuracy]
  thresholds: [{metric: auc, min: 0.7}]
  change: [{metric: auc, worse_by: 0.1}]
retrain: {warm_start: true}
"""


@pytest.fixture(scope="module")
def days() -> list[pd.DataFrame]:
    frame = load_breast_cancer(as_frame=True).frame.sample(frac=1, random_state=1)
    frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
    return [frame[:250], frame[250:450], frame[450:]]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("cells") / "cells.yaml"
    file.write_text(RECIPE)
    return file


def deliver(recipe, days, number):
    days[number - 1].to_csv(recipe.parent / f"day-{number}.csv", index=False)


def baseline(run) -> list[str]:
    return run.stage("Baseline").outputs.get("model", [])


def test_each_new_span_is_trained_and_compared_with_the_champion(trainyard, recipe, days):
    deliver(recipe, days, 1)
    assert trainyard("retrain", recipe).code == 0
    first = find_run("cells")
    ended = trainyard("retrain", recipe)
    assert (ended.code, ended.err) == (0, "")
    assert f"nothing to do since run {first.id}" in ended.out
    assert find_run("cells").id == first.id

    deliver(recipe, days, 2)
    assert trainyard("retrain", recipe).code == 0
    second = find_run("cells")
    assert second.verdict.version == "2"
    assert baseline(second) == [str(first.output("Trainer", "model"))]
    trainer = json.loads(second.recipe_json)["trainer"]
    assert trainer["start_from"].endswith("/cells/1")

    assert trainyard("models", "rollback", recipe, "1").code == 0
    deliver(recipe, days, 3)
    assert trainyard("retrain", recipe).code == 0
    third = find_run("cells")
    assert baseline(third) == [str(first.output("Trainer", "model"))]
    assert json.loads(third.recipe_json)["trainer"]["start_from"].endswith("/cells/1")
    loaded = load_recipe(recipe)
    told = [(each.what, each.version) for each in decisions.read(loaded)]
    assert told[:3] == [("retrain", 1), ("keep", 1), ("retrain", 2)]
    assert told[-2:] == [("retrain", 3), ("promote", 3)]
    last = decisions.read(loaded)[-2]
    assert f"1 of 2 files is new since run {second.id}: day-3.csv" in last.reason
    assert "Trained on from version 1." in last.reason
    assert "3 versions, 3 answers (stable 3)" in trainyard("status", "cells").out


def test_a_version_that_a_person_took_out_of_service_stays_out(trainyard, recipe, days):
    deliver(recipe, days, 3)
    recipe.write_text(RECIPE.replace("retrain: {warm_start: true}\n", ""))
    loaded = load_recipe(recipe)
    assert trainyard("retrain", recipe, "--force").code == 0
    fresh = find_run("cells").verdict.version
    assert decisions.read(loaded)[-1].what == "promote"
    assert trainyard("models", "rollback", recipe).code == 0
    before = decisions.read(loaded)[-1].version
    assert str(before) != fresh
    assert trainyard("retrain", recipe, "--force").code == 0
    assert find_run("cells").verdict.version == fresh
    last = decisions.read(loaded)[-1]
    assert (last.what, last.version) == ("keep", int(fresh))
    assert f"{before} answers" in trainyard("status", "cells").out


def test_a_retraining_that_was_killed_is_made_up_for_once(trainyard, recipe, days, home, tmp_path):
    for number in (1, 2, 3):
        deliver(recipe, days, number)
    always = RECIPE.replace("warm_start", "when: [schedule], warm_start")
    recipe.write_text(always.replace("epochs: 8", "epochs: 2000"))
    loaded = load_recipe(recipe)
    before = len(decisions.read(loaded)), len(list(all_runs("cells")))
    schedule.add("cells", recipe, RunSchedule(cron="0 0 1 1 *"))
    with schedule.opened() as opened:
        opened.modify_job("cells", next_run_time=datetime.now(UTC))
    first = started(home, tmp_path / "said.txt")
    try:
        until(lambda: in_stage("Trainer"), first)
    finally:
        killed(first)
    assert owed.since("cells")
    until(lambda: "killed in Trainer" in trainyard("status", "cells").out)
    recipe.write_text(always.replace("epochs: 8", "epochs: 3"))
    second = started(home, tmp_path / "said.txt")
    try:
        until(lambda: owed.read_outcome("cells"), second)
    finally:
        killed(second)
    assert owed.since("cells") is None
    assert owed.read_outcome("cells").code == 0
    decided = decisions.read(loaded)[before[0] :]
    assert [each.by for each in decided if each.what == "retrain"] == ["schedule"]
    states = [run.state for run in all_runs("cells")]
    assert len(states) == before[1] + 2
    assert states[:2] == ["pushed", "interrupted"]
    schedule.remove("cells")


def in_stage(name: str) -> bool:
    stages = [stage for run in all_runs("cells") for stage in run.stages]
    return any(stage.name == name and stage.state == "running" for stage in stages)
