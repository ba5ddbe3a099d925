"""One text for one value, whatever file, type or program it comes from.

Slices, thresholds, label joins, reports and predictions compare values that were
read from CSV, from Parquet, from a tf.Example (32-bit floats) or from YAML. They
compare these texts, so that `30`, `30.0` and `np.float32(30)` are one value, and
so are `0.1` in a recipe and the 32-bit float that was made of it.
"""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import numpy as np
import numpy.typing as npt


def canonical_text(value: Any) -> str:
    """Returns the text of a raw value.

    Args:
        value: A scalar of Python or NumPy.

    Returns:
        Empty for a missing value (None, NaN); `1` and `0` for booleans; an integer's
        digits, also for a float that is whole; for any other float the shortest text that
        reads back as the same number at its own precision; text as it is; ISO 8601 for
        dates and times.
    """
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return _float_text(value)
    if isinstance(value, decimal.Decimal):
        return _float_text(float(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def whole_number(value: Any) -> int:
    """Reads a whole number of 64 bits, however it is written: `7`, `0007`, `7.0`, 7.0.

    Args:
        value: A scalar of Python or NumPy.

    Raises:
        ValueError: It is none.
    """
    text = canonical_text(value)
    try:
        number = decimal.Decimal("" if "_" in text else text.strip())
    except decimal.InvalidOperation:
        number = decimal.Decimal("nan")
    fits = number.is_finite() and -(2**63) <= number < 2**63
    if fits and number == number.to_integral_value():
        return int(number)
    raise ValueError(f"{text!r} is no whole number of 64 bits")


def decimal_floats(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Returns the numbers that 32-bit floats stand for: 0.1, where a cast has 0.10000000149.

    The float64 of each float's shortest text, but much faster than by way of texts.

    Args:
        values: Shape `(n,)`.
    """
    numbers = values.astype(np.float64)
    pending = np.flatnonzero(np.isfinite(values) & (np.trunc(values) != values))
    for digits in (6, 7, 8, 9, 10):  # six always survive, nine suffice; a logarithm may be off
        rounded = _rounded(numbers[pending], digits)
        found = rounded.astype(np.float32) == values[pending]
        numbers[pending[found]] = rounded[found]
        pending = pending[~found]
    return numbers


def _rounded(numbers: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.float64]:
    """Rounds to so many decimal digits."""
    places = digits - 1 - np.floor(np.log10(np.abs(numbers))).astype(np.int64)
    # A power of ten is exact up to 22, so that dividing by it rounds once.
    exact = np.clip(places, 0, 22)
    rounded = np.rint(numbers * 10.0**exact) / 10.0**exact
    tiny = np.flatnonzero(places > 22)
    rounded[tiny] = [float(f"{number:.{digits}g}") for number in numbers[tiny]]
    return np.asarray(rounded)


def stored_text(value: Any) -> str:
    """Returns the text of a value as a tf.Example holds it: floats have 32 bits there.

    Args:
        value: As `canonical_text`; a Python float is one of an example, or will be.
    """
    narrow = isinstance(value, float) and not value.is_integer()
    return canonical_text(np.float32(value) if narrow else value)


def _float_text(value: float | np.floating[Any]) -> str:
    if math.isnan(value):
        return ""
    if math.isinf(value) or value % 1:
        return str(value)  # NumPy's text of a float32 is the shortest for a float32
    return str(int(value))


_FLAGS = {"true": True, "false": False}
_LARGEST = 1e300


def as_flag(text: str) -> bool | None:
    """Reads `true` or `false`, however capitalized; None for any other text."""
    return _FLAGS.get(text.strip().lower())


def as_number(text: str) -> int | float | None:
    """Reads a number, exactly where it is whole; a flag is 1 or 0.

    Args:
        text: The text of a raw value.

    Returns:
        None for text that is no finite number.
    """
    flag = as_flag(text)
    if flag is not None:
        return int(flag)
    try:
        number = decimal.Decimal(text.strip().replace("_", "?"))
    except decimal.InvalidOperation:
        return None
    if not number.is_finite() or abs(number) > _LARGEST:
        return None
    return int(number) if number == number.to_integral_value() else float(number)


def is_same(text: str, value: Any) -> bool:
    """Whether what somebody wrote means a raw value.

    Args:
        text: What a recipe says, such as `2`, `2.0`, `True` or `fraud`.
        value: A raw value. Text has to be the same but for the spelling of true and false;
            a number has to be equal at its own precision.
    """
    if isinstance(value, str | bytes):
        own = canonical_text(value)
        return text == own or (as_flag(text) is not None and as_flag(text) == as_flag(own))
    number = as_number(text)
    if number is None:
        return text == canonical_text(value)
    if isinstance(value, np.floating):
        return bool(type(value)(number) == value)
    return bool(number == value)
