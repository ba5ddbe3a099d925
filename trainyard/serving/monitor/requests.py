"""From the request log to rows of raw columns and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import prediction_log_pb2

from trainyard.raw_values import canonical_text, whole_number
from trainyard.serving import methods, tensors
from trainyard.serving.errors import ServingError
from trainyard.serving.monitor.rows import Columns, Rows
from trainyard.serving.monitor.two_samples import Array
from trainyard.trainer_modules.harness import names
from trainyard.trainer_modules.harness.description import Description, HeadDescription, RawType

BLOCK_RECORDS = 512
BLOCK_BYTES = 8 << 20

_EXAMPLES = "examples"
_MISSING: dict[str, Any] = {"int64": np.iinfo(np.int64).min, "string": b""}
_DTYPES = {"int64": tf.int64, "float32": tf.float32, "string": tf.string}

Log: TypeAlias = prediction_log_pb2.PredictionLog


@dataclass(frozen=True)
class Layout:
    """What to read of a request.

    Attributes:
        told: What the model takes and answers.
        extra: Type of further columns that tf.Examples may have.
        version: Whose answers count.
        keys: Columns of any type that tf.Examples may have, read as text.
    """

    told: Description
    extra: Mapping[str, RawType]
    version: int
    keys: tuple[str, ...] = ()

    @property
    def beside(self) -> list[str]:
        """The keys that are columns that nothing else reads."""
        return [name for name in self.keys if name not in self.columns]

    @property
    def columns(self) -> dict[str, RawType]:
        """All columns with their types."""
        return {**self.extra, **self.told.inputs}

    def answers(self, rows: int) -> dict[str, Array]:
        """No answers, in the shape that answers have."""
        return {name: self._none(name, rows) for name in self.told.heads}

    def _none(self, name: str, rows: int) -> Array:
        head = self.told.heads[name]
        if head.task == "text":
            return np.full((rows, 1), b"", object)
        width = len(head.class_names) if head.task == "multiclass" else 1
        return np.full((rows, width), np.nan, head.dtype)


class _Asked(NamedTuple):
    """One request: tensors by column, or tf.Examples; and its answers."""

    tensors: dict[str, Array]
    examples: Sequence[bytes]
    answers: dict[str, Array]
    known: bool

    @property
    def rows(self) -> int:
        return len(next(iter(self.tensors.values()))) if self.tensors else len(self.examples)


def blocks(logs: Iterable[Log]) -> Iterator[list[Log]]:
    """Puts records together, as many as are worth a block.

    Args:
        logs: Of the request log.
    """
    block: list[Log] = []
    size = 0
    for log in logs:
        block.append(log)
        size += log.ByteSize()
        if len(block) == BLOCK_RECORDS or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def rows_of(log: Log) -> int:
    """How many rows a request has, without reading them; 0 for what is not understood."""
    if log.HasField("predict_log"):
        given = log.predict_log.request.inputs
        sizes = [dim.size for proto in given.values() for dim in proto.tensor_shape.dim[:1]]
        return min(sizes, default=0)
    if log.HasField("classify_log") or log.HasField("regress_log"):
        part = log.classify_log if log.HasField("classify_log") else log.regress_log
        kind = part.request.input.WhichOneof("kind")
        return len(getattr(part.request.input, kind).examples) if kind else 0
    return 0


def rows(logs: Iterable[Log], layout: Layout) -> Rows:
    """Reads requests; those of other signatures, whose columns are others, are left out.

    Args:
        logs: A block of records.
        layout: What to read.

    Returns:
        All rows: first those of tensors, then those of tf.Examples.
    """
    asked = [found for log in logs if (found := _asked(log, layout)) is not None and found.rows]
    given = [each for each in asked if each.tensors]
    serialized = [each for each in asked if not each.tensors]
    parts = []
    if given:
        parts.append(_rows(given, _of_tensors(given, layout), layout))
    if serialized:
        examples = [example for each in serialized for example in each.examples]
        parts.append(_rows(serialized, _of_examples(examples, layout), layout))
    return Rows.joined(parts)


def _rows(asked: Sequence[_Asked], columns: Columns, layout: Layout) -> Rows:
    answers = {
        head: np.concatenate([each.answers[head] for each in asked]) for head in layout.told.heads
    }
    return Rows(columns, answers, np.repeat([e.known for e in asked], [e.rows for e in asked]))


def _asked(log: Log, layout: Layout) -> _Asked | None:
    """Takes a record apart; None for what was asked of another signature."""
    try:
        if log.HasField("predict_log"):
            return _predicted(log, layout)
        if log.HasField("classify_log"):
            return _with_examples(log.classify_log, log, layout)
        if log.HasField("regress_log"):
            return _with_examples(log.regress_log, log, layout)
    except (ServingError, ValueError, KeyError, IndexError):
        return None  # written by something else
    return None


def _predicted(log: Log, layout: Layout) -> _Asked | None:
    request, response = log.predict_log.request, log.predict_log.response
    wanted = set(layout.told.tensors.values())
    if set(request.inputs) == {_EXAMPLES} and {_EXAMPLES} != wanted:
        given: dict[str, Array] = {}
        strings = tensors.from_proto(request.inputs[_EXAMPLES]).reshape(-1)
        examples, count = strings.tolist(), len(strings)
        if strings.dtype != object:
            return None
    elif wanted and set(request.inputs) == wanted:
        arrays = {name: tensors.from_proto(proto) for name, proto in request.inputs.items()}
        given = {column: arrays[name] for column, name in layout.told.tensors.items()}
        examples, count = [], len(next(iter(given.values())))
    else:
        return None
    outputs = {
        head: tensors.from_proto(response.outputs[key])
        for head in layout.told.heads
        if (key := names.prediction(head)) in response.outputs
    }
    return _checked(given, examples, outputs, count, log, layout)


def _with_examples(part: Any, log: Log, layout: Layout) -> _Asked:
    """Reads a Classify or a Regress."""
    examples = methods.serialized(part.request.input).tolist()
    head = _head(part.request.model_spec.signature_name, layout.told)
    outputs = {} if head is None else {head: _scores(part.response, layout.told.heads[head])}
    return _checked({}, examples, outputs, len(examples), log, layout)


def _head(signature: str, told: Description) -> str | None:
    """Which head a signature is of: `classify`, or `HEAD_classify` of several."""
    called = {names.of(head, word): head for head in told.heads for word in ("classify", "regress")}
    only = next(iter(told.heads)) if len(told.heads) == 1 else None
    return called.get(signature, only)


def _scores(response: Any, head: HeadDescription) -> Array:
    """A head's numbers as Predict answers them."""
    if head.task == "regression":
        values = [[each.value] for each in response.result.regressions]
        return np.array(values, np.float32)
    rows = [{c.label: c.score for c in row.classes} for row in response.result.classifications]
    wanted = head.class_names[-1:] if head.task == "binary" else head.class_names
    return np.array([[row[name] for name in wanted] for row in rows], np.float32)


