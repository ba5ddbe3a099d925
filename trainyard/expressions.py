"""Label expressions such as `tips > fare * 0.2`, evaluated without `eval`.

The expression is parsed by `ast`, every node is checked against a short list,
and only then is it evaluated by the operators of whatever the columns are:
NumPy arrays, pandas series or TensorFlow tensors.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from trainyard.errors import RecipeError

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: operator.and_,
    ast.Or: operator.or_,
}
_UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.invert,
}
_QUOTED = re.compile(r"`([^`]+)`")
_ALLOWED = (
    "columns (`in backquotes` if not one word), numbers, quoted text, "
    "+ - * / %, comparisons, and, or, not, parentheses"
)


class Expression:
    """A checked expression over columns.

    Args:
        text: The expression, for instance `tips > fare * 0.2`.

    Raises:
        RecipeError: The text does not parse, or uses more than the operators above.

    Example:
        >>> Expression("tips > fare * 0.2").columns
        ('fare', 'tips')
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._quoted: dict[str, str] = {}
        try:
            self._tree = ast.parse(_QUOTED.sub(self._stand_in, text).strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise RecipeError(
                f"the expression {text!r} does not parse: {error.args[0]}", expected=_ALLOWED
            ) from None
        for node in ast.walk(self._tree):
            _check(node, text)
        names = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        self.columns: tuple[str, ...] = tuple(sorted(self._quoted.get(n, n) for n in names))

    def _stand_in(self, match: re.Match[str]) -> str:
        name = f"_quoted_{len(self._quoted)}"
        self._quoted[name] = match.group(1)
        return name

    @property
    def is_column(self) -> bool:
        """Whether the whole expression is the name of one column."""
        return isinstance(self._tree, ast.Name)

    @property
    def is_boolean(self) -> bool:
        """Whether the result is true or false, not a number."""
        if isinstance(self._tree, ast.UnaryOp):
            return isinstance(self._tree.op, ast.Not)
        return isinstance(self._tree, ast.Compare | ast.BoolOp)

    def evaluate(self, columns: Mapping[str, Any]) -> Any:
        """Evaluates element-wise.

        Args:
            columns: An array, series or tensor per name in `self.columns`, all of shape `(n,)`.

        Returns:
            The result, of shape `(n,)`.
        """
        aliases = {alias: columns[name] for alias, name in self._quoted.items()}
        return _evaluate(self._tree, {**columns, **aliases})


def _check(node: ast.AST, text: str) -> None:
    structure = (ast.Name, ast.Load, ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp)
    constant = isinstance(node, ast.Constant) and isinstance(node.value, int | float | str)
    if constant or isinstance(node, structure) or type(node) in _BINARY or type(node) in _UNARY:
        return
    shown = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
    raise RecipeError(
        f"the expression {text!r} may not use {shown!r}", expected=_ALLOWED, received=shown
    )


def _evaluate(node: ast.expr, columns: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_evaluate(operand, columns))
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_evaluate(left, columns), _evaluate(right, columns))
        case ast.BoolOp(op=op, values=values):
            return reduce(_BINARY[type(op)], [_evaluate(value, columns) for value in values])
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [_evaluate(side, columns) for side in [left, *comparators]]
            pairs = zip(ops, sides[:-1], sides[1:], strict=True)
            return reduce(operator.and_, [_BINARY[type(op)](a, b) for op, a, b in pairs])
    raise AssertionError(f"unchecked node {node!r}")  # _check lets none through
