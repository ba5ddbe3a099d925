"""A curated schema's first draft, from all rows of a recipe's data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainyard.components.example_gen import (
    images,
    input_splits,
    left_out,
    reader,
    texts,
)
from trainyard.components.example_gen.narrowing import Narrowing
from trainyard.components.example_gen.reader import Block
from trainyard.components.records import parallel
from trainyard.progress import report
from trainyard.recipe_schema import Recipe

_MOST_CATEGORIES = 100
_DEVIATIONS = 4  # of the share of missing values in a split, by chance

_HEADER = """\
# The schema of {name}, written by `trainyard schema infer` from {rows:,} rows of {source}.
# A person reviews it: are these all the values there may be? Is every range right? May a
# value be missing? Whatever in new data does not fit stops the run.
"""


def infer(recipe: Recipe) -> str:
    """Writes a schema from a recipe's whole data, to be reviewed and kept.

    Args:
        recipe: A resolved recipe; a schema that it names is not looked at.

    Returns:
        The schema as text, each column under a comment that says what was seen.

    Raises:
        DataError: The data cannot be read.
        RecipeError: The label cannot be had from the columns.
    """
    import tensorflow_data_validation as tfdv

    statistics = _statistics(recipe)
    seen = {feature.path.step[0]: feature for feature in statistics.datasets[0].features}
    rows = statistics.datasets[0].num_examples
    inferred = tfdv.infer_schema(
        statistics, infer_feature_shape=False, max_string_domain_size=_MOST_CATEGORIES
    )
    domains = {domain.name: domain for domain in inferred.string_domain}
    blocks = [
        _HEADER.format(name=recipe.name, source=_source(recipe), rows=rows),
        *(
            _block(_curate(feature, seen[feature.name], domains, recipe), seen[feature.name])
            for feature in inferred.feature
        ),
    ]
    return "\n".join(blocks)


def _source(recipe: Recipe) -> str:
    return recipe.data.dataset or Path(recipe.data.path or "").name


def _statistics(recipe: Recipe) -> Any:
    """TFDV's statistics of all rows, block by block, without Beam."""
    from tfx_bsl.arrow import table_util

    from trainyard.components.statistics_gen.options import options
    from trainyard.components.statistics_gen.tfdv_combiners import Statistics

    statistics = Statistics(options(recipe.data, num_top_values=1, num_rank_histogram_buckets=1000))
    for block in _labelled_blocks(recipe):
        statistics.add(table_util.CanonicalizeRecordBatch(block.batch))
        report("looking at the data", block.fraction)
    return statistics.result()


def _labelled_blocks(recipe: Recipe) -> Iterator[Block]:
    data = recipe.data.model_copy(update={"schema_file": "infer"})
    files = input_splits.find(data)
    types, numbers, _ = reader.survey(data, files)
    narrowing = Narrowing.of(data, recipe.labels, recipe.features, types, numbers)
    names = texts.columns(data, images.columns(data, types))
    left_out.check(data, recipe.labels, names, f"({files[0]})")
    blocks = images.blocks(data, reader.blocks(data, files, types))
    for block, _ in parallel.mapped(partial(images.append, data), blocks):
        block = left_out.labelled(data, recipe.labels, texts.append(data, block))[0]
        yield narrowing.narrowed(block)


def _curate(
    feature: schema_pb2.Feature, seen: Any, domains: dict[str, Any], recipe: Recipe
) -> schema_pb2.Feature:
    """Turns what TFDV inferred into what may be asked of new data."""
    share = _present(seen)
    tasks = [head.task for head in recipe.heads.values() if head.label.name == feature.name]
    if share == 1 or tasks:
        feature.presence.min_fraction = 1.0
        # A dense feature: a third of the nodes, and of the time, in Transform.
        feature.shape.dim.add(size=1)
    else:
        feature.presence.min_fraction = _least(share, _smallest(recipe, _rows(seen)))
    feature.presence.min_count = 1
    if feature.HasField("domain"):
        feature.string_domain.value[:] = domains[feature.domain].value
    elif seen.HasField("num_stats"):
        _bound(feature, seen.num_stats, "binary" in tasks)
    return feature


def _least(share: float, rows: int) -> float:
    """Returns in what share of some rows there are values, by chance too, if they are in `share`.

    Args:
        share: Of all rows.
        rows: How many some are.
    """
    by_chance = _DEVIATIONS * math.sqrt(share * (1 - share) / max(rows, 1))
    return max(int(100 * min(0.9 * share, share - by_chance)), 0) / 100


def _smallest(recipe: Recipe, rows: int) -> int:
    """Returns how many of the rows the smallest split has."""
    shares = recipe.data.split.buckets.values()
    return rows * min(shares) // sum(shares)


def _bound(feature: schema_pb2.Feature, numbers: Any, is_flag: bool) -> None:
    """Bounds by what holds in general: what was never negative, and what is 0 or 1."""
    domain = feature.int_domain if feature.type == schema_pb2.INT else feature.float_domain
    if numbers.min >= 0:
        domain.min = 0
    if is_flag:
        domain.max = 1


def _block(feature: schema_pb2.Feature, seen: Any) -> str:
    body = text_format.MessageToString(feature, indent=2, as_utf8=True)
    return f"# {_remark(seen)}\nfeature {{\n{body}}}\n"


def _remark(seen: Any) -> str:
    missing = 1 - _present(seen)
    words = f"; {missing:.1%} missing" if missing else ""
    if seen.HasField("num_stats"):
        return f"Seen: {seen.num_stats.min:.6g} to {seen.num_stats.max:.6g}{words}."
    if seen.HasField("bytes_stats"):
        return f"Of {seen.bytes_stats.avg_num_bytes:,.0f} bytes on average{words}."
    return f"Different values seen: {seen.string_stats.unique:,}{words}."


def _present(seen: Any) -> float:
    """The share of the rows that have a value."""
    return float(_common(seen).num_non_missing / max(1, _rows(seen)))


def _rows(seen: Any) -> int:
    return int(_common(seen).num_non_missing + _common(seen).num_missing)


def _common(seen: Any) -> Any:
    return getattr(seen, seen.WhichOneof("stats")).common_stats
