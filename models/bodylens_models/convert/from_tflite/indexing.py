"""What MoveNet's own decoding needs: picking by index, whole numbers, casts."""

import numpy as np
import tflite

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tflite.file import Operator
from bodylens_models.convert.from_tflite.reader import Reader, operator
from bodylens_models.convert.operators import activation, indexing, shape
from bodylens_models.convert.operators.elementwise import binary
from bodylens_models.convert.operators.reduction import arg_max
from bodylens_models.convert.value import Value


@operator("GATHER_ND")
def gather_nd(reader: Reader, op: Operator) -> Value:
    """A tensor and indices."""
    return indexing.gather_nd(reader.graph, *reader.both(op))


@operator("ARG_MAX")
def index_of_largest(reader: Reader, op: Operator) -> Value:
    """A tensor and the axis."""
    x, axis = reader.both(op)
    at = int(axis.constant("an axis").reshape(-1)[0])
    return shape.cast(reader.graph, arg_max(reader.graph, x, at), reader.tensor(op.outputs[0]).dtype)


@operator("FLOOR_DIV")
def floor_div(reader: Reader, op: Operator) -> Value:
    """Two tensors of indices or lengths, never negative, so that cutting off is rounding down."""
    a, b = reader.both(op)
    if a.dtype.kind == "f":
        return activation.unary(reader.graph, "Floor", binary(reader.graph, "Div", a, b))
    return binary(reader.graph, "Div", a, b)


@operator("CAST")
def cast(reader: Reader, op: Operator) -> Value:
    """A tensor."""
    target = reader.tensor(op.outputs[0])
    dtype = np.dtype(np.float32) if target.quantization is not None else target.dtype
    x = reader.first(op)
    # A picture of bytes is taken as real numbers from the start.
    return x if x.dtype == np.float32 and dtype == np.float32 else shape.cast(reader.graph, x, dtype)


@operator("SQRT", "EXP", "ABS", "FLOOR", "NEG")
def one(reader: Reader, op: Operator) -> Value:
    """One tensor."""
    return activation.unary(reader.graph, op.name.capitalize(), reader.first(op))


@operator("PACK")
def pack(reader: Reader, op: Operator) -> Value:
    """Tensors stacked along a new axis."""
    parts = [reader.value(index) for index in op.inputs]
    if not parts:
        raise ConversionError("PACK of nothing")
    return shape.stack(reader.graph, parts, op.options(tflite.PackOptions).Axis())


@operator("UNPACK")
def unpack(reader: Reader, op: Operator) -> list[Value]:
    """The slices of a tensor along an axis."""
    return shape.unstack(reader.graph, reader.first(op), op.options(tflite.UnpackOptions).Axis())
