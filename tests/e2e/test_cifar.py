"""The recipe on CIFAR-10, on a small archive that is laid out as the publisher's."""

from __future__ import annotations

from benchmarks import references
from tests.data import test_cifar as small
from tests.e2e.conftest import ROOT, variant
from trainyard.pipeline.records import find_run

SMALLER = {"  epochs: 40\n": "  epochs: 2\n", "train: 9, eval: 1": "train: 3, eval: 1"}


def test_noise_is_trained_on_judged_and_refused(trainyard, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path / "home"))
    small.register(
        monkeypatch, small.archive(tmp_path / "home" / "cifar10" / "cifar-10-python.tar.gz")
    )
    recipe = variant(ROOT / "recipes" / "cifar10_cnn.yaml", tmp_path, "small_cifar")
    for old, new in SMALLER.items():
        assert old in recipe.read_text()
        recipe.write_text(recipe.read_text().replace(old, new))
    ended = trainyard("run", recipe)
    assert ended.code == 6, ended.err
    record = find_run("small_cifar")
    examples = record.output("ExampleGen", "examples")
    rows = {
        split: references.read_split(examples, split, ["image"])
        for split in ("train", "eval", "test")
    }
    assert len(rows["train"]) + len(rows["eval"]) == 100
    assert len(rows["train"]) > len(rows["eval"]) > 0
    assert len(rows["test"]) == 20
    assert record.verdict.metrics["accuracy"] < 0.7
