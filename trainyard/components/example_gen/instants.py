"""Dates and times that are written as ISO 8601, as instants."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Times = npt.NDArray[np.int64]

_ZONE = r"(:\d\d(\.\d+)?) ?(Z|[+-]\d\d(:?\d\d)?)$"


class Instants(NamedTuple):
    """Times as numbers, since 1970.

    Attributes:
        utc: What they are in UTC, shape `(n,)`; as they stand there if they name no zone.
        wall: What the clock on the wall said, `(n,)`.
        zoned: Whether they name a zone, as an offset from UTC or as `Z`.
    """

    utc: Times
    wall: Times
    zoned: bool


def parsed(texts: pa.Array, unit: str = "us") -> Instants | None:
    """Reads times.

    Args:
        texts: Strings such as `1990-12`, `1990-12-31`, `1990-12-31 23:59` or
            `1990-12-31T23:59:00.5+01:00`; none is missing.
        unit: What the numbers count: `us` or `ns`. Shorter times are cut off.

    Returns:
        The times; None if a text is no time, or only some name their zone.
    """
    named = np.asarray(pc.match_substring_regex(texts, _ZONE))
    if named.any() and not named.all():
        return None
    digits = {"us": 6, "ns": 9}[unit]
    texts = pc.replace_substring_regex(texts, rf"(\.\d{{{digits}}})\d+", r"\1")
    texts = pc.replace_substring_regex(texts, r"^(\d{4}-\d\d)$", r"\1-01")
    here = pc.replace_substring_regex(texts, _ZONE, r"\1")
    exact = pc.replace_substring_regex(texts, _ZONE, r"\1\3")
    try:
        wall = here.cast(pa.timestamp(unit))
        utc = exact.cast(pa.timestamp(unit, "UTC")) if named.any() else wall
    except pa.ArrowInvalid:
        return None
    in_utc, on_wall = (np.asarray(each.cast(pa.int64())) for each in (utc, wall))
    return Instants(in_utc, on_wall, bool(named.any()))


def with_offset(times: pa.Array) -> pa.Array:
    """Returns ISO 8601 with the offset from UTC, such as `2026-10-25T02:30:00+01:00`.

    Args:
        times: Timestamps with a time zone, shape `(n,)`.
    """
    texts = pc.strftime(times, format="%Y-%m-%dT%H:%M:%S%z")
    return pc.replace_substring_regex(texts, r"([+-]\d\d)(\d\d)$", r"\1:\2")
