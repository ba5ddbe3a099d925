"""Serializes blocks as tf.Examples, column by column.

The bytes are those of `tf.train.Example.SerializeToString(deterministic=True)`:
features in one fixed order, numbers packed. A protocol buffer message is nested
length-delimited fields, so all that comes before a value depends on nothing but
the value's length: it is made once for each length, and a block of examples is
these prefixes and the values, joined element by element.

As in stock CsvExampleGen, a missing value is a feature with an empty list of
its type, and a column without any value is a feature without a type. A null in
a list column, read from tf.Examples, is a feature left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
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
_LONGEST_VARINT = 10  # bytes of a 64-bit integer

_Before = Callable[[int | None], bytes]
"""What comes before content of some length; None stands for missing content."""


def encode(batch: pa.RecordBatch) -> pa.Array:
    """Serializes every row as a tf.Example.

    Args:
        batch: A block's columns: int64, floats, string, binary, null, or lists of these.

    Returns:
        A binary array of shape `(n,)`.
    """
    parts = [
        part
        for name in sorted(batch.schema.names, key=_order)
        for part in _entry(name, batch.column(name))
    ]
    if not parts:
        return pa.array([b""] * len(batch), pa.binary())
    # The features of a wide row are joined in one call: Arrow takes any number of arrays.
    return _delimited(_FEATURES, joined(*parts))


def features(column: pa.Array) -> pa.Array:
    """Serializes every value of a column as a tf.train.Feature.

    Args:
        column: As in `encode`, shape `(n,)`.

    Returns:
        A binary array of shape `(n,)`; null where the feature is left out.
    """
    feature = joined(*_parts(_content(column), partial(_before, column.type)))
    return pc.if_else(column.is_valid(), feature, None) if _is_list(column.type) else feature


def joined(*parts: pa.Array) -> pa.Array:
    """Joins binary arrays element by element; null counts as empty.

    Args:
        parts: Arrays of shape `(n,)`.
    """
    return pc.binary_join_element_wise(
        *parts, _NOTHING, null_handling="replace", null_replacement=""
    )


def by_length(values: pa.Array, text_of: _Before) -> pa.Array:
    """Returns for each value a text that depends on the value's length only.

    Args:
        values: A binary array of shape `(n,)`.
        text_of: Called once for every length that occurs, and with None for null.
    """
    lengths = pc.binary_length(values).dictionary_encode("encode")
    texts = [text_of(length) for length in lengths.dictionary.to_pylist()]
    return pa.array(texts, pa.binary()).take(lengths.indices)


def binary(lengths: npt.NDArray[np.int64], flat: npt.NDArray[np.generic]) -> pa.Array:
    """Makes a binary array of bytes that lie one after the other.

    Args:
        lengths: How many bytes each value has, shape `(n,)`.
        flat: The bytes.
    """
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(flat))]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)


def content(values: pa.Array) -> memoryview:
    """Returns the bytes of a binary array without nulls, all values one after the other."""
    offsets = _offsets(values)
    return memoryview(values.buffers()[2] or b"")[offsets[0] : offsets[-1]]


def each(values: pa.Array) -> list[bytes]:
    """Returns the values of a binary array without nulls, faster than `to_pylist`."""
    flat, offsets = bytes(content(values)), _offsets(values)
    places = (offsets - offsets[0]).tolist()
    return [flat[start:end] for start, end in itertools.pairwise(places)]


def _offsets(values: pa.Array) -> npt.NDArray[np.int32]:
    count = values.offset + len(values) + 1
    return np.frombuffer(values.buffers()[1], np.int32, count)[values.offset :]


def _order(name: str) -> list[int]:
    # By bytes; but of two names of which one begins the other, protobuf 4.25 puts the longer
    # first. Splits are hashes of these bytes, so stock's order has to be kept.
    return [*name.encode(), 256]


def _entry(name: str, column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """A column's entries in the map, in two parts to be joined."""
    key = _tagged(_KEY, name.encode())

    def before(length: int | None) -> bytes:
        if length is None and _is_list(column.type):
            return b""
        value = _before(column.type, length)
        value = key + _tagged(_VALUE, value, length or 0)
        return _tagged(_ENTRY, value, length or 0)

    return _parts(_content(column), before)


