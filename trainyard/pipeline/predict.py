"""Predicts a table or images of any number through a pushed model: `trainyard predict`.

Every input column is kept as it stands in the file; the values that the model
gets are converted to the types it was trained with.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import images, parquet_files, series, texts
from trainyard.components.example_gen.column_types import ColumnType, from_text, widened
from trainyard.components.example_gen.reader import Block
from trainyard.components.pusher import independence
from trainyard.components.records import encoder
from trainyard.errors import DataError, RecipeError, nearest
from trainyard.model_store import independent_rows
from trainyard.model_store.versions import pushed
from trainyard.pipeline import prediction_files
from trainyard.progress import report
from trainyard.recipe_schema import Data, Images, Series
from trainyard.trainer_modules.harness import description, names
from trainyard.trainer_modules.harness.description import Description, HeadDescription

PREDICTION = "prediction"
PROBABILITY = "probability"

_ROWS = 4096
_BYTES = 8 << 20  # of decoded images
_TYPES = {
    "int64": ColumnType.INTEGER,
    "float32": ColumnType.FLOAT,
    "string": ColumnType.TEXT,
}
_SIGNATURE = "serving_default"
_NOTHING_WRITTEN = "nothing was written"
_WORDS = {ColumnType.INTEGER: "a whole number", ColumnType.FLOAT: "a number"}

Array = np.ndarray[Any, np.dtype[Any]]
Model = Callable[[list[bytes]], Mapping[str, Array]]


def predict(
    serving: Path, input: Path, output: Path, data: Data, *, version: int | None = None
) -> int:
    """Writes a table with its predictions, whole or not at all, in the input's order.

    Adds `prediction`: a number, or the name of the most probable class. For
    classes also `probability`, that of the positive class, or
    `probability_CLASS` for each of more than two. Of several heads each adds its
    own, such as `HEAD_prediction`. Where an input of the model has one of these names, all of
    them end in `_2`, or the next number that no input's name has.

    Args:
        serving: The recipe's serving directory.
        input: CSV (also .csv.gz) or Parquet, told by the extension; needs no label. The first
            line of CSV has the columns' names, even if the recipe's data have none.
        output: Likewise. CSV is UTF-8, with the recipe's delimiter; from CSV to
            Parquet the input's columns stay text.
        data: How the recipe reads CSV: delimiter, encoding, what is missing.
        version: A pushed version; the champion if None.

    Returns:
        How many rows there were.

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
        "on_bad_row": "error",
        "header": (),
        "windows": None,
        "texts": data.text_columns,
        "empty_texts": "keep",
    }
    data = data.model_copy(update=here)
    prediction_files.format_of(output)
    if output.exists() and output.samefile(input):
        raise RecipeError("input and output are the same file", where=f"--output {output}")
    columns = prediction_files.columns(data, input)
    blocks = prediction_files.blocks(data, input)
    predicted = _predictions(folder, data, columns, blocks, input)
    return prediction_files.write(output, data.delimiter, predicted)


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
    yield from _predictions(folder, data.model_copy(update=here), columns, blocks, paths[0])


