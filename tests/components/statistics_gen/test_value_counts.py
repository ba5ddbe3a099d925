from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from trainyard.components.statistics_gen import value_counts
from trainyard.components.statistics_gen.value_counts import ValueCounts


def values(count: int, distinct: int, kind: type) -> list:
    pick = random.Random(count)
    drawn = [int(distinct * pick.random() ** 3) for _ in range(count)]
    return [f"v{number}".encode() for number in drawn] if kind is bytes else drawn


def expected(counter: Counter, count: int) -> tuple[int, list]:
    order = sorted(((count, value) for value, count in counter.items()), reverse=True)
    return len(counter), [(value, count) for count, value in order[:count]]


@pytest.mark.parametrize("kind", [bytes, int])
@pytest.mark.parametrize("most_bytes", [1, 20_000, 1 << 30])
@pytest.mark.parametrize("distinct", [3, 5_000])
def test_counts_are_exact_in_memory_and_in_files(kind, most_bytes, distinct, monkeypatch):
    monkeypatch.setattr(value_counts, "_FEWEST_PENDING", 500)
    counts, drawn = ValueCounts(most_bytes), values(20_000, distinct, kind)
    for start in range(0, len(drawn), 700):
        counts.add(
            pa.array(drawn[start : start + 700], pa.large_binary() if kind is bytes else None)
        )
    assert counts.most_frequent(20) == expected(Counter(drawn), 20)


@pytest.mark.parametrize("most_bytes", [1, 1 << 30])
def test_merging(most_bytes, monkeypatch):
    monkeypatch.setattr(value_counts, "_FEWEST_PENDING", 10)
    one, two, none = (ValueCounts(most_bytes) for _ in range(3))
    first, second = values(300, 100, bytes), values(500, 200, bytes)
    one.add(pa.array(first))
    two.add(pa.array(second))
    one.merge(two)
    one.merge(none)
    assert one.most_frequent(1000) == expected(Counter(first + second), 1000)


def test_nothing():
    counts = ValueCounts()
    counts.add(pa.array([], pa.large_binary()))
    assert counts.most_frequent(5) == (0, [])


def test_memory_is_bounded_and_files_go(tmp_path, monkeypatch):
    monkeypatch.setattr(value_counts, "_FEWEST_PENDING", 1000)
    monkeypatch.setattr(value_counts.tempfile, "tempdir", str(tmp_path))
    counts = ValueCounts(most_bytes=100_000)
    for start in range(0, 100_000, 1000):
        counts.add(pa.array([f"{number:09}".encode() for number in range(start, start + 1000)]))
        assert sum(table.nbytes for table in counts._tables) < 300_000
    assert list(Path(tmp_path).iterdir())
    distinct, best = counts.most_frequent(2)
    assert (distinct, best) == (100_000, [(b"000099999", 1), (b"000099998", 1)])
    assert not list(Path(tmp_path).iterdir())
