"""How numbers are written that are no plain numbers, such as `$1,911.41`, `44.6%` or `12 kg`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainyard.recipe_schema.base import Section


class NumberFormat(Section):
    """How the numbers of a column are written.

    `(5)` is -5. A percentage is the number that is written: `44.6%` is 44.6.
    """

    decimal: Literal[".", ","] = Field(".", description="What stands before the decimals.")
    thousands: Literal["", ",", ".", " ", "'"] = Field(
        "", description="What may stand between groups of three digits; a blank of any kind is ` `."
    )
    unit: str = Field("", description="What stands before or after the number: `$`, `%`, `kg`.")

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError(f"`decimal` and `thousands` are both {self.decimal!r}")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether this is how numbers are read if nobody says anything."""
        return (self.decimal, self.thousands, self.unit) == (".", "", "")

    @property
    def example(self) -> str:
        """A number written so."""
        number = f"1{self.thousands}234{self.decimal}5"
        if not self.unit:
            return number
        if self.unit[0] in "%‰°":
            return f"{number}{self.unit}"
        return f"{number} {self.unit}" if self.unit[0].isalpha() else f"{self.unit}{number}"


class Numbers(NumberFormat):
    """How numbers are written: in all columns, or in those that are named."""

    columns: dict[str, NumberFormat] = Field(
        default_factory=dict,
        description="Formats of columns, by name. Every value has to be written so, with the unit: "
        "another is a bad row. Of columns that are not named here, those are numbers in which "
        "every value fits the format above, with the unit or without.",
    )
