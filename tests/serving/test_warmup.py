from __future__ import annotations

import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.serving.conftest import NAME, floats
from trainyard.serving import methods, warmup
from trainyard.serving.errors import ServingError
from trainyard.serving.model import SavedModel


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved / "1", tmp_path / "1")


@pytest.fixture
def model(folder):
    loaded = SavedModel(folder)
    yield loaded
    loaded.close()


def predict_log(signature, value):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = NAME, signature
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(floats(value)))
    return log


def regress_log():
    log = prediction_log_pb2.PredictionLog()
    log.regress_log.request.model_spec.signature_name = "regress"
    log.regress_log.request.input.example_list.examples.add()
    return log


def multi_log():
    log = prediction_log_pb2.PredictionLog()
    request = log.multi_inference_log.request
    for name, method in (("classify", methods.CLASSIFY_NAME), ("regress", methods.REGRESS_NAME)):
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = NAME, name
    request.input.example_list.examples.add()
    return log


def test_recorded_requests_are_asked(model, folder):
    warmup.write(folder, [predict_log("", 1), regress_log(), multi_log()])
    asked = []
    run = model.run
    model.run = lambda name, inputs: asked.append((name, len(inputs[0]))) or run(name, inputs)
    assert warmup.warm_up(model, folder) == 3
    recorded = [name for name, rows in asked if rows == 1]
    assert recorded == ["serving_default", "regress", "classify", "regress"]


def test_without_a_file_each_graph_is_optimized(model, folder):
    asked = []
    run = model.run
    model.run = lambda name, inputs: asked.append(name) or run(name, inputs)
    assert warmup.warm_up(model, folder) == 0
    assert set(asked) == set(model.signatures)


@pytest.mark.parametrize(
    "log",
    [predict_log("picky", -1), predict_log("none", 1), prediction_log_pb2.PredictionLog()],
    ids=["fails", "unknown signature", "empty"],
)
def test_a_recorded_request_that_fails_is_an_error(model, folder, log):
    warmup.write(folder, [log])
    with pytest.raises(ServingError):
        warmup.warm_up(model, folder)


def test_too_many_records_are_an_error(model, folder):
    warmup.write(folder, [predict_log("", 1)] * (warmup.MAX_RECORDS + 1))
    with pytest.raises(ServingError, match="exceeds the maximum"):
        warmup.warm_up(model, folder)
