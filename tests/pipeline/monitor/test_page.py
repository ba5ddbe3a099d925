from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from trainyard.pipeline.monitor.page import write_page
from trainyard.recipe_schema import Monitor
from trainyard.serving.monitor import comparisons, judging
from trainyard.serving.monitor.comparisons import Comparison
from trainyard.serving.monitor.reference import Builder
from trainyard.serving.monitor.report import MonitorReport, Window
from trainyard.serving.monitor.rows import Rows

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NASTY = "<b>&'\"[red]</b>"


def rows(chance, count, moved=0.0, named=b"card"):
    kinds = np.where(chance.random(count) < 0.5, named, b"cash").astype(object)
    columns = {
        "fare": pa.array((chance.gamma(3, 4, count) + moved).astype(np.float32)),
        NASTY: pa.array(kinds.tolist(), pa.binary()),
        "none": pa.nulls(count, pa.float32()),
    }
    answers = {"": chance.beta(2, 5, (count, 1)).astype(np.float32)}
    return Rows(columns, answers, np.ones(count, bool))


@pytest.fixture
def written(tmp_path):
    def write(moved, *others, judged=True):
        chance = np.random.default_rng(1)
        builder = Builder({"fare": "number", NASTY: "category", "none": "number"}, 1000)
        builder.trained_on(rows(chance, 1000).columns)
        before = rows(chance, 300)
        builder.judged(300, before.take)
        reference, window = builder.reference(), rows(chance, 500, moved, NASTY.encode())
        found = [*comparisons.of_columns(reference, window.columns), *others]
        found += comparisons.of_answers(reference.judged, window)
        span = Window(asked="24h", since=NOW, until=NOW)
        measures, alarms = judging.judge(found if judged else [], Monitor(), span)
        report = MonitorReport(
            recipe="taxi",
            version=3,
            run="r",
            at=NOW,
            window=span,
            rows=500,
            judged=judged,
            labelled=7,
            alarms=alarms,
            measures=measures,
            notes=["No server <answers>."],
        )
        return write_page(report, reference, window, tmp_path).read_text()

    return write


def test_an_alarm_is_at_the_top_and_its_column_first(written):
    page = written(
        9.0, Comparison("quality", 0.7, 0.2, "auc", "sex = f", 0.9, 1e-9, "0.9, now 0.7")
    )
    assert "fare: the Kolmogorov-Smirnov distance from training is" in page
    assert page.index('class="name">fare') < page.index('class="name">none')
    assert '✗ no</td><th scope="row">auc</th><td class="name">sex = f</td>' in page
    assert 'class="before"' in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_names_and_values_are_text_and_no_markup(written):
    page = written(0.0)
    assert NASTY not in page
    assert "&lt;b&gt;" in page
    assert "No server &lt;answers&gt;." in page


def test_a_page_of_nothing_but_notes(written):
    page = written(0.0, judged=False)
    assert "500 rows are too few to judge by." in page
    assert "What was asked</h2>" not in page
