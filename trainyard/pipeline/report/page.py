"""Writes a run's report: verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from trainyard.files import write_whole
from trainyard.pipeline.evaluation import METRICS
from trainyard.pipeline.measured import number
from trainyard.pipeline.records import Finding, RunRecord, Verdict
from trainyard.pipeline.report import marks
from trainyard.pipeline.report.data import MOST_COLUMNS, data_section, gate_findings, schema_rows
from trainyard.pipeline.report.quality import quality_sections
from trainyard.pipeline.report.stages import parameters, stages_section
from trainyard.pipeline.report.training import training_section
from trainyard.pipeline.verdict import judge, written
from trainyard.recipe_schema import Recipe
from trainyard.wording import counted

FILE = "report.html"

_TASKS = {
    "binary": "binary classification",
    "multiclass": "multiclass classification",
    "regression": "regression",
    "text": "text",
}
_HERE = Path(__file__).parent


def write_report(record: RunRecord, recipe: Recipe) -> Path:
    """Writes the report of a run that ended, well or not.

    Args:
        record: The run.
        recipe: The recipe that was run.

    Returns:
        The page: one file that opens without a network.
    """
    verdict = record.verdict if record.verdict.sentences else judge(record, recipe)
    file = record.folder / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, _render(record, recipe, verdict))
    return file


def _render(record: RunRecord, recipe: Recipe, verdict: Verdict) -> str:
    training = training_section(record, recipe.heads)
    class_names = training.class_names if training else {}
    schema, schema_count = schema_rows(record, recipe)
    return template(_HERE / "template.html.j2").render(
        record=record,
        recipe=recipe,
        verdict=verdict,
        reasons=_reasons(record, verdict),
        predicted=" and ".join(
            dict.fromkeys(
                f"{_TASKS[head.task]} of {head.label.name}" for head in recipe.heads.values()
            )
        ),
        outcome=_outcome(record, verdict),
        findings=[
            (finding, written(finding), _mark(finding, verdict.findings))
            for finding in verdict.findings
        ],
        data=data_section(record, recipe),
        gate=gate_findings(record),
        schema=schema,
        schema_count=schema_count,
        shown_columns=MOST_COLUMNS,
        training=training,
        qualities=quality_sections(record, verdict.findings, recipe, class_names),
        stages=stages_section(record, recipe),
        parameters=list(parameters(recipe)),
    )


def template(file: Path) -> jinja2.Template:
    """Loads a template of a page that opens with no network; `style` in it is what all share.

    Args:
        file: The template.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(file.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "duration": duration, "percent": _percent}
    environment.filters["counted"] = counted
    environment.globals["style"] = Markup((_HERE / "style.css").read_text("utf-8"))
    return environment.get_template(file.name)


def _outcome(record: RunRecord, verdict: Verdict) -> tuple[str, str]:
    """The tone of the page's head, and its word."""
    if record.state == "running":
        return "waiting", "Running"
    if record.state in ("failed", "interrupted"):
        return "broken", record.state.capitalize()
    return ("good", "Pushed") if verdict.pushed else ("bad", "Not pushed")


def _reasons(record: RunRecord, verdict: Verdict) -> list[str]:
    """The sentences under the headline, but those that the error says anyway."""
    return [text for text in verdict.sentences[1:] if text.rstrip(".") not in record.error]


def _mark(finding: Finding, findings: Sequence[Finding]) -> Markup:
    metric = METRICS[finding.metric]
    alike = [each for each in findings if each.name == finding.name]
    return marks.finding_mark(finding, marks.Scale.of_findings(alike, metric.low, metric.high))


def _number(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(float(value))
    return str(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """Seconds in words.

    Example:
        >>> duration(125)
        '2 min 5 s'
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
