import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.pipeline import test_metadata
from trainyard.components.example_gen import left_out, quarantine
from trainyard.components.example_gen.division import PROPERTY, Tally, rule
from trainyard.pipeline.records import RunRecord, StageRecord, find_run
from trainyard.pipeline.verdict import judge
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe


def recipe(**section: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "taxi",
            "data": {"path": "taxi.csv"},
            "label": "tips",
            "task": "binary",
            "evaluation": section,
        }
    )


def frame() -> pd.DataFrame:
    """Separated perfectly on Card, three in four pairs in order on Cash; the baseline is right."""
    return pd.DataFrame(
        {
            "label_xf": [0, 1, 0, 1, 0, 0, 1, 1],
            "predictions": [0.1, 0.9, 0.2, 0.8, 0.1, 0.6, 0.5, 0.9],
            "baseline_predictions": [0.1, 0.9, 0.2, 0.8, 0.1, 0.4, 0.6, 0.9],
            "payment_type": ["Card"] * 4 + ["Cash"] * 4,
        }
    )


ASKED = recipe(
    metrics=["auc", "log_loss"],
    slices=["payment_type"],
    thresholds=[
        {"metric": "auc", "min": 0.8, "slice": "payment_type"},
        {"metric": "auc", "min": 0.5, "max": 0.99},
        {"metric": "auc", "min": 0.7, "slice": {"payment_type": "Prize"}},
    ],
    change=[
        {"metric": "auc", "worse_by": 0.01},
        {"metric": "log_loss", "worse_by": 0.5},
        {"metric": "auc", "worse_by": -0.1, "slice": {"payment_type": "Cash"}},
        {"metric": "auc", "slice": {"payment_type": "Card"}},
    ],
)
EASY = recipe(metrics=["auc"], thresholds=[{"metric": "auc", "min": 0.5}])
FREE = recipe(metrics=["auc"], thresholds=[], change=[{"metric": "auc"}])


@pytest.fixture(scope="session")
def failing(evaluate, tmp_path_factory) -> Path:
    return evaluate(ASKED, frame(), tmp_path_factory.mktemp("failing"), with_baseline=True)


@pytest.fixture(scope="session")
def passing(evaluate, tmp_path_factory) -> Path:
    return evaluate(EASY, frame(), tmp_path_factory.mktemp("passing"))


def a_run(
    home: Path,
    artifacts: Path,
    push: dict[str, Any],
    *,
    name: str = "20261122-100000-1",
    **rest: Any,
) -> RunRecord:
    pushed = home / name / "pushed_model"
    pushed.mkdir(parents=True)
    (pushed / "push.json").write_text(json.dumps(push))
    stages = {
        "Trainer": {"model": str(artifacts / "model")},
        "Baseline": {},
        "Evaluator": {key: str(artifacts / key) for key in ("evaluation", "blessing")},
        "Pusher": {"pushed_model": str(pushed)},
    }
    return RunRecord(
        id=name,
        recipe="taxi",
        recipe_file="taxi.yaml",
        recipe_json="{}",
        started=datetime(2026, 11, 22, tzinfo=UTC),
        stages=[
            StageRecord(name=stage, state="done", outputs={k: [v] for k, v in outputs.items()})
            for stage, outputs in stages.items()
        ],
        **rest,
    )


def with_baseline(record: RunRecord, home: Path, made: str = "20261121-090000-7") -> RunRecord:
    """Adds the earlier run that made the baseline, and a later one that took it over."""
    for name in (made, "20261121-110000-8"):
        earlier = a_run(home, home / "earlier", {"pushed": True}, name=name)
        earlier.save()
    record.stage("Baseline").outputs = {"model": [str(home / "earlier" / "model")]}
    return record


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        ({}, "divided differently (by an earlier Trainyard; now train 8"),
        ({"rule": "train 6, eval 4"}, "divided differently (train 6, eval 4; now train 8"),
        ({"rule": rule(recipe().data)}, None),
    ],
)
def test_a_baseline_whose_rows_were_divided_differently(home, failing, earlier, said):
    record = with_baseline(a_run(home, failing, {"pushed": False}), home)
    store, now = Workspace.of(ASKED).metadata, {"rule": rule(ASKED.data)}
    store.parent.mkdir(parents=True, exist_ok=True)
    made = {str(home / "now"): now, str(home / "then"): earlier}
    test_metadata.write(store, {uri: {PROPERTY: json.dumps(each)} for uri, each in made.items()})
    for run, place in ((record, "now"), (find_run(judge(record, ASKED).baseline_run), "then")):
        outputs = {"examples": [str(home / place)]}
        run.stages.append(StageRecord(name="ExampleGen", state="done", outputs=outputs))
        run.save()
    found = [text for text in judge(record, ASKED).sentences if "divided" in text]
    assert bool(found) == bool(said)
    assert not said or said in found[0]


