"""Trainer modules by name, and their parameters.

`names()` loads neither TensorFlow nor Keras; `find` loads the one module.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, cast

from pydantic import TypeAdapter, ValidationError

import trainyard.trainer_modules as package
from trainyard.errors import EnvironmentProblem, RecipeError, nearest
from trainyard.recipe_schema import Feature, Task


class TrainerModule(Protocol):
    """What a file in this package offers.

    It may also offer `make_dataset(params, spec, examples, epochs)`, in place
    of `harness.inputs.make_dataset`; `serving_fn(model, params, spec)`, in place of
    `harness.export.answer`; `signatures(model, params, spec)`, which returns what can be
    asked of the SavedModel besides, `harness.export.Signature` by name;
    `callbacks(params, spec)`, beside the harness's;
    `augment(params, spec)`, which returns what changes a training batch, its inputs
    and labels, in the input pipeline; `phases(model, params, spec)`; `warnings(params)`,
    which yields what is allowed, but worth a look; and `worded(model, params, spec, inputs)`,
    which says in words what the model answers to rows that are watched while it trains. One
    for the task `text` has `Decoder(model)`, a `harness.generation.Decoder`; if that has
    `weights(inputs)` too, the model shows where it looked, `[B, T, S]`.
    """

    Params: type[Any]
    TINY: Any
    INPUTS: Literal["table", "image", "text", "series", "pair"]

    def preprocess(
        self, inputs: Mapping[str, Any], features: Mapping[str, Feature], params: Any
    ) -> dict[str, Any]:
        """Turns raw columns into model inputs, in TensorFlow Transform."""

    def build_model(self, params: Any, spec: Any) -> Any:
        """Builds and compiles a `keras.Model` for a `harness.spec.ModelSpec`."""

    def metrics(self, params: Any, task: Task) -> tuple[str, ...]:
        """Names what the Evaluator computes if the recipe does not say."""


def tasks(module: TrainerModule) -> tuple[Task, ...]:
    """The kinds of prediction that a trainer module is for."""
    return ("text",) if hasattr(module, "Decoder") else ("binary", "multiclass", "regression")


def names() -> tuple[str, ...]:
    """The trainer modules there are, sorted."""
    files = pkgutil.iter_modules(package.__path__)
    return tuple(sorted(f.name for f in files if not f.ispkg and f.name != "registry"))


def find(name: str) -> TrainerModule:
    """Loads a trainer module, and Keras with it.

    Raises:
        RecipeError: There is no module of that name.
        EnvironmentProblem: Keras is not Keras 3 on TensorFlow.
    """
    if name not in names():
        raise RecipeError(
            f"there is no trainer module {name!r}",
            where="trainer.module",
            expected=", ".join(names()),
            received=repr(name),
            hint=nearest(name, names()),
        )
    _require_keras_3()
    return cast(TrainerModule, importlib.import_module(f"{package.__name__}.{name}"))


def _require_keras_3() -> None:
    import keras

    received = f"Keras {keras.__version__} on {keras.config.backend()}"
    if not (keras.__version__.startswith("3.") and keras.config.backend() == "tensorflow"):
        raise EnvironmentProblem(
            "Trainyard needs Keras 3 on TensorFlow",
            expected="Keras 3 on tensorflow",
            received=f"{received} (KERAS_BACKEND={os.environ.get('KERAS_BACKEND', '')})",
            hint="install from requirements.lock and unset KERAS_BACKEND",
        )


def params(module: TrainerModule | ModuleType, values: Mapping[str, Any]) -> Any:
    """Makes a module's `Params` from what the recipe says.

    Args:
        module: The trainer module.
        values: `trainer.params` of the recipe; what is not there keeps its default.

    Returns:
        An instance of `module.Params`.

    Raises:
        RecipeError: A name is unknown, or a value has the wrong type or range.
    """
    cls = module.Params
    known = [field.name for field in dataclasses.fields(cls)]
    for name in values:
        if name not in known:
            raise RecipeError(
                f"the trainer module has no parameter {name!r}",
                where=f"trainer.params.{name}",
                expected=", ".join(known),
                received=repr(name),
                hint=nearest(name, known),
            )
    try:
        # Strict JSON: a list may become a tuple, but "128" is no number.
        return TypeAdapter(cls).validate_json(json.dumps(dict(values)), strict=True)
    except ValidationError as error:
        raise _params_error(error) from None


def _params_error(error: ValidationError) -> RecipeError:
    first = error.errors()[0]
    # Names of union members are pydantic's own, not part of the recipe's path.
    path = [str(part) for part in first["loc"] if isinstance(part, int) or part.isidentifier()]
    return RecipeError(
        f"the parameter {path[0]!r} has a value that it cannot take",
        where="trainer.params." + ".".join(path),
        expected="; ".join(dict.fromkeys(entry["msg"] for entry in error.errors())),
        received=repr(first["input"]),
        hint="see the parameter's comment in the trainer module",
    )


def pinned(module: TrainerModule | ModuleType, values: Mapping[str, Any], folder: Path) -> Any:
    """Makes plain what files parameters mean: absolute paths, versions of pushed models.

    A field of `Params` that names a file says so in its metadata: `pinned`, from its value in
    the recipe and the recipe's folder to what is recorded; and `file`, from its value to the
    file that is read, or None.

    Args:
        module: The trainer module.
        values: `trainer.params` of the recipe, not yet checked.
        folder: The recipe's.
    """
    fields = {field.name: field.metadata for field in dataclasses.fields(module.Params)}
    marked = {n: meta["pinned"] for n, meta in fields.items() if "pinned" in meta}
    return {n: marked[n](v, folder) if n in marked else v for n, v in values.items()}


def files(instance: Any) -> list[Path]:
    """The files that parameters name, whose content counts for what is trained.

    Args:
        instance: A module's `Params`.

    Raises:
        RecipeError: There is no such file.
    """
    fields = dataclasses.fields(instance)
    named = (f.metadata["file"](getattr(instance, f.name)) for f in fields if "file" in f.metadata)
    return [file for file in named if file]


def preprocess_params(instance: Any) -> dict[str, Any]:
    """The parameters that `preprocess` reads, ready for JSON.

    Only these reach Transform's configuration, so that changing another one
    does not run Transform again.

    Args:
        instance: A module's `Params`.
    """
    values = TypeAdapter(type(instance)).dump_python(instance, mode="json")
    marked = (f.name for f in dataclasses.fields(instance) if f.metadata.get("preprocess"))
    return {name: values[name] for name in marked}
