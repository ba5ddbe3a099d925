"""TensorProto to numpy and back, trusting nothing that a client wrote."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from trainyard.serving.errors import ServingError, invalid_argument

Array = np.ndarray[Any, np.dtype[Any]]

MAX_RANK = 254  # TensorFlow's own
_MAX_SIZE = 2**48
EXPANDED_BYTES = 64 << 20
"""What a proto with fewer values than its shape may become: the last value is repeated."""

_FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_UINT16: "int_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
}


def from_proto(proto: tensor_pb2.TensorProto) -> Array:
    """Reads a tensor.

    Args:
        proto: From a client.

    Returns:
        Strings are an object array of bytes.

    Raises:
        ServingError: It is no tensor: type, shape and values do not belong together.
    """
    shape = _shape(proto)
    size = math.prod(shape)
    field = _FIELDS.get(proto.dtype)
    kind = _type(proto.dtype)
    if proto.tensor_content:
        if kind == tf.string:
            raise invalid_argument("Tensor of strings has tensor_content; use string_val")
        if len(proto.tensor_content) != size * kind.size:
            raise _sizes(proto, shape)
        return np.frombuffer(proto.tensor_content, kind.as_numpy_dtype).reshape(shape)
    if field is None:
        return _uncommon(proto, size, kind)
    values = getattr(proto, field)
    if len(values) != size:
        values = _repeated(list(values), size, proto, shape)
    # Several types share int_val. Bytes are objects, or numpy would cut zeros at their ends.
    wide = np.int64 if field == "int_val" else kind.as_numpy_dtype
    array = np.array(values, object if kind == tf.string else wide)
    if field == "int_val":
        wide, array = array, array.astype(kind.as_numpy_dtype)
        if (wide != array).any():
            raise invalid_argument(f"Tensor of {kind.name} has values that do not fit")
    return array.reshape(shape)


@cache
def _type(number: int) -> tf.DType:
    try:
        kind = tf.dtypes.as_dtype(number)
    except TypeError:
        raise invalid_argument(f"Unknown data type: {number}") from None
    if kind in (tf.resource, tf.variant) or number > 100:
        raise invalid_argument(f"Tensors of type {kind.name} cannot be sent")
    return kind


def _shape(proto: tensor_pb2.TensorProto) -> tuple[int, ...]:
    shape = tuple(dimension.size for dimension in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0 or len(shape) > MAX_RANK:
        raise invalid_argument(f"Tensor has no valid shape: {list(shape)[:8]}")
    if len(shape) > 32:  # numpy's own limit
        raise invalid_argument(f"Tensor has {len(shape)} dimensions; at most 32 can be served")
    if math.prod(size or 1 for size in shape) > _MAX_SIZE:  # numpy minds it beside a 0 too
        raise invalid_argument(f"Tensor is too large: {list(shape)[:8]}")
    return shape


def _repeated(
    values: list[Any], size: int, proto: tensor_pb2.TensorProto, shape: tuple[int, ...]
) -> list[Any]:
    if not values or len(values) > size:
        raise _sizes(proto, shape)
    if size * 8 > EXPANDED_BYTES:
        raise invalid_argument(f"Tensor of shape {list(shape)} has only {len(values)} values")
    return values + values[-1:] * (size - len(values))


def _uncommon(proto: tensor_pb2.TensorProto, size: int, kind: tf.DType) -> Array:
    if size * max(1, kind.size or 1) > EXPANDED_BYTES:
        raise invalid_argument("Tensor is too large for its type; use tensor_content")
    try:
        return np.asarray(tf.make_ndarray(proto))
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise invalid_argument(f"Tensor of {kind.name}: {error}") from None


def _sizes(proto: tensor_pb2.TensorProto, shape: tuple[int, ...]) -> ServingError:
    return invalid_argument(
        f"Tensor of shape {list(shape)[:8]} and type "
        f"{types_pb2.DataType.Name(proto.dtype)} has another number of values"
    )


@cache
def _number(dtype: np.dtype[Any]) -> int:
    number: int = tf.as_dtype(dtype).as_datatype_enum
    return number


def to_proto(array: Array, proto: tensor_pb2.TensorProto) -> None:
    """Writes a tensor as TensorFlow Serving does: into the typed field, not as bytes.

    Args:
        array: Strings are an object array of bytes.
        proto: What is filled; empty before.
    """
    kind = _number(array.dtype)
    field = _FIELDS.get(kind)
    if field is None:
        proto.CopyFrom(tf.make_tensor_proto(array))
        return
    proto.dtype = kind
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    getattr(proto, field).extend(array.ravel().tolist())
