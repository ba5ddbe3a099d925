"""What training looked like: a sample of its rows, and what is known of all of them."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainyard.serving.monitor.rows import Columns, Rows, Sample
from trainyard.serving.monitor.two_samples import Array, Counts

Kind = Literal["number", "category"]

FORMAT = 1
"""Of the files; a folder's name should have it."""

MOST_VALUES = 10_000
"""Of a category with more different values it is not known which are new."""

_TRAIN, _JUDGED, _VALUES, _FACTS = "train.parquet", "judged.parquet", "values.parquet", "facts.json"
_COLUMN, _ANSWER = "column:", "answer:"


@dataclass(frozen=True)
class Reference:
    """What training looked like.

    Attributes:
        kinds: What is watched: numbers and categories.
        train: A sample of the rows that were trained on.
        judged: A sample of rows that training did not see, with the model's answers and labels.
        rows: How many rows were trained on.
        missing: How many of these had no value, by column.
        ranges: Of numbers the least and the largest that is in order.
        counts: Of categories how often each value occurred.
    """

    kinds: dict[str, Kind]
    train: Rows
    judged: Rows
    rows: int
    missing: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)


class Builder:
    """Makes a reference of rows that come in blocks, in memory that does not grow with them.

    Args:
        kinds: What is watched, by column.
        size: How many rows a sample has.
    """

    def __init__(self, kinds: Mapping[str, Kind], size: int) -> None:
        self._kinds = dict(kinds)
        self._train, self._judged = Sample(size), Sample(size, seed=1)
        self._missing: Counter[str] = Counter()
        self._ranges: dict[str, tuple[float, float]] = {}
        self._counts: dict[str, Counter[Any]] = {
            name: Counter() for name, kind in kinds.items() if kind == "category"
        }

    def trained_on(self, columns: Columns) -> None:
        """Looks at rows that were trained on.

        Args:
            columns: All that are watched.
        """
        columns = {name: columns[name] for name in self._kinds}
        count = len(next(iter(columns.values())))
        self._train.add(count, Rows(columns, {}, np.ones(count, bool)).take)
        for name, values in columns.items():
            self._missing[name] += values.null_count
            if name in self._counts:
                self._count(name, values)
            elif self._kinds[name] == "number":
                self._widen(name, values)

    def _count(self, name: str, values: pa.Array) -> None:
        self._counts[name].update(counts(values))
        if len(self._counts[name]) > MOST_VALUES:
            del self._counts[name]

    def _widen(self, name: str, values: pa.Array) -> None:
        numbers = present(values)
        if len(numbers):
            low, high = self._ranges.get(name, (np.inf, -np.inf))
            self._ranges[name] = float(min(low, numbers.min())), float(max(high, numbers.max()))

    def judged(self, count: int, make: Callable[[Array], Rows]) -> None:
        """Looks at rows that training did not see.

        Args:
            count: How many.
            make: Makes those at the given places, with answers.
        """
        self._judged.add(count, make)

    @property
    def judged_rows(self) -> int:
        """How many rows were offered to `judged`."""
        return self._judged.seen

    def reference(
        self,
        allowed: Mapping[str, Iterable[bytes]] | None = None,
        ranges: Mapping[str, tuple[float, float]] | None = None,
    ) -> Reference:
        """Returns what was seen.

        Args:
            allowed: Values that are in order though training may not have seen them, by column.
            ranges: Bounds that take the place of what training saw, by column; NaN for none.
        """
        for name, values in (allowed or {}).items():
            if name in self._counts:
                self._counts[name].update(dict.fromkeys(values, 0))
        return Reference(
            self._kinds,
            self._train.rows(),
            self._judged.rows(),
            self._train.seen,
            dict(self._missing),
            {name: _bounds(seen, (ranges or {}).get(name)) for name, seen in self._ranges.items()},
            {name: dict(counts) for name, counts in self._counts.items()},
        )


