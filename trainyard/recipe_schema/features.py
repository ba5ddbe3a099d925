"""How columns become inputs of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from trainyard.recipe_schema.base import Section


class Feature(Section):
    """How one column becomes an input: what all kinds share."""

    kind: str


class TableFeature(Feature):
    """How one column of a table becomes an input; the defaults follow the column's type.

    Text is categorical, numbers are numeric.
    """

    kind: Literal["auto", "numeric", "categorical", "bucketized", "ignored"] = "auto"
    default: float | str | None = Field(
        None, description="For a missing value; if not given, the mean, or an own category."
    )
    scaling: Literal["z-score", "min-max", "none"] = Field("z-score", description="Numeric.")
    buckets: int = Field(
        10,
        ge=2,
        description="Bucketized: how many quantiles. A value that fills one alone, such as the 0 "
        "of a column that is mostly 0, is a bucket of its own.",
    )
    vocabulary: int = Field(1000, ge=1, description="Categorical: most frequent values kept.")
    oov_buckets: int = Field(1, ge=1, description="Categorical: hash buckets for all others.")


class ImageFeature(Feature):
    """How a column of encoded images becomes an input (`kind: image`)."""

    kind: Literal["image"] = "image"
    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        description="Height and width of the model's input, in pixels."
    )
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: colours.")
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="An image of other proportions is distorted, loses its edges, or gets black "
        "ones.",
    )
    scale: Literal["0-1", "-1-1", "0-255"] = Field("0-1", description="Range of the pixels.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return (*self.size, self.channels)


class SeriesFeature(Feature):
    """How a column of as many numbers in every row becomes an input (`kind: series`)."""

    kind: Literal["series"] = "series"
    length: int = Field(ge=1, description="How many numbers a row has; `data.series.past`.")
    scaling: Literal["z-score", "none"] = Field(
        "z-score", description="By one mean and deviation of all numbers, wherever they stand."
    )


class Embedding(Section):
    """Word vectors that were learned elsewhere."""

    file: str = Field(
        description="Text, in the format of GloVe or word2vec: a word a line, then its numbers; "
        "relative to the recipe."
    )
    trainable: bool = Field(False, description="Whether training changes them.")


class TextFeature(Feature):
    """How a column of text becomes ids of tokens (`kind: text`)."""

    kind: Literal["text"] = "text"
    tokens: Literal["word", "character", "whitespace"] = Field(
        "word",
        description="word: letters and digits together, with apostrophes within them; each other "
        "sign alone. whitespace: what stands between blanks.",
    )
    lower: bool = Field(True, description="Whether capital letters become small ones.")
    ngrams: int = Field(
        1,
        ge=1,
        description="Up to so many neighbours are one token more, after the single ones.",
    )
    vocabulary: int = Field(20_000, ge=1, description="Most frequent tokens kept.")
    min_count: int = Field(1, ge=1, description="Tokens that training texts have less often go.")
    vocabulary_with: tuple[str, ...] = Field(
        (), description="Columns of text whose tokens are counted too: one vocabulary for all."
    )
    oov_buckets: int = Field(1, ge=1, description="Hash buckets for all other tokens.")
    length: int = Field(256, ge=1, description="Tokens kept of a text at most, markers included.")
    truncate: Literal["end", "start"] = Field("end", description="Where longer texts lose tokens.")
    markers: bool = Field(False, description="Puts a start and an end around the tokens.")
    embedding: Embedding | None = Field(None, description="If not given, vectors are learned.")

    @model_validator(mode="after")
    def _room_for_a_token(self) -> Self:
        if self.markers and self.length < 3:
            raise ValueError("`length` must be at least 3: two are the markers'")
        return self


_BRANCHES = {"image": "(image)", "text": "(text)", "series": "(series)"}


def kind_of(feature: Any) -> Any:
    """The kind of a feature that may not have been checked yet."""
    if isinstance(feature, str):
        return feature
    return feature.get("kind") if isinstance(feature, Mapping) else getattr(feature, "kind", None)


def _branch(feature: Any) -> str:
    return _BRANCHES.get(str(kind_of(feature)), "(table)")


AnyFeature = Annotated[
    Annotated[TableFeature, Tag("(table)")]
    | Annotated[ImageFeature, Tag("(image)")]
    | Annotated[TextFeature, Tag("(text)")]
    | Annotated[SeriesFeature, Tag("(series)")],
    Discriminator(_branch),
]
