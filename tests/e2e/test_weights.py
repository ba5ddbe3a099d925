"""ants_bees_transfer without ImageNet's weights: what the error recommends leads to a push."""

from __future__ import annotations

import os

import pytest

from benchmarks.images import make_photos
from tests.e2e.conftest import ROOT, in_own_process, variant
from trainyard.errors import EnvironmentProblem
from trainyard.pipeline.records import find_run

SMALLER = {"size: [160, 160]": "size: [64, 64]", "epochs: 20": "epochs: 3", "min: 0.8": "min: 0.1"}
IMAGENET = "weights: imagenet"


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """The recipe, smaller and on other photographs, with weights of one's choice."""
    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path))
    for part, count in (("train", 240), ("val", 40)):
        folder = make_photos(tmp_path / "ants_bees" / part, count)
        for made, named in (("dark", "ants"), ("light", "bees")):
            (folder / made).rename(folder / named)

    def write(name, weights):
        file = variant(ROOT / "recipes" / "ants_bees_transfer.yaml", tmp_path, name)
        text = file.read_text()
        for before, after in {**SMALLER, IMAGENET: f"weights: {weights}"}.items():
            assert before in text
            text = text.replace(before, after)
        file.write_text(text)
        return file

    return write


def test_without_a_network_the_error_says_what_to_do(recipe, tmp_path):
    nobody = "http://127.0.0.1:9"
    # Keras reads its home when it is imported: so a process of its own.
    environment = {"KERAS_HOME": str(tmp_path), "http_proxy": nobody, "https_proxy": nobody}
    ended = in_own_process("run", recipe("no_network", "imagenet"), env=os.environ | environment)
    assert ended.returncode == EnvironmentProblem.exit_code
    assert "ImageNet weights of MobileNetV2 cannot be downloaded" in ended.stderr
    for way in ("weights: FILE", "weights: {recipe: NAME}", "weights: none", "_no_top.h5"):
        assert way in ended.stderr


def test_a_file_made_as_the_error_says_is_pushed(recipe, trainyard, tmp_path):
    import keras

    made = keras.applications.MobileNetV2(include_top=False, weights=None)
    made.save(tmp_path / "mobile.keras")
    ended = trainyard("run", recipe("from_file", "mobile.keras"))
    assert ended.code == 0, ended.err + ended.out
    assert find_run("from_file").state == "pushed"


def test_random_numbers_are_pushed(recipe, trainyard):
    ended = trainyard("run", recipe("from_nothing", "none"))
    assert ended.code == 0, ended.err + ended.out
    assert find_run("from_nothing").state == "pushed"
