import json
from datetime import UTC, datetime

import pytest

from trainyard.components.pusher import executor, versions
from trainyard.model_store import version_config


@pytest.fixture
def saved_model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"weights")
    return folder


def push(saved_model, destination, model="m"):
    return executor.copy_whole(saved_model, destination, versions.Origin(model=model, run="r"))


def test_versions_count_up(saved_model, tmp_path):
    served = tmp_path / "served"
    assert [push(saved_model, served).name for _ in range(3)] == ["1", "2", "3"]
    assert (served / "3" / "variables" / "variables.index").read_bytes() == b"weights"


def test_numbers_are_compared_as_numbers(saved_model, tmp_path):
    for name in ("9", "10", "notes"):
        (tmp_path / name).mkdir()
    assert [folder.name for folder in versions.versions(tmp_path)] == ["9", "10"]
    assert push(saved_model, tmp_path).name == "11"


def test_the_newest_names_its_model(saved_model, tmp_path):
    served = tmp_path / "served"
    assert versions.newest_model(served) == ""
    push(saved_model, served, "first")
    push(saved_model, served, "second")
    assert versions.newest_model(served) == "second"


def test_a_model_pushed_by_hand_is_nobodys(saved_model, tmp_path):
    push(saved_model, tmp_path)
    (tmp_path / "7").mkdir()
    assert versions.newest_model(tmp_path) == ""


def test_a_copy_that_fails_leaves_no_version(saved_model, tmp_path, monkeypatch):
    served = tmp_path / "served"

    def cut_short(source, target):
        target.mkdir()
        (target / "saved_model.pb").write_bytes(b"gra")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(executor.shutil, "copytree", cut_short)
        with pytest.raises(OSError, match="No space"):
            push(saved_model, served)
    assert versions.versions(served) == []
    assert push(saved_model, served).name == "1"
    assert sorted(path.name for path in served.iterdir()) == ["1"]


def test_what_is_kept_of_the_run_is_where_tensorflow_serving_does_not_look(saved_model, tmp_path):
    record = tmp_path / "run.json"
    record.write_text("{}")
    origin = versions.Origin(
        model="m", run="r", at=datetime(2026, 1, 2, tzinfo=UTC), artifacts={"model": 7}
    )
    version = executor.copy_whole(saved_model, tmp_path / "served", origin, record=record)
    marker = json.loads((version / "assets.extra" / "pushed_by.json").read_text())
    assert marker == {
        "model": "m",
        "run": "r",
        "at": "2026-01-02T00:00:00Z",
        "artifacts": {"model": 7},
    }
    assert versions.origin(version) == origin
    assert (version / "assets.extra" / "run.json").read_text() == "{}"


def test_markers_of_before_are_read(saved_model, tmp_path):
    version = push(saved_model, tmp_path)
    (version / versions.MARKER).write_text('{"model": "m", "run": "r"}')
    assert versions.origin(version) == versions.Origin(model="m", run="r")


def test_a_model_that_is_served_already_is_not_pushed_again(saved_model, tmp_path):
    version = push(saved_model, tmp_path)
    assert executor._pushed_before(saved_model, "m", tmp_path) == version
    assert executor._pushed_before(saved_model, "other", tmp_path) is None
    (version / "variables" / "variables.index").write_bytes(b"harmed")
    assert executor._pushed_before(saved_model, "m", tmp_path) is None


def test_the_version_that_answers_is_pinned_before_a_rollout(saved_model, tmp_path):
    executor.pin(tmp_path)  # nothing answers yet
    assert not (tmp_path / version_config.FILE).exists()
    push(saved_model, tmp_path)
    executor.pin(tmp_path)
    push(saved_model, tmp_path)
    executor.pin(tmp_path)  # somebody is pinned
    assert dict(version_config.read(tmp_path).version_labels) == {"stable": 1}
