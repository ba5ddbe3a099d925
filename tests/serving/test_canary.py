from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import requests
from tensorflow_serving.apis import inference_pb2

from tests.serving.conftest import NAME, push, running
from tests.serving.test_manager import Watched, scenario
from tests.serving.test_server import predict_request
from trainyard.errors import RecipeError
from trainyard.model_store import version_config
from trainyard.serving import canary, canary_counts, methods, request_log
from trainyard.serving.canary import Canary, Splitter
from trainyard.serving.canary_counts import CanaryCounts, Counts
from trainyard.serving.errors import ServingError
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options
from trainyard.serving.rest_api import Rest
from trainyard.serving.service import Service

BEGAN = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)


def on_trial(base, version, share):
    """Begins a trial against version 1."""
    canary.write(base, Canary(version=version, share=share, since=datetime.now(UTC)))
    version_config.label(base, {"stable": 1, "canary": version})


@pytest.mark.parametrize("share", [0.01, 0.1, 1 / 3, 0.5, 1.0])
def test_a_share_is_exact_and_even(share):
    splitter = Splitter()
    taken = [splitter.takes(share) for _ in range(10_000)]
    for end in (100, 1_000, 10_000):
        assert abs(sum(taken[:end]) - share * end) <= 4


@pytest.mark.parametrize("period", [2, 3, 4, 10])
def test_requests_that_come_in_turn_are_all_among_the_share(period):
    splitter = Splitter()
    taken = [splitter.takes(0.1) for _ in range(20_000)]
    for turn in range(period):
        mine = taken[turn::period]
        assert abs(sum(mine) / len(mine) - 0.1) < 0.01


def test_the_share_counts_while_the_label_is_on_that_version(base, saved):
    push(saved, base, 2)
    assert canary.read(base) is None
    trial = Canary(version=2, share=0.25, since=BEGAN)
    canary.write(base, trial)
    assert canary.read(base) is None
    version_config.label(base, {"stable": 1, "canary": 2})
    assert canary.read(base) == trial
    version_config.label(base, {"canary": 1})
    assert canary.read(base) is None


def test_a_file_that_says_something_else_is_an_error(base):
    version_config.label(base, {"canary": 1})
    (base / canary.FILE).write_text('{"version": 1, "share": 7, "since": "2026-01-01"}')
    with pytest.raises(RecipeError, match="less than or equal to 1"):
        canary.read(base)


@scenario
async def test_a_server_keeps_to_what_held_before_if_the_file_is_wrong(watched, base, saved):
    push(saved, base, 2)
    on_trial(base, 2, 1.0)
    await watched.settle()
    (base / canary.FILE).write_text("{")
    version_config.label(base, {"stable": 2})
    await watched.settle()
    assert watched.manager.canary.share == 1.0
    assert watched.answers() == 1
    assert any("labels are not changed" in text for text in watched.said)


@scenario
async def test_only_requests_that_name_no_version_are_dealt_out(watched, base, saved):
    push(saved, base, 2)
    on_trial(base, 2, 0.2)
    await watched.settle()

    def routed(**choice):
        spec = predict_request([1.0]).model_spec
        if "label" in choice:
            spec.version_label = choice["label"]
        if "version" in choice:
            spec.version.value = choice["version"]
        return [watched.manager.route(spec).version for _ in range(100)]

    assert routed().count(2) == 20
    assert set(routed(version=1)) == set(routed(label="stable")) == {1}
    assert set(routed(version=2)) == set(routed(label="canary")) == {2}
    assert watched.answers() == 1  # metadata and status are not dealt out


def test_a_server_that_starts_answers_with_the_champion_first(saved, base):
    push(saved, base, 2)
    on_trial(base, 2, 0.1)

    async def test():
        watched = Watched(base)
        await watched.manager.load_first()
        assert watched.answers() == 1
        await watched.manager.close()

    asyncio.run(test())


