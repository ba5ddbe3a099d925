"""Decides, column by column, how it becomes an input, and says why.

Each rule looks at the facts of one column and gives a verdict or passes; the
first verdict counts. To teach the starter something new, add a rule.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["numeric", "categorical", "bucketized", "text", "ignored"]

_ROWS_A_CODE = 20  # fewer rows a value, and an integer is taken for a quantity
_MOST_CODES = 20
_EXACT = 2**24  # a 32-bit float has no room for longer whole numbers
_DEFAULT_VOCABULARY = 1000
_LONG_TAIL = 5.0  # skewness; an exponential distribution has 2
_IDENTIFIER_NAME = re.compile(
    r"(^|[\W_])(id|ids|uuid|guid|key|index|idx|row|rownum|nr|no|number|unnamed: \d+)$|[a-z]I[Dd]$",
)
_TIME_NAME = re.compile(r"time|date|stamp|_at$|_on$", re.IGNORECASE)
_MOMENT = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ]\d.*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}([T ]\d.*)?"
)
_DECIMAL_COMMA = re.compile(r"[-+]?\d{1,3}(\.?\d{3})*,\d+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_FEWEST_WORDS = 5  # on average; names and addresses have fewer
_SHARE_OF_WHOLE_TEXTS = 0.95  # of which no word is cut off
_LONGEST = 1000
_UNIX_SECONDS = (3e8, 4.2e9)  # 1979 to 2103


@dataclass(frozen=True)
class Verdict:
    """How one column becomes an input.

    Attributes:
        kind: The feature's kind in the recipe.
        reason: The comment beside it.
        options: What else the recipe says of it, such as how many values to keep.
        warning: What the user should know before a run; empty if nothing.
    """

    kind: Kind
    reason: str
    options: Mapping[str, int] = field(default_factory=dict)
    warning: str = ""


class Facts:
    """What one column holds.

    Args:
        name: The column.
        values: Its values in the sample.
    """

    def __init__(self, name: str, values: pd.Series) -> None:
        self.name = name
        self.rows = len(values)
        self.present = values.dropna()
        self.missing = 1 - len(self.present) / max(1, self.rows)

    @cached_property
    def counts(self) -> pd.Series:
        """Rows per value, most frequent first."""
        return self.present.value_counts()

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(self.counts)

    @cached_property
    def is_number(self) -> bool:
        """Whether the values are numbers (bools count)."""
        import pandas as pd

        return bool(pd.api.types.is_numeric_dtype(self.present))

    @cached_property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return self.is_number and bool((self.present.astype(float) % 1 == 0).all())

    @cached_property
    def texts(self) -> list[str]:
        """Up to a thousand different values, as text."""
        values = self.counts.index[:1000]
        return [f"{value:.15g}" if self.is_number else str(value) for value in values]

    def share(self, pattern: re.Pattern[str]) -> float:
        """The share of the different values that a pattern fits whole."""
        fitting = sum(pattern.fullmatch(text.strip()) is not None for text in self.texts)
        return fitting / max(1, len(self.texts))

    @property
    def named_as_identifier(self) -> bool:
        """Whether the name says that the values name things."""
        return bool(_IDENTIFIER_NAME.search(self.name.strip())) or bool(
            _IDENTIFIER_NAME.search(self.name.strip().lower())
        )

    @property
    def missing_words(self) -> str:
        """Such as `, 3% missing`; empty if none is."""
        return f", {self.missing:.0%} missing" if self.missing >= 0.005 else ""


def judge(facts: Facts) -> Verdict:
    """Decides how a column becomes an input.

    Args:
        facts: What the column holds.
    """
    return next(verdict for rule in _RULES if (verdict := rule(facts)) is not None)


def _ignored(reason: str, warning: str = "") -> Verdict:
    return Verdict("ignored", reason, warning=warning)


def _empty(facts: Facts) -> Verdict | None:
    return _ignored("no value in any row") if not facts.distinct else None


def _constant(facts: Facts) -> Verdict | None:
    if facts.distinct > 1:
        return None
    return _ignored(f"the same value in every row: {shown(facts.texts[0])}")


def _moment(facts: Facts) -> Verdict | None:
    if facts.present.dtype.kind == "M":
        return _ignored("moments in time: derive the hour, the weekday or an age instead")
    if facts.is_number:
        low, high = facts.present.min(), facts.present.max()
        unix = _UNIX_SECONDS[0] < low and high < _UNIX_SECONDS[1] and _TIME_NAME.search(facts.name)
        if not (unix and facts.is_whole):
            return None
    elif facts.share(_MOMENT) < 0.9:
        return None
    return _ignored("dates or times: derive the hour, the weekday or an age instead")


def _decimal_comma(facts: Facts) -> Verdict | None:
    if facts.is_number or facts.share(_DECIMAL_COMMA) < 0.5:
        return None
    return _ignored(
        "numbers with a decimal comma are read as text",
        f"column {facts.name!r} holds numbers with a decimal comma, which are read as text; "
        "it is ignored: write them with a point to use them",
    )


def _nearly_numbers(facts: Facts) -> Verdict | None:
    if facts.is_number or not 0.8 <= facts.share(_NUMBER) < 1 or facts.distinct <= _MOST_CODES:
        return None
    others = [text for text in facts.texts if not _NUMBER.fullmatch(text.strip())][:3]
    words = ", ".join(map(shown, others))
    return _ignored(
        f"numbers, but for {words}",
        f"column {facts.name!r} holds numbers, but for {words}; it is ignored: if that means "
        "`missing`, list it under data.missing, and remove the column from features",
    )


def _identifier(facts: Facts) -> Verdict | None:
    unique = facts.distinct == len(facts.present) and facts.distinct > 10
    many = facts.distinct > max(50, len(facts.present) / 50)
    if facts.named_as_identifier and (many or unique):
        return _ignored("by its name it identifies rows: nothing to learn for new ones")
    if unique and facts.is_whole and _counts_up(facts.present):
        return _ignored("it only counts the rows")
    if unique and not facts.is_number:
        return _ignored("every row has a value of its own: nothing to learn for new ones")
    return None


def _counts_up(values: pd.Series) -> bool:
    steps = values.astype(float).diff().dropna()
    return bool((steps == steps.iloc[0]).all()) and abs(steps.iloc[0]) >= 1


def _text(facts: Facts) -> Verdict | None:
    if facts.is_number or facts.distinct < 50 or facts.distinct < len(facts.present) / 10:
        return None
    mean = sum(len(text.split()) for text in facts.texts) / len(facts.texts)
    if mean < _FEWEST_WORDS:
        return None
    tokens = sorted(len(_TOKEN.findall(text)) for text in facts.texts)
    usual = tokens[int(len(tokens) * _SHARE_OF_WHOLE_TEXTS)]
    length = min(_LONGEST, math.ceil(2 * usual / 10) * 10)  # a text has nearly as many pairs
    reason = f"text of {mean:.0f} words on average; pairs of words count too{facts.missing_words}"
    return Verdict("text", reason, {"ngrams": 2, "length": length})


def _nearly_unique(facts: Facts) -> Verdict | None:
    if facts.is_number or facts.distinct < max(50, len(facts.present) / 2):
        return None
    return _ignored("nearly every row has a value of its own")


def _code(facts: Facts) -> Verdict | None:
    if not facts.is_number:
        many = facts.distinct > _DEFAULT_VOCABULARY
        options = {"vocabulary": facts.distinct} if many else {}
        return Verdict("categorical", _values(facts), options)
    if not facts.is_whole:
        return None
    if facts.present.abs().min() > _EXACT and facts.distinct <= _DEFAULT_VOCABULARY:
        return Verdict("categorical", f"long whole numbers, taken for codes: {_values(facts)}")
    if facts.distinct > _MOST_CODES or facts.distinct == 2:
        return None
    if len(facts.present) < facts.distinct * _ROWS_A_CODE:
        return None
    return Verdict("categorical", f"few whole numbers, taken for codes: {_values(facts)}")


def _long_tail(facts: Facts) -> Verdict | None:
    numbers = facts.present.astype(float)
    if facts.distinct < 50 or abs(float(numbers.skew())) < _LONG_TAIL:
        return None
    return Verdict("bucketized", f"{_range(facts)}: few very large values, hence quantiles")


def _quantity(facts: Facts) -> Verdict:
    return Verdict("numeric", _range(facts))


def _values(facts: Facts) -> str:
    if facts.distinct > 5:
        return f"{facts.distinct:,} values, most often {shown(facts.texts[0])}{facts.missing_words}"
    return ", ".join(shown(text) for text in facts.texts) + facts.missing_words


def _range(facts: Facts) -> str:
    low, high = float(facts.present.min()), float(facts.present.max())
    return f"{low:.6g} to {high:.6g}{facts.missing_words}"


def shown(text: str, most: int = 30) -> str:
    """Text on one line, cut off if it is long.

    Args:
        text: Any text of the user's.
        most: Characters at most.
    """
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


_RULES: tuple[Callable[[Facts], Verdict | None], ...] = (
    _empty,
    _constant,
    _moment,
    _decimal_comma,
    _nearly_numbers,
    _text,
    _identifier,
    _nearly_unique,
    _code,
    _long_tail,
    _quantity,
)
