"""The contract of every recipe, on one run each; of two on one run with each engine."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from benchmarks import references
from tests.e2e.conftest import ON_BOTH_ENGINES, RECIPES, ROOT, RUN, before
from trainyard.components.pusher import versions
from trainyard.trainer_modules.harness import export, names

STAGES = [
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "EarlierStatistics",
    "ExampleValidator",
    "Gate",
    "Transform",
    "Trainer",
    "Baseline",
    "Evaluator",
    "Pusher",
]
each_recipe = pytest.mark.parametrize("name", RECIPES)
each_run = pytest.mark.parametrize(
    ("name", "engine"),
    [*((name, "local") for name in RUN), *((name, "beam") for name in ON_BOTH_ENGINES)],
)


@each_recipe
def test_header_says_what_how_and_what_to_expect(name):
    header = [
        line
        for line in (ROOT / "recipes" / f"{name}.yaml").read_text().splitlines()
        if line.startswith("#")
    ]
    text = "\n".join(header)
    for word in ("Shows:", f"Run:   trainyard run recipes/{name}.yaml", "Expect:"):
        assert word in text


# What another recipe has to push first is not there.
@pytest.mark.parametrize("name", [name for name in references.GOALS if not before(name)])
def test_check_draws_the_dag(name, trainyard):
    ended = trainyard("check", ROOT / "recipes" / f"{name}.yaml")
    assert (ended.code, ended.err) == (0, "")
    for stage in STAGES:
        assert stage in ended.out


@each_run
def test_it_is_pushed(name, engine, ran):
    run = ran(name, engine)
    assert run.ended.code == 0, run.ended.out
    assert run.record.state == "pushed"
    assert {stage.name for stage in run.record.stages} == set(STAGES)
    assert all(finding.ok for finding in run.record.verdict.findings)
    assert run.ended.err == ""


@each_run
def test_it_reaches_its_reference(name, engine, ran):
    run = ran(name, engine)
    result = references.compare(run.recipe, run.record)
    assert result.shortfalls == [], result


@each_run
def test_the_version_is_whole_and_answers_raw_rows(name, engine, ran):
    run = ran(name, engine)
    version = Path(run.record.verdict.destination)
    assert version in versions.versions(version.parent)
    assert not list(version.parent.glob(".unfinished-*"))
    for answers in _by_head(export.Served(version).predictions(_raw_rows(run, 20))):
        assert len(answers) == 20


@each_run
def test_served_answers_are_the_trained_ones(name, engine, ran):
    run = ran(name, engine)
    rows = _raw_rows(run, 200)
    model = export.Served(Path(run.record.verdict.destination))
    served = model.predictions(rows)
    trained = export.reference_predictions(
        run.record.output("Trainer", "model_run"),
        run.record.output("Transform", "transform_graph"),
        rows,
        model.told,
    )
    for ours, theirs in zip(_by_head(served), _by_head(trained), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        assert np.ptp(ours) > 0, "the model answers every row alike"


@each_run
def test_a_tensor_a_column_gets_the_same_answers(name, engine, ran):
    run = ran(name, engine)
    served, rows = export.Served(Path(run.record.verdict.destination)), _raw_rows(run, 50)
    by_column, by_row = served.raw_predictions(rows), served.predictions(rows)
    for ours, theirs in zip(_by_head(by_column), _by_head(by_row), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_an_image_file_is_all_that_a_pushed_model_asks_for(ran):
    import tensorflow as tf

    run = ran("digits_cnn")
    examples = run.record.output("ExampleGen", "examples")
    judged = references.read_split(examples, run.recipe.data.split.judged, _images(run)).head(100)
    model = tf.saved_model.load(run.record.verdict.destination)
    answered = model.signatures[export.RAW](image=tf.constant(list(judged["image"])))
    named = [int(label) for label in answered["label"].numpy().ravel()]
    assert np.mean(named == judged[run.recipe.label.name].astype(int)) > 0.9


@each_run
def test_why_names_the_version_and_every_bound(name, engine, ran, trainyard):
    run = ran(name, engine)
    ended = trainyard("why", run.record.id)
    assert ended.code == 0
    assert f"version {run.record.verdict.version}" in ended.out
    for finding in run.record.verdict.findings:
        assert finding.metric in ended.out


@each_run
def test_the_report_opens_without_a_network(name, engine, ran, trainyard):
    ended = trainyard("report", ran(name, engine).record.id)
    page = Path(ended.out.strip()).read_text(encoding="utf-8")
    assert _fetched(page) == []
    assert "<svg" in page
    assert name in page


def _by_head(answers):
    return [*names.parted(answers).values()]


def _images(run):
    return {n: f for n, f in run.recipe.features.items() if f.kind == "image"}


def _raw_rows(run, count):
    import tensorflow as tf

    folder = run.record.output("ExampleGen", "examples") / f"Split-{run.recipe.data.split.judged}"
    files = [str(file) for file in folder.glob("*.gz")]
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").take(count)
    return [record.numpy() for record in records]


class _Addresses(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        loads = {"src", "srcset", "data", "poster"} | ({"href"} if tag == "link" else set())
        self.found += [value for key, value in attrs if key in loads and value]


def _fetched(page):
    """What a browser would fetch to show the page."""
    parser = _Addresses()
    parser.feed(page)
    addresses = parser.found + re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")]+)", page)
    return [a for a in addresses if not a.startswith(("data:", "#"))]


def test_no_entity_sits_in_two_splits(trainyard, tmp_path):
    """Rows of one entity stay together when the recipe names a key."""
    rng = np.random.default_rng(0)
    people = rng.integers(0, 60, 600)
    value = rng.normal(size=600)
    rows = [f"p{p},{v:.4f},{int(v > 0)}" for p, v in zip(people, value, strict=True)]
    (tmp_path / "d.csv").write_text("person,value,y\n" + "\n".join(rows) + "\n")
    (tmp_path / "r.yaml").write_text(
        "name: by_person\ndata: {path: d.csv, key: person, split: {train: 6, eval: 2, test: 2}}\n"
        "label: y\ntask: binary\nfeatures: {person: ignored}\n"
        "trainer: {epochs: 3, params: {hidden: [4]}}\n"
        "evaluation: {metrics: [auc], thresholds: []}\n"
    )
    ended = trainyard("run", tmp_path / "r.yaml")
    assert ended.code == 0, ended.err
    from trainyard.pipeline.records import find_run

    examples = find_run("by_person").output("ExampleGen", "examples")
    seen = [
        set(references.read_split(examples, split)["person"]) for split in ("train", "eval", "test")
    ]
    assert all(seen)
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert json.loads(find_run("by_person").recipe_json)["data"]["key"] == "person"
