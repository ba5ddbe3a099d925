"""What a recipe may say: one frozen pydantic model a section.

This file is the vocabulary that the pipeline, the components and the trainer
harness share; it imports none of them. Reading a file, and every check that
needs the data or the trainer modules, is `trainyard.pipeline.recipe`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
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

Task = Literal["binary", "multiclass", "regression"]
Scalar = bool | int | float | str


def _parse(text: str) -> Expression:
    try:
        return Expression(text)
    except RecipeError as error:
        raise ValueError(error.message) from None


class Section(BaseModel):
    """A part of a recipe: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Split(Section):
    """Shares of the rows; each row's place is decided by a hash, not by chance."""

    train: int = Field(8, ge=1, description="Share of the rows to train on.")
    eval: int = Field(1, ge=1, description="Share to validate on while training (early stopping).")
    test: int = Field(1, ge=0, description="Share the Evaluator judges on; 0: the eval split.")

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
    def measures(self) -> tuple[str, ...]:
        """The columns of what is measured of every image."""
        kinds = ("width", "height", "channels", "bytes", "brightness", "contrast")
        return tuple(f"{self.column}_{kind}" for kind in kinds)


class Data(Section):
    """Where the rows come from."""

    dataset: str | None = Field(None, description="A dataset that Trainyard knows by name.")
    path: str | None = Field(
        None,
        description="A file, a glob, or a pattern with {SPAN}, {VERSION} or {YYYY}-{MM}-{DD}; "
        "relative to the recipe.",
    )
    format: Literal["csv", "parquet", "tfrecord", "folders"] = Field(
        "csv",
        description="CSV columns are integers, floats or text, decided over all rows; dates, times "
        "and `true` stay text. Parquet: booleans become 0 and 1, dates and times ISO text. "
        "Folders: `path` has a folder of images for each class, which is the column `label`.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="New names for raw columns, `NEW: OLD`."
    )
    images: Images | None = Field(None, description="If the data are images, or name some.")
    delimiter: str = Field(",", min_length=1, max_length=1, description="CSV: between the fields.")
    encoding: str = Field("utf-8", description="CSV: the file's text encoding.")
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
    key: str | None = Field(
        None, description="Rows with the same value here never sit in two splits."
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
        if isinstance(value, dict) and value.get("format") == "folders":
            return {**value, "images": value.get("images") or {}}
        return value

    @property
    def image_source(self) -> str | None:
        """The raw column that images come from; None without images."""
        if self.images is None:
            return None
        return self.images.source or ("path" if self.format == "folders" else self.images.column)

    @property
    def besides(self) -> tuple[str, ...]:
        """Columns that come with images, and are inputs of a model only if `features` says so."""
        if self.images is None:
            return ()
        source = (self.image_source,) if self.image_source != self.images.column else ()
        return (*filter(None, source), *self.images.measures)


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


def _branch(feature: Any) -> str:
    kind = feature.get("kind") if isinstance(feature, Mapping) else getattr(feature, "kind", None)
    return "(image)" if kind == "image" else "(table)"


AnyFeature = Annotated[
    Annotated[TableFeature, Tag("(table)")] | Annotated[ImageFeature, Tag("(image)")],
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
    class_weights: Literal["balanced"] | dict[str, float] | None = None
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
        if not isinstance(value, dict):
            return value
        named = {
            key: {"name": value[key]}
            for key in ("optimizer", "loss", "schedule", "distribution")
            if isinstance(value.get(key), str)
        }
        weights = value.get("class_weights")
        if isinstance(weights, dict):
            named["class_weights"] = {str(name): weight for name, weight in weights.items()}
        return {**value, **named}

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

    metrics: tuple[str, ...] = Field((), description="If empty, the trainer module's own.")
    slices: tuple[str | tuple[str, ...], ...] = Field(
        (), description="A column, or a list of columns for a cross."
    )
    min_slice_size: int = Field(1, ge=1, description="Slices with fewer examples are left out.")
    thresholds: tuple[Threshold, ...] | None = Field(
        None, description="If not given, the trainer module's own; [] for none."
    )
    change: tuple[Change, ...] = ()


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

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    data: Data
    label: Label
    task: Task
    features: dict[str, AnyFeature] = Field(default_factory=dict, validate_default=True)
    trainer: Trainer = Trainer()
    evaluation: Evaluation = Evaluation()
    gate: Gate = Gate()
    push: Push = Push()
    engine: Engine = Engine()

    @model_validator(mode="after")
    def _classes_to_count(self) -> Self:
        if self.task == "regression" and self.data.split.train_per_class:
            raise ValueError("`data.split.train_per_class`: regression has no classes")
        return self

    @field_validator("features", mode="before")
    @classmethod
    def _short_features(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: {"kind": v} if isinstance(v, str) else v or {} for k, v in value.items()}

    @field_validator("features", mode="after")
    @classmethod
    def _images_alone(cls, value: dict[str, Feature], info: ValidationInfo) -> dict[str, Feature]:
        """A model looks at the image; what comes with it is for statistics and slices."""
        data = info.data.get("data")
        if not isinstance(data, Data) or data.images is None:
            return value
        own: dict[str, Feature] = {n: TableFeature(kind="ignored") for n in data.besides}
        if data.images.shape:
            *size, channels = data.images.shape
            own[data.images.column] = ImageFeature.model_validate(
                {"size": tuple(size), "channels": channels}
            )
        return own | value

    def input_columns(self, columns: list[str]) -> list[str]:
        """Chooses which raw columns become model inputs.

        A column that the label is computed from is left out unless `features`
        names it: it would give the answer away.

        Args:
            columns: All raw columns of the data, the label's included.

        Returns:
            The columns that are inputs, in the order given.
        """
        return input_columns(self.label, self.features, columns)


def input_columns(label: Label, features: Mapping[str, Feature], columns: list[str]) -> list[str]:
    """Chooses inputs as `Recipe.input_columns` does, where there is no whole recipe.

    Args:
        label: The recipe's label.
        features: The recipe's feature overrides.
        columns: All raw columns of the data, the label's included.

    Returns:
        The columns that are inputs, in the order given.
    """
    hidden = {label.name, *label.parsed.columns} - set(features)
    hidden |= {name for name, feature in features.items() if feature.kind == "ignored"}
    hidden |= {label.name}
    return [name for name in columns if name not in hidden]
