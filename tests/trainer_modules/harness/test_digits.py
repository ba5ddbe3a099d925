"""Numbers whose digits 32 bits do not hold, from the raw column to the served answer."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from tests.trainer_modules.tables import serialize, trained_as, transform
from trainyard.components.pusher import contract
from trainyard.errors import ContractError
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness import description, export, serving_methods, training

EPOCH = 1_700_000_000_000
LABEL = 1_700_000_000


def rows(count: int, seed: int):
    """Milliseconds of one minute, on which a label around 1.7e9 depends."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        millisecond = int(random.integers(0, 60_000))
        yield {
            "bucket": EPOCH + millisecond,
            "scaled": EPOCH + millisecond,
            "spread": EPOCH + millisecond,
            "still": 123_456_789_012_345_678,
            "y": LABEL + round((millisecond - 30_000) / 1500),
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    sections = {
        "name": "digits",
        "data": {"path": "unused"},
        "label": "y",
        "task": "regression",
        "features": {
            "bucket": {"kind": "bucketized", "buckets": 6},
            "spread": {"scaling": "min-max"},
        },
    }
    chosen = trained_as(Recipe.model_validate(sections))
    folder = tmp_path_factory.mktemp("digits")
    types = dict.fromkeys(("bucket", "scaled", "spread", "still", "y"), "int64")
    return transform(chosen, folder, list(rows(400, 0)), list(rows(80, 1)), types)


def test_milliseconds_of_a_minute_are_told_apart(made):
    output = tft.TFTransformOutput(str(made.graph))
    serialized = [serialize(row) for row in made.train]
    raw = tf.io.parse_example(serialized, export.raw_parse_spec(output))
    features = output.transform_features_layer()(raw)
    exact = np.array([row["scaled"] - EPOCH for row in made.train], float)
    scaled, still, spread = features["numeric"].numpy().T
    np.testing.assert_array_equal(still, 0)
    np.testing.assert_allclose(scaled, (exact - exact.mean()) / exact.std(), atol=1e-5)
    np.testing.assert_allclose(spread, (exact - exact.min()) / np.ptp(exact), atol=1e-6)
    counts = np.bincount(features["bucket_id"].numpy()[:, 0])
    assert len(counts) == 6
    assert counts.min() > 40


@pytest.fixture(scope="module")
def trained(made, tmp_path_factory):
    run = tmp_path_factory.mktemp("trained") / "run"
    params = {"hidden": [16]}
    rate = {"name": "adam", "learning_rate": 0.01}
    training.run_fn(made.fn_args(run, params=params, epochs=40, optimizer=rate))
    return run


def test_a_label_far_from_zero_is_learnt_and_answered_in_all_its_digits(made, trained):
    serialized = [serialize(row) for row in made.held_out]
    loaded = tf.saved_model.load(str(trained / "Format-Serving"))
    answer = loaded.signatures["serving_default"](tf.constant(serialized))["predictions"].numpy()
    labels = loaded.signatures["transform_features"](tf.constant(serialized))["label_xf"].numpy()
    assert answer.dtype == labels.dtype == np.float64
    np.testing.assert_array_equal(labels[:, 0], [row["y"] for row in made.held_out])
    error = np.abs(answer - labels).mean()
    assert 0 < error < 3, "the mean misses by 10"
    worst = contract.check(
        saved_model=trained / "Format-Serving",
        model_run=trained / "model_run",
        transform_graph=made.graph,
        examples=serialized,
    )
    assert worst <= contract.TOLERANCE


def test_it_is_described_as_64_bits_and_has_no_signature_that_answers_in_32(trained):
    told = description.read(trained / "Format-Serving")
    assert told.heads[""].dtype == "float64"
    assert serving_methods.signatures(told) == {}


def test_a_missing_whole_label_is_no_number(made, trained):
    loaded = tf.saved_model.load(str(trained / "Format-Serving"))
    answer = loaded.signatures["transform_features"](tf.constant([b""]))
    assert np.isnan(answer["label_xf"].numpy()).all()


def test_an_answer_that_is_off_by_a_deviation_breaks_the_contract():
    trained = LABEL + np.array([[-20.0], [0.0], [20.0]])
    with pytest.raises(ContractError):
        contract.compare(trained, trained + 20)
    assert contract.compare(trained, trained) == 0
