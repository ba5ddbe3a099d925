"""Submit and schedule against a stand-in that speaks HTTP."""

import socket
import sys

import pytest

from tests.pipeline.kubeflow.conftest import WINE, wine, written
from tests.pipeline.kubeflow.server import NAMESPACE, TOKEN
from trainyard.errors import EnvironmentProblem, RecipeError, TrainyardError
from trainyard.pipeline import cli
from trainyard.pipeline.kubeflow import api as api_module
from trainyard.pipeline.kubeflow import schedules, submission
from trainyard.pipeline.kubeflow.access import Access
from trainyard.pipeline.kubeflow.api import Api


@pytest.fixture
def said():
    return []


@pytest.fixture
def submit(pipeline, host, said):
    def call(given=None, name=None, **access):
        api = Api(Access(host, **access))
        return submission.submit(pipeline, given or {}, api, said.append, name)

    return call


@pytest.fixture
def trainyard(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["trainyard", "kubeflow", *map(str, arguments)])
        code = cli.answer()
        return code, *capsys.readouterr()

    return call


def test_a_run_is_submitted_with_its_parameters(submit, kubeflow, host, said):
    run_id = submit({"epochs": "3", "accuracy_min": "0.5"})
    (run,) = kubeflow.runs
    assert run_id == run["run_id"]
    assert run["runtime_config"]["parameters"]["epochs"] == 3
    assert run["runtime_config"]["parameters"]["accuracy_min"] == 0.5
    assert run["display_name"].startswith("wine-20")
    assert set(run["pipeline_spec"]) == {"pipeline_spec", "platform_spec"}
    assert said[-1].endswith(f"{host}/#/runs/details/{run_id}")
    assert "was not checked" in said[0]
    assert [each["display_name"] for each in kubeflow.experiments] == ["wine"]


def test_a_second_run_is_in_the_same_experiment(submit, kubeflow):
    submit()
    submit()
    assert len(kubeflow.experiments) == 1
    assert {run["experiment_id"] for run in kubeflow.runs} == {"experiment-0"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": "3"}, "did you mean 'epochs'?"),
        ({"epochs": "many"}, "a whole number"),
        ({"accuracy_min": "high"}, "a number"),
    ],
)
def test_wrong_parameters_are_told_before_anything_is_asked(submit, kubeflow, given, message):
    with pytest.raises(RecipeError, match=message.replace("?", r"\?")):
        submit(given)
    assert kubeflow.requests == []


def test_names_that_argo_refuses_are_told_before_anything_is_submitted(submit, kubeflow):
    with pytest.raises(RecipeError, match="Argo does not take") as caught:
        submit(name="My Run!")
    assert caught.value.received == "'My Run!'"
    assert kubeflow.requests == []


def test_the_run_is_watched_until_it_ends(submit, host, said):
    run_id = submit()
    submission.wait(Api(Access(host)), run_id, said.append, every=0.01)
    assert said[-3:-1] == ["✓ ExampleGen          12.0 s", "✓ Trainer             12.0 s"]
    assert "driver" not in "".join(said)
    assert "succeeded" in said[-1]


def test_a_run_that_fails_says_where(submit, host, kubeflow, said):
    kubeflow.states = ["RUNNING", "FAILED"]
    run_id = submit()
    with pytest.raises(TrainyardError, match="failed in Trainer: exit code 5"):
        submission.wait(Api(Access(host)), run_id, said.append, every=0.01)


def test_nobody_waits_for_ever(submit, host, kubeflow, said):
    kubeflow.states = ["RUNNING"]
    run_id = submit()
    with pytest.raises(EnvironmentProblem, match="has not ended after 0 seconds"):
        submission.wait(Api(Access(host)), run_id, said.append, every=0.01, at_most=0)


def test_status_of_all_and_of_one(submit, host):
    api = Api(Access(host))
    assert submission.status(api, None) == ["there are no runs"]
    run_id = submit()
    assert run_id in submission.status(api, None)[0]
    assert "Trainer" in "\n".join(submission.status(api, run_id))
    with pytest.raises(RecipeError, match="there is no run run-77"):
        submission.status(api, "run-77")


