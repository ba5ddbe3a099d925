"""An ordinary TensorFlow Serving client asks what recipes have pushed: Classify and Regress."""

from __future__ import annotations

import json

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.serving.conftest import running
from trainyard.components.pusher import versions
from trainyard.serving import warmup
from trainyard.trainer_modules.harness import description

# What each recipe's signatures are called, and the predictions they answer.
SIGNATURES = {
    "breast_cancer": {"classify": "predictions"},
    "wine": {"classify": "predictions"},
    "diabetes": {"regress": "predictions"},
    "adult_age_and_income": {"income_classify": "income", "age_regress": "age"},
}


@pytest.fixture(params=SIGNATURES)
def pushed(request, ran, home, tmp_path):
    """A recipe's name, class names by signature, some of its rows, and a server of its model."""
    ran(request.param)
    base = home / "serving" / request.param
    newest = versions.versions(base)[-1]
    heads = description.read(newest).heads.values()
    (*_, recorded) = warmup.read(newest)
    rows = [
        example_pb2.Example.FromString(row)
        for row in recorded.predict_log.request.inputs["examples"].string_val
    ]
    names = dict(zip(SIGNATURES[request.param], (head.class_names for head in heads), strict=True))
    with running(base, tmp_path, model_name=request.param) as server:
        yield request.param, names, rows, server


def predicted(stub, name, rows):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.inputs["examples"].CopyFrom(
        tf.make_tensor_proto([row.SerializeToString() for row in rows])
    )
    return {key: tf.make_ndarray(value) for key, value in stub.Predict(request).outputs.items()}


def as_json(row):
    """A row as the REST API writes it."""
    written = {}
    for name, feature in row.features.feature.items():
        values = getattr(feature, feature.WhichOneof("kind")).value
        written[name] = [each.decode() if isinstance(each, bytes) else each for each in values]
    return written


def expected(predictions, class_names):
    """Per row the number, or the name and probability of each class."""
    if not class_names:
        return predictions[:, 0].tolist()
    if predictions.shape[1] == 1:
        predictions = np.concatenate([1 - predictions, predictions], axis=1)
    return [list(zip(class_names, row, strict=True)) for row in predictions.tolist()]


def close(found, wanted):
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(close, found, wanted))
    if isinstance(wanted, tuple):
        return found[0] == wanted[0] and close(found[1], wanted[1])
    return found == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def asked(stub, name, signature, rows):
    """What Classify or Regress answers over gRPC, as `expected` puts it."""
    if signature.endswith("regress"):
        request = regression_pb2.RegressionRequest()
    else:
        request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    request.input.example_list.examples.extend(rows)
    if signature.endswith("regress"):
        return [each.value for each in stub.Regress(request).result.regressions]
    answer = stub.Classify(request).result.classifications
    return [[(one.label, one.score) for one in row.classes] for row in answer]


def test_both_protocols_answer_as_predict_does(pushed):
    name, class_names, rows, server = pushed
    with grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        predictions = predicted(stub, name, rows)
        together = inference_pb2.MultiInferenceRequest()
        together.input.example_list.examples.extend(rows)
        for signature, key in SIGNATURES[name].items():
            wanted = expected(predictions[key], class_names[signature])
            assert close(asked(stub, name, signature, rows), wanted)
            method = signature.rpartition("_")[2]
            body = {"signature_name": signature, "examples": [as_json(row) for row in rows]}
            answer = requests.post(
                server.url(f"/v1/models/{name}:{method}"), data=json.dumps(body), timeout=30
            )
            assert answer.status_code == 200, answer.text
            assert close(answer.json()["results"], wanted)
            task = together.tasks.add(method_name=f"tensorflow/serving/{method}")
            task.model_spec.name, task.model_spec.signature_name = name, signature
        assert len(stub.MultiInference(together).results) == len(SIGNATURES[name])
    metadata = requests.get(server.url(f"/v1/models/{name}/metadata"), timeout=30).json()
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    for signature in SIGNATURES[name]:
        method = signature.rpartition("_")[2]
        assert signatures[signature]["method_name"] == f"tensorflow/serving/{method}"
