from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import prediction_log_pb2

from trainyard.serving import tensors
from trainyard.serving.monitor import requests
from trainyard.serving.monitor.requests import Layout
from trainyard.trainer_modules.harness.description import Description

TOLD = Description.model_validate(
    {
        "heads": {"": {"task": "binary", "label": "tip", "class_names": ["0", "1"]}},
        "inputs": {"fare": "float32", "hour": "int64", "kind of": "string"},
        "tensors": {"fare": "fare", "hour": "hour", "kind of": "kind_of"},
    }
)
LAYOUT = Layout(TOLD, {}, 3)


def log(part, version=3):
    made = prediction_log_pb2.PredictionLog()
    made.log_metadata.model_spec.name = "taxi"
    made.log_metadata.model_spec.version.value = version
    return made, getattr(made, part)


def raw(fares, hours, kinds, answers, version=3):
    made, part = log("predict_log", version)
    given = {
        "fare": np.array(fares, np.float32),
        "hour": np.array(hours, np.int64),
        "kind_of": np.array(kinds, object),
    }
    for name, values in given.items():
        tensors.to_proto(values, part.request.inputs[name])
    tensors.to_proto(np.array(answers, np.float32)[:, None], part.response.outputs["predictions"])
    return made


def example(**features):
    made = example_pb2.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = made.features.feature[name.replace("_", " ")]
        if isinstance(values[0], bytes):
            feature.bytes_list.value.extend(values)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return made


def test_tensors_become_columns_without_what_stands_for_missing():
    least = np.iinfo(np.int64).min
    rows = requests.rows([raw([1.5, np.nan], [7, least], [b"card", b""], [0.25, 0.75])], LAYOUT)
    assert rows.columns["fare"].to_pylist() == [1.5, None]
    assert rows.columns["hour"].to_pylist() == [7, None]
    assert rows.columns["kind of"].to_pylist() == [b"card", None]
    assert rows.answers[""].tolist() == [[0.25], [0.75]]
    assert rows.known.all()


def test_examples_become_the_same_columns():
    made, part = log("predict_log")
    examples = [example(fare=1.5, hour=7, kind_of=b"card", trip=17), example(fare=2.0)]
    serialized = np.array([each.SerializeToString() for each in examples], object)
    tensors.to_proto(serialized, part.request.inputs["examples"])
    answers = np.array([[0.5], [0.6]], np.float32)
    tensors.to_proto(answers, part.response.outputs["predictions"])
    layout = Layout(TOLD, {"zone": "string"}, 3, keys=("trip",))
    rows = requests.rows([made], layout)
    assert rows.columns["fare"].to_pylist() == [1.5, 2.0]
    assert rows.columns["hour"].to_pylist() == [7, None]
    assert rows.columns["kind of"].to_pylist() == [b"card", None]
    assert rows.columns["zone"].to_pylist() == [None, None]
    assert rows.columns["trip"].to_pylist() == [b"17", None]
    both = requests.rows([made, raw([3.0], [1], [b"cash"], [0.1])], layout)
    assert both.columns["fare"].to_pylist() == [3.0, 1.5, 2.0]
    assert both.columns["trip"].to_pylist() == [None, b"17", None]
    assert both.answers[""][:, 0].tolist() == pytest.approx([0.1, 0.5, 0.6])


@pytest.mark.parametrize(
    ("kind", "sent", "read"),
    [
        ("string", [4, b"4"], [b"4", b"4"]),
        ("int64", [b"0007", 7.0, 7, b"x", 7.5], [7, 7, 7, None, None]),
        ("float32", [b"7.5", 7, b"x"], [7.5, 7.0, None]),
    ],
)
def test_a_column_beside_the_inputs_of_another_type_is_read_as_trainings(kind, sent, read):
    made, part = log("predict_log")
    examples = [example(fare=1.5, zone=value).SerializeToString() for value in sent]
    tensors.to_proto(np.array(examples, object), part.request.inputs["examples"])
    rows = requests.rows([made], Layout(TOLD, {"zone": kind}, 3))
    assert rows.columns["fare"].to_pylist() == [1.5] * len(sent)
    assert rows.columns["zone"].to_pylist() == read


