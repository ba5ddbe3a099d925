"""Everything that can be known to be wrong before a run: `trainyard check`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainyard.components.example_gen import (
    input_splits,
    lookalikes,
    lost_digits,
    narrowing,
    preflight,
    reader,
    spellings,
    unlike_files,
)
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.errors import EnvironmentProblem, RecipeError, nearest_column
from trainyard.pipeline import evaluation
from trainyard.pipeline.recipe import located
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe, secret_values
from trainyard.trainer_modules import harness, registry
from trainyard.trainer_modules.harness import rehearsal, vector_files
from trainyard.trainer_modules.harness.names import joined

_DTYPES = {"int64": "int64", "double": "float32", "null": "float32"}
"""What Transform is given, by Arrow's names of what a column is read as."""


@dataclass(frozen=True)
class Checked:
    """What a check found out.

    Attributes:
        recipe: The recipe, with the trainer module's metrics and thresholds where
            it names none itself.
        columns: The data's columns and their types.
        inputs: Those that become model inputs.
        warnings: What is allowed, but worth a look.
    """

    recipe: Recipe
    columns: dict[str, str]
    inputs: list[str]
    warnings: list[str]


def check(recipe: Recipe, recipe_file: Path) -> Checked:
    """Holds a recipe against its data's header, the trainer modules and the metrics.

    Args:
        recipe: A resolved recipe.
        recipe_file: Its file, for the line numbers.

    Raises:
        RecipeError: Something cannot work; file, line and column are named.
        DataError: The data cannot be read.
        EnvironmentProblem: Nothing can be written where it should.
    """
    _check_folders(Workspace.of(recipe))
    try:
        for option in recipe.engine.beam_options:
            secret_values.resolve(option, "engine.beam_options")
        files = input_splits.find(recipe.data)
        first = reader.first(recipe.data, files)
        kinds = preflight.preflight(recipe.data, recipe.labels, first)
        labels = [label.name for label in recipe.labels.values()]
        unread = reader.unread(recipe.data, files)
        _features(recipe, [*kinds, *recipe.data.besides, *labels, *unread])
        _check_unread(recipe, unread)
        complete = with_module_defaults(recipe)
        labels = [label.name for label in recipe.labels.values()]
        evaluation.check_metrics(complete, [*kinds, *labels])
        _rehearse(complete, kinds)
    except RecipeError as error:
        raise located(error, recipe_file) from None
    inputs = recipe.input_columns(list(kinds))
    if not inputs:
        raise RecipeError("no column is left as an input", where=str(recipe_file))
    columns = {name: kind.name.lower() for name, kind in kinds.items()}
    warnings = [
        *_lookalikes(recipe, files, kinds),
        *_warnings(recipe, inputs),
        *_unsaid(recipe, kinds),
        *_lost_digits(recipe, first),
        *unlike_files.about(first.unlike, recipe),
        *preflight.first_copies(first).warnings(),
    ]
    return Checked(complete, columns, inputs, warnings)


def _check_folders(workspace: Workspace) -> None:
    for folder in (workspace.root, workspace.serving):
        if set(str(folder)) & set("*?[\\"):
            raise EnvironmentProblem(
                "TensorFlow takes the name of this folder for a pattern, and finds nothing there",
                where=str(folder),
                expected="a path without *, ?, [ and \\",
                hint="set TRAINYARD_HOME, or `push.destination`, to another folder",
            )


def with_module_defaults(recipe: Recipe) -> Recipe:
    """Completes a recipe with what its trainer module says.

    Args:
        recipe: A resolved recipe.

    Returns:
        The recipe, with the module's metrics and the default thresholds where it names none itself.

    Raises:
        RecipeError: The module cannot do what the recipe asks for.
    """
    module = registry.find(recipe.trainer.module)
    params = registry.params(module, recipe.trainer.params)
    registry.files(params)  # that they are there
    harness.check(recipe.trainer, recipe.heads)
    harness.check_inputs(recipe.trainer, recipe.features)
    vector_files.files(recipe.features)  # likewise
    defaults = {name: module.metrics(params, h.task) for name, h in recipe.heads.items()}
    section = recipe.evaluation
    metrics = {name: section.metrics_of(name) or tuple(own) for name, own in defaults.items()}
    thresholds = section.thresholds
    if thresholds is None:
        bounds = {n: evaluation.default_threshold(n, head) for n, head in recipe.heads.items()}
        metrics = {n: tuple(dict.fromkeys((*m, bounds[n].metric))) for n, m in metrics.items()}
        thresholds = tuple(bounds.values())
    section = section.model_copy(update={"metrics": joined(metrics), "thresholds": thresholds})
    return recipe.model_copy(update={"evaluation": section})


