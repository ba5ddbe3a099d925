"""Columns of every kind, under names that no library likes, from Transform to what is served."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tests.trainer_modules import images, measurements
from tests.trainer_modules.tables import LABELS, Transformed, predicted, serialize, trained_as
from tests.trainer_modules.tables import transform as transformed_with
from trainyard.components.pusher import contract
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness import description, export, spec, training

IMAGE, NUMBER, KIND, TEXT = "-bild: ü", "_größe <cm>", "label_xf", '"ns\n{}' + "x" * 300
TWIN = KIND.upper()
SERIES = "_past / 8"


def pictures(rows, seed=0):
    """Those of `images`, renamed, with a second category and a text."""
    for number, row in enumerate(images.pictures(rows, seed)):
        yield {
            IMAGE: row["image"],
            NUMBER: row["weight"],
            KIND: row["kind"],
            TWIN: ("a", "b", "c")[number % 3],
            TEXT: "many words" if number % 2 else "word",
            **{label: row[label] for label in LABELS.values()},
        }


def contract_of(made: Transformed, run, **trainer) -> None:
    training.run_fn(made.fn_args(run, **trainer))
    contract.check(
        saved_model=run / "Format-Serving",
        model_run=run / "model_run",
        transform_graph=made.graph,
        examples=[serialize(row) for row in made.held_out[:10]],
    )


def test_an_image_beside_columns_of_a_table(tmp_path):
    features = {
        IMAGE: {"kind": "image", "size": [8, 8]},
        TEXT: {"kind": "text", "tokens": "word", "length": 4},
        **dict.fromkeys(LABELS.values(), "ignored"),
    }
    sections = {"data": {"path": "unused"}, "features": features} | predicted("binary", LABELS)
    recipe = trained_as(Recipe.model_validate({"name": "t"} | sections), module="cnn")
    types = dict.fromkeys([IMAGE, KIND, TWIN, TEXT, "grade"], "string")
    types |= {NUMBER: "float32", "price": "float32", "yes": "int64"}
    rows, held_out = list(pictures(40)), list(pictures(20, seed=1))
    made = transformed_with(recipe, tmp_path / "transform", rows, held_out, types)

    params = {"filters": [2], "convolutions": 1}
    contract_of(made, tmp_path / "run", module="cnn", params=params, epochs=1)

    told = description.read(tmp_path / "run" / "Format-Serving")
    assert set(told.inputs) == {IMAGE, NUMBER, KIND, TWIN, TEXT}
    assert told.images.keys() == {IMAGE}
    served = export.Served(tmp_path / "run" / "Format-Serving")
    row = held_out[1]
    changed = [serialize({**row, name: None}) for name in (NUMBER, KIND, TWIN, TEXT)]
    answers = served.predictions([serialize(row), *changed])
    assert (np.abs(answers[1:] - answers[0]) > 1e-7).any(axis=1).all(), "each column is looked at"


def test_a_series(tmp_path):
    features = {
        SERIES: {"kind": "series", "length": measurements.PAST},
        **dict.fromkeys(LABELS.values(), "ignored"),
    }
    sections = {"data": {"path": "unused"}, "features": features} | predicted("regression", LABELS)
    recipe = Recipe.model_validate({"name": "t"} | sections)
    recipe = trained_as(recipe, module="stateful_forecast", params={})
    rows = [{**row, SERIES: row["past"]} for row in measurements.measurements(60)]
    types = {SERIES: "float32"} | {n: t for n, t in measurements.TYPES.items() if n != "past"}
    made = transformed_with(recipe, tmp_path / "transform", rows[:40], rows[40:], types)
    arguments = training.Training.of(
        made.fn_args(tmp_path / "run", module="stateful_forecast", params={})
    )
    built = spec.build(
        arguments.config, arguments.transform_output, arguments.train, arguments.held_out
    )
    (entry,) = built.inputs.values()
    assert entry.column == SERIES
    assert entry.series is not None
    with tf.name_scope(next(iter(built.inputs))):
        pass  # a name that TensorFlow takes
