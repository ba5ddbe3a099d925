"""Our Transform and stock's write the same graph, vocabularies and examples.

Public data sets are in `tests/e2e/test_engines.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.transform.executor import Executor as StockExecutor

from tests.components.transform import functions
from tests.trainer_modules import tables
from trainyard.components.transform import executor
from trainyard.trainer_modules.harness.config import TransformConfig

HARNESS = "trainyard.trainer_modules.harness.transform.preprocessing_fn"

SCHEMA = """
feature { name: "id" type: INT shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "number" type: FLOAT }
feature { name: "word" type: BYTES }
"""


@pytest.fixture
def no_fallback(monkeypatch):
    def refuse(*_):
        raise AssertionError("stock's executor was called")

    monkeypatch.setattr(executor.Executor.__bases__[0], "Do", refuse)


def files(folder: Path, pattern: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob(pattern))}


def values(folder: str, split: str) -> list[dict[str, list]]:
    """The rows of a split, each feature a list of its values; in a fixed order if they differ."""
    rows = []
    pattern = f"{folder}/Split-{split}/transformed_examples-00000-of-00001.gz"
    names = tf.io.gfile.glob(pattern)
    assert names, pattern
    for record in tf.data.TFRecordDataset(names, "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        row = {}
        for name, feature in features.items():
            kind = feature.WhichOneof("kind")
            row[name] = (kind, list(getattr(feature, kind).value) if kind else [])
        rows.append(row)
    return sorted(rows, key=_order)


def _order(row):
    exact = sorted((n, v) for n, (kind, v) in row.items() if kind != "float_list")
    rough = sorted((n, np.round(v, 2).tolist()) for n, (k, v) in row.items() if k == "float_list")
    return exact, rough


def assert_same_rows(ours: list, stock: list) -> None:
    assert len(ours) == len(stock)
    for one, other in zip(ours, stock, strict=True):
        assert one.keys() == other.keys()
        for name, (kind, found) in one.items():
            assert kind == other[name][0], name
            if kind == "float_list":
                np.testing.assert_allclose(found, other[name][1], rtol=1e-5, atol=1e-5)
            else:
                assert found == other[name][1], name


def assert_same(ours: dict, stock: dict, splits: list[str]) -> None:
    folders = [Path(outputs["transform_graph"].uri) for outputs in (ours, stock)]
    one, other = (tft.TFTransformOutput(str(folder)) for folder in folders)
    assert one.transformed_metadata.schema == other.transformed_metadata.schema
    assert one.raw_metadata.schema == other.raw_metadata.schema
    assert files(folders[0], "transformed_metadata/asset_map") == files(
        folders[1], "transformed_metadata/asset_map"
    )
    plain, zipped = (files(folder, "transform_fn/assets/*") for folder in folders)
    assert plain.keys() == zipped.keys()
    for name in plain:
        if name.endswith(".gz"):
            same = (str(f / "transform_fn/assets" / name) for f in folders)
            left, right = (
                list(tf.data.TFRecordDataset(file, "GZIP").as_numpy_iterator()) for file in same
            )
            assert left == right, name
        else:
            assert plain[name] == zipped[name], name
    listing = [sorted(p.name for p in folder.iterdir()) for folder in folders]
    assert listing[0] == listing[1]
    uris = [outputs["transformed_examples"].uri for outputs in (ours, stock)]
    for split in splits:
        assert_same_rows(*(values(uri, split) for uri in uris))
    names = [json.loads(o["transformed_examples"].split_names) for o in (ours, stock)]
    assert sorted(names[0]) == sorted(names[1]) == sorted(splits)


def both(sources: dict, folder: Path, function: str, splits: list[str], **more) -> None:
    ours = functions.run(executor.Executor, sources, folder / "ours", function, **more)
    # Not the class itself, of which the fixture has taken `Do`.
    stock = functions.run(_Stock, sources, folder / "stock", function, **more)
    assert_same(ours, stock, splits)


class _Stock(StockExecutor):
    Do = StockExecutor.Do


@pytest.mark.e2e
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_harness_on_an_awkward_table(tmp_path, no_fallback, task):
    rows = tables.table(200)
    for index, row in enumerate(rows):
        row["kind"] = ("a", "b", "c", "ab", "")[index % 5] or None  # equally often
    unseen = [{**row, "kind": "never seen", "zone": 99, "age": None} for row in tables.table(40, 1)]
    schema = "".join(
        f'feature {{ name: "{name}" type: {_type(kind)} }}\n' for name, kind in tables.TYPES.items()
    )
    sources = functions.raw(tmp_path, {"train": rows, "eval": unseen, "empty": []}, schema)
    config = TransformConfig.of(tables.recipe(task)).custom_config()
    splits = ["train", "eval", "empty"]
    both(sources, tmp_path, HARNESS, splits, custom_config=json.dumps(config))


def _type(kind: str) -> str:
    return {"float32": "FLOAT", "int64": "INT", "string": "BYTES"}[kind]


@pytest.mark.e2e
def test_every_kind_of_analyzer_and_output(tmp_path, no_fallback):
    random = np.random.default_rng(0)
    words = ["a", "b", "c", "Größe", "one two", None]
    rows = [
        {"id": i, "number": float(random.normal()), "word": words[int(random.integers(6))]}
        for i in range(120)
    ]
    sources = functions.raw(tmp_path, {"train": rows, "eval": rows[:7]}, SCHEMA)
    both(sources, tmp_path, "tests.components.transform.functions.many", ["train", "eval"])


@pytest.mark.e2e
def test_what_is_left_to_stock_is_whole(tmp_path, caplog):
    rows = [{"id": i, "number": float(i * i % 7), "word": "a"} for i in range(40)]
    sources = functions.raw(tmp_path, {"train": rows, "eval": rows[:5]}, SCHEMA)
    both(sources, tmp_path, "tests.components.transform.functions.by_key", ["train", "eval"])
    assert "runs on Beam" in caplog.text
