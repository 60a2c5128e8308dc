"""Convolutions: plain, depthwise and transposed."""

from collections.abc import Sequence

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.operators.padding import window
from bodylens_models.convert.value import Array, Value


def conv2d(
    graph: Graph,
    x: Value,
    weights: Array,
    bias: Array | None,
    *,
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    padding: str | Sequence[int] = "same",
) -> Value:
    """A convolution of x (n, h, w, ci) with weights (co, kh, kw, ci / groups) and bias (co,).

    padding: "same", "valid" or top, left, bottom, right. Raises ConversionError for shapes that do not fit.
    """
    x = graph.channels_first(x)
    if weights.ndim != 4 or len(x.shape) != 4:
        raise ConversionError(f"a convolution of {list(x.shape)} with weights {list(weights.shape)}")
    n, h, w, channels = x.shape
    out, kh, kw, each = weights.shape
    if each < 1 or channels % each or out % (channels // each):
        raise ConversionError(f"weights {list(weights.shape)} do not fit an image of {channels} channels")
    if bias is not None and bias.shape != (out,):
        raise ConversionError(f"a bias of shape {list(bias.shape)} for {out} channels")
    frame = window((h, w), (kh, kw), strides, dilations, padding)
    kernel = graph.constant(np.moveaxis(weights, -1, 1).astype(np.float32))
    inputs = [x, kernel] if bias is None or not bias.any() else [x, kernel, graph.constant(bias.astype(np.float32))]
    return graph.node(
        "Conv",
        inputs,
        (n, *frame.out, out),
        channels_first=True,
        kernel_shape=[kh, kw],
        strides=list(strides),
        dilations=list(dilations),
        group=channels // each,
        pads=frame.pads,
    )


def depthwise_conv2d(
    graph: Graph,
    x: Value,
    weights: Array,
    bias: Array | None,
    *,
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    padding: str | Sequence[int] = "same",
) -> Value:
    """A convolution of each channel alone: x (n, h, w, c), weights (kh, kw, c, multiplier), bias (c * multiplier,)."""
    if weights.ndim != 4 or weights.shape[2] != x.shape[-1]:
        raise ConversionError(f"depthwise weights {list(weights.shape)} do not fit {list(x.shape)}")
    kh, kw, channels, multiplier = weights.shape
    grouped = np.transpose(weights, (2, 3, 0, 1)).reshape(channels * multiplier, kh, kw, 1)
    return conv2d(graph, x, grouped, bias, strides=strides, dilations=dilations, padding=padding)


def transpose_conv2d(
    graph: Graph,
    x: Value,
    weights: Array,
    bias: Array | None,
    *,
    strides: Sequence[int],
    padding: str,
    size: Sequence[int] | None = None,
) -> Value:
    """A transposed convolution: x (n, h, w, ci), weights (co, kh, kw, ci), bias (co,).

    padding: "same" or "valid"; size: (height, width) of the output, by default the largest that fits.
    A kernel as large as its stride overlaps nowhere, yet the plain operator is kept: every provider has it.
    ref: tensorflow/lite/kernels/transpose_conv.cc; mediapipe/util/tflite/operations/transpose_conv_bias.cc
    """
    x = graph.channels_first(x)
    if weights.ndim != 4 or weights.shape[-1] != x.shape[-1]:
        raise ConversionError(f"transposed weights {list(weights.shape)} do not fit {list(x.shape)}")
    n, *image, _ = x.shape
    out, *kernel, _ = weights.shape
    begins, ends, outs, beyond = [], [], [], []
    for axis in range(2):
        full = (image[axis] - 1) * strides[axis] + kernel[axis]
        if size is not None:
            wanted = int(size[axis])
        elif padding == "same":
            wanted = full - max(0, kernel[axis] - (image[axis] - 1) % strides[axis] - 1)
        else:
            wanted = full
        # The forward convolution of an image of `wanted` decides where the padding lies.
        total = max(0, full - wanted) if padding == "same" else 0
        begins.append(total // 2)
        ends.append(max(0, full - wanted - total // 2))
        beyond.append(max(0, wanted - full))
        outs.append(wanted)
    if min(outs) < 1 or any(extra >= step for extra, step in zip(beyond, strides, strict=True)):
        raise ConversionError(f"a transposed convolution to {outs} with kernel {kernel} and strides {list(strides)}")
    inputs = [x, graph.constant(np.transpose(weights, (3, 0, 1, 2)).astype(np.float32))]
    if bias is not None and bias.any():
        inputs.append(graph.constant(bias.astype(np.float32)))
    return graph.node(
        "ConvTranspose",
        inputs,
        (n, *outs, out),
        channels_first=True,
        kernel_shape=kernel,
        strides=list(strides),
        pads=[*begins, *ends],
        output_padding=beyond if any(beyond) else None,
    )
