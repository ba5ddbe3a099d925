import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from trainyard.components.evaluator import mistakes
from trainyard.components.evaluator.mistakes import Mistake, Mistakes
from trainyard.pipeline.report.page import duration, write_report

VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """A strict reader: every element must be closed in the order it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = text
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in self.open[-1:]:
            self.text.setdefault(tag, []).append(data)

    def all(self, name):
        return [attrs for tag, attrs in self.elements if tag == name]

    def said(self, tag):
        return " ".join(self.text.get(tag, []))


def page_of(run) -> Page:
    return Page(write_report(run.record, run.recipe).read_text("utf-8"))


def changed(run, home, **fields):
    """A copy of a run under another name, its stages free to be changed."""
    record = run.record.model_copy(deep=True, update={"id": "20261122-110000-2", **fields})
    return type(run)(record, run.recipe)


@pytest.fixture(scope="session", params=["binary", "multiclass", "regression"])
def page(request, runs) -> Page:
    return page_of(runs[request.param])


def test_the_verdict_comes_first_and_is_the_only_main_heading(page, runs):
    headings = [tag for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    sentences = {run.record.verdict.sentences[0] for run in runs.values()}
    assert page.said("h1").strip() in sentences


def test_nothing_is_loaded_from_outside(page):
    for _, attrs in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:")), attrs
    assert not page.all("script")
    assert not page.all("link")
    assert "@import" not in page.source
    assert not re.search(r"url\((?!#)", page.source)


def test_ids_are_unique_and_every_reference_has_its_target(page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page.source)
    assert {one or other for one, other in links} <= set(ids)


def test_tables_and_pictures_can_be_read_aloud(page):
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all("scope" in attrs for attrs in page.all("th"))
    assert all(attrs.get("aria-label") for attrs in page.all("svg"))
    assert all(attrs.get("alt") for attrs in page.all("img"))


def test_charts_take_their_colours_from_the_page(page):
    assert "var(--blue)" in page.source
    assert not re.search(r"#0[1-5]0[2-6]0[3-7]", page.source)
    assert "prefers-color-scheme: dark" in page.source
    assert "@media print" in page.source


def test_binary_has_its_curves_and_class_names(runs):
    page = page_of(runs["binary"])
    figures = page.said("figcaption")
    assert all(word in figures for word in ("ROC", "Precision", "Calibration"))
    assert "benign" in page.said("th")
    assert "Predicted malignant" in page.source


def test_multiclass_has_a_confusion_matrix_with_class_names(runs):
    page = page_of(runs["multiclass"])
    assert all(name in page.said("th") for name in ("barolo", "grignolino", "barbera"))
    counts = [int(text) for text in page.text["td"] if text.isdigit()]
    assert sum(counts) > 0


def test_regression_has_residuals(runs):
    page = page_of(runs["regression"])
    assert "Predicted and actual" in page.said("figcaption")
    assert "Errors" in page.said("figcaption")
    assert "Confusion matrix" not in page.said("h3")


def test_data_training_lineage_parameters_and_versions_are_there(page):
    headings = page.said("h2")
    for title in ("Data", "Anomalies", "Schema", "Training", "Model", "Stages", "Parameters"):
        assert title in headings
    assert "best: 13" in page.said("text")
    assert page.said("text").count("learning rate") == 1, "over the steps, not over the epochs"
    assert "learning rate over the steps" in page.source
    assert "transform_graph from Transform" in page.said("td")
    assert "trainer.optimizer.weight_decay" in page.said("span")
    assert "1.16.0" in page.said("dd")
    assert "found 1 other" in page.said("td")
    assert page.said("th").count("group") >= 2


def test_phases_of_training_are_told_in_words(page):
    assert "head: epochs 1-8; all: epochs 9-20" in page.said("dd")


def test_the_baseline_is_shown_where_there_is_one(runs):
    assert "Baseline" in page_of(runs["binary"]).said("th")


def test_a_run_that_failed_at_once_has_a_report(runs, home):
    run = changed(runs["binary"], home, state="failed", error="rows.csv, row 7: <b>too many</b>")
    run.record.verdict = type(run.record.verdict)()
    run.record.stages[0].state = "failed"
    for stage in run.record.stages:
        stage.outputs, stage.inputs = {}, {}
    for stage in run.record.stages[1:]:
        stage.state = "waiting"
    page = page_of(run)
    assert "the run failed in ExampleGen" in page.said("h1")
    assert "<b>too many</b>" in page.said("pre")
    assert not page.all("b")
    assert "Quality" not in page.said("h2")
    assert "Stages and lineage" in page.said("h2")


def test_a_run_that_failed_late_shows_what_there_is(runs, home):
    run = changed(runs["binary"], home, state="failed", error="training diverged")
    run.record.verdict = type(run.record.verdict)()
    for stage in run.record.stages[6:]:
        stage.state, stage.outputs = "failed" if stage.name == "Trainer" else "waiting", {}
    page = page_of(run)
    assert "the run failed in Trainer" in page.said("h1")
    assert "Data" in page.said("h2")
    assert "Training" not in page.said("h2")


def test_a_damaged_metadata_store_costs_only_the_sources(runs, home, tmp_path):
    from trainyard.pipeline.workspace import Workspace

    run = changed(runs["binary"], home)
    metadata = Workspace.of(run.recipe).metadata
    metadata.parent.mkdir(parents=True)
    metadata.write_bytes(b"no database " * 100)
    page = page_of(run)
    assert "transform_graph" in page.said("td")
    assert "transform_graph from" not in page.said("td")


HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }} {% raw %}",
    "$\\frac{1}{0}$ & </svg>",
    "مرحبا 🚀 \u202e right to left",
    "long" * 1500,
)


@pytest.fixture(scope="session")
def hostile(build, tmp_path_factory):
    """A run whose columns, values and classes try to break out of the page."""
    random = np.random.default_rng(2)
    frame = pd.DataFrame({name: random.choice(HOSTILE, 150) for name in HOSTILE})
    frame["number"] = random.normal(size=150)
    frame["label"] = random.choice(HOSTILE[:2], 150)
    asked = {
        "metrics": ["auc"],
        "slices": [HOSTILE[0]],
        "thresholds": [{"metric": "auc", "min": 0, "slice": HOSTILE[0]}],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINYARD_HOME", str(tmp_path_factory.mktemp("hostile")))
        yield page_of(build("binary", frame, "label", sorted(HOSTILE[:2]), asked))


def test_hostile_names_stay_text(hostile):
    assert not hostile.all("script")
    assert not any(name.startswith("on") for _, attrs in hostile.elements for name in attrs)
    names = hostile.said("th")
    assert "<script>alert(1)</script>" in names
    assert "{{ 7 * 7 }}" in names
    assert "49 {% raw" not in hostile.source
    assert "🚀" in names
    assert max(len(text) for text in hostile.text["th"]) < 400


def test_a_thousand_columns_are_cut_with_a_note(runs, home):
    import tensorflow_data_validation as tfdv

    run = changed(runs["regression"], home)
    wide = pd.DataFrame(np.ones((20, 1000)), columns=[f"column_{i}" for i in range(1000)])
    wide["progression"] = np.arange(20.0)
    statistics = home / "statistics" / "Split-train"
    statistics.mkdir(parents=True)
    proto = tfdv.generate_statistics_from_dataframe(wide)
    (statistics / "FeatureStats.pb").write_bytes(proto.SerializeToString())
    run.record.stage("StatisticsGen").outputs = {"statistics": [str(statistics.parent)]}
    page = page_of(run)
    assert "of 1,001 columns" in page.said("p")
    assert "progression" in page.said("th")
    assert "column_900" not in page.source
    assert len(page.source) < 1_000_000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (125, "2 min 5 s"), (7260, "2 h 1 min")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_where_the_stock_evaluator_judged_the_page_says_that_it_keeps_no_rows(page):
    assert any(title in page.said("h3") for title in ("Most confident mistakes", "Largest errors"))
    assert "TFX's own Evaluator judged the model" in page.said("p")


def test_mistakes_are_a_table_of_the_inputs(runs):
    run = runs["binary"]
    example = tf.train.Example()
    example.features.feature["group"].bytes_list.value.append(b"<i>south</i>")
    example.features.feature["mean_radius"].float_list.value.append(17.5)
    wrong = Mistake(label=0, prediction=1, probability=0.97, example=example.SerializeToString())
    file = run.record.output("Evaluator", "evaluation") / mistakes.FILE
    file.write_text(Mistakes(rows=100, wrong=1, worst=[wrong]).model_dump_json())
    try:
        page = page_of(run)
    finally:
        file.unlink()
    assert "All 1 mistakes in 100 rows" not in page.said("p")
    assert "The only mistake in 100 rows." in page.said("p")
    assert "<i>south</i>" in page.said("td")
    assert {"17.5", "97 %"} <= set(page.text["td"])
