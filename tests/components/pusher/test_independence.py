"""Small functions of batches stand for models: some look at other rows, some do not."""

from __future__ import annotations

import numpy as np
import pytest

from trainyard.components.pusher import independence
from trainyard.errors import ContractError

WORDS = [b"a", b"bb", b"a longer row", b"c", b"the longest row of all of them", b"ddd", b"e"] * 5
NOISE = np.random.default_rng(0)


def lengths(rows):
    return np.array([[len(row)] for row in rows], np.float32)


def softmax(rows):
    weights = np.exp(lengths(rows) / 10)
    return {"predictions": weights / weights.sum()}


def padded_mean(rows):
    """The mean over all places, those that only pad among them."""
    dense = np.array([list(row.ljust(max(map(len, rows)), b"\0")) for row in rows])
    return {"predictions": dense.mean(axis=1, keepdims=True).astype(np.float32)}


def padded_answer(rows):
    return {"words": np.array([[row.ljust(max(map(len, rows)), b"_")] for row in rows], object)}


def longer_answer(rows):
    return {"attention": np.ones([len(rows), max(map(len, rows))], np.float32)}


def place(rows):
    return {"predictions": np.arange(len(rows), dtype=np.float32)[:, np.newaxis]}


def normalized(rows):
    """As BatchNormalization while it trains; a label of its own size, such as a year."""
    numbers = lengths(rows)
    return {"predictions": 2000 + 10 * (numbers - numbers.mean())}


def second_head(rows):
    return {"price": lengths(rows), "income": softmax(rows)["predictions"]}


@pytest.mark.parametrize(
    "ask",
    [softmax, padded_mean, padded_answer, longer_answer, place, normalized, second_head],
    ids=lambda ask: ask.__name__,
)
def test_a_model_that_looks_at_other_rows_is_refused(ask):
    with pytest.raises(ContractError, match="depends on the rows beside it") as caught:
        independence.check("serving_default", ask, WORDS)
    assert "signature serving_default" in caught.value.where


def alone(rows):
    return {"predictions": np.tanh(lengths(rows)), "label": lengths(rows) > 3}


def rounded(rows):
    noise = 1 + 1e-6 * NOISE.standard_normal([len(rows), 1])
    return {"predictions": (lengths(rows) * noise).astype(np.float32)}


def rounded_years(rows):
    return {"predictions": np.nextafter(np.float32(2000) + lengths(rows), np.float32(len(rows)))}


def constant(rows):
    return {"predictions": np.full([len(rows), 3], 0.25, np.float32)}


def a_tie(rows):
    """One text of many is written otherwise in another batch."""
    words = [row if row != max(WORDS, key=len) or len(rows) > 8 else b"tie" for row in rows]
    return {"text": np.array([[word] for word in words], object)}


def class_of_a_tie(rows):
    """Numbers are equal but for rounding; the class that follows from them need not be."""
    names = np.array([[b"yes" if len(rows) > 8 else b"no"]] * len(rows), object)
    return {"predictions": np.full([len(rows), 1], 0.5, np.float32), "label": names}


def of_a_batch(rows):
    return {"predictions": lengths(rows), "version": np.float32(len(rows))}


@pytest.mark.parametrize(
    "ask",
    [alone, rounded, rounded_years, constant, a_tie, class_of_a_tie, of_a_batch],
    ids=lambda ask: ask.__name__,
)
def test_a_model_that_looks_at_each_row_passes(ask):
    independence.check("serving_default", ask, WORDS)


def test_one_row_passes():
    independence.check("serving_default", alone, WORDS[:1])


def test_answers_that_are_not_finite_are_compared_too():
    answers = {b"a": np.inf, b"b": np.nan, b"c": 2.0}

    def ask(rows):
        return {"predictions": np.array([[answers[row]] for row in rows])}

    independence.check("serving_default", ask, list(answers))
    with pytest.raises(ContractError):
        independence.check(
            "serving_default",
            lambda rows: {"predictions": ask(rows)["predictions"] + (np.inf if rows[1:] else 0)},
            list(answers),
        )
