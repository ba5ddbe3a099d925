"""A recipe's DAG as text, with what each stage is told to do."""

from __future__ import annotations

from trainyard.components.example_gen import input_splits
from trainyard.pipeline.check import Checked
from trainyard.recipe_schema.trainer import Trainer
from trainyard.trainer_modules.harness.names import of
from trainyard.wording import counted

_PICTURE = """\
ExampleGen         {data}: {splits}
├─ StatisticsGen   every column of each split
│  └─ SchemaGen    {schema}
│     ├─ EarlierStatistics  of the last blessed model's data, for drift
│     └─ ExampleValidator ─ Gate   stops on {stops}
├─ Transform       {inputs}, label {labels}
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
    slices = len(evaluation.slices)
    thresholds = counted(len(evaluation.thresholds or ()), "threshold")
    picture = _PICTURE.format(
        data=f"{recipe.data.dataset or recipe.data.path} ({recipe.data.format})",
        splits=input_splits.words(recipe.data),
        schema=recipe.data.schema_file if recipe.data.schema_file != "infer" else "inferred",
        stops=", ".join(recipe.gate.stop_on) or "nothing",
        inputs=counted(len(checked.inputs), "input"),
        labels="; ".join(f"{each.name} = {each.expression}" for each in recipe.labels.values()),
        module=trainer.module,
        trainer=f"{_length(trainer)}, batches of {trainer.batch_size}, {trainer.optimizer.name}",
        metrics=", ".join(
            of(name, metric) for name in recipe.heads for metric in evaluation.metrics_of(name)
        ),
        judged=recipe.data.split.judged,
        slices=f", {counted(slices, 'slice')}" if slices else "",
        thresholds=f", {thresholds}, {len(evaluation.change)} against the baseline",
        destination=recipe.push.destination or f"serving/{recipe.name}",
    )
    tasks = " and ".join(dict.fromkeys(head.task for head in recipe.heads.values()))
    warnings = [f"warning: {warning}" for warning in checked.warnings]
    return "\n".join(
        [f"{recipe.name}: {tasks}, {counted(len(checked.columns), 'column')}", picture, *warnings]
    )


def _length(trainer: Trainer) -> str:
    if trainer.steps:
        return counted(trainer.steps, "step")
    return counted(trainer.epochs, "epoch") if trainer.epochs else "default epochs"
