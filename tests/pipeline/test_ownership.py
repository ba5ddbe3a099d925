"""A workspace belongs to one recipe file; another file of the same name is refused."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainyard.errors import DataError, RecipeError
from trainyard.pipeline import cli, ownership, records
from trainyard.pipeline.recipe import load_recipe
from trainyard.pipeline.runners import local
from trainyard.pipeline.scheduling import schedule
from trainyard.pipeline.workspace import Workspace

RECIPE = """\
name: {name}
data: {{path: rows.csv}}
label: y
task: binary
schedule: {{cron: "0 3 * * *"}}
push: {{{push}}}
"""
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def trainyard(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trainyard", *map(str, arguments)])
        code = cli.answer()
        return code, *capsys.readouterr()

    return call


def write(folder: Path, name: str = "churn", push: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "rows.csv").write_text("x,y\n1.5,0\n2.5,1\n")
    file = folder / f"{name}.yaml"
    file.write_text(RECIPE.format(name=name, push=push))
    return file


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A recipe that has pushed a model."""
    file = write(tmp_path / "clientA")
    recipe = load_recipe(file)
    ownership.take(recipe, file)
    (Workspace.of(recipe).serving / "1").mkdir()
    return file


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    return write(tmp_path / "clientB")


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "check",
        "retrain",
        "schedule add",
        "schedule remove",
        "status",
        "serve",
        "predict",
        "generate",
        "monitor",
        "models list",
        "models promote 1",
        "canary",
    ],
)
def test_every_command_refuses_another_file_of_the_name(
    trainyard: Call, ours: Path, theirs: Path, command: str, home: Path
) -> None:
    first, *rest = command.split(" ")
    words = [first, *rest[:1]] if first in ("schedule", "models") else [first]
    before = sorted(home.rglob("*"))

    code, out, err = trainyard(*words, theirs, *rest[1:])

    assert (code, out) == (RecipeError.exit_code, "")
    assert err.startswith(f"error: {theirs}:1:1: ")
    assert str(ours) in err and "another name" in err and "--adopt" in err
    assert sorted(home.rglob("*")) == before


def test_adopting_moves_all_to_the_other_file(trainyard: Call, ours: Path, theirs: Path) -> None:
    assert trainyard("check", theirs, "--adopt")[0] == 0
    assert trainyard("models", "list", theirs)[0] == 0
    code, _, err = trainyard("models", "list", ours)
    assert code == 2 and str(theirs) in err


def test_a_run_is_refused_even_if_the_owner_came_in_between(ours: Path, theirs: Path) -> None:
    with pytest.raises(RecipeError, match="belongs to the recipe 'churn'"):
        local.run(load_recipe(theirs), theirs)
    assert not list(records.all_runs())
    owner = ownership.read(Workspace.of(load_recipe(ours)).root)
    assert owner and owner.recipe_file == ours


def test_the_same_file_by_another_path_is_the_same(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(ours.parent)
    monkeypatch.chdir(ours.parent)
    for path in ("churn.yaml", "../clientA/churn.yaml", tmp_path / "link" / "churn.yaml"):
        assert ownership.load(Path(path)).name == "churn"


def test_a_link_that_leads_elsewhere_now_is_still_the_owner(tmp_path: Path) -> None:
    current = tmp_path / "current"
    for release in ("release1", "release2"):
        write(tmp_path / release)
        current.unlink(missing_ok=True)
        current.symlink_to(tmp_path / release)
        recipe = ownership.load(current / "churn.yaml")
        ownership.take(recipe, current / "churn.yaml")


def test_a_file_that_was_moved_says_so_and_can_adopt(trainyard: Call, ours: Path) -> None:
    moved = ours.parent.with_name("moved")
    shutil.move(ours.parent, moved)
    code, _, err = trainyard("check", moved / "churn.yaml")
    assert code == 2
    assert f"{ours}, which is no longer there" in err and "--adopt" in err
    assert trainyard("check", moved / "churn.yaml", "--adopt")[0] == 0
    assert trainyard("check", moved / "churn.yaml")[0] == 0


def test_a_workspace_of_nobody_becomes_that_of_who_runs_in_it(
    theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = ownership.load(theirs)
    (Workspace.of(recipe).serving / "1").mkdir(parents=True)  # before there were owners
    monkeypatch.setattr(local, "_checked", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        local.run(recipe, theirs)
    for folder in (Workspace.of(recipe).root, Workspace.of(recipe).serving):
        owner = ownership.read(folder)
        assert owner and owner.recipe_file == theirs


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_recipe_that_never_ran_owns_nothing(tmp_path: Path) -> None:
    refused, good = write(tmp_path / "c", "fresh"), write(tmp_path / "d", "fresh")
    (refused.parent / "rows.csv").unlink()
    with pytest.raises(DataError):
        local.run(load_recipe(refused), refused)
    assert ownership.load(good).name == "fresh"


def test_a_recipe_that_is_refused_keeps_what_it_owned(ours: Path) -> None:
    (ours.parent / "rows.csv").unlink()
    with pytest.raises(DataError):
        local.run(load_recipe(ours), ours)
    owner = ownership.read(Workspace.of(load_recipe(ours)).root)
    assert owner and owner.recipe_file == ours


def test_two_recipes_do_not_push_to_one_destination(trainyard: Call, tmp_path: Path) -> None:
    first = write(tmp_path / "a", "first", "destination: ../served")
    second = write(tmp_path / "a", "second", "destination: ../served")
    ownership.take(load_recipe(first), first)
    code, _, err = trainyard("check", second)
    assert code == 2
    assert f"{second}:6:8: " in err
    assert "belongs to the recipe 'first'" in err and "another destination" in err


def test_a_schedule_has_one_file_for_each_name(
    trainyard: Call, theirs: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "clientC")
    assert trainyard("schedule", theirs)[0] == 0
    code, _, err = trainyard("schedule", other)
    assert code == 2 and str(theirs) in err
    assert [entry.file for entry in schedule.entries()] == [theirs]
    assert trainyard("schedule", other, "--adopt")[0] == 0
    assert [entry.file for entry in schedule.entries()] == [other]
