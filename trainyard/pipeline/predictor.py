"""Blocks of raw columns through a model: converted to what training had, asked, put in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import as_trained, images, number_formats, reader, texts
from trainyard.components.example_gen.as_trained import MisfitError
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.reader import Block
from trainyard.components.pusher import independence
from trainyard.components.records import encoder
from trainyard.errors import DataError
from trainyard.kinds import Kind
from trainyard.model_store import independent_rows
from trainyard.pipeline import prediction_answers
from trainyard.pipeline.unseen import Watch
from trainyard.recipe_schema import Data
from trainyard.trainer_modules.harness import names
from trainyard.trainer_modules.harness.description import Description, RawType

_ROWS = 4096
_BYTES = 8 << 20  # of decoded images
_SIGNATURE = "serving_default"
_NOTHING_WRITTEN = "nothing was written"

Array = np.ndarray[Any, np.dtype[Any]]
Model = Callable[[list[bytes]], Mapping[str, Array]]


@dataclass(frozen=True)
class Predictor:
    """Predicts block by block.

    Attributes:
        told: What the model takes and answers.
        data: How the input is read, and what is made of its columns.
        columns: What the input says of all columns, those included that are made.
        model: Answers serialized examples.
        watch: Looks at what the model is given.
    """

    told: Description
    data: Data
    columns: Mapping[str, ColumnType]
    model: Model
    watch: Watch | None = None

    def predicted(self, block: Block) -> tuple[pa.RecordBatch, list[BadRow]]:
        """Returns a block's columns with its predictions, null in bad rows; and these.

        Raises:
            DataError: A row is bad, and `data.on_bad_row` has that as an error.
        """
        seen = images.append(self.data, block, remedy=_NOTHING_WRITTEN).block
        inputs, seen = self._inputs(texts.append(self.data, seen))
        if self.watch:
            self.watch.add(inputs)
        answers = self._answers(inputs, seen)
        known = np.isin(block.numbers, seen.numbers)
        places = pa.array(np.cumsum(known) - 1, pa.int64(), mask=~known)
        shown = {f.name: block.batch[f.name] for f in block.batch.schema if not _is_bulky(f.type)}
        columns = shown | {name: values.take(places) for name, values in answers.items()}
        return _in_order(pa.RecordBatch.from_pydict(columns), block), list(seen.bad)

    def _inputs(self, block: Block) -> tuple[dict[str, pa.Array], Block]:
        """What the model is to see, and the rows that have all of it."""
        enough = np.ones(len(block.batch), bool)
        for name in self.told.series:  # else there are too few values before the row
            enough &= np.asarray(block.batch[name].is_valid())
        block = block if enough.all() else block.filter(enough)
        try:
            return self._converted(block), block
        except DataError:
            if self.data.on_bad_row == "error":
                raise
        found = dict(reader.misfits(self._converted, block))
        fits = np.isin(np.arange(len(block.batch)), list(found), invert=True)
        block = block.filter(fits, [_bad(block, *misfit) for misfit in found.items()])
        return self._converted(block), block

    def _converted(self, block: Block) -> dict[str, pa.Array]:
        encoded = (images_of.column for images_of in self.data.images)
        made = {*self.told.series, *self.data.measures, *encoded}
        kinds_of = self.told.kinds
        return {
            name: block.batch[name]
            if name in made
            else _left_out(
                converted(self.data, block, name, self.columns[name], kinds_of.get(name), raw)
            )
            for name, raw in self.told.inputs.items()
        }

    def _answers(self, inputs: Mapping[str, pa.Array], block: Block) -> dict[str, pa.Array]:
        """The columns that are added."""
        if not len(block.batch):
            return prediction_answers.none(self.told)
        examples = encoder.encode(pa.RecordBatch.from_pydict(dict(inputs))).to_pylist()
        rows = self.told.rows(_BYTES, at_most=_ROWS)
        parts = [self.model(examples[i : i + rows]) for i in range(0, len(examples), rows)]
        answers = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for name, head in self.told.heads.items():
            if head.task != "text":
                _check_finite(answers[names.prediction(name)], block)
        return prediction_answers.columns(answers, self.told)


def _bad(block: Block, row: int, error: DataError) -> BadRow:
    detail = f"{error.received} instead of {error.expected}"
    return BadRow(int(block.numbers[row]), error.message, detail, "")


def _in_order(batch: pa.RecordBatch, block: Block) -> pa.RecordBatch:
    """Gives a place to the rows that could not be read at all: one of nulls."""
    unread = [row.row for row in block.bad]
    if not unread:
        return batch
    numbers = np.concatenate([block.numbers, unread])
    order = np.argsort(numbers)
    return pc.take(batch, pa.array(order, pa.int64(), mask=order >= len(batch)))


def load(folder: Path) -> Model:
    """Loads what answers serialized tf.Examples.

    Rows are predicted in blocks. Where the push has not proved that they are independent (models
    of earlier versions), the first rows do.

    Args:
        folder: A pushed version.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))

    def model(examples: list[bytes]) -> Mapping[str, Array]:
        # Through `loaded`: variables live only as long as the object does.
        answers = loaded.signatures[_SIGNATURE](tf.constant(examples))
        return {name: tensor.numpy() for name, tensor in answers.items()}

    return model if _SIGNATURE in independent_rows.read(folder) else _checked(model)


