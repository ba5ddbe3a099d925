"""Tells from a column's texts whether they are numbers, and how these are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import NamedTuple

from trainyard.components.example_gen.number_formats import plain_text
from trainyard.recipe_schema import NumberFormat

_BODY = r"[\d.,](?:[\d.,'\u2019 \u00a0\u2007\u2009\u202f]*\d)?"
_AMOUNT = re.compile(
    rf"\(?\s*[-+\u2212]?\s*(?P<before>[^\d\s.,'()+-][^\d.,'()+-]{{0,4}})?[-+\u2212]?"
    rf"(?P<body>{_BODY})(?P<after>\s*[^\d\s.,'()+-][^\d.,'()+-]{{0,11}})?\)?"
)
_CURRENCIES = re.compile(
    "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|RUB|SEK|SGD|TRY|USD|"
    r"ZAR|Fr\.?|Rs\.?|kr|Kč|zł"
)
_STYLES = tuple(
    NumberFormat(decimal=decimal, thousands=thousands)
    for thousands, decimal in (
        ("", "."),
        (",", "."),
        ("", ","),
        (".", ","),
        (" ", "."),
        (" ", ","),
        ("'", "."),
        ("'", ","),
    )
)
_MAGNITUDES = re.compile(
    "[kmbgt]|mn|mm|mio|mill?|million|bn|bio|mrd|billion|tn|trillion|tsd|thousand|cr|crore|la[ck]h",
    re.IGNORECASE,
)
_SIDES = ("before", "after")
_MOST_UNITS = 3
_FEWEST_TEXTS = 5
_AS_AMOUNT = re.compile(r"\d{3}|\D")  # 2- may be a grade, 250- and 2.50- are none
_SEPARATORS = re.compile(r"\D")
_THREE_DECIMALS = re.compile(r"[-+]?(?:[1-9]\d{0,2}\.\d{3}|\d{1,3})")


class Guess(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        form: The format.
        other: What they might be just as well, such as 1.234 where `1,234` was taken for 1234;
            empty if there is no doubt.
    """

    form: NumberFormat
    other: str = ""


class _Parts(NamedTuple):
    currency: str
    body: str
    unit: str
    minus_last: bool

    @property
    def marked(self) -> bool:
        """Whether there is more than a number."""
        return bool(self.currency or self.unit or self.minus_last)


def guess(texts: Collection[str]) -> Guess | None:
    """Tells how a column's numbers are written; None if they are plain, or are no numbers.

    Args:
        texts: Its different values; the more, the surer.
    """
    amounts = [_AMOUNT.fullmatch(text.strip()) for text in texts]
    units = {_unit(amount) for amount in amounts if amount}
    if not texts or not all(amounts) or len(units) > 1 or None in units:
        return None
    unit = next(iter(units)) or ""
    if not unit and all(map(is_plain_number, texts)):
        return None
    bodies = [amount["body"] for amount in amounts if amount]
    styles = _readings([style for style in _STYLES if _fits(style, bodies)], bodies)
    if not styles or (styles[0].thousands == " " and _like_codes(bodies)):
        return None
    # A comma before three digits is more often one of thousands, a point one of decimals.
    best = next((style for style in styles if style.thousands == ","), styles[0])
    sure = len(styles) == 1 or (_is_money(unit) and best.thousands == ",")
    other = "" if sure else _read(next(s for s in styles if s != best), bodies)
    return Guess(best.model_copy(update={"unit": unit}), other)


def unsupported(texts: Collection[str]) -> str | None:
    """Returns the first text of a column of numbers that no format can read; None if all can.

    Such are `6.6k` beside `1.2M`, `12 kg` beside `5 lb`, and `12.50-`, where the minus comes last.

    Args:
        texts: Its different values; of few nobody can tell.
    """
    read = {text: parts for text in texts if (parts := _parts(text.strip()))}
    bodies = [parts.body for parts in read.values()]
    if len(read) < max(_FEWEST_TEXTS, len(texts)) or guess(texts):
        return None
    if not any(_fits(style, bodies) for style in _STYLES):
        return None
    marked = [text for text, parts in read.items() if parts.marked]
    ends = any(parts.minus_last and _AS_AMOUNT.search(parts.body) for parts in read.values())
    units = {parts.unit for parts in read.values()} - {""}
    units = units or {parts.currency for parts in read.values()} - {""}
    return marked[0] if ends or (units and _are_units(units)) else None


def is_plain_number(text: str) -> bool:
    """Whether text is a number such as -12, 3.5 or 1e6, which needs no format to be read.

    Args:
        text: One value.
    """
    if plain_text(NumberFormat(), text, unit=False) is None:
        return False
    try:
        float(text.encode())  # of bytes, which knows neither U+2212 nor other digits than ASCII's
    except ValueError:
        return False
    return True


def is_ambiguous_decimal(texts: Collection[str]) -> bool:
    """Whether plain numbers such as 1.234 might be thousands: each has three decimals or none.

    Args:
        texts: The column's different values.
    """
    three = sum("." in text for text in texts)
    return three > len(texts) / 2 and all(map(_THREE_DECIMALS.fullmatch, texts))


def _parts(text: str) -> _Parts | None:
    """What a number is made of; None if it is none."""
    positive = text.rstrip("-\u2212")
    amount = _AMOUNT.fullmatch(positive)
    before, after = ((amount[side] or "").strip() if amount else "" for side in _SIDES)
    if amount is None or (before and not _is_money(before)):
        return None
    return _Parts(before, amount["body"], after, positive != text)


def _are_units(units: Collection[str]) -> bool:
    """Whether what stands behind numbers tells how large they are: 12A and 12B are places."""
    if all(map(_MAGNITUDES.fullmatch, units)):
        return True
    return len(units) <= _MOST_UNITS and not any(len(u) == 1 and u.isalpha() for u in units)


def _unit(amount: re.Match[str]) -> str | None:
    """What stands before or after a number, '' if nothing does; None if it is no unit."""
    before, after = (amount[side] or "" for side in _SIDES)
    before, after = before.strip(), after.strip()
    if before and after:
        return None
    return None if before and not _is_money(before) else before or after


def _is_money(unit: str) -> bool:
    return bool(_CURRENCIES.fullmatch(unit)) or any(unicodedata.category(c) == "Sc" for c in unit)


def _fits(style: NumberFormat, bodies: Iterable[str]) -> bool:
    return all(plain_text(style, body, unit=False) is not None for body in bodies)


def _like_codes(bodies: Collection[str]) -> bool:
    """Whether groups of digits are as long in all, as in phone numbers."""
    return len({_SEPARATORS.sub(" ", re.sub(r"\d", "9", body)) for body in bodies}) == 1


def _readings(styles: Iterable[NumberFormat], bodies: Collection[str]) -> list[NumberFormat]:
    """One style for each of the ways in which the numbers may be meant."""
    readings: dict[tuple[float, ...], NumberFormat] = {}
    for style in styles:
        numbers = tuple(float(plain_text(style, body, unit=False) or "nan") for body in bodies)
        readings.setdefault(numbers, style)
    return [*readings.values()]


def _read(style: NumberFormat, bodies: Iterable[str]) -> str:
    """The first number in which there is a mark, as a style reads it."""
    marked = next(body for body in bodies if _SEPARATORS.search(body))
    return plain_text(style, marked, unit=False) or ""
