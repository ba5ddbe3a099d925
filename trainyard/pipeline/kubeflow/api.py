"""Kubeflow Pipelines' API (v2beta1), through the client that its publisher generates from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import kfp_server_api as kfp
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from trainyard.errors import EnvironmentProblem, RecipeError, TrainyardError
from trainyard.pipeline.kubeflow.access import Access, headers, unreachable

_CONNECT, _READ = 10, 60
"""Seconds that the host has to take up a connection, and to answer."""
_RETRIES = 3
_PAGE = 100


class Api:
    """A connection, with one clear error for whatever goes wrong.

    Requests that change nothing are tried again if the network or the server fails; one
    that creates something only if it has not reached the server.

    Args:
        access: Where it is, and who asks.
    """

    def __init__(self, access: Access) -> None:
        self.access, self.address = access, access.address
        configuration = kfp.Configuration(host=self.address)
        configuration.retries = Retry(
            _RETRIES, backoff_factor=0.2, status_forcelist=(502, 503, 504), raise_on_status=False
        )
        if access.ca_file:
            configuration.ssl_ca_cert = str(access.ca_file)
        self._client = client = kfp.ApiClient(configuration)
        client.default_headers.update(headers(access))
        self._health = kfp.HealthzServiceApi(client)
        self._experiments = kfp.ExperimentServiceApi(client)
        self._runs = kfp.RunServiceApi(client)
        self._recurring = kfp.RecurringRunServiceApi(client)

    def check(self) -> None:
        """Makes sure that it is there, knows who asks, and has the namespace.

        Raises:
            TrainyardError: One of these is not so.
        """
        with self._told():
            several = self._health.healthz_service_get_healthz(_request_timeout=self._timeout)
        if several.multi_user and not self.access.namespace:
            raise RecipeError("this Kubeflow has several users: give your --namespace")
        with self._told():
            self._list("experiments", self._experiments.experiment_service_list_experiments, 1)

    def experiment(self, name: str) -> str:
        """Finds or makes the experiment that a pipeline's runs are shown in.

        Args:
            name: Its name.

        Returns:
            Its id.
        """
        with self._told():
            listing = self._experiments.experiment_service_list_experiments
            for found in self._list("experiments", listing, name=name):
                return str(found.experiment_id)
            body = kfp.V2beta1Experiment(display_name=name, namespace=self.access.namespace or None)
            made = self._experiments.experiment_service_create_experiment(
                body, _request_timeout=self._timeout
            )
        return str(made.experiment_id)

    def create_run(self, body: kfp.V2beta1Run) -> kfp.V2beta1Run:
        """Starts a run."""
        with self._told():
            return self._runs.run_service_create_run(body, _request_timeout=self._timeout)

    def run(self, run_id: str) -> kfp.V2beta1Run:
        """Looks a run up."""
        with self._told(f"run {run_id}"):
            return self._runs.run_service_get_run(run_id, _request_timeout=self._timeout)

    def runs(self, count: int) -> list[kfp.V2beta1Run]:
        """The newest runs."""
        with self._told():
            found = self._list(
                "runs", self._runs.run_service_list_runs, count, sort_by="created_at desc"
            )
        return list(found)

    def create_schedule(self, body: kfp.V2beta1RecurringRun) -> kfp.V2beta1RecurringRun:
        """Starts a recurring run."""
        with self._told():
            return self._recurring.recurring_run_service_create_recurring_run(
                body, _request_timeout=self._timeout
            )

    def schedules(self, name: str = "") -> list[kfp.V2beta1RecurringRun]:
        """The recurring runs there are.

        Args:
            name: Only those of this name.
        """
        with self._told():
            listing = self._recurring.recurring_run_service_list_recurring_runs
            return list(self._list("recurring_runs", listing, name=name))

    def change_schedule(self, schedule_id: str, what: str) -> None:
        """Pauses a recurring run, lets it go on, or deletes it.

        Args:
            schedule_id: Which.
            what: `disable`, `enable` or `delete`.
        """
        change = getattr(self._recurring, f"recurring_run_service_{what}_recurring_run")
        with self._told(f"schedule {schedule_id}"):
            change(schedule_id, _request_timeout=self._timeout)

    @property
    def _timeout(self) -> tuple[int, int]:
        return _CONNECT, _READ

    def _list(
        self, key: str, call: Callable[..., Any], count: int = _PAGE, name: str = "", **more: str
    ) -> Iterator[Any]:
        if self.access.namespace:
            more["namespace"] = self.access.namespace
        if name:
            equal = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
            more["filter"] = json.dumps({"predicates": [equal]})
        answer = call(page_size=count, _request_timeout=self._timeout, **more)
        return iter(getattr(answer, key) or ())

    @contextmanager
    def _told(self, what: str = "") -> Iterator[None]:
        if self.access.kind == "in-cluster":  # the cluster renews the token every hour
            self._client.default_headers.update(headers(self.access))
        try:
            yield
            self._must_be_json()
        except kfp.ApiException as error:
            raise self._refused(error, what) from None
        except HTTPError as error:
            raise unreachable(self.address, str(error)) from None

    def _must_be_json(self) -> None:
        """The client takes a page to log in for an answer that says nothing."""
        kind = self._client.last_response.getheader("Content-Type", "")
        if "json" not in kind:
            raise EnvironmentProblem(
                "this is no answer of Kubeflow Pipelines, but maybe a page to log in",
                where=self.address,
                expected="application/json",
                received=kind,
                hint="see --auth: token, dex or in-cluster",
            )

    def _refused(self, error: kfp.ApiException, what: str) -> TrainyardError:
        kind, message, hint = _REFUSALS.get(error.status or 0, _SERVER)
        if error.status == 404 and what:
            kind, message, hint = RecipeError, f"there is no {what}", ""
        return kind(
            message,
            where=self.address,
            received=f"{error.status} {_message(error)}".strip(),
            hint=hint.format(namespace=self.access.namespace or "(none)"),
        )


def _message(error: kfp.ApiException) -> str:
    """What the server says, of which the rest is for its developers."""
    try:
        said = json.loads(error.body or "")
        text = str(said.get("message") or said.get("error") or "")
    except (ValueError, AttributeError):
        text = str(error.reason or "")
    return text.strip().splitlines()[0][:300] if text.strip() else ""


_Refusal = tuple[type[TrainyardError], str, str]
_SERVER: _Refusal = (
    EnvironmentProblem,
    "Kubeflow could not do it",
    "try again; else look at the log of the pod ml-pipeline",
)
_REFUSALS: Mapping[int, _Refusal] = {
    400: (RecipeError, "Kubeflow does not take this", ""),
    401: (
        EnvironmentProblem,
        "Kubeflow does not know who asks",
        "the token may have expired: get a new one; see --auth",
    ),
    403: (
        EnvironmentProblem,
        "Kubeflow does not allow this",
        "is --namespace {namespace} one of yours?",
    ),
    404: (
        EnvironmentProblem,
        "there is no API of Kubeflow Pipelines",
        "is --host that of Kubeflow, with the path that leads to Pipelines?",
    ),
    409: (RecipeError, "there is one of that name already", ""),
}
