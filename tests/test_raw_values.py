"""One text for one value."""

import datetime
import decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.raw_values import canonical_text, decimal_floats, is_same, whole_number


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([None, float("nan"), np.float32("nan")], ""),
        ([True, np.bool_(True), 1, 1.0, np.float32(1), np.int64(1), decimal.Decimal("1.00")], "1"),
        ([False, 0, 0.0, -0.0], "0"),
        ([0.1, np.float32(0.1), decimal.Decimal("0.10")], "0.1"),
        ([1e300], str(int(1e300))),
        ([float("inf")], "inf"),
        (["0007"], "0007"),
        (["café", "café".encode()], "café"),
        ([datetime.date(2026, 11, 28)], "2026-11-28"),
    ],
)
def test_equal_values_have_one_text(values: list[object], text: str) -> None:
    assert {canonical_text(value) for value in values} == {text}


@given(st.integers(-(2**53), 2**53))
def test_a_whole_float_has_the_text_of_its_integer(number: int) -> None:
    assert canonical_text(float(number)) == canonical_text(number) == str(number)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_32_bit_float_reads_back(number: float) -> None:
    assert np.float32(canonical_text(np.float32(number))) == np.float32(number)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("2.0", 2),
        ("2", np.float32(2)),
        ("0.1", np.float32(0.1)),
        ("true", True),
        ("TRUE", 1),
        ("true", "True"),
        ("fraud", b"fraud"),
        ("2026-11-28", datetime.date(2026, 11, 28)),
        ("9007199254740993", 2**53 + 1),
    ],
)
def test_what_somebody_wrote_means_a_value(text: str, value: Any) -> None:
    assert is_same(text, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", "2.0"), ("1", "True"), ("x", 1), ("Fraud", "fraud"), ("nan", np.nan), ("1_0", 10)],
)
def test_what_somebody_wrote_means_another_value(text: str, value: Any) -> None:
    assert not is_same(text, value)


floats = st.one_of(
    st.floats(width=32, allow_subnormal=False),
    st.floats(2.0**-120, 2.0**-90, width=32),
    st.floats(-9, 9, width=32, allow_subnormal=False),
)


@given(st.lists(floats))
def test_a_32_bit_float_is_the_number_of_its_shortest_text(values: list[float]) -> None:
    narrow = np.array(values, np.float32)
    expected = np.array([float(str(value)) for value in narrow], np.float64)
    whole = np.trunc(narrow) == narrow  # beyond 2^24 a whole number is itself
    np.testing.assert_array_equal(
        decimal_floats(narrow), np.where(whole, narrow.astype(np.float64), expected)
    )


def test_decimals_of_every_power_of_ten() -> None:
    texts = [f"{digits}e{power}" for power in range(-37, 6) for digits in ("1", "9.999", "3.1415")]
    narrow = np.array([float(text) for text in texts], np.float32)
    whole = np.trunc(narrow) == narrow
    expected = np.array([float(text) for text in texts])
    np.testing.assert_array_equal(decimal_floats(narrow)[~whole], expected[~whole])


@pytest.mark.parametrize(
    ("value", "number"),
    [("0007", 7), ("7.0", 7), (" +7 ", 7), (7.0, 7), ("1e3", 1000), (str(2**63 - 1), 2**63 - 1)],
)
def test_whole_numbers_however_they_are_written(value: object, number: int) -> None:
    assert whole_number(value) == number


@pytest.mark.parametrize(
    "value", ["7.5", "x", "", None, "1_000", "nan", "inf", "1e999999999", str(2**63)]
)
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(ValueError, match="no whole number"):
        whole_number(value)
