"""Pooling, resizing and reductions."""

import tflite

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tflite import options
from bodylens_models.convert.from_tflite.file import Operator
from bodylens_models.convert.from_tflite.reader import Reader, operator
from bodylens_models.convert.operators import activation
from bodylens_models.convert.operators.pooling import average_pool, max_pool
from bodylens_models.convert.operators.reduction import reduce
from bodylens_models.convert.operators.resize import resize_bilinear
from bodylens_models.convert.value import Value

POOLS = {"AVERAGE_POOL_2D": average_pool, "MAX_POOL_2D": max_pool}
REDUCTIONS = {"MEAN": "ReduceMean", "REDUCE_MAX": "ReduceMax", "SUM": "ReduceSum"}


@operator(*POOLS)
def pool(reader: Reader, op: Operator) -> Value:
    """A window over an image."""
    o = op.options(tflite.Pool2DOptions)
    y = POOLS[op.name](
        reader.graph,
        reader.first(op),
        (o.FilterHeight(), o.FilterWidth()),
        (o.StrideH(), o.StrideW()),
        options.padding(o.Padding()),
    )
    return activation.fused(reader.graph, y, options.activation(o.FusedActivationFunction()))


@operator(*REDUCTIONS)
def reduction(reader: Reader, op: Operator) -> Value:
    """A tensor and the axes."""
    x, axes = reader.both(op)
    wanted = [int(axis) for axis in axes.constant("axes").reshape(-1)]
    if any(not -len(x.shape) <= axis < len(x.shape) for axis in wanted):
        raise ConversionError(f"{op.name} along axes {wanted} of {list(x.shape)}")
    keep = bool(op.options(tflite.ReducerOptions).KeepDims())
    return reduce(reader.graph, REDUCTIONS[op.name], x, wanted, keep=keep)


@operator("RESIZE_BILINEAR")
def bilinear(reader: Reader, op: Operator) -> Value:
    """An image and the new (height, width)."""
    x, size = reader.both(op)
    o = op.options(tflite.ResizeBilinearOptions)
    return resize_bilinear(
        reader.graph,
        x,
        [int(n) for n in size.constant("a size").reshape(-1)],
        align_corners=bool(o.AlignCorners()),
        half_pixel_centers=bool(o.HalfPixelCenters()),
    )
