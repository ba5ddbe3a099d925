"""What early stopping watches, held against scikit-learn."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from trainyard.trainer_modules.harness import exact_auc
from trainyard.trainer_modules.harness.exact_auc import ExactAuc

ROWS = 1000


def rare(seed=0):
    """Scores that are all close to 1, whose order is nearly right: 200 buckets see one value."""
    random = np.random.default_rng(seed)
    labels = (random.random((ROWS, 1)) < 0.02).astype(np.float32)
    logits = (12 + 2 * labels + random.normal(size=(ROWS, 1))).astype(np.float32)
    weights = random.integers(1, 4, (ROWS, 1)).astype(np.float32)
    return labels, logits, weights


def scores(logits):
    return tf.sigmoid(logits).numpy()[:, 0]


@keras.saving.register_keras_serializable(package="tests")
class Given(keras.layers.Layer):
    """Predicts what it is given; the one weight is there to be trained."""

    def build(self, shape):
        del shape
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, inputs):
        return inputs * self.scale


def measured(logits_head, strategy=None, jit=False):
    labels, logits, weights = rare()
    with (strategy or tf.distribute.get_strategy()).scope():
        column = keras.Input((1,))
        output = Given()(column)
        if not logits_head:
            output = keras.layers.Activation("sigmoid")(output)
        model = keras.Model(column, output)
        loss = keras.losses.BinaryCrossentropy(from_logits=logits_head)
        metric = ExactAuc(ROWS, logits_head)
        model.compile(keras.optimizers.SGD(0.0), loss, weighted_metrics=[metric], jit_compile=jit)
    data = tf.data.Dataset.from_tensor_slices((logits, labels, weights)).batch(64)
    history = model.fit(data, validation_data=data, epochs=2, verbose=0).history
    return history, roc_auc_score(labels[:, 0], scores(logits), sample_weight=weights[:, 0])


@pytest.mark.parametrize("logits_head", [False, True])
def test_each_epoch_measures_the_area_of_scikit_learn(logits_head):
    history, expected = measured(logits_head)
    assert 0.85 < expected < 0.99
    assert history["val_auc"] == pytest.approx([expected] * 2, abs=1e-12)
    assert history["auc"] == pytest.approx([expected] * 2, abs=1e-12)


def test_keras_s_own_buckets_do_not_tell_these_scores_apart():
    labels, logits, weights = rare()
    own = keras.metrics.AUC()
    own.update_state(labels, scores(logits)[:, None], weights)
    assert float(own.result()) == pytest.approx(0.5, abs=0.05)


def test_xla_measures_the_same():
    history, expected = measured(True, jit=True)
    assert history["val_auc"] == pytest.approx([expected] * 2, abs=1e-12)


def test_of_more_rows_than_are_kept_the_first_count(monkeypatch):
    monkeypatch.setattr(exact_auc, "MOST_ROWS", 300)
    labels, logits, _ = rare()
    metric = ExactAuc(ROWS, logits=True)
    metric.update_state(labels[:200], logits[:200])
    metric.update_state(labels[200:], logits[200:])
    kept = metric.room
    expected = roc_auc_score(labels[:kept, 0], scores(logits[:kept]))
    assert float(metric.result()) == pytest.approx(expected, abs=1e-12)
    metric.reset_state()
    assert np.isnan(float(metric.result()))


def test_it_is_saved_with_its_model():
    metric = keras.metrics.deserialize(keras.metrics.serialize(ExactAuc(7, True, "yes_auc")))
    assert (metric.rows, metric.logits, metric.name) == (7, True, "yes_auc")
