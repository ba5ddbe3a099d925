"""Convolution and batch normalization as residual networks are trained with them.

Source: He et al., Deep Residual Learning for Image Recognition, 2015
(https://arxiv.org/abs/1512.03385).
"""

from __future__ import annotations

import keras


def convolution(
    filters: int,
    kernel: int,
    name: str,
    *,
    stride: int = 1,
    bias: bool = False,
    initializer: str = "he_normal",
) -> keras.layers.Conv2D:
    """Makes a convolution that keeps height and width, but for the stride.

    Args:
        filters: Maps it gives.
        kernel: Height and width that it looks at.
        name: The layer's.
        stride: What height and width are divided by, rounded up.
        bias: Whether it adds a bias; before a normalization that would be lost.
        initializer: Of the kernel.
    """
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=bias,
        kernel_initializer=initializer,
        name=name,
    )


def normalization(name: str, *, gamma: str = "ones") -> keras.layers.BatchNormalization:
    """Makes a batch normalization whose averages follow the batches quickly.

    Args:
        name: The layer's.
        gamma: Initializer of its scale.
    """
    # Keras's 0.99 needs hundreds of steps: small data has ten an epoch.
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=name
    )


def activated(
    values: keras.KerasTensor, name: str, activation: str = "relu", *, normalized: bool = True
) -> keras.KerasTensor:
    """Normalizes what a layer gave and activates it.

    Args:
        values: `[B, ..., C]`.
        name: What the layers' names begin with.
        activation: The activation's.
        normalized: Whether there is a batch normalization at all.

    Returns:
        `[B, ..., C]`.
    """
    if normalized:
        values = normalization(f"{name}_normalization")(values)
    return keras.layers.Activation(activation, name=f"{name}_activation")(values)
