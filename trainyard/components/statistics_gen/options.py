"""What TFDV has to be told of a recipe's columns."""

from __future__ import annotations

from typing import Any

from tensorflow_data_validation.statistics.stats_options import StatsOptions
from tensorflow_metadata.proto.v0 import schema_pb2

from trainyard.recipe_schema import Data


def options(data: Data, **others: Any) -> StatsOptions:
    """Returns TFDV's options for some data.

    An image or a text counts as bytes, of which presence and sizes are all that is computed; as
    a category, each would be held in memory to count how often it occurs.

    Args:
        data: The recipe's data section.
        others: More arguments for `StatsOptions`.
    """
    columns = [*(images.column for images in data.images), *data.text_columns]
    if not columns:
        return StatsOptions(**others)
    schema = schema_pb2.Schema()
    for name in columns:  # TFDV takes nothing but images for bytes
        schema.feature.add(name=name, type=schema_pb2.BYTES).image_domain.SetInParent()
    return StatsOptions(schema=schema, **others)