def _checked(
    given: dict[str, Array],
    examples: Sequence[bytes],
    outputs: dict[str, Array],
    count: int,
    log: Log,
    layout: Layout,
) -> _Asked:
    """Answers of another version or shape, or of only some heads, do not count."""
    none = layout.answers(count)
    fitting = {
        head: array
        for head, array in outputs.items()
        if array.shape == none[head].shape and array.dtype == none[head].dtype
    }
    same = log.log_metadata.model_spec.version.value == layout.version
    known = same and fitting.keys() == none.keys()
    return _Asked(given, examples, none | fitting, known)


def _of_tensors(asked: Sequence[_Asked], layout: Layout) -> Columns:
    count = sum(each.rows for each in asked)
    columns = {}
    for name, kind in layout.columns.items():
        if name in layout.told.inputs:
            joined = np.concatenate([each.tensors[name] for each in asked])
            columns[name] = _values(_one_a_row(joined), kind)
        else:
            columns[name] = pa.nulls(count, _arrow(kind))
    return columns | {name: pa.nulls(count, pa.binary()) for name in layout.beside}


def _one_a_row(values: Array) -> Array:
    """A series counts as its mean, as it does in `one_value`."""
    if values.ndim == 1:
        return values
    return values[:, 0] if values.shape[1] == 1 else values.mean(axis=1, dtype=np.float32)


