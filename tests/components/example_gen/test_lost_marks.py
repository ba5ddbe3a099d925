"""What texts lose as numbers: found where it matters, and not in ordinary numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.components.example_gen.lost_marks import has_leading_zeros, lost


@pytest.mark.parametrize(
    ("texts", "text", "number", "words"),
    [
        (["00012", "12345"], "00012", "12", "leading zeros"),
        ([" 007", "12"], "007", "7", "leading zeros"),
        (["00012", "1.5"], "00012", "12", "leading zeros"),
        (["1.1", "1.10", "2"], "1.10", "1.1", "trailing zeros"),
        (["3.8", "3.9", "3.10", "3.11"], "3.10", "3.1", "trailing zeros"),
        (["0.1", "0.10"], "0.10", "0.1", "trailing zeros"),
        (["-2.50", "-2.5"], "-2.50", "-2.5", "trailing zeros"),
        (["+4930123456", "+498912345"], "+4930123456", "4930123456", "a leading plus"),
        (["8E2", "812"], "8E2", "800", "exponent"),
        (["3e2", "4E1"], "3e2", "300", "exponent"),
        (["1E5", "342", "77"], "1E5", "100000", "exponent"),
    ],
)
def test_what_is_lost_is_named(texts, text, number, words) -> None:
    found = lost(texts)

    assert found is not None
    assert (found.text, found.number) == (text, number)
    assert words in found.words


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["0", "10", "0.5"],
        ["1.10", "2.00", "13.50"],
        ["12.0", "1.20", "0.120", "123"],  # three significant digits
        ["0.0", "0.25", "1.0", "1.25"],  # how Python and pandas write floats
        ["10.0", "9.75", "-3.5", "1e-05", "1.5e+20", "1e+16"],
        ["1.0E5", "1.0E-5", "200.0"],  # Java
        ["1e3", "1e5", "1e6"],  # powers
        ["+5", "-3", "+12"],
        ["+12345678", "-12345678"],
        ["+5", "+12"],
        ["1.", "1", "2."],
    ],
)
def test_ordinary_numbers_lose_nothing(texts) -> None:
    assert lost(texts) is None


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_no_float_loses_anything_however_a_program_writes_it(numbers) -> None:
    frame = pd.DataFrame({"x": numbers}, dtype=float)
    written = [
        [repr(x) for x in numbers],
        [str(np.float32(x)) for x in numbers if abs(x) < 1e38],
        [f"{x:.2f}" for x in numbers],
        [f"{x:+.3e}" for x in numbers],
        [f"{x:g}" for x in numbers],
        frame.to_csv(index=False, header=False).split(),
    ]
    assert [found for texts in written if (found := lost({*texts}))] == []


@given(st.lists(st.integers(-(10**20), 10**20)))
def test_no_whole_number_loses_anything(numbers) -> None:
    assert lost({str(number) for number in numbers}) is None


@given(st.lists(st.integers(1, 40), min_size=12, unique=True), st.integers(1, 9))
def test_versions_are_noticed_if_a_tenth_one_is_there(minors, major) -> None:
    texts = {f"{major}.{minor}" for minor in minors}
    tens = any(minor % 10 == 0 for minor in minors)

    assert (lost(texts) is not None) == (tens and min(minors) < 10)


@given(st.lists(st.text("0123456789", min_size=1, max_size=8), min_size=1, unique=True))
def test_of_digits_two_texts_are_one_number_only_where_it_is_said(texts) -> None:
    if len({int(text) for text in texts}) < len(texts):
        assert lost(texts) is not None


def test_leading_zeros() -> None:
    assert has_leading_zeros(["12", "007"])
    assert not has_leading_zeros(["0", "10", "0.5", "0x1"])
