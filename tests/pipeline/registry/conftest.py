"""A recipe whose pushed versions are the tiny models of the server's tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.serving.conftest import push as copied
from tests.serving.conftest import saved as saved
from trainyard.components.pusher import versions as pushed
from trainyard.pipeline.records import RunRecord, StageRecord, Verdict
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

SAID = {"name": "half", "data": {"path": "x.csv"}, "label": "y", "task": "regression"}


@pytest.fixture
def recipe(tmp_path, monkeypatch) -> Recipe:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    made = Recipe.model_validate(SAID)
    Workspace.of(made).serving.mkdir(parents=True)
    return made


def record(recipe: Recipe, number: int, **trainer) -> RunRecord:
    """The record of the run that pushed a version."""
    told = recipe.model_dump(mode="json", by_alias=True)
    told["trainer"] |= trainer
    return RunRecord(
        id=f"2026010{number}-120000-000",
        recipe=recipe.name,
        recipe_file="half.yaml",
        recipe_json=json.dumps(told),
        state="running",
        started=datetime(2026, 1, number, 12, tzinfo=UTC),
        stages=[
            StageRecord(
                name="ExampleGen",
                parameters={"span": "3", "input_fingerprint": "f1", "custom.code": "c1"},
                outputs={"examples": [f"/artifacts/examples/{number}"]},
            ),
            StageRecord(name="Trainer", outputs={"model": [f"/artifacts/model/{number}"]}),
        ],
        verdict=Verdict(blessed=True, metrics={"mse": 0.1 * number, "example_count": 100.0}),
        versions={"trainyard": "0.1.0"},
    )


def push(recipe: Recipe, saved: Path, number: int, **trainer) -> Path:
    """Pushes a version as a run does."""
    folder = copied(saved, Workspace.of(recipe).serving, number)
    run = record(recipe, number, **trainer)
    (folder / "assets.extra").mkdir(exist_ok=True)
    (folder / pushed.RECORD).write_text(run.model_dump_json())
    (folder / pushed.MARKER).write_text(
        pushed.Origin(
            model=f"/artifacts/model/{number}",
            run=run.id,
            at=datetime(2026, 1, number, 13, tzinfo=UTC),
            artifacts={"model": 10 + number},
        ).model_dump_json()
    )
    return folder


def push_by_hand(recipe: Recipe, saved: Path, number: int) -> Path:
    """Copies a version as a person may."""
    return copied(saved, Workspace.of(recipe).serving, number)