@scenario
async def test_a_canary_that_cannot_be_loaded_takes_nothing(watched, base, saved):
    (push(saved, base, 2) / "saved_model.pb").write_bytes(b"nonsense")
    on_trial(base, 2, 1.0)
    await watched.settle()
    assert watched.manager.route(predict_request([1.0]).model_spec).version == 1


def test_counts_tell_requests_errors_and_latencies():
    counts = Counts()
    for milliseconds in range(1, 101):
        counts.add("OK", milliseconds / 1000)
    counts.add("INVALID_ARGUMENT", 9.0)
    counts.add("CANCELLED", 9.0)
    assert (counts.requests, counts.errors) == (101, 1)
    assert counts.seconds(0.5) == pytest.approx(0.050, rel=0.05)
    assert counts.seconds(0.95) == pytest.approx(0.095, rel=0.05)
    assert Counts().seconds(0.5) != Counts().seconds(0.5)  # not a number


def test_counts_of_several_servers_are_added_and_other_trials_left_out(tmp_path):
    trial = Canary(version=2, share=0.5, since=BEGAN)
    other = trial.model_copy(update={"since": datetime.now(UTC)})

    async def kept(name, canary, requests):
        counts = CanaryCounts(tmp_path)
        counts._file = tmp_path / f"canary-{name}.json"
        for _ in range(requests):
            counts.add(canary, 2, "OK", 0.01)
        counts.add(None, 1, "OK", 0.01)  # nothing is on trial
        task = asyncio.create_task(counts.keep(60.0))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for name, given, number in (("a", trial, 3), ("b", trial, 4), ("c", other, 5)):
        asyncio.run(kept(name, given, number))
    found = canary_counts.read(tmp_path, trial)
    assert {version: counts.requests for version, counts in found.items()} == {2: 7}
    assert found[2].latencies.total() == 7
    canary_counts.clear(tmp_path)
    assert canary_counts.read(tmp_path, trial) == {}


def test_a_running_server_deals_out_counts_and_logs(saved, base, tmp_path):
    push(saved, base, 2)
    version_config.label(base, {"stable": 1})
    logs = tmp_path / "requests"
    with running(base, tmp_path, log_folder=str(logs), log_sampling_rate=1.0) as server:
        url = server.url(f"/v1/models/{NAME}")

        def answered(body=None):
            answer = requests.post(f"{url}:predict", json=body or {"instances": [0.0]}, timeout=20)
            return answer.json().get("predictions", [None])[0]

        while answered_by(url, 2) != "AVAILABLE":
            time.sleep(0.02)
        assert {answered() for _ in range(20)} == {1.0}
        on_trial(base, 2, 0.25)
        until = time.monotonic() + 1.0
        while answered() == 1.0:
            assert time.monotonic() < until
        found = [answered() for _ in range(200)]
        assert found.count(2.0) == pytest.approx(50, abs=3)
        for _ in range(40):
            answered({"instances": ["no number"]})
        page = requests.get(server.url("/monitoring/prometheus/metrics"), timeout=20).text
        assert 'trainyard_serving_version_request_count{status="OK",version="2"}' in page
        trial = canary.read(base)
        assert server.ended() == 0
    counts = canary_counts.read(logs, trial)
    assert counts[2].errors + counts[1].errors == 0  # REST refuses these before they are routed
    assert counts[2].statuses["OK"] == pytest.approx(50, abs=6)
    assert counts[2].seconds(0.5) > 0
    versions = [log.log_metadata.model_spec.version.value for log in request_log.read(logs)]
    assert versions.count(2) == counts[2].statuses["OK"]


