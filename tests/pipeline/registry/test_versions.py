from __future__ import annotations

import json
import shutil

import pytest

from tests.pipeline.registry.conftest import push, push_by_hand, record
from trainyard.components.pusher import versions as pushed
from trainyard.errors import RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline.registry import tables, versions
from trainyard.pipeline.workspace import Workspace
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description, HeadDescription


def label(recipe, **labels):
    version_config.label(Workspace.of(recipe).serving, labels)


def aliases(recipe):
    return {version.number: version.alias for version in versions.all_versions(recipe)}


def test_without_versions_there_is_no_champion(recipe):
    assert versions.all_versions(recipe) == []
    assert versions.champion(recipe) is versions.challenger(recipe) is None
    with pytest.raises(RecipeError, match="no version has been pushed"):
        versions.find(recipe)


def test_a_version_is_told_from_what_lies_in_its_own_folder(recipe, saved):
    push(recipe, saved, 1, epochs=7)
    (version,) = versions.all_versions(recipe)
    assert (version.number, version.blessed, version.alias) == (1, True, "champion")
    assert version.run == "20260101-120000-000"
    assert version.pushed.isoformat() == "2026-01-01T13:00:00+00:00"
    assert version.metrics["mse"] == pytest.approx(0.1)
    assert version.hyperparameters["epochs"] == 7
    assert version.hyperparameters["optimizer.name"] == "adam"
    assert version.recipe["name"] == "half"
    assert version.data == {"path": "x.csv", "span": "3", "input_fingerprint": "f1"}
    assert version.code == {"ExampleGen": "c1"}
    assert version.lineage["Trainer.model"] == "/artifacts/model/1"
    assert version.artifacts == {"model": 11}
    assert version.bytes > 100_000
    json.loads(version.model_dump_json())


def test_of_a_version_of_before_the_runs_own_record_tells(recipe, saved):
    folder = push(recipe, saved, 1)
    shutil.rmtree(folder / "assets.extra")
    (folder / "assets.extra").mkdir()
    (folder / pushed.MARKER).write_text('{"model": "m", "run": "20260101-120000-000"}')
    assert versions.find(recipe).metrics == {}
    record(recipe, 1).save()
    version = versions.find(recipe)
    assert version.metrics["mse"] == pytest.approx(0.1)
    assert version.pushed.day == 1


def test_what_a_person_copied_there_is_not_blessed(recipe, saved):
    push_by_hand(recipe, saved, 1)
    version = versions.find(recipe)
    assert (version.blessed, version.run, version.alias) == (False, "", "champion")


def test_aliases_are_the_servers_labels(recipe, saved):
    for number in (1, 2, 3):
        push(recipe, saved, number)
    assert aliases(recipe) == {1: "", 2: "", 3: "champion"}
    label(recipe, stable=1)
    assert aliases(recipe) == {1: "champion", 2: "", 3: ""}
    label(recipe, canary=3)
    assert aliases(recipe) == {1: "champion", 2: "", 3: "challenger"}
    assert versions.find(recipe, "challenger").number == 3
    assert versions.find(recipe, "2").number == 2
    label(recipe, stable=3)
    assert aliases(recipe)[3] == "champion"


def test_a_version_that_is_not_there_is_an_error_with_those_that_are(recipe, saved):
    push(recipe, saved, 1)
    for name in ("7", "challenger"):
        with pytest.raises(RecipeError, match=rf"no version '{name}'(.|\n)*(choose|did you mean)"):
            versions.find(recipe, name)


def test_differences_are_told_by_section(recipe, saved):
    push(recipe, saved, 1)
    push(recipe, saved, 2, epochs=7)
    old, new = versions.all_versions(recipe)
    found = tables.differences(old, new)
    assert found["hyperparameters"] == {"epochs": (old.hyperparameters["epochs"], 7)}
    assert found["metrics"].keys() == {"mse"}
    assert found["recipe"] == found["data"] == found["code"] == {}


def test_version_shows_the_labels_values_and_the_positive_one(recipe, saved, capsys):
    from rich.console import Console

    folder = push(recipe, saved, 1)
    risk = HeadDescription(task="binary", label="risk", class_names=("1", "2"))
    price = HeadDescription(task="regression", label="price")
    told = Description(heads={"risk": risk, "price": price}, inputs={"x": "float32"})
    description.write(folder, told)
    Console(width=200).print(tables.shown(versions.find(recipe), []))
    text = capsys.readouterr().out
    assert "binary '1', '2'; '2' is positive" in text
    assert "regression" in text


def test_tables_have_what_there_is(recipe, saved, capsys):
    from rich.console import Console

    push(recipe, saved, 1)
    push_by_hand(recipe, saved, 2)
    found = versions.all_versions(recipe)
    console = Console(width=500)
    console.print(tables.listing(found))
    for version in found:
        console.print(tables.shown(version, []))
    console.print(tables.difference(*found))
    console.print(tables.difference(found[0], found[0]))
    text = capsys.readouterr().out
    assert "by hand: not blessed" in text
    assert "20260101-120000-000" in text
    assert "differ in nothing that is known" in text