def test_rows_that_the_model_in_service_has_learned_are_told(home, failing):
    record = with_baseline(a_run(home, failing, {"pushed": False}), home)
    for run, trained in ((record, [3]), (find_run(judge(record, ASKED).baseline_run), [1, 2])):
        folder = home / f"examples-{run.id}"
        folder.mkdir()
        tally = Tally(["train", "eval"])
        tally.add([np.array(rows, np.uint64) for rows in (trained, [2, 4, 5])], {})
        tally.write(folder)
        outputs = {"examples": [str(folder)]}
        run.stages.append(StageRecord(name="ExampleGen", state="done", outputs=outputs))
        run.save()
    (said,) = [text for text in judge(record, ASKED).sentences if "held out here" in text]
    assert said.startswith("Warning: 1 of the 3 rows held out here was a training row of run")


def test_every_failure_is_a_sentence_with_value_bound_slice_and_earlier_run(home, failing):
    record = with_baseline(a_run(home, failing, {"pushed": False}), home)
    verdict = judge(record, ASKED)
    assert (verdict.blessed, verdict.pushed) == (False, False)
    assert verdict.baseline_run == "20261121-090000-7"
    assert verdict.sentences == [
        "Not pushed: 4 of 8 checks failed.",
        "auc on payment_type = Cash is 0.75; the recipe asks for at least 0.8.",
        "auc on payment_type = Prize could not be measured: there are no such examples, fewer "
        "than `min_slice_size`, or too few kinds of label among them; the recipe asks for at "
        "least 0.7. The nearest slices are payment_type = Card; payment_type = Cash.",
        "auc on all rows is 0.9375, run 20261121-090000-7 (the model in service) had 1: "
        "0.0625 less; the recipe asks for at most 0.01 less.",
        "auc on payment_type = Cash is 0.75, run 20261121-090000-7 (the model in service) had "
        "1: 0.25 less; the recipe asks for at least 0.1 more.",
        "auc on payment_type = Card is 1; the recipe asks for at least 0.8.",
        "auc on all rows is 0.9375; the recipe asks for at least 0.5 and at most 0.99.",
        "auc on payment_type = Card is 1, run 20261121-090000-7 (the model in service) had 1: "
        "the same; the recipe asks for no less.",
        verdict.sentences[-1],
    ]
    assert verdict.sentences[-1].startswith("log_loss on all rows is 0.")
    assert verdict.sentences[-1].endswith("more; the recipe asks for at most 0.5 more.")


def test_findings_carry_the_numbers_and_those_that_failed_come_first(home, failing):
    verdict = judge(with_baseline(a_run(home, failing, {"pushed": False}), home), ASKED)
    assert [finding.ok for finding in verdict.findings] == [False] * 4 + [True] * 4
    change = verdict.findings[2]
    assert (change.kind, change.value, change.baseline, change.high) == (
        "change",
        0.9375,
        1.0,
        None,
    )
    assert change.low == pytest.approx(0.99, abs=1e-6)
    assert verdict.findings[1].value is None
    assert verdict.metrics["example_count"] == 8


def test_findings_agree_with_the_blessing(home, failing, passing):
    for artifacts, asked in ((failing, ASKED), (passing, EASY)):
        verdict = judge(a_run(home, artifacts, {}, name=artifacts.name), asked)
        assert verdict.blessed == all(finding.ok for finding in verdict.findings)


def test_a_push_names_version_and_place(home, passing):
    push = {
        "pushed": True,
        "version": "3",
        "destination": "/serving/taxi/3",
        "run": "20261122-100000-1",
    }
    verdict = judge(a_run(home, passing, push), EASY)
    assert (verdict.pushed, verdict.version) == (True, "3")
    assert verdict.sentences == [
        "Pushed: version 3 is in /serving/taxi/3.",
        "auc on all rows is 0.9375; the recipe asks for at least 0.5.",
    ]


def test_rows_that_are_in_no_split_are_told(home, passing, tmp_path):
    record = a_run(home, passing, {"pushed": False})
    outputs = {"examples": [str(tmp_path)]}
    record.stages.insert(0, StageRecord(name="ExampleGen", state="done", outputs=outputs))
    before = judge(record, EASY).sentences
    counts = {left_out.WHERE: 1200, left_out.TRAIN_PER_CLASS: 7}
    store = Workspace.of(EASY).metadata
    store.parent.mkdir(parents=True, exist_ok=True)
    test_metadata.write(store, {str(tmp_path): {left_out.PROPERTY: json.dumps(counts)}})
    with quarantine.Quarantine(tmp_path) as aside:
        aside.add(Path("a.csv"), [quarantine.BadRow(3, "too many fields", "4", "a,b,c,d")])
    aside.finish(good=9, max_share=0.5)
    assert judge(record, EASY).sentences == [
        *before,
        "Rows left out, as the recipe says: 1,200 that do not fit data.where, 7 beyond "
        "data.split.train_per_class.",
        f"1 of 10 rows was set aside: too many fields (1); they are in "
        f"{tmp_path}/quarantine/rows.jsonl.",
    ]


