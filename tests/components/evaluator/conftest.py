"""Small examples and SavedModels, judged by any executor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness import names

BEAM_SLICES = "trainyard.components.evaluator.beam_slices"
TYPES = {
    "word": "BYTES",
    "number": "INT",
    "ratio": "FLOAT",
    "tags": "BYTES",
    "score": "FLOAT",
    "weight": "FLOAT",
}
HEADS = {"likes": "binary", "grade": "multiclass", "price": "regression"}
"""The heads of a model that predicts all three, which is the task `heads` here."""


def rows(task: str, count: int = 300) -> list[dict[str, list[Any]]]:
    """Features that are missing, of several values, of each type; labels that one slice fixes."""
    random = np.random.default_rng(5)
    made = []
    for index in range(count):
        score, number = float(np.float32(random.normal())), int(random.integers(0, 4))
        noisy = score + float(random.normal())
        truth = {
            "binary": int(noisy > 0 and number != 3),  # in slice 3, all labels are 0
            "multiclass": int(np.clip(noisy + 1, -1, 2)),  # -1: training has not seen it
            "regression": 1000 + 10 * noisy,
            "text": " ".join(["un", "deux", "trois", "quatre", "cinq"][: 1 + index % 5]),
        }
        word = ["5", "grün", "05", "1.5"][random.integers(0, 4)] if index else "seldom"
        tags = list(random.choice(["a", "b", "c"], random.integers(0, 4)))
        made.append(
            {
                "word": [word] if random.random() < 0.9 else [],
                "number": [number],
                "ratio": [(0.1, -0.0, 2.0)[number % 3]],
                "tags": tags,
                "score": [score],
                "weight": [index % 5 / 2],
                **{name: [truth[each]] for name, each in labels(task).items()},
            }
        )
    return made


def labels(task: str) -> dict[str, str]:
    """The columns of the labels, and what is predicted of each."""
    return HEADS if task == "heads" else {"label": task}


def serialize(row: dict[str, list[Any]]) -> bytes:
    import tensorflow as tf

    example = tf.train.Example()
    for name, values in row.items():
        for value in values:
            feature = example.features.feature[name]
            if isinstance(value, str):
                feature.bytes_list.value.append(value.encode())
            elif isinstance(value, int):
                feature.int64_list.value.append(value)
            else:
                feature.float_list.value.append(value)
    return example.SerializeToString()


def save_model(folder: Path, task: str, slope: float) -> None:
    """A SavedModel with the signatures that the Trainer gives its models."""
    import tensorflow as tf

    spec = {
        "score": tf.io.FixedLenFeature([], tf.float32),
        "weight": tf.io.FixedLenFeature([1], tf.float32, [1.0]),
    }
    for name, each in labels(task).items():
        kinds = {"regression": (tf.float32, [-1]), "text": (tf.string, [""])}
        spec[name] = tf.io.FixedLenFeature([1], *kinds.get(each, (tf.int64, [-1])))
    heads = labels(task) if task == "heads" else {"": task}
    signature = [tf.TensorSpec([None], tf.string)]

    @tf.function(input_signature=signature)
    def serving_default(examples):
        score = tf.io.parse_example(examples, {"score": spec["score"]})["score"]
        of_task = {
            "binary": tf.sigmoid(slope * score)[:, tf.newaxis],
            "multiclass": tf.nn.softmax(tf.stack([-slope * score, 0 * score, score], axis=1)),
            "regression": (1000 + 10 * slope * score)[:, tf.newaxis],
        }
        answers = {names.prediction(name): of_task[each] for name, each in heads.items()}
        return answers | {"other": of_task["binary"]}

    @tf.function(input_signature=signature)
    def transform_features(examples):
        parsed = tf.io.parse_example(examples, spec)
        targets = {f"{names.label(name)}_xf": parsed[name or "label"] for name in heads}
        return targets | {"row_weight_xf": parsed["weight"], "score_xf": parsed["score"]}

    @tf.function(input_signature=signature)
    def evaluation(examples):
        parsed = tf.io.parse_example(examples, spec)
        wanted, score = parsed["label"], parsed["score"]
        written = tf.strings.regex_replace(wanted, "deux", "deux" if slope > 0 else "trois")
        written = tf.where(score[:, tf.newaxis] > 1, "un", written)
        counts = tf.cast(tf.strings.length(wanted), tf.float32)
        return {
            "predictions": written,
            "reference": wanted,
            "likelihood": tf.concat([-counts * tf.exp(-slope), counts / 4, counts], axis=1),
        }

    endpoints = {"serving_default": serving_default, "transform_features": transform_features}
    if task == "text":
        endpoints = {"evaluation": evaluation, "transform_features": transform_features}
    tf.saved_model.save(tf.Module(), str(folder / "Format-Serving"), endpoints)


def recipe(task: str, weight: str | None = None, **section: Any) -> Recipe:
    heads = {name: {"label": name, "task": each} for name, each in labels(task).items()}
    predicted = {"heads": heads} if task == "heads" else heads["label"]
    return Recipe.model_validate(
        {
            "name": "test",
            "data": {"path": "x", "weight": weight},
            "features": {"label": {"kind": "text"}} if task == "text" else {},
            **predicted,
            "evaluation": section,
        }
    )


@dataclass(frozen=True)
class Judged:
    """What an Evaluator left behind."""

    evaluation: Path
    blessing: Any

    @property
    def blessing_file(self) -> list[str]:
        return [file.name for file in Path(self.blessing.uri).iterdir()]


@dataclass(frozen=True)
class Material:
    """Inputs of an Evaluator: examples of two splits, two models, a schema."""

    folder: Path
    task: str

    def artifact(self, kind: str, name: str, number: int) -> Any:
        from tfx.types import standard_artifacts

        artifact = getattr(standard_artifacts, kind)()
        artifact.uri, artifact.id = str(self.folder / name), number
        return artifact

    def inputs(self, *, baseline: bool) -> dict[str, list[Any]]:
        from tfx.components.util import examples_utils
        from tfx.proto import example_gen_pb2

        examples = self.artifact("Examples", "examples", 1)
        examples.split_names = '["train", "judged"]'
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        earlier = [self.artifact("Model", "baseline", 3)] if baseline else []
        return {
            "examples": [examples],
            "model": [self.artifact("Model", "candidate", 2)],
            "baseline_model": earlier,
            "schema": [self.artifact("Schema", "schema", 4)],
        }

    def judged(
        self, executor_class: Any, config: Any, folder: Path, *, baseline: bool = False
    ) -> Judged:
        """Runs an executor as the launcher does."""
        from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
        from tfx.types import standard_artifacts

        evaluation, blessing = standard_artifacts.ModelEvaluation(), None
        blessing = standard_artifacts.ModelBlessing()
        for artifact, name in ((evaluation, "evaluation"), (blessing, "blessing")):
            artifact.uri = str(folder / name)
            (folder / name).mkdir(parents=True)
        context = BaseBeamExecutor.Context(tmp_dir=str(folder / "tmp"), unique_id="1")
        executor_class(context).Do(
            self.inputs(baseline=baseline),
            {"evaluation": [evaluation], "blessing": [blessing]},
            properties(config),
        )
        return Judged(Path(evaluation.uri), blessing)


def properties(config: Any) -> dict[str, Any]:
    from tfx.utils import proto_utils

    return {
        "eval_config": proto_utils.proto_to_json(config),
        "example_splits": '["judged"]',
        "module_path": BEAM_SLICES,
        "fairness_indicator_thresholds": "null",
        "current_component_id": "Evaluator",
    }


@pytest.fixture(scope="session")
def material(tmp_path_factory) -> Callable[[str], Material]:
    made: dict[str, Material] = {}

    def of(task: str) -> Material:
        if task not in made:
            made[task] = _material(tmp_path_factory.mktemp(task), task)
        return made[task]

    return of


def _material(folder: Path, task: str) -> Material:
    import tensorflow as tf

    save_model(folder / "candidate", task, slope=1.0)
    save_model(folder / "baseline", task, slope=0.7)
    (folder / "schema").mkdir()
    kinds = TYPES | {
        name: {"regression": "FLOAT", "text": "BYTES"}.get(each, "INT")
        for name, each in labels(task).items()
    }
    features = [f'feature {{name: "{name}" type: {kind}}}' for name, kind in kinds.items()]
    (folder / "schema" / "schema.pbtxt").write_text("\n".join(features))
    examples = [serialize(row) for row in rows(task)]
    for split, part in (("train", examples[:9]), ("judged", examples)):
        (folder / "examples" / f"Split-{split}").mkdir(parents=True)
        file = folder / "examples" / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for example in part:
                writer.write(example)
    return Material(folder, task)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, numbers to 1e-6 and nan to nan."""
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(
            one, other, rel_tol=1e-6, abs_tol=1e-6
        )
    return bool(one == other)


