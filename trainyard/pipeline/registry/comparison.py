"""A candidate beside the champion, by the recipe's rules: errors, latency, predictions.

A rule is broken by a difference that is larger than the rule allows and that chance would
bring about in fewer than one of a hundred trials.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from trainyard.recipe_schema import Rollout
from trainyard.serving import tensors
from trainyard.serving.canary_counts import Counts
from trainyard.serving.monitor import two_samples
from trainyard.serving.monitor.answers import prediction_drift
from trainyard.serving.tensors import Array
from trainyard.wording import counted

Outcome = Literal["promote", "roll back", "wait"]
Answers = Mapping[str, Array]

_CHANCE = 0.01
_SHARE = 0.95
_FEWEST_ANSWERS = 30  # of each version, in the request log
_MOST_ROWS = 50_000


class Side(BaseModel):
    """One of the two versions.

    Attributes:
        version: Which.
        requests: That it answered or failed to.
        errors: How many it failed to answer.
        median_ms: Half of its answers came within; None if there are none.
        p95_ms: 95 % of its answers came within.
        answers: Requests whose predictions were compared.
    """

    version: int
    requests: int
    errors: int
    median_ms: float | None
    p95_ms: float | None
    answers: int

    @classmethod
    def of(cls, version: int, counts: Counts, answers: int) -> Side:
        """Sums up what was counted of a version."""
        return cls(
            version=version,
            requests=counts.requests,
            errors=counts.errors,
            median_ms=_milliseconds(counts.seconds(0.5)),
            p95_ms=_milliseconds(counts.seconds(_SHARE)),
            answers=answers,
        )

    @property
    def error_rate(self) -> float:
        """Errors a request."""
        return self.errors / self.requests if self.requests else 0.0


class Rule(BaseModel):
    """A rule, and what was measured.

    Attributes:
        rule: Its key in the recipe's section `rollout`.
        measured: None if there was nothing to measure.
        limit: What the recipe allows.
        p_value: How likely so large a difference is by chance.
        broken: Whether it is larger than allowed, and not by chance.
        sentence: All of it in words.
    """

    rule: Literal["error_rate", "latency_ratio", "prediction_drift"]
    measured: float | None = None
    limit: float
    p_value: float | None = None
    broken: bool = False
    sentence: str


class Comparison(BaseModel):
    """What became of a trial.

    Attributes:
        at: When it was looked at.
        champion: The version that answers most requests.
        candidate: The version on trial.
        rules: What was measured.
        missing: What there is too little of to promote the candidate, in words.
    """

    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    champion: Side
    candidate: Side
    rules: list[Rule]
    missing: list[str]

    @property
    def outcome(self) -> Outcome:
        """What the rules say."""
        if any(rule.broken for rule in self.rules):
            return "roll back"
        return "wait" if self.missing else "promote"

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        if self.outcome == "wait":
            return "; ".join(self.missing)
        wanted = self.outcome == "roll back"
        return "; ".join(rule.sentence for rule in self.rules if rule.broken == wanted)


def compare(
    rules: Rollout,
    champion: tuple[int, Counts, Answers],
    candidate: tuple[int, Counts, Answers],
) -> Comparison:
    """Holds a candidate against the champion.

    Args:
        rules: The recipe's.
        champion: Its version, what was counted, and its predictions by output.
        candidate: Likewise.
    """
    old, new = (Side.of(v, counts, _requests(told)) for v, counts, told in (champion, candidate))
    return Comparison(
        champion=old,
        candidate=new,
        rules=[
            _errors(rules.error_rate, old, new),
            _latency(rules.latency_ratio, champion[1], candidate[1]),
            *_drift(rules.prediction_drift, champion[2], candidate[2]),
        ],
        missing=[*_missing(rules, old, new)],
    )


def _missing(rules: Rollout, champion: Side, candidate: Side) -> Iterator[str]:
    if candidate.requests < rules.fewest_requests:
        yield (
            f"version {candidate.version} has answered {counted(candidate.requests, 'request')}, "
            f"at least {rules.fewest_requests} are asked for"
        )
    for side in (champion, candidate):
        if side.answers < _FEWEST_ANSWERS:
            yield (
                f"the request log has {counted(side.answers, 'answer')} of version {side.version}, "
                f"at least {_FEWEST_ANSWERS} are needed to compare predictions"
            )


def _errors(limit: float, champion: Side, candidate: Side) -> Rule:
    more = candidate.error_rate - champion.error_rate
    test = (candidate.errors, candidate.requests, champion.errors, champion.requests)
    p_value = two_samples.more_often(*test)
    return Rule(
        rule="error_rate",
        measured=more,
        limit=limit,
        p_value=p_value,
        broken=more > limit and p_value < _CHANCE,
        sentence=f"error rate {candidate.error_rate:.2%} of "
        f"{counted(candidate.requests, 'request')}, the champion's is "
        f"{champion.error_rate:.2%} of {champion.requests:,}: at most {limit:.2%} more is allowed",
    )


def _latency(limit: float, old: Counts, new: Counts) -> Rule:
    before, now = old.seconds(_SHARE), new.seconds(_SHARE)
    if math.isnan(before) or math.isnan(now):
        return Rule(rule="latency_ratio", limit=limit, sentence="no latencies to compare")
    ratio = now / before
    # Were the candidate slower by what is allowed, as many would be beyond the champion's
    # percentile times the limit as of the champion's beyond the percentile itself.
    slower = new.slower(limit * before), new.latencies.total()
    p_value = two_samples.more_often(*slower, old.slower(before), old.latencies.total())
    return Rule(
        rule="latency_ratio",
        measured=ratio,
        limit=limit,
        p_value=p_value,
        broken=ratio > limit and p_value < _CHANCE,
        sentence=f"95 % of answers within {1000 * now:.2f} ms, the champion's within "
        f"{1000 * before:.2f} ms: {ratio:.2f} times as long, at most {limit:g} is allowed",
    )


def _drift(limit: float, champion: Answers, candidate: Answers) -> Iterator[Rule]:
    both = {name: array for name, array in candidate.items() if _alike(array, champion.get(name))}
    found = prediction_drift(champion, both)
    corrected = two_samples.holm([apart.p_value for apart in found.values()])
    for (name, apart), p_value in zip(found.items(), corrected, strict=True):
        yield Rule(
            rule="prediction_drift",
            measured=apart.distance,
            limit=limit,
            p_value=p_value,
            broken=apart.distance > limit and p_value < _CHANCE,
            sentence=f"{name} {apart.distance:.3f} apart over "
            f"{counted(len(both[_output(name)]), 'row')} (by chance with probability "
            f"{p_value:.2g}), at most {limit:g} is allowed",
        )
    for name in sorted(champion.keys() - both.keys()) if _requests(candidate) else ():
        yield Rule(
            rule="prediction_drift",
            limit=limit,
            broken=_requests(candidate) >= _FEWEST_ANSWERS,
            sentence=f"{name} is not among its answers as it is among the champion's",
        )


def _alike(array: Array, other: Array | None) -> bool:
    """Whether two outputs can be compared: numbers with numbers, tables with tables."""
    return other is not None and (array.ndim, array.dtype == object) == (
        other.ndim,
        other.dtype == object,
    )


def _output(name: str) -> str:
    return name.partition(" (")[0]


def _requests(answers: Answers) -> int:
    return max((len(array) for array in answers.values()), default=0)


def _milliseconds(seconds: float) -> float | None:
    return None if math.isnan(seconds) else seconds * 1000


def answers(logs: Iterable[PredictionLog]) -> dict[str, Array]:
    """Puts the predictions of logged answers together.

    Args:
        logs: Of one version; what is beyond 50,000 rows is left out.

    Returns:
        By output, rows first; classes by name are left out where there are numbers.
    """
    parts: dict[str, list[Array]] = {}
    rows = 0
    for log in logs:
        told = _predictions(log)
        for name, array in told.items():
            # Signatures may call different things alike: what came first is kept to.
            known = parts.setdefault(name, [])
            if not known or known[0].shape[1:] == array.shape[1:]:
                known.append(array)
        rows += max((len(array) for array in told.values()), default=0)
        if rows >= _MOST_ROWS:
            break
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _predictions(log: PredictionLog) -> dict[str, Array]:
    if log.HasField("predict_log"):
        outputs = log.predict_log.response.outputs
        found = {name: tensors.from_proto(proto) for name, proto in outputs.items()}
    elif log.HasField("classify_log"):
        rows = log.classify_log.response.result.classifications
        found = {"scores": np.array([[entry.score for entry in row.classes] for row in rows])}
    else:
        rows = log.regress_log.response.result.regressions
        found = {"outputs": np.array([row.value for row in rows])}
    return comparable(found)


def comparable(outputs: Mapping[str, Any]) -> dict[str, Array]:
    """Chooses the outputs that tell how a model answers.

    Args:
        outputs: By name.

    Returns:
        Rows of numbers, what is no number as infinity; of a model that answers with texts alone
        these, as `str`.
    """
    tables = {name: array for name, array in outputs.items() if array.ndim in (1, 2)}
    numbers = {n: np.nan_to_num(a, nan=np.inf) for n, a in tables.items() if a.dtype != object}
    return numbers or tables
