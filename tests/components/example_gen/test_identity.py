"""A row is the same row whatever the types of its columns and the format of its file."""

import datetime
import decimal
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.components.example_gen import identity


def one(value, kind=None):
    return identity.values(pa.array([value], kind))[0]


NOON = datetime.datetime(2024, 2, 29, 12)
EQUAL = [
    [30, 30.0, "30", "30.0", "+30", " 30 ", "3e1", "030", b"30", [30], [30.0], decimal.Decimal(30)],
    [True, 1, 1.0, "True", "true", "1"],
    [False, 0, -0.0, "FALSE", "0", "-0.0"],
    [0.1, "0.1", ".1", "1e-1", decimal.Decimal("0.1")],
    [(1 << 53) + 1, "9007199254740993"],
    [-(1 << 63), "-9223372036854775808"],
    [NOON, "2024-02-29 12:00", "2024-02-29T12:00:00", "2024-02-29T12:00:00.000000000"],
    [NOON, "2024-02-29 14:00:00+02:00", "2024-02-29T12:00Z", "2024-02-29 07:00:00 -0500"],
    [datetime.date(2024, 2, 29), "2024-02-29", "2024-02-29 00:00:00"],
    [datetime.time(12, 30), "12:30", "12:30:00.000"],
    ["", b""],
    ["Grüße", "Grüße".encode()],
]


@pytest.mark.parametrize("same", EQUAL)
def test_one_value_in_any_type(same):
    assert len({one(value) for value in same}) == 1
    assert identity.MISSING not in {one(value) for value in same}


def test_other_values_are_others():
    firsts = [same[0] for same in EQUAL if same[0] != NOON] + [NOON]
    more = ["a", "a ", "99999999999999999999", 1 << 53, [1, 2], [2, 1], [1, 1], "2024-02-30"]
    assert len({one(value) for value in [*firsts, *more]}) == len(firsts) + len(more)


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_a_short_float_is_what_its_text_says(kind):
    values = np.array([0.1, 0.2, 30, 1.5], kind.to_pandas_dtype())
    assert identity.values(pa.array(values)).tolist() == [one(str(value)) for value in values]


def test_whatever_is_missing():
    for column in (["nan", None], [float("nan"), None], [None, None], [[], None]):
        assert identity.values(pa.array(column)).tolist() == [identity.MISSING] * 2


def test_large_integers_do_not_collide():
    start = 1 << 60
    numbers = list(range(start, start + 1000))
    for column in (pa.array(numbers), pa.array(map(str, numbers))):
        assert len(set(identity.values(column).tolist())) == 1000
    unsigned = pa.array([(1 << 64) - 1, 5], pa.uint64())
    assert identity.values(unsigned).tolist() == [one(str((1 << 64) - 1)), one(5)]


def test_lists_of_any_kind():
    rows = [[1, 2, 3], None, [4, 5, 6]]
    kinds = (pa.list_(pa.int64()), pa.large_list(pa.float32()), pa.list_(pa.uint8(), 3))
    hashes = [identity.values(pa.array(rows, kind)).tolist() for kind in kinds]
    assert hashes[0] == hashes[1] == hashes[2]
    assert hashes[0][1] == identity.MISSING


def test_units_of_time():
    for unit in ("s", "ms", "us", "ns"):
        assert one(NOON, pa.timestamp(unit)) == one(str(NOON))
        assert one(NOON, pa.timestamp(unit, "Asia/Tokyo")) == one(str(NOON))
    clock = pa.array([datetime.time(1, 2, 3)], pa.time32("s"))
    assert identity.values(clock)[0] == one("01:02:03")


def test_a_row_is_its_fields_by_name():
    def row(**fields):
        return identity.rows(pa.RecordBatch.from_pydict({n: [v] for n, v in fields.items()}))[0]

    assert row(a=1, b=2) == row(b="2", a=True) == row(a=1.0, b=2, c=None)
    assert len({row(a=1, b=2), row(a=2, b=1), row(a=1), row(b=1), row(a=1, b=3)}) == 5


TEXTS = st.one_of(
    st.integers(-(1 << 70), 1 << 70).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(["0x1F", "1_000", "+7", " 8", "1e400", "-1e400", "inf", "nan", "1.", "9.0"]),
    st.text(max_size=4),
    st.none(),
)


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_field_does_not_depend_on_the_others(texts):
    together = identity.values(pa.array(texts, pa.string()))
    assert together.tolist() == [one(text, pa.string()) for text in texts]


COLUMNS = {
    "int": st.integers(-(1 << 63), (1 << 63) - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "short": st.floats(width=32, allow_nan=False, allow_infinity=False).map(np.float32),
    "flag": st.booleans(),
    "time": st.datetimes(datetime.datetime(1680, 1, 1), datetime.datetime(2250, 1, 1)),
    "word": st.sampled_from(["a", "b", "007", "12 kg", "tRuE", "2024-02-29"]),
}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.fixed_dictionaries(COLUMNS), min_size=1, max_size=4))
def test_the_same_table_as_csv_and_as_parquet(rows):
    table = pd.DataFrame(rows)
    text = io.BytesIO(table.to_csv(index=False).encode())
    as_text = pa.csv.ConvertOptions(column_types=dict.fromkeys(table.columns, pa.string()))
    (csv,) = pa.csv.read_csv(text, convert_options=as_text).combine_chunks().to_batches()
    parquet = pa.RecordBatch.from_pandas(table)
    for name in table.columns:
        assert identity.values(csv[name]).tolist() == identity.values(parquet[name]).tolist(), name
    assert identity.rows(csv).tolist() == identity.rows(parquet).tolist()


def test_rows_fall_evenly():
    rows = pa.RecordBatch.from_pydict({"a": np.arange(100_000), "b": np.arange(100_000) % 7})
    counts = np.unique(identity.rows(rows) % np.uint64(10), return_counts=True)[1]
    assert np.abs(counts - 10_000).max() < 400  # four standard deviations
