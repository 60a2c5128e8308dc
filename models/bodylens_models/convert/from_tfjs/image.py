"""Pooling, resizing, reductions, and the two operators by which TensorFlow once wrote dilation."""

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tfjs.convolution import DEPTHWISE, convolve, padding_of, plane
from bodylens_models.convert.from_tfjs.file import Node
from bodylens_models.convert.from_tfjs.reader import Reader, operator
from bodylens_models.convert.operators import shape
from bodylens_models.convert.operators.pooling import average_pool, max_pool
from bodylens_models.convert.operators.reduction import arg_max, reduce
from bodylens_models.convert.operators.resize import resize_bilinear
from bodylens_models.convert.operators.shape import cast
from bodylens_models.convert.value import Value

POOLS = {"MaxPool": max_pool, "AvgPool": average_pool}
REDUCTIONS = {"Mean": "ReduceMean", "Max": "ReduceMax", "Min": "ReduceMin", "Sum": "ReduceSum", "Prod": "ReduceProd"}


@operator(*POOLS)
def pool(reader: Reader, node: Node) -> Value:
    """An image."""
    x = reader.inputs(node)[0]
    return POOLS[node.op](reader.graph, x, plane(node, "ksize"), plane(node, "strides"), padding_of(node))


@operator(*REDUCTIONS)
def reduction(reader: Reader, node: Node) -> Value:
    """A tensor and the axes."""
    x, axes = reader.inputs(node, 2)[:2]
    wanted = reader.numbers(axes, "axes")
    if any(not -len(x.shape) <= axis < len(x.shape) for axis in wanted):
        raise ConversionError(f"{node.op} along axes {wanted} of {list(x.shape)}")
    return reduce(reader.graph, REDUCTIONS[node.op], x, wanted, keep=bool(node.attributes.get("keep_dims", False)))


@operator("ArgMax")
def index_of_largest(reader: Reader, node: Node) -> Value:
    """A tensor and the axis."""
    x, axis = reader.inputs(node, 2)[:2]
    return cast(reader.graph, arg_max(reader.graph, x, reader.numbers(axis, "an axis")[0]), np.dtype(np.int32))


@operator("ResizeBilinear")
def bilinear(reader: Reader, node: Node) -> Value:
    """An image and the new (height, width)."""
    x, size = reader.inputs(node, 2)[:2]
    return resize_bilinear(
        reader.graph,
        x,
        reader.numbers(size, "a size"),
        align_corners=bool(node.attributes.get("align_corners", False)),
        half_pixel_centers=bool(node.attributes.get("half_pixel_centers", False)),
    )


@operator("DepthToSpace")
def depth_to_space(reader: Reader, node: Node) -> Value:
    """An image."""
    return shape.depth_to_space(reader.graph, reader.inputs(node)[0], int(node.attributes["block_size"]))


@operator("SpaceToBatchND")
def space_to_batch(reader: Reader, node: Node) -> Value:
    """An image, the block (height, width), the paddings [[top, bottom], [left, right]]."""
    x, block, pads = reader.inputs(node, 3)[:3]
    (bh, bw), amounts = reader.numbers(block, "a block"), pads.constant("paddings").reshape(2, 2).astype(int)
    x = shape.pad(reader.graph, x, [0, *amounts[:, 0].tolist(), 0], [0, *amounts[:, 1].tolist(), 0])
    n, h, w, c = x.shape
    apart = shape.reshape(reader.graph, x, (n, h // bh, bh, w // bw, bw, c))
    moved = shape.transpose(reader.graph, apart, (2, 4, 0, 1, 3, 5))
    return shape.reshape(reader.graph, moved, (bh * bw * n, h // bh, w // bw, c))


@operator("BatchToSpaceND")
def batch_to_space(reader: Reader, node: Node) -> Value:
    """An image, the block, the crops. With SpaceToBatchND and a convolution before it, this is a dilated convolution.

    ref: tensorflow/python/ops/nn_ops.py, with_space_to_batch
    """
    x, block, crops = reader.inputs(node, 3)[:3]
    bh, bw = reader.numbers(block, "a block")
    cut = crops.constant("crops").reshape(2, 2).astype(int)
    conv = reader.file.nodes[node.inputs[0][0]]
    before = reader.file.nodes[conv.inputs[0][0]] if conv.inputs else None
    dilatable = conv.op in ("Conv2D", "_FusedConv2D", *DEPTHWISE) and padding_of(conv) == "valid"
    if before is not None and before.op == "SpaceToBatchND" and dilatable and plane(conv, "strides") == (1, 1):
        image, inner, pads = reader.inputs(before, 3)[:3]
        amounts = pads.constant("paddings").reshape(2, 2).astype(int) - cut
        if reader.numbers(inner, "a block") == [bh, bw] and amounts.min() >= 0:
            padding = [int(amounts[0, 0]), int(amounts[1, 0]), int(amounts[0, 1]), int(amounts[1, 1])]
            return convolve(reader, conv, image, padding, (bh, bw))
    nb, h, w, c = x.shape
    n = nb // (bh * bw)
    apart = shape.reshape(reader.graph, x, (bh, bw, n, h, w, c))
    moved = shape.transpose(reader.graph, apart, (2, 3, 0, 4, 1, 5))
    whole = shape.reshape(reader.graph, moved, (n, h * bh, w * bw, c))
    end = [n, h * bh - int(cut[0, 1]), w * bw - int(cut[1, 1]), c]
    return shape.cut(reader.graph, whole, [0, int(cut[0, 0]), int(cut[1, 0]), 0], end)
