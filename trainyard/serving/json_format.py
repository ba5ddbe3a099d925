"""TensorFlow Serving's JSON: rows and columns, base64, classify and regress.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format as protobuf_json
from tensorflow.core.example import example_pb2
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from trainyard.serving import tensors
from trainyard.serving.errors import ServingError, invalid_argument
from trainyard.serving.model import Signature
from trainyard.serving.tensors import Array

_SHOWN = 200  # characters of a wrong value in an error
_INT64 = range(-(2**63), 2**63)


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
        document = json.loads(body)
    except RecursionError:
        raise invalid_argument("JSON Parse error: nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise invalid_argument(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {_shown(document)} Is not object")
    return document


def signature_name(document: dict[str, Any]) -> str:
    """Returns which signature a request asks for; empty if it does not say."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {_shown(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
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
            f"JSON Value: {_shown(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if not rows and "inputs" not in document:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    columns = (
        _of_rows(document["instances"], signature)
        if rows
        else _of_columns(document["inputs"], signature)
    )
    for name, value in columns.items():
        try:
            tensors.to_proto(_array(value, signature.inputs[name].kind), request.inputs[name])
        except ServingError as error:
            raise invalid_argument(f"input {name}: {error.message}") from None
    return rows


def _of_rows(instances: Any, signature: Signature) -> dict[str, Any]:
    if not isinstance(instances, list):
        raise invalid_argument(
            f"JSON Value: {_shown(instances)} Excepting 'instances' to be an list/array"
        )
    if not instances:
        raise invalid_argument("JSON Value: [] No values in 'instances' array")
    names = list(signature.inputs)
    objects = _is_object(instances[0])
    if not objects and len(names) > 1:
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
                f"{_shown(item)} keys must be equal to: {','.join(names)}"
            )
    if objects:
        return {name: [item[name] for item in instances] for name in names}
    return {names[0]: instances}


def _of_columns(inputs: Any, signature: Signature) -> dict[str, Any]:
    names = list(signature.inputs)
    if not _is_object(inputs):
        if len(names) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input "
                "tensors required as per tensorinfo_map"
            )
        return {names[0]: inputs}
    for name in names:
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: inputs[name] for name in names}


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _array(value: Any, kind: tf.DType) -> Array:
    """Makes a tensor of nested lists, level by level: no depth can exhaust the stack."""
    shape: list[int] = []
    leaves = [value]
    while leaves and isinstance(leaves[0], list):
        size = len(leaves[0])
        for item in leaves:
            if not isinstance(item, list):
                raise invalid_argument(
                    f"JSON Value: {_shown(item)} found at incorrect level: {len(shape) + 1}"
                )
            if len(item) != size:
                raise invalid_argument(
                    f"Encountered list at unexpected size: {len(item)} at level: {len(shape)} "
                    f"expected size: {size}"
                )
        shape.append(size)
        leaves = [leaf for item in leaves for leaf in item]
        if len(shape) > 32:
            raise invalid_argument("Encountered list at unexpected level: 32 expected < 32")
    return _typed(leaves, kind).reshape(shape)


def _typed(leaves: list[Any], kind: tf.DType) -> Array:
    if kind == tf.string:
        array = np.empty(len(leaves), object)
        array[:] = [_bytes(leaf) for leaf in leaves]
        return array
    allowed = _allowed(kind)
    # Exact types: to Python, True is the whole number 1.
    if not {type(leaf) for leaf in leaves} <= allowed:
        wrong = next(leaf for leaf in leaves if type(leaf) not in allowed)
        if isinstance(wrong, list):
            raise invalid_argument("Encountered list at unexpected level")
        raise _type_error(wrong, kind)
    try:
        if kind.is_floating:
            return _floats(leaves, kind)
        # Through object: of a list, NumPy 1 lets a number that is too large overflow.
        whole = np.array(leaves, object)
        if kind.is_integer and not np.all((whole >= kind.min) & (whole <= kind.max)):
            raise OverflowError
        return whole.astype(kind.as_numpy_dtype)
    except (OverflowError, ValueError):
        raise _type_error(leaves, kind) from None


def _allowed(kind: tf.DType) -> set[type]:
    if kind == tf.bool:
        return {bool}
    if kind.is_floating:
        return {int, float}
    if kind.is_integer:
        return {int}
    raise invalid_argument(f"Conversion of JSON Value to type: {kind.name} is not implemented")


