"""Recipe files: read, checked and resolved; every recipe error is made here.

An error names file, line and column, what was expected, what came, and the
nearest valid word.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarint import ScalarInt

from trainyard.data import datasets
from trainyard.errors import RecipeError, nearest
from trainyard.pipeline import frameworks
from trainyard.recipe_schema import (
    Engine,
    Feature,
    PortableEngine,
    Recipe,
    TextFeature,
    secret_values,
)
from trainyard.trainer_modules import registry

Location = tuple[int | str, ...]

_QUOTES = "YAML takes this name for a number or a date: put it in quotes"


def load_recipe(path: str | Path, *, schema_must_exist: bool = True) -> Recipe:
    """Reads a recipe file.

    Args:
        path: A YAML file.
        schema_must_exist: Whether a curated schema that is not there is an error.

    Returns:
        The recipe, its paths absolute, its dataset fetched; a pushed model that it starts
        from is named with the version that is served now.

    Raises:
        RecipeError: The file is missing, is not YAML, or does not say what a recipe may say.
    """
    file = Path(path)
    document = _read(file)
    return _resolve(_validated(document, file), document, file, schema_must_exist)


def parse_recipe(path: str | Path) -> Recipe:
    """Reads a recipe file that another machine will run.

    Args:
        path: A YAML file.

    Returns:
        The recipe as the file has it: no path is resolved, no dataset fetched.

    Raises:
        RecipeError: As `load_recipe`.
    """
    file = Path(path)
    document = _read(file)
    _one_source(recipe := _validated(document, file), document, file)
    return recipe


def with_changes(path: str | Path, changes: Mapping[str, str]) -> str:
    """Reads a recipe file and gives some of its keys other values.

    Args:
        path: A YAML file.
        changes: Values as YAML would have them, by dotted keys such as `trainer.epochs` or
            `evaluation.thresholds.0.min`; what is not in the file is added.

    Returns:
        The changed file's content.

    Raises:
        RecipeError: A key leads through something that has no keys.
    """
    file = Path(path)
    document = _read(file)
    for key, value in changes.items():
        _change(document, key, YAML(typ="safe").load(value))
    text = io.StringIO()
    YAML(typ="rt").dump(document, text)
    return text.getvalue()


def _change(document: Any, key: str, value: Any) -> None:
    *parents, last = (int(part) if part.isdecimal() else part for part in key.split("."))
    node = document
    try:
        for part in parents:
            node = node[part] if isinstance(part, int) else node.setdefault(part, {})
        node[last] = value
    except (KeyError, IndexError, TypeError, AttributeError):
        raise RecipeError(
            f"there is no {key!r} in the recipe that could have another value",
            hint="name a key of the recipe, such as trainer.epochs",
        ) from None


def _validated(document: Any, file: Path) -> Recipe:
    try:
        return Recipe.model_validate(_with_datasets_own(_plain(document)))
    except ValidationError as error:
        raise _first_error(error, document, file) from None


def resolved_recipe(text: str) -> Recipe:
    """Rebuilds a recipe from a run's record.

    Args:
        text: What `dump` wrote.
    """
    return Recipe.model_validate_json(text)


def dump(recipe: Recipe) -> str:
    """The resolved recipe as JSON, in the words of a recipe file."""
    return recipe.model_dump_json(by_alias=True)


def _read(file: Path) -> Any:
    if not file.is_file():
        raise RecipeError(
            f"there is no recipe {str(file)!r}",
            hint=nearest(file.name, [p.name for p in file.parent.glob("*.yaml")])
            if file.parent.is_dir()
            else "trainyard recipes lists what there is",
        )
    try:
        document = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise RecipeError(
            "the recipe is not UTF-8 text", where=str(file), received=str(error)
        ) from None
    except YAMLError as error:
        raise _yaml_error(error, file) from None
    if not isinstance(document, dict):
        raise RecipeError(
            "a recipe is a list of keys and values",
            where=str(file),
            expected="name: ..., data: ...",
        )
    return document


def _yaml_error(error: YAMLError, file: Path) -> RecipeError:
    if not isinstance(error, MarkedYAMLError):
        return RecipeError("the recipe is not YAML", where=str(file), received=str(error))
    mark = error.problem_mark
    where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
    return RecipeError(f"the recipe is not YAML: {error.problem or error.context}", where=where)


def _with_datasets_own(document: Any) -> Any:
    """Fills the data section with how its dataset is read, where it does not say itself."""
    data = document.get("data")
    known = datasets.DATASETS.get(str(data.get("dataset"))) if isinstance(data, dict) else None
    return {**document, "data": {**known.reading, **data}} if known else document


def _plain(node: Any) -> Any:
    """Strips ruamel's wrappers, which pydantic's strict types refuse; `05` is a code: text."""
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [_plain(value) for value in node]
    width = getattr(node, "_width", None) or 0  # written with zeros before it, or 0 itself
    if type(node) is ScalarInt and width > len(str(int(node))):
        return f"{int(node):0{width}d}"
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def position(document: Any, location: Location) -> str:
    """The line and column of a key in a loaded YAML document.

    Args:
        document: What ruamel.yaml's round-trip loader gave.
        location: Keys and indices from the top; what is not in the file is passed over.

    Returns:
        `:line:column`, or nothing where it is not known.
    """
    node: Any = document
    found = ""
    for key in location:
        if not hasattr(node, "lc"):
            break
        try:
            line, column = node.lc.item(key) if isinstance(key, int) else node.lc.key(key)
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # a name that pydantic put in, such as that of a union's branch
        found = f":{line + 1}:{column + 1}"
    return found


def _first_error(error: ValidationError, document: Any, file: Path) -> RecipeError:
    details = error.errors(include_url=False)
    # A union reports every branch; the deepest location is the branch the user meant.
    detail = max(details, key=lambda d: (d["type"] == "extra_forbidden", len(d["loc"])))
    location = detail["loc"]
    key = _key(document, location) or "recipe"
    where = f"{file}{position(document, location)}"
    if detail["type"] == "extra_forbidden":
        parent = _section(location[:-1])
        place = f" in {_key(document, location[:-1])}" if len(location) > 1 else ""
        return RecipeError(
            f"unknown key {str(location[-1])!r}{place}",
            where=where,
            hint=nearest(str(location[-1]), parent),
        )
    is_key = location and location[-1] == "[key]"
    hint = _QUOTES if is_key and not isinstance(detail["input"], str) else _choice(detail)
    return RecipeError(
        f"{key}: {_sentence(detail)}", where=where, received=_received(detail), hint=hint
    )


def _key(document: Any, location: Location) -> str:
    """Leaves out what pydantic put in; a column in the file may be called as such a thing is."""
    node, parts = document, []
    for part in location:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            if _is_branch(part):
                continue
        parts.append(str(part))
    return ".".join(parts)


def _is_branch(part: int | str) -> bool:
    return isinstance(part, str) and any(mark in part for mark in "[(")


def _sentence(detail: ErrorDetails) -> str:
    return detail["msg"].removeprefix("Value error, ").removeprefix("Input ").strip()


def _received(detail: ErrorDetails) -> str:
    value, secret = detail["input"], not secret_values.KEYS.isdisjoint(detail["loc"])
    if detail["type"] == "missing" or secret:
        return ""
    if isinstance(value, Mapping):  # which may have a secret in it
        return f"keys {', '.join(map(str, value))}"
    return f"{detail['input']!r} ({type(detail['input']).__name__})"


def _choice(detail: ErrorDetails) -> str:
    expected = detail.get("ctx", {}).get("expected", "")
    words = [word.strip(" '") for word in expected.replace(" or ", ",").split(",") if word.strip()]
    return nearest(str(detail["input"]), words) if detail["type"] == "literal_error" else ""


def _section(location: Location) -> list[str]:
    """The keys that are valid where `location` points."""
    model: Any = Recipe
    for number, part in enumerate(location):
        field = model.model_fields.get(part) if _is_model(model) else None
        if field is None and _is_model(model):
            by_alias = {f.alias: f for f in model.model_fields.values() if f.alias}
            field = by_alias.get(str(part))
        if field is not None:
            model = _model_in(field.annotation, location[number:])
    return [f.alias or name for name, f in model.model_fields.items()] if _is_model(model) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _model_in(annotation: Any, location: Location) -> Any:
    if _is_model(annotation):
        return annotation
    # A branch of a union has its name in the location.
    tags = [entry.tag for entry in get_args(annotation)[1:] if isinstance(entry, Tag)]
    if tags and tags[0] not in location:
        return None
    inner = [_model_in(argument, location) for argument in get_args(annotation)]
    return next((model for model in inner if model is not None), None)


def _resolve(recipe: Recipe, document: Any, file: Path, schema_must_exist: bool) -> Recipe:
    """Makes paths absolute and turns a dataset's name into its path."""
    folder = file.parent.absolute()
    data = recipe.data
    _one_source(recipe, document, file)
    try:
        path = datasets.fetch(data.dataset) if data.dataset else str(folder / (data.path or ""))
    except RecipeError as error:
        where = f"{file}{position(document, ('data', 'dataset'))}"
        raise RecipeError(error.message, where=where, hint=error.hint) from None
    schema = data.schema_file
    if schema != "infer":
        schema = str(folder / schema)
        if schema_must_exist and not Path(schema).is_file():
            raise RecipeError(
                f"there is no schema file {schema!r}",
                where=f"{file}{position(document, ('data', 'schema'))}",
                hint=f"write it: trainyard schema infer {file}",
            )
    push = recipe.push
    if push.destination is not None:
        push = push.model_copy(update={"destination": str(folder / push.destination)})
    data = data.model_copy(update={"path": path, "schema_file": schema})
    features = {name: _with_whole_paths(each, folder) for name, each in recipe.features.items()}
    start = recipe.trainer.start_from
    trainer = recipe.trainer.model_copy(
        update={
            "params": _pinned(recipe, folder),
            "start_from": start and str(folder / start),
        }
    )
    engine = _with_whole_jar(recipe.engine, folder)
    options = tuple(secret_values.with_whole_paths(each, folder) for each in engine.beam_options)
    webhook = recipe.monitor.webhook
    monitor = {"webhook": webhook and webhook.with_whole_paths(folder)}
    resolved = {
        "data": data,
        "features": features,
        "push": push,
        "trainer": trainer,
        "engine": engine.model_copy(update={"beam_options": options}),
        "monitor": recipe.monitor.model_copy(update=monitor),
    }
    return recipe.model_copy(update=resolved)


