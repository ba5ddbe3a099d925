"""What happens after the first run: caches, baselines, predictions, a recipe for unseen data."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.e2e.conftest import ROOT, in_own_process, variant
from trainyard.components.pusher import versions
from trainyard.pipeline import workspace
from trainyard.pipeline.records import find_run

WINE = ROOT / "recipes" / "wine.yaml"


def states(run):
    return {stage.name: stage.state for stage in run.stages}


def test_a_second_run_is_unchanged_in_every_stage_and_silent(ran, home):
    first = ran("wine").record
    ended = in_own_process("run", WINE, env=os.environ | {"TRAINYARD_HOME": str(home)})
    assert (ended.returncode, ended.stderr) == (0, "")
    second = find_run("wine")
    assert second.id != first.id
    assert set(states(second).values()) == {"unchanged"}
    assert second.verdict.version == first.verdict.version
    assert len(versions.versions(Path(first.verdict.destination).parent)) == 1
    assert first.id in "".join(second.verdict.sentences)
    for stage in second.stages:
        assert "unchanged" in ended.stdout.split(stage.name)[1].splitlines()[0]


def test_a_version_that_was_deleted_is_pushed_again(ran, trainyard):
    destination = Path(ran("wine").record.verdict.destination)
    shutil.rmtree(destination)
    assert trainyard("run", WINE).code == 0
    run = find_run("wine")
    assert states(run)["Pusher"] == "done"
    assert states(run)["Trainer"] == "unchanged"
    assert (destination / "saved_model.pb").exists()


def test_from_a_stage_on_everything_runs_again(ran, trainyard):
    ran("wine")
    assert trainyard("run", WINE, "--from", "Evaluator").code == 0
    found = states(find_run("wine"))
    assert (found["Trainer"], found["Evaluator"], found["Pusher"]) == ("unchanged", "done", "done")
    ended = trainyard("run", WINE, "--from", "Trainr")
    assert ended.code == 2
    assert "did you mean 'Trainer'?" in ended.err


@pytest.fixture
def improved_and_worse(trainyard, tmp_path):
    """A good model, then one that hardly learnt anything."""
    good = variant(WINE, tmp_path, "wine_again")
    good.write_text(good.read_text().replace("epochs: 80", "epochs: 30"))
    assert trainyard("run", good).code == 0
    first = find_run("wine_again")
    bounds = "- {metric: accuracy, min: 0.95}"
    text = good.read_text().replace("epochs: 30", "epochs: 1").replace(bounds, "[]")
    good.write_text(text.replace("thresholds:\n    []", "thresholds: []"))
    ended = trainyard("run", good)
    return first, find_run("wine_again"), ended


def test_a_model_worse_than_the_last_is_not_pushed(improved_and_worse, trainyard):
    first, second, ended = improved_and_worse
    assert (ended.code, ended.err) == (6, "")
    assert second.state == "not pushed"
    (failed,) = [finding for finding in second.verdict.findings if not finding.ok]
    assert (failed.kind, failed.metric) == ("change", "accuracy")
    assert failed.baseline == pytest.approx(first.verdict.metrics["accuracy"])
    why = trainyard("why").out
    assert "Not pushed" in why
    assert first.id in why
    assert len(versions.versions(Path(first.verdict.destination).parent)) == 1
    reasons = {stage.name: stage.reason for stage in second.stages}
    assert "trainer.epochs from 30 to 1" in reasons["Trainer"]
    assert states(second)["Transform"] == "unchanged"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_keeps_rows_and_adds_answers(ran, trainyard, tmp_path, ending):
    run = ran("wine")
    frame = pd.read_csv(run.recipe.data.path)
    asked, answered = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
    if ending == "csv":
        frame.drop(columns="cultivar").to_csv(asked, index=False)
    else:
        frame.drop(columns="cultivar").to_parquet(asked)
    ended = trainyard("predict", WINE, "--input", asked, "--output", answered)
    assert (ended.code, ended.err) == (0, "")
    answers = pd.read_csv(answered) if ending == "csv" else pd.read_parquet(answered)
    assert len(answers) == len(frame)
    np.testing.assert_allclose(answers["alcohol"], frame["alcohol"])
    assert (answers["prediction"] == frame["cultivar"]).mean() > 0.9


def test_new_writes_a_recipe_that_runs_as_it_is(trainyard, tmp_path):
    rng = np.random.default_rng(3)
    size = 900
    frame = pd.DataFrame(
        {
            "Kunde Nr.": np.arange(size) + 10_000,
            "Größe (cm)": rng.normal(170, 10, size).round(1),
            "Farbe": rng.choice(["rot", "grün", "blau"], size),
            "seit": pd.date_range("2020-01-01", periods=size).strftime("%Y-%m-%d"),
            "Punkte": rng.integers(0, 5, size),
        }
    )
    frame.loc[rng.choice(size, 40, replace=False), "Größe (cm)"] = np.nan
    score = frame["Größe (cm)"].fillna(170) - 170 + 6 * (frame["Farbe"] == "rot")
    frame["class"] = np.where(score + rng.normal(0, 3, size) > 2, "ja", "nein")
    frame.to_csv(tmp_path / "kunden.csv", index=False, sep=";", encoding="latin-1")
    recipe = tmp_path / "kunden.yaml"
    ended = trainyard("new", recipe, "--data", tmp_path / "kunden.csv", "--label", "class")
    assert (ended.code, ended.err) == (0, "")
    again = trainyard("new", recipe, "--data", tmp_path / "kunden.csv", "--label", "class")
    assert again.code != 0
    assert "--force" in again.err
    ended = trainyard("run", recipe)
    assert ended.code == 0, ended.out + ended.err
    assert find_run("kunden").verdict.pushed
    rng.shuffle(frame["Farbe"].to_numpy())
    (tmp_path / "asked.csv").write_bytes(
        frame.drop(columns="class").to_csv(index=False, sep=";").encode("latin-1")
    )
    ended = trainyard(
        "predict", recipe, "--input", tmp_path / "asked.csv", "--output", tmp_path / "out.parquet"
    )
    assert ended.code == 0, ended.err
    assert set(pd.read_parquet(tmp_path / "out.parquet")["prediction"]) <= {"ja", "nein"}


def test_a_run_without_a_past_says_so(trainyard, monkeypatch, tmp_path):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "empty"))
    for command in ("why", "report", "resume"):
        ended = trainyard(command)
        assert ended.code == 2
        assert "there are no runs" in ended.err
    assert "there are no runs" in trainyard("runs").out
    assert workspace.home().exists() is False
