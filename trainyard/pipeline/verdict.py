"""Pushed or not, and why: findings in numbers, and sentences for people.

Everything is read from what the stages wrote, so the answer is the same for a
run that just ended and for one whose stages were all unchanged.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainyard import outputs
from trainyard.components.evaluator.omitted import Omitted
from trainyard.components.evaluator.omitted import read as read_omitted
from trainyard.components.example_gen import (
    division,
    left_out,
    lost_digits,
    quarantine,
    unlike_files,
)
from trainyard.components.example_gen.division import Division
from trainyard.pipeline import findings, metadata, records
from trainyard.pipeline.evaluation import ROUNDING
from trainyard.pipeline.measured import Measured, number, read_measured
from trainyard.pipeline.records import Finding, RunRecord, StageRecord, Verdict
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness import names
from trainyard.wording import counted

_BLESSED_FILE = "BLESSED"


def judge(record: RunRecord, recipe: Recipe) -> Verdict:
    """Reads what the Evaluator and the Pusher wrote.

    Args:
        record: The run; it may have failed, or still be going on.
        recipe: The recipe that was run.

    Returns:
        The verdict, with the sentences of `trainyard why`.
    """
    folder = finished_output(record, "Evaluator", "evaluation")
    measured = read_measured(folder) if folder else {}
    groups = [group for each in measured.values() for group in findings.of(each)]
    push = _push(record)
    verdict = Verdict(
        blessed=_is_blessed(record),
        pushed=bool(push.get("pushed")),
        version=str(push.get("version", "")),
        destination=str(push.get("destination", "")),
        findings=sorted((each for group in groups for each in group), key=lambda each: each.ok),
        metrics=_overall(measured),
        baseline_run=_maker(record, record.output("Baseline", "model")),
    )
    omitted = read_omitted(folder) if folder else None
    if omitted:
        verdict.baseline_run = _maker(record, Path(omitted.model))
    verdict.sentences = _outcome(record, verdict, push, omitted)
    if measured:
        about = [
            *_about_thresholds(groups, verdict),
            *_about_baseline(verdict, recipe, measured, omitted),
        ]
        headline = verdict.sentences[0]
        verdict.sentences += [text for text in about if not headline.lower().endswith(text.lower())]
    examples = finished_output(record, "ExampleGen", "examples")
    if measured and verdict.baseline_run:
        verdict.sentences += _learned_before(record, recipe, verdict.baseline_run)
    verdict.sentences += [*_about_rows(examples, recipe)] if examples else []
    verdict.sentences += [*_lost_digits(examples, recipe)] if examples else []
    verdict.sentences += [*_unlike_files(examples, recipe)] if examples else []
    verdict.sentences += _constant_inputs(record)
    return verdict


def _constant_inputs(record: RunRecord) -> Iterator[str]:
    """Names the inputs that the model could not learn from."""
    folder = finished_output(record, "Trainer", "model_run")
    file = folder / names.CONSTANT_INPUTS if folder else None
    constant = json.loads(file.read_text("utf-8")) if file and file.exists() else {}
    for column, reason in constant.items():
        yield (
            f"Warning: the input {column!r} is the same in all training rows after Transform "
            f"({reason}): the model has learned nothing from it."
        )


def _lost_digits(examples: Path, recipe: Recipe) -> Iterator[str]:
    """Names the columns whose values are no longer told apart."""
    properties = metadata.properties(Workspace.of(recipe).metadata, str(examples))
    for lost in lost_digits.read(properties):
        yield f"Warning: of the column {lost.column!r} {lost.words}: {lost_digits.REMEDY}."


def _unlike_files(examples: Path, recipe: Recipe) -> Iterator[str]:
    """Names the columns that are text because the files do not agree."""
    properties = metadata.properties(Workspace.of(recipe).metadata, str(examples))
    unlike = unlike_files.read(properties)
    yield from (f"Warning: {words}." for words in unlike_files.about(unlike, recipe))


def _learned_before(record: RunRecord, recipe: Recipe, baseline_run: str) -> Iterator[str]:
    """Says so if the model in service has learned rows that it is now judged on."""
    earlier = records.find_run(baseline_run)
    then, now = (each.output("ExampleGen", "examples") for each in (earlier, record))
    train = next(iter(recipe.data.split.buckets))
    learned = division.learned(then, now, train) if then and now else None
    if learned is None or not (learned.rows or learned.complete):
        yield from _divided_differently(record, recipe, earlier)
    elif learned.rows:
        yield f"Warning: {learned.sentence(baseline_run)}, so the comparison favors it."


def _divided_differently(record: RunRecord, recipe: Recipe, earlier: RunRecord) -> Iterator[str]:
    """What can be said of a run that did not keep the identities of its rows."""
    ours, theirs = (_division(each, recipe) for each in (record, earlier))
    if ours.rule and ours.rule != theirs.rule:
        yield (
            f"For run {earlier.id} (the model in service) the rows were divided differently "
            f"({theirs.rule or 'by an earlier Trainyard'}; now {ours.rule}): it may have been "
            "trained on rows that both models are judged on here, so the comparison favors it."
        )


def _division(record: RunRecord, recipe: Recipe) -> Division:
    examples = str(record.output("ExampleGen", "examples"))
    return Division.read(metadata.properties(Workspace.of(recipe).metadata, examples))


def _about_rows(examples: Path, recipe: Recipe) -> Iterator[str]:
    """Says what may mislead about the splits, and which rows of the input are in none."""
    properties = metadata.properties(Workspace.of(recipe).metadata, str(examples))
    yield from Division.read(properties).warnings()
    if unwanted := left_out.sentence(left_out.read(properties)):
        yield f"Rows left out, as the recipe says: {unwanted}."
    if summary := quarantine.read(examples):
        place = examples / quarantine.FOLDER / quarantine.ROWS
        yield f"{summary.sentence()}; they are in {place}."


def finished_output(record: RunRecord, stage: str, key: str) -> Path | None:
    """An output of a stage that came to its end; a failed one may have left half of it.

    Args:
        record: The run.
        stage: The stage's name.
        key: The output's key.

    Returns:
        The artifact's folder, or None.
    """
    states = {entry.name: entry.state for entry in record.stages}
    folder = record.output(stage, key)
    ended = states.get(stage) in ("done", "unchanged")
    return folder if folder and folder.is_dir() and ended else None


def _push(record: RunRecord) -> dict[str, Any]:
    folder = finished_output(record, "Pusher", "pushed_model")
    file = folder / "push.json" if folder else None
    return dict(json.loads(file.read_text("utf-8"))) if file and file.exists() else {}


def _is_blessed(record: RunRecord) -> bool:
    folder = finished_output(record, "Evaluator", "blessing")
    return bool(folder and (folder / _BLESSED_FILE).exists())


def _overall(measured: Mapping[str, Measured]) -> dict[str, float]:
    return {
        names.of(head, name): value
        for head, each in measured.items()
        for name, value in (each.overall.candidate if each.overall else {}).items()
        if math.isfinite(value)  # JSON has no NaN: an undefined metric is left out
    }


def _maker(record: RunRecord, model: Path | None) -> str:
    """The id of the run that trained a model; empty if it is not remembered."""
    runs = records.all_runs(record.recipe) if model else ()
    makers = [run.id for run in runs if run.output("Trainer", "model") == model]
    return makers[-1] if makers else ""  # newest first: the last one made it


# Sentences.


def _outcome(
    record: RunRecord, verdict: Verdict, push: dict[str, Any], omitted: Omitted | None
) -> list[str]:
    """What became of the model, in one or two sentences."""
    failed = next((stage for stage in record.stages if stage.state == "failed"), None)
    if record.state == "interrupted":
        return [
            f"Not pushed: the run was interrupted{_during(failed)}.",
            f"`trainyard resume {record.id}` goes on with it.",
        ]
    if record.error or failed:
        why = record.error or (failed.reason if failed else "")
        return [f"Not pushed: the run failed{_during(failed)}.", *_reason(why)]
    if verdict.pushed:
        return [_pushed(record, verdict, push)]
    if finished_output(record, "Pusher", "pushed_model") is None:
        return ["Not pushed: the run has not come to the Pusher."]
    if verdict.blessed:
        return [
            f"Not pushed, though every threshold held: {push.get('reason', 'no reason given')}."
        ]
    return [f"Not pushed: {_missed(verdict, omitted)}", *_unchanged(record)]


def _missed(verdict: Verdict, omitted: Omitted | None) -> str:
    failed = [finding for finding in verdict.findings if not finding.ok]
    if not failed and omitted:
        sentence = _not_compared(verdict, omitted)
        return f"{sentence[0].lower()}{sentence[1:]}"
    if len(failed) == 1:
        return _one(failed[0], verdict)
    checks = f"{len(failed)} of {counted(len(verdict.findings), 'check')} failed."
    return checks if failed else "the Evaluator did not bless the model."


def _during(stage: StageRecord | None) -> str:
    return f" in {stage.name}" if stage else ""


def _reason(error: str) -> list[str]:
    lines = error.strip().splitlines()
    return [_sentence(lines[0])] if lines else []


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _pushed(record: RunRecord, verdict: Verdict, push: dict[str, Any]) -> str:
    pushed_by = str(push.get("run", record.id))
    if pushed_by not in (record.id, record.known_as):
        return (
            f"Nothing to push: this is the model that run {pushed_by} pushed "
            f"as version {verdict.version}, to {verdict.destination}."
        )
    return f"Pushed: version {verdict.version} is in {verdict.destination}."


def _unchanged(record: RunRecord) -> list[str]:
    """Names the run whose evaluation this one took over."""
    evaluator = next((stage for stage in record.stages if stage.name == "Evaluator"), None)
    if evaluator is None or evaluator.state != "unchanged":
        return []
    uri = evaluator.outputs.get("evaluation")
    same = [
        run.id
        for run in records.all_runs(record.recipe)
        if run.id != record.id and run.output("Evaluator", "evaluation") == Path((uri or [""])[0])
    ]
    return [f"Nothing has changed since run {same[-1]}, so its evaluation stands."] if same else []


def _about_thresholds(groups: list[list[Finding]], verdict: Verdict) -> Iterator[str]:
    for group in groups:
        yield from (_one(finding, verdict) for finding in group if not finding.ok)
    for group in groups:
        held = [finding for finding in group if finding.ok]
        if held:
            yield _closest(held, verdict)
    if not groups:
        yield "The recipe sets no threshold that could hold the model back."


def _about_baseline(
    verdict: Verdict, recipe: Recipe, measured: Mapping[str, Measured], omitted: Omitted | None
) -> Iterator[str]:
    if omitted:
        yield _not_compared(verdict, omitted)
    elif recipe.evaluation.change and not any(each.has_baseline for each in measured.values()):
        serving = Workspace.of(recipe).serving
        others = [each.name for each in outputs.versions(serving) if each.name != verdict.version]
        yield _nothing_compared(others)


def _nothing_compared(others: Sequence[str]) -> str:
    """Says why there was no baseline, although there may be other versions."""
    if not others:
        return (
            "No earlier model has been blessed, so there was nothing to compare with: "
            "the change thresholds were left out."
        )
    return (
        f"Warning: version {others[-1]} has been pushed, but was not compared with: no run has "
        "pushed it, it predicts something else, or its run's files are no longer where the run "
        "has them (was the output folder moved?). The change thresholds were left out."
    )


def _not_compared(verdict: Verdict, omitted: Omitted) -> str:
    earlier = f"run {verdict.baseline_run}" if verdict.baseline_run else "an earlier run"
    advice = (
        "; with `evaluation.without_baseline: true` the model is pushed all the same"
        if omitted.blocks
        else ""
    )
    return (
        f"The model in service ({earlier}) cannot be compared with: "
        f"{'; '.join(omitted.reasons)}{advice}."
    )


def _closest(held: list[Finding], verdict: Verdict) -> str:
    """One sentence for a bound that held on several slices: its closest call."""
    sentence = _one(min(held, key=_margin), verdict)
    if len(held) == 1:
        return sentence
    return f"{sentence[:-1]}. That is the closest of the {counted(len(held), 'slice')} that passed."


def _margin(finding: Finding) -> float:
    value = finding.value or 0.0
    return min(abs(end - value) for end in _ends(finding))


def _ends(finding: Finding) -> list[float]:
    return [end for end in (finding.low, finding.high) if end is not None]


def _one(finding: Finding, verdict: Verdict) -> str:
    place, asked = f"{finding.name} on {finding.slice}", f"the recipe asks for {finding.bound}"
    if finding.value is None:
        return (
            f"{place} could not be measured: there are no such examples, fewer than "
            f"`min_slice_size`, or too few kinds of label among them; {asked}.{_instead(finding)}"
        )
    if finding.kind == "beats":
        beats = (
            finding.bound if finding.ok else f"does not beat{finding.bound.removeprefix('beats')}"
        )
        return f"{place} is {written(finding)}: it {beats}."
    if finding.kind == "value":
        return f"{place} is {written(finding)}; {asked}."
    earlier = f"run {verdict.baseline_run}" if verdict.baseline_run else "an earlier run"
    if finding.baseline is None:
        return f"{place} is {number(finding.value)}; {earlier} (the model in service) has none."
    return (
        f"{place} is {number(finding.value, apart=finding.baseline)}, {earlier} (the model "
        f"in service) had {number(finding.baseline, apart=finding.value)}: "
        f"{_difference(finding)}; {asked}."
    )


def _instead(finding: Finding) -> str:
    return f" The nearest slices are {'; '.join(finding.nearest)}." if finding.nearest else ""


def written(finding: Finding) -> str:
    """The measured value, never so rounded that it looks like the bound it missed."""
    if finding.value is None:
        return "not measured"
    value = finding.value
    return number(value, apart=min(_ends(finding), key=lambda end: abs(end - value), default=None))


def _difference(finding: Finding) -> str:
    assert finding.value is not None
    assert finding.baseline is not None
    difference = finding.value - finding.baseline
    if not difference:
        return "the same"
    (limit,) = _ends(finding)
    allowed = abs(limit - finding.baseline) - ROUNDING
    return f"{number(abs(difference), apart=allowed)} {'more' if difference > 0 else 'less'}"
