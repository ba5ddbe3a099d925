"""Schemas a person reviews: written from data, shown, and compared in sentences.

A schema is a `tensorflow_metadata` Schema in text form. Reading one needs
protobuf alone; only `infer` loads TensorFlow Data Validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainyard.errors import RecipeError
from trainyard.pipeline import records
from trainyard.pipeline.recipe import load_recipe
from trainyard.pipeline.schema_inference import infer

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Column", "columns", "diff", "infer", "load", "show"]

_SHOWN_CATEGORIES = 6
_TYPES = {
    schema_pb2.INT: "whole number",
    schema_pb2.FLOAT: "number",
    schema_pb2.BYTES: "text",
}


@dataclass(frozen=True)
class Column:
    """What a schema says of one column, in words that can be shown and compared.

    Attributes:
        type: `whole number`, `number` or `text`.
        presence: In how many of the rows it must have a value, in words.
        categories: The values it may have; None if any.
        low: Least value; None if unbounded.
        high: Largest value; None if unbounded.
    """

    type: str
    presence: str
    categories: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None

    @property
    def range(self) -> str:
        """The range in words; empty if unbounded."""
        low = "" if self.low is None else f"from {self.low:g}"
        return low if self.high is None else f"{low} to {self.high:g}".strip()


def load(source: str) -> schema_pb2.Schema:
    """Finds a schema.

    Args:
        source: A schema file (.pbtxt), a recipe with a curated schema (.yaml), or a run.

    Raises:
        RecipeError: There is no such file, recipe or run, or it has no schema.
    """
    path = Path(source)
    if path.suffix in {".yaml", ".yml"}:
        return _of_file(_curated(path))
    if path.suffix == ".pbtxt" or path.is_file():
        return _of_file(path)
    run = records.find_run(source)
    folder = run.output("SchemaGen", "schema")
    if folder is None or not (folder / "schema.pbtxt").exists():
        raise RecipeError(f"run {run.id} has no schema: it ended before SchemaGen")
    return _of_file(folder / "schema.pbtxt")


def _curated(recipe_file: Path) -> Path:
    schema_file = load_recipe(recipe_file).data.schema_file
    if schema_file == "infer":
        raise RecipeError(
            f"{recipe_file} has no curated schema",
            where="data.schema",
            hint=f"write one: trainyard schema infer {recipe_file}; or name a run of the recipe",
        )
    return Path(schema_file)


def _of_file(path: Path) -> schema_pb2.Schema:
    try:
        return text_format.Parse(path.read_text("utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise RecipeError(
            f"the schema cannot be read: {error}",
            where=str(path),
            expected="a tensorflow_metadata Schema in text form (.pbtxt)",
        ) from None


def columns(schema: schema_pb2.Schema) -> dict[str, Column]:
    """What a schema says, by column.

    Args:
        schema: A schema of flat columns, as TFDV writes them.
    """
    shared = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    return {feature.name: _column(feature, shared) for feature in schema.feature}


def _column(feature: schema_pb2.Feature, shared: dict[str, tuple[str, ...]]) -> Column:
    low, high = _bounds(feature)
    return Column(
        type=_TYPES.get(feature.type, "not said"),
        presence=_presence(feature.presence.min_fraction, feature.presence.min_count),
        categories=_categories(feature, shared),
        low=low,
        high=high,
    )


def _presence(fraction: float, count: int) -> str:
    if fraction == 1:
        return "every row"
    if fraction > 0:
        return f"at least {100 * fraction:g}% of the rows"
    return "at least one row" if count else "any number of rows"


def _categories(
    feature: schema_pb2.Feature, shared: dict[str, tuple[str, ...]]
) -> tuple[str, ...] | None:
    if feature.HasField("domain"):
        return shared.get(feature.domain, ())
    if feature.HasField("string_domain"):
        return tuple(feature.string_domain.value)
    return None


def _bounds(feature: schema_pb2.Feature) -> tuple[float | None, float | None]:
    for domain in ("int_domain", "float_domain"):
        if feature.HasField(domain):
            bounds = getattr(feature, domain)
            low = bounds.min if bounds.HasField("min") else None
            return low, bounds.max if bounds.HasField("max") else None
    return None, None


def show(schema: schema_pb2.Schema) -> RenderableType:
    """Draws a schema as a table of columns.

    Args:
        schema: What `load` returned.

    Returns:
        What a rich console prints.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table("column", "type", "has a value in", "values", box=None, padding=(0, 2, 0, 0))
    for name, column in columns(schema).items():
        values = _listed(column.categories) if column.categories is not None else column.range
        cells = (name, column.type, column.presence, values or "any")
        table.add_row(*map(Text, cells))  # brackets in them are no markup
    return table


def _listed(values: Iterable[str]) -> str:
    every = [" ".join(value.split()) for value in values]  # on one line
    more = f" and {len(every) - _SHOWN_CATEGORIES} more" if len(every) > _SHOWN_CATEGORIES else ""
    return ", ".join(every[:_SHOWN_CATEGORIES]) + more


def diff(a: schema_pb2.Schema, b: schema_pb2.Schema) -> list[str]:
    """Says what differs, one sentence a difference; none if nothing does.

    Args:
        a: The schema compared with, such as the curated one.
        b: The other one, such as a run's.
    """
    before, after = columns(a), columns(b)
    removed = [f"Column {name!r} is only in the first." for name in before if name not in after]
    added = [f"Column {name!r} is only in the second." for name in after if name not in before]
    changed = [
        f"Column {name!r}: {change}."
        for name in before
        if name in after
        for change in _changes(before[name], after[name])
    ]
    return removed + added + changed


def _changes(a: Column, b: Column) -> Iterator[str]:
    if a.type != b.type:
        yield f"the type is {a.type} in the first and {b.type} in the second"
    if a.presence != b.presence:
        yield f"it has a value in {a.presence} in the first and {b.presence} in the second"
    if (a.categories is None) != (b.categories is None):
        which = "first" if a.categories is not None else "second"
        yield f"only the {which} lists the values it may have"
    elif a.categories is not None and b.categories is not None:
        if lost := [value for value in a.categories if value not in set(b.categories)]:
            yield f"only the first allows {_listed(map(repr, lost))}"
        if gained := [value for value in b.categories if value not in set(a.categories)]:
            yield f"only the second allows {_listed(map(repr, gained))}"
    if a.range != b.range:
        yield f"the range is {a.range or 'open'} in the first and {b.range or 'open'} in the second"
