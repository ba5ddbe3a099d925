"""Recipe metrics, slices and thresholds: checked, and turned into a `tfma.EvalConfig`.

The table `METRICS` is the whole vocabulary. Importing this file does not import
TFMA: `trainyard check` needs the table only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trainyard.components.evaluator import companions
from trainyard.errors import RecipeError, nearest, nearest_column
from trainyard.raw_values import stored_text
from trainyard.recipe_schema import ONLY, Bound, Change, Recipe, Target, Task, Threshold
from trainyard.trainer_modules.harness import names

EXAMPLE_COUNT = "example_count"
CONFUSION_PLOT = "confusion"
CALIBRATION_PLOT = "reliability"
RESIDUAL_SAMPLE = "residual_sample"
EXACT = "trainyard.components.evaluator.exact_metrics"
CURVES = "trainyard.components.evaluator.score_curves"
GAINS = "trainyard.components.evaluator.gains"
TEXT = "trainyard.components.evaluator.text_metrics"

# A difference such as 0.91 - 0.92 is a hair below -0.01 in binary fractions.
ROUNDING = 1e-9

_CLASSES: tuple[Task, ...] = ("binary", "multiclass")


@dataclass(frozen=True)
class Implementation:
    """The class that TFMA computes a metric with.

    Attributes:
        class_name: A TFMA or Keras metric, or a class in `module`.
        module: Dotted name of our own module; empty for TFMA's registry.
        options: Arguments for its constructor, the name apart.
    """

    class_name: str
    module: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """One word that a recipe may use under `metrics`.

    Attributes:
        meaning: One line for people.
        better: Which direction is better; None where it is neither.
        low: The least value it can have.
        high: The greatest.
        by_task: How it is computed; a task that is not there, it does not fit.
    """

    meaning: str
    better: Literal["higher", "lower"] | None
    low: float
    high: float
    by_task: Mapping[Task, Implementation]


def _binary(class_name: str, module: str = "", **options: Any) -> dict[Task, Implementation]:
    return {"binary": Implementation(class_name, module, options)}


def _regression(class_name: str) -> dict[Task, Implementation]:
    return {"regression": Implementation(class_name, EXACT)}


def _text(class_name: str) -> dict[Task, Implementation]:
    return {"text": Implementation(class_name, TEXT)}


METRICS: dict[str, Metric] = {
    "auc": Metric("area under the ROC curve", "higher", 0, 1, _binary("RocArea", CURVES)),
    "auc_pr": Metric(
        "average precision: area under the precision-recall curve, not interpolated",
        "higher",
        0,
        1,
        _binary("AveragePrecision", CURVES),
    ),
    "accuracy": Metric(
        "share of right answers",
        "higher",
        0,
        1,
        {
            "binary": Implementation("BinaryAccuracy"),
            "multiclass": Implementation("ClassAccuracy", EXACT),
        },
    ),
    "precision": Metric(
        "share of the predicted positives that are positive", "higher", 0, 1, _binary("Precision")
    ),
    "recall": Metric("share of the positives that are found", "higher", 0, 1, _binary("Recall")),
    "f1": Metric("harmonic mean of precision and recall", "higher", 0, 1, _binary("F1Score")),
    "macro_f1": Metric(
        "mean of the classes' F1",
        "higher",
        0,
        1,
        {"multiclass": Implementation("MacroF1", EXACT)},
    ),
    "log_loss": Metric(
        "mean negative log probability of the true class",
        "lower",
        0,
        math.inf,
        dict.fromkeys(_CLASSES, Implementation("LogLoss", EXACT)),
    ),
    "brier": Metric(
        "mean squared error of the probability", "lower", 0, 1, _binary("SquaredError", EXACT)
    ),
    "calibration": Metric(
        "sum of predictions over sum of labels; 1 is best",
        None,
        0,
        math.inf,
        _binary("Calibration"),
    ),
    "mae": Metric("mean absolute error", "lower", 0, math.inf, _regression("AbsoluteError")),
    "mse": Metric("mean squared error", "lower", 0, math.inf, _regression("SquaredError")),
    "rmse": Metric(
        "square root of the mean squared error",
        "lower",
        0,
        math.inf,
        _regression("RootSquaredError"),
    ),
    "r2": Metric(
        "share of the variance explained", "higher", -math.inf, 1, _regression("Determination")
    ),
    "perplexity": Metric(
        "e to the mean negative log probability of a token",
        "lower",
        1,
        math.inf,
        _text("Perplexity"),
    ),
    "bits_per_character": Metric(
        "negative log probability of the text to base 2, a character",
        "lower",
        0,
        math.inf,
        _text("BitsPerCharacter"),
    ),
    "bleu": Metric("BLEU of all texts together", "higher", 0, 100, _text("CorpusBleu")),
    "chrf": Metric("chrF2 of all texts together", "higher", 0, 100, _text("CorpusChrf")),
    "exact_match": Metric(
        "share of the texts that are the wanted one, blanks aside",
        "higher",
        0,
        1,
        _text("SameText"),
    ),
    EXAMPLE_COUNT: Metric(
        "number of examples",
        "higher",
        0,
        math.inf,
        dict.fromkeys((*_CLASSES, "regression", "text"), Implementation("ExampleCount")),
    ),
}

_PLOTS: dict[Task, dict[str, Implementation]] = {
    "binary": {
        CONFUSION_PLOT: Implementation("CurvePlot", CURVES),
        CALIBRATION_PLOT: Implementation("CalibrationPlot", options={"num_buckets": 10}),
    },
    "multiclass": {CONFUSION_PLOT: Implementation("MultiClassConfusionMatrixPlot")},
    "regression": {RESIDUAL_SAMPLE: Implementation("ResidualSample", EXACT)},
    "text": {},
}

_DEFAULT: dict[Task, str] = {
    "binary": "auc",
    "multiclass": "accuracy",
    "regression": "r2",
    "text": "perplexity",
}

# TFX blesses nothing that has no threshold at all; this one always holds on data.
_SOME_EXAMPLES = Threshold(metric=EXAMPLE_COUNT, min=1)


def default_threshold(head: str, target: Target) -> Threshold:
    """What must hold of a head where the recipe sets no thresholds: it beats the trivial answer.

    Args:
        head: Its name; `ONLY` if it is the only one.
        target: What it predicts.
    """
    return Threshold(metric=_DEFAULT[target.task], head=head or None, beats="trivial")


def check_metrics(recipe: Recipe, columns: Collection[str]) -> None:
    """Checks the evaluation section, without TFMA and without data.

    Args:
        recipe: The recipe.
        columns: The raw columns there are.

    Raises:
        RecipeError: A metric is unknown, does not fit the task or is not computed, a head is
            unknown or not named, a slice is on a column that is not there, or no model can
            meet a threshold.
    """
    section = recipe.evaluation
    _check_heads_of_metrics(recipe)
    for head, target in recipe.heads.items():
        key = "evaluation.metrics" if head == ONLY else f"evaluation.metrics.{head}"
        for index, name in enumerate(section.metrics_of(head)):
            _check_name(name, target.task, f"{key}[{index}]")
    for index, columns_of_slice in enumerate(section.slices):
        asked = (columns_of_slice,) if isinstance(columns_of_slice, str) else columns_of_slice
        _check_columns(asked, columns, f"evaluation.slices[{index}]")
    for where, bound in _located(section.thresholds or (), section.change):
        _check_bound(bound, recipe, columns, where)


def _check_heads_of_metrics(recipe: Recipe) -> None:
    metrics, heads = recipe.evaluation.metrics, recipe.heads
    if isinstance(metrics, Mapping):
        for head in metrics:
            _check_head(head, heads, f"evaluation.metrics.{head}")
    elif metrics and ONLY not in heads:
        raise RecipeError(
            "the metrics do not say whose they are: there are several heads",
            where="evaluation.metrics",
            expected=f"{{{', '.join(f'{head}: [...]' for head in heads)}}}",
            received=", ".join(metrics),
        )


def _check_head(head: str, heads: Collection[str], where: str) -> None:
    if head in heads:
        return
    if ONLY in heads:
        raise RecipeError(
            f"there is no head {head!r}: the recipe has `label` and `task`",
            where=where,
            hint="leave `head` out",
        )
    raise RecipeError(
        f"there is no head {head!r}" if head else "it does not say whose metric: `head`",
        where=where,
        expected=", ".join(heads),
        hint=nearest(head, heads) if head else "",
    )


def _located(
    thresholds: Sequence[Threshold], changes: Sequence[Change]
) -> Iterator[tuple[str, Threshold | Change]]:
    for index, threshold in enumerate(thresholds):
        yield f"evaluation.thresholds[{index}]", threshold
    for index, change in enumerate(changes):
        yield f"evaluation.change[{index}]", change


def _check_name(name: str, task: Task, where: str) -> None:
    fitting = [known for known, metric in METRICS.items() if task in metric.by_task]
    if name not in METRICS:
        raise RecipeError(
            f"there is no metric {name!r}",
            where=where,
            expected=f"a metric for {task}",
            received=name,
            hint=nearest(name, fitting),
        )
    if name not in fitting:
        others = " and ".join(METRICS[name].by_task)
        raise RecipeError(
            f"the metric {name!r} does not fit the task {task!r}",
            where=where,
            expected=f"one of: {', '.join(fitting)}",
            received=f"{name}, which is for {others}",
            hint=f"choose another metric, or mend `task`, if it is not {task}",
        )


def _check_columns(names: Sequence[str], columns: Collection[str], where: str) -> None:
    for name in names:
        if name not in columns:
            raise RecipeError(
                f"the slice is on a column that is not in the data: {name!r}",
                where=where,
                received=name,
                hint=nearest_column(name, columns),
            )


def _check_bound(
    bound: Threshold | Change, recipe: Recipe, columns: Collection[str], where: str
) -> None:
    head = bound.head or ONLY
    _check_head(head, recipe.heads, f"{where}.head" if bound.head else where)
    _check_name(bound.metric, recipe.heads[head].task, f"{where}.metric")
    metrics = recipe.evaluation.metrics_of(head)
    if metrics and bound.metric not in (*metrics, EXAMPLE_COUNT):
        raise RecipeError(
            f"the metric {bound.metric!r} has a bound, but is not computed",
            where=f"{where}.metric",
            expected=f"one of evaluation.metrics: {', '.join(metrics)}",
            received=bound.metric,
            hint=f"add {bound.metric} to evaluation.metrics",
        )
    _check_columns(bound.slice_columns, columns, f"{where}.slice")
    check_reachable = _check_threshold if isinstance(bound, Threshold) else _check_change
    check_reachable(bound, where)  # type: ignore[arg-type]


def _check_threshold(threshold: Threshold, where: str) -> None:
    if threshold.beats and threshold.metric not in companions.AGAINST_TRIVIAL:
        raise RecipeError(
            f"{threshold.metric!r} has no trivial answer to beat",
            where=f"{where}.metric",
            expected=f"one of: {', '.join(companions.AGAINST_TRIVIAL)}",
            received=threshold.metric,
        )
    metric = METRICS[threshold.metric]
    impossible = {
        "min": threshold.min is not None and not threshold.min <= metric.high,
        "max": threshold.max is not None and not threshold.max >= metric.low,
    }
    for key, failed in impossible.items():
        if failed:
            raise _unreachable(threshold.metric, f"{where}.{key}", f"{getattr(threshold, key):g}")


def _check_change(change: Change, where: str) -> None:
    metric = METRICS[change.metric]
    if metric.better is None:
        raise RecipeError(
            f"{change.metric!r} is best in the middle, so it cannot be `worse`",
            where=f"{where}.metric",
            received=change.metric,
            hint="set a threshold with min and max instead",
        )
    if -change.worse_by > metric.high - metric.low:
        raise _unreachable(change.metric, f"{where}.worse_by", f"{change.worse_by:g}")


def _unreachable(name: str, where: str, received: str) -> RecipeError:
    metric = METRICS[name]
    low, high = (f"{end:g}" if math.isfinite(end) else "" for end in (metric.low, metric.high))
    between = (
        f"from {low} to {high}" if low and high else f"{low} or more" if low else f"at most {high}"
    )
    return RecipeError(
        f"no model can meet this: {name} is {between}",
        where=where,
        expected=f"a bound on {name} that can be met",
        received=received,
    )


def eval_config(recipe: Recipe) -> Any:
    """Says to TFMA what the recipe asks for.

    The Evaluator needs `module_path=trainyard.components.evaluator.beam_slices` beside it for
    `min_slice_size` to mean what the recipe says.

    Args:
        recipe: The recipe.

    Returns:
        A `tfma.EvalConfig` with one model; TFX adds the baseline where there is one,
        and takes the change thresholds away where there is none.
    """
    import tensorflow_model_analysis as tfma

    section = recipe.evaluation
    bounds = [*(section.thresholds or ()), *section.change]
    config = tfma.EvalConfig(
        model_specs=[_model_spec(recipe)],
        metrics_specs=[
            spec
            for head in recipe.heads
            for spec in _metrics_specs(
                recipe, head, [bound for bound in bounds if (bound.head or ONLY) == head]
            )
        ],
        slicing_specs=[
            tfma.SlicingSpec(feature_keys=columns) for columns in _sliced_by(recipe, bounds)
        ],
    )
    config.options.min_slice_size.value = section.min_slice_size
    return config


def _model_spec(recipe: Recipe) -> Any:
    import tensorflow_model_analysis as tfma

    spec = tfma.ModelSpec(
        signature_name="serving_default", preprocessing_function_names=["transform_features"]
    )
    if recipe.data.weight:
        spec.example_weight_key = f"{names.WEIGHT}{names.SUFFIX}"
    for head in recipe.heads:
        prediction, label = names.prediction(head), f"{names.label(head)}{names.SUFFIX}"
        if recipe.heads[head].task == "text":  # judged by all that this signature answers
            spec.signature_name, spec.label_key = names.EVALUATION, label
        elif head == ONLY:
            spec.prediction_key, spec.label_key = prediction, label
        else:
            spec.prediction_keys[head], spec.label_keys[head] = prediction, label
    return spec


def _metrics_specs(recipe: Recipe, head: str, bounds: Sequence[Bound]) -> list[Any]:
    """What is asked of a head: how many rows there are, and of these what they count."""
    import tensorflow_model_analysis as tfma

    section, task = recipe.evaluation, recipe.heads[head].task
    bounds = [_SOME_EXAMPLES, *bounds]
    asked = dict.fromkeys([*section.metrics_of(head), *(bound.metric for bound in bounds)])
    count = {EXAMPLE_COUNT: METRICS[EXAMPLE_COUNT].by_task[task]}
    others = {name: METRICS[name].by_task[task] for name in asked if name not in count}
    others |= _PLOTS[task] | _gains(recipe, head, bounds)
    groups = [count, others] if recipe.data.weight else [count | others]
    specs = [
        tfma.MetricsSpec(
            metrics=_metric_configs(group, bounds), output_names=[] if head == ONLY else [head]
        )
        for group in groups
    ]
    if recipe.data.weight:
        specs[0].example_weights.unweighted = True  # the others are weighted by TFMA's default
    return specs


def _gains(recipe: Recipe, head: str, bounds: Sequence[Bound]) -> dict[str, Implementation]:
    """What compares a head with the trivial answer, for which the Evaluator reads its labels."""
    columns = {"label": recipe.heads[head].label.name, "weight": recipe.data.weight or ""}
    beaten = [bound.metric for bound in bounds if isinstance(bound, Threshold) and bound.beats]
    return {f"{name}{companions.GAIN}": Implementation("Gain", GAINS, columns) for name in beaten}


def _sliced_by(recipe: Recipe, bounds: Sequence[Bound]) -> list[list[str]]:
    """Sets of columns to slice by, all rows first, each once, those of the bounds too."""
    asked = [
        (columns,) if isinstance(columns, str) else columns for columns in recipe.evaluation.slices
    ]
    asked += [bound.slice_columns for bound in bounds]
    return [sorted(columns) for columns in dict.fromkeys([frozenset(), *map(frozenset, asked)])]


def _metric_configs(computed: Mapping[str, Implementation], bounds: Sequence[Bound]) -> list[Any]:
    import tensorflow_model_analysis as tfma

    return [
        tfma.MetricConfig(
            class_name=implementation.class_name,
            module=implementation.module,
            config=json.dumps({"name": name, **implementation.options}),
            per_slice_thresholds=[
                _per_slice_threshold(bound) for bound in bounds if _measured_by(bound) == name
            ],
        )
        for name, implementation in computed.items()
    ]


def _measured_by(bound: Bound) -> str:
    """The name of the metric that has the bound."""
    beats = isinstance(bound, Threshold) and bound.beats
    return f"{bound.metric}{companions.GAIN}" if beats else bound.metric


def _per_slice_threshold(bound: Bound) -> Any:
    # Not `MetricConfig.threshold`: that one means every slice, not all rows.
    import tensorflow_model_analysis as tfma

    if isinstance(bound.slice, Mapping):
        values = {column: stored_text(value) for column, value in bound.slice.items()}
        where = tfma.SlicingSpec(feature_values=values)
    else:
        where = tfma.SlicingSpec(feature_keys=bound.slice_columns)
    return tfma.PerSliceMetricThreshold(slicing_specs=[where], threshold=_tfma_threshold(bound))


def _tfma_threshold(bound: Bound) -> Any:
    import tensorflow_model_analysis as tfma

    if isinstance(bound, Threshold):
        low = ROUNDING if bound.beats else bound.min  # TFMA's bounds hold where they are reached
        ends = {"lower_bound": low, "upper_bound": bound.max}
        given = {end: {"value": value} for end, value in ends.items() if value is not None}
        return tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(**given))
    assert isinstance(bound, Change)
    slack = bound.worse_by + ROUNDING
    higher = METRICS[bound.metric].better == "higher"
    directions = tfma.MetricDirection
    return tfma.MetricThreshold(
        change_threshold=tfma.GenericChangeThreshold(
            absolute={"value": -slack if higher else slack},
            direction=directions.HIGHER_IS_BETTER if higher else directions.LOWER_IS_BETTER,
        )
    )
