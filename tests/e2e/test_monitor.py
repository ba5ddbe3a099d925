"""A pushed model is asked, and the monitor says whether the world is still the same."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import predict_pb2

from tests.e2e.conftest import ROOT, variant
from trainyard import outputs
from trainyard.components.records import tfrecord_blocks
from trainyard.pipeline.monitor import training
from trainyard.pipeline.recipe import load_recipe
from trainyard.pipeline.records import find_run
from trainyard.pipeline.registry import decisions
from trainyard.pipeline.workspace import Workspace
from trainyard.serving import methods, tensors
from trainyard.serving.metrics import Metrics
from trainyard.serving.model import SavedModel
from trainyard.serving.monitor import report
from trainyard.serving.options import Options
from trainyard.serving.request_log import RequestLog

RECIPE = ROOT / "recipes" / "breast_cancer.yaml"
NAME = "breast_cancer_watched"
LITERAL = "http://127.0.0.1:9/services/written-into-the-recipe"
NO_SERVER = ["--server", "http://127.0.0.1:9"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("watched")


@pytest.fixture
def recipe(trainyard, folder):
    """The recipe, run once."""
    file = variant(RECIPE, folder, NAME, f"monitor: {{min_rows: 50, webhook: '{LITERAL}'}}\n")
    if not Workspace.of(load_recipe(file)).serving.exists():
        assert trainyard("run", file).code == 0
    return file


@pytest.fixture
def loaded(recipe):
    return load_recipe(recipe)


def examples(split):
    """Serialized rows of a split, each with a number of its own as `patient`."""
    where = find_run(NAME).output("ExampleGen", "examples") / f"Split-{split}"
    found = []
    for block in tfrecord_blocks.read(tfrecord_blocks.shards(where)):
        for record in block.records():
            example = example_pb2.Example.FromString(record)
            example.features.feature["patient"].int64_list.value.append(len(found))
            found.append(example)
    return found


def labels_of(rows):
    return [int(row.features.feature["benign"].int64_list.value[0]) for row in rows]


@pytest.fixture
def ask(loaded):
    """Asks the pushed model through the server's own code, all logged."""
    workspace = Workspace.of(loaded)

    def asked(rows, at_once=8):
        for file in workspace.requests.glob("*"):
            file.unlink()
        trained = training.of(loaded)
        model = SavedModel(trained.folder)
        base = trained.folder.parent
        options = Options(model_name=NAME, model_base_path=base, log_sampling_rate=1.0)
        log = RequestLog(workspace.requests, options, Metrics())
        for start in range(0, len(rows), at_once):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = NAME
            some = [row.SerializeToString() for row in rows[start : start + at_once]]
            tensors.to_proto(np.array(some, object), request.inputs["examples"])
            call = methods.PREDICT.prepare(model, request)
            signature = call.signature
            values = model.run(signature.name, call.inputs)
            outputs = dict(zip(signature.outputs, values, strict=True))
            spec = request.model_spec
            spec.version.value = trained.version
            log.offer(methods.PREDICT, request, methods.PREDICT.respond(call, outputs, spec))
        log.close()
        model.close()

    return asked


def test_rows_like_those_of_training_raise_no_alarm(trainyard, recipe, loaded, ask):
    ask(examples("test"))
    ended = trainyard("monitor", recipe, *NO_SERVER)
    assert (ended.code, ended.err) == (0, "")
    assert "✓ no alarm" in ended.out
    folder = Workspace.of(loaded).monitor
    found = report.read(folder)
    assert (found.rows, found.version, found.judged) == (len(examples("test")), 1, True)
    assert any("No server answers" in note for note in found.notes)
    assert {"latest.json", "index.html", "metrics.prom"} <= {f.name for f in folder.iterdir()}
    assert "<h1>What is asked and answered is as it was" in (folder / "index.html").read_text()
    assert decisions.read(loaded) == []


def leaks(secret):
    """The files that Trainyard has written with a secret in them."""
    files = [file for file in outputs.home().rglob("*") if file.is_file()]
    assert any(file.name == "saved_model.pb" for file in files)
    return [file for file in files if secret.encode() in file.read_bytes()]


def test_a_webhook_is_in_nothing_that_is_written(trainyard, recipe, ask):
    rows = examples("test")
    for row in rows:
        row.features.feature["mean_texture"].float_list.value[0] *= 1.5
    ask(rows)

    ended = trainyard("monitor", recipe, *NO_SERVER)

    assert ended.code == 10
    assert "The webhook of http://127.0.0.1:9 could not be reached" in ended.out
    assert "written-into-the-recipe" not in ended.out + ended.err
    assert leaks("written-into-the-recipe") == []
    assert "http://127.0.0.1:9/***" in find_run(NAME).recipe_json
    shown = [file for file in leaks("http://127.0.0.1:9/***") if file.name == "run.json"]
    assert {"assets.extra", find_run(NAME).id} <= {file.parent.name for file in shown}


