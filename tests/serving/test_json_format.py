from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, predict_pb2, regression_pb2

from trainyard.serving import json_format, tensors
from trainyard.serving.errors import ServingError
from trainyard.serving.model import Signature

DTYPES = {"float": 1, "double": 2, "int": 3, "string": 7, "complex": 8, "int64": 9, "bool": 10}


def signature(**kinds):
    definition = meta_graph_pb2.SignatureDef()
    for name, kind in kinds.items():
        definition.inputs[name].dtype = DTYPES[kind]
        definition.inputs[name].tensor_shape.unknown_rank = True
    return Signature("s", definition)


ONE = signature(x="float")
TWO = signature(word="string", number="int64")


def filled(body, of=ONE):
    request = predict_pb2.PredictRequest()
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    rows = json_format.fill_predict(json_format.parse(text), of, request)
    return rows, {name: tensors.from_proto(proto) for name, proto in request.inputs.items()}


def b64(data: bytes):
    return {"b64": base64.b64encode(data).decode()}


# The examples of TensorFlow Serving's RESTful API page, and its rules.
@pytest.mark.parametrize(
    ("body", "of", "wanted"),
    [
        ({"instances": [1, 2.5]}, ONE, {"x": [1, 2.5]}),
        ({"instances": [[1, 2], [3, 4]]}, ONE, {"x": [[1, 2], [3, 4]]}),
        ({"instances": [{"x": 1}, {"x": 2}]}, ONE, {"x": [1, 2]}),
        ({"inputs": [1, 2]}, ONE, {"x": [1, 2]}),
        ({"inputs": {"x": [[1]]}}, ONE, {"x": [[1]]}),
        ({"inputs": 3}, ONE, {"x": 3}),
        (b'{"instances": [NaN, Infinity, -Infinity]}', ONE, {"x": [np.nan, np.inf, -np.inf]}),
        (
            {"instances": [{"word": "a", "number": 1}, {"word": b64(b"\xff"), "number": -(2**63)}]},
            TWO,
            {"word": [b"a", b"\xff"], "number": [1, -(2**63)]},
        ),
        (
            {"inputs": {"word": ["a"], "number": [[1, 2]]}},
            TWO,
            {"word": [b"a"], "number": [[1, 2]]},
        ),
        ({"instances": [b64(b"\0"), "ä"]}, signature(s="string"), {"s": [b"\0", "ä".encode()]}),
        ({"inputs": b64(b"one")}, signature(s="string"), {"s": b"one"}),
        ({"instances": [True]}, signature(b="bool"), {"b": [True]}),
        ({"inputs": []}, ONE, {"x": []}),
        ({"inputs": [2**24 - 1, -(2**24) + 1, 2e38]}, ONE, {"x": [2**24 - 1, -(2**24) + 1, 2e38]}),
        (b'\xef\xbb\xbf{"inputs": [1]}', ONE, {"x": [1]}),
        ({"inputs": [{"b64": "YWJj\nZGU"}]}, signature(s="string"), {"s": [b"abcde"]}),
        ({"inputs": ["\U0001f600"]}, signature(s="string"), {"s": ["\U0001f600".encode()]}),
    ],
)
def test_rows_and_columns_become_tensors(body, of, wanted):
    rows, arrays = filled(body, of)
    assert rows == (
        b"instances" in (body if isinstance(body, bytes) else json.dumps(body).encode())
    )
    assert arrays.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(arrays[name], np.array(values, arrays[name].dtype))


