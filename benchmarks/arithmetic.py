"""How much arithmetic training on an image is, and what share of a chip's peak a rate makes.

Counted are multiply-adds of convolutions and matrix products, two operations each, in the graph
of a forward pass of one image. A training step is three times that: going back takes two products
of the same size for each, one for the gradient of the input and one for that of the weights.
Everything else (normalization, activations, optimizer, augmentation) counts nothing, so the share
is that of useful work: the "model FLOPs utilization" of Chowdhery et al., PaLM, 2022, appendix B
(https://arxiv.org/abs/2204.02311).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

PRODUCTS = {"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMul", "BatchMatMulV2"}
"""Operations of TensorFlow that are made of multiply-adds, and that its profiler counts."""

UNCOUNTED = {"Einsum"}
"""Others, such as those of attention, that it does not."""

BACKWARD = 2
"""Products on the way back for each on the way forward."""

PEAKS: Mapping[str, Mapping[str, float]] = {
    "H100 PCIe": {"float32": 378e12, "mixed_bfloat16": 756e12},
    "H100": {"float32": 494.7e12, "mixed_bfloat16": 989.4e12},
    "H200": {"float32": 494.7e12, "mixed_bfloat16": 989.4e12},
    "A100": {"float32": 156e12, "mixed_bfloat16": 312e12},
    "L4": {"float32": 60.5e12, "mixed_bfloat16": 121e12},
}
"""Operations a second on dense matrices, from NVIDIA's data sheets, by a part of the device's name
and by precision. float32 is TF32, in which TensorFlow multiplies float32 on these chips."""


def forward(model: keras.Model) -> int:
    """Counts the operations of one row's forward pass.

    Args:
        model: Its inputs are tensors of known shape.

    Raises:
        ValueError: It has products that are not counted.
    """
    import tensorflow as tf

    row = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
    graph = tf.function(partial(model, training=False)).get_concrete_function(row).graph
    if missed := UNCOUNTED & {operation.type for operation in graph.get_operations()}:
        raise ValueError(f"no count of {', '.join(missed)}")
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    quiet = {**options, "output": "none"}
    return sum(_products(tf.compat.v1.profiler.profile(graph, cmd="op", options=quiet)))


def _products(node: Any) -> list[int]:
    own = [node.float_ops] if node.name in PRODUCTS else []
    return own + [count for child in node.children for count in _products(child)]


def training(model: keras.Model) -> int:
    """Counts the operations of training on one row."""
    return (1 + BACKWARD) * forward(model)


def share_of_peak(operations: float, device: str, precision: str) -> float | None:
    """Returns what part of a chip's peak is used; None if the peak is not known here.

    Args:
        operations: A second.
        device: As TensorFlow names it, such as `NVIDIA H100 80GB HBM3`.
        precision: The recipe's.
    """
    known = (peaks for name, peaks in PEAKS.items() if name in device)
    peak = next(known, {}).get(precision)
    return operations / peak if peak else None
