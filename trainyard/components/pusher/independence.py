"""Rows must be independent: each is answered alike alone, among others, and in any order.

Training, evaluation, `predict` and clients of the server ask in batches of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainyard.errors import ContractError
from trainyard.wording import counted

ROWS = 8
"""Rows that are asked one by one, from the shortest to the longest."""

TOLERANCE = 1e-3
"""Of the range of the answers, beside the rounding of the answers themselves."""

ROUNDING = 1e-5

TIES = 0.25
"""Share of rows whose texts may differ: rounding decides between tokens equally probable."""

Answers = dict[str, NDArray[np.generic]]
Ask = Callable[[Sequence[bytes]], Answers]


def check(signature: str, ask: Ask, examples: Sequence[bytes]) -> None:
    """Asks some rows one by one, and in reverse order, and compares with what all together get.

    Args:
        signature: What is asked, for the error.
        ask: From rows to arrays by name, a row each.
        examples: Serialized tf.Examples with raw features.

    Raises:
        ContractError: A row's answer depends on the rows beside it.
    """
    chosen = _chosen(examples)
    rows = [examples[index] for index in chosen]
    with _whole_float32():
        whole = _answers_of_rows(ask(examples), len(examples))
        backwards = _answers_of_rows(ask(rows[::-1]), len(rows))
        alone = [_answers_of_rows(ask([row]), 1) for row in rows]
    together = {name: [array[index] for index in chosen] for name, array in whole.items()}
    ways = {
        "alone": {name: [each[name][0] for each in alone] for name in together},
        f"among {counted(len(rows), 'row')}": {
            name: list(backwards[name][::-1]) for name in together
        },
    }
    for way, answers in ways.items():
        for name, row in _differences(together, answers):
            raise ContractError(
                "a row's answer depends on the rows beside it: the model cannot be used",
                where=f"signature {signature}, output {name}, row {chosen[row] + 1}",
                expected=f"{together[name][row]} (among {counted(len(examples), 'row')})",
                received=f"{answers[name][row]} ({way})",
                hint="look for a softmax, mean or norm over the first dimension, for "
                "BatchNormalization that is called with training=True, and for padding that is "
                "not masked: a batch is padded to its longest row",
            )


def _chosen(examples: Sequence[bytes]) -> list[int]:
    by_length = sorted(range(len(examples)), key=lambda index: len(examples[index]))
    spread = np.linspace(0, len(examples) - 1, min(len(examples), ROWS), dtype=int)
    return [by_length[place] for place in spread]


@contextlib.contextmanager
def _whole_float32() -> Iterator[None]:
    """Has a GPU multiply in float32: TensorFloat-32 rounds otherwise in batches of other sizes."""
    import tensorflow as tf

    config = tf.config.experimental
    was = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(was)


def _answers_of_rows(answers: Answers, rows: int) -> Answers:
    """Leaves out what is not said of rows, such as one number for a whole batch."""
    return {name: each for name, each in answers.items() if each.ndim and len(each) == rows}


Rows = Mapping[str, Sequence[NDArray[np.generic]]]


def _differences(one: Rows, other: Rows) -> Iterator[tuple[str, int]]:
    """Yields outputs and rows that differ. Where there are numbers, texts follow from them."""
    numeric = [name for name, rows in one.items() if rows[0].dtype.kind in "fiub"]
    for name in numeric or one:
        pairs = list(zip(one[name], other[name], strict=True))
        differ = [row for row, (a, b) in enumerate(pairs) if a.shape != b.shape]
        if not differ:
            arrays = np.array(one[name]), np.array(other[name])
            differ = _far(*arrays) if numeric else _unlike(*arrays)
        yield from ((name, row) for row in differ)


def _far(one: NDArray[np.generic], other: NDArray[np.generic]) -> list[int]:
    """Rows of numbers that differ by more than rounding; what is not finite has to be the same."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    differ = ~finite & ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if finite.any():
        allowed = TOLERANCE * np.ptp(a[finite]) + ROUNDING * np.abs(a[finite]).max()
        differ[finite] = np.abs(a[finite] - b[finite]) > allowed
    return _rows_with(differ)


def _unlike(one: NDArray[np.generic], other: NDArray[np.generic]) -> list[int]:
    """Rows of texts that differ, if they are more than ties explain."""
    rows = _rows_with(one != other)
    return rows if len(rows) > TIES * len(one) else []


def _rows_with(differ: NDArray[np.bool_]) -> list[int]:
    where: list[int] = np.flatnonzero(differ.reshape(len(differ), -1).any(axis=1)).tolist()
    return where
