"""What was measured, held against the thresholds of the evaluation: findings in numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from trainyard.components.evaluator import companions
from trainyard.pipeline.evaluation import EXAMPLE_COUNT, METRICS, ROUNDING
from trainyard.pipeline.measured import Measured, Slice, number
from trainyard.pipeline.records import Finding


def of(measured: Measured) -> list[list[Finding]]:
    """Holds every bound of an evaluation's own configuration against what was measured.

    Args:
        measured: One head's evaluation.

    Returns:
        One list a bound, with one finding for each slice that it means.
    """
    groups = [
        list(_of_bound(json.loads(metric.config), bound, measured))
        for metric in measured.metrics
        for bound in metric.per_slice_thresholds
    ]
    return [group for group in groups if not all(map(_is_floor, group))]


def _is_floor(finding: Finding) -> bool:
    """The bound that every evaluation has, at least one example, where it held."""
    return finding.ok and finding.metric == EXAMPLE_COUNT and finding.low == 1


def _of_bound(settings: dict[str, Any], bound: Any, measured: Measured) -> Iterator[Finding]:
    for slicing_spec in bound.slicing_specs:
        found = measured.matching(slicing_spec)
        asked = _asked(slicing_spec)
        update: dict[str, Any] = {"head": measured.head}
        if not found:
            update["nearest"] = [part.name for part in measured.nearest(asked)]
        slices = found or [Slice(asked, {}, {})]
        for make in _makers(settings, bound.threshold):
            yield from (make(part).model_copy(update=update) for part in slices)


def _makers(settings: dict[str, Any], threshold: Any) -> Iterator[Callable[[Slice], Finding]]:
    """What makes findings of a metric's threshold."""
    if settings["name"].endswith(companions.GAIN):
        yield partial(_reference_finding, settings)
        return
    for kind, make in _FINDING_OF.items():
        if threshold.HasField(kind):
            yield partial(make, settings["name"], threshold)


def _reference_finding(settings: dict[str, Any], part: Slice) -> Finding:
    gain = settings["name"]
    metric = gain.removesuffix(companions.GAIN)
    trivial = part.beside.get(f"{metric}{companions.TRIVIAL}", math.nan)
    lower_is_better = METRICS[metric].better == "lower"
    words = (settings.get("answer") or {}).get("words", "the trivial answer")
    rows = part.candidate.get(EXAMPLE_COUNT, 0)
    return _finding(
        metric=metric,
        slice=part.name,
        value=part.candidate.get(metric, math.nan),
        bound=f"beats {words} ({number(trivial)}) by more than chance "
        f"(95 % interval, {rows:,.0f} rows)",
        low=None if lower_is_better else trivial,
        high=trivial if lower_is_better else None,
        kind="beats",
    ).model_copy(update={"ok": part.beside.get(gain, math.nan) > 0})


def _asked(slicing_spec: Any) -> tuple[tuple[str, str], ...]:
    columns = [(column, "any value") for column in slicing_spec.feature_keys]
    return (*columns, *sorted(slicing_spec.feature_values.items()))


def _value_finding(metric: str, threshold: Any, part: Slice) -> Finding:
    bounds = threshold.value_threshold
    low = bounds.lower_bound.value if bounds.HasField("lower_bound") else None
    high = bounds.upper_bound.value if bounds.HasField("upper_bound") else None
    words = {"at least": low, "at most": high}
    return _finding(
        metric=metric,
        slice=part.name,
        value=part.candidate.get(metric, math.nan),
        bound=" and ".join(f"{word} {end:.12g}" for word, end in words.items() if end is not None),
        low=low,
        high=high,
        kind="value",
    )


def _change_finding(metric: str, threshold: Any, part: Slice) -> Finding:
    baseline = part.baseline.get(metric, math.nan)
    limit = threshold.change_threshold.absolute.value
    lower_is_better = METRICS[metric].better == "lower"
    return _finding(
        metric=metric,
        slice=part.name,
        value=part.candidate.get(metric, math.nan),
        bound=_change_words(limit if lower_is_better else -limit, lower_is_better),
        baseline=baseline,
        low=None if lower_is_better else baseline + limit,
        high=baseline + limit if lower_is_better else None,
        kind="change",
    )


def _change_words(slack: float, lower_is_better: bool) -> str:
    worse, better = ("more", "less") if lower_is_better else ("less", "more")
    worse_by = slack - ROUNDING
    if abs(worse_by) < ROUNDING:
        return f"no {worse}"
    return (
        f"at most {worse_by:.9g} {worse}" if worse_by > 0 else f"at least {-worse_by:.9g} {better}"
    )


_FINDING_OF: dict[str, Callable[[str, Any, Slice], Finding]] = {
    "value_threshold": _value_finding,
    "change_threshold": _change_finding,
}


def _finding(value: float, low: float | None, high: float | None, **rest: Any) -> Finding:
    above = low is None or value >= low
    below = high is None or value <= high
    rest |= {"baseline": _defined(rest.get("baseline"))}
    return Finding(
        value=_defined(value), low=_defined(low), high=_defined(high), ok=above and below, **rest
    )


def _defined(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or math.isnan(value) else value
