"""What is made of a soak's figures; nothing is measured here."""

from __future__ import annotations

import dataclasses
import re

import pytest

from benchmarks.serving import Latency
from benchmarks.soak import Plan, Soaked

PLAN = Plan(minutes=10, every=20)


def good(**changes):
    """Ten minutes: every version answers from its push on, the rollback takes 0.4 s."""
    answered, now = [], 1
    for tick in range(6000):  # tenths of a second
        pushed = tick // 200 + 1
        if pushed not in (PLAN.broken, *PLAN.held):
            now = pushed
        if pushed in PLAN.held and tick >= (PLAN.rollback - 1) * 200 + 4:
            now = PLAN.stable
        answered.append((tick / 10, now))
    made = Soaked(
        PLAN,
        top=1000.0,
        seen=Latency(0.01, 0.05, 700.0),
        failures=[],
        answered=answered,
        rolled_back=(PLAN.rollback - 1) * 20.0,
        memory=[700] * 10 + [720] * 19,
    )
    return dataclasses.replace(made, **changes)


def test_the_plan_has_room_for_all_that_happens():
    assert (PLAN.versions, PLAN.broken, PLAN.rollback, PLAN.stable) == (30, 10, 16, 14)
    assert list(PLAN.held) == [16, 17, 18]
    with pytest.raises(SystemExit, match="time for 8 versions"):
        Plan(minutes=1, every=20)


def test_a_good_soak_is_met_and_its_report_can_be_pasted():
    soaked = good()
    assert list(soaked.wrong()) == []
    assert soaked.rollback_seconds == pytest.approx(0.4)
    report = soaked.report()
    assert report[-1] == "met"
    table = report[: report.index("")]
    assert all(line.startswith("| ") for line in table)
    assert "| 10 minutes at 70% of it | 420,000 requests, 700 a second |" in table


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"failures": ["UNAVAILABLE: gone"]}, "1 request failed, the first: UNAVAILABLE: gone"),
        ({"seen": Latency(0.01, 0.05, 600.0)}, "only 600 requests a second"),
        ({"answered": [(0.0, 1), (300.5, 14)]}, r"never answered: \[2, 3"),
        ({"answered": [*good().answered, (600.0, 10)]}, "the broken version 10 answered"),
        ({"rolled_back": 298.0}, "the rollback took 2.4 s"),
        ({"memory": [700] * 20 + [740] * 9}, "memory grew by 6%"),
    ],
)
def test_what_is_not_met_is_said(changes, said):
    soaked = good(**changes)
    (wrong,) = soaked.wrong()
    assert re.search(said, wrong)
    assert soaked.report()[-1].startswith("NOT MET: ")
