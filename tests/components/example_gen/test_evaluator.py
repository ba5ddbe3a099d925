"""Expressions over columns, against a plain interpreter that takes one row after another."""

from __future__ import annotations

import math
import operator
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainyard.components.example_gen import computed, parquet_files
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, RecipeError
from trainyard.expressions import Expression

EXACT = 2**53
TYPES = {
    "i": pa.int64(),
    "j": pa.int64(),
    "f": pa.float64(),
    "g": pa.float64(),
    "s": pa.string(),
    "t": pa.string(),
    "flag": pa.int64(),
    "none": pa.null(),
}
ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
ORDER = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class NoResultError(Exception):
    """The expression has no result in this row."""


def as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def finite(value: float) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise NoResultError
    return value


def calculate(symbol: str, a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    if symbol in "/%" and b == 0:
        raise NoResultError
    if isinstance(a, float) or isinstance(b, float):
        a, b = as_float(a), as_float(b)
        if symbol == "%" and abs(a) >= EXACT:
            raise NoResultError
    try:
        return finite(ARITHMETIC[symbol](a, b))
    except OverflowError:
        raise NoResultError from None


def is_literal(node: tuple) -> bool:
    return node[0] == "literal" or (node[0] == "negative" and is_literal(node[1]))


def compare(symbol: str, left: tuple, right: tuple, row: dict[str, Any]) -> bool | None:
    a, b = value(left, row), value(right, row)
    if a is None or b is None:
        return None
    for x, y, node in ((a, b, right), (b, a, left)):
        mixed = isinstance(y, float) and not isinstance(x, float)
        if mixed and abs(y) >= EXACT and as_float(x) == y and not is_literal(node):
            raise NoResultError
    return ORDER[symbol](a, b)


def condition(node: tuple, row: dict[str, Any]) -> bool | None:
    found = value(node, row)
    if found not in (None, 0, 1):
        raise NoResultError
    return None if found is None else bool(found)


def combined(tests: list, decisive: bool) -> bool | None:
    missing = False
    for test in tests:
        found = test()
        if found is decisive:
            return decisive
        missing |= found is None
    return None if missing else not decisive


def value(node: tuple, row: dict[str, Any]) -> Any:
    match node:
        case ("column", name):
            return row[name]
        case ("literal", literal):
            return literal
        case ("negative", inner):
            found = value(inner, row)
            return None if found is None else -found
        case ("arithmetic", symbol, a, b):
            return calculate(symbol, value(a, row), value(b, row))
        case ("not", inner):
            found = condition(inner, row)
            return None if found is None else not found
        case ("and" | "or" as word, parts):
            return combined([lambda p=p: condition(p, row) for p in parts], word == "or")
        case ("compare", first, rest):
            sides = [first, *(side for _, side in rest)]
            steps = zip((symbol for symbol, _ in rest), sides, sides[1:], strict=False)
            return combined([lambda s=s: compare(*s, row) for s in steps], False)
        case ("in", inner, elements):
            return combined([lambda e=e: compare("==", inner, e, row) for e in elements], True)
        case ("missing", inner):
            return value(inner, row) is None
    raise AssertionError(node)


def text(node: tuple) -> str:
    match node:
        case ("column", name):
            return name
        case ("literal", literal):
            return repr(literal)
        case ("negative", inner):
            return f"-({text(inner)})"
        case ("arithmetic", symbol, a, b):
            return f"({text(a)}) {symbol} ({text(b)})"
        case ("not", inner):
            return f"not ({text(inner)})"
        case ("and" | "or" as word, parts):
            return f" {word} ".join(f"({text(part)})" for part in parts)
        case ("compare", first, rest):
            return " ".join([f"({text(first)})", *(f"{op} ({text(side)})" for op, side in rest)])
        case ("in", inner, elements):
            return f"({text(inner)}) in ({', '.join(map(text, elements))},)"
        case ("missing", inner):
            return f"({text(inner)}) is missing"
    raise AssertionError(node)


wholes = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([EXACT, EXACT + 1, -EXACT - 1, 2**62, 2**63 - 1, -(2**63)]),
)
fractions = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 2.0, 2.5, float(EXACT), float(2**63), 1e300, 1e-300]),
    st.floats(-10, 10),
    st.floats(allow_nan=False, allow_infinity=False),
)
words = st.sampled_from(["", "a", "b", "B", "ab", "ä", "\U0001f600", "\ufffd", "'", "1"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.none() | wholes,
            "j": st.none() | wholes,
            "f": st.none() | fractions,
            "g": st.none() | fractions,
            "s": st.none() | words,
            "t": st.none() | words,
            "flag": st.sampled_from([None, 0, 1, 0, 1, 2]),
            "none": st.none(),
        }
    ),
    min_size=1,
    max_size=6,
)