def assert_same_slices(kind: str, found: Path, expected: Path) -> dict[bytes, Any]:
    """Compares two evaluations slice by slice, all numbers.

    Args:
        kind: metrics, plots or attributions.
        found: The folder of one evaluation.
        expected: That of the other.

    Returns:
        The numbers by slice.
    """
    ours, stock = by_slice(kind, found), by_slice(kind, expected)
    assert ours.keys() == stock.keys()
    for key, values in stock.items():
        assert ours[key].keys() == values.keys()
        wrong = {path for path, value in values.items() if not same(value, ours[key][path])}
        assert not wrong, (key, wrong)
    return ours


def leaves(message: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(message, dict):
        for key, value in message.items():
            yield from leaves(value, (*path, key))
    elif isinstance(message, list):
        yield (*path, "length"), len(message)
        for index, value in enumerate(message):
            yield from leaves(value, (*path, index))
    else:
        yield path, message


def by_slice(kind: str, evaluation: Path) -> dict[bytes, dict[Any, Any]]:
    import tensorflow_model_analysis as tfma
    from google.protobuf import json_format

    return {
        proto.slice_key.SerializeToString(deterministic=True): dict(
            leaves(json_format.MessageToDict(proto))
        )
        for proto in getattr(tfma, f"load_{kind}")(str(evaluation))
    }
