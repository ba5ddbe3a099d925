"""Texts as tokens: counted by split, and their vocabulary held against an earlier run's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import tensorflow as tf

from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.report.texts import text_columns
from trainyard.recipe_schema import Recipe

RECIPE = Recipe.model_validate(
    {
        "name": "said",
        "data": {"path": "x"},
        "label": "y",
        "task": "binary",
        "features": {"my review": {"kind": "text", "length": 4, "oov_buckets": 2}},
    }
)
RESERVED = [f"[{number}]" for number in range(5)]
SPLITS = {
    "train": [[5, 6, 3, 0], [5, 5, 5, 5], [0, 0, 0, 0], [4, 4, 0, 0]],
    "eval": [[3, 0, 0, 0]],
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    return tmp_path


def run(folder: Path, day: int, words: list[str], state: str = "done") -> RunRecord:
    graph, examples = folder / f"graph{day}", folder / f"examples{day}"
    (graph / "transform_fn" / "assets").mkdir(parents=True)
    lines = [f"{token}\n" for token in [*RESERVED, *words]]
    (graph / "transform_fn/assets/my_review_tokens").write_text("".join(lines), encoding="utf-8")
    for split, rows in SPLITS.items():
        file = examples / f"Split-{split}" / "rows-00000-of-00001.gz"
        file.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for row in rows:
                example = tf.train.Example()
                example.features.feature["my_review_tokens"].int64_list.value.extend(row)
                example.features.feature["label"].int64_list.value.append(1)
                writer.write(example.SerializeToString())
    outputs = {"transform_graph": [str(graph)], "transformed_examples": [str(examples)]}
    record = RunRecord(
        id=f"2026010{day}-000000-1",
        recipe="said",
        recipe_file="said.yaml",
        recipe_json=RECIPE.model_dump_json(by_alias=True),
        state="pushed",
        started=datetime(2026, 1, day, tzinfo=UTC),
        stages=[StageRecord(name="Transform", state=state, outputs=outputs)],
    )
    record.save()
    return record


def test_tokens_are_counted_by_split(home):
    (column,) = text_columns(run(home, 1, ["the", "film"]), RECIPE)
    assert (column.name, column.vocabulary, column.frequent) == ("my review", 2, ["the", "film"])
    train, held_out = column.splits["train"], column.splits["eval"]
    assert (train.texts, train.mean, train.longest) == (4, 2.25, 4)
    assert (train.full, train.empty) == (0.25, 0.25)
    assert train.unknown == pytest.approx(3 / 9)
    assert (held_out.texts, held_out.unknown) == (1, 1.0)
    assert column.overlap == ""


def test_the_vocabulary_is_held_against_the_run_before(home):
    run(home, 1, ["a", "b", "c"])
    run(home, 2, ["the", "film", "a", "b"])
    (column,) = text_columns(run(home, 3, ["the", "film", "is", "new", "b"]), RECIPE)
    assert "60 % of the tokens were in the vocabulary of run 20260102-000000-1" in column.overlap
    assert "75 % of those are in this one" in column.overlap


def test_nothing_before_transform_has_ended(home):
    assert text_columns(run(home, 1, ["a"], state="failed"), RECIPE) == []