@scenario
async def test_one_version_answers_all_tasks_of_a_request(watched, base, saved):
    push(saved, base, 2)
    on_trial(base, 2, 0.5)
    await watched.settle()
    logged = []
    log = SimpleNamespace(offer=lambda method, request, response: logged.append(response))
    service = Service(watched.manager, Metrics(), log)
    versions = []
    for _ in range(100):
        answer = await service.multi_inference(multi_inference("classify", "regress"), seconds=None)
        (version,) = {result.model_spec.version.value for result in answer.results}
        assert answer.results[1].regression_result.regressions[0].value == version
        versions.append(version)
    assert versions.count(2) == pytest.approx(50, abs=2)
    of_tasks = [version for version in versions for _ in range(2)]
    assert [response.model_spec.version.value for response in logged] == of_tasks


@scenario
async def test_tasks_that_name_their_version_get_it_beside_those_that_do_not(watched, base, saved):
    push(saved, base, 2)
    on_trial(base, 2, 1.0)
    await watched.settle()
    request = multi_inference("classify", "regress")
    request.tasks[1].model_spec.version.value = 1
    answer = await Service(watched.manager, Metrics(), None).multi_inference(request, seconds=None)
    assert [result.model_spec.version.value for result in answer.results] == [2, 1]


@scenario
async def test_a_promotion_between_two_tasks_waits_for_the_next_request(watched, base, saved):
    """Version 1 would be unloaded before the second task; it answers that task too."""
    service = Service(watched.manager, Metrics(), None)
    infer = service.infer

    async def infer_and_promote(*given, **named):
        answer = await infer(*given, **named)
        if watched.answers() == 1:
            for number in (2, 3, 4):
                push(saved, base, number)
                await watched.settle()
        return answer

    service.infer = infer_and_promote
    answer = await service.multi_inference(multi_inference("classify", "regress"), seconds=None)
    assert [result.model_spec.version.value for result in answer.results] == [1, 1]
    assert watched.answers() == 4


@scenario
async def test_a_rest_body_is_read_by_the_version_that_answers_it(watched, base, saved):
    """The types of a canary's inputs may be others."""
    import tensorflow as tf

    class Whole(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="x")])
        def double(self, x):
            return {"y": x * 2}

    tf.saved_model.save(Whole(), str(base / ".2"), Whole().double)
    (base / ".2").rename(base / "2")
    on_trial(base, 2, 0.5)
    await watched.settle()
    metrics, options = Metrics(), Options(model_name=NAME, model_base_path=base)
    rest = Rest(Service(watched.manager, metrics, None), options, metrics, lambda: True)
    spec = predict_request([1.0]).model_spec
    answers = [await rest._predict(spec, {"instances": [4, 4]}) for _ in range(20)]
    found = [json.loads(answer)["predictions"] for answer in answers]
    assert {str(rows) for rows in found} == {"[3.0, 3.0]", "[8, 8]"}
    assert found.count([8, 8]) == pytest.approx(10, abs=2)


def multi_inference(*signatures):
    """Asks for several tasks on one empty row."""
    request = inference_pb2.MultiInferenceRequest()
    for name in signatures:
        task = request.tasks.add(method_name=f"tensorflow/serving/{name}")
        task.model_spec.name, task.model_spec.signature_name = NAME, name
    request.input.example_list.examples.add()
    return request


def answered_by(url, version):
    """The state of a version."""
    answer = requests.get(f"{url}/versions/{version}", timeout=20)
    return answer.json().get("model_version_status", [{}])[0].get("state")


@scenario
async def test_failures_count_for_the_version_that_failed(watched, base, saved):
    push(saved, base, 2)
    on_trial(base, 2, 1.0)
    await watched.settle()
    counts = CanaryCounts(base)
    service = Service(watched.manager, Metrics(), None, counts)
    request = predict_request([-1.0])
    request.model_spec.signature_name = "picky"
    with pytest.raises(ServingError):
        await service.infer(methods.PREDICT, request, entrypoint="GRPC", seconds=None)
    request.model_spec.version.value = 1
    with pytest.raises(ServingError):
        await service.infer(methods.PREDICT, request, entrypoint="GRPC", seconds=None)
    assert {v: c.errors for v, c in counts._trial.versions.items()} == {2: 1}