def _floats(leaves: list[Any], kind: tf.DType) -> Array:
    exact = np.array(leaves, np.float64)
    with np.errstate(over="ignore"):
        array = exact.astype(kind.as_numpy_dtype)
    lost = np.isinf(array) & ~np.isinf(exact)
    if lost.any():
        value = leaves[int(lost.argmax())]
        raise invalid_argument(
            f"Cannot convert JSON value: {_shown(value)} to {kind.name} without loss of precision."
        )
    return array


def _bytes(leaf: Any) -> bytes:
    if isinstance(leaf, str):
        return leaf.encode("utf-8", "surrogatepass")
    if _is_base64(leaf):
        return _decoded(leaf["b64"])
    if isinstance(leaf, dict):
        raise invalid_argument(
            f"JSON Value: {_shown(leaf)} not formatted correctly for base64 data"
        )
    raise _type_error(leaf, tf.string)


def _decoded(text: str) -> bytes:
    try:
        padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None


def _type_error(value: Any, kind: tf.DType) -> ServingError:
    return invalid_argument(
        f"JSON Value: {_shown(value)} Type: {_type_name(value)} "
        f"is not of expected type: {kind.name}"
    )


def _type_name(value: Any) -> str:
    names = {dict: "Object", list: "Array", str: "String", type(None): "Null"}
    if isinstance(value, bool):
        return str(value)
    return names.get(type(value), "Number")


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, default=str)
    except (RecursionError, ValueError):
        return "..."
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def predictions(response: predict_pb2.PredictResponse, *, rows: bool) -> bytes:
    """Writes a PredictResponse.

    Args:
        response: The answer.
        rows: As `predictions`, a row each; else as `outputs`, a column each.

    Raises:
        ServingError: The outputs have different numbers of rows.
    """
    columns = {name: _listed(name, proto) for name, proto in sorted(response.outputs.items())}
    alone = len(columns) == 1
    if not rows:
        outputs = next(iter(columns.values())) if alone else columns
        return _written({"outputs": outputs})
    for name, proto in response.outputs.items():
        if not proto.tensor_shape.dim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise invalid_argument(f"Tensors have inconsistent batch sizes: {sizes}")
    if alone:
        return _written({"predictions": next(iter(columns.values()))})
    entries = zip(*columns.values(), strict=True)
    return _written({"predictions": [dict(zip(columns, entry, strict=True)) for entry in entries]})


def _listed(name: str, proto: tensor_pb2.TensorProto) -> Any:
    array = tensors.from_proto(proto)
    if array.dtype == object:
        as_bytes = name.endswith("_bytes")
        written = [_text(value, as_bytes) for value in array.ravel().tolist()]
        flat = np.empty(len(written), object)
        flat[:] = written
        return flat.reshape(array.shape).tolist()
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        # The shortest decimal that is the same float32: 0.2, not 0.20000000298.
        return array.astype(np.float32).astype(str).astype(np.float64).tolist()
    return array.tolist()


def _text(value: bytes, as_bytes: bool) -> Any:
    if as_bytes:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode("utf-8", "replace")


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
            f"JSON Value: {_shown(document)} When method is classify or regress, key 'examples' "
            f"is expected and {wrong}"
        )
    for item in examples:
        _fill_example(item, listed.examples.add())


def _fill_example(value: Any, example: example_pb2.Example) -> None:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {_type_name(value)}")
    example.SetInParent()
    for name, content in value.items():
        feature = example.features.feature[_utf8(name)]
        for leaf in content if isinstance(content, list) else [content]:
            _add(leaf, name, feature)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _add(leaf: Any, name: str, feature: example_pb2.Feature) -> None:
    kind: str
    value: bytes | float | int
    if isinstance(leaf, str) or _is_base64(leaf):
        kind, value = "bytes_list", _bytes(leaf)
    elif isinstance(leaf, float):
        kind, value = "float_list", _float32(leaf)
    elif isinstance(leaf, int):
        if leaf not in _INT64:
            raise invalid_argument(f"Feature: {name} has a number beyond int64.")
        kind, value = "int64_list", int(leaf)
    else:
        raise invalid_argument(
            f"Feature: {name} has element with unexpected JSON type: {_type_name(leaf)}"
        )
    if feature.WhichOneof("kind") not in (None, kind):
        raise invalid_argument(
            f"Unexpected element type in feature: {name} expecting type: "
            f"{feature.WhichOneof('kind').removesuffix('_list')}"
        )
    getattr(feature, kind).value.append(value)


def _float32(value: float) -> float:
    return float(_floats([value], tf.float32)[0])


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
