"""Serializes blocks as tf.Examples, column by column.

The bytes are those of `tf.train.Example.SerializeToString(deterministic=True)`:
features in one fixed order, numbers packed. A protocol buffer message is nested
length-delimited fields, so an array of messages is made by joining arrays of
bytes element by element; each distinct value of a column is encoded once.

As in stock CsvExampleGen, a missing value is a feature with an empty list of
its type, and a column without any value is a feature without a type. A null in
a list column, read from tf.Examples, is a feature left out.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Field tags, wire type 2 (length-delimited).
# Source: tensorflow/core/example/example.proto and feature.proto
_FEATURES = b"\x0a"  # Example.features
_ENTRY = b"\x0a"  # Features.feature, a map: entries of key and value
_KEY, _VALUE = b"\x0a", b"\x12"
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = b"\x0a", b"\x12", b"\x1a"  # Feature.kind
_ELEMENTS = b"\x0a"  # the `value` of each kind of list
_NOTHING = pa.scalar(b"", pa.binary())


def encode(batch: pa.RecordBatch) -> pa.Array:
    """Serializes every row as a tf.Example.

    Args:
        batch: A block's columns: int64, float64, string, binary, null, or lists of these.

    Returns:
        A binary array of shape `(n,)`.
    """
    entries = [
        _entries(name, batch.column(name)) for name in sorted(batch.schema.names, key=_order)
    ]
    if not entries:
        return pa.array([b""] * len(batch), pa.binary())
    # The features of a wide row are joined in one call: Arrow takes any number of arrays.
    return _delimited(_FEATURES, pc.binary_join_element_wise(*entries, _NOTHING))


def features(column: pa.Array) -> pa.Array:
    """Serializes every value of a column as a tf.train.Feature.

    Args:
        column: As in `encode`, shape `(n,)`.

    Returns:
        A binary array of shape `(n,)`; null where the feature is left out.
    """
    if pa.types.is_null(column.type):
        return pa.array([b""] * len(column), pa.binary())
    if pa.types.is_list(column.type):
        lists = pc.binary_join(_with_values(column, _elements(column.values)), _NOTHING)
        return _of_kind(column.type.value_type, lists)
    encoded = column.dictionary_encode()
    missing = pa.array([None], encoded.dictionary.type)
    distinct = pa.concat_arrays([encoded.dictionary, missing])
    single = pc.fill_null(_elements(distinct), _NOTHING)
    index = pc.fill_null(encoded.indices, len(distinct) - 1)
    return _of_kind(column.type, single).take(index)


def _order(name: str) -> list[int]:
    # By bytes; but of two names of which one begins the other, protobuf 4.25 puts the longer
    # first. Splits are hashes of these bytes, so stock's order has to be kept.
    return [*name.encode(), 256]


def _entries(name: str, column: pa.Array) -> pa.Array:
    key = name.encode()
    prefix = pa.scalar(_KEY + _varint(len(key)) + key, pa.binary())
    value = _delimited(_VALUE, features(column))
    entry = _delimited(_ENTRY, pc.binary_join_element_wise(prefix, value, _NOTHING))
    return pc.fill_null(entry, _NOTHING)


def _of_kind(kind: pa.DataType, elements: pa.Array) -> pa.Array:
    """Wraps the bytes of each row's elements as a Feature; numbers are packed into one field."""
    if _is_bytes(kind):
        return _delimited(_BYTES_LIST, elements)
    packed = pc.if_else(pc.equal(elements, _NOTHING), _NOTHING, _delimited(_ELEMENTS, elements))
    return _delimited(_INT64_LIST if pa.types.is_integer(kind) else _FLOAT_LIST, packed)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _elements(values: pa.Array) -> pa.Array:
    """The bytes of each value as an element of its list, null where missing."""
    if _is_bytes(values.type):
        return _delimited(_ELEMENTS, values.cast(pa.binary()))
    if pa.types.is_integer(values.type):
        encoded = [None if v is None else _varint(v & (1 << 64) - 1) for v in values.to_pylist()]
        return pa.array(encoded, pa.binary())
    narrow = values.to_numpy(zero_copy_only=False).astype("<f4")
    bits = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4), len(narrow), [None, pa.py_buffer(narrow)]
    )
    return pc.if_else(values.is_valid(), bits.cast(pa.binary()), pa.scalar(None, pa.binary()))


def _with_values(column: pa.Array, values: pa.Array) -> pa.Array:
    """The same lists, over other values."""
    offsets = np.asarray(column.offsets)
    missing = np.append(np.asarray(column.is_null()), False)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=missing), values)


def _delimited(tag: bytes, messages: pa.Array) -> pa.Array:
    """Puts tag and length before every message; null stays null."""
    lengths = pc.binary_length(messages).dictionary_encode()
    prefixes = [tag + _varint(length) for length in lengths.dictionary.to_pylist()]
    prefix = pa.array(prefixes, pa.binary()).take(lengths.indices)
    return pc.binary_join_element_wise(prefix, messages, _NOTHING)


def _varint(number: int) -> bytes:
    """Base 128, least significant group first. Source: protobuf.dev/programming-guides/encoding."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
