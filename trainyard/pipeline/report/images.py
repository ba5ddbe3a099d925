"""The report's section on images: some of each class, and what they are like."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainyard.components.records import arrow_examples, tfrecord_blocks
from trainyard.pipeline.measured import number
from trainyard.pipeline.report import examples, pictures
from trainyard.pipeline.report.pictures import Picture
from trainyard.recipe_schema import Recipe

MOST_PICTURES = 96
MOST_CLASSES = 24
MOST_OF_A_CLASS = 11
MOST_BYTES = 256 << 20
"""Of examples that are read in search of pictures: half a second."""

SIDE = 72


@dataclass(frozen=True)
class Strip:
    """Some images of one class; for regression, of all rows, and then without a name."""

    name: str
    shown: list[Picture]


@dataclass(frozen=True)
class ImagesSection:
    """All that the report says of images.

    Attributes:
        facts: Size, channels, brightness and so on of the first split, in words.
        strips: The contact sheet.
        note: Which classes are not on it, and why; or empty.
        encoded_again: How many images did not stay as they were, for each reason.
    """

    facts: dict[str, str]
    strips: list[Strip]
    note: str = ""
    encoded_again: dict[str, int] = field(default_factory=dict)


def images_section(
    folder: Path,
    features: Mapping[str, Any],
    recipe: Recipe,
    classes: Sequence[str],
    properties: Mapping[str, str],
) -> ImagesSection | None:
    """Makes the contact sheet; None if the data are no images.

    Args:
        folder: A split of the examples.
        features: Its statistics by column.
        recipe: The recipe that was run.
        classes: Those of the first label that has any, as far as they are known.
        properties: The properties of the examples' artifact.
    """
    if not recipe.data.images:
        return None
    from trainyard.components.example_gen.executor import ENCODED_AGAIN  # brings TFX along

    strips = _strips(folder, recipe, classes[:MOST_CLASSES])
    return ImagesSection(
        facts=_all_facts([each.column for each in recipe.data.images], features),
        strips=[strip for strip in strips if strip.shown],
        note=_note(strips, len(classes)),
        encoded_again=json.loads(properties.get(ENCODED_AGAIN) or "{}"),
    )


def _strips(folder: Path, recipe: Recipe, classes: Sequence[str]) -> list[Strip]:
    """The first images of each class in the order of the examples: the same ones every time."""
    reader, head, most = examples.Reader(recipe), _classifying(recipe), _most(classes, recipe)
    found: dict[str, list[Picture]] = {name: [] for name in classes}
    for row in _rows(folder, recipe):
        name = "" if head is None else reader.label(row, head)
        if name not in found and (classes or len(found) == MOST_CLASSES):
            continue
        strip, image = found.setdefault(name, []), reader.image(row)
        if image and len(strip) < most:
            strip.append(pictures.thumbnail(image, _described(row, reader), SIDE))
            if classes and all(len(each) == most for each in found.values()):
                break
    return [Strip(name, shown) for name, shown in found.items()]


def _most(classes: Sequence[str], recipe: Recipe) -> int:
    strips = 1 if _classifying(recipe) is None else len(classes) or MOST_CLASSES
    return min(MOST_OF_A_CLASS, MOST_PICTURES // strips)


def _classifying(recipe: Recipe) -> str | None:
    """The first head with classes."""
    return next((name for name, head in recipe.heads.items() if head.task != "regression"), None)


def _described(row: examples.Row, reader: examples.Reader) -> str:
    label = ", ".join(reader.label(row, head) for head in reader.recipe.heads)
    file = reader.file(row)
    return f"{label}: {file}" if file else label


def _rows(folder: Path, recipe: Recipe) -> Iterator[examples.Row]:
    """The split's first rows, without the columns that nobody looks at."""
    data, read = recipe.data, 0
    labels = {label.name for label in recipe.labels.values()}
    images = {name for each in data.images for name in (each.origin, each.column)}
    seen = labels | images
    for batch, _ in arrow_examples.record_batches(tfrecord_blocks.shards(folder)):
        columns = {name: batch.column(name) for name in batch.schema.names if name in seen}
        yield from pa.RecordBatch.from_pydict(columns).to_pylist()
        read += batch.nbytes
        if read > MOST_BYTES:
            return


def _note(strips: Sequence[Strip], classes: int) -> str:
    missing = [strip.name for strip in strips if not strip.shown]
    parts = [
        f"The first {MOST_CLASSES} of {classes:,} classes." if classes > MOST_CLASSES else "",
        f"Among the rows looked at there is none of: {', '.join(missing)}." if missing else "",
    ]
    return " ".join(filter(None, parts))


def _all_facts(columns: Sequence[str], features: Mapping[str, Any]) -> dict[str, str]:
    if len(columns) == 1:
        return _facts(columns[0], features)
    return {f"{c}: {what}": words for c in columns for what, words in _facts(c, features).items()}


def _facts(column: str, features: Mapping[str, Any]) -> dict[str, str]:
    """What ExampleGen measured of every image, in words."""
    found = {
        kind: features[f"{column}_{kind}"].num_stats
        for kind in ("width", "height", "channels", "bytes", "brightness", "contrast")
        if f"{column}_{kind}" in features
    }
    in_words = {
        "width": _range(found, "width", " px"),
        "height": _range(found, "height", " px"),
        "channels": _channels(found),
        "mean size": f"{found['bytes'].mean:,.0f} bytes" if "bytes" in found else "",
        "brightness, 0 to 1": _spread(found, "brightness"),
        "contrast": _spread(found, "contrast"),
    }
    return {name: text for name, text in in_words.items() if text}


def _range(found: Mapping[str, Any], kind: str, unit: str) -> str:
    if kind not in found:
        return ""
    low, high = number(found[kind].min), number(found[kind].max)
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def _channels(found: Mapping[str, Any]) -> str:
    if "channels" not in found:
        return ""
    coloured = (found["channels"].mean - 1) / 2  # an image has 1 channel or 3
    return {0.0: "1: grey", 1.0: "3: colour"}.get(coloured, f"{100 * coloured:.0f} % in colour")


def _spread(found: Mapping[str, Any], kind: str) -> str:
    return f"{found[kind].mean:.2f} ± {found[kind].std_dev:.2f}" if kind in found else ""
