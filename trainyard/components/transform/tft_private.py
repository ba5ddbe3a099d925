"""All that Transform uses of TensorFlow Transform's private side, as of version 1.16.0.

TFT has no public way to analyze without Beam. What is borrowed here: tracing a
preprocessing_fn with some analyzers' results in place, the graph of analyzer
nodes behind its tensors, and what writes the SavedModel and the inferred schema.
Names of tensors tie the results of one trace to the placeholders of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import (
    analyzer_nodes,
    analyzers,
    annotators,
    graph_context,
    graph_tools,
    impl_helper,
    nodes,
    tf2_utils,
    tf_utils,
)
from tensorflow_transform.beam import analyzer_impls
from tensorflow_transform.saved import saved_transform_io_v2
from tensorflow_transform.tf_metadata import dataset_metadata

VERSION = "1.16.0"

PreprocessingFn = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Tensors = Mapping[str, Any]
"""Tensors, SparseTensors or RaggedTensors by name."""

Accumulate = analyzer_nodes.CacheableCombineAccumulate
Merge = analyzer_nodes.CacheableCombineMerge
Extract = analyzer_nodes.ExtractCombineMergeOutputs
Source = analyzer_nodes.TensorSource
VocabularyAccumulate = analyzer_nodes.VocabularyAccumulate
VocabularyMerge = analyzer_nodes.VocabularyMerge
VocabularyPrune = analyzer_nodes.VocabularyPrune
VocabularyCount = analyzer_nodes.VocabularyCount
VocabularyWrite = analyzer_nodes.VocabularyOrderAndWrite
ReservedTokens = analyzer_nodes.ExtractVocabularyReservedTokens
Operation: TypeAlias = Any
"""A node of an analyzer, one of the kinds above or another."""

Sink: TypeAlias = Any
"""A tensor that takes an analyzer's result: `tensor`, and the node's output `future`."""

FREQUENCY = analyzers._VocabOrderingType.FREQUENCY
WEIGHTED_FREQUENCY = analyzers._VocabOrderingType.WEIGHTED_FREQUENCY

vocabulary_or_dummy = analyzer_impls.maybe_add_empty_vocabulary_dummy
"""Returns `(count, token)` pairs, one made up if there is none."""

line_with_count = analyzer_impls._count_and_token_to_bytes


class Traced:
    """One trace of a preprocessing_fn, the results of earlier phases in place.

    Args:
        function: The preprocessing_fn.
        specs: The type of each raw column.
        results: Analyzers' results so far, by the name of the tensor that takes each.
        folder: For temporary files; has to outlive this object.
    """

    def __init__(
        self,
        function: PreprocessingFn,
        specs: Mapping[str, tf.TypeSpec],
        results: Mapping[str, tf.Tensor],
        folder: Path,
    ) -> None:
        self._function, self._results, self._folder = function, dict(results), str(folder)
        self._module = tf.Module()
        transform = impl_helper.get_traced_transform_fn(
            function, specs, self._context(self._module)
        )
        # The module keeps the tables alive that the graph looks things up in.
        self._concrete = saved_transform_io_v2.trace_and_update_module(
            self._module, transform, "transform_fn", strip_control_dependencies=False
        )
        self.graph: tf.Graph = self._concrete.graph
        self.inputs: Tensors = tf2_utils.get_structured_inputs_from_func_graph(self.graph)
        self.outputs: Tensors = self._concrete.structured_outputs

    def _context(self, module: tf.Module) -> Any:
        return graph_context.TFGraphContext(module, self._folder, self._results)

    @property
    def sinks(self) -> Sequence[Sink]:
        """Whatever has no result yet."""
        pending: Sequence[Sink] = self.graph.get_collection(analyzer_nodes.TENSOR_REPLACEMENTS)
        return pending

    def ready(self) -> list[Sink]:
        """Returns those sinks whose analyzers depend on no other analyzer's result."""
        pending = [(tf_utils.hashable_tensor_or_op(sink.tensor), False) for sink in self.sinks]
        analyzer = graph_tools.InitializableGraphAnalyzer(self.graph, self.inputs, pending)
        traverser = nodes.Traverser(_Ready(analyzer))
        return [sink for sink in self.sinks if traverser.visit_value_node(sink.future)]

    def columns_for(self, tensors: Sequence[tf.Tensor] | Tensors) -> list[str]:
        """Returns the raw columns that tensors of this graph depend on."""
        return list(graph_tools.get_dependent_inputs(self.graph, self.inputs, tensors))

    def function_to(
        self, columns: Sequence[str], fetches: Sequence[Sequence[tf.Tensor]]
    ) -> Callable[..., Any]:
        """Returns a function from some columns' tensors, flat, to tensors of this graph."""
        from tensorflow.python.eager import wrap_function

        variables = wrap_function.VariableHolder(share_variables=True)
        feeds = tf.nest.flatten([self.inputs[name] for name in columns], expand_composites=True)
        wrapped = wrap_function.WrappedFunction(self.graph, variables)
        pruned: Callable[..., Any] = wrapped.prune(feeds=feeds, fetches=[list(f) for f in fetches])
        return pruned

    def reserved_tokens(self, name: str) -> list[bytes]:
        """Returns the tokens that come first in a vocabulary, whatever the data."""
        return list(tf_utils.fetch_vocabulary_reserved_tokens(self.graph, name))

    def fingerprint(self) -> Mapping[str, Any]:
        """Describes the analyzers, to be held against another trace's."""
        described: Mapping[str, Any] = graph_tools.get_analyzers_fingerprint(
            self.graph, self.inputs
        )
        return described

    def check(self, fingerprint: Mapping[str, Any]) -> None:
        """Raises RuntimeError if another trace had other analyzers or another order."""
        impl_helper._validate_analyzers_fingerprint(fingerprint, self.graph, self.inputs)

    def assets(self) -> dict[str, str]:
        """Returns the vocabularies' files by key."""
        annotated: dict[str, str] = annotators.get_asset_annotations(self.graph)
        return annotated

    def save(self, folder: Path) -> dataset_metadata.DatasetMetadata:
        """Writes the SavedModel.

        Args:
            folder: Where to.

        Returns:
            The schema of the transformed features; this traces once more.
        """
        tf.saved_model.save(self._module, str(folder))
        return impl_helper._trace_and_get_metadata(
            self._concrete, self.inputs, self._function, self._folder, self._results
        )


