"""Which module trains, and how."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from trainyard.recipe_schema.base import Section
from trainyard.recipe_schema.heads import ClassWeights, Loss, written_out


class Optimizer(Section):
    """A Keras optimizer by name; what is not named here goes to its constructor."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "adam"
    learning_rate: float = Field(1e-3, gt=0)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for the optimizer's constructor, learning rate apart."""
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

    monitor: str = Field(
        "val_loss",
        description="What is measured on the eval split, such as `val_auc` (exact, as the "
        "Evaluator computes it; of a split of more than 4 million rows, of the first so many), "
        "`val_accuracy`, `val_mae`; with several heads `val_HEAD_auc`.",
    )
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
    start_from: str | None = Field(
        None,
        description="Weights to start from: the folder of a version that was pushed, or a .keras "
        "file, of the same architecture and vocabularies; relative to the recipe. See `retrain`.",
    )
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
        return written_out(value, ["optimizer", "loss", "schedule", "distribution"])

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
