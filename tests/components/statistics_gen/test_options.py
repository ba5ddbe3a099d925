"""Images among the columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from trainyard.components.statistics_gen.options import options
from trainyard.components.statistics_gen.tfdv_combiners import Statistics, unsupported
from trainyard.recipe_schema import Data

IMAGES = Data(path="x", images={})


def batch(rows: int = 200) -> pa.RecordBatch:
    pixels = np.random.default_rng(1)
    return pa.RecordBatch.from_pydict(
        {
            "image": pa.array([[pixels.bytes(1000 + i)] for i in range(rows)]),
            "label": pa.array([[b"ants"], [b"bees"]] * (rows // 2)),
            "image_width": pa.array([[i % 7] for i in range(rows)]),
        }
    )


def statistics(data: Data) -> dict:
    found = Statistics(options(data))
    found.add(batch())
    (dataset,) = found.result().datasets
    return {feature.path.step[0]: feature for feature in dataset.features}


def test_an_image_gets_cheap_statistics_only():
    image = statistics(IMAGES)["image"]
    assert image.HasField("bytes_stats")
    assert image.bytes_stats.avg_num_bytes == 1099.5
    assert image.bytes_stats.common_stats.num_non_missing == 200
    assert image.ByteSize() < 2000  # no image is in it


def test_the_other_columns_are_as_without_images():
    with_images, without = statistics(IMAGES), statistics(Data(path="x"))
    assert without["image"].HasField("string_stats")
    for name in ("label", "image_width"):
        assert with_images[name] == without[name]


def test_it_is_not_left_to_beam():
    assert unsupported(options(IMAGES)) is None


def test_the_inferred_schema_has_one_image_in_every_row():
    found = Statistics(options(IMAGES))
    found.add(batch())
    result = found.result()
    schema = tfdv.infer_schema(result, infer_feature_shape=True)
    image = tfdv.get_feature(schema, "image")
    assert image.type == schema_pb2.BYTES
    assert image.presence.min_fraction == 1
    assert [dim.size for dim in image.shape.dim] == [1]
    assert image.WhichOneof("domain_info") in (None, "image_domain")
    assert not tfdv.validate_statistics(result, schema).anomaly_info
