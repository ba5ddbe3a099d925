"""Preprocessing functions for the tests, and the artifacts around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts

from tests.trainer_modules.tables import Row, serialize
from trainyard.trainer_modules.harness import columns

TYPES = {"INT": int, "FLOAT": float, "BYTES": str}


def many(inputs, custom_config=None):
    """Analyzers of every kind that the local way knows, and outputs of every shape."""
    del custom_config
    number, word = tf.sparse.to_dense(inputs["number"]), inputs["word"]
    number = tf.reshape(number[:, :1], [-1, 1])
    first = columns.dense(word)[:, 0]  # also of a batch of Beam's in which no row has a word
    first = tf.where(first == "", "none", first)
    centred = number - tft.mean(number)
    file = tft.vocabulary(word, vocab_filename="counted", store_frequency=True)
    del file
    weighted = tft.vocabulary(
        first,
        weights=tf.abs(number[:, 0]),
        vocab_filename="weighted",
        top_k=3,
    )
    matrix = tf.concat([number, number * 2 + 1, centred * centred], axis=1)
    return {
        "id": inputs["id"],
        "scaled": centred / tft.max(tf.abs(centred)),  # a second phase
        "z": tft.scale_to_z_score(tf.cast(inputs["id"], tf.float32)),
        "pca": tf.matmul(matrix, tft.pca(matrix, 2, tf.float32)),
        "bucket": tft.bucketize(tf.cast(inputs["id"], tf.float32), 4),
        "word_ids": tft.compute_and_apply_vocabulary(
            word, num_oov_buckets=2, vocab_filename="words", frequency_threshold=2
        ),
        "number_ids": tft.compute_and_apply_vocabulary(
            # The name keeps TensorFlow from taking this table for another function's, of strings.
            inputs["id"] % 3,
            vocab_filename="thirds",
            name="integers",
        ),
        "zipped": tft.compute_and_apply_vocabulary(
            word, vocab_filename="zipped", file_format="tfrecord_gzip", fingerprint_shuffle=True
        ),
        "weighted": tft.apply_vocabulary(first, weighted, default_value=-5),
        "text": tf.strings.join([tf.as_string(inputs["id"]), "!"]),
    }


def by_key(inputs):
    """An analyzer that only stock's executor has."""
    number = tf.reshape(tf.sparse.to_dense(inputs["number"])[:, :1], [-1])
    key = tf.as_string(tf.reshape(inputs["id"], [-1]) % 2)
    return {"id": inputs["id"], "scaled": tft.scale_to_z_score_per_key(number, key)}


def raw(folder: Path, splits: dict[str, list[Row]], schema: str) -> dict[str, list[Any]]:
    """Writes rows and their schema; returns Transform's input artifacts."""
    for name, rows in splits.items():
        file = folder / "examples" / f"Split-{name}" / "rows-00000-of-00001.gz"
        file.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for row in rows:
                writer.write(serialize(row))
    return inputs(folder, list(splits), schema)


def inputs(folder: Path, splits: list[str], schema: str) -> dict[str, list[Any]]:
    """Transform's input artifacts over a folder with `examples`; writes the schema."""
    text_format.Parse(schema, schema_pb2.Schema())
    (folder / "schema").mkdir()
    (folder / "schema" / "schema.pbtxt").write_text(schema, encoding="utf-8")
    examples, artifact = standard_artifacts.Examples(), standard_artifacts.Schema()
    examples.uri, artifact.uri = str(folder / "examples"), str(folder / "schema")
    examples.split_names = json.dumps(splits)
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    return {"examples": [examples], "schema": [artifact]}


def run(executor: Any, sources: dict[str, list[Any]], folder: Path, function: str, **more: Any):
    """Runs a Transform executor; returns its output artifacts."""
    kinds = {
        "transform_graph": standard_artifacts.TransformGraph,
        "transformed_examples": standard_artifacts.Examples,
        "updated_analyzer_cache": standard_artifacts.TransformCache,
    }
    outputs = {}
    for key, kind in kinds.items():
        outputs[key] = [kind()]
        outputs[key][0].uri = str(folder / key)
        (folder / key).mkdir(parents=True)
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=DirectRunner"], tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    properties = {"preprocessing_fn": function, "disable_statistics": 1, "custom_config": "null"}
    executor(context).Do(sources, outputs, properties | more)
    return {key: artifacts[0] for key, artifacts in outputs.items()}