def columns(*names: str) -> st.SearchStrategy[tuple]:
    return st.sampled_from(names).map(lambda name: ("column", name))


def literals(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple]:
    return values.map(lambda each: ("literal", each))


plain_numbers = columns("i", "j", "f", "g", "flag", "none") | literals(
    st.integers(0, 3) | st.integers(0, 2**66) | fractions.map(abs)
)
texts = columns("s", "t", "none") | literals(words)


def grown(inner: st.SearchStrategy[tuple]) -> st.SearchStrategy[tuple]:
    numbers = inner.filter(lambda node: node[0] in NUMBERS)
    tests = inner.filter(lambda node: node[0] in CONDITIONS) | columns("flag")
    anything = numbers | tests
    symbols = st.sampled_from(list(ORDER))
    return st.one_of(
        st.tuples(st.just("arithmetic"), st.sampled_from(list(ARITHMETIC)), anything, anything),
        st.tuples(st.just("negative"), anything),
        st.tuples(st.just("not"), tests),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(tests, min_size=2, max_size=3)),
        *(
            st.tuples(
                st.just("compare"),
                sides,
                st.lists(st.tuples(symbols, sides), min_size=1, max_size=2),
            )
            for sides in (anything, texts)
        ),
        st.tuples(st.just("in"), texts, st.lists(literals(words), min_size=1, max_size=3)),
        st.tuples(st.just("in"), numbers, st.lists(plain_numbers, min_size=1, max_size=3)),
        st.tuples(st.just("missing"), anything | texts),
    )


NUMBERS = ("column", "literal", "arithmetic", "negative")
CONDITIONS = ("not", "and", "or", "compare", "in", "missing")
EXPRESSIONS = st.recursive(plain_numbers, grown, max_leaves=8).filter(
    lambda node: node[0] not in ("column", "literal")
)


def block(rows: list[dict[str, Any]]) -> Block:
    names = rows[0].keys()
    batch = pa.RecordBatch.from_pydict(
        {name: pa.array([row[name] for row in rows], TYPES.get(name)) for name in names}
    )
    return Block(batch, Path("trips.csv"), np.arange(len(rows)) + 1, 1.0)


def expected(node: tuple, row: dict[str, Any]) -> Any:
    try:
        found = value(node, row)
        if found is None or node[0] in CONDITIONS:
            return found
        return finite(as_float(found))
    except NoResultError:
        return "no result"


DIVISION = ("arithmetic", "/", ("column", "i"), ("column", "j"))
ROW = dict.fromkeys(TYPES)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, ROWS)
@example(("arithmetic", "*", ("column", "i"), ("column", "j")), [ROW | {"i": 2**62, "j": 4}])
@example(("arithmetic", "%", ("column", "i"), ("column", "j")), [ROW | {"i": -(2**63), "j": -1}])
@example(("compare", DIVISION, [(">", ("literal", 1))]), [ROW | {"i": 1, "j": 0}, ROW])
def test_answers_as_a_plain_interpreter_does(node, rows):
    rows_of = block(rows)
    kept, found = computed.numbers(
        Expression(text(node)), rows_of, "the label", "label", "quarantine"
    )
    answers = dict(zip(kept.numbers.tolist(), found.to_pylist(), strict=True))
    given_back = [answers.get(number, "no result") for number in rows_of.numbers.tolist()]
    assert given_back == [expected(node, row) for row in rows]
    assert [each.row for each in kept.bad] == [n for n in rows_of.numbers if n not in answers]


