"""An ordinary client of TensorFlow Serving against the real server in its own process."""

from __future__ import annotations

import base64
import concurrent.futures
import gzip
import json
import signal
import threading
import time

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.serving.conftest import NAME, push, running
from trainyard.model_store import version_config
from trainyard.serving import request_log

MODEL = f"/v1/models/{NAME}"


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def predictions(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def predict_request(x=(1.0,), signature="", version=None, name=NAME, label=None):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array(x, np.float32)))
    return request


def with_examples(request, signature, *values):
    request.model_spec.name, request.model_spec.signature_name = NAME, signature
    for value in values:
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    return request


def refused(call, request, **options):
    with pytest.raises(grpc.RpcError) as raised:
        call(request, **options)
    details = raised.value.details()
    assert "Traceback" not in details
    assert ".py" not in details
    return raised.value.code().name, details


def post(server, path, body, **options):
    data = body if isinstance(body, bytes) else json.dumps(body)
    answer = requests.post(server.url(path), data=data, timeout=10, **options)
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


def get(server, path):
    answer = requests.get(server.url(path), timeout=10)
    return answer.status_code, answer.json()


class TestGrpc:
    def test_predict(self, predictions):
        response = predictions.Predict(predict_request([1, 4]))
        assert tf.make_ndarray(response.outputs["y"]).tolist() == [2.5, 4]
        assert response.outputs["y"].float_val == [2.5, 4]
        assert response.model_spec.name == NAME
        assert response.model_spec.version.value == 2
        assert response.model_spec.signature_name == "serving_default"

    def test_predict_by_version(self, predictions):
        response = predictions.Predict(predict_request([1], version=1))
        assert response.outputs["y"].float_val == [1.5]
        assert response.model_spec.version.value == 1

    def test_predict_tensor_content_strings_and_filter(self, predictions):
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = NAME, "strings"
        request.inputs["word"].CopyFrom(tf.make_tensor_proto([b"a", b"\0"]))
        request.inputs["numbers"].CopyFrom(tf.make_tensor_proto(np.array([[1, 2], [3, 4]])))
        assert request.inputs["numbers"].tensor_content
        request.output_filter.append("joined")
        response = predictions.Predict(request)
        assert dict.keys(dict(response.outputs)) == {"joined"}
        assert response.outputs["joined"].string_val == [b"a3", b"\x007"]

    def test_classify(self, predictions):
        request = with_examples(classification_pb2.ClassificationRequest(), "classify", 0, 100)
        rows = predictions.Classify(request).result.classifications
        assert [(c.label, c.score) for c in rows[0].classes] == [("no", 0.5), ("yes", 0.5)]
        assert [(c.label, c.score) for c in rows[1].classes] == [("no", 0.0), ("yes", 1.0)]

    def test_regress_with_a_context(self, predictions):
        request = with_examples(regression_pb2.RegressionRequest(), "regress", 2, 4)
        values = predictions.Regress(request).result.regressions
        assert [one.value for one in values] == [3, 4]
        request.input.example_list_with_context.context.features.feature[
            "x"
        ].float_list.value.append(6)
        request.input.example_list_with_context.examples.add()
        assert predictions.Regress(request).result.regressions[0].value == 5

    def test_multi_inference(self, predictions):
        request = inference_pb2.MultiInferenceRequest()
        for name in ("classify", "regress"):
            task = request.tasks.add(method_name=f"tensorflow/serving/{name}")
            task.model_spec.name, task.model_spec.signature_name = NAME, name
        request.input.example_list.examples.add()
        first, second = predictions.MultiInference(request).results
        assert len(first.classification_result.classifications) == 1
        assert second.regression_result.regressions[0].value == 2

    def test_metadata(self, predictions):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = NAME
        response = predictions.GetModelMetadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        assert signatures.signature_def["serving_default"].inputs["x"].dtype == tf.float32
        assert "classify" in signatures.signature_def

    def test_status(self, models):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = NAME
        states = models.GetModelStatus(request).model_version_status
        assert [(state.version, state.state) for state in states] == [(2, 30), (1, 30)]
        request.model_spec.version.value = 1
        assert len(models.GetModelStatus(request).model_version_status) == 1

    def test_a_deadline_that_is_kept_changes_nothing(self, predictions):
        assert predictions.Predict(predict_request(), timeout=5)

    @pytest.mark.parametrize(
        ("request_", "code", "said"),
        [
            (predict_request(name="other"), "NOT_FOUND", "Servable not found for request: Latest"),
            (predict_request(version=9), "NOT_FOUND", f"request: Specific({NAME}, 9)"),
            (predict_request(label="x"), "INVALID_ARGUMENT", "Unrecognized servable version label"),
            (predict_request(signature="x"), "FAILED_PRECONDITION", '"x" not found'),
            (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
            (predict_request([[1]]), "INVALID_ARGUMENT", "expected shape"),
            (predict_request([-1], "picky"), "INVALID_ARGUMENT", "assertion failed"),
            (predict_request([1] * 300_000), "RESOURCE_EXHAUSTED", "larger than max"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_predict_refuses(self, predictions, request_, code, said):
        got, details = refused(predictions.Predict, request_)
        assert (got, said in details) == (code, True), details

    def test_what_the_others_refuse(self, predictions, models):
        empty = with_examples(classification_pb2.ClassificationRequest(), "classify")
        assert refused(predictions.Classify, empty) == ("INVALID_ARGUMENT", "Input is empty.")
        wrong = with_examples(classification_pb2.ClassificationRequest(), "regress", 1)
        assert refused(predictions.Classify, wrong)[0] == "FAILED_PRECONDITION"
        wrong = with_examples(regression_pb2.RegressionRequest(), "serving_default", 1)
        assert refused(predictions.Regress, wrong)[0] == "FAILED_PRECONDITION"
        nothing = get_model_metadata_pb2.GetModelMetadataRequest()
        assert refused(predictions.GetModelMetadata, nothing)[1] == "Missing ModelSpec"
        status = get_model_status_pb2.GetModelStatusRequest()
        assert refused(models.GetModelStatus, status)[1] == "Missing ModelSpec"
        assert refused(models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest())


class TestRest:
    @pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/2", MODEL.replace("v1", "V1")])
    def test_predict_in_rows_and_columns(self, server, path):
        assert post(server, f"{path}:predict", {"instances": [1, 4]}) == (
            200,
            {"predictions": [2.5, 4]},
        )
        assert post(server, f"{path}:predict", {"inputs": {"x": [1, 4]}}) == (
            200,
            {"outputs": [2.5, 4]},
        )

    def test_predict_several_inputs_and_bytes(self, server):
        word = {"b64": base64.b64encode(b"a").decode()}
        body = {"signature_name": "strings", "instances": [{"word": word, "numbers": [1, 2]}]}
        assert post(server, f"{MODEL}:predict", body) == (
            200,
            {"predictions": [{"joined": "a3", "total": 3}]},
        )
        body = {"signature_name": "picky", "instances": [4]}
        root = base64.b64encode(b"2.000000").decode()
        assert post(server, f"{MODEL}:predict", body) == (200, {"predictions": [{"b64": root}]})

    def test_classify_and_regress(self, server):
        body = {"signature_name": "classify", "examples": [{"x": 0.0}]}
        assert post(server, f"{MODEL}:classify", body) == (
            200,
            {"results": [[["no", 0.5], ["yes", 0.5]]]},
        )
        body = {"signature_name": "regress", "context": {"x": 2.0}, "examples": [{}, {"x": [4.0]}]}
        assert post(server, f"{MODEL}:regress", body) == (200, {"results": [3, 4]})

    def test_status(self, server):
        ok = {"error_code": "OK", "error_message": ""}
        wanted = [{"version": number, "state": "AVAILABLE", "status": ok} for number in ("2", "1")]
        assert get(server, MODEL) == (200, {"model_version_status": wanted})
        assert get(server, f"{MODEL}/versions/1") == (200, {"model_version_status": wanted[1:]})

    def test_metadata(self, server):
        _, body = get(server, f"{MODEL}/metadata")
        assert body["model_spec"] == {"name": NAME, "signature_name": "", "version": "2"}
        signature = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
        assert signature["inputs"]["x"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
        assert signature["method_name"] == "tensorflow/serving/predict"

    @pytest.mark.parametrize(
        ("path", "body", "code", "said"),
        [
            (f"{MODEL}:predict", b"{", 400, "JSON Parse error"),
            (f"{MODEL}:predict", {"inputs": ["a"]}, 400, "not of expected type: float"),
            (f"{MODEL}:predict", {"inputs": [[1]]}, 400, "expected shape"),
            (f"{MODEL}:predict", {"signature_name": "x", "inputs": [1]}, 400, "not found in sig"),
            (f"{MODEL}:predict", {"signature_name": "picky", "inputs": [-1]}, 400, "negative"),
            (f"{MODEL}:classify", {"examples": [{}]}, 400, "No classification inputs found"),
            ("/v1/models/other:predict", {"inputs": [1]}, 404, "Servable not found"),
            (f"{MODEL}/versions/9:predict", {"inputs": [1]}, 404, f"Specific({NAME}, 9)"),
            (f"{MODEL}/versions/{2**70}:predict", {}, 400, "Failed to convert version"),
            (f"{MODEL}/labels/x:predict", {"inputs": [1]}, 400, "Unrecognized servable version"),
            (f"{MODEL}:explain", {}, 400, f"Malformed request: POST {MODEL}:explain"),
            (f"{MODEL}/../../etc/passwd:predict", {}, 400, "Malformed request"),
            (f"{MODEL}:predict", {"inputs": [1.5] * 300_000}, 413, "larger than"),
        ],
    )
    def test_what_is_refused(self, server, path, body, code, said):
        got, answer = post(server, path, body)
        assert got == code
        assert answer.keys() == {"error"}
        assert said in answer["error"]
        assert "Traceback" not in answer["error"]

    def test_what_status_refuses(self, server):
        assert get(server, f"{MODEL}/versions/9")[0] == 404
        assert get(server, "/v1/models/other")[0] == 404
        assert get(server, "/v1/models")[0] == 400
        assert get(server, "/elsewhere")[0] == 404

    def test_a_gzipped_body_is_read_and_a_bomb_is_not(self, server):
        headers = {"Content-Encoding": "gzip"}
        body = gzip.compress(json.dumps({"inputs": [1]}).encode())
        assert post(server, f"{MODEL}:predict", body, headers=headers) == (200, {"outputs": [2.5]})
        bomb = gzip.compress(b" " * (64 << 20))
        assert post(server, f"{MODEL}:predict", bomb, headers=headers)[0] == 413
        assert post(server, f"{MODEL}:predict", b"none", headers=headers)[0] == 400

    def test_health_and_metrics(self, server):
        assert requests.get(server.url("/healthz"), timeout=5).status_code == 200
        assert requests.get(server.url("/readyz"), timeout=5).text == "ready\n"
        page = requests.get(server.url("/monitoring/prometheus/metrics"), timeout=5).text
        before = counted(page, "OK")
        post(server, f"{MODEL}:predict", {"inputs": [1]})
        post(server, "/v1/models/invented:predict", {"inputs": [1]})
        page = requests.get(server.url("/monitoring/prometheus/metrics"), timeout=5).text
        assert counted(page, "OK") == before + 1
        assert "invented" not in page
        latency = f'API="Predict",entrypoint="REST",model_name="{NAME}"'
        assert f":tensorflow:serving:request_latency_count{{{latency}}}" in page
        assert "trainyard_serving_default_version 2.0" in page


def counted(page, status):
    start = f':tensorflow:serving:request_count{{model_name="{NAME}",status="{status}"}} '
    return sum(
        float(line.removeprefix(start)) for line in page.splitlines() if line.startswith(start)
    )


@pytest.fixture
def started(saved, tmp_path):
    """A server for one test, with version 1."""
    base = tmp_path / "models"
    base.mkdir()
    push(saved, base, 1)
    log = tmp_path / "log"
    with running(base, tmp_path, log_folder=str(log), log_sampling_rate=1.0) as server:
        yield server


class Load(threading.Thread):
    """Asks over gRPC and REST without a pause, and keeps what went wrong."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._server, self._over = server, threading.Event()
        self.versions: list[tuple[float, int]] = []
        self.failures: list[str] = []
        self.start()

    def run(self):
        with grpc.insecure_channel(self._server.grpc) as channel, requests.Session() as session:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not self._over.is_set():
                try:
                    response = stub.Predict(predict_request([0]))
                    version = response.model_spec.version.value
                    self.versions.append((time.monotonic(), version))
                    if response.outputs["y"].float_val != [version]:
                        self.failures.append(f"{response}")
                    url = self._server.url(f"{MODEL}:predict")
                    answer = session.post(url, data='{"inputs": [0]}')
                    if answer.status_code != 200:
                        self.failures.append(answer.text)
                except Exception as error:
                    self.failures.append(repr(error))

    def first(self, version, after=0.0):
        """When a version first answered after a moment; waits for it."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            for when, answered in list(self.versions):
                if answered == version and when > after:
                    return when
            time.sleep(0.01)
        raise AssertionError(f"version {version} never answered")

    def end(self):
        self._over.set()
        self.join()


@pytest.mark.e2e
def test_versions_come_and_go_and_no_request_fails(saved, started):
    loads = [Load(started) for _ in range(3)]
    (first, *_) = loads
    first.first(1)
    push(saved, started.base, 2)
    first.first(2)
    broken = push(saved, started.base, 3)
    (broken / "variables" / "variables.index").unlink()
    push(saved, started.base, 4)
    first.first(4)

    def rolled_back(to):
        now = time.monotonic()
        version_config.label(started.base, {"stable": to})
        return first.first(to, after=now) - now

    assert rolled_back(2) < 1  # loaded: it is kept beside the newest
    version_config.label(started.base, {"stable": None})
    first.first(4, after=time.monotonic())
    for load in loads:
        load.end()
    assert [failure for load in loads for failure in load.failures] == []
    assert "Traceback" not in started.errors()
    assert started.ended() == 0


@pytest.mark.e2e
def test_labels_are_set_over_grpc(saved, started):
    push(saved, started.base, 2)
    with grpc.insecure_channel(started.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        deadline = time.monotonic() + 10
        while stub.Predict(predict_request([0])).model_spec.version.value != 2:
            assert time.monotonic() < deadline
        request = model_management_pb2.ReloadConfigRequest()
        config = request.config.model_config_list.config.add(name=NAME)
        config.version_labels["stable"] = 1
        config.version_labels["canary"] = 2
        assert models.HandleReloadConfigRequest(request).status.error_code == 0
        by_label = {
            label: stub.Predict(predict_request([0], label=label)).model_spec.version.value
            for label in ("stable", "canary")
        }
        assert by_label == {"stable": 1, "canary": 2}
        assert stub.Predict(predict_request([0])).model_spec.version.value == 1
        config.base_path = "/etc"
        assert refused(models.HandleReloadConfigRequest, request)[0] == "INVALID_ARGUMENT"
    assert get(started, f"{MODEL}/labels/canary/metadata")[1]["model_spec"]["version"] == "2"
    assert version_config.read(started.base).version_labels["canary"] == 2


@pytest.mark.e2e
def test_requests_are_logged_and_a_stop_loses_none(started):
    with grpc.insecure_channel(started.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for number in range(20):
            stub.Predict(predict_request([number]))
    post(started, f"{MODEL}:regress", {"signature_name": "regress", "examples": [{"x": 2.0}]})
    assert started.ended() == 0
    logs = list(request_log.read(started.folder / "log"))
    asked = [log.predict_log.request.inputs["x"].float_val[:] for log in logs[:20]]
    assert asked == [[number] for number in range(20)] or len(logs) == 21
    assert logs[-1].regress_log.response.result.regressions[0].value == 2


@pytest.mark.e2e
def test_sigterm_answers_what_is_under_way(saved, started):
    with (
        grpc.insecure_channel(started.grpc) as channel,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        stub.Predict(predict_request([1]))
        answers = [stub.Predict.future(predict_request([1] * 50_000)) for _ in range(8)]
        pool.submit(time.sleep, 0).result()
        time.sleep(0.05)
        started.process.send_signal(signal.SIGTERM)
        codes = {answer.code().name for answer in answers}
        assert codes <= {"OK", "UNAVAILABLE"}
        assert "OK" in codes
    assert started.process.wait(15) == 0
    assert "Traceback" not in started.errors()


@pytest.mark.e2e
def test_a_taken_port_is_one_clear_error(started, tmp_path):
    folder = tmp_path / "second"
    folder.mkdir()
    for option, address in (("port", started.grpc), ("rest_api_port", started.rest)):
        port = int(address.rpartition(":")[2])
        with (
            pytest.raises(AssertionError, match="cannot listen on") as raised,
            running(started.base, folder, **{option: port}),
        ):
            pass
        assert str(raised.value).startswith("error: ")


@pytest.mark.e2e
def test_nothing_to_serve_is_one_clear_error(tmp_path, saved):
    base = tmp_path / "models"
    base.mkdir()
    with (
        pytest.raises(AssertionError, match="no version has been pushed yet"),
        running(base, tmp_path),
    ):
        pass
    (push(saved, base, 1) / "saved_model.pb").write_bytes(b"")
    with (
        pytest.raises(AssertionError, match="no pushed version can be loaded"),
        running(base, tmp_path),
    ):
        pass
