"""What the language of expressions allows; how it is evaluated is tested with ExampleGen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import RecipeError
from trainyard.expressions import Expression, Kind, quoted
from trainyard.recipe_schema import Label

KINDS = {
    "fare": Kind.NUMBER,
    "tips": Kind.NUMBER,
    "kind": Kind.TEXT,
    "none": Kind.UNKNOWN,
}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "tips.real",
        "COLUMNS[0]",
        "[x for x in (1, 2)]",
        "lambda: 1",
        "f'{tips}'",
        "(tips := 3)",
        "tips if fare else 0",
        "tips is fare",
        "tips is `missing`",
        "2 ** 99999999",
        "None",
        "b'bytes'",
        "(1, 2) == tips",
        "tips in fare",
        "tips in ()",
        "tips in ((1, 2), 3)",
        "tips > 1e999",
        "tips > 1j",
        "tips > " + "9" * 400,
        "tips // 2",
        "~tips",
        "tips & 1",
        "~(tips > 1)",
    ],
)
def test_refuses_everything_else(text):
    with pytest.raises(RecipeError, match="may not use"):
        Expression(text)


@pytest.mark.parametrize("text", ["", "tips >", "a b", "class", "tips > > 1", "a) > (b"])
def test_says_what_does_not_parse(text):
    with pytest.raises(RecipeError, match="does not parse"):
        Expression(text)


@pytest.mark.parametrize("text", ["-" * 5000 + "a", "not " * 300 + "a", "+".join(["a"] * 3000)])
def test_what_is_too_deep_is_one_error(text):
    with pytest.raises(RecipeError, match=r"deep|parse"):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("`house value` > tips * tips", ("house value", "tips")),
        ("`a` + a", ("a",)),
        ("kind == 'a`b`c'", ("kind",)),
        ("kind == \"it's `so`\" or `my kind` == 'x'", ("kind", "my kind")),
        ("`_quoted0_` + _quoted0_ + `x y`", ("_quoted0_", "x y")),
        ("\ufb01eld > 1", ("\ufb01eld",)),  # Python's own parser makes it "field"
        ("`\ufb01eld` > 1", ("\ufb01eld",)),
        ("fare is missing or tips is not missing", ("fare", "tips")),
        ("`missing` is missing and missing > 1", ("missing",)),
        ("kind in ('a', `b c`)", ("b c", "kind")),
        ("`a``b` > `c`", ("a`b", "c")),
    ],
)
def test_names_its_columns(text, columns):
    assert Expression(text).columns == columns


@given(st.text(min_size=1))
def test_any_column_can_be_named(name):
    assert Expression(quoted(name)).columns == (name,)
    assert Label.model_validate({"column": name}).is_column


def test_knows_a_column_and_a_condition():
    assert Expression("tips").is_column
    assert not Expression("tips > 1").is_column
    assert Expression("tips > 1").is_boolean
    assert Expression("not tips").is_boolean
    assert Expression("tips is missing").is_boolean
    assert not Expression("tips * 2").is_boolean


@pytest.mark.parametrize(
    "text",
    [
        "tips > fare * 0.2",
        "kind == 'cash' and 1 < tips <= 3",
        "kind < 'b' or kind in ('x', 'y')",
        "fare and not tips",  # of 0 and 1: rows will tell
        "fare == True",
        "(fare > 1) + (tips > 1) >= 2",
        "none > 1 and none == 'a'",
        "kind is missing or fare is not missing",
        "-(fare > 1) < +True",
    ],
)
def test_kinds_that_fit(text):
    Expression(text).check(KINDS, "label.expression", condition=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind > 3", "column kind (text) is compared with 3 (a number)"),
        ("fare == '3'", "fare (a number) is compared with '3' (text)"),
        ("1 < kind", "1 (a number) is compared with the column kind (text)"),
        ("kind == True", "kind (text) is compared with True (a condition)"),
        ("fare in (1, 'a')", "is compared with 'a' (text)"),
        ("kind * 2 > 1", "kind (text) is calculated with"),
        ("-kind > 1", "kind (text) is calculated with"),
        ("kind + 'a' == 'ba'", "kind (text) is calculated with"),
        ("kind and fare > 1", "kind (text) is used as a condition"),
        ("fare + 1 and tips > 1", "fare + 1 (a number) is used as a condition"),
        ("not fare * 2", "fare * 2 (a number) is used as a condition"),
        ("fare + 1", "fare + 1 (a number) is used as a condition"),
        ("kind", "kind (text) is used as a condition"),
        ("(kind > 3) is missing", "kind (text) is compared with 3"),
    ],
)
def test_kinds_that_do_not_fit(text, words):
    with pytest.raises(RecipeError) as caught:
        Expression(text).check(KINDS, "label.expression", condition=True)
    assert words in caught.value.message
    assert caught.value.where == "label.expression"
    assert caught.value.hint


def test_an_error_shows_columns_as_they_are_written():
    expression = Expression("`house value` > 'a'")
    with pytest.raises(RecipeError, match="column `house value` "):
        expression.check({"house value": Kind.NUMBER}, "label.expression")
