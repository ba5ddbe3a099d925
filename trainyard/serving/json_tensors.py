"""Tensors in TensorFlow Serving's JSON: numbers, text and Base64 in nested lists.

https://www.tensorflow.org/tfx/serving/api_rest; what is refused, and how that is said, follows
its json_tensor.cc.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from trainyard.serving import tensors
from trainyard.serving.errors import ServingError, invalid_argument
from trainyard.serving.tensors import Array

_SHOWN = 200  # characters of a wrong value in an error
_MAX_RANK = 32  # numpy's own

# A whole number above these may not be one of the type's; TensorFlow Serving refuses all of them.
_WHOLE = {tf.float32: 2**24 - 1, tf.float64: 2**53 - 1}


def array(value: Any, kind: tf.DType) -> Array:
    """Makes a tensor of nested lists, level by level: no depth can exhaust the stack.

    Args:
        value: Parsed JSON; text may be `{"b64": ...}`.
        kind: The tensor's type.

    Raises:
        ServingError: The lists have different lengths, or values are of another type.
    """
    shape: list[int] = []
    leaves = [value]
    while leaves and isinstance(leaves[0], list):
        size = len(leaves[0])
        for item in leaves:
            if not isinstance(item, list):
                raise invalid_argument(
                    f"JSON Value: {shown(item)} found at incorrect level: {len(shape) + 1}"
                )
            if len(item) != size:
                raise invalid_argument(
                    f"Encountered list at unexpected size: {len(item)} at level: {len(shape)} "
                    f"expected size: {size}"
                )
        shape.append(size)
        if len(shape) > _MAX_RANK:
            raise invalid_argument(
                f"Encountered list at unexpected level: {_MAX_RANK} expected < {_MAX_RANK}"
            )
        leaves = list(itertools.chain.from_iterable(leaves))
    return _typed(leaves, kind, len(shape)).reshape(shape)


def _typed(leaves: list[Any], kind: tf.DType, rank: int) -> Array:
    if list in map(type, leaves):
        raise invalid_argument(f"Encountered list at unexpected level: {rank} expected < {rank}")
    if kind == tf.string:
        return np.array([_bytes(leaf) for leaf in leaves], object)
    allowed = _allowed(kind)
    # Exact types: to Python, True is the whole number 1.
    if not set(map(type, leaves)) <= allowed:
        raise _type_error(next(leaf for leaf in leaves if type(leaf) not in allowed), kind)
    if kind.is_floating:
        _check_precision(leaves, kind)
    elif kind.is_integer:
        _check_range(leaves, kind)
    return np.array(leaves, kind.as_numpy_dtype)


def _allowed(kind: tf.DType) -> set[type]:
    if kind == tf.bool:
        return {bool}
    if kind.is_floating:
        return {int, float}
    if kind.is_integer:
        return {int}
    raise invalid_argument(f"Conversion of JSON Value to type: {_called(kind)} is not implemented")


def _check_precision(leaves: list[int | float], kind: tf.DType) -> None:
    largest = float(kind.max)
    limits = {int: _WHOLE.get(kind, largest), float: largest}
    for leaf in leaves:
        if limits[type(leaf)] < abs(leaf) < math.inf:
            raise invalid_argument(
                f"Cannot convert JSON value: {shown(leaf)} to {_called(kind)} "
                "without loss of precision."
            )


def _check_range(leaves: list[int], kind: tf.DType) -> None:
    lowest, highest = int(kind.min), int(kind.max)
    for leaf in leaves:
        if not lowest <= leaf <= highest:
            raise _type_error(leaf, kind)


def _bytes(leaf: Any) -> bytes:
    if isinstance(leaf, str):
        return utf8(leaf)
    if is_base64(leaf):
        return _decoded(leaf["b64"])
    if isinstance(leaf, dict):
        raise invalid_argument(f"JSON Value: {shown(leaf)} not formatted correctly for base64 data")
    raise _type_error(leaf, tf.string)


def utf8(text: str) -> bytes:
    r"""Encodes text of a request.

    Raises:
        ServingError: It has half a surrogate pair, such as `\ud800`.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise invalid_argument(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from None


def is_base64(value: Any) -> bool:
    """Whether a value is bytes, not an object with names."""
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _decoded(text: str) -> bytes:
    """Decodes as Abseil does: the padding may be missing, and `base64` breaks lines."""
    joined = "".join(text.split())
    try:
        return base64.b64decode(joined + "=" * (-len(joined) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None


def _type_error(value: Any, kind: tf.DType) -> ServingError:
    return invalid_argument(
        f"JSON Value: {shown(value)} Type: {type_name(value)} "
        f"is not of expected type: {_called(kind)}"
    )


def _called(kind: tf.DType) -> str:
    """What TensorFlow Serving calls a type: `float`, not `float32`."""
    name: str = types_pb2.DataType.Name(kind.as_datatype_enum)
    return name.removeprefix("DT_").lower()


def type_name(value: Any) -> str:
    """What JSON calls a value's type."""
    names = {dict: "Object", list: "Array", str: "String", type(None): "Null"}
    return str(value) if isinstance(value, bool) else names.get(type(value), "Number")


def shown(value: Any) -> str:
    """Writes the beginning of a value, for an error."""
    parts = json.JSONEncoder().iterencode(value)  # lazy: a value may be as large as a request
    text = "".join(itertools.islice(parts, _SHOWN + 1))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def listed(name: str, proto: tensor_pb2.TensorProto) -> Any:
    """Makes nested lists of a tensor.

    Args:
        name: What it is called: strings of `..._bytes` are written in Base64.
        proto: The tensor.

    Raises:
        ServingError: JSON has nothing for its type.
    """
    values = tensors.from_proto(proto)
    if values.dtype == object:
        write = _base64 if name.endswith("_bytes") else _text
        return np.vectorize(write, otypes=[object])(values).tolist()
    if values.dtype.kind not in "biuf":
        raise invalid_argument(
            f"Failed to write JSON value for tensor type: {_called(tf.as_dtype(values.dtype))}"
        )
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:
        # The shortest decimal that is the same float32: 0.2, not 0.20000000298.
        return values.astype(np.float32).astype(str).astype(np.float64).tolist()
    return values.tolist()


def _base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
