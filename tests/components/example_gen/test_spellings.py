"""Values that differ only in case or spaces."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.components.example_gen import spellings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yes", "yes"),
        ("Yes", " Yes"),
        ("Yes", "Yes\t"),
        ("New York", "new  york"),
        ("New York", "New\u00a0York"),
        ("Straße", "STRASSE"),
        ("Zo\u00eb", "Zoe\u0308"),
    ],
)
def test_variants_are_named_with_their_rows(one: str, other: str) -> None:
    found = spellings.warning("answer", {one: 1200, other: 3, "No": 5})

    assert found.startswith("values of 'answer' differ only in case or spaces: ")
    assert f"{one!r} (1,200), {other!r} (3)" in found
    assert "No" not in found


@pytest.mark.parametrize("values", [[], ["Yes", "No"], ["a b", "ab"], ["m2", "m²"], ["1", "01"]])
def test_other_values_are_not_alike(values: list[str]) -> None:
    assert spellings.warning("answer", dict.fromkeys(values, 1)) == ""


def test_of_many_variants_some_are_named() -> None:
    counts = {text: 1 for n in range(10) for text in (f"a{n}", f"A{n}")}

    found = spellings.words(counts)

    assert found.count("(1)") == 6
    assert found.endswith("; and 7 more")


@given(st.lists(st.text(max_size=4), unique=True))
def test_every_value_is_in_one_group_at_most(values: list[str]) -> None:
    groups = spellings.alike(dict.fromkeys(values, 1))
    named = [value for group in groups for value in group]

    assert len(named) == len(set(named))
    assert set(named) <= set(values)
    lower = [value.strip().lower() for value in values if value.isascii()]
    assert bool(groups) or len(set(lower)) == len(lower)


def test_free_text_and_missing_values_are_not_looked_at() -> None:
    assert [*spellings.first_warnings("x", pa.array([None, None, "a", "A"]))]
    many = [f"w{n}" for n in range(1000)]
    assert not [*spellings.first_warnings("x", pa.array(["a", "A", *many]))]
