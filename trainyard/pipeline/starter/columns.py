"""Decides, column by column, how it becomes an input, and says why.

Each rule looks at the facts of one column and gives a verdict or passes; the
first verdict counts. To teach the starter something new, add a rule.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from trainyard.components.example_gen import lookalikes, spellings
from trainyard.recipe_schema import UNNAMED
from trainyard.wording import counted

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["numeric", "categorical", "bucketized", "text", "ignored"]

_ROWS_A_CODE = 20  # fewer rows a value, and an integer is taken for a quantity
_ROWS_A_LONG_CODE = 5
_MOST_CODES = 20
_LONG = 2**24  # more digits than most counts and amounts have
_EXACT = 2**53  # every float is whole above it
_DEFAULT_VOCABULARY = 1000
_LONG_TAIL = 5.0  # skewness; an exponential distribution has 2
_IDENTIFIER_NAME = re.compile(
    r"(^|[\W_])(id|ids|uuid|guid|key|index|idx|row|rownum|nr|no|number|unnamed: \d+)$|[a-z]I[Dd]$",
)
_CODE_NAME = re.compile(
    r"(code|type|class|category|kind|zone|region|district|state|status|segment|cluster|channel|"
    r"zip|zipcode|postal|postcode|plz|sector|dept|department|branch|store|shop|county|country|"
    r"tract|fips|gender|sex|race|marital|month|weekday|dow|day_?of_?week|hour|quarter|season)$"
)
_TIME_NAME = re.compile(r"time|date|stamp|epoch|(^|[\W_])(ts|ms|ns|us|at|on)$", re.IGNORECASE)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[ap]\.?m\.?)?"
_MOMENT = re.compile(
    rf"(\d{{4}}[-/.]\d{{1,2}}([-/.]\d{{1,2}})?|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}"
    rf"|\d{{1,2}}[-/. ]({_MONTHS})[a-z]*[-/., ]+\d{{2,4}}|((mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"
    rf"({_MONTHS})[a-z]*\.? \d{{1,2}},? \d{{4}}|\d{{4}}-W\d\d(-\d)?)([T ,]+\d.*)?|{_CLOCK}",
    re.IGNORECASE,
)
_DAY_IN_DIGITS = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_MONTH_IN_DIGITS = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])")
_YEARS = (1800, 2200)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_FEWEST_WORDS = 5  # on average; names and addresses have fewer
_SHARE_OF_WHOLE_TEXTS = 0.95  # of which no word is cut off
_LONGEST = 1000
_UNIX_SECONDS = (3e8, 4.2e9)  # 1979 to 2103
_UNIX_UNITS = (1, 1e3, 1e6, 1e9)  # in a second


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
        """Whether the values are whole numbers of which a float has every digit."""
        numbers = self.present.astype(float) if self.is_number else self.present
        return self.is_number and bool(((numbers % 1 == 0) & (numbers.abs() < _EXACT)).all())

    @cached_property
    def texts(self) -> list[str]:
        """Up to a thousand different values, as text."""
        values = self.counts.index[:1000]
        return [f"{value:.15g}" if self.is_number else str(value) for value in values]

    def share(self, pattern: re.Pattern[str]) -> float:
        """The share of the different values that a pattern fits whole."""
        fitting = sum(pattern.fullmatch(text.strip()) is not None for text in self.texts)
        return fitting / max(1, len(self.texts))

    @cached_property
    def alike(self) -> str:
        """A warning of texts that differ only in case or spaces; empty if none do."""
        texts = {text: rows for text, rows in self.counts.items() if isinstance(text, str)}
        return spellings.warning(self.name, texts)

    @property
    def named_as_identifier(self) -> bool:
        """Whether the name says that the values name things."""
        return bool(_IDENTIFIER_NAME.search(self.name.strip())) or bool(
            _IDENTIFIER_NAME.search(self.name.strip().lower())
        )

    @property
    def named_as_code(self) -> bool:
        """Whether the name says that whole numbers are no amounts."""
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name.strip()).lower().rstrip("0123456789_")
        return bool(_CODE_NAME.search(name)) or self.named_as_identifier

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


def _unnamed(facts: Facts) -> Verdict | None:
    if facts.name != UNNAMED:
        return None
    return _ignored("the file's first column, which has no name: an index of the rows")


def _constant(facts: Facts) -> Verdict | None:
    if facts.distinct > 1:
        return None
    value = shown(facts.texts[0])
    if len(facts.present) == facts.rows:
        return _ignored(f"the same value in every row: {value}")
    return Verdict("categorical", f"{value}, or none ({facts.missing:.0%} missing)")


def _moment(facts: Facts) -> Verdict | None:
    reason = "dates or times: derive the hour, the weekday or an age instead"
    if facts.present.dtype.kind == "M":
        return _ignored(reason)
    if not facts.is_number:
        return _ignored(reason) if facts.share(_MOMENT) >= 0.9 else None
    if not facts.is_whole:
        return None
    if facts.distinct > 2 and facts.share(_DAY_IN_DIGITS) == 1:
        return _ignored(f"days written as numbers, such as {facts.texts[0]}: derive an age instead")
    if not _TIME_NAME.search(facts.name):
        return None
    low, high = facts.present.min(), facts.present.max()
    if any(_UNIX_SECONDS[0] * n < low and high < _UNIX_SECONDS[1] * n for n in _UNIX_UNITS):
        return _ignored(f"moments, counted since 1970: {reason.partition(': ')[2]}")
    months = facts.distinct > 2 and facts.share(_MONTH_IN_DIGITS) == 1
    return _ignored(f"months written as numbers, such as {facts.texts[0]}") if months else None


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


def _unsupported_numbers(facts: Facts) -> Verdict | None:
    if facts.is_number or facts.distinct <= _MOST_CODES:
        return None
    then = "it is ignored; convert it first, and remove the column from features"
    warning = lookalikes.unsupported(facts.name, facts.texts, then)
    return _ignored("numbers in a form that is not supported", warning) if warning else None


def _identifier(facts: Facts) -> Verdict | None:
    unique = facts.distinct == len(facts.present) and facts.distinct > 10
    many = facts.distinct > max(50, len(facts.present) / 50)
    if facts.named_as_identifier and (many or unique):
        return _ignored("by its name it identifies rows: nothing to learn for new ones")
    if unique and facts.is_whole and (_counts_up(facts.present) or _numbers_rows(facts)):
        return _ignored("it only counts the rows")
    if unique and not facts.is_number:
        return _ignored("every row has a value of its own: nothing to learn for new ones")
    return None


def _counts_up(values: pd.Series) -> bool:
    steps = values.astype(float).diff().dropna()
    return bool((steps == steps.iloc[0]).all()) and abs(steps.iloc[0]) >= 1


def _numbers_rows(facts: Facts) -> bool:
    """Whether every whole number from 0 or 1 on is there once, in any order."""
    low, high = facts.present.min(), facts.present.max()
    return low in (0, 1) and high - low + 1 == facts.rows == facts.distinct


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
    is_name = not facts.is_number or (facts.is_whole and facts.named_as_code)
    if not is_name or facts.distinct < max(50, len(facts.present) / 2):
        return None
    return _ignored("nearly every row has a value of its own")


def _code(facts: Facts) -> Verdict | None:
    if not facts.is_number:
        return _category(facts, "")
    if not facts.is_whole or facts.distinct == 2:
        return None
    if facts.named_as_code:
        return _category(facts, "whole numbers, by the name codes: ")
    digits = {len(text.lstrip("-")) for text in facts.texts}
    rows = len(facts.present) / facts.distinct
    if facts.present.abs().min() > _LONG:
        is_code = len(digits) == 1 and rows >= _ROWS_A_LONG_CODE
        return _category(facts, "long whole numbers, taken for codes: ") if is_code else None
    if facts.distinct > _MOST_CODES or rows < _ROWS_A_CODE or _is_scale(facts):
        return None
    if len(digits) > 1 or min(digits) < 3:
        return None
    return _category(facts, "few whole numbers with gaps, taken for codes: ")


def _category(facts: Facts, words: str) -> Verdict:
    many = facts.distinct > _DEFAULT_VOCABULARY
    options = {"vocabulary": facts.distinct} if many else {}
    return Verdict("categorical", words + _values(facts), options, facts.alike)


def _is_scale(facts: Facts) -> bool:
    """Whether whole numbers are years, or go up in steps that leave few gaps, as counts do."""
    numbers = sorted(int(value) for value in facts.counts.index)
    if _YEARS[0] <= numbers[0] and numbers[-1] <= _YEARS[1]:
        return True
    step = math.gcd(*(b - a for a, b in itertools.pairwise(numbers)))
    return (numbers[-1] - numbers[0]) / step < 3 * len(numbers)


def _long_tail(facts: Facts) -> Verdict | None:
    numbers = facts.present.astype(float)
    if facts.distinct < 50 or abs(float(numbers.skew())) < _LONG_TAIL:
        return None
    return Verdict("bucketized", f"{_range(facts)}: few very large values, hence quantiles")


def _quantity(facts: Facts) -> Verdict:
    few = facts.is_whole and 2 < facts.distinct <= _MOST_CODES
    words = ": if they are codes, write `categorical`" if few else ""
    return Verdict("numeric", _range(facts) + words)


def _values(facts: Facts) -> str:
    if facts.distinct > 5:
        most = f"{shown(facts.texts[0])}{facts.missing_words}"
        return f"{counted(facts.distinct, 'value')}, most often {most}"
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
    _unnamed,
    _empty,
    _constant,
    _moment,
    _nearly_numbers,
    _unsupported_numbers,
    _text,
    _identifier,
    _nearly_unique,
    _code,
    _long_tail,
    _quantity,
)
