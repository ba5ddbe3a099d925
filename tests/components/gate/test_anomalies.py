import datetime

import pandas as pd
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from trainyard.components.example_gen.lost_digits import Lost
from trainyard.components.gate import anomalies
from trainyard.components.gate.anomalies import (
    SplitStatistics,
    from_tfdv,
    of_label,
    of_presence,
    of_size,
    of_weight,
    required_share,
)
from trainyard.recipe_schema import Gate, Target

SCHEMA = text_format.Parse(
    """
    feature { name: "fare" type: FLOAT presence { min_fraction: 1.0 min_count: 1 }
              value_count { min: 1 max: 1 }
              float_domain { min: 0 max: 100 } }
    feature { name: "payment" type: BYTES presence { min_count: 1 } domain: "payment" }
    string_domain { name: "payment" value: "Cash" value: "Card" }
    """,
    schema_pb2.Schema(),
)


def statistics(**columns):
    return SplitStatistics(
        "train", tfdv.generate_statistics_from_dataframe(pd.DataFrame(columns), n_jobs=1)
    )


def target(task, positive=None, name="y"):
    label = {"name": name, "positive": positive}
    return Target.model_validate({"label": label, "task": task})


def findings(**columns):
    frame = pd.DataFrame(columns)
    proto = tfdv.generate_statistics_from_dataframe(frame, n_jobs=1)
    found = tfdv.validate_statistics(proto, SCHEMA)
    split = SplitStatistics("train", proto)
    return [*of_presence(SCHEMA, split), *from_tfdv(found, SCHEMA, split)]


def test_a_column_is_required_where_the_schema_asks_for_values():
    fare, payment = SCHEMA.feature
    assert required_share(fare) == 1
    inferred = text_format.Parse("presence { min_fraction: 1 } value_count {}", type(fare)())
    assert required_share(payment) == required_share(inferred) == 0


def test_sound_data_have_no_findings():
    assert findings(fare=[1.0, 2.0], payment=["Cash", "Card"]) == []


@pytest.mark.parametrize(
    ("columns", "kind", "column", "words"),
    [
        (
            {"fare": [1.0] * 3, "payment": ["Cash", "Bitcoin", "Bitcoin"]},
            "new_category",
            "payment",
            ["one of 2 known values", "'Bitcoin' in 2 rows"],
        ),
        ({"payment": ["Cash"] * 3}, "missing_column", "fare", ["no such column in 3 rows"]),
        (
            {"fare": [1.0] * 3, "payment": ["Cash"] * 3, "tip": [1, 2, 3]},
            "new_column",
            "tip",
            ["new column in 3 rows"],
        ),
        (
            {"fare": ["a", "b", "c"], "payment": ["Cash"] * 3},
            "wrong_type",
            "fare",
            ["type FLOAT", "type STRING in 3 rows"],
        ),
        (
            {"fare": [1.0, None, None], "payment": ["Cash"] * 3},
            "missing_values",
            "fare",
            ["at least 100%", "no value in 2 of 3 rows"],
        ),
        (
            {"fare": [1.0] * 3, "payment": [None] * 3},
            "missing_values",
            "payment",
            ["a value in some row", "no value in 3 of 3 rows"],
        ),
        ({"fare": [1.0, 200.0], "payment": ["Cash"] * 2}, "out_of_range", "fare", ["200"]),
    ],
)
def test_an_anomaly_names_column_expectation_and_count(columns, kind, column, words):
    (finding,) = findings(**columns)
    assert (finding.kind, finding.column) == (kind, column)
    for word in [column, *words]:
        assert word in finding.message


def test_every_tfdv_type_has_a_kind():
    names = anomalies_pb2.AnomalyInfo.Type.keys()
    kinds = {name: anomalies._kind(name) for name in names}
    assert set(kinds.values()) >= {"new_category", "drift", "wrong_type", "other"}
    assert kinds["COMPARATOR_L_INFTY_HIGH"] == "drift"
    assert kinds["INT_TYPE_NOT_STRING"] == "wrong_type"


@pytest.mark.parametrize(
    ("task", "values", "words"),
    [
        ("binary", [1, 1, 1], "the single value 1 in 3 rows"),
        ("binary", [0, 1, 2], "values from 0 to 2"),
        ("binary", [0.0, 0.5, 1.0], "0, 1 and values between them in 3 rows"),
        ("binary", [1, 2, 2], "`label.positive`: which of two values"),
        ("binary", ["a", "b", "c"], "3 values"),
        ("binary", ["No", "Yes", "yes"], "case or spaces: 'yes' (1), 'Yes' (1)"),
        ("multiclass", ["a", "a", "a"], "the single value 'a'"),
        ("regression", ["1", "x", "2"], "text in 3 rows"),
        ("regression", [2.0, 2.0, 2.0], "the single value 2"),
        ("binary", [0.0, 1.0, None], "no label in 1 of 3 rows"),
    ],
)
def test_a_label_that_cannot_be_learnt_is_found(task, values, words):
    (finding,) = of_label(target(task), statistics(y=values))
    assert finding.kind == "label"
    assert words in finding.message


