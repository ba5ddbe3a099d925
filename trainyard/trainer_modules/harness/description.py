"""What a SavedModel expects and answers, in a file beside it that needs no TensorFlow to read.

TensorFlow Serving ignores what it does not know in `assets.extra`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Section, Task, input_columns

if TYPE_CHECKING:
    import tensorflow_transform as tft

    from trainyard.trainer_modules.harness.config import StageConfig

FILE = Path("assets.extra") / "trainyard.json"

RawType = Literal["int64", "float32", "string"]


class Description(Section):
    """A model from outside.

    Attributes:
        task: The kind of prediction.
        label: The raw label's name; a request need not have it.
        inputs: Type of each raw column that the prediction depends on.
        class_names: In the order of the predictions; empty for regression.
    """

    task: Task
    label: str
    inputs: dict[str, RawType]
    class_names: tuple[str, ...]


def write(
    saved_model: Path,
    config: StageConfig,
    transform_output: tft.TFTransformOutput,
    class_names: Sequence[str],
) -> None:
    """Describes a SavedModel, in its own folder.

    Args:
        saved_model: Its folder.
        config: What the Trainer was told.
        transform_output: What Transform wrote.
        class_names: By index; empty for regression.
    """
    raw = transform_output.raw_feature_spec()
    names = input_columns(config.label, config.features, sorted(raw))
    description = Description(
        task=config.task,
        label=config.label.name,
        inputs={name: raw[name].dtype.name for name in names},
        class_names=tuple(class_names),
    )
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