def asked(
    serving: Path,
    paths: Sequence[Path],
    input: Path | None,
    output: Path | None,
    data: Data,
    version: int | None,
) -> str:
    """Does what the command line asks for: `predict` or `predict_images`.

    Args:
        serving: The recipe's serving directory.
        paths: Image files, and folders of them; in place of `input`.
        input: A table.
        output: A table; what is predicted of images is returned if there is none.
        data: The recipe's data section.
        version: A pushed version; the champion if None.

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
        rows = predict(serving, input, output, data, version=version)
        return f"{rows:,} rows predicted: {output}"
    batches = predict_images(serving, paths, data, version=version)
    if output is None:
        return "\n".join(line for batch in batches for line in _lines(batch))
    rows = prediction_files.write(output, data.delimiter, batches)
    return f"{rows:,} images predicted: {output}"


def _lines(batch: pa.RecordBatch) -> Iterator[str]:
    """`photo.jpg  bee  0.93`: of classes the most probable; one head after another."""
    heads = [n.removesuffix(PREDICTION) for n in batch.schema.names if n.endswith(PREDICTION)]
    for row in batch.to_pylist():
        answers = [word for head in heads for word in _answer_words(head, row)]
        yield "  ".join([row[prediction_files.PATH], *answers])


def _answer_words(head: str, row: Mapping[str, Any]) -> Iterator[str]:
    yield str(row[f"{head}{PREDICTION}"])
    shares = [share for name, share in row.items() if name.startswith(f"{head}{PROBABILITY}")]
    if shares:
        yield f"{max(*shares, 1 - sum(shares)):.2f}"


def _predictions(
    folder: Path,
    data: Data,
    columns: Mapping[str, ColumnType],
    blocks: Iterable[Block],
    input: Path,
) -> Iterator[pa.RecordBatch]:
    """The blocks' columns as they stand there, and what is predicted."""
    told = description.read(folder)
    there = tuple(name for name in data.texts if name in columns)
    data = data.model_copy(update={"texts": there})
    if data.series:
        blocks = _with_past(data.series, data, columns, blocks)
        columns = {**columns, data.series.column: ColumnType.FLOAT}
    seen = texts.columns(data, images.columns(data, columns))
    _check_columns(told, list(seen), input)
    report("loading the model")
    model, rows = _load(folder), 0
    for block in images.blocks(data, blocks):
        complete = texts.append(data, images.append(data, block, remedy=_NOTHING_WRITTEN).block)
        yield _answered_where_known(block, complete, seen, model, told, data)
        rows += len(block.batch)
        report(f"{rows:,} rows", block.fraction)
    if not rows:
        raise DataError(f"{input} has no rows", expected="at least one row to predict")


def _with_past(
    settings: Series, data: Data, columns: Mapping[str, ColumnType], blocks: Iterable[Block]
) -> Iterator[Block]:
    """Gives each row the values before it; its own may be missing, as it is for a day to come."""
    for name in (settings.time, settings.value, settings.group):
        if name is not None and name not in columns:
            raise DataError(
                f"there is no column {name!r}, which tells the series",
                expected=", ".join(columns),
                hint=nearest(name, columns),
            )
    missing = data.missing if data.format == "csv" else ()
    settings = settings.model_copy(update={"on_gap": "restart"})
    reader = series.Reader(settings)
    for whole in blocks:
        for block in series.portions(settings, whole):
            values = _plain(block, settings.value, columns[settings.value], missing)
            values = _converted(values, ColumnType.FLOAT, block, settings.value)
            past = reader.past(block, series.times_of(settings, block), values)
            batch = pa.RecordBatch.from_arrays(
                [*block.batch.columns, past], [*block.batch.schema.names, settings.column]
            )
            yield dataclasses.replace(block, batch=batch)


def _answered_where_known(
    block: Block,
    seen: Block,
    columns: Mapping[str, ColumnType],
    model: Model,
    told: Description,
    data: Data,
) -> pa.RecordBatch:
    """Like `_answered`; a row with too few values before it gets no prediction."""
    known = np.ones(len(block.batch), bool)
    for name in told.series:
        known &= np.asarray(seen.batch[name].is_valid())
    if known.all():
        return _answered(block, seen, columns, model, told, data)
    shown = {f.name: block.batch[f.name] for f in block.batch.schema if not _is_bulky(f.type)}
    if not known.any():
        return pa.RecordBatch.from_pydict(shown | _no_answers(told, len(known)))
    some = _answered(block.filter(known), seen.filter(known), columns, model, told, data)
    places = pa.array(np.cumsum(known) - 1, mask=~known)
    added = {name: some[name].take(places) for name in _answer_names(told)}
    return pa.RecordBatch.from_pydict(shown | added)


def _no_answers(told: Description, rows: int) -> dict[str, pa.Array]:
    """The columns of answers, all missing."""
    kinds = [_answer_type(word, head) for head in told.heads.values() for word in _words(head)]
    answers = zip(_answer_names(told), kinds, strict=True)
    return {name: pa.nulls(rows, kind) for name, kind in answers}


