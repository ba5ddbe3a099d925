from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from trainyard.components.example_gen import images, texts
from trainyard.components.example_gen.reader import Block
from trainyard.errors import RecipeError
from trainyard.pipeline.monitor import training
from trainyard.pipeline.recipe import dump
from trainyard.pipeline.records import RunRecord, StageRecord, Verdict
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.serving.monitor.rows import Rows
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description

SCHEMA = """
feature { name: "fare" type: FLOAT float_domain { min: 0.0 } }
feature { name: "hour" type: INT }
feature { name: "zone" type: BYTES string_domain { value: "a" value: "b" } }
feature { name: "note" type: BYTES }
feature { name: "note_characters" type: INT }
feature { name: "note_words" type: INT }
feature { name: "photo" type: BYTES }
feature { name: "tip" type: INT }
feature { name: "area" type: BYTES }
"""
MEASURES = ("width", "height", "channels", "bytes", "brightness", "contrast")
WHOLE = MEASURES[:4]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    return Recipe.model_validate(
        {
            "name": "mixed",
            "data": {
                "path": "x.parquet",
                "format": "parquet",
                "images": {"column": "photo", "source": "photo"},
            },
            "label": "tip",
            "task": "binary",
            "features": {
                "hour": "categorical",
                "note": {"kind": "text"},
                "photo": {"kind": "image", "size": [4, 4]},
            },
            "evaluation": {"slices": ["zone", ["zone", "area"]]},
        }
    )


@pytest.fixture
def trained(recipe, tmp_path):
    measures = "".join(
        f'feature {{ name: "photo_{m}" type: {"INT" if m in WHOLE else "FLOAT"} }}\n'
        for m in MEASURES
    )
    schema = tmp_path / "schema"
    schema.mkdir()
    (schema / "schema.pbtxt").write_text(SCHEMA + measures)
    folder = Workspace.of(recipe).serving / "3"
    folder.mkdir(parents=True)
    told = Description.model_validate(
        {
            "heads": {"": {"task": "binary", "label": "tip", "class_names": ["0", "1"]}},
            "inputs": dict.fromkeys(("zone", "note", "photo"), "string")
            | {"fare": "float32", "hour": "int64"},
            "images": {"photo": recipe.features["photo"]},
            "texts": {"note": recipe.features["note"]},
        }
    )
    description.write(folder, told)
    outputs = {"schema": [str(schema)]}
    record = RunRecord(
        id="20260301-120000-000",
        recipe="mixed",
        recipe_file="mixed.yaml",
        recipe_json=dump(recipe),
        state="pushed",
        started=datetime.now(UTC),
        stages=[StageRecord(name="SchemaGen", state="done", outputs=outputs)],
        verdict=Verdict(pushed=True, version="3"),
    )
    record.save()
    return training.of(recipe)


def test_the_run_of_the_champion_is_found(trained, recipe, tmp_path):
    assert (trained.version, trained.record.id) == (3, "20260301-120000-000")
    (Workspace.of(recipe).serving / "4").mkdir()
    with pytest.raises(RecipeError, match="the run that pushed version 4 is gone"):
        training.of(recipe)
    assert training.of(recipe, 3).version == 3
    (trained.folder / "saved_model.pb").touch()
    (trained.folder.parent / "model.config").write_text(
        'version_labels { key: "stable" value: 3 }\n'
    )
    assert training.of(recipe).version == 3


def test_what_is_watched(trained):
    measures = dict.fromkeys((f"photo_{m}" for m in MEASURES), "number")
    assert trained.kinds == {
        "zone": "category",
        "fare": "number",
        "hour": "category",
        "note_characters": "number",
        "note_words": "number",
        "tip": "category",
        **measures,
    }
    assert trained.unwatched == []
    assert trained._allowed()["zone"] == [b"a", b"b"]
    low, high = trained._bounds()["fare"]
    assert (low, np.isnan(high)) == (0.0, True)


def test_what_is_read_of_a_request(trained):
    layout = trained.layout(("trip",))
    assert layout.extra == {"area": "string"}
    assert (layout.keys, layout.version) == (("trip",), 3)
    assert trained.layout(("area",)).extra == {}


def test_images_and_texts_are_measured_as_example_gen_measures_them(trained, recipe):
    notes = ["two words", "ünïcode", ""]
    photos = [picture(3, 5), picture(8, 8), picture(2, 9)]
    columns = {
        "note": pa.array([note.encode() for note in notes], pa.binary()),
        "photo": pa.array(photos, pa.binary()),
        "fare": pa.array([1.0, 2.0, 3.0]),
    }
    found = trained.prepared(Rows(columns, {}, np.ones(3, bool))).columns
    assert found.keys() == trained.kinds.keys() - {"zone", "hour", "tip"}

    batch = pa.RecordBatch.from_pydict({"note": notes, "photo": columns["photo"]})
    data = recipe.data.model_copy(update={"empty_texts": "keep"})
    block = Block(batch, Path("x"), np.arange(3), 1.0)
    made = texts.append(data, images.append(data, block).block).batch
    for name in found.keys() - {"fare"}:
        expected = np.asarray(made[name].to_pylist(), np.float32)
        assert np.asarray(found[name].to_pylist(), np.float32) == pytest.approx(expected)


def test_what_is_no_image_has_no_measures(trained):
    rows = Rows({"photo": pa.array([b"no image", None], pa.binary())}, {}, np.ones(2, bool))
    found = trained.prepared(rows).columns
    assert all(values.null_count == 2 for values in found.values())


def test_examples_that_are_gone_are_one_clear_error(trained):
    with pytest.raises(RecipeError, match="the examples of run 20260301-120000-000 are gone"):
        trained.reference(100)


def test_columns_of_examples_become_those_of_requests(trained):
    batch = pa.RecordBatch.from_pydict({"fare": [[1.5], None], "zone": [[b"a"], [b"b"]]})
    found = trained._columns(batch, ["fare", "zone", "hour"])
    assert {name: values.to_pylist() for name, values in found.items()} == {
        "fare": [1.5, None],
        "zone": [b"a", b"b"],
        "hour": [None, None],
    }


def picture(width, height):
    chance = np.random.default_rng(width)
    file = io.BytesIO()
    Image.fromarray(chance.integers(0, 255, (height, width, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()