def _one_source(recipe: Recipe, document: Any, file: Path) -> None:
    # Not a check of the model's: a resolved recipe has both.
    if (recipe.data.dataset is None) == (recipe.data.path is None):
        where = f"{file}{position(document, ('data',))}"
        raise RecipeError("data: give either `dataset` or `path`", where=where)


def located(error: RecipeError, recipe_file: Path) -> RecipeError:
    """Turns the dotted key that an error names into file, line and column.

    Args:
        error: Its `where` is a key such as `trainer.epochs`, or anything else.
        recipe_file: The file that has the key.

    Returns:
        The same error, in that place if it is one of the recipe.
    """
    parts = re.findall(r"[^.\[\]]+", error.where)
    location = tuple(int(part) if part.isdecimal() else part for part in parts)
    if not location or location[0] not in _section(()) or not recipe_file.is_file():
        return error
    document = YAML(typ="rt").load(recipe_file.read_text(encoding="utf-8"))
    return RecipeError(
        error.message,
        where=f"{recipe_file}{position(document, location)}",
        expected=error.expected,
        received=error.received,
        hint=error.hint,
    )


@contextmanager
def locating(recipe_file: Path) -> Iterator[None]:
    """Has a recipe's errors name file, line and column, as `located` does.

    Args:
        recipe_file: The file that has the keys.
    """
    try:
        yield
    except RecipeError as error:
        raise located(error, recipe_file) from None


