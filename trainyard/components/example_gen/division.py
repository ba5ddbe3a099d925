"""How the rows were divided among the splits: a property of the examples' artifact.

A model that was trained on rows divided in another way may have learned what is held out now, so
that its evaluation is no measure of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from trainyard.components.example_gen import identity
from trainyard.recipe_schema import Data

PROPERTY = "division"


class Division(BaseModel):
    """What came of dividing the rows.

    Attributes:
        rule: What decides which rows are held out, in words: the same of two runs only if a row
            that both have is in the same split in both.
    """

    rule: str = ""

    @classmethod
    def read(cls, properties: Mapping[str, str]) -> Division:
        """Reads what an artifact says; nothing of one that an earlier Trainyard made.

        Args:
            properties: Those of the examples' artifact that are text.
        """
        return cls.model_validate_json(properties.get(PROPERTY) or "{}")


def rule(data: Data) -> str:
    """Returns what decides which rows are held out, such as `train 8, eval 1, test 1 by key: id`.

    Args:
        data: The recipe's data section.
    """
    shares = ", ".join(f"{name} {share}" for name, share in data.split.buckets.items())
    if data.split.in_order:
        return f"{shares} in order: {data.split.in_order}"
    by = f"key: {', '.join(data.keys)}" if data.keys else "the row"
    return f"{shares} by {by}, hash version {identity.VERSION}"
