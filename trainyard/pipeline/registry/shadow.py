"""A candidate is asked what the request log says that clients asked; no client sees its answers.

Both versions are loaded in this process and asked in turn, so that they are compared on the
same requests and the same machine.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from trainyard.errors import RecipeError
from trainyard.files import write_whole
from trainyard.pipeline.registry import comparison, decisions, promotion, rollouts, versions
from trainyard.pipeline.registry.comparison import Comparison
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.serving import methods, request_log
from trainyard.serving.canary_counts import Counts
from trainyard.serving.errors import ServingError
from trainyard.serving.methods import Method
from trainyard.serving.tensors import Array


class ShadowReport(BaseModel):
    """What became of a replay: a file of JSON.

    Attributes:
        requests: How many were replayed.
        comparison: Both versions, by the recipe's rules.
        differences: By output, how far the answers to one row are apart on average; of
            probabilities of classes and of texts, the share of rows with another one.
        failures: The first errors of the candidate, by their words.
    """

    requests: int
    comparison: Comparison
    differences: dict[str, float] = Field(default_factory=dict)
    failures: dict[str, int] = Field(default_factory=dict)


def replay(recipe: Recipe, name: str, requests: int, by: str) -> tuple[ShadowReport, Path]:
    """Replays logged requests through a version and the champion, and compares them.

    Args:
        recipe: Whose model it is.
        name: The candidate.
        requests: So many, the latest.
        by: Who asks, for the record.

    Returns:
        What was found, and the file it was written to.

    Raises:
        RecipeError: There is no such version, it is the champion, or nothing is logged.
        ContractError: One of the two cannot be loaded.
    """
    workspace = Workspace.of(recipe)
    champion, candidate = versions.find(recipe), versions.find(recipe, name)
    if champion.number == candidate.number:
        raise RecipeError(f"version {candidate.number} is the champion: name another")
    logs: deque[PredictionLog] = deque(request_log.read(workspace.requests), maxlen=requests)
    if not logs:
        raise RecipeError(
            "no request has been logged yet",
            where=str(workspace.requests),
            hint="trainyard serve RECIPE logs a share of them",
        )
    old, new = (_Asked(version.folder) for version in (champion, candidate))
    _ask_both(logs, old, new)
    report = ShadowReport(
        requests=len(logs),
        comparison=comparison.compare(
            rollouts.rules(recipe),
            (champion.number, old.counts, old.answers()),
            (candidate.number, new.counts, new.answers()),
        ),
        differences=_differences(old.rows, new.rows),
        failures=new.failures,
    )
    file = workspace.root / "shadow" / f"{candidate.number}.json"
    write_whole(file, report.model_dump_json(indent=1))
    told = f"{report.requests} replayed requests: {report.comparison.reason}"
    decisions.record(recipe, "shadow", candidate.number, told, by)
    return report, file


class _Asked:
    """A version, and what it answered."""

    def __init__(self, folder: Path) -> None:
        self._model = promotion.load(folder)
        self.counts = Counts()
        self.failures: dict[str, int] = {}
        self.rows: list[dict[str, Array]] = []

    def ask(self, method: Method, request: object) -> None:
        """Asks one thing, and notes how long it takes."""
        told: dict[str, Array] = {}
        started, status = time.perf_counter(), "OK"
        try:
            call = method.prepare(self._model, request)
            outputs = self._model.run(call.signature.name, call.inputs)
            told = dict(zip(call.signature.outputs, outputs, strict=True))
        except ServingError as error:
            status = error.code.name
            self.failures[error.message] = self.failures.get(error.message, 0) + 1
        self.counts.add(status, time.perf_counter() - started)
        self.rows.append(comparison.comparable(told))

    def answers(self) -> dict[str, Array]:
        """All answers, by output."""
        names = {name for told in self.rows for name in told}
        return {
            name: np.concatenate([told[name] for told in self.rows if name in told])
            for name in sorted(names)
        }

    def close(self) -> None:
        """Gives the memory back."""
        self._model.close()


def _ask_both(logs: Iterable[PredictionLog], old: _Asked, new: _Asked) -> None:
    try:
        for number, log in enumerate(logs):
            for method in methods.METHODS:
                if log.HasField(method.log):
                    # Neither always finds the request in the processor's caches.
                    for asked in (old, new) if number % 2 else (new, old):
                        asked.ask(method, getattr(log, method.log).request)
    finally:
        old.close()
        new.close()


def _differences(
    old: Iterable[Mapping[str, Array]], new: Iterable[Mapping[str, Array]]
) -> dict[str, float]:
    """How far two answers to one row are apart, on average."""
    apart: dict[str, list[Array]] = {}
    for before, after in zip(old, new, strict=True):
        for name in before.keys() & after.keys():
            if before[name].shape == after[name].shape:
                apart.setdefault(name, []).append(_apart(before[name], after[name]))
    return {name: float(np.concatenate(parts).mean()) for name, parts in sorted(apart.items())}


def _apart(before: Array, after: Array) -> Array:
    if before.dtype == object:
        return np.asarray(before != after, np.float64).ravel()
    if before.ndim == 2 and before.shape[1] > 1:
        return np.asarray(before.argmax(axis=1) != after.argmax(axis=1), np.float64)
    return np.asarray(np.abs(before - after), np.float64).ravel()
