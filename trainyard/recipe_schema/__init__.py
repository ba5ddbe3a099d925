"""What a recipe may say: one frozen pydantic model a section.

This is the vocabulary that the pipeline, the components and the trainer harness
share; it imports none of them. Reading a file, and every check that needs the
data or the trainer modules, is `trainyard.pipeline.recipe`.
"""

from __future__ import annotations

from trainyard.recipe_schema.base import Scalar, Section
from trainyard.recipe_schema.data import (
    POSITION,
    UNNAMED,
    Data,
    Images,
    Series,
    SeveralImages,
    Split,
    Windows,
    text_measures,
)
from trainyard.recipe_schema.engine import (
    AnyEngine,
    DataflowEngine,
    DirectEngine,
    Engine,
    FlinkEngine,
    PortableEngine,
    SparkEngine,
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
from trainyard.recipe_schema.kubeflow import Kubeflow, MetadataStore, Pod, Secret
from trainyard.recipe_schema.monitor import Monitor
from trainyard.recipe_schema.numbers import NumberFormat, Numbers
from trainyard.recipe_schema.recipe import Recipe, input_columns
from trainyard.recipe_schema.rollout import Rollout
from trainyard.recipe_schema.schedule import Retrain, RunSchedule
from trainyard.recipe_schema.stages import Anomaly, Gate, Push
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
    "UNNAMED",
    "Anomaly",
    "AnyEngine",
    "AnyFeature",
    "Averages",
    "Bound",
    "Change",
    "ClassWeights",
    "Data",
    "DataflowEngine",
    "DirectEngine",
    "Distribution",
    "EarlyStopping",
    "Embedding",
    "Engine",
    "Evaluation",
    "Feature",
    "FlinkEngine",
    "Gate",
    "Head",
    "HeadName",
    "ImageFeature",
    "Images",
    "Kubeflow",
    "Label",
    "Loss",
    "MetadataStore",
    "Monitor",
    "NumberFormat",
    "Numbers",
    "Optimizer",
    "Pod",
    "PortableEngine",
    "Push",
    "Recipe",
    "Retrain",
    "Rollout",
    "RunSchedule",
    "Scalar",
    "Schedule",
    "Secret",
    "Section",
    "Series",
    "SeriesFeature",
    "SeveralImages",
    "SliceValues",
    "SparkEngine",
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
