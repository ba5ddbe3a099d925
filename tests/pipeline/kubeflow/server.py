"""A stand-in for Kubeflow Pipelines' API: real HTTP, requests held against the client's models."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as kfp
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

TOKEN, NAMESPACE = "s3cret", "team"
STAGES = ("ExampleGen", "Trainer")


class Kubeflow:
    """What the server knows, and how it is told to behave.

    `failing` has status codes that the next answers have; `states` what a run goes through.
    """

    def __init__(self) -> None:
        self.experiments: list[dict] = []
        self.runs: list[dict] = []
        self.schedules: list[dict] = []
        self.requests: list[str] = []
        self.failing: list[int] = []
        self.states = ["RUNNING", "SUCCEEDED"]
        self.multi_user, self.token, self.login, self.hang = False, "", False, 0.0
        self.page = ""

    def answer(self, method: str, path: str, query: Mapping, body: dict | None):
        """Routes a request; returns status and JSON."""
        name = path.removeprefix("/apis/v2beta1/")
        if name == "healthz":
            return 200, {"multi_user": self.multi_user}
        if self.multi_user and (query.get("namespace") or (body or {}).get("namespace")) not in (
            NAMESPACE,
            None,
        ):
            return 403, {"message": "PermissionDenied: User is not authorized"}
        if name == "experiments":
            return self._experiments(method, query, body)
        if name == "runs":
            return self._runs(method, body)
        if found := re.fullmatch(r"runs/([\w-]+)", name):
            return self._run(found[1])
        if name == "recurringruns":
            return self._schedules(method, body)
        if found := re.fullmatch(r"recurringruns/([\w-]+)(?::(\w+))?", name):
            return self._changed(method, *found.groups())
        return 404, {"message": f"Not Found: {path}"}

    def _experiments(self, method, query, body):
        if method == "GET":
            wanted = json.loads(query["filter"])["predicates"][0] if "filter" in query else None
            name = wanted["stringValue"] if wanted else None
            found = [e for e in self.experiments if name in (None, e["display_name"])]
            return 200, {"experiments": found}
        checked(body, kfp.V2beta1Experiment)
        made = body | {"experiment_id": f"experiment-{len(self.experiments)}"}
        self.experiments.append(made)
        return 200, made

    def _runs(self, method, body):
        if method == "GET":
            return 200, {"runs": [self._shown(run) for run in self.runs]}
        checked(body, kfp.V2beta1Run)
        check_spec(body["pipeline_spec"], body["runtime_config"]["parameters"])
        now = datetime.now(UTC).isoformat()
        made = body | {"run_id": f"run-{len(self.runs)}", "created_at": now, "looked": 0}
        self.runs.append(made)
        return 200, self._shown(made)

    def _run(self, run_id):
        found = [run for run in self.runs if run["run_id"] == run_id]
        if not found:
            return 404, {"message": f"Run {run_id} not found"}
        shown = self._shown(found[0])
        found[0]["looked"] += 1
        return 200, shown

    def _shown(self, run):
        state = self.states[min(run["looked"], len(self.states) - 1)]
        ended = state if state in ("SUCCEEDED", "FAILED") else "RUNNING"
        states = ["SUCCEEDED", ended]
        tasks = [
            {
                "task_id": f"{stage}-id",
                "display_name": stage,
                "state": each,
                "start_time": "2026-01-02T03:04:05Z",
                "end_time": "2026-01-02T03:04:17Z",
                **({"error": {"code": 2, "message": "exit code 5"}} if each == "FAILED" else {}),
            }
            for stage, each in zip(STAGES, states, strict=True)
        ]
        tasks += [{"task_id": "d", "display_name": "example-gen-driver", "state": "SUCCEEDED"}]
        rest = {key: value for key, value in run.items() if key != "looked"}
        return rest | {"state": state, "run_details": {"task_details": tasks}}

    def _schedules(self, method, body):
        if method == "GET":
            return 200, {"recurringRuns": self.schedules}
        checked(body, kfp.V2beta1RecurringRun)
        check_spec(body["pipeline_spec"], body["runtime_config"]["parameters"])
        if len(body["trigger"]["cron_schedule"]["cron"].split()) != 6:
            return 400, {"message": "cron: expected 6 fields"}
        made = body | {"recurring_run_id": f"schedule-{len(self.schedules)}", "status": "ENABLED"}
        self.schedules.append(made)
        return 200, made

    def _changed(self, method, schedule_id, what):
        (found,) = [s for s in self.schedules if s["recurring_run_id"] == schedule_id]
        if method == "DELETE":
            self.schedules.remove(found)
        else:
            found["status"] = {"enable": "ENABLED", "disable": "DISABLED"}[what]
        return 200, {}


def checked(body: dict, model: type) -> None:
    """Fails unless a body is one of a model of the generated client."""
    known = set(model.attribute_map.values())
    assert set(body) <= known, set(body) - known
    response = SimpleNamespace(data=json.dumps(body))
    kfp.ApiClient().deserialize(response, model)


def check_spec(sent: dict, parameters: dict) -> None:
    """Fails unless the pipeline is one, and the parameters are its own."""
    spec = sent.get("pipeline_spec", sent)
    parsed = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(sent.get("platform_spec", {}), pipeline_spec_pb2.PlatformSpec())
    assert set(parameters) <= set(parsed.root.input_definitions.parameters)


def handler(kubeflow: Kubeflow) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(None)

        def do_DELETE(self):
            self._answer(None)

        def do_POST(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Type") == "application/x-www-form-urlencoded":
                self._log_in({k: v[0] for k, v in parse_qs(raw.decode()).items()})
            else:
                self._answer(json.loads(raw) if raw else None)

        def _answer(self, body):
            parts = urlsplit(self.path)
            kubeflow.requests.append(f"{self.command} {parts.path}")
            if kubeflow.hang:
                threading.Event().wait(kubeflow.hang)
            if kubeflow.failing:
                return self._send(kubeflow.failing.pop(0), {"message": "the database is away"})
            if kubeflow.page:
                return self._send(200, kubeflow.page)
            if kubeflow.login and "session=open" not in self.headers.get("Cookie", ""):
                return self._to_dex(parts.path)
            if kubeflow.token and self.headers.get("Authorization") != f"Bearer {kubeflow.token}":
                return self._send(401, {"message": "Request header error: token expired"})
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            return self._send(*kubeflow.answer(self.command, parts.path, query, body))

        def _to_dex(self, path):
            if path == "/dex/auth":
                return self._send(200, "<a>Log in with Email</a>")
            if path == "/dex/auth/local":
                return self._redirect("/dex/auth/local/login")
            if path == "/dex/auth/local/login":
                return self._send(200, "<form>")
            return self._redirect("/dex/auth")

        def _log_in(self, form):
            if form != {"login": "ada", "password": TOKEN}:
                return self._send(200, "<form>Invalid password")
            return self._redirect("/done", {"Set-Cookie": "session=open; Path=/"})

        def _redirect(self, where, headers=None):
            self.send_response(302)
            for key, value in {"Location": where, "Content-Length": "0", **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()

        def _send(self, status, answer):
            page = isinstance(answer, str)
            data = (answer if page else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if page else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(BrokenPipeError):  # who asked may have given up
                self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    return Handler


@contextmanager
def serving(kubeflow: Kubeflow):
    """Serves it; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(kubeflow))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
