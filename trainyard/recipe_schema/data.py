"""Where the rows come from, and how they become examples."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from trainyard.recipe_schema.base import Section, parse_expression
from trainyard.recipe_schema.numbers import NumberFormat, Numbers

POSITION = "position"
"""The column that says where in its file a row begins that is a part of a longer whole."""

UNNAMED = "unnamed_0"
"""The first column of CSV, if its header has no name for it: an index that pandas or R wrote."""


class Split(Section):
    """Shares of the rows; a hash decides each row's place, or the order, but never chance."""

    train: int = Field(8, ge=1, description="Share of the rows to train on.")
    eval: int = Field(1, ge=1, description="Share to validate on while training (early stopping).")
    test: int = Field(1, ge=0, description="Share the Evaluator judges on; 0: the eval split.")

    in_order: bool | str = Field(
        False,
        description="Train on what comes first, judge on what comes last: by the rows' place in "
        "their file, or by a column of numbers, dates or times (instants, if they name their "
        "zone). Rows that reach over the border of two splits are left out and counted. Always "
        "true of windows that overlap.",
    )
    train_per_class: int | None = Field(
        None,
        ge=1,
        description="Classes: train on so many rows of each, the first among those that fell to "
        "`train`; the others of these are left out and counted. What is held out stays the same.",
    )

    stratify: str | None = Field(
        None,
        description="A label with classes: the rows of each class are divided in these shares, "
        "file by file, instead of by chance. Rows that are equal stay together.",
    )

    @property
    def judged(self) -> Literal["eval", "test"]:
        """The split that the Evaluator judges on."""
        return "test" if self.test else "eval"

    @property
    def buckets(self) -> dict[str, int]:
        """Hash buckets per split, in order, without empty splits."""
        shares = {"train": self.train, "eval": self.eval, "test": self.test}
        return {name: share for name, share in shares.items() if share}


