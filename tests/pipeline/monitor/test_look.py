"""What a look at the request log says that it leaves out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from trainyard.pipeline.monitor import look
from trainyard.serving.monitor import quality
from trainyard.serving.monitor.quality import Judged
from trainyard.serving.monitor.reference import MOST_VALUES, Builder
from trainyard.serving.monitor.rows import Rows
from trainyard.trainer_modules.harness.description import HeadDescription

HEAD = HeadDescription(task="multiclass", label="kind", class_names=["a", "b"])


def trained(**metrics: float) -> SimpleNamespace:
    return SimpleNamespace(
        told=SimpleNamespace(heads={"": HEAD}, texts={}, kinds={}),
        unwatched=[],
        record=SimpleNamespace(verdict=SimpleNamespace(metrics=metrics)),
    )


def compared(labels: int) -> list:
    answers = np.tile([[0.9, 0.1], [0.2, 0.8]], (labels, 1))
    judged = Judged(answers, np.tile([0, 1], labels), {})
    return list(quality.of_quality("", ["accuracy", "log_loss"], [], judged, judged))


def rows(*labels: bytes | None) -> Rows:
    return Rows({"kind": pa.array(labels, pa.binary())}, {}, np.ones(len(labels), bool))


def test_metrics_that_are_measured_need_no_word():
    assert not list(look._of_labels(trained(accuracy=1, example_count=9), rows(b"a"), compared(50)))


def test_too_few_labels_to_measure_are_said():
    (note,) = look._of_labels(trained(accuracy=1, f1=1), rows(b"a"), compared(5))
    assert "not watched" in note
    assert note.endswith(": accuracy, f1.")


def test_labels_of_classes_that_training_did_not_see_are_counted():
    found = list(look._of_labels(trained(), rows(b"a", b"c", None, b"c"), []))
    assert found == ["Labels of no class of the model, which are not judged: 2, such as 'c'."]


def test_new_values_of_too_many_are_not_watched():
    builder = Builder({"id": "category", "kind": "category"}, 100)
    ids = pa.array(np.arange(MOST_VALUES + 1))
    builder.trained_on({"id": ids, "kind": pa.array([b"a"] * len(ids))})
    (note,) = look._not_watched(trained(), builder.reference())
    assert note.startswith("Of id new values are not watched")
