"""From what was measured to alarms: beyond its threshold, and not by chance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from trainyard.recipe_schema import Monitor
from trainyard.serving.monitor import two_samples
from trainyard.serving.monitor.comparisons import Comparison, Test
from trainyard.serving.monitor.report import Alarm, Measure, Window

_WORDS = {
    "linf": "the share of one value is off by",
    "js": "the Jensen-Shannon divergence from training is",
    "ks": "the Kolmogorov-Smirnov distance from training is",
    "psi": "the population stability index is",
    "missing": "the share of rows without a value is off by",
    "new_categories": "more rows than expected have values that training did not see, by",
    "out_of_range": "the share of rows beyond the known range is",
    "prediction": "the distance of the answers from those at the evaluation is",
    "quality": "worse than at the evaluation by",
    "concept": "labels of rows that are answered alike are off by",
    "latency_ms": "the 99th percentile of the time for an answer, in ms, is",
    "error_rate": "the share of requests that failed is",
}


def judge(
    comparisons: Iterable[Comparison], settings: Monitor, window: Window
) -> tuple[list[Measure], list[Alarm]]:
    """Holds what was measured against the recipe's thresholds.

    An alarm needs two things: a distance beyond its threshold, else it would not matter; and a
    p-value below the level, corrected for all that was tested, else it might be chance.

    Args:
        comparisons: What was measured; that without a threshold is left out.
        settings: The recipe's.
        window: What was looked at.

    Returns:
        All measures, and the alarms among them.
    """
    watched = [each for each in comparisons if _threshold(each, settings) is not None]
    corrected = _corrected(watched)
    measures, alarms = [], []
    for each in watched:
        threshold, p_value = float(_threshold(each, settings) or 0), corrected.get(each.test)
        alarming = each.beyond > threshold and (p_value is None or p_value <= settings.level)
        measures.append(
            Measure(
                kind=each.kind,
                column=each.column,
                slice=each.slice,
                measured=each.measured,
                reference=each.reference,
                threshold=threshold,
                p_value=p_value,
                alarming=alarming,
            )
        )
        if alarming:
            alarms.append(_alarm(each, threshold, window))
    return measures, alarms


def _threshold(comparison: Comparison, settings: Monitor) -> float | None:
    threshold: float | None = getattr(settings, comparison.kind)
    return threshold


def _corrected(comparisons: Sequence[Comparison]) -> dict[Test, float]:
    """The p-value of each test, each counted once."""
    tests = {each.test: each.p_value for each in comparisons if each.p_value is not None}
    return dict(zip(tests, two_samples.holm(list(tests.values())), strict=True))


def _alarm(comparison: Comparison, threshold: float, window: Window) -> Alarm:
    return Alarm(
        kind=comparison.kind,
        column=comparison.column,
        slice=comparison.slice,
        measured=comparison.measured,
        threshold=threshold,
        window=str(window),
        sentence="".join(_sentence(comparison, threshold)),
    )


def _sentence(comparison: Comparison, threshold: float) -> Iterator[str]:
    where = f" where {comparison.slice}" if comparison.slice else ""
    yield f"{comparison.column or 'server'}{where}: "
    yield f"{_WORDS[comparison.kind]} {comparison.beyond:.3g} (allowed: {threshold:g})"
    if comparison.detail:
        yield f"; {comparison.detail}"
