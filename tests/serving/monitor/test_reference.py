from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trainyard.serving.monitor import reference as references
from trainyard.serving.monitor.reference import Builder
from trainyard.serving.monitor.rows import Rows


@pytest.fixture
def built():
    builder = Builder({"x": "number", "kind": "category", "hour": "category"}, 100)
    for start in (0, 60):
        numbers = np.arange(start, start + 60, dtype=np.float32)
        builder.trained_on(
            {
                "x": pa.array(numbers, mask=numbers % 10 == 0),
                "kind": pa.array([b"a", b"b", None] * 20, pa.binary()),
                "hour": pa.array([1, 2] * 30),
            }
        )
    answers = {"": np.array([[0.1], [0.9]], np.float32), "word": np.array([[b"x"], [b""]], object)}
    rows = Rows({"kind": pa.array([b"a", None], pa.binary())}, answers, np.ones(2, bool))
    builder.judged(2, rows.take)
    return builder.reference({"kind": [b"c"], "x": []}, {"x": (np.nan, 90.0)})


def test_all_rows_count_though_a_sample_stays(built):
    assert (built.rows, len(built.train)) == (120, 100)
    assert built.missing == {"x": 12, "kind": 40, "hour": 0}
    assert built.ranges == {"x": (1.0, 90.0)}  # the schema's end takes the place of what was seen
    assert built.counts == {"kind": {b"a": 40, b"b": 40, b"c": 0}, "hour": {1: 60, 2: 60}}


def test_a_reference_is_read_as_it_was_written(built, tmp_path):
    references.save(built, tmp_path / "r")
    read = references.load(tmp_path / "r")
    for key in ("kinds", "rows", "missing", "ranges", "counts"):
        assert getattr(read, key) == getattr(built, key)
    for key in ("train", "judged"):
        before, after = getattr(built, key), getattr(read, key)
        assert after.columns == before.columns
        assert after.known.tolist() == before.known.tolist()
        for head, answers in before.answers.items():
            assert after.answers[head].tolist() == answers.tolist()
    references.save(built, tmp_path / "r")  # as if another look had been quicker
    assert [file.name for file in tmp_path.iterdir()] == ["r"]


def test_a_column_of_too_many_values_is_not_counted(monkeypatch):
    monkeypatch.setattr(references, "MOST_VALUES", 5)
    builder = Builder({"id": "category"}, 100)
    for start in (0, 4, 8):
        builder.trained_on({"id": pa.array(list(range(start, start + 4)))})
    assert builder.reference().counts == {}
