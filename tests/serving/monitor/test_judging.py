"""Both locks of an alarm; and on real data that it is neither deaf nor nervous."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer

from trainyard.recipe_schema import Monitor
from trainyard.serving.monitor import comparisons, judging
from trainyard.serving.monitor.comparisons import Comparison
from trainyard.serving.monitor.reference import Builder
from trainyard.serving.monitor.report import Window

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(asked="24h", since=NOW, until=NOW)


def judged(*found, **settings):
    return judging.judge(found, Monitor(**settings), WINDOW)


def test_an_alarm_is_beyond_its_threshold_and_not_by_chance():
    far = Comparison("ks", 0.3, 0.3, "fare", p_value=1e-6, detail="median 5, now 9")
    by_chance = Comparison("ks", 0.3, 0.3, "few", p_value=0.5)
    small = Comparison("ks", 0.01, 0.01, "many", p_value=1e-12)
    measures, alarms = judged(far, by_chance, small)
    assert [measure.alarming for measure in measures] == [True, False, False]
    (alarm,) = alarms
    assert (alarm.kind, alarm.column, alarm.threshold) == ("ks", "fare", 0.1)
    assert alarm.sentence == (
        "fare: the Kolmogorov-Smirnov distance from training is 0.3 (allowed: 0.1); median 5, now 9"
    )
    assert alarm.window == str(WINDOW)


def test_distances_of_a_column_share_a_test_and_each_test_counts_once():
    found = [Comparison(kind, 0.5, 0.5, "fare", p_value=0.004) for kind in ("ks", "js", "psi")]
    measures, alarms = judged(*found)
    assert {measure.p_value for measure in measures} == {0.004}
    assert len(alarms) == 3
    measures, alarms = judged(*found, *(Comparison("missing", 0, 0, c, p_value=1) for c in "abc"))
    assert measures[0].p_value == pytest.approx(0.016)
    assert alarms == []


def test_what_is_not_watched_is_neither_measured_nor_counted_as_a_test():
    ks = Comparison("ks", 0.5, 0.5, "fare", p_value=0.004)
    others = [Comparison("missing", 0, 0, c, p_value=1) for c in "abc"]
    measures, alarms = judged(ks, *others, missing=None)
    assert [measure.kind for measure in measures] == ["ks"]
    assert len(alarms) == 1


def test_what_is_counted_needs_no_p_value():
    _, (alarm,) = judged(Comparison("error_rate", 0.5, 0.5))
    assert alarm.sentence.startswith("server: the share of requests that failed is 0.5")


@pytest.fixture(scope="module")
def cells():
    """Eight columns of real numbers that hang together closely."""
    data = load_breast_cancer(as_frame=True).data.astype(np.float32).iloc[:, :8]
    return {name: data[name].to_numpy() for name in data}


def looked(cells, chance, level, change=lambda columns: columns):
    """Draws training and a window of 150 rows, and looks."""
    order = chance.permutation(569)
    builder = Builder(dict.fromkeys(cells, "number"), 1000)
    builder.trained_on({name: pa.array(values[order[150:]]) for name, values in cells.items()})
    window = change({name: values[order[:150]] for name, values in cells.items()})
    found = comparisons.of_columns(
        builder.reference(), {name: pa.array(values) for name, values in window.items()}
    )
    return judging.judge(found, Monitor(level=level), WINDOW)


def test_windows_of_the_same_data_alarm_no_more_often_than_the_level_says(cells):
    level, windows, tests = 0.2, 40, 3 * len(cells)
    chance = np.random.default_rng(29)
    looks = [looked(cells, chance, level) for _ in range(windows)]
    least = np.array([min(measure.p_value for measure in measures) for measures, _ in looks])
    # 15 or more of 40 would come about once in a hundred times.
    assert np.count_nonzero(least <= level) < 15
    assert sum(bool(alarms) for _, alarms in looks) <= np.count_nonzero(least <= level)
    # Without the correction for the number of tests this test would fail.
    assert np.count_nonzero(least / tests <= level) >= 15


@pytest.mark.parametrize(("size", "noticed"), [(1.0, range(8, 9)), (0.05, range(2))])
def test_a_shift_by_a_deviation_is_always_noticed_and_a_tiny_one_hardly(cells, size, noticed):
    def moved(columns):
        texture = columns["mean texture"]
        return columns | {"mean texture": texture + np.float32(size * texture.std())}

    chance = np.random.default_rng(31)
    looks = [looked(cells, chance, 0.01, moved)[1] for _ in range(8)]
    assert sum(any(a.column == "mean texture" for a in alarms) for alarms in looks) in noticed
