from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.components.example_gen.image_files import write
from trainyard.components.pusher import versions
from trainyard.errors import DataError
from trainyard.model_store import version_config
from trainyard.pipeline import records, unchanged
from trainyard.pipeline.records import RunRecord, StageRecord, Verdict
from trainyard.recipe_schema import Monitor, Recipe, RunSchedule, TextFeature, Trainer


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "rows.csv").write_text("a,y\n1,0\n")
    (tmp_path / "s.pbtxt").write_text('feature { name: "a" }')
    data = {"path": str(tmp_path / "rows.csv"), "schema": str(tmp_path / "s.pbtxt")}
    return Recipe.model_validate({"name": "wine", "data": data, "label": "y", "task": "binary"})


@pytest.fixture
def pushed(recipe, home):
    """A run that pushed version 1."""
    model, served = home / "model", home / "serving" / "wine" / "1"
    model.mkdir(parents=True)
    (served / versions.MARKER).parent.mkdir(parents=True)
    (served / versions.MARKER).write_text(f'{{"model": "{model}"}}')
    record = RunRecord(
        id="20260102-000000-1",
        recipe="wine",
        recipe_file="wine.yaml",
        recipe_json="{}",
        state="pushed",
        started=datetime(2026, 1, 2, tzinfo=UTC),
        seconds=20,
        fingerprint=unchanged.fingerprint(recipe),
        stages=[StageRecord(name="Trainer", state="done", outputs={"model": [str(model)]})],
        verdict=Verdict(
            pushed=True, version="1", destination=str(served), sentences=["Pushed: 1.", "auc is 1."]
        ),
    )
    record.save()
    return record


def taken_over(recipe):
    return unchanged.taken_over(recipe, Path("wine.yaml"))


def test_nothing_to_do_is_a_run_too(recipe, pushed):
    record = taken_over(recipe)
    assert records.find_run(None) == record
    assert record.id > pushed.id
    assert (record.state, record.seconds, record.verdict.version) == ("pushed", 0.0, "1")
    assert [(stage.name, stage.state) for stage in record.stages] == [("Trainer", "unchanged")]
    first, second, third = record.verdict.sentences
    assert first.startswith(f"Nothing to push: this is the model that run {pushed.id} pushed")
    assert pushed.id in second
    assert third == "auc is 1."


def test_again_and_again_the_first_run_stays_named(recipe, pushed):
    taken_over(recipe)
    again = taken_over(recipe)
    assert f"run {pushed.id} pushed" in again.verdict.sentences[0]
    assert len(again.verdict.sentences) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda recipe, tmp: (tmp / "rows.csv").write_text("a,y\n1,0\n2,1\n"),
        lambda recipe, tmp: (tmp / "s.pbtxt").write_text('feature { name: "b" }'),
        lambda recipe, tmp: (tmp / "home" / "model").rmdir(),
        lambda recipe, tmp: (tmp / "home" / "serving" / "wine" / "2").mkdir(),
        lambda recipe, tmp: (tmp / "home" / "serving" / "wine" / "1").rename(tmp / "gone"),
    ],
    ids=["data", "schema", "artifact", "newer version by hand", "version gone"],
)
def test_a_change_makes_it_a_real_run(recipe, pushed, tmp_path, change):
    change(recipe, tmp_path)
    assert taken_over(recipe) is None


def test_another_recipe_or_a_failed_run_is_a_real_run(recipe, pushed):
    other = recipe.model_copy(update={"trainer": recipe.trainer.model_copy(update={"seed": 9})})
    assert taken_over(other) is None
    pushed.state = "failed"
    pushed.save()
    assert taken_over(recipe) is None


def test_missing_data_are_named(recipe, tmp_path):
    (tmp_path / "rows.csv").unlink()
    with pytest.raises(DataError, match="no such file"):
        unchanged.fingerprint(recipe)


def test_a_file_that_a_parameter_names_counts(recipe, tmp_path):
    file = tmp_path / "a.weights.h5"
    params = {"weights": str(file)}
    recipe = recipe.model_copy(update={"trainer": Trainer(module="transfer", params=params)})
    file.write_text("one")
    before = unchanged.fingerprint(recipe)
    assert unchanged.fingerprint(recipe) == before
    file.write_text("another")
    assert unchanged.fingerprint(recipe) != before


def test_files_that_are_renamed_into_each_other_count(tmp_path):
    for name, text in (("r.neg.txt", "bad\n"), ("r.pos.txt", "top\n")):
        (tmp_path / name).write_text(text)
    data = {"path": str(tmp_path / "r.*.txt"), "format": "lines"}
    recipe = Recipe.model_validate({"name": "a", "data": data, "label": "label", "task": "binary"})
    first = unchanged.fingerprint(recipe)
    for old, new in (("neg", "x"), ("pos", "neg"), ("x", "pos")):
        (tmp_path / f"r.{old}.txt").rename(tmp_path / f"r.{new}.txt")
    assert unchanged.fingerprint(recipe) != first


@pytest.mark.parametrize("place", ["model.keras", "7/model.keras"])
def test_another_model_to_start_from_under_the_same_name_counts(recipe, tmp_path, place):
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("one")
    trainer = Trainer(module="mlp", start_from=str(tmp_path / place.split("/")[0]))
    recipe = recipe.model_copy(update={"trainer": trainer})
    first = unchanged.fingerprint(recipe)
    file.write_text("two")
    assert unchanged.fingerprint(recipe) != first


def test_an_image_that_a_table_names_counts(tmp_path):
    for name in ("a.png", "b.png"):
        write(tmp_path / name)
    (tmp_path / "table.csv").write_text("photo,y\na.png,1\nb.png,0\n")
    data = {"path": str(tmp_path / "table.csv"), "images": {"source": "photo"}}
    recipe = Recipe.model_validate({"name": "a", "data": data, "label": "y", "task": "binary"})
    first = unchanged.fingerprint(recipe)
    assert unchanged.fingerprint(recipe) == first
    write(tmp_path / "b.png", level=3, size=(40, 40))
    assert unchanged.fingerprint(recipe) != first


def test_another_file_of_word_vectors_is_a_change(recipe, tmp_path):
    file = tmp_path / "vectors.txt"
    text = {"kind": "text", "embedding": {"file": str(file)}}
    wanting = recipe.model_copy(update={"features": {"a": TextFeature.model_validate(text)}})
    file.write_text("good 1 2\n")
    before = unchanged.fingerprint(wanting)
    file.write_text("good 1 2\nbad 3 4\n")
    assert unchanged.fingerprint(wanting) != before


def test_another_champion_is_a_change_and_another_schedule_none(recipe, pushed, home):
    served = home / "serving" / "wine"
    (served / "1" / "saved_model.pb").touch()
    plain = unchanged.fingerprint(recipe)
    around = {"schedule": RunSchedule(cron="0 3 * * *"), "monitor": Monitor(level=0.05)}
    nightly = recipe.model_copy(update=around)
    assert unchanged.fingerprint(nightly) == plain
    version_config.label(served, {"canary": 1})
    assert unchanged.fingerprint(recipe) == plain
    version_config.label(served, {"stable": 1})
    assert unchanged.fingerprint(recipe) != plain
