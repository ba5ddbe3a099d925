from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trainyard.serving.monitor.rows import Rows, Sample


def numbered(numbers):
    numbers = np.asarray(numbers)
    return Rows({"x": pa.array(numbers)}, {"": numbers[:, None] / 2}, numbers % 2 == 0)


def test_rows_are_taken_and_joined_with_their_answers():
    rows = Rows.joined([numbered([0, 1, 2]), numbered([]), numbered([3, 4])])
    some = rows.take(np.array([4, 1]))
    assert some.columns["x"].to_pylist() == [4, 1]
    assert some.answers[""].tolist() == [[2.0], [0.5]]
    assert some.known.tolist() == [True, False]
    assert len(Rows.joined([])) == 0


def test_a_sample_holds_all_rows_until_there_are_too_many():
    sample = Sample(10)
    assert len(sample.rows()) == 0
    sample.add(7, numbered(range(7)).take)
    assert sorted(sample.rows().columns["x"].to_pylist()) == list(range(7))


def test_every_row_of_a_long_stream_has_the_same_chance():
    counts = np.zeros(4)
    for seed in range(40):
        sample, made = Sample(50, seed), 0
        for start in range(0, 4000, 100):

            def make(places, start=start):
                nonlocal made
                made += len(places)
                return numbered(start + places)

            sample.add(100, make)
        rows = sample.rows()
        assert (len(rows), sample.seen) == (50, 4000)
        assert made < 1000  # what cannot stay is not made
        assert rows.answers[""][:, 0].tolist() == [x / 2 for x in rows.columns["x"].to_pylist()]
        counts += np.histogram(rows.columns["x"].to_numpy(), 4, (0, 4000))[0]
    # 2,000 rows in four quarters: a standard deviation is 19.
    assert counts == pytest.approx(500, abs=80)