def test_a_token_is_sent(submit, kubeflow, monkeypatch, tmp_path):
    kubeflow.token = TOKEN
    monkeypatch.setenv("KUBEFLOW_TOKEN", TOKEN)
    submit(kind="token")
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    submit(kind="in-cluster", token_file=file)
    assert len(kubeflow.runs) == 2


def test_an_expired_token_is_told(submit, kubeflow, monkeypatch):
    kubeflow.token = TOKEN
    monkeypatch.setenv("KUBEFLOW_TOKEN", "old")
    with pytest.raises(EnvironmentProblem, match="does not know who asks") as caught:
        submit(kind="token")
    assert "token expired" in caught.value.received
    assert "get a new one" in caught.value.hint
    assert kubeflow.runs == []


def test_no_token_is_told_without_asking(submit, kubeflow, monkeypatch, tmp_path):
    monkeypatch.delenv("KUBEFLOW_TOKEN", raising=False)
    with pytest.raises(EnvironmentProblem, match="there is no token"):
        submit(kind="token")
    with pytest.raises(EnvironmentProblem, match="cannot be read: No such file"):
        submit(kind="in-cluster", token_file=tmp_path / "none")
    assert kubeflow.requests == []


def test_dex_lets_in_who_knows_the_password(submit, kubeflow, monkeypatch):
    kubeflow.login = True
    monkeypatch.setenv("KUBEFLOW_USER", "ada")
    monkeypatch.setenv("KUBEFLOW_PASSWORD", TOKEN)
    submit(kind="dex")
    assert len(kubeflow.runs) == 1
    monkeypatch.setenv("KUBEFLOW_PASSWORD", "wrong")
    with pytest.raises(EnvironmentProblem, match="dex does not know this user"):
        submit(kind="dex")


def test_a_page_to_log_in_is_no_answer(submit, kubeflow):
    kubeflow.page = "<html>Log in</html>"
    with pytest.raises(EnvironmentProblem, match="a page to log in"):
        submit()


def test_the_namespace_is_needed_where_there_are_several_users(submit, kubeflow):
    kubeflow.multi_user = True
    with pytest.raises(RecipeError, match="give your --namespace"):
        submit()
    with pytest.raises(EnvironmentProblem, match="does not allow this") as caught:
        submit(namespace="other")
    assert "other" in caught.value.hint
    submit(namespace=NAMESPACE)
    assert kubeflow.experiments[0]["namespace"] == NAMESPACE


def test_a_server_that_stumbles_is_asked_again(submit, kubeflow):
    kubeflow.failing = [503, 502]
    submit()
    assert kubeflow.requests.count("GET /apis/v2beta1/healthz") == 3


def test_a_server_that_stays_down_is_told(submit, kubeflow):
    kubeflow.failing = [500]
    with pytest.raises(EnvironmentProblem, match="could not do it") as caught:
        submit()
    assert caught.value.received == "500 the database is away"


def test_what_creates_is_not_sent_twice(submit, kubeflow, monkeypatch):
    create = Api.create_run

    def failing(self, body):
        kubeflow.failing = [503]
        return create(self, body)

    monkeypatch.setattr(Api, "create_run", failing)
    with pytest.raises(EnvironmentProblem, match="could not do it"):
        submit()
    assert kubeflow.requests.count("POST /apis/v2beta1/runs") == 1


def test_a_server_that_hangs_is_told(submit, kubeflow, monkeypatch):
    kubeflow.hang = 0.5
    monkeypatch.setattr(api_module, "_READ", 0.05)
    monkeypatch.setattr(api_module, "_RETRIES", 0)
    with pytest.raises(EnvironmentProblem, match="does not answer") as caught:
        submit()
    assert "timed out" in caught.value.received.lower()


