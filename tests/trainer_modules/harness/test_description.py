"""What a model is called from outside."""

from __future__ import annotations

import pytest

from trainyard.trainer_modules.harness.description import _tensor_names


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["fare", "pickup_hour"], ["fare", "pickup_hour"]),
        (["hours per/week", "hours-per-week"], ["hours_per_week", "hours_per_week_2"]),
        (["A", "a"], ["A", "a_2"]),
        (["a_2", "A", "a"], ["a_2", "A", "a_3"]),
        (["1st", "_x"], ["column_1st", "column__x"]),
        (["class", "self"], ["column_class", "column_self"]),
        (["größe"], ["gr__e"]),
    ],
)
def test_names_that_tensorflow_takes(columns, names):
    assert _tensor_names(columns) == dict(zip(columns, names, strict=True))
