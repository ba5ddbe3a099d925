from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import hostile
from trainyard.errors import DataError, RecipeError
from trainyard.pipeline.monitor import labels
from trainyard.recipe_schema import Data
from trainyard.serving.monitor.rows import Rows

DATA = Data(path="x.csv")
WHOLE = {"tip": "int64"}


@pytest.fixture
def rows():
    keys = pa.array([b"7", b"8", None, b"9", b"7"], pa.binary())
    return Rows({"trip": keys}, {}, np.ones(5, bool))


def joined(rows, tmp_path, text, types=WHOLE, key="trip"):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    return labels.joined(rows, file, DATA, key, types).columns


def test_labels_meet_their_requests_and_others_wait(rows, tmp_path):
    found = joined(rows, tmp_path, "trip,tip,note\n7,1,a\n9,0,b\n1000,1,never asked\n8,,\n")
    assert found["tip"].to_pylist() == [1, None, None, 0, 1]
    assert found["trip"] is rows.columns["trip"]


def test_parquet_with_keys_of_another_type(tmp_path):
    file = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"trip": [8, 9], "tip": [True, False], "fare": [1.5, 2.0]}), file)
    rows = Rows({"trip": pa.array([9, 8, 7])}, {}, np.ones(3, bool))
    found = labels.joined(rows, file, DATA, "trip", {"tip": "int64", "fare": "float32"}).columns
    assert found["tip"].to_pylist() == [0, 1, None]
    assert found["fare"].to_pylist() == [2.0, 1.5, None]


def test_of_several_labels_some_may_be_known_earlier(rows, tmp_path):
    several = {"tip": "int64", "kind": "string"}
    found = joined(rows, tmp_path, "trip,tip,kind\n7,1,\n8,,big\n9,,\n", several)
    assert found["tip"].to_pylist() == [1, None, None, None, 1]
    assert found["kind"].to_pylist() == [None, b"big", None, None, None]


def test_text_labels(rows, tmp_path):
    found = joined(rows, tmp_path, "trip,kind\n7,big\n", {"kind": "string"})
    assert found["kind"].to_pylist() == [b"big", None, None, None, b"big"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trip,tip\n7,1\n8,0\n7,0\n", "the key '7' has two labels"),
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
        labels.joined(rows, tmp_path / "none.csv", DATA, "trip", WHOLE)


def test_requests_without_the_key(rows, tmp_path):
    with pytest.raises(DataError, match="no request in the window carries the column 'id'"):
        joined(rows, tmp_path, "id,tip\n7,1\n", key="id")
    nothing = rows.with_columns({"trip": pa.nulls(5, pa.binary()), "fare": pa.array([1.0] * 5)})
    with pytest.raises(DataError) as caught:
        joined(nothing, tmp_path, "trip,tip\n7,1\n")
    assert caught.value.received == "fare"


def test_which_column_joins():
    assert labels.key_of(Data(path="x", key="trip"), None) == "trip"
    assert labels.key_of(Data(path="x", key="trip"), "id") == "id"
    for key in (None, ("a", "b")):
        with pytest.raises(RecipeError, match="no column is known"):
            labels.key_of(Data(path="x", key=key), None)


def test_a_hostile_file_of_labels_runs_no_code(rows, tmp_path):
    file = hostile.write(tmp_path / "labels.parquet", tmp_path / "marker")

    with pytest.raises(DataError, match=r"'code'.*would run code"):
        labels.joined(rows, file, DATA, "trip", WHOLE)

    assert not (tmp_path / "marker").exists()
