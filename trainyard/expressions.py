"""The language of label expressions and conditions, such as `tips > fare * 0.2`.

docs/expressions.md defines it for users. In short: Python's grammar and Python's
arithmetic over columns, without `eval`; a missing value is SQL's NULL (three-valued
logic); numbers, text and conditions do not mix, which `check` finds out from the
kinds of the columns, before any row is evaluated. How rows are evaluated is in
`components/example_gen/evaluator.py`; this file needs neither NumPy nor Arrow.
"""

from __future__ import annotations

import ast
import enum
import itertools
import math
import re
from collections.abc import Mapping

from trainyard.errors import RecipeError

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod)
_COMPARISONS = (ast.Gt, ast.GtE, ast.Lt, ast.LtE, ast.Eq, ast.NotEq)
_MEMBERSHIP = (ast.In, ast.NotIn)
_IDENTITY = (ast.Is, ast.IsNot)
_UNARY = (ast.USub, ast.UAdd, ast.Not)
_STRUCTURE = (ast.Name, ast.Load, ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.And, ast.Or)
_ALLOWED_NODES = (
    *_STRUCTURE,
    *_ARITHMETIC,
    *_COMPARISONS,
    *_MEMBERSHIP,
    *_IDENTITY,
    *_UNARY,
)
_ALLOWED = (
    "columns (`in backquotes` if not one word), numbers, quoted text, True and False, "
    "+ - * / %, comparisons, in (...), is missing, and, or, not, parentheses"
)
_TEXT_OR_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|`((?:[^`]|``)+)`""")
_MISSING = "missing"
_DEEPEST = 200
"""How deep an expression may be nested; evaluation is recursive."""


def quoted(column: str) -> str:
    """Returns a column as an expression may name it, whatever it is called.

    Args:
        column: Its name.
    """
    return f"`{column.replace('`', '``')}`"


class Kind(enum.Enum):
    """What a column, or a part of an expression, is."""

    UNKNOWN = "a column without any value"
    NUMBER = "a number"
    TEXT = "text"
    CONDITION = "a condition"


_NUMERIC = {Kind.UNKNOWN, Kind.NUMBER, Kind.CONDITION}  # a condition counts as 1 or 0


class Expression:
    """A checked expression over columns.

    Args:
        text: The expression, for instance `tips > fare * 0.2`.

    Attributes:
        text: The same.
        tree: Its syntax tree; the `id` of each `ast.Name` is the column's own name.
        columns: The columns that it names, sorted.

    Raises:
        RecipeError: The text does not parse, or uses more than the language has.

    Example:
        >>> Expression("tips > fare * 0.2").columns
        ('fare', 'tips')
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._stand_in = "_quoted"
        while self._stand_in in text:
            self._stand_in += "_"
        self._quoted: list[str] = []
        self._source = _TEXT_OR_QUOTED.sub(self._without_quotes, text).strip()
        self.tree: ast.expr = self._parsed()
        _check_depth(self.tree, text)
        lists = _right_of(self.tree, _MEMBERSHIP)
        for node in ast.walk(self.tree):
            if id(node) not in lists:
                self._check_node(node)
        self.columns: tuple[str, ...] = tuple(sorted(self._name_columns()))

    def _without_quotes(self, match: re.Match[str]) -> str:
        if match[1]:  # quoted text may have backquotes in it
            return match[1]
        self._quoted.append(match[2].replace("``", "`"))
        return f"{self._stand_in}{len(self._quoted) - 1}_"

    def _parsed(self) -> ast.expr:
        try:
            return ast.parse(self._source, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = error.args[0] if error.args else "too deeply nested"
            raise RecipeError(
                f"the expression {self.text!r} does not parse: {reason}", expected=_ALLOWED
            ) from None

    def _check_node(self, node: ast.AST) -> None:
        allowed = isinstance(node, _ALLOWED_NODES)
        if isinstance(node, ast.Constant):
            allowed = isinstance(node.value, str) or _is_finite(node.value)
        if isinstance(node, ast.Compare):
            allowed = all(map(_is_comparable, node.ops, node.comparators))
        if not allowed:
            shown = self.shown(node) if isinstance(node, ast.expr) else type(node).__name__
            raise RecipeError(
                f"the expression {self.text!r} may not use {shown!r}",
                expected=_ALLOWED,
                received=shown,
            )

    def _name_columns(self) -> set[str]:
        """Gives the nodes of columns the columns' names, and returns these."""
        marks = _right_of(self.tree, _IDENTITY)
        names = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and id(node) not in marks:
                # Not the parsed name: Python normalizes it (NFKC).
                written = ast.get_source_segment(self._source, node) or node.id
                place = re.fullmatch(rf"{self._stand_in}(\d+)_", written)
                node.id = self._quoted[int(place[1])] if place else written
                names.add(node.id)
        return names

    def shown(self, node: ast.expr) -> str:
        """Returns a part of the expression as it stands in the recipe.

        Args:
            node: A node of `tree`.
        """
        text = ast.get_source_segment(self._source, node) or ast.unparse(node)
        written = re.compile(rf"{self._stand_in}(\d+)_")
        return written.sub(lambda match: quoted(self._quoted[int(match[1])]), text)

    @property
    def is_column(self) -> bool:
        """Whether the whole expression is the name of one column."""
        return isinstance(self.tree, ast.Name)

    @property
    def is_boolean(self) -> bool:
        """Whether the result is true or false, not a number."""
        if isinstance(self.tree, ast.UnaryOp):
            return isinstance(self.tree.op, ast.Not)
        return isinstance(self.tree, ast.Compare | ast.BoolOp)

    def check(self, kinds: Mapping[str, Kind], where: str, *, condition: bool = False) -> None:
        """Checks that every operator has operands that it is defined for.

        Args:
            kinds: What each column is.
            where: Where the recipe has the expression, for errors.
            condition: Whether the whole has to be a condition.

        Raises:
            RecipeError: One has not: text is compared with a number, for instance.
        """
        checker = _KindChecker(self, kinds, where)
        (checker.condition if condition else checker.kind)(self.tree)


class _KindChecker:
    """Finds out what each part of an expression is."""

    def __init__(self, expression: Expression, kinds: Mapping[str, Kind], where: str) -> None:
        self._expression, self._kinds, self._where = expression, kinds, where

    def kind(self, node: ast.expr) -> Kind:
        match node:
            case ast.Name(id=name):
                return self._kinds[name]
            case ast.Constant(value=value):
                return _literal_kind(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.condition(operand)
            case ast.UnaryOp(operand=operand):
                return self._number(operand)
            case ast.BinOp(left=left, right=right):
                self._number(left)
                return self._number(right)
            case ast.BoolOp(values=values):
                for part in values:
                    self.condition(part)
                return Kind.CONDITION
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                for op, (a, b) in zip(ops, itertools.pairwise([left, *comparators]), strict=True):
                    self._comparison(op, a, b)
                return Kind.CONDITION
        raise AssertionError(f"unchecked node {node!r}")  # `_check_node` lets none through

    def condition(self, node: ast.expr) -> Kind:
        kind = self.kind(node)
        flag = isinstance(node, ast.Name) and kind in _NUMERIC  # of 0 and 1, as rows will tell
        if kind is not Kind.CONDITION and not flag:
            raise self._error(
                f"{self._described(node)} is used as a condition",
                "a comparison, or a column of 0 and 1",
                f"compare it, such as `{self._expression.shown(node)} == "
                f"{'0' if kind is Kind.NUMBER else repr('...')}`",
            )
        return Kind.CONDITION

    def _number(self, node: ast.expr) -> Kind:
        if self.kind(node) not in _NUMERIC:
            raise self._error(f"{self._described(node)} is calculated with", "numbers", _TEXT_HINT)
        return Kind.NUMBER

    def _comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> None:
        if isinstance(op, _IDENTITY):
            self.kind(left)
            return
        others = right.elts if isinstance(right, ast.Tuple | ast.List) else [right]
        for other in others:
            kinds = {self.kind(left), self.kind(other)} - {Kind.UNKNOWN}
            if Kind.TEXT in kinds and len(kinds) > 1:
                raise self._error(
                    f"{self._described(left)} is compared with {self._described(other)}",
                    "two numbers or two texts",
                    _TEXT_HINT,
                )

    def _described(self, node: ast.expr) -> str:
        named = "the column " if isinstance(node, ast.Name) else ""
        return f"{named}{self._expression.shown(node)} ({self.kind(node).value})"

    def _error(self, message: str, expected: str, hint: str) -> RecipeError:
        return RecipeError(
            f"{message} in {self._expression.text!r}",
            where=self._where,
            expected=expected,
            hint=hint,
        )


_TEXT_HINT = (
    "quote what is compared with a column of text, and do not quote numbers; a column of numbers "
    "is text if one of its fields is none: look for a word among them, and name it in "
    "`data.missing` if it stands for a missing value"
)


def _literal_kind(value: object) -> Kind:
    if isinstance(value, bool):
        return Kind.CONDITION
    return Kind.TEXT if isinstance(value, str) else Kind.NUMBER


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False


def _is_comparable(op: ast.cmpop, right: ast.expr) -> bool:
    if isinstance(op, _IDENTITY):
        return isinstance(right, ast.Name) and right.id == _MISSING
    if isinstance(op, _MEMBERSHIP):
        return isinstance(right, ast.Tuple | ast.List) and bool(right.elts)
    return True


def _right_of(tree: ast.AST, ops: tuple[type[ast.cmpop], ...]) -> set[int]:
    """The ids of the nodes that stand on the right of such operators."""
    comparisons = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    pairs = [zip(node.ops, node.comparators, strict=True) for node in comparisons]
    return {id(right) for pair in pairs for op, right in pair if isinstance(op, ops)}


def _check_depth(tree: ast.expr, text: str) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise RecipeError(
        f"the expression {text[:60]!r}... is nested too deeply",
        expected=f"at most {_DEEPEST} levels",
        hint="compute a part of it when the data are made",
    )
