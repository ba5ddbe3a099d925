"""What is found in data by themselves, and beside earlier ones."""

from __future__ import annotations

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types import artifact_utils, standard_artifacts

from trainyard.components.example_validator.executor import Executor

SCHEMA = """
feature { name: "words" type: INT
  drift_comparator { jensen_shannon_divergence { threshold: 0.1 } } }
feature { name: "source" type: BYTES
  drift_comparator { infinity_norm { threshold: 0.1 } } }
"""
SHORT = {"words": [3, 4, 5, 6] * 50, "source": ["a", "a", "b", "c"] * 50}
LONG = {"words": [30, 40, 50, 60] * 50, "source": ["a", "a", "b", "c"] * 50}
OTHERS = {"words": [3, 4, 5, 6] * 50, "source": ["a", "c", "c", "c"] * 50}


def statistics(folder, columns, splits=("train", "eval")):
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = str(folder)
    artifact.split_names = artifact_utils.encode_split_names(list(splits))
    artifact.span = 7
    found = tfdv.generate_statistics_from_dataframe(pd.DataFrame(columns))
    for split in splits:
        split_folder = folder / f"Split-{split}"
        split_folder.mkdir(parents=True)
        (split_folder / "FeatureStats.pb").write_bytes(found.SerializeToString())
    return artifact


@pytest.fixture
def look(tmp_path):
    """Validates data, perhaps beside earlier ones; returns what is found by split and column."""
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path / "schema")
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "schema.pbtxt").write_text(SCHEMA)
    anomalies = standard_artifacts.ExampleAnomalies()
    anomalies.uri = str(tmp_path / "anomalies")

    def validate(now, *earlier):
        inputs = {"statistics": [statistics(tmp_path / "now", now)], "schema": [schema]}
        inputs |= {"previous_statistics": list(earlier)} if earlier else {}
        Executor().Do(inputs, {"anomalies": [anomalies]}, {})
        assert anomalies.span == 7
        return {
            split: sorted(_read(tmp_path / "anomalies" / f"Split-{split}").anomaly_info)
            for split in artifact_utils.decode_split_names(anomalies.split_names)
        }

    return validate


def _read(folder):
    return anomalies_pb2.Anomalies.FromString((folder / "SchemaDiff.pb").read_bytes())


def test_without_earlier_data_nothing_drifts(look):
    assert look(LONG) == {"train": [], "eval": []}


def test_data_like_the_earlier_ones(look, tmp_path):
    assert look(SHORT, statistics(tmp_path / "earlier", SHORT)) == {"train": [], "eval": []}


@pytest.mark.parametrize(("now", "column"), [(LONG, "words"), (OTHERS, "source")])
def test_data_that_drifted(look, tmp_path, now, column):
    earlier = statistics(tmp_path / "earlier", SHORT)
    assert look(now, earlier) == {"train": [column], "eval": [column]}


def test_a_split_that_there_was_not_is_held_against_nothing(look, tmp_path):
    earlier = statistics(tmp_path / "earlier", SHORT, splits=["train"])
    assert look(LONG, earlier) == {"train": ["words"], "eval": []}