@pytest.mark.parametrize(
    ("body", "of", "said"),
    [
        (b"", ONE, "The document is empty"),
        (b"{", ONE, "JSON Parse error"),
        (b"\xff", ONE, "JSON Parse error"),
        (b"[1]", ONE, "Is not object"),
        (b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}", ONE, ""),
        (b'{"instances": [' + b"1" * 5000 + b"]}", ONE, "JSON Parse error"),
        ({}, ONE, "Missing 'inputs' or 'instances' key"),
        ({"instances": [1], "inputs": [1]}, ONE, "expecting only one of"),
        ({"instances": 1}, ONE, "to be an list/array"),
        ({"instances": []}, ONE, "No values in 'instances'"),
        ({"instances": [1, [2]]}, ONE, "Encountered list at unexpected level"),
        ({"instances": [[1], [2, 3]]}, ONE, "unexpected size: 2 at level: 1 expected size: 1"),
        ({"instances": [[1], 2]}, ONE, "incorrect level"),
        ({"instances": ["a"]}, ONE, "Type: String is not of expected type: float"),
        ({"instances": [True]}, ONE, "Type: True"),
        ({"instances": [None]}, ONE, "Type: Null"),
        ({"instances": [1e300]}, ONE, "without loss of precision"),
        ({"instances": [{"y": 1}]}, ONE, "keys must be equal to: x"),
        ({"instances": [{"x": 1}, 2]}, ONE, "Expecting object but got list at item 1"),
        ({"instances": [1, {"x": 2}]}, ONE, "Expecting value/list but got object at item 1"),
        ({"instances": [1]}, TWO, "expecting list of objects"),
        ({"inputs": [1]}, TWO, "expecting an object"),
        ({"inputs": {"word": ["a"]}}, TWO, "Missing named input: number"),
        ({"inputs": {"word": ["a"], "number": [1.0]}}, TWO, "expected type: int64"),
        ({"inputs": {"word": ["a"], "number": [2**63]}}, TWO, "expected type: int64"),
        ({"instances": [{"b64": "?"}]}, signature(s="string"), "Unable to base64 decode"),
        ({"inputs": [{"b64": 1}]}, signature(s="string"), "not formatted correctly for base64"),
        ({"instances": [3]}, signature(s="string"), "expected type: string"),
        ({"instances": [2**24]}, ONE, "16777216 to float without loss of precision"),
        ({"instances": [2**53]}, signature(x="double"), "to double without loss of precision"),
        ({"inputs": [1.0] * 99_999 + ["a"]}, ONE, 'JSON Value: "a" Type: String'),
        ({"instances": [1] * 99_999, "inputs": []}, ONE, "[1, 1, "),
        ({"instances": ["\ud800"]}, signature(s="string"), "surrogate pair"),
        ('"\udcff"'.encode("utf-8", "surrogatepass"), ONE, "JSON Parse error"),
        ({"instances": [{"b64": "YQ-_"}]}, signature(s="string"), "Unable to base64 decode"),
        ({"instances": [1]}, signature(s="complex"), "to type: complex64 is not implemented"),
        ({"instances": [{}]}, signature(), "Failed to get input map for signature: s"),
        ({"inputs": []}, signature(), "Failed to get input map for signature: s"),
    ],
)
def test_what_is_wrong_is_said(body, of, said):
    with pytest.raises(ServingError) as raised:
        filled(body, of)
    assert said in raised.value.message
    assert len(raised.value.message) < 1000
    assert raised.value.http_status == 400


def answered(rows, **arrays):
    response = predict_pb2.PredictResponse()
    for name, array in arrays.items():
        tensors.to_proto(np.asarray(array), response.outputs[name])
    return json_format.predictions(response, rows=rows)


def test_answers_are_written_in_rows_or_columns():
    x, s = np.array([[0.2], [1.0]], np.float32), np.array([b"a", b"b"], object)
    assert answered(True, x=x) == b'{"predictions": [[0.2], [1.0]]}'
    assert answered(False, x=x) == b'{"outputs": [[0.2], [1.0]]}'
    assert json.loads(answered(True, x=x, s=s)) == {
        "predictions": [{"s": "a", "x": [0.2]}, {"s": "b", "x": [1.0]}]
    }
    assert json.loads(answered(False, x=x, s=s)) == {
        "outputs": {"s": ["a", "b"], "x": [[0.2], [1.0]]}
    }
    assert answered(True, x=np.array([np.nan, -np.inf])) == b'{"predictions": [NaN, -Infinity]}'
    image = answered(True, image_bytes=np.array([b"\xff"], object))
    assert json.loads(image) == {"predictions": [b64(b"\xff")]}


