"""Which model is in service: one answer, whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard import outputs
from trainyard.components.pusher.executor import pin
from trainyard.errors import RecipeError
from trainyard.model_store import version_config, versions
from trainyard.pipeline import records, retraining, status
from trainyard.pipeline.monitor import training
from trainyard.pipeline.recipe import dump
from trainyard.pipeline.records import RunRecord, Verdict
from trainyard.pipeline.registry import versions as registry
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness import weights_file

HEADS = {"heads": {"a": {"label": "y", "task": "binary"}, "b": {"label": "z", "task": "binary"}}}
ONE = {"label": "y", "task": "binary"}


@pytest.fixture(params=[ONE, HEADS], ids=["one head", "several heads"])
def recipe(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Recipe:
    """Versions 2, 9 and 10, each with the run that pushed it."""
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    told = {"name": "half", "data": {"path": "x.csv"}, "retrain": {"warm_start": True}}
    made = Recipe.model_validate(told | request.param)
    for number in (2, 9, 10):
        folder = outputs.serving("half") / str(number)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()
        RunRecord(
            id=f"202601{number:02}-120000-000",
            recipe="half",
            recipe_file="half.yaml",
            recipe_json=dump(made),
            state="pushed",
            started=datetime(2026, 1, number, tzinfo=UTC),
            verdict=Verdict(pushed=True, version=str(number)),
        ).save()
    return made


def answers(recipe: Recipe) -> dict[str, int | None]:
    """What everyone who needs the model in service takes for it."""
    base = outputs.serving(recipe.name)
    champion = versions.champion(base)
    return {
        "champion": champion and int(champion.name),
        "predict and generate": int(versions.pushed(base).name),
        "weights, pinned": weights_file.pinned({"recipe": "half"}, Path())["version"],
        "weights": int(weights_file.Pushed("half").folder.name),
        "registry": registry.champion(recipe),
        "status": status._served(recipe, "http://127.0.0.1:9").champion,
        "monitor": training.of(recipe).version,
        "retraining": retraining._champion(recipe),
        "warm start": int(Path(str(retraining.warm_started(recipe).trainer.start_from)).name),
    }


@pytest.mark.parametrize(
    ("config", "champion"),
    [
        ("", 10),
        ('version_labels { key: "stable" value: 2 }', 2),  # after a rollback
        (
            'version_labels { key: "stable" value: 9 } version_labels { key: "canary" value: 10 }',
            9,
        ),
        ('version_labels { key: "stable" value: 7 }', 10),  # which somebody has deleted
        ("model_version_policy { specific { versions: 2 versions: 9 } }", 9),
    ],
)
def test_all_take_the_same_version_for_the_champion(
    recipe: Recipe, config: str, champion: int
) -> None:
    (outputs.serving("half") / version_config.FILE).write_text(config)

    assert answers(recipe) == dict.fromkeys(answers(recipe), champion)

    pin(outputs.serving("half"))  # what the Pusher does before it pushes version 11
    (outputs.serving("half") / "11").mkdir()
    assert int(versions.pushed(outputs.serving("half")).name) == champion


def test_another_version_is_named_by_its_number(recipe: Recipe) -> None:
    base = outputs.serving(recipe.name)
    version_config.label(base, {"stable": 2})
    assert versions.pushed(base, 10) == base / "10"
    assert weights_file.Pushed("half", 10).folder == base / "10"
    with pytest.raises(RecipeError, match="version 3 has not been pushed") as raised:
        versions.pushed(base, 3)
    assert raised.value.expected == "2, 9, 10"
    with pytest.raises(RecipeError, match="no model has been pushed"):
        versions.pushed(base.with_name("nobody"))
    assert next(records.all_runs("half")).verdict.version == "10"


@given(
    st.dictionaries(st.sampled_from(["stable", "canary"]), st.integers(1, 9)),
    st.sets(st.integers(1, 9)),
)
def test_stable_is_in_service_and_else_the_newest(labels: dict[str, int], there: set[int]) -> None:
    found = versions.in_service(labels, there)
    if labels.get("stable") in there:
        assert found == labels["stable"]
    else:
        assert found == (max(there) if there else None)


def test_the_champion_answers_requests_that_name_no_version(tmp_path: Path) -> None:
    assert versions.champion(tmp_path / "nothing") is None
    for number in (2, 9, 10):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "saved_model.pb").touch()
    assert versions.champion(tmp_path) == tmp_path / "10"
    version_config.label(tmp_path, {"stable": 9})
    assert versions.champion(tmp_path) == tmp_path / "9"
    (tmp_path / "9" / "saved_model.pb").unlink()
    (tmp_path / "9").rmdir()
    assert versions.champion(tmp_path) == tmp_path / "10"