def _features(recipe: Recipe, columns: Collection[str]) -> None:
    for name in recipe.features:
        if name not in columns:
            raise RecipeError(
                f"there is no column {name!r} in the data",
                where=f"features.{name}",
                hint=nearest_column(name, columns),
            )
    unsized = [each.column for each in recipe.data.images if each.column not in recipe.features]
    if unsized:
        raise RecipeError(
            f"the recipe does not say how large the images of {unsized[0]!r} should be",
            where="data",
            expected=f"features: {{{unsized[0]}: {{kind: image, size: [HEIGHT, WIDTH]}}}}",
            hint="the network sees all images in one size; 224 by 224 is usual for photos",
        )


def _lost_digits(recipe: Recipe, first: reader.First) -> Iterator[str]:
    for lost in narrowing.lost_at_first(recipe.data, recipe.labels, recipe.features, first):
        yield f"column {lost.column!r}: of the first rows {lost.words}: {lost_digits.REMEDY}"


def _rehearse(recipe: Recipe, kinds: Mapping[str, ColumnType]) -> None:
    """Builds the model, if there is an input; what it refuses would stop the run much later."""
    types = {name: _DTYPES.get(str(kind.arrow), "string") for name, kind in kinds.items()}
    settled = recipe.data.format != "csv"  # else a further row may widen the type
    certain = [name for name, kind in types.items() if settled or kind == "string"]
    if recipe.input_columns(list(kinds)):
        rehearsal.rehearse(recipe, types, certain)


def _check_unread(recipe: Recipe, unread: Mapping[str, str]) -> None:
    for name, kind in unread.items():
        if name not in recipe.features or recipe.features[name].kind != "ignored":
            raise RecipeError(
                f"the column {name!r} holds {kind}, which is not one value a row",
                where=f"features.{name}" if name in recipe.features else "features",
                expected="numbers, booleans, text, bytes, dates or times",
                hint=f"to train without it, write `{name}: ignored` there; or flatten it",
            )


def _lookalikes(
    recipe: Recipe, files: Sequence[Path], columns: Mapping[str, ColumnType]
) -> Iterator[str]:
    """Of columns for which the recipe does not say how their texts are meant."""
    texts = reader.first_texts(recipe.data, files)
    others = {
        name: texts[name]
        for name, kind in columns.items()
        if name in texts and not _is_settled(recipe, name, kind)
    }
    yield from lookalikes.warnings(others, columns)
    for name in _classes_of_text(recipe, columns):
        if name in texts:
            yield from spellings.first_warnings(name, texts[name])


def _is_settled(recipe: Recipe, name: str, kind: ColumnType) -> bool:
    """Whether the recipe says how a column is read; `categorical` does not of what is a number."""
    data, feature = recipe.data, recipe.features.get(name)
    if name in data.codes or (data.numbers and name in data.numbers.columns):
        return True
    return feature is not None and (feature.kind != "categorical" or kind >= ColumnType.TEXT)


def _classes_of_text(recipe: Recipe, columns: Mapping[str, ColumnType]) -> Iterator[str]:
    """Labels and inputs of which each text is a class or a category."""
    inputs = recipe.input_columns(list(columns))
    kinds = {name: feature.kind for name, feature in recipe.features.items()}
    heads = recipe.heads.values()
    labels = {h.label.name for h in heads if h.task in ("binary", "multiclass")}
    for name, kind in columns.items():
        is_category = name in inputs and kinds.get(name, "categorical") == "categorical"
        if kind is ColumnType.TEXT and (is_category or name in labels):
            yield name


def _warnings(recipe: Recipe, inputs: list[str]) -> Iterator[str]:
    for label in recipe.labels.values():
        # How a text goes on is a copy of it.
        for name in () if label.is_column or recipe.task == "text" else label.parsed.columns:
            if name in inputs:
                yield (
                    f"the label {label.name!r} is computed from {name!r}, which is an input too: "
                    "make sure that it is known when the model is asked"
                )
    module = registry.find(recipe.trainer.module)
    if own := getattr(module, "warnings", None):
        yield from own(registry.params(module, recipe.trainer.params))
    yield from _webhook_warnings(recipe)
    if not recipe.data.split.test:
        yield "no test split: the Evaluator judges on the rows that stopped the training"


def _unsaid(recipe: Recipe, kinds: Mapping[str, ColumnType]) -> Iterator[str]:
    """Names text labels whose positive value the recipe leaves to the alphabet."""
    binary = {
        each.label.name: each.label for each in recipe.heads.values() if each.task == "binary"
    }
    for name, label in binary.items():
        is_text = label.is_column and kinds[name] >= ColumnType.TEXT
        if is_text and label.positive is None:
            yield (
                f"the label {name!r} is text: the value that is last in alphabetical order counts "
                "as positive; `label: {name: ..., positive: VALUE}` names another"
            )


def _webhook_warnings(recipe: Recipe) -> Iterator[str]:
    webhook = recipe.monitor.webhook
    if webhook is None:
        return
    if webhook.literal_secret:
        yield (
            "`monitor.webhook` stands in the recipe for all who can read it; `${env:NAME}` or "
            "`${file:PATH}` keeps it out (records of runs show only its host)"
        )
    yield from (f"`monitor.webhook`: {text}" for text in webhook.missing("monitor.webhook"))
