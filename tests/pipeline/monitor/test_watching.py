from __future__ import annotations

import urllib.request

from trainyard.errors import DataError
from trainyard.pipeline.monitor import watching
from trainyard.pipeline.monitor.look import Wishes
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.serving.monitor.report import FILE

REPORT = """{"recipe": "x", "version": 1, "run": "r", "at": "2026-03-01T00:00:00Z", "rows": 5,
"window": {"asked": "24h", "since": "2026-03-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}}"""


def recipe():
    return Recipe.model_validate(
        {"name": "watched", "data": {"path": "x.csv"}, "label": "y", "task": "binary"}
    )


def test_gauges_are_served_as_soon_as_there_is_a_report(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    port = watching.listen(recipe(), 0)
    address = f"http://127.0.0.1:{port}/metrics"
    assert urllib.request.urlopen(address).read() == b""
    folder = Workspace.of(recipe()).monitor
    folder.mkdir(parents=True)
    (folder / FILE).write_text(REPORT)
    assert b'trainyard_monitor_rows{recipe="x"} 5.0' in urllib.request.urlopen(address).read()


def test_a_watch_goes_on_when_there_is_nothing_to_look_at(monkeypatch, capsys):
    def nothing(*_):
        raise DataError("no requests have been logged yet [really]")

    monkeypatch.setattr(watching, "look", nothing)
    assert watching.look_again(recipe(), Wishes()) == 0
    assert "error: no requests have been logged yet [really]" in capsys.readouterr().out
