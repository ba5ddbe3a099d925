"""Compares a network that starts from a pushed model with the same network from scratch.

    python -m benchmarks.few_shot                 # five seeds
    python -m benchmarks.few_shot --seeds 10

mnist_pretrain and mnist_few_shot are run to the pushed model first, in trainyard_out/few_shot;
a second time that is done from the cache. Then both networks train on what that run's Transform
wrote, ten images of each of five digits, once with each seed:

- pretrained: as recipes/mnist_few_shot.yaml says,
- from scratch: the module and the parameters of recipes/mnist_pretrain.yaml, all layers from
  random numbers, with the batches, optimizer, epochs and early stopping of mnist_few_shot.

Both keep the weights of their best epoch on the eval split and are judged on the test split,
which has not been looked at. The goal is that the pretrained one is better with every seed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from benchmarks.input_rate import newest

ROOT = Path(__file__).parents[1]
FIRST, SECOND = (ROOT / "recipes" / f"mnist_{name}.yaml" for name in ("pretrain", "few_shot"))


class Outcome(NamedTuple):
    """Accuracy on the test split after training with one seed."""

    seed: int
    pretrained: float
    scratch: float

    @property
    def is_better(self) -> bool:
        """Whether the pretrained network is."""
        return self.pretrained > self.scratch


def main() -> int:
    """Trains, prints a table, and says by its code whether the goal is met."""
    options = _options()
    # Beside the user's own runs, whose cache and serving folder it must not touch.
    home = Path(os.environ.get("TRAINYARD_HOME", "trainyard_out")).absolute() / "few_shot"
    os.environ |= {"TRAINYARD_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}
    for file in (FIRST, SECOND):
        command = [sys.executable, "-m", "trainyard", "run", str(file)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    outcomes: list[Outcome] = []
    for line in table(_outcomes(range(1, 1 + options.seeds), outcomes)):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0 if all(outcome.is_better for outcome in outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_shot", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=5)
    return parser.parse_args()


def table(outcomes: Iterator[Outcome] | Sequence[Outcome]) -> Iterator[str]:
    """Yields the table's lines, each as soon as it is known.

    Args:
        outcomes: One a seed.
    """
    yield "| seed | pretrained | from scratch | better by |\n| --- | --- | --- | --- |"
    better = total = 0
    for one in outcomes:
        difference = one.pretrained - one.scratch
        yield f"| {one.seed} | {one.pretrained:.3f} | {one.scratch:.3f} | {difference:+.3f} |"
        better, total = better + one.is_better, total + 1
    yield f"\nThe pretrained network is better with {better} of {total} seeds."


def _outcomes(seeds: range, kept: list[Outcome]) -> Iterator[Outcome]:
    from trainyard.pipeline.recipe import load_recipe

    few_shot, first = load_recipe(SECOND), load_recipe(FIRST).trainer
    network = {"module": first.module, "params": first.params}
    scratch = few_shot.model_copy(update={"trainer": few_shot.trainer.model_copy(update=network)})
    for seed in seeds:
        kept.append(Outcome(seed, _accuracy(few_shot, seed), _accuracy(scratch, seed)))
        yield kept[-1]


def _accuracy(recipe: Any, seed: int) -> float:
    """Trains as the Trainer does and judges the exported model on the test split."""
    import keras
    import tensorflow as tf

    from trainyard.pipeline.workspace import Workspace
    from trainyard.trainer_modules.harness import training
    from trainyard.trainer_modules.harness.config import TrainerConfig

    recipe = recipe.model_copy(
        update={"trainer": recipe.trainer.model_copy(update={"seed": seed, "deterministic": True})}
    )
    outputs = Workspace.of(recipe).artifacts
    transformed = newest(outputs / "Transform" / "transformed_examples")
    with tempfile.TemporaryDirectory() as folder:
        serving = Path(folder) / "serving"
        training.run_fn(
            SimpleNamespace(
                train_files=[f"{transformed}/Split-train/*"],
                eval_files=[f"{transformed}/Split-eval/*"],
                transform_graph_path=str(newest(outputs / "Transform" / "transform_graph")),
                model_run_dir=str(Path(folder) / "run"),
                serving_model_dir=str(serving),
                custom_config=TrainerConfig.of(recipe).custom_config(Path(folder) / "checkpoints"),
            )
        )
        rows = _rows(newest(outputs / "ExampleGen" / "examples") / "Split-test")
        answer = tf.saved_model.load(str(serving)).signatures["serving_default"]
        answers = answer(tf.constant(rows))["label"].numpy().ravel()
    keras.backend.clear_session()
    known = tf.io.parse_example(rows, {"digit": tf.io.FixedLenFeature([], tf.int64)})["digit"]
    right = [int(name) == digit for name, digit in zip(answers, known.numpy(), strict=True)]
    return sum(right) / len(right)


def _rows(split: Path) -> list[bytes]:
    import tensorflow as tf

    files = sorted(str(file) for file in split.glob("*.gz"))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


if __name__ == "__main__":
    raise SystemExit(main())
