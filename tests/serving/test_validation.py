from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf

from trainyard.errors import ContractError
from trainyard.serving import validation

pytestmark = pytest.mark.e2e


@pytest.fixture
def candidate(tmp_path):
    """A model of tf.Examples."""

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def __call__(self, examples):
            parsed = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})
            return {"predictions": parsed["x"][:, tf.newaxis] * 2}

    model = Model()
    tf.saved_model.save(model, str(tmp_path / "model"), {"serving_default": model.__call__})
    return tmp_path / "model"


def example(value):
    made = tf.train.Example()
    made.features.feature["x"].float_list.value.append(value)
    return made.SerializeToString()


def test_a_candidate_answers_in_a_server_of_its_own(candidate, monkeypatch):
    monkeypatch.setattr(validation, "_REQUEST_BYTES", 30)  # several requests
    found = validation.answers(candidate, [example(number) for number in range(5)])
    np.testing.assert_array_equal(found["predictions"], [[0], [2], [4], [6], [8]])


def test_a_candidate_that_cannot_be_loaded_is_refused(candidate):
    shutil.rmtree(candidate / "variables")
    (candidate / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(ContractError, match="no pushed version can be loaded"):
        validation.answers(candidate, [example(1)])


def test_a_candidate_that_fails_is_refused(candidate):
    with pytest.raises(ContractError, match="Could not parse example input"):
        validation.answers(candidate, [b"no example"])
