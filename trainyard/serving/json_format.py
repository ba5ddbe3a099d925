"""TensorFlow Serving's JSON: requests in rows and columns, classify and regress, and answers.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format as protobuf_json
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from trainyard.serving import json_tensors, tensors
from trainyard.serving.errors import ServingError, invalid_argument
from trainyard.serving.json_tensors import is_base64, shown, type_name, utf8
from trainyard.serving.model import Signature

# What the values of a feature become, by the first of them.
_FEATURES = {
    str: ("bytes_list", tf.string),
    dict: ("bytes_list", tf.string),
    float: ("float_list", tf.float32),
    int: ("int64_list", tf.int64),
}


def parse(body: bytes) -> dict[str, Any]:
    """Reads a request's body.

    Args:
        body: JSON in UTF-8; NaN, Infinity and -Infinity are numbers.

    Raises:
        ServingError: It is no JSON object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except RecursionError:
        raise invalid_argument("JSON Parse error: nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise invalid_argument(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {shown(document)} Is not object")
    return document


def signature_name(document: dict[str, Any]) -> str:
    """Returns which signature a request asks for; empty if it does not say."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {shown(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    utf8(name)
    return name


def fill_predict(
    document: dict[str, Any], signature: Signature, request: predict_pb2.PredictRequest
) -> bool:
    """Fills a PredictRequest's inputs.

    Args:
        document: The parsed body.
        signature: Names and types of the inputs.
        request: What is filled.

    Returns:
        Whether the answer is to be in rows.

    Raises:
        ServingError: The values do not fit the signature.
    """
    rows = "instances" in document
    if rows and "inputs" in document:
        raise invalid_argument(
            f"JSON Value: {shown(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if not rows and "inputs" not in document:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {signature.name}")
    read = _of_rows if rows else _of_columns
    for name, value in read(document["instances" if rows else "inputs"], signature).items():
        try:
            array = json_tensors.array(value, signature.inputs[name].kind)
        except ServingError as error:
            raise invalid_argument(f"input {name}: {error.message}") from None
        tensors.to_proto(array, request.inputs[name])
    return rows


def _of_rows(instances: Any, signature: Signature) -> dict[str, Any]:
    if not isinstance(instances, list):
        raise invalid_argument(
            f"JSON Value: {shown(instances)} Excepting 'instances' to be an list/array"
        )
    if not instances:
        raise invalid_argument("JSON Value: [] No values in 'instances' array")
    first, *others = signature.inputs
    objects = _is_object(instances[0])
    if not objects and others:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input "
            "tensors required as per tensorinfo_map"
        )
    for number, item in enumerate(instances):
        if _is_object(item) != objects:
            expected, got = ("object", "list") if objects else ("value/list", "object")
            raise invalid_argument(
                f"Expecting {expected} but got {got} at item {number} of input list"
            )
        if objects and item.keys() != signature.inputs.keys():
            raise invalid_argument(
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{shown(item)} keys must be equal to: {','.join(signature.inputs)}"
            )
    if objects:
        return {name: [item[name] for item in instances] for name in signature.inputs}
    return {first: instances}


def _of_columns(inputs: Any, signature: Signature) -> dict[str, Any]:
    first, *others = signature.inputs
    if not _is_object(inputs):
        if others:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input "
                "tensors required as per tensorinfo_map"
            )
        return {first: inputs}
    for name in signature.inputs:
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: inputs[name] for name in signature.inputs}


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def predictions(response: predict_pb2.PredictResponse, *, rows: bool) -> bytes:
    """Writes a PredictResponse.

    Args:
        response: The answer.
        rows: As `predictions`, a row each; else as `outputs`, a column each.

    Raises:
        ServingError: The outputs have different numbers of rows.
    """
    columns = {
        name: json_tensors.listed(name, proto) for name, proto in sorted(response.outputs.items())
    }
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if not rows:
        return _written({"outputs": columns if only is None else only})
    for name, column in columns.items():
        if not isinstance(column, list):
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise invalid_argument(f"Tensors have inconsistent batch sizes: {sizes}")
    if only is not None:
        return _written({"predictions": only})
    entries = zip(*columns.values(), strict=True)
    return _written({"predictions": [dict(zip(columns, entry, strict=True)) for entry in entries]})


def _written(document: Any) -> bytes:
    return json.dumps(document).encode()


def error(message: str) -> bytes:
    """Writes an error."""
    return _written({"error": message})


def fill_examples(document: dict[str, Any], request: Any) -> None:
    """Fills a ClassificationRequest or RegressionRequest.

    Args:
        document: The parsed body.
        request: What is filled.

    Raises:
        ServingError: The examples are none.
    """
    listed = request.input.example_list
    if "context" in document:
        listed = request.input.example_list_with_context
        _fill_example(document["context"], listed.context)
    examples = document.get("examples")
    if not isinstance(examples, list) or not examples:
        wrong = "was not found" if "examples" not in document else "is no list with an example"
        raise invalid_argument(
            f"JSON Value: {shown(document)} When method is classify or regress, key 'examples' "
            f"is expected and {wrong}"
        )
    for item in examples:
        _fill_example(item, listed.examples.add())


def _fill_example(value: Any, example: example_pb2.Example) -> None:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {type_name(value)}")
    example.SetInParent()
    for name, content in value.items():
        utf8(name)
        values = content if isinstance(content, list) else [content]
        try:
            _fill_feature(values, example.features.feature[name])
        except ServingError as error:
            raise invalid_argument(f"Feature: {name} {error.message}") from None


def _fill_feature(values: list[Any], feature: example_pb2.Feature) -> None:
    values = [int(value) if isinstance(value, bool) else value for value in values]
    for value in values:
        if type(value) not in _FEATURES:
            raise invalid_argument(f"has element with unexpected JSON type: {type_name(value)}")
    kinds = {_FEATURES[type(value)]: None for value in values}  # in their order
    if len(kinds) > 1:
        expected = next(iter(kinds))[0].removesuffix("_list")
        raise invalid_argument(f"has values of several types, expecting type: {expected}")
    for field, kind in kinds:
        getattr(feature, field).value.extend(json_tensors.array(values, kind).tolist())


def classification(response: classification_pb2.ClassificationResponse) -> bytes:
    """Writes a ClassificationResponse: for each example, pairs of label and score."""
    return _written(
        {
            "results": [
                [[entry.label, _short(entry.score)] for entry in row.classes]
                for row in response.result.classifications
            ]
        }
    )


def regression(response: regression_pb2.RegressionResponse) -> bytes:
    """Writes a RegressionResponse: a number an example."""
    return _written({"results": [_short(row.value) for row in response.result.regressions]})


def _short(value: float) -> float:
    return float(str(np.float32(value)))


def status(response: get_model_status_pb2.GetModelStatusResponse) -> bytes:
    """Writes a GetModelStatusResponse."""
    return _written(_dictionary(response))


def _dictionary(message: Any) -> Any:
    return protobuf_json.MessageToDict(
        message, including_default_value_fields=True, preserving_proto_field_name=True
    )


def metadata(response: get_model_metadata_pb2.GetModelMetadataResponse) -> bytes:
    """Writes a GetModelMetadataResponse, its signatures unpacked."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    described = {"signature_def": _dictionary(signatures)}
    return _written({"model_spec": _dictionary(response.model_spec), "metadata": described})
