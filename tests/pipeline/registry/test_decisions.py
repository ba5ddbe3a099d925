import multiprocessing
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


def _record(writer: int) -> None:
    for number in range(50):
        decisions.record(RECIPE, "alarm", writer, f"{number} {'x' * 3000}", "test")


def test_writers_do_not_disturb_one_another():
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_record, range(4))
    found = decisions.read(RECIPE)
    for writer in range(4):
        numbers = [int(e.reason.split()[0]) for e in found if e.version == writer]
        assert numbers == list(range(50))
