"""What two keys are compared by, one of a request and one of a file of labels."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pyarrow as pa

from trainyard.raw_values import canonical_text, whole_number
from trainyard.trainer_modules.harness.description import RawType

_WHOLE = re.compile(r"-?[1-9][0-9]*|0")


def key_text(value: Any, kind: RawType) -> str:
    """Returns the text of a key: the same for two keys that are equal in their column.

    Args:
        value: As it stands in a request or a file.
        kind: The type that the column has in training. Whole numbers are equal if their values
            are, floats if they are the same 32-bit float, texts if all characters are the same
            or both are the same date and time.

    Returns:
        Empty for a missing value, and for one that no value of this type is equal to.
    """
    if value is None:
        return ""
    try:
        if kind == "int64":
            return str(whole_number(value))
        if kind == "float32":
            return canonical_text(np.float32(canonical_text(value)))
    except ValueError:
        return ""
    return _instant(canonical_text(value))


def sent_kind(values: pa.Array) -> RawType:
    """Tells the type of a key that training does not know from what requests send.

    Args:
        values: A key of requests: numbers, or text as bytes.

    Returns:
        `int64` if all are whole numbers without anything before or after their digits.
    """
    texts = [canonical_text(value) for value in values.drop_null().to_pylist()]
    return "int64" if all(map(_WHOLE.fullmatch, texts)) else "string"


def _instant(text: str) -> str:
    """A date with a time as ISO 8601 in UTC if it has an offset; any other text as it is."""
    if "-" not in text or ":" not in text:
        return text
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return text
    return (time.astimezone(datetime.UTC) if time.tzinfo else time).isoformat()
