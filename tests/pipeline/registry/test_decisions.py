import subprocess
import sys
from datetime import UTC, datetime

import pytest

from trainyard.pipeline.registry import decisions
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

RECIPE = Recipe.model_validate(
    {"name": "decided", "data": {"path": "x.csv"}, "label": "y", "task": "binary"}
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))


def lines():
    return Workspace.of(RECIPE).root / "decisions.jsonl"


def test_before_the_first_decision_there_is_none():
    assert decisions.read(RECIPE) == []


def test_decisions_are_read_in_their_order():
    before = datetime.now(UTC)
    decisions.record(RECIPE, "promote", 2, "better\nby far: é", "models promote")
    decisions.record(RECIPE, "alarm", None, "drift of fare", "monitor")
    first, second = decisions.read(RECIPE)
    assert (first.what, first.version, first.reason) == ("promote", 2, "better\nby far: é")
    assert (second.what, second.version, second.by) == ("alarm", None, "monitor")
    assert before <= first.at <= second.at <= datetime.now(UTC)
    assert len(lines().read_text().splitlines()) == 2


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_torn_line_costs_itself_only(cut):
    decisions.record(RECIPE, "promote", 1, "first", "test")
    decisions.record(RECIPE, "promote", 2, "torn", "test")
    lines().write_bytes(lines().read_bytes()[:-cut])
    whole = ["first", "torn"] if cut == 1 else ["first"]  # only the line's end is missing
    assert [entry.reason for entry in decisions.read(RECIPE)] == whole
    decisions.record(RECIPE, "promote", 3, "third", "test")
    assert [entry.reason for entry in decisions.read(RECIPE)] == [*whole, "third"]


WRITER = """
import sys
from trainyard.pipeline.registry import decisions
from trainyard.recipe_schema import Recipe
recipe, writer = Recipe.model_validate_json(sys.argv[1]), int(sys.argv[2])
for number in range(50):
    decisions.record(recipe, "alarm", writer, f"{number} {'x' * 3000}", "test")
"""


def test_writers_do_not_disturb_one_another():
    command = [sys.executable, "-c", WRITER, RECIPE.model_dump_json(by_alias=True)]
    writers = [subprocess.Popen([*command, str(writer)]) for writer in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = decisions.read(RECIPE)
    for writer in range(3):
        numbers = [int(e.reason.split()[0]) for e in found if e.version == writer]
        assert numbers == list(range(50))