class Images(Section):
    """Images as a column: encoded, checked and measured."""

    column: str = Field("image", description="The name of the image in examples and features.")
    source: str | None = Field(
        None,
        description="The raw column that it comes from: the path of a file (relative to the file "
        "that names it), the bytes of one, or pixels. If not given, that of the same name; "
        "`path` for folders.",
    )
    shape: tuple[int, int, int] | None = Field(
        None,
        description="The source holds pixels, a list of numbers a row: height, width, and channels "
        "(1 or 3). If not given, it holds files.",
    )
    range: tuple[float, float] | None = Field(
        None,
        description="Pixels: the numbers of black and white. If not given, 0 and 255 for whole "
        "numbers, 0 and 1 for others.",
    )
    max_pixels: int = Field(
        50_000_000, ge=1, description="A larger image is refused before it is unpacked."
    )

    @field_validator("shape")
    @classmethod
    def _possible(cls, value: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        if value and (min(value) < 1 or value[2] not in (1, 3)):
            raise ValueError("height, width and channels, of which there are 1 (grey) or 3")
        return value

    @field_validator("range")
    @classmethod
    def _two_ends(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value and value[0] == value[1]:
            raise ValueError("black and white are the same number")
        return value

    @property
    def origin(self) -> str:
        """The raw column that it comes from."""
        return self.source or self.column

    @property
    def measures(self) -> tuple[str, ...]:
        """The columns of what is measured of every image."""
        kinds = ("width", "height", "channels", "bytes", "brightness", "contrast")
        return tuple(f"{self.column}_{kind}" for kind in kinds)


class Windows(Section):
    """How a long text is cut into rows, in characters."""

    length: int = Field(ge=1, description="What each row has.")
    stride: int | None = Field(
        None, ge=1, description="From one row's beginning to the next's; `length` if not given."
    )
    column: str = Field("text", description="The name of the text in examples and features.")

    @property
    def step(self) -> int:
        """From one row's beginning to the next's."""
        return self.stride or self.length


def _several(value: Any) -> Any:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


SeveralImages = Annotated[
    tuple[Images, ...],
    BeforeValidator(_several, json_schema_input_type=Images | tuple[Images, ...] | None),
]


class Series(Section):
    """Rows that follow one another in time: each gets the values before its own as a column.

    The first rows of a series, which have too few before them, are left out. Rows stand in the
    order of time; each file is a series of its own. Columns other than these are known
    beforehand, or have to be `ignored`: they stand beside the value that is to be predicted.
    """

    time: str = Field(description="The column that says when; no input unless `features` says so.")
    value: str = Field(description="The column that is measured; usually the label.")
    past: int = Field(ge=1, description="How many values before its own a row gets.")
    every: str = Field(
        description="Time from row to row, as pandas writes it: `1D`, `1H`, `15min`, `W`, `MS` "
        "(the first of each month)."
    )
    group: str | None = Field(None, description="A column that tells series in one file apart.")
    time_format: str | None = Field(
        None, description="Such as `%d/%m/%Y`; if not given, ISO 8601 (1990-12-31 23:59)."
    )
    on_gap: Literal["error", "restart"] = Field(
        "error",
        description="A time that is left out, or a missing value, stops the run, or begins a new "
        "series after it.",
    )
    column: str = Field("past", description="The name of the column of values before.")

    @field_validator("every")
    @classmethod
    def _is_a_step(cls, value: str) -> str:
        from pandas.tseries.frequencies import to_offset  # half a second: only where it is needed

        try:
            forward = to_offset(value).n > 0
        except ValueError:
            forward = False
        if not forward:
            raise ValueError("a step of time such as `1D`, `1H`, `15min`, `W` or `MS`")
        return value

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        names = [name for name in (self.time, self.value, self.group, self.column) if name]
        if len(set(names)) < len(names):
            raise ValueError("`time`, `value`, `group` and `column` are different columns")
        return self


class Data(Section):
    """Where the rows come from."""

    dataset: str | None = Field(None, description="A dataset that Trainyard knows by name.")
    path: str | None = Field(
        None,
        description="A file, a glob, or a pattern with {SPAN}, {VERSION} or {YYYY}-{MM}-{DD}; "
        "relative to the recipe.",
    )
    spans: int = Field(
        1,
        ge=1,
        description="How many of the newest spans are read, of those that {SPAN} or the date in "
        "`path` tells apart: a window that rolls on with each new one.",
    )
    format: Literal["csv", "parquet", "tfrecord", "folders", "lines", "parallel", "text"] = Field(
        "csv",
        description="CSV columns are true and false, integers, floats or text, decided over all "
        "rows; dates and times stay text. Parquet: dates and times become ISO 8601 text, in UTC if "
        "they have a time zone. True and false are 0 and 1. "
        "Folders: `path` has a folder of images for each class, which is the column `label`. "
        "Lines: each file is a class, each line a row: the columns `text` and `label`, which is "
        "what tells the files' names apart. Parallel: each file is a column, named in the same "
        "way. Text: each file is one long text, which is cut into `windows`.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="New names for raw columns, `NEW: OLD`."
    )
    images: SeveralImages = Field(
        (), description="If the data are images, or name some; a list if they are several a row."
    )
    series: Series | None = Field(None, description="If the rows follow one another in time.")
    delimiter: str = Field(",", min_length=1, max_length=1, description="CSV: between the fields.")
    header: tuple[str, ...] = Field(
        (), description="CSV: the columns' names, if the file has no line for them."
    )
    quoting: bool = Field(
        True, description="CSV: whether quotes may stand around a field; else they are text."
    )
    encoding: str = Field("utf-8", description="The encoding of CSV and other text files.")
    windows: Windows | None = Field(None, description="Text: how it is cut.")
    texts: tuple[str, ...] = Field(
        (),
        description="Columns of text that are checked and measured. Those whose feature is `text` "
        "are, without being named here.",
    )
    empty_texts: Literal["refuse", "keep"] = Field(
        "refuse", description="Whether a row is bad that has an empty text."
    )
    max_characters: int = Field(1_000_000, ge=1, description="A row is bad that has a longer text.")
    missing: tuple[str, ...] = Field(
        ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?"),
        description="CSV: what stands for a missing value.",
    )
    not_missing: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="CSV: words of `missing` that are values in some columns, such as the class "
        "None: `{answer: [None]}`.",
    )
    numbers: Numbers | None = Field(
        None,
        description="CSV, and columns of text in Parquet: numbers that are no plain numbers.",
    )
    codes: tuple[str, ...] = Field(
        (),
        description="Columns that look like numbers but are none, such as the postal code 00012, "
        "the version 1.10 or the room 8E2: read as text, word for word.",
    )
    on_bad_row: Literal["error", "quarantine"] = Field(
        "error",
        description="A row that cannot be read, or for which an expression has no result, stops "
        "the run, or is set aside in a file and counted. A quote left open stops it in any case.",
    )
    max_bad_share: float = Field(
        0.1, ge=0, lt=1, description="Quarantine: an error if a larger share of the rows is bad."
    )
    where: str | None = Field(
        None,
        description="A condition, such as `digit < 5` ([expressions](expressions.md)), evaluated "
        "before the label: rows for which it does not hold, or is missing, are left out and "
        "counted. `trainyard predict` takes all rows.",
    )
    split: Split = Split()
    key: str | tuple[str, ...] | None = Field(
        None,
        description="Rows with the same value in this column never sit in two splits. Several "
        "columns: nor do rows that share a value in any of them, or are linked by others that do; "
        "a value is the same in whichever of them it stands.",
    )
    weight: str | None = Field(
        None,
        description="A column of numbers, 0 or more: how much a row counts in the loss and in what "
        "the Evaluator measures. It is no input.",
    )
    schema_file: str = Field(
        "infer",
        alias="schema",
        description="A curated schema (.pbtxt, relative to the recipe), or `infer`.",
    )

    model_config = ConfigDict(populate_by_name=True)

    @field_validator("where")
    @classmethod
    def _is_condition(cls, value: str | None) -> str | None:
        parsed = parse_expression(value) if value is not None else None
        if parsed and not (parsed.columns and (parsed.is_boolean or parsed.is_column)):
            raise ValueError("a comparison of columns, such as `digit < 5`")
        return value

    @model_validator(mode="before")
    @classmethod
    def _folders_hold_images(cls, value: Any) -> Any:
        """Each file is one image, whose path it comes from."""
        if isinstance(value, dict) and value.get("format") == "folders":
            images = value.get("images") or {}
            own = {"source": "path"} | images if isinstance(images, dict) else images
            return {**value, "images": own}
        return value

    @model_validator(mode="after")
    def _spans_told_apart(self) -> Self:
        if self.spans > 1 and not any(mark in (self.path or "") for mark in ("{SPAN", "{YYYY}")):
            raise ValueError("several `spans` need a `path` with {SPAN} or {YYYY}-{MM}-{DD}")
        return self

    @model_validator(mode="after")
    def _possible_split(self) -> Self:
        if self.split.in_order and self.key:
            raise ValueError("rows are split either by a `key` or `in_order`")
        if self.split.stratify and (self.split.in_order or self.key):
            other = "`in_order`" if self.split.in_order else "by a `key`"
            raise ValueError(
                f"`split.stratify`: rows that are split {other} have their place already"
            )
        self._check_condition_before_images()
        if self.windows and isinstance(self.split.in_order, str):
            raise ValueError("windows are `in_order` by their place: `in_order: true`")
        if self.windows and self.windows.step < self.windows.length and not self.split.in_order:
            raise ValueError("windows that overlap must be split `in_order`")
        return self

    def _check_condition_before_images(self) -> None:
        measures = {name for images in self.images for name in images.measures}
        asked = measures & set(parse_expression(self.where or "0").columns)
        if self.split.stratify and asked:
            raise ValueError(
                "`split.stratify` divides rows before images are looked at, and `where` asks for "
                f"{min(asked)!r}"
            )

    @model_validator(mode="after")
    def _windows_of_text(self) -> Self:
        if (self.windows is not None) != (self.format == "text"):
            raise ValueError("`windows` belong to the format `text`, which needs them")
        return self

    @model_validator(mode="after")
    def _named_by_header(self) -> Self:
        if self.header and self.format != "csv":
            raise ValueError("only a CSV file can have a `header`")
        if len(set(self.header)) < len(self.header):
            raise ValueError("`header`: every name once")
        return self

    @model_validator(mode="before")
    @classmethod
    def _overlaps_in_order(cls, value: Any) -> Any:
        """Windows that share characters or values must not come into different splits."""
        series = value.get("series") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not (value.get("format") == "text" or series):
            return value
        split = value.get("split") or {}
        in_order = isinstance(split, Split) or "in_order" in split
        order = series.get("time", True) if isinstance(series, dict) else True
        return value if in_order else {**value, "split": {**split, "in_order": order}}

    @field_validator("images")
    @classmethod
    def _images_differ(cls, value: tuple[Images, ...]) -> tuple[Images, ...]:
        names = [name for each in value for name in {each.column, each.origin}]
        if len(set(names)) < len(names):
            raise ValueError("each of several images has a `column` and a `source` of its own")
        return value

    @model_validator(mode="after")
    def _series_in_order(self) -> Self:
        if self.series and self.format not in ("csv", "parquet"):
            raise ValueError("only the rows of CSV and Parquet files can be a `series`")
        if self.series and not self.split.in_order:
            raise ValueError("the rows of a series have values in common: split them `in_order`")
        return self

    @model_validator(mode="after")
    def _numbers_in_tables(self) -> Self:
        if (self.numbers or self.codes) and self.format not in ("csv", "parquet"):
            raise ValueError("`numbers` and `codes` are columns of CSV and Parquet files")
        if self.not_missing and self.format != "csv":
            raise ValueError("`not_missing` belongs to CSV: Parquet says itself what is missing")
        return self

    def number_format(self, column: str) -> NumberFormat | None:
        """How the numbers of a column are written; None if plainly.

        Args:
            column: Its name in the examples.
        """
        if self.numbers is None:
            return None
        others = None if self.numbers.is_plain else self.numbers
        return self.numbers.columns.get(column, others)

    def missing_in(self, column: str) -> tuple[str, ...]:
        """What stands for a missing value in a column of CSV.

        Args:
            column: Its name in the examples.
        """
        values = self.not_missing.get(column, ())
        return tuple(word for word in self.missing if word not in values)

    @property
    def new_names(self) -> dict[str, str]:
        """What raw columns are named anew, by their names in the file."""
        return {old: name for name, old in self.columns.items()}

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the key."""
        return (self.key,) if isinstance(self.key, str) else self.key or ()

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of text."""
        own = [self.windows.column] if self.windows else ["text"] if self.format == "lines" else []
        new = self.new_names
        return tuple(dict.fromkeys([*(new.get(name, name) for name in own), *self.texts]))

    @property
    def reach(self) -> tuple[str, int] | None:
        """The column of the place where a row begins, and how many places it has."""
        return (POSITION, self.windows.length) if self.windows else None

    @property
    def measures(self) -> tuple[str, ...]:
        """The columns of what is measured of images and texts."""
        texts = [name for column in self.text_columns for name in text_measures(column)]
        return (*(name for images in self.images for name in images.measures), *texts)

    @property
    def besides(self) -> tuple[str, ...]:
        """Columns that come with others, and are inputs of a model only if `features` says so."""
        sources = (each.origin for each in self.images if each.origin != each.column)
        time = (self.series.time, self.series.group) if self.series else ()
        named = (*sources, self.reach and self.reach[0], *time)
        return (*filter(None, named), *self.measures)


def text_measures(column: str) -> tuple[str, str]:
    """The columns of what is measured of a column of text."""
    return f"{column}_characters", f"{column}_words"