@settings(max_examples=100, deadline=None)
@given(
    EXPRESSIONS,
    st.lists(st.tuples(*[st.none() | st.integers(-5, 5)] * 4), min_size=1, max_size=5),
)
def test_whole_numbers_and_floats_of_the_same_value_answer_alike(node, numbers):
    rows = [ROW | dict(zip("ijfg", each, strict=True)) for each in numbers]
    both = []
    for kinds in ("int64", "float64"):
        data = block(rows)
        arrays = [
            array.cast(kinds) if name in "ijfg" else array
            for name, array in zip(data.batch.schema.names, data.batch.columns, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, data.batch.schema.names)
        data = Block(batch, data.file, data.numbers, 1.0)
        kept, found = computed.numbers(Expression(text(node)), data, "", "label", "quarantine")
        both.append((kept.numbers.tolist(), found.to_pylist()))
    assert both[0] == both[1]


def answer(expression: str, **row: Any) -> Any:
    try:
        _, found = computed.numbers(Expression(expression), block([row]), "the label", "label")
    except DataError:
        return "no result"
    return found[0].as_py()


@pytest.mark.parametrize(
    ("expression", "row", "expected"),
    [
        # int64 overflow wrapped: this was -2 and negative.
        ("a + b > 0", {"a": 2**63 - 1, "b": 2**63 - 1}, 1),
        ("a * b > 0", {"a": 2**62, "b": 4}, 1),
        ("-a > 0", {"a": -(2**63)}, 1),
        ("a > 99999999999999999999", {"a": 1}, 0),
        # bool + bool was "or".
        ("(a > 0) + (b > 0)", {"a": 1, "b": 1}, 2),
        ("(a > 0) - (b > 0)", {"a": 0, "b": 1}, -1),
        # `and`, `or` and `not` were bitwise.
        ("a and b", {"a": 1, "b": 2}, "no result"),
        ("not a", {"a": 1}, 0),
        ("not a", {"a": 0}, 1),
        ("not a == 1 or b > 2", {"a": 1, "b": 3}, 1),
        # Division by zero was a label.
        ("a % b == 0", {"a": 1, "b": 0}, "no result"),
        ("a / b > 0.2", {"a": 1, "b": 0}, "no result"),
        ("a / b > 0.2", {"a": 0, "b": 0}, "no result"),
        ("b > 0 and a / b > 0.2", {"a": 1, "b": 0}, 0),
        ("b == 0 or a / b > 0.2", {"a": 1, "b": 0}, 1),
        ("0 < b < a / b", {"a": 1, "b": 0}, 0),
        # Missing is not known: SQL's three-valued logic.
        ("a > 1 or b > 1", {"a": None, "b": 2}, 1),
        ("a > 1 and b > 1", {"a": None, "b": 0}, 0),
        ("a > 1 and b > 1", {"a": None, "b": 2}, None),
        ("not a > 1", {"a": None}, None),
        ("a is missing", {"a": None}, 1),
        ("a is not missing and a > 1", {"a": None}, 0),
        ("a in (1, b)", {"a": 1, "b": None}, 1),
        ("a not in (1, b)", {"a": 2, "b": None}, None),
        # Conditions count as 1 and 0.
        ("flag == True", {"flag": 1}, 1),
        ("flag == True", {"flag": 1.0}, 1),
        ("flag == False", {"flag": 1}, 0),
        ("flag and a > 1", {"flag": 1, "a": 2}, 1),
        # Python's precedence, modulo and chains.
        ("-a % 3", {"a": 1}, 2),
        ("a - b - 1", {"a": 5, "b": 2}, 2),
        ("a + b * 2 == 9 and not a > 6 or a < 0", {"a": 5, "b": 2}, 1),
        ("not a > 1 and b > 1", {"a": 0, "b": 0}, 0),
        ("7 / 2", {"a": 0}, 3.5),
        ("-7 % 3 == 2", {"a": 0}, 1),
        ("3 > a > 1 != b", {"a": 2, "b": 5}, 1),
        # Beyond 2^53 a column with fractions has lost digits.
        ("a == 9007199254740993", {"a": 2**53 + 1}, 1),
        ("a == 9007199254740993", {"a": float(2**53)}, "no result"),
        ("a > 9007199254740993", {"a": 1e17}, 1),
        ("a > 1e16", {"a": 10**16}, 0),
        ("a % 10 == 3", {"a": 1e17}, "no result"),
        ("a * 10", {"a": 1e308}, "no result"),
        # Beyond what a float holds: still the right side of any.
        (f"a * {10**300} * {10**300} < 0.5", {"a": -1}, 1),
        (f"a * {10**300} * {10**300} > 0.5", {"a": 1}, 1),
        (f"a * {10**300} * {10**300} / -1", {"a": -1}, "no result"),
    ],
)
def test_values(expression, row, expected):
    assert answer(expression, **row) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("s == 'a'", [1, 0, None]), ("s < 'b'", [1, 0, None]), ("'a' == s", [1, 0, None])],
)
def test_bytes_of_tf_examples_are_text(expression, expected):
    batch = pa.RecordBatch.from_pydict({"s": pa.array([[b"a"], ["ä".encode()], []])})
    rows = Block(batch, Path("a.tfrecord"), np.arange(3) + 1, 1.0)
    _, found = computed.numbers(Expression(expression), rows, "the label", "label")
    assert found.to_pylist() == expected


