"""Measures what reading costs training: steps a second on Transform's files and on arrays.

    python -m benchmarks.input_rate                         # adult_income and taxi_tips
    python -m benchmarks.input_rate recipes/my_table.yaml   # any recipe

Each recipe is run to the pushed model first, in trainyard_out/input_rate; a second time that
is done from the cache. Then the same model trains with the same batch size on

- arrays: all rows as numpy arrays, as `model.fit(x, y)` takes them: what cannot be beaten,
- held: the harness's batches of a split that fits in memory,
- streamed: the same of one that does not,

in turn, without validation or the harness's callbacks. The first epoch, in which TensorFlow
traces and a buffer fills, does not count. The goal is 80 % of the rate on arrays.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[1]
RECIPES = [ROOT / "recipes" / "adult_income.yaml", ROOT / "recipes" / "taxi_tips.yaml"]

Rates = Mapping[str, Sequence[float]]


def main() -> int:
    """Measures and prints a table."""
    options = _options()
    # Beside the user's own runs, whose cache and serving folder it must not touch.
    home = Path(os.environ.get("TRAINYARD_HOME", "trainyard_out")).absolute() / "input_rate"
    os.environ |= {"TRAINYARD_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}
    tables = [_measured(recipe, options.epochs, options.repeats) for recipe in options.recipes]
    sys.stdout.write("\n".join([HEADER, *(line for table in tables for line in table), ""]))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.input_rate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipes", type=Path, nargs="*", default=RECIPES)
    parser.add_argument("--epochs", type=int, default=5, help="that count, in each turn")
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    return parser.parse_args()


HEADER = (
    "| recipe | batch | input | steps/s, median (least to most) | of arrays |\n"
    "| --- | --- | --- | --- | --- |"
)


def table(name: str, batch_size: int, rates: Rates) -> Iterator[str]:
    """Yields a line for each input.

    Args:
        name: The recipe's.
        batch_size: Rows a step.
        rates: Steps a second in each turn, by input, `arrays` among them.
    """
    arrays = statistics.median(rates["arrays"])
    for kind, measured in rates.items():
        middle = statistics.median(measured)
        spread = f"{middle:,.0f} ({min(measured):,.0f} to {max(measured):,.0f})"
        yield f"| {name} | {batch_size} | {kind} | {spread} | {middle / arrays:.2f} |"


def _measured(recipe_file: Path, epochs: int, repeats: int) -> list[str]:
    command = [sys.executable, "-m", "trainyard", "run", str(recipe_file)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    from trainyard.pipeline.recipe import load_recipe

    recipe = load_recipe(recipe_file)
    fits = _fits(recipe, epochs)
    rates: dict[str, list[float]] = {kind: [] for kind in fits}
    for _ in range(repeats):
        for kind, fit in fits.items():
            rates[kind].append(fit())
    return list(table(recipe.name, recipe.trainer.batch_size, rates))


def _fits(recipe: Any, epochs: int) -> dict[str, Callable[[], float]]:
    """Returns what trains a new model for some epochs and says steps a second, by input."""
    import keras
    import numpy as np

    from trainyard.trainer_modules import registry
    from trainyard.trainer_modules.harness import inputs, spec

    training = training_of(recipe)
    model_spec = spec.build(
        training.config, training.transform_output, training.train, training.held_out
    )
    module = registry.find(recipe.trainer.module)
    params = registry.params(module, recipe.trainer.params)
    make = getattr(module, "make_dataset", inputs.make_dataset)

    def fit(x: Any, **more: Any) -> float:
        keras.utils.set_random_seed(1)
        ends = clock()
        model = module.build_model(params, model_spec)
        model.fit(x, epochs=1 + epochs, verbose=0, callbacks=[ends], **more)
        return epochs * model_spec.steps_per_epoch / (ends.ends[-1] - ends.ends[0])

    def batches(examples: inputs.Examples) -> float:
        return fit(
            make(params, model_spec, examples, range(1 + epochs)),
            steps_per_epoch=model_spec.steps_per_epoch,
        )

    too_large = inputs.Examples(training.train.files, training.train.features, memory=0)
    once = make(params, model_spec, training.train, range(1)).as_numpy_iterator()
    rows = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *once)
    x, y, weights = keras.utils.unpack_x_y_sample_weight(rows)
    return {
        "arrays": lambda: fit(
            x, y=y, sample_weight=weights, batch_size=model_spec.training.batch_size
        ),
        "held": lambda: batches(training.train),
        "streamed": lambda: batches(too_large),
    }


def training_of(recipe: Any) -> Any:
    """Returns what the Trainer read in a recipe's newest run.

    Args:
        recipe: A loaded recipe that was run.
    """
    from trainyard.pipeline.workspace import Workspace
    from trainyard.trainer_modules.harness.config import TrainerConfig
    from trainyard.trainer_modules.harness.training import Training

    workspace = Workspace.of(recipe)
    outputs = workspace.artifacts / "Transform"
    examples = newest(outputs / "transformed_examples")
    return Training.of(
        SimpleNamespace(
            train_files=[f"{examples}/Split-train/*"],
            eval_files=[f"{examples}/Split-eval/*"],
            transform_graph_path=str(newest(outputs / "transform_graph")),
            model_run_dir=str(workspace.root),
            custom_config=TrainerConfig.of(recipe).custom_config(workspace.checkpoints),
        )
    )


def newest(folder: Path) -> Path:
    """Returns an output's newest artifact.

    Args:
        folder: It has a numbered folder for each.
    """
    return max(folder.iterdir(), key=lambda version: int(version.name))


def clock() -> Any:
    """Makes a Keras callback that notes when each epoch ends, in `ends`."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
        """Notes when each epoch ends."""

        def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
            self.ends: list[float] = []

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            self.ends.append(time.monotonic())

    return Clock()


if __name__ == "__main__":
    raise SystemExit(main())