def _parts(content: pa.Array, before: _Before) -> tuple[pa.Array, pa.Array]:
    return by_length(content, before), content


def _before(kind: pa.DataType, length: int | None) -> bytes:
    """What a Feature holds before content of some length."""
    if pa.types.is_null(kind):
        return b""
    is_list, kind = _is_list(kind), kind.value_type if _is_list(kind) else kind
    several_texts = is_list and _is_bytes(kind)  # each has its own tag already
    no_number = not length and not _is_bytes(kind)
    without_tag = length is None or several_texts or no_number
    elements = b"" if without_tag else _ELEMENTS + _varint(length or 0)
    return _tagged(_list_tag(kind), elements, length or 0)


def _list_tag(kind: pa.DataType) -> bytes:
    if _is_bytes(kind):
        return _BYTES_LIST
    return _INT64_LIST if pa.types.is_integer(kind) else _FLOAT_LIST


def _content(column: pa.Array) -> pa.Array:
    """The bytes of each row's values, numbers packed; null where missing."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.binary())
    if not _is_list(column.type):
        return _encoded(column)
    elements = _encoded(column.values)
    if _is_bytes(column.type.value_type):
        elements = _delimited(_ELEMENTS, elements)
    return pc.binary_join(_with_values(column, elements), _NOTHING)


def _encoded(values: pa.Array) -> pa.Array:
    """The bytes of each value; null where missing."""
    if _is_bytes(values.type):
        return values.cast(pa.binary())
    numbers = (values.fill_null(0) if values.null_count else values).to_numpy()
    if pa.types.is_integer(values.type):
        encoded = _varints(numbers.astype(np.int64).view(np.uint64))
    else:
        encoded = binary(np.full(len(numbers), 4), numbers.astype("<f4"))
    return pc.if_else(values.is_valid(), encoded, None) if values.null_count else encoded


def _varints(numbers: npt.NDArray[np.uint64]) -> pa.Array:
    """Each number in base 128, least significant digit first, as `_varint` writes it."""
    shifts = np.arange(_LONGEST_VARINT, dtype=np.uint64) * np.uint64(7)
    most = int(numbers.max(initial=0)).bit_length() // 7 + 1
    rest = numbers[:, None] >> shifts[:most]  # (n, digits): what is left from each digit on
    widths = np.maximum((rest > 0).sum(axis=1), 1)
    places = np.arange(rest.shape[1])
    digits = (rest & np.uint64(0x7F)).astype(np.uint8) | np.where(
        places < widths[:, None] - 1, np.uint8(0x80), np.uint8(0)
    )
    return binary(widths, digits[places < widths[:, None]])


def _is_bytes(kind: pa.DataType) -> bool:
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    return bool(large or pa.types.is_string(kind) or pa.types.is_binary(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _with_values(column: pa.Array, values: pa.Array) -> pa.Array:
    """The same lists, over other values."""
    offsets = np.asarray(column.offsets).astype(np.int32)  # Arrow joins lists with small ones only
    missing = np.append(np.asarray(column.is_null()), False)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=missing), values)


def _delimited(tag: bytes, messages: pa.Array) -> pa.Array:
    """Puts tag and length before every message."""
    return joined(*_parts(messages, lambda length: tag + _varint(length or 0)))


def _tagged(tag: bytes, content: bytes, more: int = 0) -> bytes:
    """A length-delimited field that goes on for some more bytes."""
    return tag + _varint(len(content) + more) + content


def _varint(number: int) -> bytes:
    """Base 128, least significant group first. Source: protobuf.dev/programming-guides/encoding."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