class _Ready(nodes.Visitor):  # type: ignore[misc]  # TFT is not typed
    def __init__(self, analyzer: Any) -> None:
        self._analyzer = analyzer

    def visit(self, operation: Operation, inputs: tuple[bool, ...]) -> tuple[bool, ...]:
        if isinstance(operation, Source):
            inputs = tuple(self._analyzer.ready_to_run(tensor) for tensor in operation.tensors)
        outputs: int = operation.num_outputs
        return (all(inputs),) * outputs

    def validate_value(self, value: bool) -> None:
        del value


class _Evaluation(nodes.Visitor):  # type: ignore[misc]  # TFT is not typed
    def __init__(self, evaluate: Callable[[Operation, tuple[Any, ...]], tuple[Any, ...]]) -> None:
        self._evaluate = evaluate

    def visit(self, operation: Operation, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return self._evaluate(operation, inputs)

    def validate_value(self, value: Any) -> None:
        del value


def evaluate(
    sinks: Sequence[Sink], function: Callable[[Operation, tuple[Any, ...]], tuple[Any, ...]]
) -> list[Any]:
    """Calls a function once for every node behind some sinks, inputs first.

    Args:
        sinks: Where to begin.
        function: From a node and its inputs' values to its outputs' values.

    Returns:
        Each sink's value.
    """
    traverser = nodes.Traverser(_Evaluation(function))
    return [traverser.visit_value_node(sink.future) for sink in sinks]


def saved_transform(folder: Path) -> Callable[[Tensors], Tensors]:
    """Loads a transform graph's SavedModel as a function of raw columns; some may be left out."""
    loader = saved_transform_io_v2.SavedModelLoader(str(folder))
    apply: Callable[[Tensors], Tensors] = loader.apply_transform_model
    return apply


def to_arrow(schema: schema_pb2.Schema) -> Callable[[Tensors], pa.RecordBatch]:
    """Returns what turns transformed tensors into columns of lists."""
    convert: Callable[[Tensors], pa.RecordBatch] = impl_helper.make_tensor_to_arrow_converter(
        schema
    ).convert
    return convert
