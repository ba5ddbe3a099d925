"""Builds a recipe's model before there is any data: what its module refuses is known at once.

The inputs are those that the recipe and the columns' types make; vocabularies, classes and
numbers of rows, which only the data tell, are placeholders.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import keras
import tensorflow as tf

from trainyard.errors import RecipeError, TrainyardError
from trainyard.recipe_schema import (
    Feature,
    Head,
    ImageFeature,
    Recipe,
    SeriesFeature,
    TableFeature,
    TextFeature,
)
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import (
    blame,
    names,
    phases,
    tabular,
    texts,
    transform,
    warm_start,
)
from trainyard.trainer_modules.harness.spec import HeadSpec, InputSpec, LabelSpec, ModelSpec

_TOKENS = ("", "<start>", "<end>", "one", "another", "third")
_CLASSES = {"binary": ("no", "yes"), "multiclass": ("one", "another", "third")}
_NO_WEIGHTS = "none"


def rehearse(recipe: Recipe, types: Mapping[str, str], certain: Collection[str]) -> None:
    """Builds the model as the Trainer will, and throws it away.

    Args:
        recipe: A resolved recipe.
        types: The data's columns: `string`, `int64` or `float32`.
        certain: Those whose type no further row can change.

    Raises:
        RecipeError: A feature does not fit its column, or the trainer module refuses the inputs,
            its parameters, or how it is to be trained.
    """
    if recipe.trainer.start_from:
        warm_start.file_of(recipe.trainer.start_from)
    module = registry.find(recipe.trainer.module)
    params = registry.params(module, recipe.trainer.params)
    spec = _spec(recipe, types, certain)
    try:
        _build(module, params, spec)
    except TrainyardError:
        raise
    except Exception as error:
        line = blame.own_line(error)
        raise RecipeError(
            f"the trainer module {recipe.trainer.module!r} cannot build a model of this recipe"
            + (f": {blame.shown(line)}\n  > {line.line}" if line else ""),
            where="trainer",
            received=f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}",
            hint="do its parameters fit the inputs: " + ", ".join(map(_shown, spec.inputs.items())),
        ) from error
    finally:
        keras.utils.clear_session()  # layers of the model that is trained have the same names


def _build(module: Any, params: Any, spec: ModelSpec) -> None:
    model = module.build_model(_without_download(params), spec)
    if hasattr(module, "phases") and not spec.training.steps:  # whose epochs the rows decide
        phases.stretches(module.phases(model, params, spec), spec)
    if hasattr(module, "augment"):
        module.augment(params, spec)


def _without_download(params: Any) -> Any:
    """Random numbers in place of weights that would have to be downloaded."""
    fields = [field.name for field in dataclasses.fields(params) if "file" in field.metadata]
    named = {name for name in fields if getattr(params, name) == "imagenet"}
    return dataclasses.replace(params, **dict.fromkeys(named, _NO_WEIGHTS))


def _shown(named: tuple[str, InputSpec]) -> str:
    return f"{named[0]} {named[1].shape}"


def _spec(recipe: Recipe, types: Mapping[str, str], certain: Collection[str]) -> ModelSpec:
    columns = recipe.input_columns(list(types))
    features = {name: _resolved(name, types[name], recipe, certain) for name in columns}
    keys = _keys({name: f for name, f in features.items() if not _is_number(f)})
    others = {key: _input(name, features[name]) for name, key in keys.items()}
    numbers = len(features) - len(others)
    stack = {tabular.NUMERIC: InputSpec((numbers,), "float32")} if numbers else {}
    heads = {name: _head(head, recipe) for name, head in recipe.heads.items()}
    return ModelSpec(stack | others, heads, recipe.trainer, recipe.data.weight is not None)


def _keys(features: Mapping[str, Feature]) -> dict[str, str]:
    """What Transform calls the model's inputs, by column, in the order of the columns."""

    def of_kind(kind: type) -> dict[str, Any]:
        return {name: f for name, f in features.items() if isinstance(f, kind)}

    found = tabular.id_keys(of_kind(TableFeature)) | texts.keys(of_kind(TextFeature))
    found |= names.keys(of_kind(ImageFeature)) | names.keys(of_kind(SeriesFeature))
    return {name: found[name] for name in features}


def _is_number(feature: Feature) -> bool:
    return isinstance(feature, TableFeature) and feature.kind == "numeric"


def _resolved(name: str, kind: str, recipe: Recipe, certain: Collection[str]) -> Feature:
    try:
        return transform.resolve(name, tf.as_dtype(kind), recipe.features)
    except RecipeError:
        if name in certain:
            raise
    return TableFeature(kind="categorical")  # as which it would be right


def _input(name: str, feature: Feature) -> InputSpec:
    if isinstance(feature, ImageFeature):
        return InputSpec(feature.shape, "float32", image=feature, column=name)
    if isinstance(feature, SeriesFeature):
        return InputSpec((feature.length,), "float32", series=feature, column=name)
    if isinstance(feature, TextFeature):
        return InputSpec(
            (None,), "int64", len(_TOKENS), text=feature, column=name, vocabulary=_TOKENS
        )
    return InputSpec((1,), "int64", len(_TOKENS))


def _head(head: Head, recipe: Recipe) -> HeadSpec:
    rows = 100 * recipe.trainer.batch_size
    names = _CLASSES.get(head.task, ())
    written = recipe.features.get(head.label.name)
    text = written if head.task == "text" and isinstance(written, TextFeature) else None
    label = LabelSpec(
        rows,
        class_names=names,
        class_counts=(rows // max(1, len(names)),) * len(names),
        text=text,
        vocabulary=_TOKENS if text else (),
    )
    return HeadSpec(head.task, label, head.loss, head.weight)