def _with_whole_jar(engine: Engine, folder: Path) -> Engine:
    """Makes the path of a job server's jar absolute."""
    jar = engine.job_server_jar if isinstance(engine, PortableEngine) else None
    return engine.model_copy(update={"job_server_jar": str(folder / jar)}) if jar else engine


def _with_whole_paths(feature: Feature, folder: Path) -> Feature:
    """Makes the path of a text's word vectors absolute."""
    vectors = feature.embedding if isinstance(feature, TextFeature) else None
    if vectors is None:
        return feature
    vectors = vectors.model_copy(update={"file": str(folder / vectors.file)})
    return feature.model_copy(update={"embedding": vectors})


def _pinned(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Makes plain which files the module's parameters mean; only the module knows."""
    given, module = recipe.trainer.params, recipe.trainer.module
    if module not in registry.names() or not any(_may_be_file(v, folder) for v in given.values()):
        return given  # without loading Keras
    with frameworks.loading(cloud=recipe.engine.name != "local"):
        return dict(registry.pinned(registry.find(module), given, folder))


def _may_be_file(value: Any, folder: Path) -> bool:
    if isinstance(value, str):
        return bool(Path(value).suffix) or "/" in value or (folder / value).exists()
    return isinstance(value, Mapping) and "recipe" in value
