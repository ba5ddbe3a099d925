"""The registry on a screen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trainyard.pipeline.records import Finding
from trainyard.pipeline.registry.decisions import Decision
from trainyard.pipeline.registry.versions import Version, flat
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import HeadDescription

if TYPE_CHECKING:  # they load TensorFlow
    from trainyard.pipeline.registry.comparison import Comparison
    from trainyard.pipeline.registry.shadow import ShadowReport

_METRICS = 4
_DIGITS = 4


def listing(versions: Sequence[Version]) -> RenderableType:
    """A line a version, newest first.

    Args:
        versions: Those there are.
    """
    names = [name for name in _names(v.metrics for v in versions) if name != "example_count"]
    names = names[:_METRICS]
    table = _table("version", "alias", "pushed", "run", "module", *names, "size")
    for version in reversed(versions):
        table.add_row(
            str(version.number),
            version.alias,
            f"{version.pushed:%Y-%m-%d %H:%M}" if version.pushed else "",
            version.run if version.blessed else "by hand: not blessed",
            str(version.hyperparameters.get("module", "")),
            *(_number(version.metrics.get(name)) for name in names),
            _size(version.bytes),
        )
    return table


def shown(version: Version, decided: Iterable[Decision]) -> RenderableType:
    """All that is known of a version.

    Args:
        version: Which.
        decided: All decisions; those about it are shown.
    """
    facts = {
        "alias": version.alias,
        "folder": str(version.folder),
        "size": _size(version.bytes),
        "pushed": f"{version.pushed:%Y-%m-%d %H:%M:%S} UTC" if version.pushed else "not known",
        "run": version.run if version.blessed else "none: pushed by hand, not blessed",
        "model": version.model,
    }
    sections: list[tuple[str, Mapping[str, Any]]] = [
        (f"version {version.number}", {key: value for key, value in facts.items() if value}),
        ("predicts", _predicted(version)),
        ("metrics", {name: _number(value) for name, value in version.metrics.items()}),
        ("thresholds", {_bound(f): _number(f.value) for f in version.findings}),
        ("data", version.data),
        ("hyperparameters", version.hyperparameters),
        ("code", version.code | version.packages),
        ("artifacts", version.artifacts),
        ("lineage", version.lineage),
        ("decisions", _said(version, decided)),
    ]
    return Group(*(_section(title, facts) for title, facts in sections if facts))


def _predicted(version: Version) -> dict[str, str]:
    """Each label with its values; nothing of a model that Trainyard did not make."""
    if not (version.folder / description.FILE).is_file():
        return {}
    return {head.label: _values(head) for head in description.read(version.folder).heads.values()}


def _values(head: HeadDescription) -> str:
    positive = f"; {head.class_names[-1]!r} is positive" if head.task == "binary" else ""
    return f"{head.task} {', '.join(map(repr, head.class_names))}{positive}".strip()


def _bound(finding: Finding) -> str:
    return (
        f"{'kept' if finding.ok else 'broken'}: {finding.name} on {finding.slice} {finding.bound}"
    )


def _said(version: Version, decided: Iterable[Decision]) -> dict[str, str]:
    return {
        f"{decision.at:%Y-%m-%d %H:%M:%S}  {decision.what}": f"{decision.reason} ({decision.by})"
        for decision in decided
        if decision.version == version.number
    }


def differences(old: Version, new: Version) -> dict[str, dict[str, tuple[Any, Any]]]:
    """What two versions do not have in common.

    Args:
        old: One.
        new: The other.

    Returns:
        By section and key the values of both; None where one has none.
    """
    recipes = [
        dict(flat({key: value for key, value in version.recipe.items() if key != "trainer"}))
        for version in (old, new)
    ]
    sections: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "metrics": (old.metrics, new.metrics),
        "hyperparameters": (old.hyperparameters, new.hyperparameters),
        "recipe": (recipes[0], recipes[1]),
        "data": (old.data, new.data),
        "code": (old.code | old.packages, new.code | new.packages),
    }
    return {
        title: {
            key: (before.get(key), after.get(key))
            for key in _names(sections[title])
            if before.get(key) != after.get(key)
        }
        for title, (before, after) in sections.items()
    }


def difference(old: Version, new: Version) -> RenderableType:
    """What two versions do not have in common, as tables.

    Args:
        old: One.
        new: The other.
    """
    found = {title: rows for title, rows in differences(old, new).items() if rows}
    if not found:
        return Text(f"versions {old.number} and {new.number} differ in nothing that is known")
    tables: list[RenderableType] = []
    for title, rows in found.items():
        table = _table(title, f"version {old.number}", f"version {new.number}")
        for key, (before, after) in rows.items():
            table.add_row(key, _value(before), _value(after))
        tables.append(table)
    return Group(*tables)


def compared(comparison: Comparison) -> RenderableType:
    """A champion and a candidate side by side, and what the rules say.

    Args:
        comparison: Of both.
    """
    sides = (comparison.champion, comparison.candidate)
    versions = [f"version {side.version}" for side in sides]
    table = _table("", f"{versions[0]} (champion)", versions[1])
    rows = {
        "requests": [str(side.requests) for side in sides],
        "errors": [f"{side.errors} ({side.error_rate:.2%})" for side in sides],
        "median": [_milliseconds(side.median_ms) for side in sides],
        "95 % within": [_milliseconds(side.p95_ms) for side in sides],
        "answers compared": [str(side.answers) for side in sides],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    rules = _table("rule", "", "")
    for rule in comparison.rules:
        rules.add_row(rule.rule, "broken" if rule.broken else "kept", rule.sentence)
    return Group(table, rules)


def decided(decision: Decision | None, comparison: Comparison | None) -> str:
    """What was decided of a trial, in a sentence.

    Args:
        decision: What was recorded; None if nothing was.
        comparison: What it rests on, if there was one.
    """
    if decision is None and comparison is not None:
        if comparison.outcome == "wait":
            return f"too early: {comparison.reason}"
        number = comparison.candidate.version
        return f"version {number} kept all rules; trainyard models promote RECIPE {number}"
    assert decision is not None
    if decision.what == "canary":
        return f"version {decision.version} is {decision.reason}"
    return f"version {decision.version} answers all requests: {decision.reason}"


def replayed(report: ShadowReport) -> str:
    """What became of a replay, in sentences.

    Args:
        report: Of the replay.
    """
    lines = [
        f"{name}: answers to one row are {apart:.4g} apart on average"
        for name, apart in report.differences.items()
    ]
    lines += [f"{count} times: {words}" for words, count in report.failures.items()]
    candidate, outcome = report.comparison.candidate.version, report.comparison.outcome
    verdicts = {
        "promote": "kept all rules",
        "roll back": "broke a rule",
        "wait": f"broke no rule yet: {report.comparison.reason}",
    }
    return "\n".join([*lines, f"version {candidate} {verdicts[outcome]}"])


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} ms"


def _names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return [*dict.fromkeys(name for mapping in mappings for name in mapping)]


def _section(title: str, facts: Mapping[str, Any]) -> Table:
    table = _table(title, "")
    for key, value in facts.items():
        table.add_row(key, _value(value))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _value(value: Any) -> str:
    if isinstance(value, float):
        return _number(value)
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{_DIGITS}g}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
