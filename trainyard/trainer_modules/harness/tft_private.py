"""What is not in TensorFlow Transform 1.16.0's documentation, and needed here."""

from __future__ import annotations

import tensorflow as tf
from tensorflow_transform import analyzers

VERSION = "1.16.0"

IN_EMPTY_VOCABULARY: str = analyzers.get_empy_vocabulary_dummy_value(tf.string)[1].decode()
"""A token that Transform puts into a vocabulary of strings that would have none."""
