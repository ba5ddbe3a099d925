"""The recipe on the reviews of IMDB, on a few of them in files that are laid out as Keras's."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from benchmarks import references
from tests.data import test_imdb as small
from tests.e2e.conftest import ROOT, variant
from trainyard.pipeline.records import find_run
from trainyard.trainer_modules.harness import export

SIZE = "  batch_size: 64\n"


def reviews(rows: int, seed: int) -> tuple[list[list[int]], list[int]]:
    """Reviews of any length up to 600 words, in which one word, anywhere, says it all."""
    random = np.random.default_rng(seed)
    labels = [number % 2 for number in range(rows)]
    texts = []
    for label in labels:
        words = random.integers(1, 4, int(random.integers(20, 600))).tolist()
        for place in random.integers(max(0, len(words) - 300), len(words), 5):
            words[place] = small.WORDS["good" if label else "bad"]
        texts.append(words)
    return texts, labels


def test_a_few_reviews_are_learned_and_pushed(trainyard, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path / "home"))
    (x_train, y_train), (x_test, y_test) = reviews(200, 1), reviews(60, 2)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    small.register(monkeypatch, *small.originals(tmp_path / "home" / "imdb", **arrays))
    recipe = variant(ROOT / "recipes" / "imdb_sentiment.yaml", tmp_path, "small_imdb")
    assert SIZE in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(SIZE, "  batch_size: 8\n"))
    ended = trainyard("run", recipe)
    assert ended.code == 0, ended.err or ended.out
    record = find_run("small_imdb")
    assert record.verdict.metrics["accuracy"] > 0.8
    examples = record.output("ExampleGen", "examples")
    rows = {split: references.read_split(examples, split) for split in ("train", "eval", "test")}
    assert len(rows["train"]) + len(rows["eval"]) == 200
    assert len(rows["train"]) > len(rows["eval"]) > 0
    assert len(rows["test"]) == 60
    model = tf.saved_model.load(record.verdict.destination)
    raw = model.signatures[export.RAW](text=tf.constant(["the film good", "The film: BAD!"]))
    assert [label.decode() for label in raw["label"].numpy()[:, 0]] == ["pos", "neg"]
