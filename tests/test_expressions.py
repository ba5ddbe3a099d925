import numpy as np
import pytest

from trainyard.errors import RecipeError
from trainyard.expressions import Expression

COLUMNS = {
    "tips": np.array([3.0, 1.0, 0.0]),
    "fare": np.array([10.0, 10.0, 5.0]),
    "kind": np.array(["a", "b", "a"]),
    "house value": np.array([1, 2, 3]),
    "class": np.array([0, 1, 1]),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tips > fare * 0.2", [True, False, False]),
        ("tips + fare - 1", [12, 10, 4]),
        ("-tips", [-3, -1, 0]),
        ("+tips", [3, 1, 0]),
        ("tips / 2 % 1", [0.5, 0.5, 0]),
        ("kind == 'a' and not tips >= 3", [False, False, True]),
        ("kind != 'a' or tips <= 0", [False, True, True]),
        ("0 < tips < 3", [False, True, False]),
        ("`house value` > 1", [False, True, True]),
        ("`class` == 1", [False, True, True]),
    ],
)
def test_evaluates_what_it_allows(text, expected):
    assert Expression(text).evaluate(COLUMNS).tolist() == expected


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
        "2 ** 99999999",
        "None",
        "b'bytes'",
    ],
)
def test_refuses_everything_else(text):
    with pytest.raises(RecipeError, match="may not use"):
        Expression(text)


@pytest.mark.parametrize("text", ["", "tips >", "a b", "class", "tips > > 1"])
def test_says_what_does_not_parse(text):
    with pytest.raises(RecipeError, match="does not parse"):
        Expression(text)


def test_names_its_columns():
    assert Expression("`house value` > tips * tips").columns == ("house value", "tips")


def test_knows_a_column_and_a_condition():
    assert Expression("tips").is_column
    assert not Expression("tips > 1").is_column
    assert Expression("tips > 1").is_boolean
    assert Expression("not tips").is_boolean
    assert not Expression("tips * 2").is_boolean
