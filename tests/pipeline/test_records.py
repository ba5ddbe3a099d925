import os
from datetime import UTC, datetime

import pytest

from trainyard.errors import RecipeError
from trainyard.pipeline import listing, records
from trainyard.pipeline.records import RunRecord, StageRecord, Verdict


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    return tmp_path


def record(run_id, recipe="wine", started=datetime(2026, 1, 2, tzinfo=UTC), **fields):
    run = RunRecord(
        id=run_id,
        recipe=recipe,
        recipe_file="wine.yaml",
        recipe_json="{}",
        started=started,
        **fields,
    )
    run.save()
    return run


def test_a_record_is_read_as_it_was_written():
    run = record("20260102-1", stages=[StageRecord(name="Trainer", outputs={"model": ["/m"]})])
    (read,) = records.all_runs()
    assert read == run
    assert str(read.output("Trainer", "model")) == "/m"
    assert read.output("Trainer", "nothing") is None
    assert read.output("Nobody", "model") is None


def test_runs_come_newest_first():
    for run_id in ("20260102-1", "20260104-1", "20260103-1"):
        record(run_id)
    record("20260105-1", recipe="adult")
    assert [run.id for run in records.all_runs("wine")] == [
        "20260104-1",
        "20260103-1",
        "20260102-1",
    ]
    assert next(records.all_runs()).recipe == "adult"


@pytest.mark.parametrize("name", [None, "20260104", "adult"])
def test_a_run_is_found_by_id_or_recipe_or_as_the_newest(name):
    record("20260102-1")
    record("20260104-1", recipe="adult")
    assert records.find_run(name).id == "20260104-1"


def test_a_run_is_found_by_its_whole_id_alone(home):
    record("20260102-101500-000")
    (home / "iris" / "runs" / "damaged").mkdir(parents=True)
    (home / "iris" / "runs" / "damaged" / "run.json").write_text("{")

    assert records.with_id("20260102-101500-000").recipe == "wine"
    assert records.with_id("20260102") is records.with_id("*") is None


def test_an_unknown_run_is_an_error_with_the_nearest():
    with pytest.raises(RecipeError, match="there are no runs"):
        records.find_run(None)
    record("20260102-1")
    with pytest.raises(RecipeError, match="did you mean 'wine'"):
        records.find_run("wines")


def test_a_reader_never_sees_half_a_record(home, monkeypatch):
    run = record("20260102-1")

    def cut_short(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", cut_short)
    run.state = "failed"
    with pytest.raises(OSError, match="No space"):
        run.save()
    assert next(records.all_runs()).state == "running"


def test_why_answers_from_the_verdict():
    run = record("1", state="pushed", verdict=Verdict(sentences=["Pushed: version 3."]))
    assert listing.why(run) == "Pushed: version 3."


def test_why_tells_where_a_run_failed():
    run = record(
        "1", state="failed", error="row 7 is bad", stages=[StageRecord(name="Gate", state="failed")]
    )
    assert listing.why(run) == "Not pushed: run 1 failed in Gate.\nrow 7 is bad"


def test_why_tells_how_to_go_on_after_an_interruption():
    assert "trainyard resume 1" in listing.why(record("1", state="interrupted", error="killed"))


def test_the_list_of_runs_says_where_a_running_one_is():
    record("1", stages=[StageRecord(name="Trainer", state="running")])
    record("2", state="pushed", verdict=Verdict(version="4"))
    record("3", state="failed", error="no such file\n  more")
    lines = listing.runs(None).splitlines()
    assert lines[0].endswith("no such file")
    assert lines[1].endswith("version 4")
    assert lines[2].endswith("in Trainer")


def test_a_run_that_goes_on_has_no_report_yet(home):
    run = record("1", pid=os.getpid(), started=datetime.now(UTC))
    with pytest.raises(RecipeError, match="no report yet"):
        listing.report(run)
    run.state = "pushed"
    (run.folder / "report.html").write_text("page")
    assert listing.report(run) == str(run.folder / "report.html")


def test_recipes_are_listed_with_their_first_comment(tmp_path):
    (tmp_path / "a.yaml").write_text("# What is it?\n# more\nname: a\n")
    assert listing.recipes(tmp_path) == f"{tmp_path / 'a.yaml'}  What is it?"
    with pytest.raises(RecipeError, match="no recipes"):
        listing.recipes(tmp_path / "nowhere")


def test_ids_sort_by_time_within_a_second():
    moments = [datetime(2026, 1, 2, 3, 4, 5, ms * 1000, tzinfo=UTC) for ms in (7, 80, 900)]
    ids = [records.new_id(moment) for moment in moments]
    assert ids == sorted(ids) == [f"20260102-030405-{ms}" for ms in ("007", "080", "900")]
