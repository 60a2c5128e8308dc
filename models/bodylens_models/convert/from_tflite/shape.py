"""RESHAPE, CONCATENATION, PAD, DEPTH_TO_SPACE, TRANSPOSE, SQUEEZE, EXPAND_DIMS."""

import tflite

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tflite import options
from bodylens_models.convert.from_tflite.file import Operator
from bodylens_models.convert.from_tflite.reader import Reader, operator
from bodylens_models.convert.operators import activation, shape
from bodylens_models.convert.value import Value


@operator("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(reader: Reader, op: Operator) -> Value:
    """The output's declared shape says all."""
    return shape.reshape(reader.graph, reader.first(op), reader.tensor(op.outputs[0]).shape)


@operator("CONCATENATION")
def concatenation(reader: Reader, op: Operator) -> Value:
    """Any number of tensors."""
    o = op.options(tflite.ConcatenationOptions)
    parts = [reader.value(index) for index in op.inputs]
    if not parts:
        raise ConversionError("CONCATENATION of nothing")
    y = shape.concat(reader.graph, parts, o.Axis())
    return activation.fused(reader.graph, y, options.activation(o.FusedActivationFunction()))


@operator("PAD", "PADV2")
def pad(reader: Reader, op: Operator) -> Value:
    """A tensor, [[before, after], …] for each axis, and for PADV2 the value."""
    x, pads, value, *_ = reader.inputs(op, 2)
    assert x is not None
    assert pads is not None
    amounts = pads.constant("paddings").reshape(-1, 2)
    fill = 0.0 if value is None else float(value.constant("a padding value").reshape(()))
    return shape.pad(reader.graph, x, [int(n) for n in amounts[:, 0]], [int(n) for n in amounts[:, 1]], fill)


@operator("DEPTH_TO_SPACE")
def depth_to_space(reader: Reader, op: Operator) -> Value:
    """An image."""
    return shape.depth_to_space(reader.graph, reader.first(op), op.options(tflite.DepthToSpaceOptions).BlockSize())


@operator("TRANSPOSE")
def transpose(reader: Reader, op: Operator) -> Value:
    """A tensor and the order of its axes."""
    x, order = reader.both(op)
    return shape.transpose(reader.graph, x, [int(i) for i in order.constant("an order of axes").reshape(-1)])
