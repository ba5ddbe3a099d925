"""The larger sets: as many rows as asked for, fresh values, the same bytes again."""

from __future__ import annotations

import pyarrow.csv as pa_csv
import pytest

from benchmarks import taxi_rows

COLUMNS = "fare,trip_miles,tips,pickup_latitude,pickup_longitude,dropoff_latitude,dropoff_longitude"


@pytest.fixture
def source(tmp_path):
    rows = [f"{n}.5,{n}.25,0.0,41.{n},-87.{n},,,Cash,{n}" for n in range(10, 30)]
    rows[3] = "13.5,,0.0,,,,,,13"
    file = tmp_path / "source.csv"
    file.write_text("\n".join([f"{COLUMNS},payment_type,trip_seconds", *rows]) + "\n")
    return file


def made(source, rows, name="made.csv"):
    target = source.with_name(name)
    taxi_rows.write(source, target, rows)
    return target


def test_first_copy_is_the_source(source):
    table, expected = (pa_csv.read_csv(file) for file in (made(source, 20), source))
    assert table.to_pylist() == expected.to_pylist()


def test_further_copies_have_fresh_floats_and_the_same_rest(source):
    table = pa_csv.read_csv(made(source, 60)).to_pandas()
    assert len(table) == 60
    assert table["fare"].nunique() == 60
    assert table["trip_seconds"].value_counts().eq(3).all()
    fares = table.groupby("trip_seconds")["fare"]
    assert (fares.max() / fares.min()).lt(1.11).all()
    assert table["trip_miles"].isna().sum() == 3
    assert table["tips"].eq(0).all()


def test_a_part_of_a_copy(source):
    assert pa_csv.read_csv(made(source, 25)).num_rows == 25
    assert pa_csv.read_csv(made(source, 7, "few.csv")).num_rows == 7


def test_same_bytes_again(source):
    assert made(source, 50).read_bytes() == made(source, 50, "again.csv").read_bytes()