def _answer_type(word: str, head: HeadDescription) -> pa.DataType:
    if word == PREDICTION and head.task != "regression":
        return pa.string()
    return pa.float64() if head.dtype == "float64" else pa.float32()


def _check_columns(told: Description, names: list[str], input: Path) -> None:
    missing = [name for name in told.inputs if name not in names]
    if missing:
        raise DataError(
            f"columns that the model needs are missing: {', '.join(map(repr, missing))}",
            where=str(input),
            expected=", ".join(told.inputs),
            received=", ".join(names),
            hint=f"for {missing[0]!r}: {nearest(missing[0], names)}",
        )
    taken = [name for name in names if name in _answer_names(told)]
    if taken:
        raise DataError(
            f"the input has a column {taken[0]!r} already",
            where=str(input),
            hint="rename it: predictions are written under that name",
        )


def _load(folder: Path) -> Model:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))

    def model(examples: list[bytes]) -> Mapping[str, Array]:
        # Through `loaded`: variables live only as long as the object does.
        answers = loaded.signatures[_SIGNATURE](tf.constant(examples))
        return {name: tensor.numpy() for name, tensor in answers.items()}

    return model if _SIGNATURE in independent_rows.read(folder) else _checked(model)


def _checked(model: Model) -> Model:
    """Checks at the first rows what is usually checked before a push: that they are independent."""
    unchecked = [True]

    def answers(examples: list[bytes]) -> Mapping[str, Array]:
        if unchecked:
            independence.check(_SIGNATURE, lambda rows: dict(model(list(rows))), examples)
            unchecked.clear()
        return model(examples)

    return answers


def _answered(
    block: Block,
    seen: Block,
    columns: Mapping[str, ColumnType],
    model: Model,
    told: Description,
    data: Data,
) -> pa.RecordBatch:
    """The block's columns as they are, and the predictions from what the model is to see."""
    missing = data.missing if data.format == "csv" else ()
    encoded = (images_of.column for images_of in data.images)
    made = {*told.series, *data.measures, *encoded}
    inputs = {
        name: seen.batch[name]
        if name in made
        else _left_out(
            _converted(_plain(seen, name, columns[name], missing), _TYPES[kind], seen, name)
        )
        for name, kind in told.inputs.items()
    }
    examples = encoder.encode(pa.RecordBatch.from_pydict(inputs)).to_pylist()
    rows = told.rows(_BYTES, at_most=_ROWS)
    parts = [model(examples[i : i + rows]) for i in range(0, len(examples), rows)]
    answers = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name, head in told.heads.items():
        if head.task != "text":
            _check_finite(answers[names.prediction(name)], block)
    added = dict(zip(_answer_names(told), _answer_columns(answers, told), strict=True))
    shown = {f.name: block.batch[f.name] for f in block.batch.schema if not _is_bulky(f.type)}
    return pa.RecordBatch.from_pydict(shown | added)


def _is_bulky(kind: pa.DataType) -> bool:
    """Whether these are images: no table shows their bytes or pixels."""
    return bool(pa.types.is_binary(kind) or pa.types.is_list(kind) or pa.types.is_struct(kind))


def _answer_names(told: Description) -> list[str]:
    """The columns of answers; numbered, such as `prediction_2`, if an input has such a name."""
    wanted = [names.of(name, word) for name, head in told.heads.items() for word in _words(head)]
    inputs = told.inputs.keys() - told.images.keys() - told.series.keys()
    endings = itertools.chain([""], (f"_{number}" for number in itertools.count(2)))
    return next(
        numbered
        for ending in endings
        if inputs.isdisjoint(numbered := [f"{name}{ending}" for name in wanted])
    )


def _words(head: HeadDescription) -> list[str]:
    classes = {
        "binary": [PROBABILITY],
        "multiclass": [f"{PROBABILITY}_{name}" for name in head.class_names],
        "regression": [],
        "text": [],
    }
    return [PREDICTION, *classes[head.task]]


