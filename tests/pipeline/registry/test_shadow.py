from __future__ import annotations

import json
import time

import pytest

from tests.pipeline.registry.conftest import push
from tests.serving.test_server import predict_request
from trainyard.errors import RecipeError
from trainyard.pipeline.registry import decisions, promotion, shadow
from trainyard.pipeline.registry.shadow import ShadowReport
from trainyard.pipeline.workspace import Workspace
from trainyard.serving import methods
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options
from trainyard.serving.request_log import RequestLog


@pytest.fixture
def two(recipe, saved):
    for number in (1, 2):
        push(recipe, saved, number)
    return recipe


def log(recipe, requests):
    """Logs what version 1 answers, as a server does."""
    workspace = Workspace.of(recipe)
    options = Options(model_name="m", model_base_path=workspace.serving, log_sampling_rate=1.0)
    written = RequestLog(workspace.requests, options, Metrics())
    model = promotion.load(workspace.serving / "1")
    for request in requests:
        call = methods.PREDICT.prepare(model, request)
        outputs = model.run(call.signature.name, call.inputs)
        named = dict(zip(call.signature.outputs, outputs, strict=True))
        response = methods.PREDICT.respond(call, named, request.model_spec)
        written.offer(methods.PREDICT, request, response)
    model.close()
    written.close()


def test_the_candidate_answers_what_clients_asked(two):
    log(two, [predict_request([float(n), 1.0]) for n in range(40)])
    started = time.time()
    report, file = shadow.replay(two, "1", 30, "test")
    assert report.requests == 30
    assert (report.comparison.champion.version, report.comparison.candidate.version) == (2, 1)
    assert report.comparison.candidate.errors == 0
    assert report.comparison.candidate.answers == 60  # rows
    assert report.differences == {"y": pytest.approx(1.0)}  # version 2 answers one more
    assert ShadowReport.model_validate_json(file.read_text()) == report
    decision = decisions.read(two)[-1]
    assert (decision.what, decision.version) == ("shadow", 1)
    assert decision.at.timestamp() >= started


def test_errors_of_the_candidate_are_told(two, monkeypatch):
    log(two, [predict_request([4.0], signature="picky") for _ in range(60)])
    real, asked = shadow.promotion.load, []

    def load(folder):
        model = real(folder)
        if folder.name == "1":  # a candidate that cannot take the square root of 4
            run = model.run
            model.run = lambda name, inputs: run(name, [-inputs[0]])
        asked.append(folder.name)
        return model

    monkeypatch.setattr(shadow.promotion, "load", load)
    report, file = shadow.replay(two, "1", 1000, "test")
    assert asked == ["2", "1"]
    assert (report.comparison.candidate.errors, report.comparison.champion.errors) == (60, 0)
    assert report.comparison.outcome == "roll back"
    assert sum(report.failures.values()) == 60
    assert "negative" in next(iter(report.failures))
    assert json.loads(file.read_text())["requests"] == 60


def test_without_a_log_or_another_version_there_is_nothing_to_compare(two):
    with pytest.raises(RecipeError, match="no request has been logged"):
        shadow.replay(two, "1", 10, "test")
    with pytest.raises(RecipeError, match="version 2 is the champion"):
        shadow.replay(two, "2", 10, "test")
