"""What travels through TFX's custom_config."""

from __future__ import annotations

import json
from pathlib import Path

from tests.trainer_modules import images
from tests.trainer_modules.tables import recipe
from trainyard import sources
from trainyard.trainer_modules.harness import config
from trainyard.trainer_modules.harness.config import TrainerConfig, TransformConfig


def test_survives_json():
    chosen = recipe(
        "binary",
        optimizer={"name": "sgd", "momentum": 0.9},
        class_weights={"0": 1.0, "1": 2.0},
        loss={"name": "binary_crossentropy", "label_smoothing": 0.1},
    )
    custom = json.loads(json.dumps(TrainerConfig.of(chosen).custom_config(Path("checkpoints"))))
    assert TrainerConfig.from_custom_config(custom) == TrainerConfig.of(chosen)
    assert custom["checkpoints"] == "checkpoints"
    custom = json.loads(json.dumps(TransformConfig.of(chosen).custom_config()))
    assert TransformConfig.from_custom_config(custom) == TransformConfig.of(chosen)


def test_transform_does_not_see_what_only_training_reads():
    one = recipe("binary", params={"hidden": [8]}, epochs=1).trainer
    two = recipe("binary", params={"hidden": [9]}, epochs=2).trainer
    assert one != two
    of = TransformConfig.of
    assert of(recipe("binary", params={"hidden": [8]}, epochs=1)).custom_config() == (
        of(recipe("binary", params={"hidden": [9]}, epochs=2)).custom_config()
    )


def test_the_digest_is_of_the_stage_and_the_trainer_module():
    parts = {
        (stage, module): sources.parts(config.code_digest(stage, module)).keys()
        for stage in ("transform", "training")
        for module in ("mlp", "cnn")
    }
    folder = "trainyard/trainer_modules"
    assert f"{folder}/mlp.py" in parts["transform", "mlp"] - parts["transform", "cnn"]
    assert f"{folder}/harness/checkpoint.py" in parts["training", "mlp"]
    assert f"{folder}/harness/checkpoint.py" not in parts["transform", "mlp"]


def test_a_file_counts_by_its_content(tmp_path):
    file = tmp_path / "a.weights.h5"

    def digest(content: bytes, **more: object) -> str:
        file.write_bytes(content)
        params = {"weights": str(file), **more}
        chosen = images.recipe("binary", module="transfer", params=params)
        return TrainerConfig.of(chosen).custom_config(Path("checkpoints"))["files"]

    assert digest(b"one") == digest(b"one", dropout=0.5)
    assert digest(b"two") != digest(b"one")
    none = images.recipe("binary", module="transfer", params={"weights": "none"})
    assert TrainerConfig.of(none).custom_config(Path("checkpoints"))["files"] == ""
