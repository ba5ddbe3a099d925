"""Inputs from which nothing can be learned, whatever made them so."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from tests.trainer_modules.tables import transform
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness import constant_inputs, inputs
from trainyard.trainer_modules.harness.config import TrainerConfig

ROWS = 60
COLUMNS = {
    "a number": [float(i) for i in range(ROWS)],
    "b constant": [0.1] * ROWS,
    "c missing": [None] * ROWS,
    "d one in 32 bits": [1_700_000_000_000 + i for i in range(ROWS)],
    "e whole": [7] * ROWS,
    "f bucketized": [float(i) for i in range(ROWS)],
    "g one bucket": [5.0] * ROWS,
    "h category": ["x", "y"] * (ROWS // 2),
    "i one category": ["x"] * ROWS,
    "j last row differs": [0.0] * (ROWS - 1) + [1.0],
    "y": [float(i % 7) for i in range(ROWS)],
}
TYPES = {
    name: {str: "string", int: "int64"}.get(type(values[0]), "float32")
    for name, values in COLUMNS.items()
}
FEATURES = {
    "d one in 32 bits": {"scaling": "none"},
    "f bucketized": "bucketized",
    "g one bucket": "bucketized",
    "j last row differs": {"scaling": "min-max"},
}
CONSTANT = {
    "b constant": "numeric",
    "c missing": "numeric",
    "d one in 32 bits": "numeric",
    "e whole": "numeric",
    "g one bucket": "bucketized",
    "i one category": "categorical",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    chosen = Recipe.model_validate(
        {
            "name": "test",
            "data": {"path": "unused"},
            "label": "y",
            "task": "regression",
            "features": FEATURES,
        }
    )
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]
    return transform(chosen, tmp_path_factory.mktemp("constant"), rows, rows, TYPES)


@pytest.mark.parametrize("memory", [inputs.IN_MEMORY_BYTES, 0], ids=["held", "streamed"])
def test_every_constant_input_is_named_with_a_reason(made, memory, monkeypatch):
    monkeypatch.setattr(constant_inputs, "BLOCK_ROWS", 16)
    output = tft.TFTransformOutput(str(made.graph))
    config = TrainerConfig.of(made.recipe)
    train = inputs.Examples(
        inputs.expand([str(made.folder / "train*")]),
        output.transformed_feature_spec(),
        memory,
        targets=config.targets,
    )
    assert (train.held is None) == (memory == 0)
    found = constant_inputs.found(config, output, train)
    assert found == {name: constant_inputs._REASONS[kind] for name, kind in CONSTANT.items()} | {
        "d one in 32 bits": constant_inputs._UNSCALED
    }
    constant_inputs.write(made.folder, config, output, train)
    assert (made.folder / "constant_inputs.json").exists()


def test_nothing_more_is_read_than_it_takes(monkeypatch):
    blocks = []

    class Streamed:
        held = None

        def batches(self, rows):
            for start in range(3):
                blocks.append(start)
                yield {"x": tf.constant(np.arange(start, start + rows)[:, None])}

    assert not constant_inputs.unchanging(Streamed(), ["x"])["x"].any()
    assert blocks == [0]
