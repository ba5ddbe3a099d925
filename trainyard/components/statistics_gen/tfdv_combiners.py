"""TFDV's statistics from Arrow batches, without Beam.

TFDV 1.16.1: all that Trainyard takes of its private interface is in this file.
Its combiners are called as its own Beam transform calls them
(`stats_impl._CombinerStatsGeneratorsCombineFn`). One of its generators is not a
combiner but a Beam transform: the exact top values and number of distinct
values; `_TopValues` takes its place and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tensorflow_data_validation import types
from tensorflow_data_validation.arrow import arrow_util
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_data_validation.statistics.generators import (
    stats_generator,
    top_k_uniques_stats_generator,
)
from tensorflow_data_validation.statistics.stats_options import StatsOptions
from tensorflow_data_validation.utils import (
    quantiles_util,
    schema_util,
    stats_util,
    top_k_uniques_stats_util,
)
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx_bsl.arrow import array_util
from tfx_bsl.statistics import merge_util

from trainyard.components.statistics_gen import standard_histogram
from trainyard.components.statistics_gen.value_counts import ValueCounts

_Counts = dict[types.FeaturePath, ValueCounts]


class Statistics:
    """Statistics of rows that come in batches.

    Args:
        options: What to compute; `unsupported` of them must be None.
    """

    def __init__(self, options: StatsOptions) -> None:
        self._generators = [
            _TopValues(options) if _is_exact_top(generator) else generator
            for generator in stats_impl.get_generators(options)
        ]
        for generator in self._generators:
            generator.setup()
        self._totals = [generator.create_accumulator() for generator in self._generators]

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows into account.

        Args:
            batch: Columns of lists, as tfx_bsl's decoders make them.
        """
        self._totals = [
            generator.add_input(total, batch)
            for generator, total in zip(self._generators, self._totals, strict=True)
        ]

    def result(self) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Returns the statistics of all rows so far, one dataset without a name."""
        with _quick_histograms():
            outputs = [
                generator.extract_output(generator.compact(total))
                for generator, total in zip(self._generators, self._totals, strict=True)
            ]
        return merge_util.merge_dataset_feature_statistics(outputs)


@contextmanager
def _quick_histograms() -> Iterator[None]:
    """Lets TFDV make its histograms of equal widths by `standard_histogram`."""
    quantiles_util.generate_equi_width_histogram = _equi_width_histogram
    try:
        yield
    finally:
        quantiles_util.generate_equi_width_histogram = _tfdv_equi_width_histogram


_tfdv_equi_width_histogram = quantiles_util.generate_equi_width_histogram


def _equi_width_histogram(
    quantiles: npt.NDArray[Any],
    cumulative_counts: npt.NDArray[Any],
    finite_min: float,
    finite_max: float,
    num_buckets: int,
    num_pos_inf: float,
) -> statistics_pb2.Histogram:
    """TFDV's function of that name; infinities and single values are left to it."""
    finite = np.isfinite([finite_min, finite_max, *quantiles[[0, -1]]]).all() and not num_pos_inf
    if not finite or finite_min == finite_max or len(quantiles) < 2:
        return _tfdv_equi_width_histogram(
            quantiles, cumulative_counts, finite_min, finite_max, num_buckets, num_pos_inf
        )
    edges = np.linspace(finite_min, finite_max, num_buckets + 1)
    heights = standard_histogram.heights(quantiles, cumulative_counts, edges)
    histogram = statistics_pb2.Histogram(type=statistics_pb2.Histogram.STANDARD)
    for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True):
        histogram.buckets.add(low_value=low, high_value=high, sample_count=height)
    return histogram


def unsupported(options: StatsOptions) -> str | None:
    """Says what of the options only TFDV's Beam transforms can do.

    Args:
        options: What to compute.

    Returns:
        The option, or None if there is nothing of the kind.
    """
    asked = {
        "sample_rate": options.sample_rate,
        "feature_allowlist": options.feature_allowlist,
        "experimental_filter_read_paths": options.experimental_filter_read_paths,
        "slices": options.experimental_slice_functions
        or options.experimental_slice_sqls
        or options.slicing_config,
        "weights": options.example_weight_map.all_weight_features(),
        "derived features": options.schema is not None and _derives(options.schema),
    }
    if found := next((name for name, value in asked.items() if value), None):
        return found
    for generator in stats_impl.get_generators(options):
        if not _is_exact_top(generator) and not isinstance(
            generator, stats_generator.CombinerStatsGenerator
        ):
            return str(generator.name)
    return None


def _derives(schema: schema_pb2.Schema) -> bool:
    return any(feature.HasField("validation_derived_source") for feature in schema.feature)


def _is_exact_top(generator: object) -> bool:
    return isinstance(generator, top_k_uniques_stats_generator.TopKUniquesStatsGenerator)


class _TopValues(stats_generator.CombinerStatsGenerator):  # type: ignore[misc]
    """TFDV's `TopKUniquesStatsGenerator` as a combiner: top values, ranks, distinct values."""

    def __init__(self, options: StatsOptions) -> None:
        super().__init__("TopKUniquesStatsGenerator", options.schema)
        self._options = options
        self._texts_as_bytes = frozenset(
            schema_util.get_bytes_features(options.schema) if options.schema else []
        )
        self._categorical = (
            schema_util.get_categorical_numeric_feature_types(options.schema)
            if options.schema
            else {}
        )

    def create_accumulator(self) -> _Counts:
        return {}

    def add_input(self, accumulator: _Counts, input_record_batch: pa.RecordBatch) -> _Counts:
        for path, values, _ in arrow_util.enumerate_arrays(
            input_record_batch, example_weight_map=None, enumerate_leaves_only=True
        ):
            if self._counts(path, values.type):
                flat, _ = array_util.flatten_nested(values)
                accumulator.setdefault(path, ValueCounts()).add(flat)
        return accumulator

    def _counts(self, path: types.FeaturePath, kind: pa.DataType) -> bool:
        feature_type = stats_util.get_feature_type_from_arrow_type(path, kind)
        return path not in self._texts_as_bytes and top_k_uniques_stats_generator._should_run(
            self._categorical, path, feature_type
        )

    def merge_accumulators(self, accumulators: Iterable[_Counts]) -> _Counts:
        first, *others = accumulators
        for other in others:
            for path, counts in other.items():
                first.setdefault(path, ValueCounts()).merge(counts)
        return first

    def extract_output(self, accumulator: _Counts) -> statistics_pb2.DatasetFeatureStatistics:
        options, result = self._options, statistics_pb2.DatasetFeatureStatistics()
        most = max(options.num_top_values, options.num_rank_histogram_buckets)
        for path, counts in accumulator.items():
            distinct, top = counts.most_frequent(most)
            if not distinct:
                continue
            feature = top_k_uniques_stats_util.make_feature_stats_proto_topk_uniques(
                feature_path=path,
                num_top_values=options.num_top_values,
                num_rank_histogram_buckets=options.num_rank_histogram_buckets,
                num_unique=distinct,
                value_count_list=_named(top),
                frequency_threshold=options.frequency_threshold,
            )
            result.features.append(feature)
        return result


def _named(top: list[tuple[Any, int]]) -> list[top_k_uniques_stats_util.FeatureValueCount]:
    return [top_k_uniques_stats_util.FeatureValueCount(value, count) for value, count in top]