def _bounds(seen: tuple[float, float], told: tuple[float, float] | None) -> tuple[float, float]:
    low, high = told or (np.nan, np.nan)
    return seen[0] if np.isnan(low) else low, seen[1] if np.isnan(high) else high


def counts(values: pa.Array) -> dict[Any, int]:
    """Counts the values of a column; missing ones do not count."""
    found = values.drop_null().value_counts()
    values, numbers = found.field(0).to_pylist(), found.field(1).to_pylist()
    return dict(zip(values, numbers, strict=True))


def present(values: pa.Array) -> Array:
    """The values that are there, as numpy's."""
    numbers: Array = values.drop_null().to_numpy(zero_copy_only=False)
    return numbers


def save(reference: Reference, folder: Path) -> None:
    """Writes a reference, whole or not at all.

    Args:
        reference: What training looked like.
        folder: Where to; what is there stays.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    beside.mkdir(parents=True)
    try:
        pq.write_table(_table(reference.train), beside / _TRAIN)
        pq.write_table(_table(reference.judged), beside / _JUDGED)
        pq.write_table(_values(reference.counts), beside / _VALUES)
        facts = {key: getattr(reference, key) for key in ("kinds", "rows", "missing", "ranges")}
        facts["counted"] = sorted(reference.counts)
        (beside / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        beside.rename(folder)
    except OSError:
        if not folder.exists():  # else another look was quicker
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def load(folder: Path) -> Reference:
    """Reads what `save` wrote.

    Args:
        folder: Where it is.
    """
    facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    counted: dict[str, dict[Any, int]] = {name: {} for name in facts.pop("counted")}
    for row in pq.read_table(folder / _VALUES).to_pylist():
        value = row["text"] if row["number"] is None else row["number"]
        counted[row["column"]][value] = row["count"]
    return Reference(
        train=_rows(pq.read_table(folder / _TRAIN)),
        judged=_rows(pq.read_table(folder / _JUDGED)),
        counts=dict(counted),
        **facts | {"ranges": {name: tuple(ends) for name, ends in facts["ranges"].items()}},
    )


def _table(rows: Rows) -> pa.Table:
    columns = {f"{_COLUMN}{name}": values for name, values in rows.columns.items()}
    answers = {f"{_ANSWER}{name}": _lists(values) for name, values in rows.answers.items()}
    return pa.table({**columns, **answers, "known": pa.array(rows.known, pa.bool_())})


def _lists(answers: Array) -> pa.Array:
    offsets = np.arange(len(answers) + 1) * answers.shape[1]
    kind = pa.binary() if answers.dtype == object else None
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(answers.reshape(-1), kind)
    )


def _rows(table: pa.Table) -> Rows:
    table = table.combine_chunks()
    columns, answers = {}, {}
    for name in table.column_names:
        column = table.column(name)
        values = pa.concat_arrays(column.chunks) if column.num_chunks else column.type
        if not isinstance(values, pa.Array):
            values = pa.array([], values)
        if name.startswith(_COLUMN):
            columns[name.removeprefix(_COLUMN)] = values
        elif name.startswith(_ANSWER):
            flat = values.flatten().to_numpy(zero_copy_only=False)
            answers[name.removeprefix(_ANSWER)] = flat.reshape(len(values), -1)
        else:
            known = np.asarray(values.to_numpy(zero_copy_only=False), bool)
    return Rows(columns, answers, known)


def _values(counts: Mapping[str, Counts]) -> pa.Table:
    """Every known value in a row; those of a whole number's column are numbers."""
    every = [(name, value, n) for name, values in counts.items() for value, n in values.items()]
    return pa.table(
        {
            "column": pa.array([name for name, *_ in every], pa.string()),
            "text": pa.array(
                [v if isinstance(v, bytes) else None for _, v, _ in every], pa.binary()
            ),
            "number": pa.array(
                [v if isinstance(v, int) else None for _, v, _ in every], pa.int64()
            ),
            "count": pa.array([number for *_, number in every], pa.int64()),
        }
    )
