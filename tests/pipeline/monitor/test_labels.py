from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import hostile
from trainyard.errors import DataError, RecipeError
from trainyard.pipeline.monitor import labels
from trainyard.pipeline.monitor.keys import sent_kind
from trainyard.recipe_schema import Data
from trainyard.serving.monitor.rows import Rows

DATA = Data(path="x.csv")
WHOLE = {"tip": "int64"}


@pytest.fixture
def rows():
    keys = pa.array([b"7", b"8", None, b"9", b"7"], pa.binary())
    return Rows({"trip": keys}, {}, np.ones(5, bool))


def joined(rows, tmp_path, text, types=WHOLE, data=DATA, **keys):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    return labels.joined(rows, file, data, keys or {"trip": "string"}, types).rows.columns


def test_labels_meet_their_requests_and_others_wait(rows, tmp_path):
    found = joined(rows, tmp_path, "trip,tip,note\n7,1,a\n9,0,b\n1000,1,never asked\n8,,\n")
    assert found["tip"].to_pylist() == [1, None, None, 0, 1]
    assert found["trip"] is rows.columns["trip"]


def test_parquet_with_keys_of_another_type(tmp_path):
    file = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"trip": [8, 9], "tip": [True, False], "fare": [1.5, 2.0]}), file)
    rows = Rows({"trip": pa.array([9, 8, 7])}, {}, np.ones(3, bool))
    types = {"tip": "int64", "fare": "float32"}
    found = labels.joined(rows, file, DATA, {"trip": "int64"}, types).rows.columns
    assert found["tip"].to_pylist() == [0, 1, None]
    assert found["fare"].to_pylist() == [2.0, 1.5, None]


def test_of_several_labels_some_may_be_known_earlier(rows, tmp_path):
    several = {"tip": "int64", "kind": "string"}
    found = joined(rows, tmp_path, "trip,tip,kind\n7,1,\n8,,big\n9,,\n", several)
    assert found["tip"].to_pylist() == [1, None, None, None, 1]
    assert found["kind"].to_pylist() == [None, b"big", None, None, None]


EUROPEAN = {"decimal": ",", "thousands": "."}


def semicolons(**numbers):
    return Data(path="x.csv", delimiter=";", numbers=numbers)


def test_numbers_are_read_as_in_training(rows, tmp_path):
    types = {"fare": "float32", "tip": "int64", "kind": "string"}
    text = "trip;fare;tip;kind\n7;1.234;1.000;1.234\n9;-0,5;true;x\n8;;;\n"
    found = joined(rows, tmp_path, text, types, semicolons(**EUROPEAN))
    assert found["fare"].to_pylist() == [1234, None, None, -0.5, 1234]
    assert found["tip"].to_pylist() == [1000, None, None, 1, 1000]
    assert found["kind"].to_pylist() == [b"1.234", None, None, b"x", b"1.234"], "text is text"


def test_a_format_of_one_column_with_its_unit(rows, tmp_path):
    data = semicolons(columns={"fare": {**EUROPEAN, "unit": "$"}})
    found = joined(rows, tmp_path, "trip;fare\n7;$1.234,5\n9;\n", {"fare": "float32"}, data)
    assert found["fare"].to_pylist() == [1234.5, None, None, None, 1234.5]
    with pytest.raises(DataError, match=r"(?s)row 1.*written as \$1\.234,5 \(`data\.numbers`\)"):
        joined(rows, tmp_path, "trip;fare\n7;1.5\n", {"fare": "float32"}, data)


def test_keys_that_are_numbers_are_read_as_in_training(tmp_path):
    rows = Rows({"trip": pa.array([1234, 7])}, {}, np.ones(2, bool))
    text, data = "trip;tip\n1.234;1\n7;0\n", semicolons(**EUROPEAN)
    assert joined(rows, tmp_path, text, data=data, trip="int64")["tip"].to_pylist() == [1, 0]


def test_numbers_of_parquet_are_numbers_already(rows, tmp_path):
    file = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"trip": ["7", "9"], "fare": [1.234, float("nan")]}), file)
    types, data = {"fare": "float32"}, semicolons(**EUROPEAN)
    found = labels.joined(rows, file, data, {"trip": "string"}, types).rows.columns
    assert found["fare"].cast(pa.float64()).to_pylist()[0] == pytest.approx(1.234)


