"""Trains a recipe as the Trainer does and judges what it exports, without a pipeline around it.

For benchmarks that train one recipe many times, on what one run of it has read and transformed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.input_rate import newest
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness import names

ROOT = Path(__file__).parents[1]
SPLITS = "train", "eval", "test"


@dataclass(frozen=True)
class Examples:
    """One split.

    Attributes:
        raw: Serialized, as ExampleGen wrote them.
        transformed: The same rows, in the same order, as Transform wrote them.
    """

    raw: Sequence[bytes]
    transformed: Sequence[bytes]

    def taken(self, rows: Sequence[int]) -> Examples:
        """Returns some of the rows."""
        return Examples([self.raw[n] for n in rows], [self.transformed[n] for n in rows])


def at_home(name: str) -> None:
    """Lets this process and those it starts write beside the user's own runs, not over them.

    Args:
        name: The folder within Trainyard's home.
    """
    home = Path(os.environ.get("TRAINYARD_HOME", "trainyard_out")).absolute() / name
    os.environ |= {"TRAINYARD_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}


def run(file: Path) -> None:
    """Runs a recipe; a second time that is done from the cache.

    Raises:
        CalledProcessError: It was not pushed.
    """
    command = [sys.executable, "-m", "trainyard", "run", str(file)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def read(recipe: Recipe) -> dict[str, Examples]:
    """Reads the splits of a recipe's newest run, by name."""
    outputs = _outputs(recipe)
    folders = [
        newest(outputs / "ExampleGen" / "examples"),
        newest(outputs / "Transform" / "transformed_examples"),
    ]
    return {split: Examples(*(_records(f / f"Split-{split}") for f in folders)) for split in SPLITS}


def _outputs(recipe: Recipe) -> Path:
    from trainyard.pipeline.workspace import Workspace

    return Workspace.of(recipe).artifacts


def _records(folder: Path) -> list[bytes]:
    import tensorflow as tf

    files = sorted(str(file) for file in folder.glob("*.gz"))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def redrawn(splits: Mapping[str, Examples], seed: int) -> dict[str, Examples]:
    """Deals all rows anew, as many to each split as it had.

    Args:
        splits: By name.
        seed: Decides which row goes where.
    """
    every = Examples(
        [row for split in splits.values() for row in split.raw],
        [row for split in splits.values() for row in split.transformed],
    )
    ends = np.cumsum([len(split.raw) for split in splits.values()])
    dealt = np.split(np.random.default_rng(seed).permutation(ends[-1]), ends[:-1])
    return {name: every.taken(rows) for name, rows in zip(splits, dealt, strict=True)}


def score(
    recipe: Recipe, splits: Mapping[str, Examples], seed: int, metric: str = "accuracy"
) -> float:
    """Trains with one seed and judges the exported model on the test split.

    Args:
        recipe: For the training, and where its Transform graph is.
        splits: What is trained on, validated and judged on.
        seed: Of the training.
        metric: One of `SCORES`.

    Returns:
        The metric over the test split's rows.
    """
    signature = names.EVALUATION if metric in WRITTEN else "serving_default"
    told = answers(recipe, splits, seed, signature)
    return SCORES[metric](told, _known(recipe, splits["test"].raw))


def _accuracy(told: Mapping[str, Any], known: NDArray[Any]) -> float:
    return float(np.mean(told["label"].ravel().astype(str) == known.astype(str)))


def _rmse(told: Mapping[str, Any], known: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean((told["predictions"].ravel() - known) ** 2)))


def _chrf(told: Mapping[str, Any], _: NDArray[Any]) -> float:
    from trainyard.components.evaluator import text_metrics

    return text_metrics.CorpusChrf.value(text_metrics.TextSums.counts(told).sum(axis=0))


SCORES: dict[str, Callable[[Mapping[str, Any], NDArray[Any]], float]] = {
    "accuracy": _accuracy,
    "rmse": _rmse,
    "chrf": _chrf,
}
"""Of what an exported model answers, and the true labels `(rows,)`."""

WRITTEN = ("chrf",)
"""Those that ask for what a model writes, beside the label."""


def _known(recipe: Recipe, rows: Sequence[bytes]) -> NDArray[Any]:
    """The labels as the rows have them."""
    values = []
    for row in rows:
        feature = tf_features(row)[recipe.label.name]
        kind = feature.WhichOneof("kind")
        (value,) = getattr(feature, kind).value
        values.append(value.decode() if kind == "bytes_list" else value)
    return np.array(values)


def answers(
    recipe: Recipe,
    splits: Mapping[str, Examples],
    seed: int,
    signature: str = "serving_default",
) -> dict[str, Any]:
    """Trains with one seed and asks the exported model about the test split.

    Args:
        recipe: For the training, and where its Transform graph is.
        splits: What is trained on, validated and asked about.
        seed: Of the training.
        signature: The SavedModel's.

    Returns:
        Arrays `(rows, ...)` by name.
    """
    import keras

    from trainyard.trainer_modules.harness import training
    from trainyard.trainer_modules.harness.config import TrainerConfig

    fixed = {"seed": seed, "deterministic": True}
    recipe = recipe.model_copy(update={"trainer": recipe.trainer.model_copy(update=fixed)})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        serving = folder / "serving"
        training.run_fn(
            SimpleNamespace(
                train_files=[_written(splits["train"], folder / "train")],
                eval_files=[_written(splits["eval"], folder / "eval")],
                transform_graph_path=str(newest(_outputs(recipe) / "Transform/transform_graph")),
                model_run_dir=str(folder / "run"),
                serving_model_dir=str(serving),
                custom_config=TrainerConfig.of(recipe).custom_config(folder / "checkpoints"),
            )
        )
        found = _asked(serving, signature, splits["test"].raw)
    keras.backend.clear_session()
    return found


def _written(split: Examples, file: Path) -> str:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(file)) as writer:
        for row in split.transformed:
            writer.write(row)
    return str(file)


def _asked(serving: Path, signature: str, rows: Sequence[bytes]) -> dict[str, Any]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(serving))
    told = loaded.signatures[signature](tf.constant(rows))
    return {name: tensor.numpy() for name, tensor in told.items()}


def tf_features(row: bytes) -> Any:
    """The features of a serialized tf.Example, by name."""
    import tensorflow as tf

    return tf.train.Example.FromString(row).features.feature