def _of_examples(examples: Sequence[bytes], layout: Layout) -> Columns:
    spec = {name: tf.io.VarLenFeature(_DTYPES[kind]) for name, kind in layout.columns.items()}
    try:
        parsed = tf.io.parse_example(tf.constant(examples), spec)
    except tf.errors.InvalidArgumentError:  # a column that is no input, of another type
        if not layout.extra:
            raise ValueError("no tf.Examples of this model") from None
        columns = _of_examples(examples, replace(layout, extra={}))
        given = {name: _texts(examples, name) for name in layout.extra}
        return columns | {n: _retyped(given[n], kind) for n, kind in layout.extra.items()}
    columns = {
        name: _values(_first(parsed[name], kind, len(examples)), kind)
        for name, kind in layout.columns.items()
    }
    return columns | {name: _texts(examples, name) for name in layout.beside}


def _texts(examples: Sequence[bytes], name: str) -> pa.Array:
    """A column of whatever type, as text."""
    texts = []
    for example in examples:
        feature = example_pb2.Example.FromString(example).features.feature[name]
        kind = feature.WhichOneof("kind")
        values = getattr(feature, kind).value if kind else ()
        value = values[0] if values else None
        texts.append(str(value).encode() if isinstance(value, int | float) else value)
    return pa.array(texts, pa.binary())


def _retyped(texts: pa.Array, kind: RawType) -> pa.Array:
    """A column in training's type; null where that is not possible."""
    if kind == "string":
        return texts
    read = whole_number if kind == "int64" else float
    numbers: list[float | None] = []
    for text in texts.to_pylist():
        try:
            numbers.append(None if text is None else read(canonical_text(text)))
        except ValueError:
            numbers.append(None)
    return pa.array(numbers, _arrow(kind))


def _first(sparse: tf.SparseTensor, kind: RawType, count: int) -> Array:
    """The first value of each row; of a series the mean."""
    rows, places = sparse.indices.numpy().T
    values = sparse.values.numpy()
    found: Array = np.full(count, _MISSING.get(kind, np.nan), object if kind == "string" else kind)
    if kind == "float32" and places.max(initial=0) > 0:
        return _means(rows, values, count)
    found[rows[places == 0]] = values[places == 0]
    return found


def _means(rows: Array, values: Array, count: int) -> Array:
    sums = np.bincount(rows, values, minlength=count)
    with np.errstate(invalid="ignore"):
        means: Array = (sums / np.bincount(rows, minlength=count)).astype(np.float32)
    return means


def _values(values: Array, kind: RawType) -> pa.Array:
    missing = np.isnan(values) if kind == "float32" else values == _MISSING[kind]
    return pa.array(values, _arrow(kind), mask=np.asarray(missing, bool))


def _arrow(kind: RawType) -> pa.DataType:
    return {"int64": pa.int64(), "float32": pa.float32(), "string": pa.binary()}[kind]


def one_value(lists: pa.Array, kind: RawType) -> pa.Array:
    """Makes of a column of lists, as tf.Examples are read by Arrow, what a request's column is.

    Args:
        lists: A list or null in each row, or nothing but nulls.
        kind: The column's type.
    """
    if pa.types.is_null(lists.type):
        return pa.nulls(len(lists), _arrow(kind))
    lengths = np.asarray(lists.value_lengths().fill_null(0))
    values = lists.flatten()
    if kind == "float32" and lengths.max(initial=0) > 1:
        owner = np.repeat(np.arange(len(lists)), lengths)
        return _values(_means(owner, np.asarray(values), len(lists)), kind)
    first = np.cumsum(lengths) - lengths
    places = pa.array(first, pa.int64(), mask=lengths == 0)
    return values.take(places).cast(_arrow(kind))
