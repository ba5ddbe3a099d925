"""Looks at a table and writes a recipe for it that runs as it is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainyard.components.example_gen import lookalikes
from trainyard.errors import DataError, RecipeError
from trainyard.expressions import quoted
from trainyard.files import write_whole
from trainyard.pipeline.starter import leaks, sniffing
from trainyard.pipeline.starter.columns import Facts, Verdict, judge, shown
from trainyard.pipeline.starter.reading import Note, Reading, notes_of, read
from trainyard.pipeline.starter.shape import Shape, shape_for
from trainyard.pipeline.starter.targets import Target, target
from trainyard.raw_values import canonical_text
from trainyard.recipe_schema import Data, Recipe
from trainyard.wording import agreeing, counted

if TYPE_CHECKING:
    import pandas as pd

_FEWEST_ROWS = 20
_MOST_LISTED = 60
_MOST_SLICES = 3
_FEWEST_GROUPS = 30
_LINE = 88


@dataclass(frozen=True)
class Starter:
    """What `trainyard new` wrote.

    Attributes:
        path: The recipe.
        sentences: What was found and assumed.
        warnings: What the user should look at before the first run.
    """

    path: Path
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Table:
    """Everything that was found out about a table."""

    source: sniffing.Source
    reading: Reading
    target: Target
    verdicts: dict[str, Verdict]
    groups: list[str]
    empty_texts: bool
    slices: list[str]
    shape: Shape
    notes: dict[str, Note]
    label: str


def new_recipe(file: Path, data: Path, label: str, *, force: bool = False) -> Starter:
    """Writes a commented starter recipe for a table, or for texts in a file for each class.

    Args:
        file: The recipe to write.
        data: A CSV or Parquet file, or a folder of text files; read once, in blocks, whatever
            its size.
        label: The column to predict.
        force: Whether an existing recipe may be replaced.

    Raises:
        RecipeError: The recipe exists, or the label is no column of the table.
        DataError: The table cannot be read, or cannot be learned from.
    """
    if file.exists() and not force:
        raise RecipeError(
            f"{file} exists already", hint="choose another name, or replace it with --force"
        )
    table = _look(data, label)
    sentences, warnings = _sentences(table), _warnings(table)
    text = _render(file, table, sentences)
    _prove(text)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text)
    return Starter(file, tuple(sentences), tuple(warnings))


def _look(path: Path, label: str) -> _Table:
    source = sniffing.sniff(path)
    place = str(source.path.absolute())
    data = Data(
        path=place,
        format=source.format,
        delimiter=source.delimiter,
        encoding=source.encoding,
    )
    reading = read(data, label)
    if reading.rows < _FEWEST_ROWS:
        raise DataError(
            f"{path} has {counted(reading.rows, 'row')}"
            + (" with a label" if reading.unlabelled else ""),
            expected=f"at least {_FEWEST_ROWS}: they are split into training, eval and test rows",
        )
    return _judge(source, reading, label)


def _judge(source: sniffing.Source, reading: Reading, label: str) -> _Table:
    frame = reading.frame
    goal = target(label, frame[label])
    notes = notes_of(reading)
    facts = {name: Facts(name, frame[name]) for name in frame if name != label}
    verdicts = {name: _noted(judge(fact), notes.get(name)) for name, fact in facts.items()}
    verdicts = _without_leaks(verdicts, frame, label, goal)
    verdicts |= {
        name: Verdict("ignored", f"{kind}, which is not one value a row: not read")
        for name, kind in reading.unread.items()
    }
    if all(verdict.kind == "ignored" for verdict in verdicts.values()):
        raise DataError(
            f"{source.path} has no column to learn from",
            expected="a column besides the label that is not an identifier or a date",
            received="; ".join(f"{name}: {v.reason}" for name, v in list(verdicts.items())[:5]),
        )
    shape = shape_for(reading.rows)
    return _Table(
        source,
        reading,
        goal,
        verdicts,
        groups=_groups(facts, verdicts),
        empty_texts=any(_some_empty(facts[name]) for name in _texts(verdicts)),
        slices=_slices(facts, verdicts, shape, reading),
        shape=shape,
        notes=notes,
        label=label,
    )


def _noted(verdict: Verdict, note: Note | None) -> Verdict:
    if note is None:
        return verdict
    warning = note.warning if verdict.kind != "ignored" else ""
    return replace(
        verdict,
        reason=f"{verdict.reason}; {note.reason}" if note.reason else verdict.reason,
        warning=verdict.warning or warning,
    )


def _without_leaks(
    verdicts: dict[str, Verdict], frame: pd.DataFrame, label: str, goal: Target
) -> dict[str, Verdict]:
    inputs = {name: frame[name] for name, verdict in verdicts.items() if verdict.kind != "ignored"}
    copies = leaks.copies(inputs, frame[label])
    suspects = leaks.leaks(
        {name: inputs[name] for name in inputs if name not in copies}, goal.numbers, goal.task
    )
    for name in copies:
        warning = f"column {name!r} is the label under another name; it is ignored"
        verdicts[name] = Verdict("ignored", "the label under another name", warning=warning)
    for name, finding in suspects.items():
        warning = f"column {name!r} {finding}: is it known at the time of the prediction?"
        verdicts[name] = replace(verdicts[name], warning=f"{warning} If not, write `ignored`.")
    return verdicts


def _groups(facts: Mapping[str, Facts], verdicts: Mapping[str, Verdict]) -> list[str]:
    """Columns whose values several rows have: what names entities first, then texts."""
    entities = [name for name, fact in facts.items() if _repeats(fact)]
    texts = [facts[name] for name in _texts(verdicts)]
    return entities + [text.name for text in texts if text.distinct < len(text.present)]


def _texts(verdicts: Mapping[str, Verdict]) -> list[str]:
    return [name for name, verdict in verdicts.items() if verdict.kind == "text"]


def _some_empty(facts: Facts) -> bool:
    return bool(facts.missing) or bool((facts.present.str.strip() == "").any())


def _repeats(facts: Facts) -> bool:
    """Whether the column names entities that have several rows each."""
    several = _FEWEST_GROUPS <= facts.distinct <= len(facts.present) / 1.5
    return facts.named_as_identifier and several and not facts.missing


def _slices(
    facts: Mapping[str, Facts], verdicts: Mapping[str, Verdict], shape: Shape, reading: Reading
) -> list[str]:
    """Columns whose every value has rows enough in the split that is judged."""
    share = shape.judged_share * reading.rows / len(reading.frame)
    fitting = [
        name
        for name, fact in facts.items()
        if verdicts[name].kind == "categorical"
        and 2 <= fact.distinct <= 10
        and fact.counts.min() * share >= shape.min_slice_size
    ]
    return fitting[:_MOST_SLICES]


def _sentences(table: _Table) -> list[str]:
    reading = table.reading
    ignored = [name for name, verdict in table.verdicts.items() if verdict.kind == "ignored"]
    inputs = len(table.verdicts) - len(ignored)
    size = f"Rows: {reading.rows:,}; inputs: {inputs}; ignored columns: {len(ignored)}."
    sentences = [*table.source.sentences, size, *table.target.sentences]
    if not reading.complete:
        sentences.insert(
            1,
            f"Judged by {counted(len(reading.frame), 'row')}, spread evenly over the "
            f"{reading.rows:,}.",
        )
    if reading.unlabelled:
        rows = f"{reading.unlabelled:,} of {counted(reading.unlabelled + reading.rows, 'row')}"
        verb, them = agreeing(reading.unlabelled, "has it", "have them").split()
        sentences.insert(1, f"{rows} {verb} no label: `where` leaves {them} out.")
    if table.groups:
        sentences.append(
            f"Rows are kept together by {shown(table.groups[0])!r}, whose values repeat: the same "
            "one never sits in training and test rows."
        )
    return sentences


def _warnings(table: _Table) -> list[str]:
    warnings = [verdict.warning for verdict in table.verdicts.values() if verdict.warning]
    warnings += _label_warnings(table)
    warnings += table.reading.copies
    warnings += [
        f"column {name!r} also looks like a name of something that repeats: if it is what must "
        "not sit in two splits, make it data.key"
        for name in table.groups[1:]
    ]
    if table.target.warning:
        warnings.append(table.target.warning)
    if table.target.imbalanced:
        warnings.append("one class is rare: see `class_weights` in the recipe")
    if table.target.rarest and table.target.rarest < 3 * _FEWEST_ROWS / 4:
        warnings.append(
            f"the rarest class has {counted(table.target.rarest, 'row')}: "
            "it may be missing in a split"
        )
    if table.reading.rows < 200:
        warnings.append(
            f"only {counted(table.reading.rows, 'row')}: the metrics will vary from run to run"
        )
    return warnings


def _label_warnings(table: _Table) -> Iterator[str]:
    label, reading = table.label, table.reading
    yield from _label_doubts(table)
    if reading.no_label:
        words = ", ".join(map(repr, reading.no_label))
        yield (
            f"where the label {label!r} is {words}, it is taken to be missing: if that is a class, "
            f"write `not_missing: {{{label}: [...]}}` in `data`"
        )
    if reading.missing:
        words = ", ".join(map(repr, reading.missing))
        yield f"{words} among numbers is taken for a missing value: see `missing` in the recipe"
    if reading.none_is_class:
        yield (
            f"the label {label!r} is None in some rows, which is taken for a class of that name: "
            "if it means that there is no label, remove `not_missing` from the recipe"
        )


def _label_doubts(table: _Table) -> Iterator[str]:
    """What the label may be meant as."""
    note = table.notes.get(table.label)
    facts = Facts(table.label, table.reading.frame[table.label])
    yield from filter(None, [note.warning if note else "", facts.alike])


def _render(file: Path, table: _Table, sentences: list[str]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"yaml": _scalar, "value": _value, "format": lookalikes.shown}
    environment.filters |= {"remark": _remark, "comment": _comment, "counted": counted}
    features = _listed(table.verdicts)
    return environment.get_template("recipe.yaml.j2").render(
        table.__dict__,
        name=_name(file),
        file_name=file.name,
        source_name=table.source.name,
        data_path=_relative(table.source.path, file.parent),
        sentences=sentences,
        features=features,
        label_doubts=[*_label_doubts(table)],
        texts=_texts(table.verdicts),
        left_out=len(table.verdicts) - len(features),
        missing=[*Data(path="").missing, *table.reading.missing],
        condition=f"{quoted(table.label)} is not missing",
    )


def _listed(verdicts: dict[str, Verdict]) -> dict[str, Verdict]:
    """All columns, or of a wide table those that are not as the column's type says."""
    if len(verdicts) <= _MOST_LISTED:
        return verdicts
    return {n: v for n, v in verdicts.items() if v.kind != "numeric" or v.warning}


def _prove(text: str) -> None:
    """Reads the recipe back: what does not validate must not be written."""
    from ruamel.yaml import YAML

    Recipe.model_validate(YAML(typ="safe").load(text))


def _name(file: Path) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", file.stem.lower()).strip("_")
    return (words if words[:1].isalpha() else f"recipe_{words}".rstrip("_"))[:63]


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:  # another drive
        return path.absolute().as_posix()


def _scalar(text: str) -> str:
    """YAML for a text: plain where nobody could take it for something else."""
    is_plain = re.fullmatch(r"[A-Za-z_][\w./-]*", text, re.ASCII)
    is_word = text.lower() in {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
    if is_plain and not is_word:
        return text
    return "".join(
        c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(text, ensure_ascii=False)
    )


def _value(value: Any) -> str:
    """YAML for a raw value: `2` for a number, `"2"` for text."""
    return _scalar(value) if isinstance(value, str) else canonical_text(value)


def _remark(text: str) -> str:
    """Text for a comment: on one line, without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown(text, 200))


def _comment(text: str) -> str:
    import textwrap

    return textwrap.fill(_remark(text), _LINE, initial_indent="# ", subsequent_indent="#   ")
