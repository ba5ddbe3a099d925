"""What a recipe may say: one frozen pydantic model a section.

This file is the vocabulary that the pipeline, the components and the trainer
harness share; it imports none of them. Reading a file, and every check that
needs the data or the trainer modules, is `trainyard.pipeline.recipe`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from trainyard.errors import RecipeError
from trainyard.expressions import Expression

Task = Literal["binary", "multiclass", "regression", "text"]
Scalar = bool | int | float | str
POSITION = "position"
"""The column that says where in its file a row begins that is a part of a longer whole."""

ONLY = ""
"""What the one head of a recipe is called that names none."""


def _parse(text: str) -> Expression:
    try:
        return Expression(text)
    except RecipeError as error:
        raise ValueError(error.message) from None


class Section(BaseModel):
    """A part of a recipe: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Split(Section):
    """Shares of the rows; a hash decides each row's place, or the order, but never chance."""

    train: int = Field(8, ge=1, description="Share of the rows to train on.")
    eval: int = Field(1, ge=1, description="Share to validate on while training (early stopping).")
    test: int = Field(1, ge=0, description="Share the Evaluator judges on; 0: the eval split.")

    in_order: bool | str = Field(
        False,
        description="Train on what comes first, judge on what comes last: by the rows' place in "
        "their file, or by a column of numbers, dates or times. Rows that reach over the border of "
        "two splits are left out and counted. Always true of windows that overlap.",
    )
    train_per_class: int | None = Field(
        None,
        ge=1,
        description="Classes: train on so many rows of each, the first among those that fell to "
        "`train`; the others of these are left out and counted. What is held out stays the same.",
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
    format: Literal["csv", "parquet", "tfrecord", "folders", "lines", "parallel", "text"] = Field(
        "csv",
        description="CSV columns are integers, floats or text, decided over all rows; dates, times "
        "and `true` stay text. Parquet: booleans become 0 and 1, dates and times ISO text. "
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
    on_bad_row: Literal["error", "quarantine"] = Field(
        "error",
        description="A row that cannot be read stops the run, or is set aside in a file and "
        "counted. A quote left open stops it in any case.",
    )
    max_bad_share: float = Field(
        0.1, ge=0, lt=1, description="Quarantine: an error if a larger share of the rows is bad."
    )
    where: str | None = Field(
        None,
        description="A comparison, such as `digit < 5`: rows for which it does not hold, or of "
        "which a column that it names is missing, are left out and counted. `trainyard predict` "
        "takes all rows.",
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
        if value is not None and not (_parse(value).is_boolean and _parse(value).columns):
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
    def _possible_split(self) -> Self:
        if self.split.in_order and self.key:
            raise ValueError("rows are split either by a `key` or `in_order`")
        if self.windows and isinstance(self.split.in_order, str):
            raise ValueError("windows are `in_order` by their place: `in_order: true`")
        if self.windows and self.windows.step < self.windows.length and not self.split.in_order:
            raise ValueError("windows that overlap must be split `in_order`")
        return self

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

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the key."""
        return (self.key,) if isinstance(self.key, str) else self.key or ()

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of text."""
        own = [self.windows.column] if self.windows else ["text"] if self.format == "lines" else []
        new = {old: name for name, old in self.columns.items()}
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


class Label(Section):
    """What is to be predicted: a column as it is, or an expression over columns."""

    name: str = Field(description="The label's name in examples, schema and report.")
    expression: str = Field(description="A column, or an expression such as `tips > fare * 0.2`.")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(r"\w+", value):
            value = {"column": value}
        if isinstance(value, str):
            return {"name": "label", "expression": value}
        if isinstance(value, dict) and "column" in value and "expression" not in value:
            column = value["column"]
            rest = {key: entry for key, entry in value.items() if key != "column"}
            return {"name": column, "expression": f"`{column}`"} | rest
        return value

    @field_validator("expression")
    @classmethod
    def _parses(cls, value: str) -> str:
        _parse(value)
        return value

    @property
    def parsed(self) -> Expression:
        """The checked expression."""
        return Expression(self.expression)

    @property
    def is_column(self) -> bool:
        """Whether the label is a column as it stands in the data."""
        return self.parsed.is_column and self.parsed.columns == (self.name,)


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
    buckets: int = Field(10, ge=2, description="Bucketized: how many quantiles.")
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


def _kind(feature: Any) -> Any:
    """The kind of a feature that may not have been checked yet."""
    if isinstance(feature, str):
        return feature
    return feature.get("kind") if isinstance(feature, Mapping) else getattr(feature, "kind", None)


def _branch(feature: Any) -> str:
    return _BRANCHES.get(str(_kind(feature)), "(table)")


AnyFeature = Annotated[
    Annotated[TableFeature, Tag("(table)")]
    | Annotated[ImageFeature, Tag("(image)")]
    | Annotated[TextFeature, Tag("(text)")]
    | Annotated[SeriesFeature, Tag("(series)")],
    Discriminator(_branch),
]


class Optimizer(Section):
    """A Keras optimizer by name; what is not named here goes to its constructor."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "adam"
    learning_rate: float = Field(1e-3, gt=0)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for the optimizer's constructor, learning rate apart."""
        return dict(self.__pydantic_extra__ or {})


class Loss(Section):
    """A Keras loss by name; what is not named here goes to its constructor."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for the loss's constructor."""
        return dict(self.__pydantic_extra__ or {})


ClassWeights = Literal["balanced"] | dict[str, float]


def _written_out(section: Any, named: Sequence[str]) -> Any:
    """Turns `loss: huber` into `loss: {name: huber}`, and the names of classes into text."""
    if not isinstance(section, dict):
        return section
    full = {k: {"name": section[k]} for k in named if isinstance(section.get(k), str)}
    weights = section.get("class_weights")
    if isinstance(weights, dict):
        full["class_weights"] = {str(name): weight for name, weight in weights.items()}
    return {**section, **full}


class Target(Section):
    """What is predicted, and what kind of prediction that is."""

    label: Label
    task: Task


class Head(Target):
    """One of the things that a model predicts."""

    loss: Loss | None = Field(None, description="If not given, the one that fits the task.")
    weight: float = Field(1.0, gt=0, description="Of its loss in the sum over all heads.")
    class_weights: ClassWeights | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        return _written_out(value, ["loss"])


HeadName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Schedule(Section):
    """How the learning rate moves during training."""

    name: Literal["constant", "cosine", "exponential", "step", "plateau"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1, description="Share of all steps, linear from 0.")
    decay: float = Field(0.1, gt=0, le=1, description="exponential, step, plateau: the factor.")
    every: float = Field(
        0.33, gt=0, le=1, description="exponential, step: the share of all steps between decays."
    )
    minimum: float = Field(0.0, ge=0, description="Lowest share of the learning rate.")
    patience: int = Field(3, ge=1, description="plateau: epochs without gain before a decay.")


class EarlyStopping(Section):
    """Stops when the monitored value no longer improves, and restores the best."""

    monitor: str = "val_loss"
    patience: int = Field(5, ge=1)
    min_delta: float = Field(0.0, ge=0)
    mode: Literal["auto", "min", "max"] = "auto"


class Averages(Section):
    """An exponential moving average of the weights: validated and exported in their place."""

    momentum: float = Field(0.999, gt=0, lt=1, description="Share that each batch keeps.")
    overwrite_every: int | None = Field(
        None, ge=1, description="Batches after which training goes on from the averages."
    )


class Distribution(Section):
    """Devices that share each batch: `batch_size` is the global one, whatever their number."""

    name: Literal["none", "mirrored", "multi_worker", "tpu"] = Field(
        "none",
        description="mirrored: devices of one machine. multi_worker: machines named in TF_CONFIG. "
        "tpu: by `address`.",
    )
    devices: tuple[str, ...] = Field(
        (), description="mirrored: such as GPU:0; if empty, all GPUs, else all logical CPUs."
    )
    address: str = Field("", description="tpu: its name, grpc://HOST:PORT, or `local`.")
    scale_learning_rate: Literal["none", "linear", "sqrt"] = Field(
        "none", description="Multiplies the learning rate by the number of devices, or its root."
    )

    @model_validator(mode="after")
    def _fits_the_name(self) -> Self:
        if bool(self.address) != (self.name == "tpu"):
            raise ValueError("`address` belongs to the distribution `tpu`, and it needs one")
        if self.devices and self.name != "mirrored":
            raise ValueError("only the distribution `mirrored` takes `devices`")
        return self


class Trainer(Section):
    """Which module trains, and how.

    A step is one batch: forward, backward, and every `accumulate` steps an update.
    """

    module: str = "mlp"
    params: dict[str, Any] = Field(default_factory=dict, description="The module's own parameters.")
    epochs: int | None = Field(None, ge=1)
    steps: int | None = Field(None, ge=1, description="Instead of epochs.")
    batch_size: int = Field(64, ge=1, description="Rows a step, over all devices together.")
    accumulate: int = Field(
        1, ge=1, description="Steps whose gradients are averaged into one update of the weights."
    )
    optimizer: Optimizer = Optimizer()
    clip_norm: float | None = Field(None, gt=0, description="Global gradient norm at most.")
    loss: Loss | None = Field(None, description="If not given, the one that fits the task.")
    schedule: Schedule = Schedule()
    early_stopping: EarlyStopping | None = EarlyStopping()
    class_weights: ClassWeights | None = None
    seed: int = 1
    deterministic: bool = Field(
        False, description="Two trainings on one machine are equal bit by bit; slower."
    )
    ema: Averages | None = Field(None, description="Average the weights; {} for the defaults.")
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32",
        description="What layers compute in while training; weights and predictions stay "
        "float32, and so does the model that is served. mixed_float16 scales the loss.",
    )
    jit_compile: Literal["auto"] | bool = Field(
        "auto", description="XLA; auto: on a GPU or TPU, if all layers support it."
    )
    bucketing: bool = Field(
        True,
        description="Text: training batches are of texts of like length, and no batch is padded "
        "beyond its longest.",
    )
    steps_per_execution: int = Field(
        1,
        ge=1,
        description="Steps a call of TensorFlow, at most: the largest divisor of an epoch's "
        "steps that is not above it. Callbacks and progress see the last step of each.",
    )
    distribution: Distribution = Distribution()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        return _written_out(value, ["optimizer", "loss", "schedule", "distribution"])

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give either `epochs` or `steps`")
        return self

    @model_validator(mode="after")
    def _possible_together(self) -> Self:
        shared = self.distribution.name != "none"
        if self.jit_compile is True and self.deterministic:
            raise ValueError("TensorFlow's XLA is not deterministic: give one of the two")
        if self.jit_compile is True and self.distribution.name in ("mirrored", "multi_worker"):
            raise ValueError("XLA cannot compile a step that several devices share: `auto`")
        if self.accumulate > 1 and shared:
            raise ValueError(
                "Keras cannot accumulate gradients over several devices: a smaller `batch_size` "
                "has fewer rows on each, which is the same to memory"
            )
        return self


SliceValues = dict[str, Scalar]


class Bound(Section):
    """What both kinds of threshold share: a metric, and where it is looked at."""

    metric: str
    head: str | None = Field(None, description="Whose metric; needed where there are several.")
    slice: str | tuple[str, ...] | SliceValues | None = Field(
        None,
        description="Nothing: all rows. A column or columns: each of their slices. "
        "Column and value: that slice.",
    )

    @property
    def slice_columns(self) -> tuple[str, ...]:
        """The columns that the slice names."""
        if isinstance(self.slice, str):
            return (self.slice,)
        return tuple(self.slice or ())


class Threshold(Bound):
    """The metric's own value must be within bounds."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give `min` or `max`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no model can meet it: min {self.min} is above max {self.max}")
        return self


class Change(Bound):
    """The metric must not be worse than the last blessed model's by more than this."""

    worse_by: float = Field(0.0, description="Absolute; negative asks for an improvement.")


class Evaluation(Section):
    """What is measured, on which slices, and what must hold for a push."""

    metrics: tuple[str, ...] | dict[str, tuple[str, ...]] = Field(
        (),
        description="If empty, the trainer module's own. Where there are several heads, by head.",
    )
    slices: tuple[str | tuple[str, ...], ...] = Field(
        (), description="A column, or a list of columns for a cross."
    )
    min_slice_size: int = Field(1, ge=1, description="Slices with fewer examples are left out.")
    thresholds: tuple[Threshold, ...] | None = Field(
        None, description="If not given, the trainer module's own; [] for none."
    )
    change: tuple[Change, ...] = ()

    def metrics_of(self, head: str) -> tuple[str, ...]:
        """The metrics that are asked of a head by name; empty for the trainer module's own."""
        return self.metrics.get(head, ()) if isinstance(self.metrics, dict) else self.metrics


Anomaly = Literal[
    "new_column",
    "missing_column",
    "wrong_type",
    "new_category",
    "missing_values",
    "out_of_range",
    "too_few_rows",
    "drift",
    "label",
    "other",
]


class Gate(Section):
    """Which anomalies stop the run; the others are only reported."""

    stop_on: tuple[Anomaly, ...] = (
        "missing_column",
        "wrong_type",
        "new_category",
        "missing_values",
        "out_of_range",
        "too_few_rows",
        "drift",
        "label",
        "other",
    )
    ignore_columns: tuple[str, ...] = ()
    min_rows: int = Field(10, ge=1, description="Fewest rows in each split.")


class Push(Section):
    """Where a blessed model goes: a directory that TensorFlow Serving reads."""

    destination: str | None = Field(
        None, description="Relative to the recipe; if not given, serving/NAME in Trainyard's home."
    )
    contract_rows: int = Field(
        100, ge=1, description="Raw rows through training graph and SavedModel before a push."
    )
    infra_validation: bool = Field(
        False, description="Those rows also through a model server of its own process: 5 s more."
    )


class Engine(Section):
    """What the data stages run on."""

    name: Literal["local", "beam"] = Field(
        "local",
        description="local: columnar executors for one machine; beam: TFX's own on a Beam runner.",
    )
    runner: Literal["direct"] = Field("direct", description="beam: the runner.")
    beam_options: tuple[str, ...] = Field((), description="beam: passed on as they are.")


class Recipe(Section):
    """The whole recipe.

    Paths in a loaded recipe are absolute: `trainyard.pipeline.recipe` resolves them.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    data: Data
    label: Label | None = None
    task: Task | None = None
    named_heads: dict[HeadName, Head] = Field(
        default_factory=dict,
        alias="heads",
        description="In place of `label` and `task`: several things that one model predicts, "
        "by name.",
    )
    features: dict[str, AnyFeature] = Field(default_factory=dict, validate_default=True)
    trainer: Trainer = Trainer()
    evaluation: Evaluation = Evaluation()
    gate: Gate = Gate()
    push: Push = Push()
    engine: Engine = Engine()

    @property
    def heads(self) -> dict[str, Head]:
        """What is predicted, by name; the one head of a recipe that names none is `ONLY`."""
        if self.label is None or self.task is None:
            return self.named_heads
        trainer = self.trainer
        head = Head(
            label=self.label,
            task=self.task,
            loss=trainer.loss,
            class_weights=trainer.class_weights,
        )
        return {ONLY: head}

    @property
    def labels(self) -> dict[str, Label]:
        """Each label once, by its key in the recipe."""
        found: dict[str, Label] = {}
        for name, head in self.heads.items():
            if head.label not in found.values():
                found["label" if name == ONLY else f"heads.{name}.label"] = head.label
        return found

    @field_validator("named_heads")
    @classmethod
    def _together(cls, value: dict[str, Head], info: ValidationInfo) -> dict[str, Head]:
        if value and (info.data.get("label") or info.data.get("task")):
            raise ValueError("the recipe has `label` or `task` too: a head has its own")
        if len(value) == 1:
            raise ValueError("one head needs no name: give `label` and `task` instead")
        _check_head_names(value)
        _check_label_names(value)
        return value

    @model_validator(mode="after")
    def _something_to_predict(self) -> Self:
        if not self.named_heads and (self.label is None or self.task is None):
            raise ValueError("give `label` and `task`, or `heads`")
        return self

    @model_validator(mode="after")
    def _classes_to_count(self) -> Self:
        if self.data.split.train_per_class and (
            self.named_heads or self.task in ("regression", "text")
        ):
            reason = "each head has its own" if self.named_heads else f"{self.task} has no"
            raise ValueError(f"`data.split.train_per_class`: {reason} classes")
        return self

    @model_validator(mode="after")
    def _text_to_write(self) -> Self:
        if any(head.task == "text" for head in self.named_heads.values()):
            raise ValueError("a model that writes text has no other heads: `label` and `task`")
        if self.label is None or self.task != "text":
            return self
        if not isinstance(self.features.get(self.label.name), TextFeature):
            raise ValueError(
                f"`task: text` needs `{self.label.name}: {{kind: text, ...}}` among `features`: "
                "how the label is cut into tokens"
            )
        if self.data.weight:
            raise ValueError("`data.weight`: rows of text count by their tokens")
        return self

    @field_validator("features", mode="before")
    @classmethod
    def _short_features(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: {"kind": v} if isinstance(v, str) else v or {} for k, v in value.items()}

    @model_validator(mode="before")
    @classmethod
    def _texts_are_data(cls, value: Any) -> Any:
        """Names columns of text in `data` too, for those who read the data without a recipe."""
        if not isinstance(value, dict) or not isinstance(value.get("features"), dict):
            return value
        label, data = value.get("label"), value.get("data")
        derived = label.get("name") if isinstance(label, Mapping) and "expression" in label else ""
        texts = [
            name
            for name, feature in value["features"].items()
            if _kind(feature) == "text" and name != derived
        ]
        if texts and isinstance(data, Mapping):
            data = {**data, "texts": [*dict.fromkeys([*(data.get("texts") or ()), *texts])]}
        elif texts and isinstance(data, Data):
            data = data.model_copy(update={"texts": (*dict.fromkeys([*data.texts, *texts]),)})
        return {**value, "data": data}

    @field_validator("features", mode="after")
    @classmethod
    def _data_own(cls, value: dict[str, Feature], info: ValidationInfo) -> dict[str, Feature]:
        """A model looks at image, text and series; what comes beside is for statistics."""
        data = info.data.get("data")
        if not isinstance(data, Data):
            return value
        own: dict[str, Feature] = {n: TableFeature(kind="ignored") for n in data.besides}
        if data.series:
            own[data.series.column] = SeriesFeature(length=data.series.past)
        for images in data.images:
            if images.shape is None:
                continue
            *size, channels = images.shape
            own[images.column] = ImageFeature.model_validate(
                {"size": tuple(size), "channels": channels}
            )
        return own | value

    def input_columns(self, columns: list[str]) -> list[str]:
        """Chooses which raw columns become model inputs.

        A column that a label is computed from is left out unless `features`
        names it: it would give the answer away. Labels and weights are never inputs.

        Args:
            columns: All raw columns of the data, the labels included.

        Returns:
            The columns that are inputs, in the order given.
        """
        return input_columns([*self.labels.values()], self.data.weight, self.features, columns)


def _check_head_names(heads: Mapping[str, Head]) -> None:
    for name in heads:
        if f"{name}_label" in heads:
            raise ValueError(f"`{name}_label` is what the model calls the class that {name} names")
        if name == "val" or name.startswith("val_"):
            raise ValueError("`val` begins what is measured while training: another name")


def _check_label_names(heads: Mapping[str, Head]) -> None:
    known: dict[str, Label] = {}
    for name, head in heads.items():
        if known.setdefault(head.label.name, head.label) != head.label:
            raise ValueError(
                f"the label of {name} is named {head.label.name!r}, as is that of another head: "
                "`label: {name: ..., expression: ...}` gives it a name"
            )


def input_columns(
    labels: Sequence[Label],
    weight: str | None,
    features: Mapping[str, Feature],
    columns: list[str],
) -> list[str]:
    """Chooses inputs as `Recipe.input_columns` does, where there is no whole recipe.

    Args:
        labels: The recipe's labels.
        weight: The column that says how much a row counts, if there is one.
        features: The recipe's feature overrides.
        columns: All raw columns of the data, the labels included.

    Returns:
        The columns that are inputs, in the order given.
    """
    names = {label.name for label in labels}
    hidden = {name for label in labels for name in label.parsed.columns} - set(features)
    hidden |= {name for name, feature in features.items() if feature.kind == "ignored"}
    hidden |= names | {weight or ""}
    return [name for name in columns if name not in hidden]
