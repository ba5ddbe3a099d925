"""A run with `engine: local` and one with `engine: beam` of the same recipe, compared whole.

What is compared is what the two runs left behind, from raw rows to metrics. Their models are not
the same, as Beam writes transformed rows in an order of its own. So that metrics can be compared
to 1e-6, the local Evaluator judges again what the beam run's Evaluator judged: the same model
against the same baseline (an earlier run's model) on the same rows, with the recipe's own slices.
`test_recipes` holds the same runs of both engines to every recipe's contract.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.components.evaluator.conftest import Judged, assert_same_slices, properties
from tests.components.statistics_gen.test_parity import assert_same_dataset
from tests.e2e.conftest import ON_BOTH_ENGINES, Ran

TOLERANCE = 1e-5
TRANSFORM = ("Transform", "transform_graph")


@pytest.fixture(params=ON_BOTH_ENGINES)
def both(request, ran) -> tuple[Ran, Ran]:
    return ran(request.param), ran(request.param, "beam")


def folders(both: tuple[Ran, Ran], stage: str, key: str) -> tuple[Path, Path]:
    """What the stage of both runs wrote, two folders."""
    local, beam = (run.record.output(stage, key) for run in both)
    assert local is not None
    assert beam is not None
    assert (local == beam) == (stage == "ExampleGen")  # only that stage is the same in both
    return local, beam


def splits(both: tuple[Ran, Ran]) -> list[str]:
    return list(both[0].recipe.data.split.buckets)


def records(folder: Path, split: str) -> list[bytes]:
    import tensorflow as tf

    files = sorted(map(str, (folder / f"Split-{split}").glob("*.gz")))
    assert files
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def test_the_engines_are_those_that_the_recipes_name(both):
    assert [run.recipe.engine.name for run in both] == ["local", "beam"]


def test_statistics_are_equal(both):
    from tensorflow_metadata.proto.v0 import statistics_pb2

    local, beam = folders(both, "StatisticsGen", "statistics")
    for split in splits(both):
        ours, stock = (
            statistics_pb2.DatasetFeatureStatisticsList.FromString(
                (folder / f"Split-{split}" / "FeatureStats.pb").read_bytes()
            )
            for folder in (local, beam)
        )
        assert_same_dataset(ours.datasets[0], stock.datasets[0])


def test_vocabularies_are_equal(both):
    local, beam = (folder / "transform_fn/assets" for folder in folders(both, *TRANSFORM))
    ours, stock = (
        {file.name: file.read_bytes() for file in folder.iterdir()} for folder in (local, beam)
    )
    assert ours == stock
    assert any(content.count(b"\n") > 3 for content in ours.values())


def test_transformed_rows_are_equal_but_for_their_order(both):
    local, beam = folders(both, "Transform", "transformed_examples")
    graph, _ = folders(both, *TRANSFORM)
    raw = both[0].record.output("ExampleGen", "examples")
    for split in splits(both):
        ours, stock = (columns(graph, records(folder, split)) for folder in (local, beam))
        assert len(records(raw, split)) == len(next(iter(ours.values())))
        assert_same_rows(ours, stock)


def columns(graph: Path, rows: list[bytes]) -> dict[str, np.ndarray]:
    """Every feature of transformed rows, `(rows, values)`."""
    import tensorflow as tf
    import tensorflow_transform as tft

    spec = tft.TFTransformOutput(str(graph)).transformed_feature_spec()
    parsed = tf.io.parse_example(tf.constant(rows), spec)
    return {name: tensor.numpy().reshape(len(rows), -1) for name, tensor in parsed.items()}


def assert_same_rows(ours: dict[str, np.ndarray], stock: dict[str, np.ndarray]) -> None:
    """Brings both into one order by the codes of their values, then compares the values."""
    coded = {name: codes(ours[name], stock[name]) for name in ours}
    first, second = (
        np.lexsort(np.concatenate([pair[side] for pair in coded.values()], axis=1).T)
        for side in (0, 1)
    )
    for name, values in ours.items():
        exact = values.dtype.kind in "iO"
        compare = np.testing.assert_array_equal if exact else np.testing.assert_allclose
        tolerance = {} if exact else {"rtol": TOLERANCE, "atol": TOLERANCE}
        compare(values[first], stock[name][second], err_msg=name, **tolerance)


def codes(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the values of both; floats less than a tenth of the tolerance apart are one."""
    values, code = np.unique(np.concatenate([one, other]), return_inverse=True)
    if values.dtype.kind == "f":
        code = np.concatenate([[0], np.cumsum(np.diff(values) > TOLERANCE / 10)])[code]
    return tuple(np.split(code.reshape(-1, one.shape[1]), [len(one)]))


@pytest.fixture
def judged_again(both, tmp_path) -> Judged:
    """The local Evaluator's answer to what the beam run's Evaluator was asked."""
    from tfx.components.evaluator import executor as stock
    from tfx.components.util import examples_utils
    from tfx.proto import example_gen_pb2
    from tfx.types import artifact_utils, standard_artifacts

    from trainyard.components.evaluator.executor import Executor
    from trainyard.pipeline import evaluation

    _, beam = both

    def artifact(kind, folder):
        made = getattr(standard_artifacts, kind)()
        made.uri = str(folder)
        return made

    examples = artifact("Examples", beam.record.output("ExampleGen", "examples"))
    examples.split_names = artifact_utils.encode_split_names(splits(both))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    inputs = {
        "examples": [examples],
        "schema": [artifact("Schema", beam.record.output("SchemaGen", "schema"))],
        "model": [artifact("Model", beam.record.output("Trainer", "model"))],
        "baseline_model": [artifact("Model", beam.record.output("Baseline", "model"))],
    }
    evaluated, blessing = (
        artifact("ModelEvaluation", tmp_path / "evaluation"),
        artifact("ModelBlessing", tmp_path / "blessing"),
    )
    asked = properties(evaluation.eval_config(beam.recipe))
    asked["example_splits"] = f'["{beam.recipe.data.split.judged}"]'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stock, "Executor", None)  # nothing may fall back here
        Executor().Do(inputs, {"evaluation": [evaluated], "blessing": [blessing]}, asked)
    return Judged(Path(evaluated.uri), blessing)


def test_sliced_metrics_of_the_same_models_are_equal(both, judged_again):
    _, beam = folders(both, "Evaluator", "evaluation")
    found = assert_same_slices("metrics", judged_again.evaluation, beam)
    assert len(found) > 10
    assert_same_slices("plots", judged_again.evaluation, beam)
    _, blessing = folders(both, "Evaluator", "blessing")
    assert judged_again.blessing_file == [file.name for file in blessing.iterdir()]
