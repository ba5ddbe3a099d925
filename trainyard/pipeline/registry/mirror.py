"""Copies runs and versions to MLflow: tracking, model registry, aliases. Needs the extra `mlflow`.

MLflow is told what is known here and asked nothing: a second copy adds what is new and moves
the aliases.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from trainyard.errors import EnvironmentProblem, RecipeError
from trainyard.pipeline import records
from trainyard.pipeline.records import RunRecord
from trainyard.pipeline.registry import versions
from trainyard.pipeline.registry.versions import CHALLENGER, CHAMPION, Version, hyperparameters
from trainyard.recipe_schema import Recipe
from trainyard.recipe_schema.secret_values import without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN, VERSION = "trainyard.run", "trainyard.version"
"""Tags that tell what in MLflow is which of ours."""

_STATUSES = {
    "pushed": "FINISHED",
    "not pushed": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # seven take minutes
}
_MOST_RUNS = 10_000
_BATCH, _LONGEST = 100, 6000  # parameters a call, and characters a parameter, that MLflow takes


@dataclass(frozen=True)
class Mirrored:
    """What is in MLflow now that was not before.

    Attributes:
        runs: How many runs were added.
        versions: How many versions.
        aliases: Where the aliases are: the version by alias.
    """

    runs: int
    versions: int
    aliases: dict[str, int]


def mirror(recipe: Recipe, uri: str) -> Mirrored:
    """Copies what MLflow has not got: ended runs, versions; and moves the aliases.

    Args:
        recipe: Its name is the experiment's and the registered model's.
        uri: MLflow's tracking and registry store, such as `sqlite:///mlflow.db`.

    Raises:
        EnvironmentProblem: MLflow is not installed.
        RecipeError: There is no such store, or it refuses.
    """
    mlflow, exceptions = _mlflow()
    try:
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        runs = _Runs(client, recipe.name)
        ended = [run for run in records.all_runs(recipe.name) if run.state in _STATUSES]
        new_runs = [run for run in reversed(ended) if run.id not in runs.known]
        for run in new_runs:
            runs.add(run)
        models = _Models(client, recipe.name, uri)
        found = versions.all_versions(recipe)
        new_versions = [version for version in found if version.number not in models.known]
        for version in new_versions:
            models.add(version, runs.known.get(version.run))
        aliases = {str(version.alias): version.number for version in found if version.alias}
        models.point(aliases)
    except exceptions as error:
        raise RecipeError(
            "MLflow refuses",
            where=without_password(uri),
            received=str(error).splitlines()[0].replace(uri, without_password(uri)),
            hint="a store is such as sqlite:///mlflow.db or http://HOST:5000",
        ) from None
    return Mirrored(len(new_runs), len(new_versions), aliases)


def _mlflow() -> tuple[Any, tuple[type[Exception], ...]]:
    """The package, and what its client raises."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise EnvironmentProblem(
            "MLflow is not installed", hint="install the extra: trainyard[mlflow]"
        ) from None
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow, (MlflowException, SQLAlchemyError)


class _Runs:
    """An experiment, and which of our runs it has."""

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client = client
        experiment = client.get_experiment_by_name(name)
        self._id = experiment.experiment_id if experiment else client.create_experiment(name)
        self.known: dict[str, str] = {}
        for run in client.search_runs([self._id], max_results=_MOST_RUNS):
            if RUN not in run.data.tags:
                continue
            if run.info.status == "RUNNING":  # a copy that was cut short
                client.delete_run(run.info.run_id)
            else:
                self.known[run.data.tags[RUN]] = run.info.run_id

    def add(self, record: RunRecord) -> None:
        """Copies a run."""
        from mlflow.entities import Metric, Param

        end = record.started + timedelta(seconds=record.seconds)
        started, ended = (int(1000 * when.timestamp()) for when in (record.started, end))
        tags = {
            RUN: record.id,
            "trainyard.state": record.state,
            "trainyard.fingerprint": record.fingerprint,
            **{f"package.{name}": number for name, number in record.versions.items()},
        }
        run = self._client.create_run(self._id, started, tags, record.id).info.run_id
        metrics = record.verdict.metrics.items()
        told = [Metric(_key(name), value, ended, 0) for name, value in metrics]
        self._client.log_batch(run, metrics=told)
        settings = [Param(*setting) for setting in _parameters(hyperparameters(record))]
        for start in range(0, len(settings), _BATCH):
            self._client.log_batch(run, params=settings[start : start + _BATCH])
        self._client.set_terminated(run, _STATUSES[record.state], ended)
        self.known[record.id] = run


class _Models:
    """A registered model, and which of our versions it has."""

    def __init__(self, client: MlflowClient, name: str, uri: str) -> None:
        self._client, self._name, self._uri = client, name, uri
        if not client.search_registered_models(f"name='{name}'"):
            client.create_registered_model(name)
        self.known = {
            int(version.tags[VERSION]): version.version
            for version in client.search_model_versions(f"name='{name}'")
            if VERSION in version.tags
        }

    def add(self, version: Version, run: str | None) -> None:
        """Copies a version; its files stay where they are."""
        added = self._client.create_model_version(
            self._name,
            _source(version.folder, self._uri),
            run,
            {VERSION: str(version.number), RUN: version.run, **version.data},
        )
        self.known[version.number] = added.version

    def point(self, aliases: Mapping[str, int]) -> None:
        """Puts the aliases where they belong."""
        there = self._client.get_registered_model(self._name).aliases
        for alias in (CHAMPION, CHALLENGER):
            if alias in aliases:
                number = self.known[aliases[alias]]
                self._client.set_registered_model_alias(self._name, alias, number)
            elif alias in there:
                self._client.delete_registered_model_alias(self._name, alias)


def _source(folder: Path, uri: str) -> str:
    """A server takes no path of another machine for a model's; it need not read it either."""
    if urlsplit(uri).scheme in ("http", "https"):
        return f"trainyard://{socket.gethostname()}{folder}"
    return folder.as_uri()


def _parameters(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        yield _key(name), str(value)[:_LONGEST]


def _key(name: str) -> str:
    """A name as MLflow takes it."""
    return re.sub(r"[^\w\-. :/]", "_", name)