@pytest.mark.parametrize("text", ["1_000", "inf", "1e39", "1.5.2"])
def test_what_training_does_not_take_for_a_number_is_refused(rows, tmp_path, text):
    with pytest.raises(DataError, match="the label 'fare' is not what training had"):
        joined(rows, tmp_path, f"trip,fare\n7,{text}\n", {"fare": "float32"})


def test_nan_is_no_label_as_in_training(rows, tmp_path):
    data = DATA.model_copy(update={"missing": ()})
    found = joined(rows, tmp_path, "trip,fare\n7,nan\n9,1\n", {"fare": "float32"}, data)
    assert found["fare"].to_pylist() == [None, None, None, 1, None]


def test_text_labels(rows, tmp_path):
    found = joined(rows, tmp_path, "trip,kind\n7,big\n", {"kind": "string"})
    assert found["kind"].to_pylist() == [b"big", None, None, None, b"big"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trip,tip\n7,1\n8,0\n7,0\n", "row 3: the key '7' has two labels"),
        ("trip,tip\n17,1\n", "none of the labels is of a request in the window"),
        ("trip,tips\n7,1\n", "no column 'tip'"),
        ("id,tip\n7,1\n", "no column 'trip'"),
        ("trip,tip\n7,1.5\n", "the label 'tip' is not what training had"),
        ("trip,tip\n7,yes\n", "the label 'tip' is not what training had"),
    ],
)
def test_labels_that_do_not_fit(rows, tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        joined(rows, tmp_path, text)


def test_a_file_that_is_not_there(rows, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        labels.joined(rows, tmp_path / "none.csv", DATA, {"trip": "string"}, WHOLE)


def test_requests_without_the_key(rows, tmp_path):
    with pytest.raises(DataError, match="no request in the window carries the column 'id'"):
        joined(rows, tmp_path, "id,tip\n7,1\n", id="string")
    nothing = rows.with_columns({"trip": pa.nulls(5, pa.binary()), "fare": pa.array([1.0] * 5)})
    with pytest.raises(DataError) as caught:
        joined(nothing, tmp_path, "trip,tip\n7,1\n")
    assert caught.value.received == "fare"


def test_which_column_joins():
    assert labels.keys_of(Data(path="x", key="trip"), ()) == ("trip",)
    assert labels.keys_of(Data(path="x", key="trip"), ("id", "day")) == ("id", "day")
    for key in (None, ("a", "b")):
        with pytest.raises(RecipeError, match="no column is known"):
            labels.keys_of(Data(path="x", key=key), ())


def asked(*keys, kind=None):
    return Rows({"trip": pa.array(keys, kind)}, {}, np.ones(len(keys), bool))


@pytest.mark.parametrize(
    ("kind", "key", "file", "same"),
    [
        ("int64", 7, "0007", True),  # raw text did not match
        ("int64", 7, "7.0", True),
        ("int64", 7, "+7", True),
        ("int64", 7, "7.5", False),
        ("int64", 7, "seven", False),
        ("int64", 1000, "1_000", False),
        ("int64", 2**53 + 1, str(2**53 + 1), True),
        ("int64", 2**53 + 1, str(2**53), False),
        ("int64", b"0007", "7", True),  # the column is whole numbers, whatever a request sends
        ("string", b"0007", "7", False),
        ("string", b"7", "7.0", False),
        ("string", b"0007", "0007", True),
        ("float32", 7.1, "7.10", True),
        ("float32", b"7.1", "7.1", True),
        ("float32", 7.0, "7", True),
        ("string", b"2026-03-29T01:00:00Z", "2026-03-29 03:00:00+02:00", True),
        ("string", b"2026-03-29T01:00:00", "2026-03-29 01:00", True),
        ("string", b"2026-03-29T01:00:00", "2026-03-29T01:00:00Z", False),
        ("string", b"20260329", "2026-03-29", False),
    ],
)
def test_keys_are_equal_as_their_column_is(tmp_path, kind, key, file, same):
    arrow = pa.binary() if isinstance(key, bytes) else {"float32": pa.float32()}.get(kind)
    rows = asked(key, key, kind=arrow)
    text = f"trip,tip\n{file},1\n"
    if same:
        assert joined(rows, tmp_path, text, trip=kind)["tip"].to_pylist() == [1, 1]
    else:
        with pytest.raises(DataError, match="none of the labels"):
            joined(rows, tmp_path, text, trip=kind)


@pytest.mark.parametrize(
    ("kind", "keys", "column"),
    [
        ("int64", [7, 8], [7.0, None]),  # pandas makes floats of whole numbers with a gap
        ("string", [b"7", b"8"], [7.0, None]),
        ("string", [b"2026-03-29T01:00:00", b"x"], [datetime(2026, 3, 29, 1), None]),
        ("int64", [7, 8], ["0007", "x"]),
    ],
)
def test_keys_of_parquet(tmp_path, kind, keys, column):
    file = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"trip": column, "tip": [1, 0]}), file)
    found = labels.joined(asked(*keys), file, DATA, {"trip": kind}, WHOLE)
    assert found.rows.columns["tip"].to_pylist() == [1, None]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [([b"7", b"1000", None, b"-3", b"0"], "int64"), ([b"7", b"0007"], "string"), ([7], "int64")],
)
def test_a_key_that_training_does_not_know_is_what_requests_send(sent, kind):
    assert sent_kind(asked(*sent).columns["trip"]) == kind


