"""If one of these fails after an upgrade, tft_private.py has to be read again against TFT."""

from __future__ import annotations

import importlib.metadata
import inspect

import pytest
import tensorflow_transform
from tensorflow_transform import analyzer_nodes, graph_context, graph_tools, impl_helper
from tensorflow_transform.saved import saved_transform_io_v2

from trainyard.components.transform import tft_private


def test_the_version_is_the_one_that_was_read():
    assert importlib.metadata.version("tensorflow-transform") == tft_private.VERSION
    assert tensorflow_transform.__version__ == tft_private.VERSION


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (
            impl_helper.get_traced_transform_fn,
            "preprocessing_fn input_signature tf_graph_context output_keys_to_name_map",
        ),
        (
            impl_helper._trace_and_get_metadata,
            "concrete_transform_fn structured_inputs preprocessing_fn base_temp_dir "
            "tensor_replacement_map",
        ),
        (
            impl_helper._validate_analyzers_fingerprint,
            "baseline_analyzers_fingerprint graph structured_inputs",
        ),
        (
            saved_transform_io_v2.trace_and_update_module,
            "module tf_function name strip_control_dependencies",
        ),
        (
            graph_context.TFGraphContext,
            "module_to_export temp_dir evaluated_replacements",
        ),
        (
            graph_tools.InitializableGraphAnalyzer,
            "graph input_signature replaced_tensors_ready translate_path_fn",
        ),
        (graph_tools.get_dependent_inputs, "graph input_tensors output_tensors"),
        (tft_private.vocabulary_or_dummy, "counts dtype"),
        (tft_private.line_with_count, "count token"),
    ],
)
def test_the_parameters(function, parameters):
    assert list(inspect.signature(function).parameters) == parameters.split()


@pytest.mark.parametrize(
    ("node", "fields"),
    [
        (tft_private.Source, "tensors label"),
        (tft_private.Accumulate, "combiner label"),
        (tft_private.Merge, "combiner label"),
        (tft_private.Extract, "output_tensor_info_list label"),
        (tft_private.VocabularyAccumulate, "vocab_ordering_type input_dtype label"),
        (
            tft_private.VocabularyMerge,
            "vocab_ordering_type use_adjusted_mutual_info min_diff_from_avg label",
        ),
        (
            tft_private.VocabularyPrune,
            "top_k frequency_threshold informativeness_threshold coverage_top_k "
            "coverage_frequency_threshold coverage_informativeness_threshold key_fn input_dtype "
            "label",
        ),
        (tft_private.VocabularyCount, "label"),
        (
            tft_private.VocabularyWrite,
            "vocab_filename store_frequency input_dtype label fingerprint_shuffle file_format "
            "input_is_sorted",
        ),
        (tft_private.ReservedTokens, "name label"),
        (analyzer_nodes.TensorSink, "tensor future is_asset_filepath"),
    ],
)
def test_the_fields_of_the_nodes(node, fields):
    assert list(node._fields) == fields.split()


def test_a_combiner_has_the_steps_that_are_called():
    steps = {"create_accumulator", "add_input", "merge_accumulators", "compact", "extract_output"}
    assert steps <= set(dir(analyzer_nodes.Combiner))