def _checked(model: Model) -> Model:
    unchecked = [True]

    def answers(examples: list[bytes]) -> Mapping[str, Array]:
        if unchecked:
            independence.check(_SIGNATURE, lambda rows: dict(model(list(rows))), examples)
            unchecked.clear()
        return model(examples)

    return answers


def _is_bulky(kind: pa.DataType) -> bool:
    """Whether these are images: no table shows their bytes or pixels."""
    return bool(pa.types.is_binary(kind) or pa.types.is_list(kind) or pa.types.is_struct(kind))


def _check_finite(predictions: Array, block: Block) -> None:
    bad = np.flatnonzero(~np.isfinite(predictions).all(axis=1))
    if len(bad):
        raise DataError(
            f"the model answers {predictions[bad[0]].tolist()}",
            where=block.row(int(bad[0])),
            expected="finite numbers",
            hint="are this row's values like those the model was trained on?",
        )


def _left_out(values: pa.Array) -> pa.Array:
    """Leaves missing values out of the examples: only then do a model's own defaults apply."""
    if not values.null_count:
        return values
    present = np.asarray(values.is_valid())
    offsets = np.concatenate([[0], present.cumsum()])
    mask = np.append(~present, False)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=mask), values.drop_null())


def converted(
    data: Data, block: Block, name: str, found: ColumnType, kind: Kind | None, raw: RawType
) -> pa.Array:
    """Returns a column as training had it, null where it is missing.

    Args:
        data: How the input is read.
        block: The rows.
        name: The column.
        found: What the input says of it.
        kind: What it held in training; None if nobody knows.
        raw: Its type in training's tf.Examples.

    Raises:
        DataError: A value is not what the column held; the row is named.
    """
    values = block.batch[name]
    if pa.types.is_string(values.type):
        words = pa.array(_missing_words(data, name, raw), pa.string())
        values = pc.if_else(pc.is_in(values, words), pa.scalar(None, pa.string()), values)
    wanted = ColumnType.TEXT if raw == "string" else ColumnType.FLOAT
    try:
        values = number_formats.plain(data, name, values, wanted)
        return as_trained.convert(values, found, kind, raw)
    except MisfitError as error:
        raise DataError(
            f"column {name!r} holds a value that the model cannot take",
            where=block.row(error.row),
            expected=error.expected,
            received=error.received,
            hint=f"correct it, or leave it empty if it is not known; {_NOTHING_WRITTEN} "
            "(`--on-bad-row quarantine` predicts the other rows)",
        ) from None


def _missing_words(data: Data, name: str, raw: RawType) -> Sequence[str]:
    """What stands for a missing value: in text what did in training, whatever file it is now."""
    if raw == "string" or data.format != "csv":
        return data.missing_in(name)
    return (*data.missing_in(name), *Data(path="").missing)
