"""Whole numbers keep their identity, and what is a number to the model is a float."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trainyard.components.example_gen import derived_label, lost_digits, number_types, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.narrowing import Narrowing
from trainyard.components.example_gen.number_types import Numbers
from trainyard.recipe_schema import Data, Feature, Label, SeriesFeature, TableFeature

EPOCH = 1_700_000_000_000
TABLE = {
    "epoch_ms": [EPOCH, EPOCH + 20_000, EPOCH + 59_999],
    "rooms": [3, 4, 120],
    "price": [1_000, 250_000, 50_000_001],
    "code": [100_000_001.0, 100_000_002.0, 100_000_003.0],
    "pandas": [1.0, None, 3.0],
    "bucketed": [16_777_217, 2, 3],
    "category": [7, 8, 9],
    "share": [0.5, 0.25, 0.125],
    "y": [1_700_000_007, 1_700_000_008, 1_700_000_009],
}
FEATURES = {
    "code": Feature(kind="categorical"),
    "category": Feature(kind="categorical"),
    "bucketed": Feature(kind="bucketized"),
}
LABELS = {"label": Label(name="y", expression="y")}


def written(folder, form, table=TABLE):
    frame = pd.DataFrame(table)
    file = folder / f"data.{form}"
    frame.to_csv(file, index=False) if form == "csv" else frame.to_parquet(file)
    return Data(path=str(file), format=form), [file]


def narrowing(data, files, features=FEATURES, labels=LABELS):
    types, numbers, _ = reader.survey(data, files)
    return types, Narrowing.of(data, labels, features, types, numbers)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_examples_hold_numbers_as_floats_but_where_that_would_lose_them(tmp_path, form):
    data, files = written(tmp_path, form)
    types, found = narrowing(data, files)
    (block,) = reader.blocks(data, files, types)
    batch = found.narrowed(block).batch
    kinds = {field.name: str(field.type) for field in batch.schema}
    assert kinds == {
        "epoch_ms": "int64",  # within a minute: one 32-bit float
        "rooms": "double",  # so that 120.5 can be asked
        "price": "double",  # 2 in 50 million
        "code": "int64",  # written as floats, but they are three codes
        "pandas": "double",
        "bucketed": "int64",
        "category": "int64",
        "share": "double",
        "y": "int64",
    }
    for name in ("epoch_ms", "code", "y"):
        assert batch.column(batch.schema.get_field_index(name)).to_pylist() == TABLE[name]
    assert found.lost == []


def test_stock_types_stay_where_nobody_says_what_the_columns_are_for(tmp_path):
    data, files = written(tmp_path, "csv")
    types, found = narrowing(data, files, features=None)
    (block,) = reader.blocks(data, files, types)
    assert found.narrowed(block).batch.schema == block.batch.schema


def test_a_curated_schema_decides(tmp_path):
    schema = tmp_path / "schema.pbtxt"
    schema.write_text('feature {name: "rooms" type: INT} feature {name: "pandas" type: INT}')
    data, files = written(tmp_path, "csv")
    _, found = narrowing(data.model_copy(update={"schema_file": str(schema)}), files)
    assert found.types["rooms"] is ColumnType.INTEGER
    assert found.types["pandas"] is ColumnType.INTEGER, "whole: nothing is lost"


def test_fractions_that_32_bits_do_not_hold_are_counted(tmp_path):
    table = {
        "seconds": [1_700_000_000.25 + 0.5 * i for i in range(40)],
        "ordinary": [20.1 + 0.3 * i for i in range(40)],
        "y": [1_700_000_000.5 + i for i in range(40)],
    }
    data, files = written(tmp_path, "csv", table)
    _, found = narrowing(data, files, {})
    types = reader.columns(data, files)
    for block in reader.blocks(data, files, types):
        found.narrowed(block)
    assert {each.column: (each.values, each.lost) for each in found.lost} == {
        "seconds": (40, 39),
        "y": (40, 39),
    }


def lost_of(data, files, features=None, labels=LABELS):
    types, found = narrowing(data, files, features or {}, labels)
    for block in reader.blocks(data, files, types):
        found.narrowed(block)
    return {each.column: (each.values, each.lost, each.is_label) for each in found.lost}


NUMBERS = {
    "id": [100_000_000 + i for i in range(40)],
    "wide": [7_000 * i if i else 50_000_001 for i in range(39)] + [50_000_000],
    "seconds": [1_700_000_000 + 3600 * i for i in range(40)],
    "small": [*range(40)],
    "y": [i % 2 for i in range(40)],
}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_whole_numbers_that_are_never_centred_are_counted(tmp_path, form):
    data, files = written(tmp_path, form, NUMBERS)
    labels = {"label": Label.model_validate("y")}
    bare = {name: TableFeature(scaling="none") for name in NUMBERS if name != "y"}
    assert lost_of(data, files, bare, labels) == {
        "id": (40, 34, False),
        "wide": (40, 1, False),  # little in its deviations, but they are two codes
    }
    centred = {name: TableFeature(scaling="min-max") for name in NUMBERS}
    assert lost_of(data, files, centred, labels) == {}
    kinds = {name: TableFeature(kind="categorical", scaling="none") for name in NUMBERS}
    assert lost_of(data, files, kinds, labels) == {}, "text tells them apart"


def test_fractions_that_are_never_centred_are_counted_if_that_matters(tmp_path):
    share = [i / 20 for i in range(20)]
    table = {"share": [*share, *(x + 1e-12 for x in share)], "y": [0, 1] * 20}
    data, files = written(tmp_path, "parquet", table)
    bare = {"share": TableFeature(scaling="none")}
    assert lost_of(data, files, bare, {"label": Label.model_validate("y")}) == {}


def of_series(folder, values, **series):
    days = [f"2024-01-{1 + i:02}" for i in range(len(values))]
    data, files = written(folder, "csv", {"day": days, "sold": values, "other": [*range(30)]})
    series = {"time": "day", "value": "sold", "past": 3, "every": "1D"} | series
    return Data.model_validate(
        data.model_dump() | {"series": series, "split": {"in_order": True}}
    ), files


@pytest.mark.parametrize("scaling", ["z-score", "none"])
@pytest.mark.parametrize(
    ("label", "is_label"), [("sold", True), ("sold - 1700000000", True), ("other", False)]
)
def test_a_series_is_narrowed_before_it_is_centred(tmp_path, scaling, label, is_label):
    data, files = of_series(tmp_path, [1_700_000_000 + i for i in range(30)])
    features = {"past": SeriesFeature(length=3, scaling=scaling)}
    lost = lost_of(data, files, features, {"label": Label.model_validate(label)})
    assert lost["past"] == (30, 29, is_label)


def test_a_series_that_loses_little_does_not_stop_the_run(tmp_path):
    values = [1_700_000 * i for i in range(28)] + [50_000_001, 50_000_000]
    data, files = of_series(tmp_path, values)
    labels = {"label": Label.model_validate("sold")}
    bare = {"past": SeriesFeature(length=3, scaling="none")}
    assert lost_of(data, files, bare, labels) == {"past": (30, 1, False)}
    assert lost_of(data, files, {"past": SeriesFeature(length=3)}, labels) == {}


def test_a_label_that_subtracts_the_constant_loses_nothing(tmp_path):
    table = {"stamp": [1_700_000_000.5 + i for i in range(40)], "x": list(range(40))}
    data, files = written(tmp_path, "csv", table)
    label = Label(name="y", expression="stamp - 1700000000")
    types, found = narrowing(data, files, {}, {"label": label})
    for block in reader.blocks(data, files, types):
        found.narrowed(derived_label.append(label, block))
    assert found.lost == []


def test_a_computed_label_is_looked_at_too(tmp_path):
    table = {"stamp": [0.5 + i for i in range(40)], "x": list(range(40))}
    data, files = written(tmp_path, "csv", table)
    label = Label(name="y", expression="stamp + 1700000000")
    types, found = narrowing(data, files, {}, {"label": label})
    for block in reader.blocks(data, files, types):
        found.narrowed(derived_label.append(label, block))
    assert [(each.column, each.lost) for each in found.lost] == [("y", 39)]


WHOLE = st.integers(-(2**62), 2**62) | st.integers(-(2**25), 2**25)


@example([2**54 - 1], 0)  # a 64-bit float rounds it to a power of 2, which 32 bits hold
@example([2**63 - 1], 0)
@given(st.lists(WHOLE, min_size=1, max_size=30), st.integers(0, 30))
def test_whole_numbers_that_are_told_apart_by_value_stay_distinct(values, cut):
    arrays = [pa.array(part, pa.int64()) for part in (values[:cut], values[cut:])]
    numbers = Numbers.of(arrays[0]).merged(Numbers.of(arrays[1]))
    for use in (None, number_types.EXACT):
        uses = {} if use is None else {"c": use}
        types = number_types.chosen({"c": ColumnType.INTEGER}, {"c": numbers}, uses, {})
        batch = pa.RecordBatch.from_pydict({"c": pa.array(values, pa.int64())})
        kept = number_types.converted(batch, types).column(0)
        if pa.types.is_floating(kept.type):
            kept = kept.cast(pa.float32()).cast(pa.int64(), safe=False)
        assert kept.to_pylist() == values


@given(
    st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30),
    st.integers(0, 30),
)
def test_blocks_together_are_like_the_whole(values, cut):
    parts = [Numbers.of(pa.array(part, pa.float64())) for part in (values[:cut], values[cut:])]
    joined = parts[0].merged(parts[1])
    assert joined.count == len(values)
    assert joined.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-3)
    assert joined.std == pytest.approx(np.std(values), rel=1e-6, abs=1e-2)
    assert joined.whole == all(value == round(value) for value in values)
    assert joined.error == max(abs(value - float(np.float32(value))) for value in values)


def test_what_is_lost_is_said_in_words():
    lost = lost_digits.Lost(column="a", values=40, lost=39)
    assert lost.words == "39 of 40 distinct values become equal as 32-bit floats"
    assert json.loads(lost.model_dump_json())["column"] == "a"