def test_a_shift_is_an_alarm_that_everyone_hears_of(
    trainyard, recipe, loaded, ask, folder, monkeypatch
):
    rows = examples("test")
    for row in rows:
        row.features.feature["mean_texture"].float_list.value[0] *= 1.5
    ask(rows)
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500)  # a failure is told, and hides nothing
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("ALARMS", f"http://127.0.0.1:{server.server_port}/named-by-reference")
    recipe.write_text(recipe.read_text().replace(LITERAL, "${env:ALARMS}"))
    ended = trainyard("monitor", recipe, *NO_SERVER)
    server.shutdown()
    assert "named-by-reference" not in ended.out + ended.err
    assert leaks("named-by-reference") == []
    assert (ended.code, ended.err) == (10, "")
    assert "✗ mean_texture: the Kolmogorov-Smirnov distance from training is" in ended.out
    assert "answered 500" in ended.out
    (sent,) = received
    found = report.read(Workspace.of(loaded).monitor)
    assert [alarm["sentence"] for alarm in sent["alarms"]] == [a.sentence for a in found.alarms]
    assert {alarm.column for alarm in found.alarms} >= {"mean_texture"}
    assert len(found.alarms) == len(decisions.read(loaded))
    trainyard("monitor", recipe, *NO_SERVER)
    assert len(found.alarms) == len(decisions.read(loaded))  # the same alarm is no news


def test_labels_tell_the_quality_that_the_evaluator_measured(
    trainyard, recipe, loaded, ask, tmp_path
):
    rows = examples("test")
    ask(rows)
    lines = [f"{number:05},{label}" for number, label in enumerate(labels_of(rows))]
    file = tmp_path / "labels.csv"
    file.write_text("\n".join(["patient,benign", *lines, "4000,1"]))
    ended = trainyard("monitor", recipe, "--labels", file, "--key", "patient", *NO_SERVER)
    assert (ended.code, ended.err) == (0, "")
    found = report.read(Workspace.of(loaded).monitor)
    assert found.labelled == len(rows)
    assert any("labels of none of these rows: 1" in note for note in found.notes)
    metrics = find_run(NAME).verdict.metrics
    quality = {m.column: m for m in found.measures if m.kind == "quality"}
    assert quality.keys() == {"auc", "accuracy", "precision", "recall", "log_loss"}
    for name, measure in quality.items():
        assert measure.measured == pytest.approx(metrics[name], abs=1e-5)
        assert measure.reference == pytest.approx(metrics[name], abs=1e-5)

    file.write_text("\n".join(["patient,benign", *lines[:60]]))  # the others are not known yet
    ended = trainyard("monitor", recipe, "--labels", file, "--key", "patient", *NO_SERVER)
    assert (ended.code, ended.err) == (0, "")
    assert report.read(Workspace.of(loaded).monitor).labelled == 60

    file.write_text(file.read_text().replace(",1", ",x").replace(",0", ",1").replace(",x", ",0"))
    ended = trainyard("monitor", recipe, "--labels", file, "--key", "patient", *NO_SERVER)
    assert ended.code == 10
    assert "✗ auc: worse than at the evaluation by" in ended.out
    assert "labels of rows that are answered alike are off by" in ended.out


def test_few_rows_are_not_judged(trainyard, recipe, loaded, ask):
    ask(examples("test")[:30])
    ended = trainyard("monitor", recipe, *NO_SERVER)
    assert ended.code == 0
    assert "- not judged" in ended.out
    assert not report.read(Workspace.of(loaded).monitor).judged


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--window", "soon"], 2, "'soon' is no window"),
        (["--labels", "labels.csv"], 2, "no column is known by which labels are joined"),
        (["--version", "77"], 2, "version 77 has not been pushed"),
    ],
)
def test_wrong_wishes_are_one_clear_error(trainyard, recipe, ask, options, code, said):
    ask(examples("test")[:8])
    ended = trainyard("monitor", recipe, *options)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_nothing_pushed_or_nothing_asked_is_one_clear_error(trainyard, recipe, ask, tmp_path):
    ended = trainyard("monitor", variant(RECIPE, tmp_path, "never_run"))
    assert ended.code == 2
    assert "no model has been pushed yet" in ended.err
    ask([])
    ended = trainyard("monitor", recipe)
    assert ended.code == 3
    assert "no requests have been logged yet" in ended.err
