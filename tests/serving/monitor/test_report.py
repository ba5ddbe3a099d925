from __future__ import annotations

from datetime import UTC, datetime

from trainyard.serving.monitor import report
from trainyard.serving.monitor.report import Alarm, Measure, MonitorReport, Window


def test_a_report_is_read_as_it_was_written(tmp_path):
    assert report.read(tmp_path) is None
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    window = Window(asked="24h", since=at, until=at)
    told = {"kind": "ks", "column": "fare", "measured": 0.4, "threshold": 0.1}
    written = MonitorReport(
        recipe="taxi_tips",
        version=3,
        run="20260301-100000-000",
        at=at,
        window=window,
        rows=500,
        alarms=[Alarm(**told, window=str(window), sentence="fare moved")],
        measures=[Measure(**told, p_value=0.001, alarming=True)],
    )
    written.write(tmp_path)
    assert report.read(tmp_path) == written
    assert [file.name for file in tmp_path.iterdir()] == [report.FILE]
    assert str(window) == "2026-03-01 12:00:00 to 2026-03-01 12:00:00 UTC"