def _answer_columns(answers: Mapping[str, Array], told: Description) -> Iterator[pa.Array]:
    for name, head in told.heads.items():
        numbers = answers[names.prediction(name)]  # (rows, 1 or classes)
        if head.task == "text":
            yield pa.array([text.decode("utf-8", "replace") for text in numbers[:, 0]])
            continue
        if head.task == "regression":
            yield pa.array(numbers[:, 0])
            continue
        classes = answers[names.predicted_class(name)].reshape(-1)
        yield pa.array([each.decode() for each in classes], pa.string())
        yield from (pa.array(column) for column in numbers.T.copy())


def _check_finite(predictions: Array, block: Block) -> None:
    bad = np.flatnonzero(~np.isfinite(predictions).all(axis=1))
    if len(bad):
        raise DataError(
            f"the model answers {predictions[bad[0]].tolist()}",
            where=block.row(int(bad[0])),
            expected="finite numbers",
            hint="are this row's values like those the model was trained on?",
        )


def _plain(block: Block, name: str, kind: ColumnType, missing: Sequence[str]) -> pa.Array:
    """A column as int64, float64 or text, as training reads it; null where missing."""
    raw = block.batch[name]
    try:
        values = parquet_files.convert(raw, kind)
    except ValueError as error:
        raise _wrong(block, name, 0, kind.name.lower(), str(error)) from None
    if not missing:
        return values
    words = pa.array(missing, pa.string())
    return pc.if_else(pc.is_in(values, words), pa.scalar(None, pa.string()), values)


def _converted(values: pa.Array, wanted: ColumnType, block: Block, name: str) -> pa.Array:
    """A column with the type that the model was trained with."""
    if pa.types.is_string(values.type):
        return _of_text(values, wanted, block, name)
    if wanted is ColumnType.INTEGER and pa.types.is_floating(values.type):
        return _whole(values, block, name)
    return _finite(values.cast(wanted.arrow), block, name)


def _left_out(values: pa.Array) -> pa.Array:
    """Leaves missing values out of the examples: only then do a model's own defaults apply."""
    if not values.null_count:
        return values
    present = np.asarray(values.is_valid())
    offsets = np.concatenate([[0], present.cumsum()])
    mask = np.append(~present, False)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=mask), values.drop_null())


def _of_text(values: pa.Array, wanted: ColumnType, block: Block, name: str) -> pa.Array:
    found = widened(ColumnType.MISSING, values)
    if found > wanted and found is ColumnType.FLOAT:
        return _whole(from_text(values, ColumnType.FLOAT), block, name)
    if found > wanted:
        row = next(i for i in range(len(values)) if widened(wanted, values[i : i + 1]) > wanted)
        raise _wrong(block, name, row, _WORDS[wanted], repr(values[row].as_py()))
    return _finite(from_text(values, wanted), block, name)


def _whole(values: pa.Array, block: Block, name: str) -> pa.Array:
    """Floats such as 3.0, which other programs write for integers beside missing values."""
    numbers = values.to_numpy(zero_copy_only=False)
    present = ~np.isnan(numbers)
    bad = np.flatnonzero(present & ((numbers % 1 != 0) | (np.abs(numbers) >= 2**63)))
    if len(bad):
        raise _wrong(block, name, int(bad[0]), "a whole number", str(numbers[bad[0]]))
    return pa.array(np.where(present, numbers, 0).astype(np.int64), mask=~present)


def _finite(values: pa.Array, block: Block, name: str) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values
    numbers = values.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
    if len(bad):
        raise _wrong(block, name, int(bad[0]), "a finite number", str(numbers[bad[0]]))
    return pa.array(numbers, mask=np.isnan(numbers))


def _wrong(block: Block, name: str, row: int, expected: str, received: str) -> DataError:
    return DataError(
        f"column {name!r} holds a value that the model cannot take",
        where=block.row(row),
        expected=expected,
        received=received,
        hint=f"correct it, or leave it empty if it is not known; {_NOTHING_WRITTEN}",
    )