def test_classify_and_regress_answer_as_predict_does():
    made, part = log("classify_log")
    part.request.input.example_list.examples.append(example(fare=1.5, hour=7, kind_of=b"card"))
    classes = part.response.result.classifications.add().classes
    classes.add(label="0", score=0.75)
    classes.add(label="1", score=0.25)
    rows = requests.rows([made], LAYOUT)
    assert rows.columns["fare"].to_pylist() == [1.5]
    assert rows.answers[""].tolist() == [[0.25]]
    assert requests.rows_of(made) == 1

    number = TOLD.heads[""].model_copy(update={"task": "regression", "class_names": ()})
    several = {"tip": number, "late": TOLD.heads[""]}
    layout = Layout(TOLD.model_copy(update={"heads": several}), {}, 3)
    made, part = log("regress_log")
    part.request.model_spec.signature_name = "tip_regress"
    part.request.input.example_list.examples.append(example(fare=1.5))
    part.response.result.regressions.add().value = 4.5
    rows = requests.rows([made], layout)
    assert rows.answers["tip"].tolist() == [[4.5]]
    assert not rows.known.any()  # the other head was not asked


def test_answers_of_64_bits_count():
    number = {"task": "regression", "label": "at", "dtype": "float64"}
    told = Description.model_validate(TOLD.model_dump() | {"heads": {"": number}})
    made, answer = raw([1.0], [1], [b"card"], [0.5]), np.array([[1_700_000_001.0]])
    output = made.predict_log.response.outputs["predictions"]
    output.Clear()
    tensors.to_proto(answer, output)
    rows = requests.rows([made], Layout(told, {}, 3))
    assert rows.known.tolist() == [True]
    assert rows.answers[""].tolist() == answer.tolist()


def test_answers_of_another_version_do_not_count_but_their_requests_do():
    asked = [raw([1.0], [1], [b"card"], [0.5]), raw([2.0], [2], [b"card"], [0.5], version=4)]
    rows = requests.rows(asked, LAYOUT)
    assert rows.columns["fare"].to_pylist() == [1.0, 2.0]
    assert rows.known.tolist() == [True, False]


def test_what_is_not_of_this_model_is_left_out():
    made, part = log("predict_log")
    tensors.to_proto(np.zeros(3, np.float32), part.request.inputs["other"])
    broken, part = log("predict_log")
    part.request.inputs["examples"].CopyFrom(tf.make_tensor_proto([1.0]))
    session, _ = log("session_run_log")
    assert len(requests.rows([made, broken, session], LAYOUT)) == 0
    assert [requests.rows_of(each) for each in (made, session)] == [3, 0]


def test_a_series_counts_as_its_mean_in_requests_and_in_training():
    told = TOLD.model_copy(
        update={"inputs": {"past": "float32"}, "tensors": {"past": "past"}, "series": {"past": 3}}
    )
    made, part = log("predict_log")
    tensors.to_proto(np.array([[1, 2, 6], [4, 4, 4]], np.float32), part.request.inputs["past"])
    assert requests.rows([made], Layout(told, {}, 3)).columns["past"].to_pylist() == [3.0, 4.0]
    lists = pa.array([[1, 2, 6], None, [4, 4, 4]], pa.large_list(pa.float32()))
    assert requests.one_value(lists, "float32").to_pylist() == [3.0, None, 4.0]


def test_one_value_of_lists():
    texts = pa.array([[b"a"], [], None, [b"b", b"c"]], pa.large_list(pa.large_binary()))
    assert requests.one_value(texts, "string").to_pylist() == [b"a", None, None, b"b"]
    whole = pa.array([[3], None], pa.large_list(pa.int64()))
    assert requests.one_value(whole, "int64").to_pylist() == [3, None]
    assert requests.one_value(pa.nulls(2), "int64").type == pa.int64()


def test_blocks_are_bounded():
    logs = [raw([1.0], [1], [b"card"], [0.5])] * (requests.BLOCK_RECORDS + 1)
    assert [len(block) for block in requests.blocks(logs)] == [requests.BLOCK_RECORDS, 1]