def test_an_unchanged_run_says_who_pushed(home, passing):
    push = {
        "pushed": True,
        "version": "3",
        "destination": "/serving/taxi/3",
        "run": "20261101-080000-2",
    }
    verdict = judge(a_run(home, passing, push), EASY)
    assert verdict.sentences[0] == (
        "Nothing to push: this is the model that run 20261101-080000-2 pushed as version 3, "
        "to /serving/taxi/3."
    )


def test_an_unchanged_run_that_was_not_blessed_names_the_first_one(home, failing):
    a_run(home, failing, {"pushed": False}, name="20261101-080000-2").save()
    a_run(home, failing, {"pushed": False}, name="20261102-080000-3").save()
    record = a_run(home, failing, {"pushed": False})
    record.save()
    record.stage("Evaluator").state = "unchanged"
    assert judge(record, ASKED).sentences[1] == (
        "Nothing has changed since run 20261101-080000-2, so its evaluation stands."
    )


def test_a_blessed_model_that_was_not_pushed_says_why(home, passing):
    verdict = judge(a_run(home, passing, {"pushed": False, "reason": "the disk is full"}), EASY)
    assert verdict.blessed
    assert verdict.sentences[0] == "Not pushed, though every threshold held: the disk is full."


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_a_failed_run_names_stage_and_reason(home, passing, state):
    record = a_run(
        home, passing, {}, state=state, error="trips.csv, row 7: too many fields\n  a: b"
    )
    record.stages[0].state = "failed"
    for stage in record.stages[1:]:
        stage.state, stage.outputs = "waiting", {}
    verdict = judge(record, EASY)
    assert not verdict.pushed
    assert "in Trainer" in verdict.sentences[0]
    expected = {
        "failed": "trips.csv, row 7: too many fields.",
        "interrupted": f"`trainyard resume {record.id}` goes on with it.",
    }
    assert verdict.sentences[1:] == [expected[state]]


def test_a_failed_evaluator_is_not_read(home, tmp_path, passing):
    half = tmp_path / "half"
    shutil.copytree(passing, half)
    (half / "evaluation" / "eval_config.json").write_text("{")
    record = a_run(home, half, {}, state="failed", error="killed")
    record.stage("Evaluator").state = "failed"
    record.stage("Pusher").state = "waiting"
    assert judge(record, EASY).sentences == ["Not pushed: the run failed in Evaluator.", "killed."]


def test_a_run_that_goes_on_says_so(home, passing):
    record = a_run(home, passing, {})
    record.stage("Pusher").state, record.stage("Pusher").outputs = "waiting", {}
    assert judge(record, EASY).sentences[0] == "Not pushed: the run has not come to the Pusher."


def test_without_thresholds_and_without_a_baseline_the_model_is_blessed(evaluate, home, tmp_path):
    artifacts = evaluate(FREE, frame(), tmp_path)
    run = a_run(home, artifacts, {"pushed": False})
    verdict = judge(run, FREE)
    assert verdict.blessed
    assert verdict.findings == []
    assert verdict.sentences[1:] == [
        "The recipe sets no threshold that could hold the model back.",
        "No earlier model has been blessed, so there was nothing to compare with: the change "
        "thresholds were left out.",
    ]
    (Workspace.of(FREE).serving / "3").mkdir(parents=True)  # of a folder that was moved here
    moved = judge(run, FREE).sentences[-1]
    assert moved.startswith("Warning: version 3 has been pushed, but was not compared with")


def test_a_near_miss_never_looks_like_the_bound(evaluate, home, tmp_path):
    data = frame()
    data["predictions"] = data["predictions"].astype(float)
    value = float(np.mean((data.predictions - data.label_xf) ** 2))
    asked = recipe(metrics=["brier"], thresholds=[{"metric": "brier", "max": value - 1e-8}])
    sentence = judge(a_run(home, evaluate(asked, data, tmp_path), {}), asked).sentences[0]
    shown, bound = (float(word.strip(";.")) for word in sentence.split() if word[0].isdigit())
    assert shown > bound


def test_an_undefined_metric_survives_the_record(evaluate, home, tmp_path):
    one_class = frame().query("label_xf == 1")
    asked = recipe(metrics=["auc", "recall"], thresholds=[{"metric": "auc", "min": 0.5}])
    record = a_run(home, evaluate(asked, one_class, tmp_path), {"pushed": False})
    record.verdict = judge(record, asked)
    assert not record.verdict.findings[0].ok
    assert "could not be measured" in record.verdict.sentences[0]
    assert RunRecord.model_validate_json(record.model_dump_json()) == record
