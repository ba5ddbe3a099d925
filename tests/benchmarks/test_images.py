"""What is trained on and what the table says; nothing is measured here."""

from __future__ import annotations

import dataclasses
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


def test_decoding_is_of_the_photographs(photos, tmp_path):
    file = tmp_path / "case.yaml"
    file.write_text(json.dumps(images.CASES["cnn"].recipe("case", photos)))
    assert images._decoding(load_recipe(file)) > 0


def measured(device=""):
    rates = images.Rates(900.0, 2000.0, 500.0, 450.0, cores=2, operations=10**9, device=device)
    return images.Measured(rates, images.Rates(500.0, 1000.0, 300.0, 200.0, cores=1), "abc1234")


def test_training_is_held_against_the_slower_and_against_what_both_can():
    line = images.processor_row("cnn", measured())
    cells = "900 | 1.80 | 2,000 | 2.00 | 500 | 400 | 450 | 0.90 | 1.12 | abc1234 |"
    assert line == f"| cnn | 64 | 32 | {cells}"
    assert line.count("|") == images.PROCESSOR_HEADER.splitlines()[0].count("|")


def test_a_gpu_shares_nothing_with_the_input_and_is_held_against_its_peak():
    name, chip = "resnet ResNet-50 bfloat16", "NVIDIA H100 80GB HBM3"
    one = measured(chip)
    assert one.all_cores.together == 500
    line = images.gpu_row(name, one)
    assert line == f"| {name} | {chip} | 512.0 | 500 | 0.5 | 0.00 | 450 | 0.90 |"
    assert line.count("|") == images.GPU_HEADER.splitlines()[0].count("|")


def test_the_page_says_what_was_never_run_and_what_falls_short():
    slow = dataclasses.replace(measured().all_cores, training=300.0)
    short = dataclasses.replace(measured(), all_cores=slow)
    page = images.page({"cnn": measured(), "resnet": short}, "A machine")
    assert "Short of 90% of the slower of input and step: resnet (0.60)." in page
    assert "Short of 90% of what both can: resnet (0.75)." in page
    assert "Never run: transfer, large_image, resnet ResNet-50 float32, " in page
    assert images.GPU_HEADER not in page
    assert "at most 0.0 cores" in page
    assert "first figures only" not in page
    disturbed = dataclasses.replace(measured(), one_core=dataclasses.replace(slow, others=0.5))
    assert "first figures only" in images.page({"cnn": disturbed}, "A machine")
    with_gpu = images.page({"resnet ResNet-50 bfloat16": measured("NVIDIA L4")}, "A machine")
    assert images.GPU_HEADER in with_gpu


def test_what_is_kept_is_read_back():
    kept = json.loads(json.dumps(dataclasses.asdict(measured())))
    assert images.Measured.of(kept) == measured()


def test_the_operations_are_those_of_the_recipes_model(photos, tmp_path):
    file = tmp_path / "case.yaml"
    file.write_text(json.dumps(images.CASES["cnn"].recipe("case", photos)))
    assert 2.2e8 < images.operations(load_recipe(file)) < 2.4e8  # some 38 million multiply-adds


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

    monkeypatch.setattr(images.measuring, "measure", run)
    before = os.sched_getaffinity(0)
    one = min(before)
    with pytest.raises(OSError):
        images._apart(tmp_path / "a.yaml", [one], 1.0)
    assert seen == [{one}]
    assert os.sched_getaffinity(0) == before
