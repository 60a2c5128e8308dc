"""Convolutions, plain and with what tfjs fuses into them.

ref: tfjs-converter/src/operations/op_list/convolution.ts
"""

from collections.abc import Sequence

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tfjs.arithmetic import FUSED
from bodylens_models.convert.from_tfjs.file import Node
from bodylens_models.convert.from_tfjs.reader import Reader, operator
from bodylens_models.convert.operators import convolution
from bodylens_models.convert.operators.activation import prelu
from bodylens_models.convert.value import Array, Value

DEPTHWISE = ("DepthwiseConv2dNative", "FusedDepthwiseConv2dNative")


def padding_of(node: Node) -> str | Sequence[int]:
    """The node's padding: "same", "valid", or top, left, bottom, right."""
    word = str(node.attributes.get("padding", "")).lower()
    if word == "explicit":
        pads = node.attributes.get("explicit_paddings") or []
        if len(pads) != 8:
            raise ConversionError(f"{node.name} says neither its padding rule nor its paddings")
        return [pads[2], pads[4], pads[3], pads[5]]
    return word


def plane(node: Node, key: str) -> tuple[int, int]:
    """Height and width out of a list for n, h, w, c."""
    items = node.attributes.get(key) or [1, 1, 1, 1]
    if len(items) != 4:
        raise ConversionError(f"{node.name} has {key} {items}")
    return int(items[1]), int(items[2])


def convolve(
    reader: Reader,
    node: Node,
    x: Value,
    padding: str | Sequence[int],
    dilations: tuple[int, int],
) -> Value:
    """The convolution of `node` on x, with this padding and these dilations, its bias and its activation."""
    if node.attributes.get("data_format", "NHWC") not in ("NHWC", ""):
        raise ConversionError(f"{node.name} works on another order of axes than NHWC")
    _, weights, *rest = reader.inputs(node, 2)
    fused = list(node.attributes.get("fused_ops") or [])
    bias: Array | None = None
    if fused and fused[0] == "BiasAdd":
        if not rest:
            raise ConversionError(f"{node.name} lacks its bias")
        bias = rest[0].constant("a bias").reshape(-1)
        fused = fused[1:]
    kernel = weights.constant("weights")
    if kernel.ndim != 4:
        raise ConversionError(f"{node.name} has weights of shape {list(kernel.shape)}")
    strides = plane(node, "strides")
    graph = reader.graph
    if node.op in DEPTHWISE:
        y = convolution.depthwise_conv2d(graph, x, kernel, bias, strides=strides, dilations=dilations, padding=padding)
    else:
        kernel = np.transpose(kernel, (3, 0, 1, 2))
        y = convolution.conv2d(graph, x, kernel, bias, strides=strides, dilations=dilations, padding=padding)
    for name in fused:
        if name == "Prelu" and len(rest) > 1:
            y = prelu(graph, y, rest[1])
        elif name == "LeakyRelu":
            alpha = float(node.attributes.get("leakyrelu_alpha", 0.2))
            y = graph.node("LeakyRelu", [y], y.shape, channels_first=True, alpha=alpha)
        elif name in FUSED:
            y = FUSED[name](graph, y)
        else:
            raise ConversionError(f"{node.name} fuses {name}, which is not known")
    return y


@operator("Conv2D", "_FusedConv2D", *DEPTHWISE)
def conv(reader: Reader, node: Node) -> Value:
    """An image, weights (kh, kw, ci, co) or depthwise (kh, kw, c, multiplier), and what is fused."""
    return convolve(reader, node, reader.inputs(node, 2)[0], padding_of(node), plane(node, "dilations"))


@operator("Conv2DBackpropInput")
def transposed(reader: Reader, node: Node) -> Value:
    """The shape of the output, weights (kh, kw, co, ci), an image."""
    shape, weights, x = reader.inputs(node, 3)[:3]
    padding = padding_of(node)
    if not isinstance(padding, str):
        raise ConversionError(f"{node.name} pads by numbers, which is not supported for a transposed convolution")
    return convolution.transpose_conv2d(
        reader.graph,
        x,
        np.transpose(weights.constant("weights"), (2, 0, 1, 3)),
        None,
        strides=plane(node, "strides"),
        padding=padding,
        size=reader.numbers(shape, "an output shape")[1:3],
    )
