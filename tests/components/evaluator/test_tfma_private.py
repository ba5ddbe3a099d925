"""Fails when TFMA's private interfaces are no longer those of the pinned version."""

from __future__ import annotations

import inspect

import pytest
import tensorflow_model_analysis as tfma

from trainyard.components.evaluator import tfma_private as private

COMBINERS = {
    "CalibrationHistogram": "key eval_config aggregation_type class_weights example_weighted "
    "num_buckets left right prediction_based_bucketing fractional_labels",
    "ConfusionMatrix": "key eval_config thresholds extract_label_prediction_and_weight "
    "example_id_key example_ids_count aggregation_type class_weights example_weighted "
    "enable_fractional_labels",
    "ClassConfusionMatrix": "key eval_config example_weighted thresholds "
    "extract_label_prediction_and_weight",
    "ExampleCount": "model_name output_name keys example_weighted",
    "Totals": "key eval_config aggregation_type class_weights example_weighted",
}


def test_the_version_is_the_pinned_one():
    assert tfma.VERSION_STRING == private.VERSION


@pytest.mark.parametrize("name", COMBINERS)
def test_combiners_have_the_options_that_are_checked(name):
    parameters = list(inspect.signature(getattr(private, name).__init__).parameters)
    assert parameters == ["self", *COMBINERS[name].split()]


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (private.stock._filter_and_separate_computations, "computations"),
        (private.stock._remove_private_metrics, "slice_key metrics"),
        (private.stock._is_private_metrics, "metric_key"),
        (private.stock._is_metric_diffable, "metric_value"),
        (private.stock._filter_by_key_type, "sliced_metrics_plots_attributions key_type"),
        (private._stock_validate, "sliced_metrics eval_config"),
        (private.writer.convert_slice_metrics_to_proto, "metrics add_metrics_callbacks"),
        (private.writer.convert_slice_plots_to_proto, "plots add_metrics_callbacks"),
        (private.writer.convert_slice_attributions_to_proto, "attributions"),
        (private.writer.CombineValidations, "eval_config rubber_stamp"),
        (
            private.eval_config_writer._serialize_eval_run,
            "eval_config data_location file_format model_locations",
        ),
    ],
)
def test_functions_take_what_they_took(function, parameters):
    assert list(inspect.signature(function).parameters) == parameters.split()


def test_the_separated_computations_have_the_four_kinds():
    assert private.stock.MetricComputations._fields == (
        "non_derived_computations",
        "derived_computations",
        "cross_slice_computations",
        "ci_derived_computations",
    )
