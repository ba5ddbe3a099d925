"""Numbers of things agree with their nouns."""

from __future__ import annotations

import pytest

from trainyard.errors import nearest
from trainyard.wording import agreeing, counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1000, "1,000 rows")]
)
def test_nouns_agree(number, words):
    assert counted(number, "row") == words


def test_other_plurals_and_verbs_agree():
    assert (counted(1, "class", "classes"), counted(2, "class", "classes")) == (
        "1 class",
        "2 classes",
    )
    assert [agreeing(number, "is", "are") for number in (0, 1, 2)] == ["are", "is", "are"]


def test_a_hint_names_choices_only_where_there_are_some():
    assert nearest("fare", ["fares"]) == "did you mean 'fares'?"
    assert nearest("x", ["fares", "tips"]) == "choose one of: fares, tips"
    assert nearest("x", []) == "there is none to choose from"
