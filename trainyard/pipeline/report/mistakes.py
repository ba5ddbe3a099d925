"""The report's section on single mistakes: images as pictures, other rows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainyard.components.evaluator import mistakes
from trainyard.components.evaluator.mistakes import Mistake
from trainyard.pipeline.measured import number
from trainyard.pipeline.report import examples, pictures
from trainyard.pipeline.report.pictures import Picture
from trainyard.recipe_schema import ONLY, Recipe
from trainyard.wording import agreeing, counted

MOST_COLUMNS = 20
MOST_ROWS = 12
SIDE = 96


@dataclass(frozen=True)
class Shown:
    """One mistake.

    Attributes:
        actual: The true class or value.
        predicted: The predicted one.
        how: How sure the model was, or by how much it is off.
        picture: The image, if the data are images.
        file: The image's file, or empty.
        values: The row's inputs in the order of the section's columns.
    """

    actual: str
    predicted: str
    how: str
    picture: Picture | None
    file: str
    values: list[str]


@dataclass(frozen=True)
class MistakesSection:
    """What the report says of single mistakes.

    Attributes:
        title: For the heading.
        note: What is shown, or why nothing is.
        how: What each mistake's `how` is.
        shown: The mistakes, the worst first.
        in_pictures: Whether they are images.
        columns: Of the table that the others are shown in.
        columns_left_out: How many inputs are not among them.
    """

    title: str
    note: str
    how: str = ""
    shown: list[Shown] = field(default_factory=list)
    in_pictures: bool = False
    columns: list[str] = field(default_factory=list)
    columns_left_out: int = 0


def mistakes_section(
    evaluation: Path, recipe: Recipe, class_names: Sequence[str], head: str = ONLY
) -> MistakesSection | None:
    """Reads the mistakes that the Evaluator kept; None for text, which is seldom just wrong.

    Args:
        evaluation: The artifact's folder.
        recipe: The recipe that was run.
        class_names: The classes in the order of the predictions.
        head: Whose mistakes.
    """
    if recipe.heads[head].task == "text":
        return None
    of_classes = recipe.heads[head].task != "regression"
    title = "Most confident mistakes" if of_classes else "Largest errors"
    found = mistakes.read(evaluation, head)
    if found is None:
        return MistakesSection(title, "TFX's own Evaluator judged the model: it keeps no rows.")
    if not found.worst:
        verb = agreeing(found.rows, "was", "were")
        return MistakesSection(
            title, f"None: all {counted(found.rows, 'row')} {verb} predicted right."
        )
    reader = examples.Reader(recipe)
    worst = found.worst[: None if recipe.data.images else MOST_ROWS]
    rows = examples.decoded([mistake.example for mistake in worst])
    inputs = [] if recipe.data.images else reader.inputs(rows[0])
    columns = inputs[:MOST_COLUMNS]
    return MistakesSection(
        title,
        _note(found, len(worst), of_classes),
        "probability" if of_classes else "error",
        [
            _shown(mistake, row, reader, class_names, columns)
            for mistake, row in zip(worst, rows, strict=True)
        ],
        bool(recipe.data.images),
        columns,
        len(inputs) - len(columns),
    )


def _note(found: mistakes.Mistakes, shown: int, of_classes: bool) -> str:
    if not of_classes:
        return f"The {shown} of {counted(found.rows, 'row')} that the model is most off for."
    if found.wrong == 1:
        return f"The only mistake in {counted(found.rows, 'row')}."
    all_or_some = "All" if shown == found.wrong else f"The {shown} surest of"
    return (
        f"{all_or_some} {found.wrong:,} mistakes in {counted(found.rows, 'row')}, the surest first."
    )


def _shown(
    mistake: Mistake,
    row: examples.Row,
    reader: examples.Reader,
    class_names: Sequence[str],
    columns: Sequence[str],
) -> Shown:
    actual, predicted = (
        class_name(int(each), class_names) if mistake.probability is not None else number(each)
        for each in (mistake.label, mistake.prediction)
    )
    image, file = reader.image(row), reader.file(row)
    described = f"{actual}, predicted {predicted}" + (f": {file}" if file else "")
    return Shown(
        actual,
        predicted,
        _how(mistake),
        pictures.thumbnail(image, described, SIDE) if image else None,
        file,
        [examples.words(row.get(column)) for column in columns],
    )


def _how(mistake: Mistake) -> str:
    if mistake.probability is None:
        return f"{mistake.prediction - mistake.label:+.4g}"
    text = f"{100 * mistake.probability:.0f} %"
    return "> 99 %" if text == "100 %" and mistake.probability < 1 else text


def class_name(index: int, class_names: Sequence[str]) -> str:
    """The name of a class.

    Args:
        index: As the Evaluator has it: -1 for a class that training did not see.
        class_names: The classes in the order of the predictions.
    """
    if index < 0:
        return "not in training"
    return class_names[index] if index < len(class_names) else str(index)
