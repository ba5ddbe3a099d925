"""What a text loses when it is read as a number: zeros, a plus or an exponent that belong to it.

Of 00012, 1.10, +49301234567 and 8E2 the numbers are 12, 1.1, 49301234567 and 800. Where the texts
are codes, versions or telephone numbers, they are others than those that were written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

_LEADING_ZEROS = re.compile(r"0\d+")
_FRACTION = re.compile(r"[-+]?0*(?P<whole>\d*)\.(?P<decimals>\d+)")
_TELEPHONE = re.compile(r"\+\d{7,}")
_EXPONENT = re.compile(r"(?P<before>\d+)[eE]\d+")  # computers write 1e+20, 1e-05 or 1.0E5


class Lost(NamedTuple):
    """What is lost of a column's texts.

    Attributes:
        text: One that loses something.
        words: What it loses.
    """

    text: str
    words: str

    @property
    def number(self) -> str:
        """What the text is read as."""
        return str(int(self.text)) if self.text.lstrip("+").isdecimal() else f"{float(self.text):g}"


def lost(texts: Collection[str]) -> Lost | None:
    """Says what is lost of a column's texts when they are read as numbers; None if nothing is.

    What numbers usually look like is no loss: the two decimals of all amounts of money, signs of
    which some are minus, and how programs write very large and very small numbers.

    Args:
        texts: Its different values, all numbers.
    """
    stripped = dict.fromkeys(text.strip() for text in texts)
    found = ((words, next(rule(stripped), None)) for words, rule in _RULES.items())
    return next((Lost(text, words) for words, text in found if text is not None), None)


def has_leading_zeros(texts: Collection[str]) -> bool:
    """Whether whole numbers among them begin with a zero, as codes do.

    Args:
        texts: A column's values.
    """
    return next(_with_leading_zeros(texts), None) is not None


def _with_leading_zeros(texts: Collection[str]) -> Iterator[str]:
    return filter(_LEADING_ZEROS.fullmatch, texts)


def _with_trailing_zeros(texts: Collection[str]) -> Iterator[str]:
    """Those that have more decimals than others, the last a zero: 3.10 beside 3.9, 1.10 and 1.1.

    Numbers rounded to so many significant digits, such as 12.0 and 1.20, are not meant: those
    with as many digits before the point have as many after it.
    """
    fractions = {text: match for text in texts if (match := _FRACTION.fullmatch(text))}
    decimals = defaultdict(set)
    for text, match in fractions.items():
        decimals[_like(text, match)].add(len(match["decimals"]))
    for text, match in fractions.items():
        own = len(match["decimals"])
        if text.endswith("0") and own > min(decimals[_like(text, match)]):
            yield text


def _like(text: str, match: re.Match[str]) -> int | float:
    """Equal for texts that a rounding to significant digits gives as many decimals."""
    return len(match["whole"]) or float(text)


def _with_plus(texts: Collection[str]) -> Iterator[str]:
    if not any(text.startswith("-") for text in texts):
        yield from filter(_TELEPHONE.fullmatch, texts)


def _with_exponent(texts: Collection[str]) -> Iterator[str]:
    """Those such as 8E2 among digits, unless all are powers such as 1e5 and 1e6."""
    matches = {text: _EXPONENT.fullmatch(text) for text in texts}
    digits = {match["before"] if match else text for text, match in matches.items()}
    if len(digits) > 1 and all(map(str.isdecimal, digits)):
        yield from (text for text, match in matches.items() if match)


_RULES: dict[str, Callable[[Collection[str]], Iterator[str]]] = {
    "leading zeros": _with_leading_zeros,
    "trailing zeros": _with_trailing_zeros,
    "a leading plus": _with_plus,
    "the letter of an exponent": _with_exponent,
}
