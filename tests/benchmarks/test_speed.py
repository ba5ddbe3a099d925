"""The aggregation of a benchmark, from a small recorded state; nothing is measured here."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from benchmarks import measuring, picture, results, speed

MACHINE = {
    "processor": "Some processor",
    "cores": 2,
    "memory_bytes": 24 * 2**30,
    "system": "Linux 6.1",
    "versions": {"python": "3.11.7", "tfx": "1.16.0"},
}


def recorded(system, seconds, *, rows=300_040, repetition=1, others=0.0, again=None, **stages):
    run = {
        "commit": "abc1234",
        "rows": rows,
        "system": system,
        "repetition": repetition,
        "engine_named": True,
        "finished": f"2026-11-22 14:0{repetition}",
        "first": {
            "seconds": seconds,
            "peak_bytes": 1_000_000_000 + repetition,
            "processor_seconds": seconds * 1.5,
            "load_before": 0.3,
            "others_cores": others,
        },
        "stages": stages,
    }
    if again is not None:
        outcome = {"slices": 25, "example_count": 100.0, "accuracy": 0.9, "auc": 0.95}
        run |= {"again": run["first"] | {"seconds": again}, "outcome": outcome}
    return run


@pytest.fixture
def runs():
    """Three turns of two systems; the slow first turn must not show in a median."""
    return [
        recorded("stock", 300.0, repetition=1, again=90.0, ExampleGen=60.0, Evaluator=80.0),
        recorded("local", 60.0, repetition=1, again=1.5, ExampleGen=3.0, Evaluator=4.0, Gate=0.25),
        recorded("stock", 200.0, repetition=2, ExampleGen=50.0, Evaluator=70.0),
        recorded("local", 20.0, repetition=2, ExampleGen=2.0, Evaluator=3.5, Gate=0.25),
        recorded("stock", 210.0, repetition=3, ExampleGen=52.0, Evaluator=72.0),
        recorded("local", 21.0, repetition=3, ExampleGen=2.6, Evaluator=3.6, Gate=0.25),
    ]


def line(page, name):
    (found,) = re.findall(rf"^\| {re.escape(name)} \|.*$", page, flags=re.MULTILINE)
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_medians_of_whole_and_stage(runs):
    table = results.cells(runs)
    stock = table[300_040, "stock"]
    assert stock.seconds == 210.0
    assert stock.stage("ExampleGen") == 52.0
    assert stock.spread == "200.0-300.0"
    assert stock.again_seconds == 90.0
    assert stock.peak_bytes == 1_000_000_003


def test_what_is_in_no_stage_is_the_median_of_the_differences(runs):
    # 300-140, 200-120, 210-124: not the difference of the medians.
    assert results.cells(runs)[300_040, "stock"].stage(results.OUTSIDE) == 86.0


def test_a_system_without_a_stage_has_no_figure(runs):
    table = results.cells(runs)
    assert table[300_040, "stock"].stage("Gate") is None
    assert table[300_040, "local"].stage("Gate") == 0.25


@pytest.mark.parametrize(
    ("slower", "faster", "expected"),
    [(50.0, 2.5, 20.0), (2.0, 4.0, 0.5), (0.1, 0.01, None), (None, 1.0, None), (1.0, None, None)],
)
def test_ratio(slower, faster, expected):
    assert results.ratio(slower, faster) == expected


def test_page_holds_medians_and_ratios(runs):
    page = results.page(MACHINE, runs)
    assert line(page, "**in all, seconds**") == [
        "**in all, seconds**",
        "**210.0**",
        "**21.0**",
        "**10.0x**",
    ]
    assert line(page, "ExampleGen") == ["ExampleGen", "52.0", "2.6", "20.0x"]
    assert line(page, "Gate") == ["Gate", "", "0.2", ""]
    assert line(page, "peak memory, GB")[1:3] == ["1.00", "1.00"]
    assert "Some processor, 2 cores, 24 GiB" in page


def test_page_judges_goals(runs):
    page = results.page(MACHINE, runs)
    assert line(page, "whole run, 300k rows, against stock")[1:] == [
        "9x",
        "6x",
        "10.00x",
        "goal reached",
    ]
    assert line(page, "unchanged second run, wall, slowest size")[3:] == ["1.50 s", "goal reached"]
    assert line(page, "whole run, 15k rows, against stock")[3] == "not measured"


def test_goals_where_less_is_better():
    memory = next(goal for goal in results.GOALS if goal.name.startswith("peak memory"))
    verdicts = [memory.verdict(value) for value in (1.5, 2.4, 2.6)]
    assert verdicts == ["goal reached", "floor reached", "below the floor"]


def test_growth_is_one_where_ten_times_the_rows_take_ten_times_as_long():
    runs = [recorded("local", 20.0), recorded("local", 220.0, rows=3_000_400)]
    found = results.growth(300_040, 3_000_400)(results.cells(runs))
    assert found == pytest.approx(1.1)


def test_page_says_so_if_the_machine_was_busy(runs):
    warning = "first figures only"
    assert warning not in results.page(MACHINE, runs)
    busy = [*runs, recorded("beam", 250.0, others=1.1)]
    assert warning in results.page(MACHINE, busy)


def test_page_says_so_if_there_was_no_engine_to_choose(runs):
    note = "no `engine.name`"
    assert note not in results.page(MACHINE, runs)
    assert note in results.page(MACHINE, [run | {"engine_named": False} for run in runs])


def test_systems_stand_in_the_same_order_whoever_ran_first(runs):
    table = results.cells([recorded("local", 1.0, rows=5), *reversed(runs)])
    assert list(table) == [(5, "local"), (300_040, "stock"), (300_040, "local")]


def test_picture_has_every_size_system_and_total(runs, tmp_path):
    runs = [*runs, recorded("local", 220.0, rows=3_000_400, ExampleGen=100.0)]
    picture.draw(results.cells(runs), tmp_path / "results.svg")
    svg = (tmp_path / "results.svg").read_text()
    for text in ("300,040 rows", "3,000,400 rows", "stock TFX", "Trainyard, local", "21 s, 10.0x"):
        assert f"<!-- {text} -->" in svg
    picture.draw(results.cells(runs), tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == svg


def test_plan_takes_turns_and_leaves_the_largest_to_the_local_engine():
    turns = list(speed.plan([10, speed.ALONE], 2, ["stock", "beam", "local"]))
    assert [(turn.rows, turn.system, turn.repetition) for turn in turns] == [
        (10, "stock", 1),
        (10, "beam", 1),
        (10, "local", 1),
        (10, "stock", 2),
        (10, "beam", 2),
        (10, "local", 2),
        (speed.ALONE, "local", 1),
    ]


def bench(monkeypatch, home, *arguments):
    """The command, with a run that is counted and takes no time."""
    made = []

    def run(turn):
        made.append(turn)
        record = recorded(turn.system, 1.0, rows=turn.rows, repetition=turn.repetition)
        return {key: record[key] for key in ("first", "stages", "finished", "engine_named")}

    monkeypatch.setenv("TRAINYARD_HOME", str(home))
    monkeypatch.setattr(speed, "_run", run)
    monkeypatch.setattr(sys, "argv", ["speed", "--output", str(home), *arguments])
    assert speed.main() == 0
    return made


def test_resume_measures_only_what_is_not_there(monkeypatch, tmp_path):
    asked = ["--rows", "10", "--systems", "stock", "local", "--repeats"]
    assert len(bench(monkeypatch, tmp_path, *asked, "1")) == 2
    again = bench(monkeypatch, tmp_path, *asked, "2", "--resume")
    assert [(turn.system, turn.repetition) for turn in again] == [("stock", 2), ("local", 2)]
    assert len(bench(monkeypatch, tmp_path, *asked, "2")) == 4
    assert len(json.loads((tmp_path / "bench.json").read_text())["runs"]) == 4
    assert "10 rows" in (tmp_path / "RESULTS.md").read_text()


def measured(code, log):
    return measuring.measure(
        [sys.executable, "-c", code], folder=Path.cwd(), log=log, environment={"GREETING": "hello"}
    )


def test_measure_counts_wall_time_memory_and_children(tmp_path):
    child = "held = bytearray(200_000_000); import time; time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = measured(code, tmp_path / "log")
    assert cost.seconds >= 1
    assert cost.peak_bytes > 200_000_000
    assert 0 < cost.processor_seconds < cost.seconds * 2


def test_measure_keeps_output_and_stops_at_a_failure(tmp_path):
    code = "import os, sys; print(os.environ['GREETING'], flush=True); sys.exit(3)"
    with pytest.raises(SystemExit, match="ended with 3"):
        measured(code, tmp_path / "log")
    assert (tmp_path / "log").read_text() == "hello\n"
