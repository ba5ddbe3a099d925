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
