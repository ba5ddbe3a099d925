"""Labels as shares of classes."""

from __future__ import annotations

import keras
import numpy as np

from trainyard.trainer_modules.harness import soft_labels

INDICES = np.array([[2], [0]])
SHARES = np.array([[0.0, 0.4, 0.6], [0.5, 0.3, 0.2]], np.float32)


def test_indices_become_shares():
    np.testing.assert_array_equal(soft_labels.shares(INDICES, 3), [[0, 0, 1], [1, 0, 0]])


def test_shares_stay():
    np.testing.assert_array_equal(soft_labels.shares(SHARES, 3), SHARES)


def test_accuracy_of_both():
    predictions = np.array([[0.1, 0.1, 0.8], [0.1, 0.8, 0.1]], np.float32)
    for labels in (INDICES, SHARES):
        assert float(soft_labels.Accuracy()(labels, predictions)) == 0.5


def test_accuracy_survives_saving():
    again = keras.metrics.deserialize(keras.metrics.serialize(soft_labels.Accuracy("a")))
    assert isinstance(again, soft_labels.Accuracy)
    assert again.name == "a"
