"""Numbers that 32 bits cannot hold, from the file to the pushed model's answer: one run."""

import json

import numpy as np
import pandas as pd
import pytest

from trainyard.pipeline.records import find_run

EPOCH, LABEL, CODE = 1_700_000_000_000, 1_700_000_000, 100_000_001.0
RECIPE = """\
name: numbers
data: {path: numbers.csv}
label: y
task: regression
features: {code: categorical}
trainer:
  module: mlp
  params: {hidden: [32]}
  epochs: 40
  batch_size: 32
  optimizer: {name: adam, learning_rate: 0.01}
evaluation: {metrics: [mae], thresholds: [{metric: mae, max: 3}]}
"""


def rows(count: int) -> pd.DataFrame:
    random = np.random.default_rng(1)
    millisecond, rooms = random.integers(0, 60_000, count), random.integers(1, 200, count)
    code = random.integers(0, 3, count)
    return pd.DataFrame(
        {
            "rooms": rooms,
            "epoch_ms": EPOCH + millisecond,
            "code": CODE + code,
            "flat": 7,
            "stamp": LABEL + 0.25 + 0.5 * np.arange(count),
            "y": LABEL + np.rint(0.1 * rooms + millisecond / 3000 + 5 * code).astype(int),
        }
    )


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("numbers") / "numbers.yaml"
    file.write_text(RECIPE)
    rows(500).to_csv(file.parent / "numbers.csv", index=False)
    return file


def test_digits_are_learned_judged_and_answered(trainyard, recipe):
    ended = trainyard("run", recipe)
    assert (ended.code, ended.err) == (0, "")
    run = find_run("numbers")
    (finding,) = run.verdict.findings
    assert 0 < finding.value < 3, "always the mean: 7; rounded to 32 bits: 0"
    said = "\n".join(run.verdict.sentences)
    assert "of the column 'stamp' 49" in said  # 9 of 500 at most keep a float of their own
    assert "the input 'flat' is the same in all training rows" in said
    for sentence in run.verdict.sentences:
        assert sentence in ended.out

    asked = rows(40)
    asked["rooms"] = asked["rooms"] + 0.5
    answers = {}
    for form in ("csv", "parquet"):
        given, output = recipe.parent / f"asked.{form}", recipe.parent / f"{form}.parquet"
        asked.to_csv(given, index=False) if form == "csv" else asked.to_parquet(given)
        ended = trainyard("predict", recipe, "--input", given, "--output", output)
        assert (ended.code, ended.err) == (0, "")
        answers[form] = pd.read_parquet(output)["prediction"]
    assert answers["csv"].dtype == np.float64
    np.testing.assert_array_equal(answers["csv"], answers["parquet"])
    assert np.abs(answers["csv"] - asked["y"]).mean() < 3
    described = json.loads(
        (recipe.parent / run.verdict.destination / "assets.extra/trainyard.json").read_text()
    )
    assert described["inputs"] == {
        "code": "int64",
        "epoch_ms": "int64",
        "flat": "float32",
        "rooms": "float32",
        "stamp": "float32",
    }


def test_a_label_that_would_lose_its_digits_is_told_and_stopped(trainyard, recipe):
    lossy = recipe.with_name("lossy.yaml")
    lossy.write_text(RECIPE.replace("numbers\n", "lossy\n").replace("label: y", "label: stamp"))
    ended = trainyard("check", lossy)
    assert "column 'stamp': of the first rows 49" in ended.out
    ended = trainyard("run", lossy)
    assert ended.code != 0
    assert "column 'stamp' (all splits)" in ended.err
    assert "expression: COLUMN - CONSTANT" in ended.err