def test_several_columns_are_a_key_together(tmp_path):
    columns = {"trip": pa.array([7, 7, 8, 8]), "day": pa.array([b"mon", b"tue", b"mon", None])}
    rows = Rows(columns, {}, np.ones(4, bool))
    text = "day,trip,tip\nmon,0007,1\ntue,7.0,0\nwed,8,1\n"
    found = joined(rows, tmp_path, text, trip="int64", day="string")
    assert found["tip"].to_pylist() == [1, 0, None, None]


def test_what_was_joined_is_said(rows, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("trip,tip\n7,1\n7,1\n1000,1\n,1\n9,0\n")
    note = labels.joined(rows, file, DATA, {"trip": "string"}, WHOLE).note
    assert note == (
        "Labels: 3 of 5 rows that were looked at have one by now; rows without a key: 1; "
        "labels of none of these rows: 2; repeated labels: 1."
    )


def test_hardly_any_match(tmp_path):
    rows = asked(*range(1000))
    others = "".join(f"{key},1\n" for key in range(995, 2000))
    with pytest.raises(DataError, match="only 5 of 1,000 of the labels"):
        joined(rows, tmp_path, "trip,tip\n" + others, trip="int64")
    few = "".join(f"{key},1\n" for key in range(5))  # all that is known yet
    assert joined(rows, tmp_path, "trip,tip\n" + few, trip="int64")["tip"].null_count == 995


def test_a_sample_of_a_large_window_matches_less(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("trip,tip\n" + "".join(f"{key},1\n" for key in range(995, 2000)))
    rows = asked(*range(1000))
    found = labels.joined(rows, file, DATA, {"trip": "int64"}, WHOLE, sampled=0.01)
    assert found.rows.columns["tip"].null_count == 995


def test_text_labels_of_parquet_are_what_training_had(tmp_path):
    file = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"trip": [7, 8], "kind": [1.0, None]}), file)
    found = labels.joined(asked(7, 8), file, DATA, {"trip": "int64"}, {"kind": "string"})
    assert found.rows.columns["kind"].to_pylist() == [b"1", None]


def test_labels_of_many_digits_are_exact(tmp_path):
    found = joined(asked(7), tmp_path, f"trip,tip\n7,{2**53 + 1}\n", trip="int64")
    assert found["tip"].to_pylist() == [2**53 + 1]


def test_a_hostile_file_of_labels_runs_no_code(rows, tmp_path):
    file = hostile.write(tmp_path / "labels.parquet", tmp_path / "marker")

    with pytest.raises(DataError, match=r"'code'.*would run code"):
        labels.joined(rows, file, DATA, {"trip": "string"}, WHOLE)

    assert not (tmp_path / "marker").exists()
