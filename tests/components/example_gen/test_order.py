"""Splits in order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.components.example_gen.test_executor import execute, splits
from trainyard.components.example_gen import preflight, reader
from trainyard.components.example_gen.component import ExampleGen
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data, Label

LABEL = Label.model_validate("y")


def written(folder: Path, days: list[str], name: str = "rows.csv", column: str = "day") -> Path:
    file = folder / name
    rows = [f"{number},{day},{number % 2}" for number, day in enumerate(days)]
    file.write_text("\n".join([f"x,{column},y", *rows]) + "\n")
    return file


def made(folder: Path, path: Path | str, **options) -> dict[str, list[int]]:
    """The numbers of the rows in each split."""
    data = Data(path=str(path), **options)
    found = splits(execute(ExampleGen(data, {"label": LABEL}, "1"), folder / "out"))
    return {
        name: [e.features.feature["x"].int64_list.value[0] for e in examples]
        for name, examples in found.items()
    }


def test_by_place(tmp_path):
    file = written(tmp_path, ["d"] * 100)
    found = made(tmp_path, file, split={"in_order": True, "train": 7, "eval": 1, "test": 2})
    assert found == {
        "train": list(range(70)),
        "eval": list(range(70, 80)),
        "test": list(range(80, 100)),
    }


def test_by_place_in_each_file_and_where_rows_are_left_out(tmp_path):
    for name in ("1.csv", "2.csv"):
        written(tmp_path, ["d"] * 100, name)
    split = {"in_order": True, "train": 1, "eval": 1, "test": 0}
    found = made(tmp_path, tmp_path / "*.csv", split=split, where="x >= 40")
    assert found == {"train": [*range(40, 50)] * 2, "eval": [*range(50, 100)] * 2}


@pytest.mark.parametrize(
    "days",
    [
        [f"1981-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(100)],
        [f"1981-01-01T{i // 60:02}:{i % 60:02}:00" for i in range(100)],
        [str(i - 50) for i in range(100)],
        [str(i / 8) for i in range(100)],
    ],
)
def test_by_a_column(tmp_path, days):
    mixed = random.Random(1).sample(list(enumerate(days)), len(days))
    file = written(tmp_path, [day for _, day in mixed])
    found = made(tmp_path, file, split={"in_order": "day"})
    places = {name: sorted(mixed[x][0] for x in some) for name, some in found.items()}
    assert places == {
        "train": list(range(80)),
        "eval": list(range(80, 90)),
        "test": list(range(90, 100)),
    }


MOMENTS = [datetime(2024, 10, 26, 20, tzinfo=UTC) + timedelta(minutes=15 * i) for i in range(100)]
BERLIN = ZoneInfo("Europe/Berlin")  # where clocks are set back at 01:00 UTC of the 27th


@pytest.mark.parametrize(
    "texts",
    [
        [
            f"{t:%Y-%m-%d}{' T'[i % 2]}{t:%H:%M}{['', ':00', ':00.000'][i % 3]}"
            for i, t in enumerate(MOMENTS)
        ],
        [t.astimezone(BERLIN).isoformat() for t in MOMENTS],
        [t.astimezone((UTC, BERLIN)[i % 2]).isoformat() for i, t in enumerate(MOMENTS)],
        [f"{t.astimezone(BERLIN):%Y-%m-%d %H:%M%z}" for t in MOMENTS],
        [f"{t:%Y-%m-%dT%H:%MZ}" for t in MOMENTS],
        [["9", "1e1", "11.0"][i] if i < 3 else str(9 + i) for i in range(100)],
    ],
    ids=["mixed", "zone", "zones", "no T", "UTC", "numbers"],
)
def test_times_are_compared_as_instants(tmp_path, texts):
    mixed = random.Random(1).sample(list(enumerate(texts)), len(texts))
    file = written(tmp_path, [text for _, text in mixed])
    found = made(tmp_path, file, split={"in_order": "day"})
    places = {name: sorted(mixed[x][0] for x in some) for name, some in found.items()}
    assert places["train"] == list(range(80))
    assert places["test"] == list(range(90, 100))


def test_parquet_keeps_the_offset(tmp_path):
    rows = random.Random(1).sample(list(enumerate(MOMENTS)), len(MOMENTS))
    times = pa.array([time for _, time in rows], pa.timestamp("us", "Europe/Berlin"))
    table = pa.table({"x": [i for i, _ in rows], "day": times, "y": [i % 2 for i, _ in rows]})
    pq.write_table(table, tmp_path / "rows.parquet")
    split = {"in_order": "day"}
    found = made(tmp_path, tmp_path / "rows.parquet", split=split, format="parquet")
    assert sorted(found["train"]) == list(range(80))
    assert sorted(found["test"]) == list(range(90, 100))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("2024-10-27T00:30", "a time without a zone"),
        ("17", "a number"),
        ("soon", "none of these"),
    ],
)
def test_other_kinds_of_value_are_named(tmp_path, other, words):
    texts = [t.isoformat() for t in MOMENTS]
    for name, changed in (("a.csv", [*texts[:7], other, *texts[8:]]), ("b.csv", [other] * 3)):
        file = written(tmp_path, texts if name == "b.csv" else changed, "a.csv")
        path = written(tmp_path, changed, name) if name == "b.csv" else file
        with pytest.raises(DataError) as caught:
            made(tmp_path, tmp_path / "*.csv", split={"in_order": "day"})
        first = f"{texts[0]!r} ({tmp_path / 'a.csv'}, row 1) is a time with its zone"
        assert f"{other!r}: {words}; {first}" in str(caught.value)
        assert f"{path}, row {1 if name == 'b.csv' else 8}" in str(caught.value)


def test_equal_values_share_a_split(tmp_path):
    file = written(tmp_path, [str(2000 + i // 30) for i in range(100)])
    found = made(tmp_path, file, split={"in_order": "day", "train": 1, "eval": 1, "test": 1})
    years = {name: {2000 + x // 30 for x in some} for name, some in found.items()}
    assert years == {"train": {2000, 2001}, "eval": {2002}, "test": {2003}}


@pytest.mark.parametrize("wrong", ["", "3/4/1981", "1981-1-1", "soon"])
def test_a_value_that_has_no_place(tmp_path, wrong):
    days = [f"1981-01-{1 + i % 28:02}" for i in range(30)]
    file = written(tmp_path, [*days, wrong])
    with pytest.raises(DataError, match=r"(?s)row 31 .*no place in the order of column 'day'"):
        made(tmp_path, file, split={"in_order": "day"})


@pytest.mark.parametrize(
    ("days", "row", "received"),
    [
        (["27/03/2023", "28/03/2023"], 1, "'27/03/2023': none of these\n"),
        (["03/04/2023", "04/13/2023"], 1, "'03/04/2023': none of these\n"),
        (
            ["20230326", "27/03/2023"],
            2,
            "'27/03/2023': none of these; '20230326' ({}) is a number\n",
        ),
        (["5.5", "2023-03-27"], 2, "'2023-03-27': a time without a zone; '5.5' ({}) is a number\n"),
    ],
)
@pytest.mark.parametrize("checked", [True, False])
def test_days_and_months_in_either_order_are_refused_and_not_guessed(
    tmp_path, days, row, received, checked
):
    file = written(tmp_path, days)
    data = Data(path=str(file), split={"in_order": "day"})
    with pytest.raises(DataError) as caught:
        if checked:
            preflight.preflight(data, {"label": LABEL}, reader.first(data, [file]))
        made(tmp_path, file, split={"in_order": "day"})
    message = str(caught.value)
    assert f"{file}, row {row} " in message
    assert received.format(f"{file}, row 1") in message
    assert "1981-01-31T12:00:00" in message, "the formats that are read"
    assert "write it as 2023-04-03" in message


def test_no_such_column(tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'day'"):
        made(tmp_path, written(tmp_path, ["1"] * 9), split={"in_order": "days"})
