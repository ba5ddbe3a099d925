"""A table whose columns have names that no library likes, from the file to a served answer."""

from __future__ import annotations

import csv
import json
import random

import pytest
import requests

from tests.serving.conftest import running
from trainyard.pipeline.records import find_run

NUMBERS = ["prediction", "-größe: cm", "a b", "label_xf"]
WORDS = ["_名前", "<script>alert(1)</script>", "A_B", "a_b", 'line\n"{}"%s' + "x" * 250]
CLASSES = ["<b>no</b>", "yes & :smile:"]

RECIPE = """
name: names
data: {path: names.csv, weight: "$ weight"}
label: {column: "class [x]"}
task: binary
trainer: {module: mlp, epochs: 2, params: {hidden: [4]}}
features:
  "-größe: cm": {kind: bucketized, buckets: 3}
gate: {min_rows: 2}
evaluation:
  slices: [["<script>alert(1)</script>"], ["_名前", "A_B"]]
  thresholds: []
"""


def rows(count):
    made = random.Random(5)
    for number in range(count):
        numbers = [round(made.gauss(0, 1), 3) for _ in NUMBERS]
        words = [made.choice(["_x", "<i>", "ü, é"]) for _ in WORDS]
        label = CLASSES[numbers[0] + (words[0] == "_x") > 0.3]
        yield [*numbers, *words, label, 1 + number % 2]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    with (folder / "names.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*NUMBERS, *WORDS, "class [x]", "$ weight"])
        writer.writerows(rows(200))
    (folder / "names.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


def test_run_predict_and_serve(trainyard, table, home, tmp_path):
    ended = trainyard("run", table / "names.yaml")
    assert ended.code == 0, ended.err
    record = find_run("names")
    page = (home / "names" / "runs" / record.id / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "_名前" in page

    answers = table / "answers.csv"
    given = ("--input", table / "names.csv", "--output", answers)
    ended = trainyard("predict", table / "names.yaml", *given)
    assert ended.code == 0, ended.err
    with (table / "names.csv").open(newline="", encoding="utf-8") as file:
        source = list(csv.reader(file))
    with answers.open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    assert found[0] == [*source[0], "model.prediction", "model.probability"]
    assert [row[:-2] for row in found] == source
    assert {row[-2] for row in found[1:]} <= set(CLASSES)

    with running(home / "serving" / "names", tmp_path, model_name="names") as server:
        example = dict(zip(NUMBERS, map(float, source[1]), strict=False))
        example |= dict(zip(WORDS, source[1][len(NUMBERS) :], strict=False))
        body = {"signature_name": "classify", "examples": [example]}
        url = server.url("/v1/models/names:classify")
        ((no, yes),) = requests.post(url, data=json.dumps(body), timeout=30).json()["results"]
    assert [no[0], yes[0]] == CLASSES
    assert yes[1] == pytest.approx(float(found[1][-1]), rel=1e-5)