@pytest.mark.parametrize("expression", ["x == 0.1", "x <= 0.1", "not x > 0.1", "x * 10 == 1"])
def test_a_32_bit_float_is_the_number_that_was_written(expression):
    narrow = pa.array([0.1, None], pa.float32())
    of_parquet = parquet_files.convert(narrow, ColumnType.FLOAT)
    of_examples = pa.array([[0.1], []], pa.list_(pa.float32()))
    for column in (of_parquet, of_examples, narrow):
        batch = pa.RecordBatch.from_pydict({"x": column})
        rows = Block(batch, Path("f"), np.arange(2) + 1, 1.0)
        _, found = computed.numbers(Expression(expression), rows, "the label", "label")
        assert found.to_pylist() == [1, None]


def test_bytes_that_are_no_text_are_equal_to_none():
    batch = pa.RecordBatch.from_pydict({"s": pa.array([b"a", b"\xff", None])})
    rows = Block(batch, Path("a.tfrecord"), np.arange(3) + 1, 1.0)
    for expression, expected in (("s == 'a'", [1, 0, None]), ("s is missing", [0, 0, 1])):
        _, found = computed.numbers(Expression(expression), rows, "the label", "label")
        assert found.to_pylist() == expected


def test_an_error_names_the_row_and_its_values():
    rows = block([{"tips": 1, "fare": 2, "x": 0}, {"tips": 3, "fare": 0, "x": 0}])
    with pytest.raises(DataError) as caught:
        computed.numbers(Expression("tips / fare > 0.2"), rows, "the label", "label")
    assert caught.value.where == "trips.csv, row 2"
    assert caught.value.received == "fare=0, tips=3"
    assert "fare is 0 in a division" in caught.value.message
    assert "data.where" in caught.value.hint


def test_rows_are_set_aside_word_for_word():
    rows = block([{"a": 1, "b": 1}, {"a": 3, "b": 0}, {"a": None, "b": 1}])
    kept, found = computed.numbers(Expression("a / b"), rows, "the label", "label", "quarantine")
    assert kept.numbers.tolist() == [1, 3]
    assert found.to_pylist() == [1.0, None]
    (bad,) = kept.bad
    assert (bad.row, bad.text) == (2, "a=3, b=0")


def test_kinds_are_checked_where_nobody_did_before():
    with pytest.raises(RecipeError, match="is compared with 3"):
        computed.numbers(Expression("s > 3"), block([{"s": "a"}]), "the label", "label")


def test_a_large_table_takes_no_time():
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(1, 9, 300_000) for name in ("tips", "fare")}
    batch = pa.RecordBatch.from_pydict(columns)
    rows = Block(batch, Path("f"), np.arange(300_000), 1.0)
    start = time.process_time()
    computed.numbers(Expression("fare > 0 and tips > fare * 0.2"), rows, "the label", "label")
    assert time.process_time() - start < 1
