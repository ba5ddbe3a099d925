"""A second delivery of texts, held against the data of the model that is served."""

import random
import re

import pytest

from trainyard.pipeline.records import find_run

RECIPE = """\
name: deliveries
data: {path: "deliveries/{SPAN}.csv", schema: schema.pbtxt}
label: label
task: binary
features:
  text: {kind: text, length: 30}
trainer: {module: text_classifier, params: {encoder: {kind: average}}, epochs: 2, seed: 1}
evaluation: {metrics: [accuracy], thresholds: []}
"""
SCHEMA = """\
feature { name: "text" type: BYTES presence { min_fraction: 1 } }
feature { name: "label" type: INT presence { min_fraction: 1 } }
feature { name: "text_characters" type: INT }
feature {
  name: "text_words" type: INT
  drift_comparator { jensen_shannon_divergence { threshold: 0.2 } }
}
"""
WORDS = {0: "dull slow poor flat film plot", 1: "bright quick fine warm film play"}


def write(file, seed, longest):
    """Writes 400 texts of 3 to so many words."""
    chance = random.Random(seed)
    file.parent.mkdir(exist_ok=True)
    with file.open("w", encoding="utf-8") as stream:
        stream.write("text,label\n")
        for row in range(400):
            words = chance.choices(WORDS[row % 2].split(), k=chance.randint(3, longest))
            stream.write(f"{' '.join(words)},{row % 2}\n")


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    file = tmp_path / "deliveries.yaml"
    file.write_text(RECIPE)
    write(tmp_path / "deliveries" / "1.csv", seed=1, longest=12)
    return file


def test_a_delivery_that_drifted_stops_the_run_and_one_that_did_not_goes_on(recipe, trainyard):
    assert trainyard("run", recipe).code == 0
    first = find_run("deliveries")
    assert first.output("EarlierStatistics", "statistics") is None

    write(recipe.parent / "deliveries" / "2.csv", seed=2, longest=28)
    ended = trainyard("run", recipe)
    assert ended.code not in (0, 6)
    assert re.search(r"'text_words' \(\w+\): expected data like those of the last", ended.err)
    stopped = find_run("deliveries")
    assert stopped.output("EarlierStatistics", "statistics") == first.output(
        "StatisticsGen", "statistics"
    )

    write(recipe.parent / "deliveries" / "3.csv", seed=3, longest=12)
    assert trainyard("run", recipe).code == 0
    third = find_run("deliveries")
    assert third.output("EarlierStatistics", "statistics") == first.output(
        "StatisticsGen", "statistics"
    )
    assert trainyard("run", recipe, "--from", "Evaluator").code == 0
    states = {stage.name: stage.state for stage in find_run("deliveries").stages}
    assert states["ExampleValidator"] == states["Gate"] == "unchanged"
