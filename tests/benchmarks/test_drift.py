from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from benchmarks import drift
from benchmarks.drift import Source


@pytest.fixture(scope="module")
def source():
    """Real rows, ten times over with a little noise: enough to draw from."""
    data = load_breast_cancer(as_frame=True)
    frame = pd.concat([data.data.iloc[:, :3]] * 10, ignore_index=True)
    frame *= np.random.default_rng(2).normal(1, 0.05, frame.shape)
    frame["size"] = np.where(frame["mean radius"] > 14, "large", "small")
    frame["label"] = np.tile(data.target, 10)
    return Source("cells", frame, frozenset(), "mean radius", "size", (("size",),))


def test_windows_of_the_same_rows_are_counted(source):
    found = drift.false_alarms(source, 300, 0.05, 4)
    assert (found.windows, found.rows, found.level) == (4, 300, 0.05)
    assert found.alarms <= found.significant <= 1


def test_every_shift_is_noticed_where_it_is_large(source, monkeypatch):
    monkeypatch.setattr(drift, "ROWS", 500)
    for _, column, change, sizes, kinds in drift.shifts(source):
        noticed = drift.power(source, column, change, sizes[-1], kinds, 2)
        assert noticed["any"] == 1.0
        assert max(noticed[kind] for kind in kinds) == 1.0
        assert noticed.keys() == {*kinds, "any"}
