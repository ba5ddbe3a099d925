"""What a SavedModel expects and answers, in a file beside it that needs no TensorFlow to read.

TensorFlow Serving ignores what it does not know in `assets.extra`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from trainyard import kinds
from trainyard.errors import RecipeError
from trainyard.kinds import Kind
from trainyard.kinds import RawType as RawType
from trainyard.recipe_schema import ONLY, ImageFeature, Section, Task, TextFeature
from trainyard.trainer_modules.harness import names

if TYPE_CHECKING:
    import tensorflow_transform as tft

    from trainyard.trainer_modules.harness.config import TrainerConfig
    from trainyard.trainer_modules.harness.spec import HeadSpec

FILE = Path("assets.extra") / "trainyard.json"


class HeadDescription(Section):
    """One thing that a model predicts.

    Attributes:
        task: The kind of prediction.
        label: The raw label's name; a request need not have it.
        class_names: In the order of the predictions; empty for regression.
        text: How text that it writes is cut into tokens; None if it writes none.
        dtype: Of the predictions; 64 bits where the label's digits need them.
    """

    task: Task
    label: str
    class_names: tuple[str, ...] = ()
    text: TextFeature | None = None
    dtype: Literal["float32", "float64"] = "float32"


class Description(Section):
    """A model from outside.

    Attributes:
        heads: What it predicts, by name; `ONLY` if it is one thing.
        inputs: Type of each raw column that the predictions depend on.
        kinds: What the inputs and labels held in training; empty for a model that an earlier
            Trainyard made.
        images: Which of the inputs are encoded images, and what is made of them.
        tensors: What each input is called in the signature `serving_raw`: its own name, as
            far as TensorFlow allows it.
        texts: Which of the inputs are text, and how they are cut into tokens.
        series: How many numbers a row has of those of the inputs that are series.
        module: The trainer module that made it.
    """

    heads: dict[str, HeadDescription]
    inputs: dict[str, RawType]
    kinds: dict[str, Kind] = {}
    images: dict[str, ImageFeature] = {}
    tensors: dict[str, str] = {}
    texts: dict[str, TextFeature] = {}
    module: str = ""
    series: dict[str, int] = {}

    @model_validator(mode="before")
    @classmethod
    def _of_one_head(cls, value: Any) -> Any:
        """Before there were several, what is said of a head stood at the top."""
        if not isinstance(value, dict) or "heads" in value:
            return value
        own = {key: value[key] for key in HeadDescription.model_fields if key in value}
        return {key: value[key] for key in value if key not in own} | {"heads": {ONLY: own}}

    @property
    def writes(self) -> TextFeature | None:
        """How the text that the model writes is cut into tokens; None if it writes none."""
        return self.heads[ONLY].text if ONLY in self.heads else None

    @property
    def targets(self) -> frozenset[str]:
        """The transformed features that are no inputs: labels and weights."""
        return frozenset({names.WEIGHT, *map(names.label, self.heads)})

    def rows(self, size: int, at_most: int) -> int:
        """Says how many rows the model takes at a time.

        Args:
            size: Bytes that their decoded images may take.
            at_most: Rows, if images do not make them fewer.
        """
        row = sum(4 * math.prod(image.shape) for image in self.images.values())
        return max(1, min(at_most, size // max(1, row)))


def of(
    config: TrainerConfig,
    transform_output: tft.TFTransformOutput,
    heads: Mapping[str, HeadSpec],
) -> Description:
    """Describes a model.

    Args:
        config: What the Trainer was told.
        transform_output: What Transform wrote.
        heads: What the model predicts.
    """
    raw = transform_output.raw_feature_spec()
    columns = config.input_columns(sorted(raw))
    known = kinds.of(transform_output)
    return Description(
        heads={
            name: HeadDescription(
                task=head.task,
                label=head.label.name,
                class_names=heads[name].label.class_names,
                text=config.written(head),
                dtype=heads[name].label.dtype,
            )
            for name, head in config.heads.items()
        },
        inputs={name: raw[name].dtype.name for name in columns},
        kinds={name: known[name] for name in [*columns, *(x.name for x in config.labels)]},
        images=config.images,
        tensors=names.arguments(columns),
        series={name: entry.length for name, entry in config.series.items()},
        texts=config.texts,
        module=config.trainer.module,
    )


def write(saved_model: Path, description: Description) -> None:
    """Writes a description into a SavedModel's own folder."""
    file = saved_model / FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(description.model_dump_json(indent=1), encoding="utf-8")


def read(saved_model: Path) -> Description:
    """Reads what `write` wrote.

    Args:
        saved_model: A SavedModel's folder.

    Raises:
        RecipeError: The model was not exported by Trainyard.
    """
    file = saved_model / FILE
    if not file.is_file():
        raise RecipeError(
            "the model does not say which columns it needs",
            where=str(saved_model),
            expected=f"a file {FILE}, which `trainyard run` writes",
            hint="push the model again with trainyard run",
        )
    return Description.model_validate_json(file.read_text(encoding="utf-8"))
