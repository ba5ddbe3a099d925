"""What `predict` says of columns that tell the model nothing."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl

from tests.pipeline.test_predict import DATA, export, rows
from trainyard.components.gate.anomalies import SplitStatistics
from trainyard.components.pusher.versions import MARKER
from trainyard.pipeline import unseen
from trainyard.pipeline.predict import asked, predict
from trainyard.pipeline.records import RunRecord
from trainyard.trainer_modules.harness.description import Description

TOLD = Description(
    task="regression",
    label="y",
    inputs={"fare": "float32", "rare": "int64", "sex": "string", "name": "string"},
)


def statistics(count: int = 2000) -> Any:
    """Training: a fare in nine of ten rows, something rare, two sexes, a name for each."""
    table = {
        "fare": [None if row % 10 == 0 else [float(row)] for row in range(count)],
        "rare": [[row] if row % 1000 == 0 else None for row in range(count)],
        "sex": [[[b"female", b"male"][row % 2]] for row in range(count)],
        "name": [[f"n{row}".encode()] for row in range(count)],
    }
    batch = pa.RecordBatch.from_pydict(table)
    return stats_impl.generate_statistics_in_memory(batch, tfdv.StatsOptions())


def warnings(trained: Any, *blocks: dict[str, list[Any]]) -> list[str]:
    kinds = {"fare": pa.float32(), "rare": pa.int64()}
    watch = unseen.Watch(TOLD, SplitStatistics("train", trained) if trained else None)
    for block in blocks:
        watch.add({n: pa.array(block[n], kinds.get(n, pa.string())) for n in TOLD.inputs})
    return list(watch.warnings())


def block(**columns: Any) -> dict[str, list[Any]]:
    return {"fare": [1.0] * 5, "rare": [1] * 5, "sex": ["male"] * 5, "name": ["x"] * 5} | columns


EMPTY = [None] * 5


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([block()], []),
        ([block(fare=EMPTY), block()], []),  # a value somewhere
        ([block(fare=EMPTY)] * 2, ["'fare' has no value in any of 10 rows; .* in 90.0% of rows"]),
        ([block(rare=EMPTY)], []),  # as in most of training's rows
        ([block(sex=EMPTY)], ["'sex' has no value in any of 5 rows; .* in 100.0% of rows"]),
        (
            [block(sex=["m", "f", "m", None, "f"])],
            ["only values that training did not see, such as 'm', 'f'; it saw 'female', 'male':"],
        ),
        ([block(sex=["m"] * 5), block(sex=["m", "male", "m", "m", "m"])], []),
        ([block(name=["new"] * 5)], []),  # TFDV does not keep them all
    ],
)
def test_what_is_said(blocks: list[dict[str, list[Any]]], words: list[str]) -> None:
    found = warnings(statistics(), *blocks)
    assert len(found) == len(words)
    for text, pattern in zip(found, words, strict=True):
        assert re.search(pattern, text)


def test_without_statistics_only_the_empty_columns_are_known() -> None:
    found = warnings(None, block(fare=EMPTY, sex=["m"] * 5))
    assert found == ["column 'fare' has no value in any of 5 rows"]


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version whose run and its statistics are there."""
    folder = tmp_path / "serving" / "1"
    export(folder, "regression", inputs={"fare": "float32", "rare": "int64", "sex": "string"})
    marker = {"model": "m", "run": "r1", "at": "2026-11-28T00:00:00Z", "artifacts": {}}
    (folder / MARKER).write_text(json.dumps(marker))
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "FeatureStats.pb").write_bytes(statistics().SerializeToString())
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    for run in ("r1", "r2"):
        RunRecord(
            id=run,
            recipe="cars",
            recipe_file="cars.yaml",
            recipe_json="{}",
            started=datetime(2026, 11, 28, tzinfo=UTC),
        ).save()
    found = {"r1": tmp_path}
    monkeypatch.setattr(unseen, "finished_output", lambda record, *_: found.get(record.id))
    return folder.parent


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_predict_warns_and_predicts(serving: Path, tmp_path: Path, form: str) -> None:
    table = rows(30).rename(columns={"hour": "rare", "kind": "sex"}).assign(fare=None, sex="W")
    file = tmp_path / f"in.{form}"
    table.to_csv(file, index=False) if form == "csv" else table.to_parquet(file)

    found: list[str] = []
    told = asked(serving, [], file, tmp_path / "out.csv", DATA, None, warn=found.append)

    assert "30 rows predicted" in told
    assert len(pd.read_csv(tmp_path / "out.csv")) == 30
    assert [text.split(" has ")[0] for text in found] == ["column 'fare'", "column 'sex'"]


def test_a_version_whose_run_is_gone_is_predicted(serving: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "home")
    table = rows(3).rename(columns={"hour": "rare", "kind": "sex"}).assign(sex="W")
    table.to_csv(tmp_path / "in.csv", index=False)
    assert not predict(serving, tmp_path / "in.csv", tmp_path / "out.csv", DATA).warnings
