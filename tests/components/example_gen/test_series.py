"""Series: which rows get which values before them, and every way in which time can be wrong."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from tests.components.example_gen.test_executor import execute, splits
from trainyard.components.example_gen import csv_files, left_out, reader, series
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.component import ExampleGen
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data, Label

LABELS = {"label": Label.model_validate("cold")}
FIRST = date(1981, 1, 1)


def days(values, start=FIRST, name=None):
    """Lines of a daily series; None leaves a day out."""
    after = f",{name}" if name else ""
    return [
        f"{start + timedelta(days=day)},{value}{after}"
        for day, value in enumerate(values)
        if value is not None
    ]


def written(folder: Path, lines, header="day,cold", name="rows.csv") -> Path:
    file = folder / name
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def recipe(**more) -> Data:
    settings = {"time": "day", "value": "cold", "past": 3, "every": "1D"} | more
    return Data.model_validate({"path": "x", "series": settings})


def read(data: Data, *files: Path) -> dict[str, list]:
    """The rows that have enough before them."""
    types = reader.columns(data, files)
    blocks = reader.blocks(data, files, types)
    kept = (left_out.labelled(data, {}, block)[0] for block in blocks)
    table = pa.concat_tables([pa.Table.from_batches([block.batch]) for block in kept])
    return table.to_pydict()


def failure(data: Data, *files: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(data, *files)
    return str(caught.value)


def test_a_row_gets_the_values_before_it_and_the_first_rows_go(tmp_path):
    rows = read(recipe(), written(tmp_path, days([1, 2, 3, 4, 5])))
    assert rows == {
        "day": ["1981-01-04", "1981-01-05"],
        "cold": [4, 5],
        "past": [[1, 2, 3], [2, 3, 4]],
    }


@pytest.mark.parametrize("past", [1, 7, 60])
def test_blocks_do_not_matter(tmp_path, monkeypatch, past):
    values = np.random.default_rng(0).normal(size=500).round(2)
    file = written(tmp_path, days(values))
    whole = read(recipe(past=past), file)
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 300)
    monkeypatch.setattr(series, "_VALUES", 5 * past)
    assert read(recipe(past=past), file) == whole
    expected = [values[i - past : i].tolist() for i in range(past, 500)]
    assert whole["past"] == expected
    assert whole["cold"] == values[past:].tolist()


def test_each_file_is_a_series_of_its_own(tmp_path):
    one = written(tmp_path, days([1, 2, 3, 4]), name="1.csv")
    two = written(tmp_path, days([5, 6, 7, 8]), name="2.csv")
    assert read(recipe(), one, two)["past"] == [[1, 2, 3], [5, 6, 7]]


@pytest.mark.parametrize("mixed", [False, True])
def test_groups_are_series_of_their_own_wherever_their_rows_stand(tmp_path, monkeypatch, mixed):
    lines = days([1, 2, 3, 4, 5], name="a") + days([6, 7, 8, 9, 10], name="b")
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 40)
    file = written(tmp_path, sorted(lines) if mixed else lines, "day,cold,place")
    rows = read(recipe(group="place"), file)
    found = dict(zip(zip(rows["place"], rows["cold"], strict=True), rows["past"], strict=True))
    assert found == {
        ("a", 4): [1, 2, 3],
        ("a", 5): [2, 3, 4],
        ("b", 9): [6, 7, 8],
        ("b", 10): [7, 8, 9],
    }


def test_after_a_gap_or_a_missing_value_a_series_may_begin_anew(tmp_path, monkeypatch):
    lines = days([1, 2, 3, 4, None, 5, 6, 7, 8, "", 9, 10, 11, 12])
    for size in (1 << 20, 30):
        monkeypatch.setattr(csv_files, "BLOCK_BYTES", size)
        rows = read(recipe(on_gap="restart"), written(tmp_path, lines))
        assert rows["past"] == [[1, 2, 3], [5, 6, 7], [9, 10, 11]]
        assert rows["cold"] == [4, 8, 12]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (days([1, 2, None, 4]), ("row 3 (1981-01-04)", "no row for 1981-01-03", "on_gap: restart")),
        (days([1, 2, ""]), ("row 3 (1981-01-03)", "no value", "on_gap: restart")),
        (days([1, 2]) + days([3])[:1], ("row 3 (1981-01-01)", "before that of the row before")),
        ([*days([1, 2]), *days([1, 2])[1:]], ("row 3 (1981-01-02)", "comes twice")),
        ([*days([1, 2]), "1981-01-02 12:00,3"], ("row 3 (1981-01-02 12:00:00)", "too early")),
        ([*days([1, 2]), "yesterday,3"], ("row 3, column 'day'", "no time", "'yesterday'")),
        ([*days([1, 2]), ",3"], ("row 3, column 'day'", "the row has no time")),
    ],
)
def test_what_is_wrong_is_named_with_file_row_and_date(tmp_path, monkeypatch, lines, words):
    file = written(tmp_path, lines)
    for size in (1 << 20, 25):
        monkeypatch.setattr(csv_files, "BLOCK_BYTES", size)
        message = failure(recipe(past=1), file)
        assert str(file) in message
        for word in words:
            assert word in message


@pytest.mark.parametrize(
    ("times", "settings"),
    [
        (["1949-11-01", "1949-12-01"], {"every": "MS"}),
        (["1999-12-31 23:45", "2000-01-01 00:00"], {"every": "15min"}),
        (["31/12/1999", "01/01/2000"], {"time_format": "%d/%m/%Y", "iso": "2000-01-01"}),
        (["1700", "1701"], {"every": "AS", "time_format": "%Y", "iso": "1701-01-01"}),
        (
            ["2000-01-01T00:00+0100", "2000-01-01T01:00+0100"],
            {"every": "1H", "time_format": "%Y-%m-%dT%H:%M%z", "iso": "2000-01-01"},
        ),
    ],
)
def test_steps_and_formats_of_time(tmp_path, times, settings):
    settings = dict(settings)
    iso = settings.pop("iso", times[1])
    file = written(tmp_path, [f"{time},{row}" for row, time in enumerate(times)])
    assert read(recipe(past=1, **settings), file) == {"day": [iso], "cold": [1], "past": [[0]]}


@pytest.mark.parametrize("every", ["", "often", "-1D", "0D"])
def test_a_step_that_is_none_is_refused(every):
    with pytest.raises(ValidationError, match="a step of time such as"):
        recipe(every=every)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"time": "days"}, ("data.series.time", "did you mean 'day'?")),
        ({"value": "place"}, ("data.series.value", "no numbers")),
        ({"column": "warm"}, ("data.series.column", "have one of that name")),
    ],
)
def test_columns_that_do_not_fit(settings, words):
    texts = dict.fromkeys(("day", "place"), ColumnType.TEXT)
    types = texts | dict.fromkeys(("cold", "warm"), ColumnType.FLOAT)
    with pytest.raises(RecipeError) as caught:
        series.columns(recipe(**settings), types)
    for word in words:
        assert word in str(caught.value)


def split_days(folder: Path, file: Path, **more) -> dict[str, list[tuple[str, float]]]:
    """Runs ExampleGen, and returns the days of each split, with the newest value before each."""
    data = recipe(**more).model_copy(update={"path": str(file)})
    artifact = execute(ExampleGen(data, LABELS, "1"), folder / "out")
    assert json.loads(artifact.get_string_custom_property(left_out.PROPERTY))[left_out.SERIES]
    return {
        split: [
            (
                example.features.feature["day"].bytes_list.value[0].decode(),
                example.features.feature["past"].float_list.value[-1],
            )
            for example in examples
        ]
        for split, examples in splits(artifact).items()
    }


@pytest.mark.parametrize("places", [1, 2])
def test_no_split_has_a_label_from_the_time_of_a_later_one(tmp_path, places):
    lines = [line for place in range(places) for line in days(range(200), name=f"p{place}")]
    file = written(tmp_path, lines, "day,cold,place")
    found = split_days(tmp_path, file, group="place")
    ends = [(min(rows)[0], max(rows)[0]) for rows in found.values()]
    assert list(found) == ["train", "eval", "test"]
    assert ends[0][1] < ends[1][0] <= ends[1][1] < ends[2][0]
    assert sum(map(len, found.values())) == places * 197
    # What is known when it is asked: the past of a split's first day is in the one before.
    day = (FIRST + timedelta(days=int(min(found["eval"])[1]))).isoformat()
    assert day == ends[0][1]


def test_a_series_is_never_split_by_chance():
    assert recipe().split.in_order == "day"
    with pytest.raises(ValidationError, match="split them `in_order`"):
        Data.model_validate(recipe().model_dump() | {"split": {"in_order": False}})


def test_only_tables_hold_series():
    with pytest.raises(ValidationError, match="CSV and Parquet"):
        Data.model_validate(recipe().model_dump() | {"format": "tfrecord"})


def test_columns_are_two_and_differ():
    with pytest.raises(ValidationError, match="different columns"):
        recipe(value="day")
    assert series.columns(recipe(), {"day": ColumnType.TEXT, "cold": ColumnType.INTEGER}) == {
        "day": ColumnType.TEXT,
        "cold": ColumnType.INTEGER,
        "past": ColumnType.FLOAT,
    }


def parquet(folder: Path, times, zone="Europe/Berlin") -> Path:
    table = pa.table({"day": pa.array(times, pa.timestamp("ms", zone)), "cold": range(len(times))})
    pa.parquet.write_table(table, folder / "rows.parquet")
    return folder / "rows.parquet"


@pytest.mark.parametrize("day", [datetime(2024, 10, 26, 20), datetime(2024, 3, 30, 20)])
def test_an_hourly_series_over_a_change_of_clocks(tmp_path, day):
    times = [day.replace(tzinfo=UTC) + timedelta(hours=hour) for hour in range(12)]
    data = recipe(every="1H").model_copy(update={"format": "parquet"})
    found = read(data, parquet(tmp_path, times))
    assert found["past"] == [[float(i), i + 1.0, i + 2.0] for i in range(9)]
    texts = [f"{time.astimezone(ZoneInfo('Europe/Berlin'))},{i}" for i, time in enumerate(times)]
    from_csv = read(recipe(every="1H"), written(tmp_path, texts))
    assert from_csv["past"] == found["past"]


@pytest.mark.parametrize("month", [3, 10])
def test_a_daily_series_over_a_change_of_clocks(tmp_path, month):
    zone = ZoneInfo("Europe/Berlin")
    times = [datetime(2024, month, 24 + day, tzinfo=zone) for day in range(7)]
    data = recipe().model_copy(update={"format": "parquet"})
    assert len(read(data, parquet(tmp_path, times))["past"]) == 4


def test_the_hour_that_there_is_twice(tmp_path):
    hours = ["01:00", "02:00", "02:00", "03:00"]
    file = written(tmp_path, [f"2024-10-27 {hour},{i}" for i, hour in enumerate(hours)])
    said = failure(recipe(every="1H"), file)
    assert "the time comes twice" in said
    assert "if clocks were set back here, write times with their zone" in said


def test_some_times_with_a_zone_and_some_without(tmp_path):
    file = written(tmp_path, ["2024-01-01T00:00Z,1", "2024-01-01T01:00,2", "2024-01-01T02:00Z,3"])
    said = failure(recipe(every="1H"), file)
    assert "row 2" in said
    assert "only some of the times name their zone" in said
