import errno
import sqlite3

import pytest

from trainyard.errors import DataError, EnvironmentProblem, TrainingError, TrainyardError
from trainyard.pipeline import failures
from trainyard.trainer_modules import mlp


def explained(error, tmp_path):
    return failures.explain(error, "Trainer", tmp_path / "Trainer.log")


def raised(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_our_own_error_is_found_under_a_frameworks(tmp_path):
    own = DataError("row 7 is bad", where="a.csv, row 7")

    def wrapped():
        try:
            raise own
        except DataError as error:
            raise RuntimeError("step 12 failed [while running 'Foo']") from error

    assert explained(raised(wrapped), tmp_path) is own


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (RuntimeError("RESOURCE: No space left on device; writing"), "disk is full"),
        (sqlite3.OperationalError("database or disk is full"), "disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "/data"), "cannot write"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot write"),
        (MemoryError(), "memory ran out"),
    ],
)
def test_the_machine_is_to_blame(error, words, tmp_path):
    found = explained(error, tmp_path)
    assert isinstance(found, EnvironmentProblem)
    assert words in str(found)
    assert found.hint


def test_the_users_own_line_comes_first(tmp_path):
    error = raised(lambda: mlp.build_model(None, None))
    found = explained(error, tmp_path)
    assert isinstance(found, TrainingError)
    assert found.where.startswith("mlp.py:")
    assert "in build_model" in found.where
    assert "> " in found.message
    assert "Trainer.log" in found.hint


def test_anything_else_names_stage_and_log(tmp_path):
    found = explained(raised(lambda: {}["key"]), tmp_path)
    assert type(found) is TrainyardError
    assert found.message.startswith("Trainer failed: KeyError")
