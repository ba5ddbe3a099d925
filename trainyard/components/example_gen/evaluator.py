"""Evaluates the nodes of an expression over columns; docs/expressions.md defines what they mean.

Whole numbers are exact at any size (int64 where they fit, else Python's own), all
other numbers are float64. Every value goes with a mask of the rows that have one.
A row is evaluated only as far as its result is undecided, so that
`fare > 0 and tip / fare > 0.2` never divides by zero. A row whose result does not
exist is noted and goes on with a stand-in.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.expressions import Expression
from trainyard.raw_values import decimal_floats

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_NUMBERS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_TEXTS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {  # UTF-8 sorts by code points
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
}
_EXACT = 2**53
"""Up to here every whole number is a float64; beyond, several are the same one."""
_SAFE = 2.0**62
"""A result that is below this in float64 fits in 64 bits."""


class Values(NamedTuple):
    """What a node is in each of some rows.

    Attributes:
        data: bool, int64, float64 or Python's whole numbers (object), shape `(n,)`; text is
            an array of its UTF-8 bytes, or one scalar for all rows.
        valid: Where there is a value, shape `(n,)`; elsewhere `data` has a stand-in.
        literal: Whether it is written in the expression.
    """

    data: Any
    valid: npt.NDArray[np.bool_]
    literal: bool = False


class Evaluator:
    """Evaluates an expression whose kinds have been checked.

    Args:
        expression: What to evaluate.
        columns: An array for each of its columns, shape `(n,)`: integers, floats, strings,
            bytes or nulls; null or NaN where missing.
        count: The number of rows, n.

    Attributes:
        problems: Why a row has no result, by row; the first that came up.
    """

    def __init__(self, expression: Expression, columns: Mapping[str, pa.Array], count: int) -> None:
        self.problems: dict[int, str] = {}
        self._expression, self._all = expression, np.arange(count)
        self._columns = {name: _loaded(each) for name, each in columns.items()}

    def condition(self) -> Values:
        """Evaluates the whole as a condition: bool."""
        return self._truth(self._expression.tree, self._all)

    def number(self) -> Values:
        """Evaluates the whole as a number: float64."""
        tree = self._expression.tree
        values = _as_number(self._value(tree, self._all))
        return self._finite(tree, Values(_floats(values.data), values.valid), self._all)

    def _note(self, rows: Rows, problem: str) -> None:
        for row in rows.tolist():
            self.problems.setdefault(row, problem)

    def _value(self, node: ast.expr, rows: Rows) -> Values:
        match node:
            case ast.Name(id=name):
                return self._taken(self._columns[name], rows)
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return _literal(value, len(rows))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                truth = self._truth(operand, rows)
                return Values(~truth.data, truth.valid)
            case ast.UnaryOp(op=op, operand=operand):
                number = _as_number(self._value(operand, rows))
                return _negated(number) if isinstance(op, ast.USub) else number
            case ast.BinOp():
                return self._calculated(node, rows)
            case ast.BoolOp(op=op, values=parts):
                tests = [partial(self._truth, part) for part in parts]
                return _decided(tests, rows, isinstance(op, ast.Or))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                pairs = zip(ops, itertools.pairwise([left, *comparators]), strict=True)
                tests = [partial(self._compared, op, *pair) for op, pair in pairs]
                return _decided(tests, rows, decisive=False)
        raise AssertionError(f"unchecked node {node!r}")  # Expression lets none through

    def _taken(self, values: Values, rows: Rows) -> Values:
        if len(rows) == len(self._all):
            return values
        taken = values.data.take(pa.array(rows) if isinstance(values.data, pa.Array) else rows)
        return Values(taken, values.valid[rows])

    def _truth(self, node: ast.expr, rows: Rows) -> Values:
        """Evaluates a condition; a number has to be 0 or 1."""
        values = self._value(node, rows)
        if values.data.dtype == bool:
            return values
        neither = values.valid & (values.data != 0) & (values.data != 1)
        self._note(rows[neither], f"{self._expression.shown(node)} is neither 0 nor 1")
        return Values(values.data == 1, values.valid)

    def _calculated(self, node: ast.BinOp, rows: Rows) -> Values:
        left, right = (_as_number(self._value(side, rows)) for side in (node.left, node.right))
        valid, divisor = left.valid & right.valid, right.data
        if isinstance(node.op, ast.Div | ast.Mod):
            zero = divisor == 0
            self._note(
                rows[valid & zero], f"{self._expression.shown(node.right)} is 0 in a division"
            )
            divisor = np.where(zero, 1, divisor)
        operate = _ARITHMETIC[type(node.op)]
        if left.data.dtype != float and divisor.dtype != float:
            return self._finite(node, Values(_whole(operate, left.data, divisor), valid), rows)
        a, b = _floats(left.data), _floats(divisor)
        if isinstance(node.op, ast.Mod):
            vague = valid & (np.abs(a) >= _EXACT)
            self._note(rows[vague], f"{self._expression.shown(node.left)} {_TOO_LARGE}")
        with np.errstate(all="ignore"):
            return self._finite(node, Values(operate(a, b), valid), rows)

    def _finite(self, node: ast.expr, values: Values, rows: Rows) -> Values:
        """Notes the rows whose result is beyond the numbers, and puts 0 for it."""
        if values.data.dtype != float:
            return values
        finite = np.isfinite(values.data)
        if not finite.all():
            wrong = values.valid & ~finite
            self._note(rows[wrong], f"{self._expression.shown(node)} is too large a number")
        return Values(np.where(finite, values.data, 0.0), values.valid)

    def _compared(self, op: ast.cmpop, left: ast.expr, right: ast.expr, rows: Rows) -> Values:
        match op, right:
            case ((ast.Is() | ast.IsNot()), _):
                there = self._value(left, rows).valid
                return Values(there == isinstance(op, ast.IsNot), np.ones(len(rows), bool))
            case ((ast.In() | ast.NotIn()), (ast.Tuple(elts=elements) | ast.List(elts=elements))):
                tests = [partial(self._compared, ast.Eq(), left, each) for each in elements]
                found = _decided(tests, rows, decisive=True)
                return Values(found.data == isinstance(op, ast.In), found.valid)
        a, b = self._value(left, rows), self._value(right, rows)
        valid = a.valid & b.valid
        if not valid.any():  # a column without values may be of any kind
            return Values(valid, valid)
        if isinstance(a.data, np.ndarray):
            data, vague = _compared_numbers(_NUMBERS[type(op)], a, b)
            named = " or ".join(map(self._expression.shown, (left, right)))
            self._note(rows[valid & vague], f"{named} {_TOO_LARGE}")
            return Values(data, valid)
        if isinstance(a.data, pa.Scalar):
            a = a._replace(data=pa.array([a.data.as_py()] * len(rows)))
        return Values(np.asarray(pc.fill_null(_TEXTS[type(op)](a.data, b.data), False)), valid)


def _loaded(column: pa.Array) -> Values:
    valid = np.asarray(column.is_valid())
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        return Values(column.cast(pa.binary()), valid)
    if pa.types.is_null(column.type):
        return Values(np.zeros(len(column), np.int64), valid)
    data = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    if data.dtype.kind == "f":
        data = decimal_floats(data) if data.dtype == np.float32 else data.astype(np.float64)
        valid = valid & ~np.isnan(data)
        data = np.where(valid, data, 0.0)
    return Values(data, valid)


_TOO_LARGE = "is too large for its last digits to be known (2^53, in a column with fractions)"


def _literal(value: bool | float | str, count: int) -> Values:
    valid = np.ones(count, bool)
    if isinstance(value, str):
        return Values(pa.scalar(value.encode("utf-8", "surrogatepass")), valid, literal=True)
    fits = isinstance(value, float) or -(2**63) <= value < 2**63
    data = np.array(value, None if fits else object)
    return Values(np.broadcast_to(data, count), valid, literal=True)


def _compared_numbers(
    compare: Callable[[Any, Any], Any], a: Values, b: Values
) -> tuple[Array, Array]:
    """Compares exactly, and says where it cannot: a float64 may stand for several whole numbers."""
    if (a.data.dtype == float) != (b.data.dtype == float):
        a, b = _whole_if_written(a), _whole_if_written(b)
    if (a.data.dtype == float) == (b.data.dtype == float):
        return np.asarray(compare(a.data, b.data), bool), np.zeros(len(a.data), bool)
    x, y = _floats(a.data), _floats(b.data)
    return np.asarray(compare(x, y), bool), (x == y) & (np.abs(x) >= _EXACT)


def _whole_if_written(values: Values) -> Values:
    """1e16 in an expression is exactly this number."""
    if not values.literal or not float(values.data[0]).is_integer():
        return values
    return _literal(int(values.data[0]), len(values.data))


def _as_number(values: Values) -> Values:
    """A condition counts as 1 or 0."""
    if values.data.dtype != bool:
        return values
    return values._replace(data=values.data.astype(np.int64))


def _negated(values: Values) -> Values:
    if values.data.dtype == float:
        return values._replace(data=-values.data)
    return values._replace(data=_whole(operator.mul, values.data, np.full(len(values.data), -1)))


def _whole(operate: Callable[[Any, Any], Any], a: Array, b: Array) -> Array:
    """Calculates with whole numbers as Python does: exactly, at any size."""
    if a.dtype != object and b.dtype != object:
        x, y = a.astype(np.float64), b.astype(np.float64)
        largest = max(np.abs(x).max(initial=0), np.abs(y).max(initial=0))
        if operate is operator.truediv and largest <= _EXACT:
            return np.asarray(x / y)
        fits = operate is operator.mod or np.abs(operate(x, y)).max(initial=0) < _SAFE
        if operate is not operator.truediv and fits:
            return np.asarray(operate(a, b))
    a, b = a.astype(object), b.astype(object)
    if operate is operator.truediv:
        return np.array([_quotient(*pair) for pair in zip(a, b, strict=True)], float)
    return _fitting(np.asarray(operate(a, b)))


def _quotient(a: int, b: int) -> float:
    try:
        return a / b
    except OverflowError:
        return -math.inf if (a < 0) != (b < 0) else math.inf


def _fitting(values: Array) -> Array:
    """Python's whole numbers as int64 where they fit."""
    try:
        return values.astype(np.int64)
    except OverflowError:
        return values


def _floats(values: Array) -> Array:
    if values.dtype != object:
        return values.astype(np.float64)
    return np.array([_quotient(value, 1) for value in values], float)


def _decided(tests: Iterable[Callable[[Rows], Values]], rows: Rows, decisive: bool) -> Values:
    """Combines conditions: all of them (`decisive` False) or any (True), from left to right.

    A row is decided by the first of them that is `decisive`, and the others are not evaluated
    for it; else it is missing if any of them is.
    """
    data, valid = np.full(len(rows), not decisive), np.ones(len(rows), bool)
    undecided = np.arange(len(rows))
    for test in tests:
        truth = test(rows[undecided] if len(undecided) < len(rows) else rows)
        decides = truth.valid & (truth.data == decisive)
        valid[undecided[~truth.valid]] = False
        data[undecided[decides]], valid[undecided[decides]] = decisive, True
        undecided = undecided[~decides]
    return Values(data, valid)
