"""TFMA's slices with texts for values, without those that have too few examples, and faster.

TFMA compares a slice's value with a threshold's by type: the 32-bit float 0.1 of an
example is not the 0.1 of a recipe. Here both are `raw_values.stored_text`.

TFMA has `min_slice_size` itself, but reports a slice that is too small as an
error without metrics, and its validator takes every threshold of every other
slice as missed there: one rare category, and no model is ever blessed.

TFMA also takes batches of examples apart feature by feature: what no slice is made of
goes before.

The Evaluator gets this file by `module_path="trainyard.components.evaluator.beam_slices"`
and calls `custom_extractors`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.extractors.slice_key_extractor import (
    SLICE_KEY_EXTRACTOR_STAGE_NAME,
)
from tensorflow_model_analysis.extractors.unbatch_extractor import UNBATCH_EXTRACTOR_STAGE_NAME
from tensorflow_model_analysis.slicer import slicer_lib

from trainyard.components.evaluator import slice_keys

Extracts = dict[str, Any]


def custom_extractors(
    eval_shared_model: Any, eval_config: Any, tensor_adapter_config: Any
) -> list[Any]:
    """Returns TFMA's extractors, with these slices.

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
    return with_slices(stock, eval_config)


def with_slices(extractors: Sequence[Any], eval_config: Any) -> list[Any]:
    """Changes what the extractors of single examples and of slice keys do, under the same names.

    The evaluator runs right after the stage of slice keys, so a stage of its own
    would come too late.

    Args:
        extractors: TFMA extractors.
        eval_config: As `custom_extractors` takes it.
    """
    smallest = eval_config.options.min_slice_size.value
    changed: dict[str, Callable[[beam.PTransform], beam.PTransform]] = {
        UNBATCH_EXTRACTOR_STAGE_NAME: partial(_Unbatched, columns=_columns(eval_config)),
        SLICE_KEY_EXTRACTOR_STAGE_NAME: partial(_Slices, smallest=smallest),
    }
    return [
        each._replace(ptransform=changed[each.stage_name](each.ptransform))
        if each.stage_name in changed
        else each
        for each in extractors
    ]


def _columns(eval_config: Any) -> frozenset[str]:
    specs = eval_config.slicing_specs
    return frozenset(name for spec in specs for name in (*spec.feature_keys, *spec.feature_values))


class _Unbatched(beam.PTransform):  # type: ignore[misc]
    """Takes batches apart, of whose features only some are kept."""

    def __init__(self, unbatch: beam.PTransform, columns: frozenset[str]) -> None:
        super().__init__()
        self._unbatch = unbatch
        self._columns = columns

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        return extracts | "Columns" >> beam.Map(_with_only, self._columns) | self._unbatch


def _with_only(extracts: Extracts, columns: frozenset[str]) -> Extracts:
    features = extracts[tfma.FEATURES_KEY]
    kept = {name: values for name, values in features.items() if name in columns}
    rest = {name: each for name, each in extracts.items() if name != tfma.INPUT_KEY}
    return {**rest, tfma.FEATURES_KEY: kept}


class _Slices(beam.PTransform):  # type: ignore[misc]
    """Extracts slice keys, writes them as texts, and drops those with too few examples."""

    def __init__(self, extract: beam.PTransform, smallest: int) -> None:
        super().__init__()
        self._extract = extract
        self._smallest = smallest

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        keyed = extracts | "Extract" >> self._extract | "Texts" >> beam.Map(_with_texts)
        if self._smallest <= 1:
            return keyed
        rare = (
            keyed
            | "SliceKeys" >> beam.FlatMap(_slice_keys)
            | "Count" >> beam.combiners.Count.PerElement()
            | "Rare" >> beam.Filter(lambda counted, smallest: counted[1] < smallest, self._smallest)
            | "Keys" >> beam.Keys()
        )
        return keyed | "Drop" >> beam.Map(_without, beam.pvalue.AsList(rare))


def _with_texts(extracts: Extracts) -> Extracts:
    keys = extracts[tfma.SLICE_KEY_TYPES_KEY]
    texts = dict.fromkeys(text for key in keys if (text := slice_keys.as_texts(key)) is not None)
    return _replaced(extracts, [*texts])


def _slice_keys(extracts: Extracts) -> list[Any]:
    """The keys of an example's slices, but that of all rows, which always stays."""
    return [key for key in extracts[tfma.SLICE_KEY_TYPES_KEY] if key != ()]


def _without(extracts: Extracts, rare: list[Any]) -> Extracts:
    dropped = set(rare)
    kept = [key for key in extracts[tfma.SLICE_KEY_TYPES_KEY] if key not in dropped]
    return _replaced(extracts, kept)


def _replaced(extracts: Extracts, keys: list[Any]) -> Extracts:
    return {**extracts, tfma.SLICE_KEY_TYPES_KEY: slicer_lib.slice_keys_to_numpy_array(keys)}
