from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, types_pb2

from trainyard.serving import tensors
from trainyard.serving.errors import ServingError


def written(array):
    proto = tensor_pb2.TensorProto()
    tensors.to_proto(array, proto)
    return proto


ARRAYS = [
    np.array([1.5, np.nan], np.float32),
    np.array([[1.0], [-np.inf]], np.float64),
    np.array(7, np.int64),
    np.array([[1, 2, 3]], np.int32),
    np.array([-1], np.int8),
    np.array([255], np.uint8),
    np.array([1, 2**32 - 1], np.uint32),
    np.array([2**64 - 1], np.uint64),
    np.array([True, False]),
    np.array([b"a", b"\0\xff\0"], object),
    np.zeros([0, 3], np.float32),
    np.array([1.5], np.float16),
    np.array([1j], np.complex64),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_what_is_written_is_read(array):
    read = tensors.from_proto(written(array))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)
    # As a client of TensorFlow Serving reads it.
    np.testing.assert_array_equal(tf.make_ndarray(written(array)), array)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_what_tensorflow_writes_is_read(array):
    np.testing.assert_array_equal(tensors.from_proto(tf.make_tensor_proto(array)), array)


def test_the_last_value_fills_the_shape():
    proto = written(np.array([1.0, 2.0], np.float32))
    proto.tensor_shape.dim[0].size = 4
    assert tensors.from_proto(proto).tolist() == [1, 2, 2, 2]


def proto_of(**fields):
    shape = fields.pop("shape", [1])
    proto = tensor_pb2.TensorProto(**fields)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


@pytest.mark.parametrize(
    "proto",
    [
        proto_of(dtype=types_pb2.DT_FLOAT, shape=[-1], float_val=[1.0]),
        proto_of(dtype=types_pb2.DT_FLOAT, shape=[10**12], float_val=[1.0]),
        proto_of(dtype=types_pb2.DT_FLOAT, shape=[2**40, 2**40], float_val=[1.0]),
        proto_of(dtype=types_pb2.DT_FLOAT, shape=[0, 2**62]),
        proto_of(dtype=types_pb2.DT_FLOAT, shape=[1] * 40, float_val=[1.0]),
        proto_of(dtype=types_pb2.DT_FLOAT, shape=[1], float_val=[1.0, 2.0]),
        proto_of(dtype=types_pb2.DT_FLOAT, shape=[1]),
        proto_of(dtype=types_pb2.DT_FLOAT, shape=[2], tensor_content=b"1234"),
        proto_of(dtype=types_pb2.DT_STRING, shape=[1], tensor_content=b"1234"),
        proto_of(dtype=types_pb2.DT_INT8, shape=[1], int_val=[1000]),
        proto_of(dtype=types_pb2.DT_HALF, shape=[10**12], half_val=[1]),
        proto_of(dtype=types_pb2.DT_INVALID, shape=[1]),
        proto_of(dtype=types_pb2.DT_RESOURCE, shape=[1]),
        proto_of(dtype=types_pb2.DT_FLOAT_REF, shape=[1], float_val=[1.0]),
        proto_of(dtype=9999, shape=[1]),
    ],
)
def test_what_is_no_tensor_is_an_error_of_the_request(proto):
    with pytest.raises(ServingError) as raised:
        tensors.from_proto(proto)
    assert raised.value.http_status == 400


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 30), st.lists(st.integers(-2, 5), max_size=3))
def test_no_bytes_are_more_than_an_error_of_the_request(data, kind, shape):
    proto = tensor_pb2.TensorProto()
    try:
        proto.ParseFromString(data)
    except Exception:
        proto = tensor_pb2.TensorProto(tensor_content=data)
    proto.dtype = kind
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    try:
        tensors.from_proto(proto)
    except ServingError as error:
        assert error.http_status == 400
