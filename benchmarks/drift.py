"""How well `trainyard monitor` tells drift from chance, on real data: benchmarks/DRIFT.md.

    python -m benchmarks.drift

Rows are drawn anew for every window: rows of training, rows that the model is judged on, and
rows that are asked. A third of the data trains a model (gradient boosting), so that answers,
quality and concept are watched too. Nothing is trained or served by Trainyard here: what is
measured is the judgement.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import OrdinalEncoder

from benchmarks import machine
from trainyard.components.example_gen import input_splits
from trainyard.pipeline.recipe import load_recipe
from trainyard.recipe_schema import Monitor
from trainyard.serving.monitor import comparisons, judging, quality
from trainyard.serving.monitor.comparisons import Comparison
from trainyard.serving.monitor.quality import Judged
from trainyard.serving.monitor.reference import Builder, Kind, Reference
from trainyard.serving.monitor.report import Alarm, Measure, Window
from trainyard.serving.monitor.rows import Columns, Rows

RESAMPLES = 200
WINDOWS = 30
ROWS = 1000
_JUDGED = 2000
PAGE = machine.ROOT / "benchmarks" / "DRIFT.md"

_METRICS = ("auc", "accuracy", "log_loss")
_WINDOW = Window(asked="", since=datetime.now(UTC), until=datetime.now(UTC))

Array = npt.NDArray[Any]
Frame = pd.DataFrame
Change = Callable[[Frame, float, np.random.Generator], Frame]


@dataclass(frozen=True)
class Source:
    """A data set as the benchmark needs it.

    Attributes:
        name: What it is called.
        frame: Its rows; the label is the column `label`, 0 or 1.
        categories: Columns of numbers that are names.
        number: The column whose numbers are moved.
        category: The column whose shares are moved.
        slices: Columns to slice by.
    """

    name: str
    frame: Frame
    categories: frozenset[str]
    number: str
    category: str
    slices: tuple[tuple[str, ...], ...]

    @property
    def kinds(self) -> dict[str, Kind]:
        """Which columns are numbers and which are categories, the label among them."""
        return {name: self._kind(name) for name in self.frame.columns}

    def _kind(self, name: str) -> Kind:
        text = self.frame[name].dtype == object
        return "category" if text or name in self.categories or name == "label" else "number"

    @cached_property
    def parts(self) -> tuple[Frame, Frame]:
        """A third to train the model on, and the others."""
        frame = self.frame.sample(frac=1.0, random_state=7).reset_index(drop=True)
        return frame[: len(frame) // 3], frame[len(frame) // 3 :]

    @cached_property
    def model(self) -> Any:
        """What answers."""
        frame = self.parts[0]
        return HistGradientBoostingClassifier(max_iter=60, random_state=1).fit(
            self._encoded(frame), frame["label"]
        )

    @cached_property
    def _encoder(self) -> OrdinalEncoder:
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        return encoder.fit(self.frame[self._texts].astype(str))

    @property
    def _texts(self) -> list[str]:
        return [name for name in self.frame.columns if self.frame[name].dtype == object]

    def _encoded(self, frame: Frame) -> Array:
        numbers = frame.drop(columns=[*self._texts, "label"]).to_numpy(float)
        return np.column_stack([numbers, self._encoder.transform(frame[self._texts].astype(str))])

    def rows(self, frame: Frame) -> Rows:
        """Rows with answers."""
        answers = self.model.predict_proba(self._encoded(frame))[:, 1:].astype(np.float32)
        return Rows(columns(frame, self.kinds), {"": answers}, np.ones(len(frame), bool))

    def drawn(self, chance: np.random.Generator, rows: int) -> tuple[Reference, Frame]:
        """Draws what training looked like, and other rows to ask.

        Args:
            chance: Draws.
            rows: How many are asked.
        """
        order = chance.permutation(len(self.parts[1]))
        asked, judged, train = np.split(order, [rows, rows + _JUDGED])
        builder = Builder(self.kinds, 20_000)
        builder.trained_on(self._every.take(train).columns)
        builder.judged(len(judged), self._every.take(judged).take)
        return builder.reference(), self.parts[1].iloc[asked]

    @cached_property
    def _every(self) -> Rows:
        return self.rows(self.parts[1])


def columns(frame: Frame, kinds: Mapping[str, Kind]) -> Columns:
    """Turns a frame into what the monitor reads of requests."""
    return {name: _column(frame[name], kind) for name, kind in kinds.items()}


def _column(values: pd.Series[Any], kind: Kind) -> pa.Array:
    missing = values.isna().to_numpy()
    if values.dtype == object:
        found = [None if pd.isna(value) else str(value).encode() for value in values]
        return pa.array(found, pa.binary())
    if kind == "number":
        return pa.array(values.to_numpy(np.float32), mask=missing)
    return pa.array(np.where(missing, 0, values.to_numpy(float)).astype(np.int64), mask=missing)


def taxi() -> Source:
    """Taxi trips in Chicago: does the rider tip more than a fifth?"""
    frame = _read("taxi_tips")
    frame["label"] = (frame["tips"] > frame["fare"] * 0.2).astype(int)
    unused = ["tips", "trip_start_timestamp", "pickup_census_tract"]
    named = ["trip_start_hour", "trip_start_day", "trip_start_month", "dropoff_census_tract"]
    areas = ["pickup_community_area", "dropoff_community_area"]
    return Source(
        "taxi",
        frame.drop(columns=unused),
        frozenset([*named, *areas]),
        "fare",
        "payment_type",
        (("payment_type",),),
    )


def adult() -> Source:
    """A census: does a person earn more than 50,000 dollars?"""
    frame = _read("adult_income")
    frame["label"] = frame["income"].str.startswith(">50K").astype(int)
    unused = ["income", "fnlwgt", "education"]
    return Source(
        "adult", frame.drop(columns=unused), frozenset(), "age", "workclass", (("sex",), ("race",))
    )


def _read(recipe: str) -> Frame:
    data = load_recipe(machine.ROOT / "recipes" / f"{recipe}.yaml").data
    parts = [pd.read_csv(file, skipinitialspace=True) for file in input_splits.find(data)]
    return pd.concat(parts, ignore_index=True)


def judged(
    source: Source, reference: Reference, asked: Frame, settings: Monitor
) -> tuple[list[Measure], list[Alarm]]:
    """Looks at rows as `trainyard monitor` does, all labels known."""
    now = source.rows(asked)
    before = reference.judged
    parts = [
        Judged(rows.answers[""], rows.columns["label"].to_numpy(), rows.columns)
        for rows in (before, now)
    ]
    found: list[Comparison] = [
        *comparisons.of_columns(reference, now.columns),
        *comparisons.of_answers(before, now),
        *quality.of_quality("", _METRICS, source.slices, *parts),
        *quality.of_concept("", "binary", *parts),
    ]
    return judging.judge(found, settings, _WINDOW)


@dataclass(frozen=True)
class FalseAlarms:
    """What happened to windows that are like training.

    Attributes:
        source: Of which data.
        rows: Of a window.
        level: That was asked.
        windows: How many windows.
        alarms: How many raised any alarm.
        significant: How many would have with all thresholds at 0: by the level alone.
        kinds: What alarmed.
    """

    source: str
    rows: int
    level: float
    windows: int
    alarms: int
    significant: int
    kinds: Counter[str]


def false_alarms(source: Source, rows: int, level: float, windows: int) -> FalseAlarms:
    """Counts the false alarms of windows of the same data.

    Args:
        source: The data.
        rows: Of a window.
        level: The chance that a window may raise any.
        windows: How many.
    """
    chance, kinds = np.random.default_rng(11), Counter[str]()
    alarms = significant = 0
    for _ in range(windows):
        reference, asked = source.drawn(chance, rows)
        measures, raised = judged(source, reference, asked, Monitor(level=level))
        alarms += bool(raised)
        significant += any(m.p_value is not None and m.p_value <= level for m in measures)
        kinds.update({alarm.kind for alarm in raised})
    return FalseAlarms(source.name, rows, level, windows, alarms, significant, kinds)


def _scaled(name: str) -> Change:
    return lambda frame, size, _: frame.assign(**{name: frame[name] * size})


def _shares(name: str) -> Change:
    def change(frame: Frame, size: float, chance: np.random.Generator) -> Frame:
        second = frame[name].value_counts().index[1]
        return _some(frame, name, second, size, chance)

    return change


def _some(frame: Frame, name: str, value: Any, share: float, chance: np.random.Generator) -> Frame:
    chosen = chance.random(len(frame)) < share
    return frame.assign(**{name: frame[name].mask(chosen, value)})


def _missing(name: str) -> Change:
    return lambda frame, size, chance: _some(frame, name, np.nan, size, chance)


def _new(name: str) -> Change:
    return lambda frame, size, chance: _some(frame, name, "never seen", size, chance)


def _flipped(frame: Frame, size: float, chance: np.random.Generator) -> Frame:
    chosen = chance.random(len(frame)) < size
    return frame.assign(label=np.where(chosen, 1 - frame["label"], frame["label"]))


def shifts(source: Source) -> Iterator[tuple[str, str, Change, Sequence[float], Sequence[str]]]:
    """Yields what is changed of a window.

    Yields:
        What it is, which column is looked at, how it is changed, by how much, and what should
        notice it.
    """
    number, category = source.number, source.category
    yield (
        f"`{number}`, all numbers times",
        number,
        _scaled(number),
        (1.02, 1.05, 1.1, 1.2, 1.5, 2.0),
        ("ks", "js", "psi", "out_of_range"),
    )
    yield (
        f"`{category}`, share of rows that get its second most frequent value",
        category,
        _shares(category),
        (0.05, 0.1, 0.2, 0.3, 0.5),
        ("linf", "psi"),
    )
    yield (
        f"`{number}`, share of rows that lose their value",
        number,
        _missing(number),
        (0.02, 0.05, 0.1, 0.2),
        ("missing",),
    )
    yield (
        f"`{category}`, share of rows with a value that training did not see",
        category,
        _new(category),
        (0.005, 0.01, 0.02, 0.05),
        ("new_categories",),
    )
    yield (
        "share of rows with the other label",
        "",
        _flipped,
        (0.02, 0.05, 0.1, 0.2),
        ("quality", "concept"),
    )


def power(
    source: Source, column: str, change: Change, size: float, kinds: Sequence[str], windows: int
) -> dict[str, float]:
    """Tells which share of windows with a change is noticed.

    Args:
        source: The data.
        column: Whose alarms count; all if empty.
        change: What is done to the rows that are asked.
        size: By how much.
        kinds: What may notice it.
        windows: How many.

    Returns:
        The share of windows that raise an alarm of each kind, and under `any` of any.
    """
    chance = np.random.default_rng(23)
    noticed: Counter[str] = Counter()
    for _ in range(windows):
        reference, asked = source.drawn(chance, ROWS)
        _, alarms = judged(source, reference, change(asked, size, chance), Monitor())
        noticed.update({a.kind for a in alarms if column in ("", a.column)})
        noticed["any"] += bool(alarms)
    return {kind: noticed[kind] / windows for kind in (*kinds, "any")}


def page(sources: Sequence[Source], resamples: int, windows: int) -> Iterator[str]:
    """Writes the page, and measures on the way."""
    settings = Monitor()
    thresholds = ", ".join(
        f"{kind} {getattr(settings, kind):g}"
        for kind in ("linf", "js", "ks", "psi", "missing", "new_categories", "out_of_range")
    )
    yield "# How well drift is told from chance\n"
    yield f"Written by `python -m benchmarks.drift`. {machine.described(machine.facts())}.\n"
    yield (
        "Rows are drawn anew for every window: of training (half to two thirds of the data), 2,000 "
        "that the model is judged on, and those that are asked. Answers are those of gradient "
        f"boosting trained on other rows. Thresholds are the recipe's defaults: {thresholds}.\n"
    )
    yield "## False alarms\n"
    yield (
        "Windows of the same data: how many raised any alarm. The last column leaves the "
        "thresholds out: how many had any p-value, corrected, below the level.\n"
    )
    yield "| data | rows of a window | level | windows | any alarm | by the level alone |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for source in sources:
        for rows, level in ((300, 0.01), (ROWS, 0.01), (ROWS, 0.05)):
            found = false_alarms(source, rows, level, resamples)
            print(found, file=sys.stderr)  # noqa: T201
            yield (
                f"| {found.source} | {found.rows:,} | {found.level:.0%} | {found.windows} | "
                f"{found.alarms / found.windows:.1%} | {found.significant / found.windows:.1%} |"
            )
    yield "\n## Power\n"
    yield (
        f"Share of {windows} windows of {ROWS:,} rows in which a change was noticed, at a level of "
        f"{settings.level:.0%}: by each measure of the changed column, and by anything.\n"
    )
    for source in sources:
        for what, column, change, sizes, kinds in shifts(source):
            yield f"{source.name}: {what}\n"
            yield f"| | {' | '.join((*kinds, 'any'))} |"
            yield f"| --- | {' | '.join(['---:'] * (len(kinds) + 1))} |"
            for size in sizes:
                found_by = power(source, column, change, size, kinds, windows)
                yield f"| {size:g} | {' | '.join(f'{s:.0%}' for s in found_by.values())} |"
            yield ""


def main() -> None:
    """Measures and writes."""
    resamples, windows = (int(word) for word in sys.argv[1:3] or (RESAMPLES, WINDOWS))
    text = "\n".join(page([taxi(), adult()], resamples, windows))
    Path(PAGE).write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
