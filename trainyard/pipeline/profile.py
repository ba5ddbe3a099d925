"""`trainyard profile`: is training bound by its input or by its steps, and what to change."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from trainyard.pipeline import frameworks, records
from trainyard.pipeline.beam import cluster
from trainyard.pipeline.console import RunConsole, output_to
from trainyard.pipeline.records import StageRecord
from trainyard.pipeline.runners import local
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Distribution, Recipe

if TYPE_CHECKING:
    from trainyard.trainer_modules.harness.profiling import Profile

LAST_STAGE = "Transform"
TABLE = "transformed_examples", "transform_graph"

BALANCED = 1.2
"""Input and step take about as long if neither is longer by more than this factor."""

GOOD_SHARE = 0.9
"""Training should reach this share of the rate of the slower of the two."""

SHORT_STEP = 2e-3
"""Seconds; below it, what Keras does around a step takes as long as the step."""


def profile(recipe: Recipe, seconds: float) -> str:
    """Runs a recipe up to Transform, or takes it from the cache, and measures its training.

    Args:
        recipe: A resolved and checked recipe.
        seconds: About how long each of the three measurements takes.

    Returns:
        A table, and sentences.
    """
    measured = measure(recipe, seconds)
    return "\n".join([_table(measured), "", *sentences(measured, recipe)])


def measure(recipe: Recipe, seconds: float) -> Profile:
    """Measures as `profile` does.

    Args:
        recipe: A resolved and checked recipe.
        seconds: About how long each of the three measurements takes.
    """
    workspace = Workspace.of(recipe)
    name = f"profile-{records.new_id(datetime.now(UTC))}"
    folder = workspace.root / "profiles" / name
    cluster.check(recipe.engine)
    with local.claimed(workspace):
        folder.mkdir(parents=True)
        with cluster.at_hand(recipe, folder / "job_server.log") as prepared:
            outputs = _transformed(prepared, workspace, name, folder)
        return _measured(recipe, outputs, folder, seconds)


def _transformed(
    recipe: Recipe, workspace: Workspace, name: str, folder: Path
) -> dict[str, list[str]]:
    console, log = RunConsole(), folder / "stages.log"
    with output_to(log), frameworks.loading(cloud=recipe.engine.name != "local"):
        from trainyard.pipeline.runners.nodes import NodeRunner

        nodes = NodeRunner(recipe, workspace, name)
    for node in nodes.names[: nodes.names.index(LAST_STAGE) + 1]:
        stage = StageRecord(name=node)
        with console.stage(stage), _timed(stage), output_to(log):
            nodes.launch(stage, None)
    return stage.outputs


@contextmanager
def _timed(stage: StageRecord) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    except BaseException:
        stage.state = "failed"
        raise
    finally:
        stage.seconds = time.monotonic() - started


def _measured(
    recipe: Recipe, outputs: dict[str, list[str]], folder: Path, seconds: float
) -> Profile:
    stage = StageRecord(name="Profile", state="done")
    with RunConsole().stage(stage), _timed(stage), output_to(folder / "profile.log"):
        from trainyard.trainer_modules.harness import profiling
        from trainyard.trainer_modules.harness.config import TrainerConfig

        (examples,), (graph,) = (outputs[key] for key in TABLE)
        with tempfile.TemporaryDirectory() as checkpoints:
            config = TrainerConfig.of(_on_one_machine(recipe))
            measured = profiling.measure(
                SimpleNamespace(
                    train_files=[f"{examples}/Split-train/*"],
                    eval_files=[f"{examples}/Split-eval/*"],
                    transform_graph_path=graph,
                    transform_output=None,
                    serving_model_dir="",
                    model_run_dir=str(folder),
                    custom_config=config.custom_config(Path(checkpoints)),
                ),
                seconds,
            )
    return measured


def _on_one_machine(recipe: Recipe) -> Recipe:
    """A worker alone would wait for the others."""
    if recipe.trainer.distribution.name != "multi_worker":
        return recipe
    trainer = recipe.trainer.model_copy(update={"distribution": Distribution()})
    return recipe.model_copy(update={"trainer": trainer})


def _table(measured: Profile) -> str:
    lines = {
        "making a batch, alone": measured.input,
        "a step on one batch, alone": measured.compute,
        "a step of the training": measured.training,
    }
    head = f"{'':<28}{'ms a batch':>12}{'rows a second':>16}"
    return "\n".join(
        [
            head,
            *(
                f"{name:<28}{1000 * took:>12.2f}{measured.rows / took:>16,.0f}"
                for name, took in lines.items()
            ),
        ]
    )


def sentences(measured: Profile, recipe: Recipe) -> list[str]:
    """Says what bounds the training, and what to change.

    Args:
        measured: What was measured.
        recipe: The recipe.
    """
    return [*_verdict(measured), *_advice(measured, recipe), f"trace: {measured.trace}"]


def _verdict(measured: Profile) -> Iterator[str]:
    made, computed = 1000 * measured.input, 1000 * measured.compute
    both = f"a batch takes {made:.2f} ms to make and {computed:.2f} ms to train on."
    if measured.input > BALANCED * measured.compute:
        yield f"Input-bound: {both}"
    elif measured.compute > BALANCED * measured.input:
        yield f"Compute-bound: {both}"
    else:
        yield f"Balanced: {both}"
    slower = max(measured.input, measured.compute)
    yield f"Training reaches {100 * slower / measured.training:.0f} % of the slower of the two."


def _advice(measured: Profile, recipe: Recipe) -> Iterator[str]:
    trainer, on_gpu = recipe.trainer, "GPU" in measured.devices
    slower = max(measured.input, measured.compute)
    if measured.input > BALANCED * measured.compute:
        yield from _input_advice(measured)
    elif measured.compute > BALANCED * measured.input:
        if not on_gpu:
            yield "TensorFlow sees no GPU here: a GPU, a smaller model or smaller inputs help."
        elif trainer.precision == "float32":
            yield "Try `precision: mixed_bfloat16`: matrix units of a GPU are faster in 16 bits."
        if on_gpu and not measured.step_jit:
            yield "Try `jit_compile: true`: XLA fuses what lies between the matrix products."
    if measured.compute < SHORT_STEP and trainer.steps_per_execution == 1:
        yield (
            "A step is short beside what Keras does around it: try a larger `batch_size`, or "
            "`steps_per_execution: 20`."
        )
    if slower < GOOD_SHARE * measured.training and not on_gpu:
        yield (
            f"Input and steps share {measured.cores} processor core(s), so each slows the other; "
            "what makes either cheaper helps both."
        )


def _input_advice(measured: Profile) -> Iterator[str]:
    if not measured.held:
        yield "The split does not fit in memory and is read from its files in every epoch."
    yield (
        f"Decoding and augmentation run on {measured.cores} processor core(s): use more, smaller "
        "images, or fewer augmentations, or move them into the model as Keras layers."
    )