def test_a_host_that_is_down_is_told(pipeline, said):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EnvironmentProblem, match="does not answer") as caught:
        submission.submit(pipeline, {}, Api(Access(address)), said.append)
    assert "refused" in caught.value.received


@pytest.mark.parametrize(
    ("host", "message"), [("", "where is Kubeflow"), ("ftp://x", "no address")]
)
def test_a_wrong_address_is_told(host, message):
    with pytest.raises(RecipeError, match=message):
        Api(Access(host))


def test_a_schedule_is_created_with_six_fields(pipeline, host, kubeflow, said):
    schedules.create(pipeline, {"epochs": "3"}, Api(Access(host)), said.append)
    (made,) = kubeflow.schedules
    assert made["trigger"]["cron_schedule"]["cron"] == "0 30 2 * * mon,tue,wed,thu,fri"
    assert (made["max_concurrency"], made["no_catchup"], made["mode"]) == ("1", True, "ENABLE")
    assert made["runtime_config"]["parameters"]["epochs"] == 3
    with pytest.raises(RecipeError, match="there is a schedule 'wine' already"):
        schedules.create(pipeline, {}, Api(Access(host)), said.append)


@pytest.mark.parametrize("cron", ["30 2 * *", "61 * * * *", "0 0 31 2 *"])
def test_a_wrong_cron_is_told_before_anything_is_asked(pipeline, host, kubeflow, said, cron):
    with pytest.raises(RecipeError, match="--cron"):
        schedules.create(pipeline, {}, Api(Access(host)), said.append, cron)
    assert kubeflow.requests == []


def test_a_recipe_without_a_schedule_needs_a_cron(tmp_path, host, kubeflow, said):
    file = tmp_path / "pipeline.yaml"
    file.write_text(written(WINE))
    with pytest.raises(RecipeError, match="the recipe has no schedule"):
        schedules.create(file, {}, Api(Access(host)), said.append)
    schedules.create(file, {}, Api(Access(host)), said.append, "0 4 * * *")
    assert kubeflow.schedules[0]["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"


def test_a_time_zone_is_refused(tmp_path, host, kubeflow, said):
    file = tmp_path / "pipeline.yaml"
    zone = "schedule: {cron: '0 4 * * *', timezone: Europe/Berlin}\n"
    file.write_text(written(wine(tmp_path, zone)))
    with pytest.raises(RecipeError, match="one time zone"):
        schedules.create(file, {}, Api(Access(host)), said.append)
    assert kubeflow.requests == []


def test_schedules_are_listed_paused_and_deleted(pipeline, host, kubeflow, trainyard):
    at = ("--host", host)
    assert trainyard("schedule", "create", pipeline, *at)[0] == 0
    assert "0 30 2 * *" in trainyard("schedule", "list", *at)[1]
    assert trainyard("schedule", "pause", "wine", *at)[0] == 0
    assert kubeflow.schedules[0]["status"] == "DISABLED"
    assert "DISABLED" in trainyard("schedule", "list", *at)[1]
    trainyard("schedule", "resume", "schedule-0", *at)
    assert kubeflow.schedules[0]["status"] == "ENABLED"
    code, _, err = trainyard("schedule", "delete", "vine", *at)
    assert (code, "did you mean 'wine'?" in err) == (2, True)
    assert trainyard("schedule", "delete", "wine", *at)[0] == 0
    assert trainyard("schedule", "list", *at)[1] == "there are no schedules\n"


def test_the_command_submits_and_waits(pipeline, host, kubeflow, trainyard):
    kubeflow.states = ["SUCCEEDED"]
    code, out, _ = trainyard("submit", pipeline, "--host", host, "--wait", "--set", "epochs=2")
    assert (code, "succeeded" in out) == (0, True)
    assert trainyard("status", "run-0", "--host", host)[1].startswith("wine-")
    code, _, err = trainyard("submit", pipeline, "--host", host, "--auth", "tokn")
    assert (code, "did you mean 'token'?" in err) == (2, True)
