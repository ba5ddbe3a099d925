"""What a recipe may say: one frozen pydantic model a section.

This is the vocabulary that the pipeline, the components and the trainer harness
share; it imports none of them. Reading a file, and every check that needs the
data or the trainer modules, is `trainyard.pipeline.recipe`.
"""

from __future__ import annotations

from trainyard.recipe_schema.base import Scalar, Section
from trainyard.recipe_schema.data import (
    POSITION,
    Data,
    Images,
    Series,
    SeveralImages,
    Split,
    Windows,
    text_measures,
)
from trainyard.recipe_schema.evaluation import Bound, Change, Evaluation, SliceValues, Threshold
from trainyard.recipe_schema.features import (
    AnyFeature,
    Embedding,
    Feature,
    ImageFeature,
    SeriesFeature,
    TableFeature,
    TextFeature,
)
from trainyard.recipe_schema.heads import (
    ONLY,
    ClassWeights,
    Head,
    HeadName,
    Label,
    Loss,
    Target,
    Task,
)
from trainyard.recipe_schema.monitor import Monitor
from trainyard.recipe_schema.recipe import Recipe, input_columns
from trainyard.recipe_schema.stages import Anomaly, Engine, Gate, Push
from trainyard.recipe_schema.trainer import (
    Averages,
    Distribution,
    EarlyStopping,
    Optimizer,
    Schedule,
    Trainer,
)

__all__ = [
    "ONLY",
    "POSITION",
    "Anomaly",
    "AnyFeature",
    "Averages",
    "Bound",
    "Change",
    "ClassWeights",
    "Data",
    "Distribution",
    "EarlyStopping",
    "Embedding",
    "Engine",
    "Evaluation",
    "Feature",
    "Gate",
    "Head",
    "HeadName",
    "ImageFeature",
    "Images",
    "Label",
    "Loss",
    "Monitor",
    "Optimizer",
    "Push",
    "Recipe",
    "Scalar",
    "Schedule",
    "Section",
    "Series",
    "SeriesFeature",
    "SeveralImages",
    "SliceValues",
    "Split",
    "TableFeature",
    "Target",
    "Task",
    "TextFeature",
    "Threshold",
    "Trainer",
    "Windows",
    "input_columns",
    "text_measures",
]
