"""A text that nobody has seen, to a pushed model that goes on with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

RECIPE = """
name: rhymes
data:
  path: rhymes.txt
  format: text
  windows: {length: 40}
  split: {train: 8, eval: 1, test: 1, in_order: true}
label: {name: continuation, expression: text}
task: text
features:
  text: &characters {kind: text, tokens: character, lower: false, length: 40}
  continuation: *characters
trainer:
  module: char_lm
  params: {units: 32}
  epochs: 3
  batch_size: 8
  optimizer: {name: adam, learning_rate: 0.02}
evaluation:
  metrics: [bits_per_character, perplexity]
  slices: [text_words]
  thresholds:
    - {metric: bits_per_character, max: 4}
    - {metric: perplexity, slice: text_words, max: 100}
"""


@pytest.fixture
def rhymes(tmp_path, trainyard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    random = np.random.default_rng(1)
    lines = ["the old tree sees the sea", "the new sky sees the tree", "O sea, O sky!"]
    text = "\n".join(random.choice(lines, 600))
    (tmp_path / "rhymes.txt").write_text(text, encoding="utf-8")
    recipe = tmp_path / "rhymes.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    ended = trainyard("run", recipe)
    assert (ended.code, ended.err) == (0, ""), ended.out
    return recipe


def test_a_text_goes_on(rhymes, trainyard):
    ended = trainyard("generate", rhymes, "--prompt", "the old tr", "--length", "15")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("ee sees")
    drawn = [
        trainyard("generate", rhymes, "--temperature", "1.2", "--seed", seed).out
        for seed in ("1", "1", "2")
    ]
    assert drawn[0] == drawn[1] != drawn[2]

    refused = trainyard("generate", rhymes, "--length", "1000000")
    assert refused.code == 3
    assert "1 to 10000" in refused.err
    assert "Traceback" not in refused.err + refused.out

    assert "bits_per_character on all rows is" in trainyard("why", "rhymes").out
    page = Path(trainyard("report", "rhymes").out.strip()).read_text(encoding="utf-8")
    assert "bits_per_character" in page
    assert "Some rows while the model learned" in page
