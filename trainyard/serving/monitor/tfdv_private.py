"""TFDV's own comparators: L-infinity of categories, Jensen-Shannon of numbers.

TFDV 1.16.1: all that the monitor takes of its private interface is in this file.
`validate_statistics` is public; statistics of a batch in memory are not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2

from trainyard.serving.monitor.reference import Kind
from trainyard.serving.monitor.rows import Columns


def distances(reference: Columns, window: Columns, kinds: Mapping[str, Kind]) -> dict[str, float]:
    """Lets TFDV compare serving with training.

    Args:
        reference: Rows of training.
        window: Rows that were served; the same columns.
        kinds: Which are numbers and which are categories. A column without a value on either
            side has no distance.

    Returns:
        By column: L-infinity of a category's shares, Jensen-Shannon divergence of a number.
    """
    schema = _schema(reference, kinds)
    options = tfdv.StatsOptions(schema=schema)
    ends = {name: _ends(reference[name]) for name, kind in kinds.items() if kind == "number"}
    training, serving = (
        stats_impl.generate_statistics_in_memory(_batch(columns, kinds, ends), options)
        for columns in (reference, window)
    )
    found = tfdv.validate_statistics(training, schema, serving_statistics=serving)
    return {
        info.path.step[0]: measurement.value
        for info in found.drift_skew_info
        for measurement in info.skew_measurements
    }


def _schema(columns: Columns, kinds: Mapping[str, Kind]) -> schema_pb2.Schema:
    """Asks for a comparison of every column; a threshold of 0 is passed by any distance."""
    schema = schema_pb2.Schema()
    for name, kind in kinds.items():
        feature = schema.feature.add(name=name, type=_type(columns[name].type))
        if kind == "number":
            feature.skew_comparator.jensen_shannon_divergence.threshold = 0.0
            continue
        feature.skew_comparator.infinity_norm.threshold = 0.0
        if feature.type == schema_pb2.INT:
            feature.int_domain.is_categorical = True
    return schema


def _type(kind: pa.DataType) -> int:
    if pa.types.is_integer(kind):
        return int(schema_pb2.INT)
    return int(schema_pb2.FLOAT if pa.types.is_floating(kind) else schema_pb2.BYTES)


def _ends(values: pa.Array) -> tuple[float, float] | None:
    """Between which all but the outermost hundredth of a column's numbers lie.

    TFDV compares ten buckets of equal width: a single outlier would decide how wide they are, and
    two samples of the same fares would be 0.3 apart.
    """
    numbers = values.drop_null().to_numpy(zero_copy_only=False)
    if not len(numbers):
        return None
    low, high = np.quantile(numbers, [0.005, 0.995], method="nearest")
    return float(low), float(high)


def _batch(
    columns: Columns, kinds: Mapping[str, Kind], ends: Mapping[str, tuple[float, float] | None]
) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {name: _lists(_between(columns[name], ends.get(name))) for name in kinds}
    )


def _between(values: pa.Array, ends: tuple[float, float] | None) -> pa.Array:
    """Numbers beyond the ends become the ends."""
    if ends is None:
        return values
    low, high = (pa.scalar(end, values.type) for end in ends)
    return pc.if_else(pc.greater(values, high), high, pc.if_else(pc.less(values, low), low, values))


def _lists(values: pa.Array) -> pa.Array:
    """A list of one value in each row, none where it is missing."""
    there = np.asarray(values.is_valid())
    offsets = pa.array(np.concatenate([[0], there.cumsum()]), pa.int32())
    return pa.ListArray.from_arrays(offsets, values.drop_null())
