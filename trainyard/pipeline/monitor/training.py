"""The run that a served version comes from, and what its data looked like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainyard.components.example_gen import image_check, texts
from trainyard.components.example_gen.image_check import ImageRefusedError
from trainyard.components.records import arrow_examples, encoder, tfrecord_blocks
from trainyard.errors import RecipeError
from trainyard.model_store.versions import pushed
from trainyard.pipeline import records, schemas
from trainyard.pipeline.recipe import resolved_recipe
from trainyard.pipeline.records import RunRecord
from trainyard.pipeline.verdict import finished_output
from trainyard.pipeline.workspace import Workspace
from trainyard.progress import report
from trainyard.recipe_schema import Images, Recipe, TableFeature, text_measures
from trainyard.serving import model as models
from trainyard.serving.monitor import reference as references
from trainyard.serving.monitor.reference import Kind, Reference
from trainyard.serving.monitor.requests import Layout, one_value
from trainyard.serving.monitor.rows import Columns, Rows
from trainyard.trainer_modules.harness import description, names
from trainyard.trainer_modules.harness.description import Description, RawType
from trainyard.wording import counted

_ROWS = 1024
_BYTES = 8 << 20
_WRITTEN = 200
"""Texts that a model is asked to write for the reference: each takes as long as a request."""


@dataclass(frozen=True)
class Training:
    """A pushed version and the run that it comes from.

    Attributes:
        version: Its number.
        folder: Its SavedModel.
        record: The run.
        recipe: As it was when it ran.
    """

    version: int
    folder: Path
    record: RunRecord
    recipe: Recipe

    @cached_property
    def told(self) -> Description:
        """What the model takes and answers."""
        return description.read(self.folder)

    @cached_property
    def types(self) -> dict[str, RawType]:
        """The type of every raw column."""
        kinds: dict[int, RawType] = {1: "string", 2: "int64", 3: "float32"}
        return {f.name: kinds[f.type] for f in self._schema.feature if f.type in kinds}

    @cached_property
    def _schema(self) -> Any:
        return schemas.load(self.record.id)

    @property
    def measures(self) -> dict[str, tuple[str, ...]]:
        """The columns that stand for a column of images or texts, as far as the data have them."""
        of_images = {images.column: images.measures for images in self.recipe.data.images}
        of_texts = {name: text_measures(name) for name in self.told.texts}
        every = {n: m for n, m in (of_images | of_texts).items() if n in self.told.inputs}
        return {n: m for n, m in every.items() if set(m) <= self.types.keys()}

    @property
    def unwatched(self) -> list[str]:
        """Inputs of which nothing is measured."""
        bulky = {*self.told.images, *self.told.texts}
        return sorted(bulky - self.measures.keys())

    @property
    def kinds(self) -> dict[str, Kind]:
        """What is watched: inputs, what is measured of images and texts, and labels."""
        bulky = {*self.told.images, *self.told.texts}
        plain = [name for name in self.told.inputs if name not in bulky]
        measures = [name for each in self.measures.values() for name in each]
        labels: dict[str, Kind] = {
            head.label: "number" if head.task == "regression" else "category"
            for head in self.told.heads.values()
            if head.task != "text"
        }
        return {name: self._kind(name) for name in [*plain, *measures]} | labels

    def _kind(self, name: str) -> Kind:
        feature = self.recipe.features.get(name)
        told = isinstance(feature, TableFeature) and feature.kind == "categorical"
        return "category" if told or self.types[name] == "string" else "number"

    def layout(self, keys: tuple[str, ...] = ()) -> Layout:
        """Says what to read of a request: inputs, columns of slices, and keys.

        Args:
            keys: The columns that join labels with requests, if there are any.
        """
        sliced = {name for columns in self.slices for name in columns} - {*self.told.inputs, *keys}
        extra = {name: self.types[name] for name in sorted(sliced) if name in self.types}
        return Layout(self.told, extra, self.version, keys)

    def prepared(self, rows: Rows) -> Rows:
        """Puts what is measured of images and texts in their place.

        Args:
            rows: Of requests.
        """
        columns = dict(rows.columns)
        for name in {*self.told.images, *self.told.texts}:
            values = columns.pop(name, None)
            if values is not None and name in self.measures:
                columns |= self._measured(name, values)
        return rows.with_columns(columns)

    def _measured(self, name: str, values: pa.Array) -> Columns:
        found = self._of_texts(values) if name in self.told.texts else self._of_images(name, values)
        return dict(zip(self.measures[name], found, strict=True))

    def _of_texts(self, values: pa.Array) -> Iterable[pa.Array]:
        whole = [(value or b"").decode("utf-8", "replace") for value in values.to_pylist()]
        return texts.measured(pa.array(whole, pa.string()))

    def _of_images(self, name: str, values: pa.Array) -> Iterable[pa.Array]:
        settings = next((i for i in self.recipe.data.images if i.column == name), Images())
        rows = [_image(value.as_py() or b"", settings) for value in values]
        kinds = [self.types[measure] for measure in self.measures[name]]
        for kind, column in zip(kinds, zip(*rows, strict=True), strict=True):
            yield pa.array(column, pa.int64() if kind == "int64" else pa.float32())

    def reference(self, size: int) -> Reference:
        """Reads what training looked like, from beside the run if it is there.

        Args:
            size: How many rows to sample.

        Raises:
            RecipeError: The run's examples are gone.
        """
        folder = self.record.folder / f"monitor-{references.FORMAT}-{self.version}-{size}"
        if not folder.exists():
            references.save(self._built(size), folder)
        return references.load(folder)

    def _built(self, size: int) -> Reference:
        builder = references.Builder(self.kinds, size)
        for batch in self._batches("train"):
            builder.trained_on(self._columns(batch, self.kinds))
        model = models.SavedModel(self.folder)
        for batch in self._batches(self.recipe.data.split.judged):
            builder.judged(len(batch), partial(self._answered, model, batch))
            if self.told.writes and builder.judged_rows >= _WRITTEN:
                break
        model.close()
        return builder.reference(self._allowed(), self._bounds())

    def _batches(self, split: str) -> Iterable[pa.RecordBatch]:
        examples = finished_output(self.record, "ExampleGen", "examples")
        if examples is None or not (examples / f"Split-{split}").is_dir():
            raise RecipeError(
                f"the examples of run {self.record.id} are gone, which version {self.version} "
                "was trained on",
                where=str(self.record.folder),
                hint="run the recipe again: trainyard run RECIPE",
            )
        files = tfrecord_blocks.shards(examples / f"Split-{split}")
        rows = 0
        for batch, fraction in arrow_examples.record_batches(files):
            rows += len(batch)
            report(f"what training looked like: {counted(rows, 'row')} of {split}", fraction)
            yield batch

    def _columns(self, batch: pa.RecordBatch, wanted: Iterable[str]) -> Columns:
        there = set(batch.schema.names)
        return {
            name: one_value(
                batch.column(name) if name in there else pa.nulls(len(batch)), self.types[name]
            )
            for name in wanted
        }

    def _answered(self, model: models.SavedModel, batch: pa.RecordBatch, places: Any) -> Rows:
        """Rows of the judged split with their labels, the columns of slices, and answers."""
        some = pa.Table.from_batches([batch]).take(pa.array(places)).combine_chunks()
        batch = some.to_batches()[0]
        slices = {name for columns in self.slices for name in columns}
        wanted = [n for n in self.types if n in slices | {*self.label_columns}]
        serialized = np.array(encoder.encode(batch).to_pylist(), object)
        signature = model.signature("")
        step = self.told.rows(_BYTES, at_most=_ROWS)
        parts = [
            dict(zip(signature.outputs, model.run(signature.name, [some_of]), strict=True))
            for some_of in np.array_split(serialized, -(-len(serialized) // step))
        ]
        answers = {
            head: np.concatenate([part[names.prediction(head)] for part in parts])
            for head in self.told.heads
        }
        return Rows(self._columns(batch, wanted), answers, np.ones(len(batch), bool))

    @property
    def label_columns(self) -> list[str]:
        """The raw columns of the labels."""
        return [head.label for head in self.told.heads.values()]

    @property
    def slices(self) -> list[tuple[str, ...]]:
        """The columns that the Evaluator sliced by."""
        asked = self.recipe.evaluation.slices
        return [(each,) if isinstance(each, str) else tuple(each) for each in asked]

    def _allowed(self) -> Mapping[str, Iterable[bytes]]:
        """What the schema says a category may be."""
        found = {n: c.categories or () for n, c in schemas.columns(self._schema).items()}
        return {name: [value.encode() for value in values] for name, values in found.items()}

    def _bounds(self) -> Mapping[str, tuple[float, float]]:
        """What the schema says numbers may be."""
        found = schemas.columns(self._schema)
        return {name: (_known(column.low), _known(column.high)) for name, column in found.items()}


def _known(end: float | None) -> float:
    return np.nan if end is None else end


def _image(encoded: bytes, settings: Images) -> tuple[float | None, ...]:
    """What is measured of an image; nothing of one that Pillow does not read as TensorFlow does."""
    try:
        found = image_check.prepare(encoded, settings)
    except ImageRefusedError:
        return (None,) * 6
    sizes = (found.width, found.height, found.channels, len(found.encoded))
    return (*sizes, found.brightness, found.contrast)


def of(recipe: Recipe, version: int | None = None) -> Training:
    """Finds the version that is watched, and the run that it comes from.

    Args:
        recipe: Whose.
        version: Its number; the champion if None.

    Raises:
        RecipeError: None has been pushed, or the run is gone.
    """
    folder = pushed(Workspace.of(recipe).serving, version)
    number = int(folder.name)
    for record in records.all_runs(recipe.name):
        if record.verdict.pushed and record.verdict.version == folder.name:
            return Training(number, folder, record, resolved_recipe(record.recipe_json))
    raise RecipeError(
        f"the run that pushed version {number} is gone",
        where=str(Workspace.of(recipe).runs),
        hint="run the recipe again: trainyard run RECIPE",
    )