@pytest.mark.parametrize(
    ("task", "values"),
    [
        ("binary", [0, 1]),
        ("binary", ["no", "yes"]),
        ("multiclass", ["a", "b", "c"]),
        ("multiclass", [1, 2, 3]),
        ("regression", [1.5, 2.5]),
    ],
)
def test_a_label_that_can_be_learnt_passes(task, values):
    assert list(of_label(target(task), statistics(y=values))) == []


@pytest.mark.parametrize(
    ("positive", "values"),
    [
        (2, [1, 2, 2]),
        ("2", [1, 2, 2]),
        (2.0, [1.0, 2.0, 2.0]),
        (0.1, [0.1, 0.5]),
        (True, [0, 1]),
        (True, ["True", "False"]),
        ("fraud", ["fraud", "ok"]),
        (datetime.date(2026, 11, 28), ["2026-11-28", "2026-11-29"]),
        (1, [0] * 19_000 + [1] * 1_000),  # whose histogram by quantiles has rows between
        (20260102, [20260101] * 900 + [20260102] * 100),
    ],
)
def test_positive_is_one_of_two_values_whatever_yaml_takes_it_for(positive, values):
    assert list(of_label(target("binary", positive), statistics(y=values))) == []


@pytest.mark.parametrize(
    ("positive", "values", "words"),
    [
        (3, [1, 2, 2], "1 and 2 in 3 rows"),
        (2, [1, 2, 3], "1, 3 and values between them in 3 rows"),
        ("Fraud", ["fraud", "ok", "ok"], "'ok' and 'fraud' in 3 rows"),
        ("fraud", ["fraud", "ok", "open"], "3 values"),
        (2, [2, 2, 2], "the single value 2"),
    ],
)
def test_positive_that_is_not_one_of_two_values_names_them(positive, values, words):
    (finding,) = of_label(target("binary", positive), statistics(y=values))
    assert words in finding.message


def test_a_label_that_is_not_there_is_found():
    (finding,) = of_label(target("binary", name="z"), statistics(y=[0, 1]))
    assert "no such column" in finding.message


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0, 0.0, 2.5], []),
        ([1, 2, 3], []),
        ([1.0, None, 2.0], [("missing_values", "none in 1 of 3 rows")]),
        ([-1.0, 0.5, 2.0], [("out_of_range", "weights from -1 to 2")]),
        ([0, 0, 0], [("out_of_range", "weights from 0 to 0")]),
    ],
)
def test_weights_that_cannot_be_used_are_found(values, found):
    told = list(of_weight("w", statistics(w=values)))
    assert [finding.kind for finding in told] == [kind for kind, _ in found]
    for finding, (_, words) in zip(told, found, strict=True):
        assert words in finding.message


def test_too_few_rows_are_found():
    small = statistics(y=[0, 1])
    assert [f.kind for f in of_size(Gate(min_rows=3), small)] == ["too_few_rows"]
    assert list(of_size(Gate(min_rows=2), small)) == []


def test_an_empty_list_is_a_missing_value():
    batch = pa.RecordBatch.from_pydict({"fare": [[1.0], [], None], "payment": [[b"Cash"], [], []]})
    options = tfdv.StatsOptions()
    proto = stats_impl.generate_statistics_in_memory(batch, options)
    split = SplitStatistics("train", proto)
    assert (split.missing("fare"), split.missing("payment"), split.missing("other")) == (2, 2, 3)
    assert [finding.column for finding in of_presence(SCHEMA, split)] == ["fare"]


def test_lost_digits_of_a_label_stop_the_run_and_those_of_an_input_are_told():
    lost = [Lost(column="y", values=40, lost=39), Lost(column="x", values=40, lost=1)]
    lost.append(Lost(column="past", values=40, lost=39, is_label=True))
    label, column, series = anomalies.of_digits(lost, ["y"])
    assert series.kind == "label"
    assert (label.kind, column.kind) == ("label", "lost_digits")
    assert label.kind in Gate().stop_on
    assert column.kind not in Gate().stop_on
    assert "39 of 40 distinct values become equal as 32-bit floats" in label.message
    assert "expression: COLUMN - CONSTANT" in label.message
