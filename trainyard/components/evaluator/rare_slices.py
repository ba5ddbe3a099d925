"""Leaves slices with too few examples out of the evaluation, before it is computed.

TFMA has `min_slice_size` itself, but reports a slice that is too small as an
error without metrics, and its validator takes every threshold of every other
slice as missed there: one rare category, and no model is ever blessed.

The Evaluator gets this file by `module_path="trainyard.components.evaluator.rare_slices"`
and calls `custom_extractors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.extractors.slice_key_extractor import (
    SLICE_KEY_EXTRACTOR_STAGE_NAME,
)
from tensorflow_model_analysis.slicer import slicer_lib

Extracts = dict[str, Any]


def custom_extractors(
    eval_shared_model: Any, eval_config: Any, tensor_adapter_config: Any
) -> list[Any]:
    """Returns TFMA's extractors, without rare slices.

    Args:
        eval_shared_model: The model or models.
        eval_config: The evaluation's configuration; `options.min_slice_size` is what counts.
        tensor_adapter_config: How tensors come from Arrow batches.
    """
    stock = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    return without_rare_slices(stock, eval_config.options.min_slice_size.value)


def without_rare_slices(extractors: Sequence[Any], smallest: int) -> list[Any]:
    """Puts the filter behind the extractor of slice keys, under the same stage name.

    The evaluator runs right after the stage of that name, so a stage of its own
    would come too late.

    Args:
        extractors: TFMA extractors.
        smallest: The least number of examples in a slice; up to 1, nothing is done.
    """
    if smallest <= 1:
        return list(extractors)
    return [
        extractor._replace(ptransform=_Filtered(extractor.ptransform, smallest))
        if extractor.stage_name == SLICE_KEY_EXTRACTOR_STAGE_NAME
        else extractor
        for extractor in extractors
    ]


class _Filtered(beam.PTransform):  # type: ignore[misc]
    """Extracts slice keys, then takes out those with fewer examples than `smallest`."""

    def __init__(self, extract: beam.PTransform, smallest: int) -> None:
        super().__init__()
        self._extract = extract
        self._smallest = smallest

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        keyed = extracts | "Extract" >> self._extract
        rare = (
            keyed
            | "SliceKeys" >> beam.FlatMap(_slice_keys)
            | "Count" >> beam.combiners.Count.PerElement()
            | "Rare" >> beam.Filter(lambda counted, smallest: counted[1] < smallest, self._smallest)
            | "Keys" >> beam.Keys()
        )
        return keyed | "Drop" >> beam.Map(_without, beam.pvalue.AsList(rare))


def _slice_keys(extracts: Extracts) -> list[Any]:
    """The keys of an example's slices, but that of all rows, which always stays."""
    return [key for key in extracts[tfma.SLICE_KEY_TYPES_KEY] if key != ()]


def _without(extracts: Extracts, rare: list[Any]) -> Extracts:
    dropped = set(rare)
    kept = [key for key in extracts[tfma.SLICE_KEY_TYPES_KEY] if key not in dropped]
    return {**extracts, tfma.SLICE_KEY_TYPES_KEY: slicer_lib.slice_keys_to_numpy_array(kept)}
