from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.report import examples
from trainyard.pipeline.report.data import DataSection, data_section
from trainyard.recipe_schema import Recipe


def lists(column: Any) -> Any:
    """One value a row; a missing one is an empty list, as ExampleGen writes it."""
    import pyarrow as pa

    rows = [[] if pd.isna(value) else [value] for value in column]
    return pa.array(rows, None if any(rows) else pa.list_(pa.float32()))


def section_of(frame: pd.DataFrame, folder: Path, task: str = "binary") -> DataSection:
    """The section on statistics of one split, as StatisticsGen writes them."""
    import pyarrow as pa
    from tensorflow_data_validation.statistics import stats_impl

    batch = pa.RecordBatch.from_arrays([lists(frame[name]) for name in frame], list(frame))
    split = folder / "Split-train"
    split.mkdir()
    statistics = stats_impl.generate_statistics_in_memory(batch)
    (split / "FeatureStats.pb").write_bytes(statistics.SerializeToString())
    written = StageRecord(name="StatisticsGen", state="done", outputs={"statistics": [str(folder)]})
    record = RunRecord(
        id="1",
        recipe="example",
        recipe_file="example.yaml",
        recipe_json="{}",
        started="2026-11-22T10:00:00Z",
        stages=[written],
    )
    features = {"label": {"kind": "text", "length": 4}} if task == "text" else {}
    recipe = Recipe.model_validate(
        {"name": "example", "data": {"path": "a.csv"}, "label": "label", "task": task}
        | {"features": features}
    )
    section = data_section(record, recipe)
    assert section is not None
    return section


def shares(section: DataSection) -> dict[str, float]:
    return {entry.name: entry.shares["train"] for entry in section.labels[0].classes}


@pytest.mark.parametrize(
    ("values", "exact"),
    [(["no", "yes"], 1e-9), ([0, 1], 1e-6), ([3, 4], 1e-6), ([0, 1, 2, 3, 4, 5, 6, 7], 0.02)],
)
def test_class_shares_are_those_of_the_rows(values, exact, tmp_path):
    label = np.random.default_rng(0).choice(values, 12_000)
    section = section_of(pd.DataFrame({"label": label.tolist()}), tmp_path)
    expected = pd.Series(label).astype(str).value_counts(normalize=True).to_dict()
    assert shares(section) == pytest.approx(expected, abs=exact)


def test_a_label_of_many_numbers_is_not_taken_for_classes(tmp_path):
    section = section_of(pd.DataFrame({"label": list(range(500))}), tmp_path)
    assert section.labels[0].classes == []


def test_texts_to_be_written_are_not_taken_for_classes(tmp_path):
    frame = pd.DataFrame({"label": ["a house", "the sea"] * 50})
    assert section_of(frame, tmp_path, task="text").labels == []


def test_missing_values_are_counted_although_their_lists_are_there(tmp_path):
    frame = pd.DataFrame({"label": [0, 1] * 50, "holes": [None] * 25 + [1.5] * 75})
    section = section_of(frame, tmp_path)
    columns = {column.name: column for column in section.columns}
    assert columns["holes"].missing == "25 %"
    assert columns["label"].missing == "none"
    assert columns["holes"].values == "1.5 ± 0, from 1.5 to 1.5"


def test_a_column_without_values_says_so(tmp_path):
    frame = pd.DataFrame({"label": [0, 1] * 50, "empty": [np.nan] * 100})
    columns = {column.name: column for column in section_of(frame, tmp_path).columns}
    assert (columns["empty"].missing, columns["empty"].values) == ("100 %", "no values")


def test_the_label_comes_first_and_each_column_has_its_use(tmp_path):
    frame = pd.DataFrame({"age": [1.0, 2.0], "label": [0, 1], "town": ["a", "b"]})
    section = section_of(frame, tmp_path)
    assert [(column.name, column.role) for column in section.columns] == [
        ("label", "label"),
        ("age", "input"),
        ("town", "input"),
    ]


def test_values_that_occur_once_are_not_counted_one_by_one(tmp_path):
    texts = [f"\x96the film is {number} hours long" for number in range(50)]
    frame = pd.DataFrame(
        {"label": [0, 1] * 25, "text": texts, "site": ["a", "b", "b", "c", "c"] * 10}
    )
    section = section_of(frame, tmp_path)
    told = {column.name: column for column in section.columns}
    assert told["text"].values.startswith("50 different, such as the film is ")
    assert not any(told["text"].pictures)
    assert told["site"].values == "c (40 %), b (40 %), a (20 %)"
    assert all(told["site"].pictures)


def test_of_a_long_list_the_last_values_are_shown():
    assert examples.words([1, 2, 3]) == "1, 2, 3"
    assert examples.words(list(range(30))) == "…, 22, 23, 24, 25, 26, 27, 28, 29"
    assert examples.words(None) == ""
