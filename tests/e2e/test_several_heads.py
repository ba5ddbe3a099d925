"""docs/heads.md, followed word by word."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from tests.e2e.conftest import ROOT
from trainyard.pipeline.records import find_run

PAGE = (ROOT / "docs" / "heads.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("flowers")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        exec(block("python"), {})  # as the reader of the page does
    (made / "flowers.yaml").write_text(block("yaml"), encoding="utf-8")
    return made


def test_the_page_leads_to_a_pushed_model_and_two_answers(folder, trainyard, monkeypatch):
    monkeypatch.chdir(folder)
    checked = trainyard("check", "flowers.yaml")
    assert (checked.code, checked.err) == (0, "")
    ended = trainyard("run", "flowers.yaml")
    assert ended.code == 0, ended.out + ended.err
    assert "Pushed: version 1" in trainyard("why", "flowers").out
    asked = ["--input", "flowers.csv", "--output", "answers.csv"]
    assert trainyard("predict", "flowers.yaml", *asked).code == 0
    answers = pd.read_csv("answers.csv")
    classes = [f"species_probability_{name}" for name in ("setosa", "versicolor", "virginica")]
    added = ["species_prediction", *classes, "width_prediction"]
    assert list(answers)[-len(added) :] == added
    assert (answers["species_prediction"] == answers["species"]).mean() > 0.9
    assert (answers["width_prediction"] - answers["petal width (cm)"]).abs().mean() < 0.3


def test_the_report_has_the_quality_of_each_head(folder):
    page = (find_run("flowers").folder / "report.html").read_text(encoding="utf-8")
    for head in ("species", "width"):
        assert f'id="quality-{head}"' in page
        assert f'href="#quality-{head}"' in page
    marks = re.findall(r'\bid="([^"]+)"', page)
    assert len(marks) == len(set(marks))
    assert "Label: petal width (cm)" in page
    assert "Largest errors" in page
    assert "Confusion matrix" in page


def test_why_names_the_head_of_a_bound(folder, trainyard, monkeypatch):
    monkeypatch.chdir(folder)
    hard = block("yaml").replace("max: 0.3", "max: 0.001").replace("name: flowers", "name: hard")
    (folder / "hard.yaml").write_text(hard, encoding="utf-8")
    assert trainyard("run", "hard.yaml").code == 6
    assert "width_mae on all rows is" in trainyard("why", "hard").out
    assert "species_accuracy on all rows is" in trainyard("why", "hard").out
    assert not find_run("hard").verdict.pushed
