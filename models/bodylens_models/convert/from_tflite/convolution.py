"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV and MediaPipe's Convolution2DTransposeBias."""

import struct

import numpy as np
import tflite

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tflite import options, quantized
from bodylens_models.convert.from_tflite.file import Operator
from bodylens_models.convert.from_tflite.reader import Reader, operator
from bodylens_models.convert.operators import activation, convolution
from bodylens_models.convert.value import Array, Value


def _parts(reader: Reader, op: Operator) -> tuple[Value, Array, Array | None]:
    x, weights, bias, *_ = reader.inputs(op, 2)
    assert x is not None
    assert weights is not None
    return x, weights.constant("weights"), None if bias is None else bias.constant("a bias")


@operator("CONV_2D")
def conv_2d(reader: Reader, op: Operator) -> Value:
    """weights: (co, kh, kw, ci)."""
    x, weights, bias = _parts(reader, op)
    o = op.options(tflite.Conv2DOptions)
    y = convolution.conv2d(
        reader.graph,
        x,
        weights,
        bias,
        strides=(o.StrideH(), o.StrideW()),
        dilations=(o.DilationHFactor(), o.DilationWFactor()),
        padding=options.padding(o.Padding()),
    )
    quantized.remember(reader.graph, reader.tensor(op.inputs[1]).quantization)
    return activation.fused(reader.graph, y, options.activation(o.FusedActivationFunction()))


@operator("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(reader: Reader, op: Operator) -> Value:
    """weights: (1, kh, kw, c * multiplier)."""
    x, weights, bias = _parts(reader, op)
    o = op.options(tflite.DepthwiseConv2DOptions)
    if weights.ndim != 4 or weights.shape[0] != 1 or not x.shape[-1] or weights.shape[3] % x.shape[-1]:
        raise ConversionError(f"depthwise weights {list(weights.shape)} do not fit {list(x.shape)}")
    _, kh, kw, out = weights.shape
    y = convolution.depthwise_conv2d(
        reader.graph,
        x,
        weights.reshape(kh, kw, x.shape[-1], out // x.shape[-1]),
        bias,
        strides=(o.StrideH(), o.StrideW()),
        dilations=(o.DilationHFactor(), o.DilationWFactor()),
        padding=options.padding(o.Padding()),
    )
    quantized.remember(reader.graph, reader.tensor(op.inputs[1]).quantization)
    return activation.fused(reader.graph, y, options.activation(o.FusedActivationFunction()))


@operator("TRANSPOSE_CONV")
def transpose_conv(reader: Reader, op: Operator) -> Value:
    """inputs: output shape, weights (co, kh, kw, ci), image, bias."""
    shape, weights, x, bias, *_ = reader.inputs(op, 3)
    assert shape is not None
    assert weights is not None
    assert x is not None
    o = op.options(tflite.TransposeConvOptions)
    return convolution.transpose_conv2d(
        reader.graph,
        x,
        weights.constant("weights"),
        None if bias is None else bias.constant("a bias"),
        strides=(o.StrideH(), o.StrideW()),
        padding=options.padding(o.Padding()),
        size=[int(n) for n in shape.constant("an output shape")[1:3]],
    )


@operator("CUSTOM:Convolution2DTransposeBias")
def convolution_2d_transpose_bias(reader: Reader, op: Operator) -> Value:
    """inputs: image, weights (co, kh, kw, ci), bias; options: int32 padding (1 same, 2 valid), stride w, stride h.

    ref: mediapipe/util/tflite/operations/transpose_conv_bias.cc
    """
    x, weights, bias = _parts(reader, op)
    if len(op.custom) < 12:
        raise ConversionError("Convolution2DTransposeBias comes without its options")
    padding, stride_w, stride_h = struct.unpack_from("<3i", op.custom)
    if padding not in (1, 2) or not (0 < stride_w <= 64 and 0 < stride_h <= 64):
        raise ConversionError(f"Convolution2DTransposeBias with padding {padding}, strides {stride_h} and {stride_w}")
    return convolution.transpose_conv2d(
        reader.graph,
        x,
        weights,
        None if bias is None else np.asarray(bias),
        strides=(stride_h, stride_w),
        padding="same" if padding == 1 else "valid",
    )
