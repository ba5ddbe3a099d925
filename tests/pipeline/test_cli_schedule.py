from __future__ import annotations

import json
import sys

import pytest

from trainyard.pipeline import cli

RECIPE = """\
name: wine
data: {path: wine.csv}
label: y
task: binary
schedule: {cron: "0 3 * * *"}
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "wine.csv").write_text("a,y\n1,0\n")
    file = tmp_path / "wine.yaml"
    file.write_text(RECIPE)
    return file


@pytest.fixture
def trainyard(home, capsys, monkeypatch):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["trainyard", *map(str, arguments)])
        code = cli.answer()
        return code, *capsys.readouterr()

    return call


def test_a_recipe_needs_no_word_before_it(trainyard, recipe):
    for command in (["schedule", recipe], ["schedule", "add", recipe]):
        code, out, err = trainyard(*command)
        assert (code, err) == (0, "")
        assert out.startswith("wine: next at ")
        assert "03:00 UTC  (0 3 * * *)" in out
        assert "scheduler: not running; start it with: trainyard scheduler" in out


def test_options_may_come_before_or_after(trainyard, recipe):
    for command in (["--cron", "0 4 * * *", recipe], [recipe, "--cron", "0 4 * * *"]):
        assert "(0 4 * * *)" in trainyard("schedule", "add", *command)[1]
    assert "Tokyo  (0 3" in trainyard("schedule", recipe, "--timezone", "Asia/Tokyo")[1]


def test_list_pause_resume_remove_by_name_or_by_file(trainyard, recipe):
    assert "nothing is on the schedule" in trainyard("schedule", "list")[1]
    trainyard("schedule", recipe)
    assert trainyard("schedule", "pause", "wine")[1] == "wine: paused  (0 3 * * *)\n"
    (entry,) = json.loads(trainyard("schedule", "list", "--json")[1])
    assert (entry["recipe"], entry["file"], entry["next"]) == ("wine", str(recipe), None)
    assert "03:00" in trainyard("schedule", "resume", recipe)[1]
    recipe.unlink()
    assert f"the recipe is gone: {recipe}" in trainyard("schedule", "list")[1].replace("\n", "")
    assert trainyard("schedule", "remove", "wine")[1] == "wine is no longer on the schedule\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["schedule", "pause", "wine"], "error: 'wine' is not on the schedule"),
        (["schedule", "nowhere.yaml"], "error: there is no recipe 'nowhere.yaml'"),
        (["status", "wine"], "error: nothing is known of a recipe 'wine'"),
        (["retrain", "nowhere.yaml"], "error: there is no recipe 'nowhere.yaml'"),
    ],
)
def test_one_clear_error(trainyard, arguments, message):
    code, _, err = trainyard(*arguments)
    assert code == 2
    assert err.startswith(message)


def test_a_wrong_cron_names_its_field_and_place(trainyard, recipe):
    recipe.write_text(RECIPE.replace("0 3 * * *", "0 3 * * 9"))
    code, _, err = trainyard("schedule", recipe)
    assert code == 2
    assert err.startswith(f"error: {recipe}:5:12: schedule.cron: the day of the week is '9'")
    recipe.write_text(RECIPE.replace('"0 3 * * *"', '"0 3 * * *", timezone: Europe/Berlim'))
    code, _, err = trainyard("schedule", recipe)
    assert (code, "did you mean 'Europe/Berlin'?" in err) == (2, True)
