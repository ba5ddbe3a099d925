"""Predicts a table or images of any number through a pushed model: `trainyard predict`.

Every input column is kept as it stands in the file; the values that the model
gets are converted to the types it was trained with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from trainyard.components.example_gen import as_trained, images, series, texts
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, RecipeError, nearest_column
from trainyard.model_store.versions import pushed
from trainyard.pipeline import prediction_answers, prediction_files, unseen
from trainyard.pipeline.predictor import Predictor, converted, load
from trainyard.pipeline.unseen import Watch
from trainyard.progress import report
from trainyard.recipe_schema import Data, Images, Series
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description
from trainyard.wording import agreeing, counted

OnBadRow = Literal["error", "quarantine"]


class Predicted(NamedTuple):
    """What became of a table.

    Attributes:
        rows: How many there were.
        bad: How many of them could not be predicted.
        bad_rows: Where those are, word for word; None if there are none.
        warnings: Which columns told the model nothing, though they did in training.
    """

    rows: int
    bad: int = 0
    bad_rows: Path | None = None
    warnings: tuple[str, ...] = ()


def predict(
    serving: Path,
    input: Path,
    output: Path,
    data: Data,
    *,
    version: int | None = None,
    on_bad_row: OnBadRow = "error",
) -> Predicted:
    """Writes a table with its predictions, whole or not at all, in the input's order.

    Adds `prediction`: a number, or the label's most probable value, of the label's
    own type. For classes also `probability`, that of the positive class, or
    `probability_CLASS` for each of more than two. Of several heads each adds its
    own, such as `HEAD_prediction`. Where an input of the model has one of these names, all of
    them are written in full, such as `model.prediction`.

    Args:
        serving: The recipe's serving directory.
        input: CSV (also .csv.gz) or Parquet, told by the extension; needs no label. The first
            line of CSV has the columns' names, even if the recipe's data have none.
        output: Likewise. CSV is UTF-8, with the recipe's delimiter; from CSV to
            Parquet the input's columns stay text.
        data: How the recipe reads CSV: delimiter, encoding, what is missing.
        version: A pushed version; the champion if None.
        on_bad_row: Whether a row that cannot be read, or holds a value that the model cannot
            take, is an error, or is left without a prediction and written beside the output
            too.

    Returns:
        How many rows there were, and which could not be predicted.

    Raises:
        RecipeError: No such version has been pushed, or a file's extension is unknown.
        DataError: A column that the model needs is missing, or a row cannot be read.
        ContractError: A version that an earlier Trainyard pushed answers a row in another way when
            other rows are beside it.
        EnvironmentProblem: The output cannot be written.
    """
    folder = pushed(serving, version)
    here: dict[str, Any] = {
        "format": prediction_files.format_of(input),
        "on_bad_row": on_bad_row,
        "header": (),
        "windows": None,
        "texts": data.text_columns,
        "empty_texts": "keep",
    }
    if data.format != "csv":  # words such as NA were values in training
        here["missing"] = ("",)
    data = data.model_copy(update=here)
    prediction_files.format_of(output)
    if output.exists() and output.samefile(input):
        raise RecipeError("input and output are the same file", where=f"--output {output}")
    columns = prediction_files.columns(data, input)
    blocks = prediction_files.blocks(data, input)
    bad: list[BadRow] = []
    trained = unseen.trained_on(folder, next(iter(data.split.buckets)))
    watch = Watch(description.read(folder), trained)
    predictions = _predictions(folder, data, columns, blocks, input, bad, watch)
    predicted = prediction_files.with_bad_rows(predictions, output, data, input, bad)
    beside = prediction_files.bad_rows_file(output)
    rows = prediction_files.write(output, data.delimiter, predicted)
    if on_bad_row == "quarantine" and not bad:
        beside.unlink(missing_ok=True)  # of an earlier input
    return Predicted(rows, len(bad), beside if bad else None, tuple(watch.warnings()))


def predict_images(
    serving: Path, paths: Sequence[Path], data: Data, *, version: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Predicts image files, which are prepared as ExampleGen prepares them.

    Args:
        serving: The recipe's serving directory.
        paths: Image files, and folders of them.
        data: The recipe's data section.
        version: A pushed version; the champion if None.

    Yields:
        The files' paths and what `predict` adds to a table's columns, in order.

    Raises:
        RecipeError: No such version has been pushed, or its model takes no image.
        DataError: There is no such file, it is no image, or the model needs more than an image.
    """
    folder = pushed(serving, version)
    names = list(description.read(folder).images)
    if len(names) != 1:
        raise RecipeError(
            "this model does not predict image files",
            where=str(folder),
            expected="one image among its inputs",
            received=", ".join(description.read(folder).inputs),
            hint="give a table: --input FILE --output FILE",
        )
    settings = next((each for each in data.images if each.column == names[0]), Images())
    source = {"column": names[0], "source": prediction_files.PATH, "shape": None}
    here = {
        "format": "folders",  # whose paths are relative to `path`
        "path": "",
        "on_bad_row": "error",
        "images": (settings.model_copy(update=source),),
    }
    columns = {prediction_files.PATH: ColumnType.TEXT}
    blocks = prediction_files.image_blocks(paths)
    yield from _predictions(folder, data.model_copy(update=here), columns, blocks, paths[0], [])


