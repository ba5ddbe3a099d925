"""A recipe's DAG as text, with what each stage is told to do."""

from __future__ import annotations

from trainyard.components.example_gen import input_splits
from trainyard.pipeline.check import Checked

_PICTURE = """\
ExampleGen         {data}: {splits}
├─ StatisticsGen   every column of each split
│  └─ SchemaGen    {schema}
│     └─ ExampleValidator ─ Gate   stops on {stops}
├─ Transform       {inputs} inputs, label {label}
│  └─ Trainer      {module}: {trainer}
│     └─ Baseline  the last other blessed model
├─ Evaluator       {metrics} on {judged}{slices}{thresholds}
└─ Pusher          {destination}"""


def drawing(checked: Checked) -> str:
    """Draws the DAG.

    Args:
        checked: A recipe, and what `check` found out about it.
    """
    recipe = checked.recipe
    trainer, evaluation = recipe.trainer, recipe.evaluation
    length = f"{trainer.steps} steps" if trainer.steps else f"{trainer.epochs or 'default'} epochs"
    slices = len(evaluation.slices)
    thresholds = len(evaluation.thresholds or ())
    picture = _PICTURE.format(
        data=f"{recipe.data.dataset or recipe.data.path} ({recipe.data.format})",
        splits=input_splits.words(recipe.data),
        schema=recipe.data.schema_file if recipe.data.schema_file != "infer" else "inferred",
        stops=", ".join(recipe.gate.stop_on) or "nothing",
        inputs=len(checked.inputs),
        label=f"{recipe.label.name} = {recipe.label.expression}",
        module=trainer.module,
        trainer=f"{length}, batches of {trainer.batch_size}, {trainer.optimizer.name}",
        metrics=", ".join(evaluation.metrics),
        judged=recipe.data.split.judged,
        slices=f", {slices} slices" if slices else "",
        thresholds=f", {thresholds} thresholds, {len(evaluation.change)} against the baseline",
        destination=recipe.push.destination or f"serving/{recipe.name}",
    )
    warnings = [f"warning: {warning}" for warning in checked.warnings]
    return "\n".join(
        [f"{recipe.name}: {recipe.task}, {len(checked.columns)} columns", picture, *warnings]
    )
