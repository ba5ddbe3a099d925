"""What is trained on and what the table says; nothing is measured here."""

from __future__ import annotations

import json
import os

import pytest
from PIL import Image

from benchmarks import images
from trainyard.pipeline.recipe import load_recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return images.make_photos(tmp_path_factory.mktemp("photos"), 4)


def test_photos_are_made_once_in_two_classes(photos):
    files = sorted(photos.rglob("*.jpg"))
    assert [f.relative_to(photos).as_posix() for f in files] == [
        "dark/00000.jpg",
        "dark/00002.jpg",
        "light/00001.jpg",
        "light/00003.jpg",
    ]
    assert all(Image.open(file).size == images.SIZE for file in files)
    before = [file.stat().st_mtime_ns for file in files]
    images.make_photos(photos, 4)
    assert [file.stat().st_mtime_ns for file in files] == before


@pytest.mark.parametrize("name", images.CASES)
def test_every_case_is_a_recipe(name, photos, tmp_path):
    case = images.CASES[name]
    file = tmp_path / "case.yaml"
    file.write_text(json.dumps(case.recipe("case", photos)))
    trainer = load_recipe(file).trainer
    assert (trainer.module, trainer.batch_size) == (case.module, case.batch)
    if "bfloat16" in name:
        assert trainer.precision == "mixed_bfloat16"
        assert trainer.jit_compile is ("jit" in name)


def test_training_is_held_against_the_slower_of_the_two():
    line = images.row(
        "cnn",
        images.Case("cnn", {}, 64),
        images.Rates(input=2000.0, step=500.0, training=450.0, cores=2),
        images.Rates(input=1000.0, step=300.0, training=200.0, cores=1),
    )
    cells = "| cnn | 64 | 32 | 2,000 | 500 | 400 | 450 | 0.90 | 1,000 | 2.00 by 2 |"
    assert line == cells
    assert line.count("|") == images.HEADER.splitlines()[0].count("|")


def test_an_unknown_case_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["images", "alexnet"])
    with pytest.raises(SystemExit):
        images.main()
    assert "'alexnet' is none of 'cnn'" in capsys.readouterr().err


def test_the_processors_are_given_back(tmp_path, monkeypatch):
    seen = []

    def run(command, **_):
        seen.append(os.sched_getaffinity(0))
        raise OSError

    monkeypatch.setattr(images.subprocess, "run", run)
    before = os.sched_getaffinity(0)
    one = min(before)
    with pytest.raises(OSError):
        images._apart(tmp_path / "a.yaml", [one], 1.0)
    assert seen == [{one}]
    assert os.sched_getaffinity(0) == before