def asked(
    serving: Path,
    paths: Sequence[Path],
    input: Path | None,
    output: Path | None,
    data: Data,
    version: int | None,
    on_bad_row: OnBadRow = "error",
    warn: Callable[[str], object] = lambda _: None,
) -> str:
    """Does what the command line asks for: `predict` or `predict_images`.

    Args:
        serving: The recipe's serving directory.
        paths: Image files, and folders of them; in place of `input`.
        input: A table.
        output: A table; what is predicted of images is returned if there is none.
        data: The recipe's data section.
        version: A pushed version; the champion if None.
        on_bad_row: As for `predict`.
        warn: Is called with each of `Predicted.warnings`.

    Returns:
        What to print.

    Raises:
        RecipeError: There are both images and a table, or neither; and as the two raise.
        DataError: As the two raise.
    """
    if bool(paths) == bool(input) or (input and not output):
        raise RecipeError(
            "say what is to be predicted",
            where="trainyard predict RECIPE",
            expected="--input FILE --output FILE for a table; or images, or folders of them",
        )
    if input and output:
        done = predict(serving, input, output, data, version=version, on_bad_row=on_bad_row)
        for warning in done.warnings:
            warn(warning)
        told = description.read(pushed(serving, version))
        return "\n".join([*_counts(done, output), *prediction_answers.meanings(told)])
    batches = predict_images(serving, paths, data, version=version)
    if output is None:
        told = description.read(pushed(serving, version))
        found = (line for batch in batches for line in prediction_answers.lines(batch, told))
        return "\n".join(found)
    rows = prediction_files.write(output, data.delimiter, batches)
    return f"{counted(rows, 'image')} predicted: {output}"


def _counts(done: Predicted, output: Path) -> Iterator[str]:
    yield f"{counted(done.rows - done.bad, 'row')} predicted: {output}"
    if done.bad:
        yield (
            f"warning: {done.bad:,} of {counted(done.rows, 'row')} "
            f"{agreeing(done.bad, 'is bad and has', 'are bad and have')} no prediction: "
            f"{done.bad_rows}"
        )


def _predictions(
    folder: Path,
    data: Data,
    columns: Mapping[str, ColumnType],
    blocks: Iterable[Block],
    input: Path,
    bad: list[BadRow],
    watch: Watch | None = None,
) -> Iterator[pa.RecordBatch]:
    """The blocks' columns as they stand there, and what is predicted; notes the bad rows."""
    told = description.read(folder)
    there = tuple(name for name in data.texts if name in columns)
    data = data.model_copy(update={"texts": there})
    if data.series:
        blocks = _with_past(data.series, data, columns, blocks)
        columns = {**columns, data.series.column: ColumnType.FLOAT}
    seen = texts.columns(data, images.columns(data, columns))
    _check_columns(told, seen, input)
    report("loading the model")
    predictor, rows = Predictor(told, data, seen, load(folder), watch), 0
    for block in images.blocks(data, blocks):
        batch, misfits = predictor.predicted(block)
        bad += misfits
        rows += len(batch)
        yield batch
        report(
            counted(rows, "row") + (f", {len(bad):,} of them bad" if bad else ""),
            block.fraction,
        )
    if not rows:
        raise DataError(f"{input} has no rows", expected="at least one row to predict")
    if len(bad) == rows:
        raise _all_bad(bad[0], input)


def _with_past(
    settings: Series, data: Data, columns: Mapping[str, ColumnType], blocks: Iterable[Block]
) -> Iterator[Block]:
    """Gives each row the values before it; its own may be missing, as it is for a day to come."""
    for name in (settings.time, settings.value, settings.group):
        if name is not None and name not in columns:
            raise DataError(
                f"there is no column {name!r}, which tells the series",
                expected=", ".join(columns),
                hint=nearest_column(name, columns),
            )
    settings = settings.model_copy(update={"on_gap": "restart"})
    past_of = series.Reader(settings).past
    for whole in blocks:
        for block in series.portions(settings, whole):
            values = converted(
                data, block, settings.value, columns[settings.value], "float", "float32"
            )
            past = past_of(block, series.times_of(settings, block), values)
            batch = pa.RecordBatch.from_arrays(
                [*block.batch.columns, past], [*block.batch.schema.names, settings.column]
            )
            yield dataclasses.replace(block, batch=batch)


def _all_bad(first: BadRow, input: Path) -> DataError:
    return DataError(
        "no row can be predicted: all are bad",
        where=f"{input}, row {first.row}",
        received=f"{first.reason}: {first.detail}",
        hint="is the file what the recipe says (delimiter, encoding, columns)?",
    )


def _check_columns(told: Description, columns: Mapping[str, ColumnType], input: Path) -> None:
    missing = [name for name in told.inputs if name not in columns]
    if missing:
        raise DataError(
            f"columns that the model needs are missing: {', '.join(map(repr, missing))}",
            where=str(input),
            expected=", ".join(told.inputs),
            received=", ".join(columns),
            hint=f"for {missing[0]!r}: {nearest_column(missing[0], columns)}",
        )
    taken = [name for name in columns if name in prediction_answers.names(told)]
    if taken:
        raise DataError(
            f"the input has a column {taken[0]!r} already",
            where=str(input),
            hint="rename it: predictions are written under that name",
        )
    for name in told.inputs:
        if problem := as_trained.refusal(columns[name], told.kinds.get(name)):
            raise DataError(
                f"column {name!r} is of another kind: {problem}",
                where=str(input),
                hint="write it as the training data have it; which text would be meant is not "
                "certain",
            )
