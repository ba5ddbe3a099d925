"""Whatever a client sends: no crash, no stack trace, and right answers afterwards."""

from __future__ import annotations

import json
import os

import grpc
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import (
    classification_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving.conftest import NAME
from tests.serving.test_server import predict_request

pytestmark = pytest.mark.e2e

REQUESTS = int(os.environ.get("TRAINYARD_FUZZ_REQUESTS", "2000"))
"""To REST, and as many to gRPC; 10,000 take some minutes."""

MODEL = f"/v1/models/{NAME}"
PREDICTION = "/tensorflow.serving.PredictionService/"
MODELS = "/tensorflow.serving.ModelService/"
METHODS = [
    PREDICTION + "Predict",
    PREDICTION + "Classify",
    PREDICTION + "Regress",
    PREDICTION + "MultiInference",
    PREDICTION + "GetModelMetadata",
    MODELS + "GetModelStatus",
    MODELS + "HandleReloadConfigRequest",
]
SIGNATURES = ["", "serving_default", "strings", "classify", "regress", "picky", "mean", "none"]


def fuzzing(requests_each):
    """Each example is sent to several paths or methods."""
    return settings(
        max_examples=REQUESTS // requests_each,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        database=None,
    )


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=6)
    | st.fixed_dictionaries({"b64": st.text(max_size=6) | st.just("AAAA")})
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "word", "numbers", "b64", "é"]), inner, max_size=3)
    ),
    max_leaves=10,
)
keys = st.sampled_from(["instances", "inputs", "examples", "context", "signature_name", "other"])
documents = st.dictionaries(keys, values, max_size=4) | st.builds(
    lambda name, key, value: {"signature_name": name, key: value},
    st.sampled_from(SIGNATURES),
    keys,
    st.lists(st.integers(-3, 3) | st.floats(width=32), min_size=1, max_size=5) | values,
)
bodies = (
    documents.map(lambda document: json.dumps(document).encode())
    | st.binary(max_size=200)
    | st.tuples(documents, st.integers(0, 60)).map(
        lambda given: json.dumps(given[0]).encode()[: given[1]]
    )
    | st.sampled_from(
        [b"[" * 100_000, b'{"inputs":' * 20_000, b'{"inputs": [' + b"1," * 200_000 + b"1]}"]
    )
)
PATHS = [f"{MODEL}:predict", f"{MODEL}:classify", f"{MODEL}/versions/1:regress"]
paths = st.text(max_size=30).map(lambda text: f"/v1/models/{requests.utils.quote(text, safe=':/')}")


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


@pytest.fixture(autouse=True)
def right_afterwards(server, channel):
    """Before and after, the same server gives the same answer and has told no exception."""
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def check():
        assert server.process.poll() is None
        response = stub.Predict(predict_request([1, 4]))
        assert response.outputs["y"].float_val == [2.5, 4]
        assert "Traceback" not in server.errors()

    check()
    yield
    check()


def innocent(text):
    assert "Traceback" not in text
    assert ".py" not in text
    assert "/tmp" not in text


@fuzzing(len(PATHS) + 1)
@given(path=paths, body=bodies, method=st.sampled_from(["POST"] * 9 + ["GET", "PUT"]))
def test_rest(server, session, path, body, method):
    for known_or_not in (*PATHS, path):
        answer = session.request(method, server.url(known_or_not), data=body, timeout=20)
        assert answer.status_code in {200, 400, 404, 413}
        innocent(answer.text)
        if answer.headers["content-type"] == "application/json":
            assert answer.status_code == 200 or json.loads(answer.content).keys() == {"error"}


specs = st.fixed_dictionaries(
    {"signature_name": st.sampled_from(SIGNATURES)},
    optional={"version": st.fixed_dictionaries({"value": st.integers(-1, 3)})},
).map(lambda spec: {"name": NAME, **spec})


@st.composite
def protos(draw):
    """A PredictRequest that is almost right."""
    spec = draw(specs)
    request = predict_pb2.PredictRequest(model_spec=spec)
    names = st.sampled_from(["x", "word", "numbers", "inputs", "other"])
    for name in draw(st.lists(names, max_size=3)):
        tensor = request.inputs[name]
        tensor.dtype = draw(st.integers(0, 25) | st.sampled_from([1, 7, 9]))
        sizes = st.integers(-2, 4) | st.sampled_from([2**31, 2**62])
        for size in draw(st.lists(sizes, max_size=3)):
            tensor.tensor_shape.dim.add().size = size
        tensor.float_val.extend(draw(st.lists(st.floats(width=32), max_size=4)))
        tensor.string_val.extend(draw(st.lists(st.binary(max_size=5), max_size=4)))
        tensor.int64_val.extend(draw(st.lists(st.integers(-9, 9), max_size=4)))
        tensor.tensor_content = draw(st.just(b"") | st.binary(max_size=16))
    request.output_filter.extend(draw(st.lists(names | st.just("y"), max_size=2)))
    return request.SerializeToString()


@st.composite
def example_protos(draw):
    """A Classify or Regress request that is almost right; its examples are any bytes."""
    request = classification_pb2.ClassificationRequest(model_spec=draw(specs))
    for _ in range(draw(st.integers(0, 3))):
        feature = request.input.example_list.examples.add().features.feature[draw(st.just("x"))]
        feature.float_list.value.extend(draw(st.lists(st.floats(width=32), max_size=3)))
    return request.SerializeToString() + draw(st.binary(max_size=3))


messages = (
    st.binary(max_size=100)
    | protos()
    | example_protos()
    | protos().map(lambda data: data[:-3])
    | st.just(b"\x12" * (2 << 20))
)


@fuzzing(len(METHODS))
@given(message=messages)
def test_grpc(channel, message):
    for method in METHODS:
        try:
            channel.unary_unary(method)(message, timeout=20)
        except grpc.RpcError as error:
            assert error.code().name in {
                "INVALID_ARGUMENT",
                "NOT_FOUND",
                "FAILED_PRECONDITION",
                "RESOURCE_EXHAUSTED",
            }, (error.code(), error.details())
            innocent(error.details())
