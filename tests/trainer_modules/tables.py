"""Raw rows through TensorFlow Transform and `run_fn`, without TFX around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from trainyard.recipe_schema import Head, Recipe, Trainer

Row = dict[str, Any]


def serialize(row: Row) -> bytes:
    """A row as a tf.Example; None is a missing value."""
    import tensorflow as tf

    example = tf.train.Example()
    for name, value in row.items():
        feature = example.features.feature[name]
        if isinstance(value, list):
            feature.float_list.value.extend(value)
        elif isinstance(value, str | bytes):
            feature.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        elif value is not None:
            feature.float_list.value.append(value)
    return example.SerializeToString()


def table(rows: int, seed: int = 0) -> list[Row]:
    """Numbers with gaps, a text category, an integer category, a constant, an empty column."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        age, fare = float(random.normal(40, 10)), float(random.exponential(20))
        kind = str(random.choice(["cash", "card", "other"], p=[0.5, 0.4, 0.1]))
        score = (age - 40) / 10 + (kind == "card") + 0.1 * float(random.normal())
        made.append(
            {
                "age": None if random.random() < 0.1 else age,
                "fare": fare,
                "hours per/week": int(random.integers(1, 80)),
                "kind": None if random.random() < 0.1 else kind,
                "zone": int(random.integers(1, 4)),
                "constant": 7.0,
                "empty": None,
                "yes": int(score > 0.5),
                "answer": "yes" if score > 0.5 else "no",
                "grade": ("low", "middle", "high")[int(score > 0) + int(score > 1)],
                "price": 1000.0 + 300.0 * score,
            }
        )
    return made


LABELS = {"binary": "yes", "multiclass": "grade", "regression": "price"}
TYPES = {
    "age": "float32",
    "fare": "float32",
    "hours per/week": "int64",
    "kind": "string",
    "zone": "int64",
    "constant": "float32",
    "empty": "float32",
    "yes": "int64",
    "answer": "string",
    "grade": "string",
    "price": "float32",
}


def recipe(task: str = "binary", label: str | None = None, **trainer: Any) -> Recipe:
    """A recipe for `table`: every kind of column takes part."""
    others = dict.fromkeys(("yes", "answer", "grade", "price"), "ignored")
    features = {
        "zone": "categorical",
        "fare": {"kind": "bucketized", "buckets": 4},
        "constant": {"scaling": "min-max"},
    }
    sections = {"data": {"path": "unused"}} | predicted(task, LABELS, label)
    made = Recipe.model_validate({"name": "test", "features": features | others} | sections)
    return trained_as(made, **{"params": {"hidden": [8]}} | trainer)


def predicted(task: str, labels: dict[str, str], label: str | None = None) -> dict[str, Any]:
    """What a recipe says of a task; for `heads` of all tasks together, each on its own label."""
    if task == "heads":
        return {"heads": {name: {"label": name, "task": each} for each, name in labels.items()}}
    return {"label": label or labels[task], "task": task}


def heads_of(task: str, trainer: Trainer | None = None) -> dict[str, Head]:
    """The one head of a recipe for the task."""
    return recipe(task).model_copy(update={"trainer": trainer or Trainer()}).heads


def trained_as(made: Recipe, **trainer: Any) -> Recipe:
    """The recipe with another trainer section."""
    section = Trainer(**{"epochs": 2, "batch_size": 32} | trainer)
    return made.model_copy(update={"trainer": section})


@dataclass
class Transformed:
    """What Transform would have written."""

    recipe: Recipe
    folder: Path
    train: list[Row]
    held_out: list[Row]

    @property
    def graph(self) -> Path:
        return self.folder / "graph"

    def fn_args(self, run: Path, **trainer: Any) -> SimpleNamespace:
        """TFX's FnArgs for a training into the folder `run`, with settings of its own."""
        from trainyard.trainer_modules.harness.config import TrainerConfig

        config = TrainerConfig.of(trained_as(self.recipe, **trainer))
        return SimpleNamespace(
            train_files=[str(self.folder / "train*")],
            eval_files=[str(self.folder / "eval*")],
            transform_graph_path=str(self.graph),
            transform_output=None,
            serving_model_dir=str(run / "Format-Serving"),
            model_run_dir=str(run / "model_run"),
            custom_config=config.custom_config(run.parent / "checkpoints"),
        )


def transform(
    chosen: Recipe, folder: Path, train: list[Row], held_out: list[Row], types: dict[str, str]
) -> Transformed:
    """Analyzes `train` with TensorFlow Transform on Beam, and writes both splits transformed."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.saved import saved_transform_io_v2
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

    from trainyard.trainer_modules.harness.config import TransformConfig
    from trainyard.trainer_modules.harness.transform import preprocessing_fn

    custom = TransformConfig.of(chosen).custom_config()
    spec = {name: tf.io.VarLenFeature(tf.dtypes.as_dtype(t)) for name, t in types.items()}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    instances = [{n: _values(row[n]) for n in types} for row in train]
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(folder / "temporary")):
        data = (pipeline | beam.Create(instances), metadata)
        fitted = data | tft_beam.AnalyzeDataset(partial(preprocessing_fn, custom_config=custom))
        fitted | tft_beam.WriteTransformFn(str(folder / "graph"))
    metadata_io.write_metadata(metadata, str(folder / "graph" / "metadata"))  # as TFX does
    graph = saved_transform_io_v2.SavedModelLoader(
        tft.TFTransformOutput(str(folder / "graph")).transform_savedmodel_dir
    )
    for name, rows in (("train", train), ("eval", held_out)):
        raw = tf.io.parse_example([serialize(row) for row in rows], spec)
        features = {key: value.numpy() for key, value in graph.apply_transform_model(raw).items()}
        with tf.io.TFRecordWriter(str(folder / f"{name}-00000.gz"), "GZIP") as writer:
            for index in range(len(rows)):
                writer.write(_example({key: value[index] for key, value in features.items()}))
    return Transformed(chosen, folder, train, held_out)


def _values(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _example(features: dict[str, np.ndarray]) -> bytes:
    import tensorflow as tf

    example = tf.train.Example()
    for name, value in features.items():
        feature = example.features.feature[name]
        kinds = {np.float32: feature.float_list, np.int64: feature.int64_list}
        kinds.get(value.dtype.type, feature.bytes_list).value.extend(value.tolist())
    return example.SerializeToString()