def test_rows_need_one_number_of_them():
    with pytest.raises(ServingError, match="inconsistent batch size"):
        answered(True, a=np.zeros(2), b=np.zeros(3))
    with pytest.raises(ServingError, match="no shape information"):
        answered(True, a=np.array(1.0))


@pytest.mark.parametrize("kind", [tf.bfloat16, tf.complex64])
def test_what_json_cannot_say_is_refused(kind):
    with pytest.raises(ServingError, match=f"tensor type: {kind.name}"):
        answered(True, x=np.array([0.5], kind.as_numpy_dtype))


def test_a_small_float_is_written_short():
    assert answered(True, x=np.array([0.5, 2.0], np.float16)) == b'{"predictions": [0.5, 2.0]}'


@pytest.mark.parametrize("name", [1, "\ud800"])
def test_a_signature_has_a_name(name):
    with pytest.raises(ServingError):
        json_format.signature_name({"signature_name": name})


def examples(body, message=classification_pb2.ClassificationRequest):
    request = message()
    json_format.fill_examples(body, request)
    return request


def test_examples_become_features():
    row = {"a": 1, "b": [1.5, 2.5], "c": "x", "d": [b64(b"\0"), "y"], "e": [True, 2], "f": []}
    body = {"examples": [row]}
    features = examples(body).input.example_list.examples[0].features.feature
    assert features["a"].int64_list.value == [1]
    assert features["b"].float_list.value == [1.5, 2.5]
    assert features["c"].bytes_list.value == [b"x"]
    assert features["d"].bytes_list.value == [b"\0", b"y"]
    assert features["e"].int64_list.value == [1, 2]
    assert features["f"].WhichOneof("kind") is None


def test_a_context_is_shared():
    given = examples({"context": {"a": 1}, "examples": [{"b": 2}, {"b": 3}]}).input
    assert given.example_list_with_context.context.features.feature["a"].int64_list.value == [1]
    assert len(given.example_list_with_context.examples) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "was not found"),
        ({"examples": []}, "is no list with an example"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"a": None}]}, "unexpected JSON type: Null"),
        ({"examples": [{"a": [[1]]}]}, "unexpected JSON type: Array"),
        ({"examples": [{"a": [1, "b"]}]}, "expecting type: int64"),
        ({"examples": [{"a": [1, 2.5]}]}, "expecting type: int64"),
        ({"examples": [{"a": 2**63}]}, "Feature: a JSON Value: 9223372036854775808"),
        ({"examples": [{"a": {"b": 1}}]}, "not formatted correctly for base64"),
        ({"examples": [{"\ud800": 1}]}, "surrogate pair"),
        ({"examples": [{}], "context": 1}, "Example must be JSON object"),
        ({"examples": [{"a": 1e300}]}, "without loss of precision"),
    ],
)
def test_what_is_wrong_with_examples_is_said(body, said):
    with pytest.raises(ServingError) as raised:
        examples(body)
    assert said in raised.value.message


def test_results_are_written():
    classes = classification_pb2.ClassificationResponse()
    added = classes.result.classifications.add()
    added.classes.add(label="no", score=0.1)
    added.classes.add(label="yes", score=0.9)
    assert json_format.classification(classes) == b'{"results": [[["no", 0.1], ["yes", 0.9]]]}'
    values = regression_pb2.RegressionResponse()
    values.result.regressions.add(value=0.2)
    assert json_format.regression(values) == b'{"results": [0.2]}'


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 10**30])
def test_a_whole_number_that_does_not_fit_is_refused(number):
    with pytest.raises(ServingError, match="is not of expected type: int32"):
        filled({"instances": [number]}, signature(x="int"))


@settings(max_examples=500, deadline=None)
@given(anything, st.sampled_from(["instances", "inputs"]), st.sampled_from(sorted(DTYPES)))
def test_no_json_is_more_than_an_error_of_the_request(value, key, kind):
    for body in ({key: value}, {key: [value]}, {key: {"x": value}}):
        try:
            filled(body, signature(x=kind))
        except ServingError as error:
            assert error.http_status == 400
