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
