"""What a model answers, as columns of a table and in words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trainyard import kinds
from trainyard.pipeline.prediction_files import PATH
from trainyard.recipe_schema import ONLY
from trainyard.trainer_modules.harness import names as keys
from trainyard.trainer_modules.harness.description import Description, HeadDescription

PREDICTION = "prediction"
PROBABILITY = "probability"
_IN_FULL = "model."

_NUMBERS = {"float32": pa.float32(), "float64": pa.float64()}

Array = np.ndarray[Any, np.dtype[Any]]


def names(told: Description) -> list[str]:
    """Names the columns that predictions add, in order.

    `prediction`, `HEAD_probability_CLASS`; where two of them would be the same, or an input of
    the model has such a name, all are written in full: `model.prediction`,
    `model.HEAD.probability_CLASS`. A number behind would not do: `probability_2` is that of a
    class 2.

    Args:
        told: What the model takes and answers.

    Returns:
        Names that differ from each other and from those of the inputs.
    """
    answers = [(name, word) for name, word, _ in _answers(told)]
    inputs = told.inputs.keys() - told.images.keys() - told.series.keys()
    # A head's name has no dot, so that no two names in full are the same.
    full = [f"{head}.{word}" if head != ONLY else word for head, word in answers]
    prefixes = (_IN_FULL * times for times in itertools.count(1))
    in_full = ([f"{prefix}{name}" for name in full] for prefix in prefixes)
    return next(
        wanted
        for wanted in itertools.chain([[keys.of(*answer) for answer in answers]], in_full)
        if len({*wanted}) == len(wanted) and inputs.isdisjoint(wanted)
    )


def _answers(told: Description) -> list[tuple[str, str, HeadDescription]]:
    """Of each column that predictions add: the head's name, what it says, and the head."""
    return [(name, word, head) for name, head in told.heads.items() for word in _words(head)]


def _words(head: HeadDescription) -> list[str]:
    classes = {
        "binary": [PROBABILITY],
        "multiclass": [f"{PROBABILITY}_{name}" for name in head.class_names],
        "regression": [],
        "text": [],
    }
    return [PREDICTION, *classes[head.task]]


def columns(answers: Mapping[str, Array], told: Description) -> dict[str, pa.Array]:
    """Makes the columns that predictions add.

    Args:
        answers: What the signature `serving_default` answers, by name.
        told: What that is.
    """
    return dict(zip(names(told), _columns(answers, told), strict=True))


def _columns(answers: Mapping[str, Array], told: Description) -> Iterator[pa.Array]:
    for name, head in told.heads.items():
        numbers = answers[keys.prediction(name)]  # (rows, 1 or classes)
        if head.task == "text":
            yield pa.array([text.decode("utf-8", "replace") for text in numbers[:, 0]])
            continue
        if head.task == "regression":
            yield pa.array(numbers[:, 0])
            continue
        kind = told.kinds.get(head.label)
        classes = answers[keys.predicted_class(name)].reshape(-1)
        values = [kinds.label_of(each.decode(), kind) for each in classes]
        yield pa.array(values, _class_type(told, head))
        yield from (pa.array(column) for column in numbers.T.copy())


def _class_type(told: Description, head: HeadDescription) -> pa.DataType:
    """The type of a head's predictions: that of the label, if it has classes."""
    if head.task == "regression":
        return _NUMBERS[head.dtype]
    own = {"boolean": pa.bool_(), "integer": pa.int64(), "float": pa.float64()}
    kind = told.kinds.get(head.label)
    return own.get(kind, pa.string()) if kind and head.task != "text" else pa.string()


def none(told: Description) -> dict[str, pa.Array]:
    """Returns the columns that predictions add, without rows.

    Args:
        told: What the model answers.
    """
    types = (
        _class_type(told, head) if word == PREDICTION else _NUMBERS[head.dtype]
        for _, word, head in _answers(told)
    )
    return {name: pa.nulls(0, kind) for name, kind in zip(names(told), types, strict=True)}


def meanings(told: Description) -> Iterator[str]:
    """Says of which class a lone probability is.

    Args:
        told: What the model answers.
    """
    for column, (_, word, head) in zip(names(told), _answers(told), strict=True):
        if word == PROBABILITY and head.class_names:
            yield f"{column}: that {head.label!r} is {head.class_names[-1]!r}"


def lines(batch: pa.RecordBatch, told: Description) -> Iterator[str]:
    """Yields `photo.jpg  bee  0.93`: of classes the most probable; one head after another.

    Args:
        batch: Images' paths and their predictions.
        told: What the model answers.
    """
    columns: dict[str, list[str]] = {}
    for column, (head, *_) in zip(names(told), _answers(told), strict=True):
        columns.setdefault(head, []).append(column)
    for row in batch.to_pylist():
        answers = [word for each in columns.values() for word in _answer_words(*each, row=row)]
        yield "  ".join([row[PATH], *answers])


def _answer_words(prediction: str, *shares: str, row: Mapping[str, Any]) -> Iterator[str]:
    yield str(row[prediction])
    if shares:
        known = [row[name] for name in shares]
        yield f"{max(*known, 1 - sum(known)):.2f}"
