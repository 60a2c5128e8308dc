"""Operators that move elements and compute none."""

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tfjs.file import Node
from bodylens_models.convert.from_tfjs.reader import Reader, operator
from bodylens_models.convert.graph import checked_shape
from bodylens_models.convert.operators import shape
from bodylens_models.convert.value import Value


@operator("Reshape")
def reshape(reader: Reader, node: Node) -> Value:
    """A tensor and its new shape."""
    x, target = reader.inputs(node, 2)[:2]
    return shape.reshape(reader.graph, x, reader.numbers(target, "a shape"))


@operator("ExpandDims")
def expand_dims(reader: Reader, node: Node) -> Value:
    """A tensor and where a new axis goes."""
    x, axis = reader.inputs(node, 2)[:2]
    at = reader.numbers(axis, "an axis")[0]
    at = at + len(x.shape) + 1 if at < 0 else at
    return shape.reshape(reader.graph, x, (*x.shape[:at], 1, *x.shape[at:]))


@operator("Squeeze")
def squeeze(reader: Reader, node: Node) -> Value:
    """A tensor without its axes of length 1, or without those named."""
    x = reader.inputs(node)[0]
    named = node.attributes.get("squeeze_dims") or node.attributes.get("axis") or []
    axes = {int(i) % len(x.shape) for i in named} or {i for i, n in enumerate(x.shape) if n == 1}
    if any(x.shape[i] != 1 for i in axes):
        raise ConversionError(f"{node.name} drops an axis of {list(x.shape)} that is longer than 1")
    return shape.reshape(reader.graph, x, [n for i, n in enumerate(x.shape) if i not in axes])


@operator("Pack")
def pack(reader: Reader, node: Node) -> Value:
    """Tensors stacked along a new axis."""
    return shape.stack(reader.graph, reader.inputs(node), int(node.attributes.get("axis", 0)))


@operator("Unpack")
def unpack(reader: Reader, node: Node) -> list[Value]:
    """The slices of a tensor along an axis, without that axis."""
    return shape.unstack(reader.graph, reader.inputs(node)[0], int(node.attributes.get("axis", 0)))


@operator("Split")
def split(reader: Reader, node: Node) -> list[Value]:
    """An axis and a tensor, cut into equal pieces."""
    at, x = reader.inputs(node, 2)[:2]
    axis, count = reader.numbers(at, "an axis")[0] % len(x.shape), int(node.attributes["num_split"])
    if count < 1 or x.shape[axis] % count:
        raise ConversionError(f"{node.name} cuts {list(x.shape)} into {count} pieces")
    return shape.pieces(reader.graph, x, axis, [x.shape[axis] // count] * count)


@operator("SplitV")
def split_v(reader: Reader, node: Node) -> list[Value]:
    """A tensor, the lengths of the pieces, an axis."""
    x, lengths, at = reader.inputs(node, 3)[:3]
    return shape.pieces(
        reader.graph, x, reader.numbers(at, "an axis")[0] % len(x.shape), reader.numbers(lengths, "lengths")
    )


@operator("ConcatV2")
def concat(reader: Reader, node: Node) -> Value:
    """Tensors, then the axis."""
    *parts, axis = reader.inputs(node, 2)
    return shape.concat(reader.graph, parts, reader.numbers(axis, "an axis")[0])


@operator("Pad", "PadV2")
def pad(reader: Reader, node: Node) -> Value:
    """A tensor, [[before, after], …] for each axis, and perhaps the value."""
    x, pads, *value = reader.inputs(node, 2)
    amounts = pads.constant("paddings").reshape(-1, 2).astype(int)
    fill = float(value[0].constant("a padding value").reshape(())) if value else 0.0
    return shape.pad(reader.graph, x, amounts[:, 0].tolist(), amounts[:, 1].tolist(), fill)


@operator("Transpose")
def transpose(reader: Reader, node: Node) -> Value:
    """A tensor and the order of its axes."""
    x, order = reader.inputs(node, 2)[:2]
    return shape.transpose(reader.graph, x, reader.numbers(order, "an order of axes"))


@operator("Slice")
def cut(reader: Reader, node: Node) -> Value:
    """A tensor, where to begin, and how many (-1: all that follow)."""
    x, begin, size = reader.inputs(node, 3)[:3]
    first, counts = reader.numbers(begin, "a begin"), reader.numbers(size, "a size")
    end = [n if count < 0 else at + count for at, count, n in zip(first, counts, x.shape, strict=True)]
    return shape.cut(reader.graph, x, first, end)


@operator("StridedSlice")
def strided_slice(reader: Reader, node: Node) -> Value:
    """A tensor, begin, end and strides, with TensorFlow's five bit masks.

    ref: tensorflow/core/ops/array_ops.cc, StridedSlice
    """
    x, *ranges = reader.inputs(node, 4)
    begins, ends, strides = (reader.numbers(value, "a range") for value in ranges[:3])
    masks = {key: int(node.attributes.get(f"{key}_mask", 0)) for key in MASKS}
    begin, end, step = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    result: list[int | None] = []  # an axis of x, or None for a new axis
    axis = 0
    for i in range(len(begins)):
        bit = 1 << i
        if masks["ellipsis"] & bit:
            later = sum(1 for k in range(i + 1, len(begins)) if not masks["new_axis"] & (1 << k))
            while axis < len(x.shape) - later:
                result.append(axis)
                axis += 1
        elif masks["new_axis"] & bit:
            result.append(None)
        else:
            length = x.shape[axis]
            if masks["shrink_axis"] & bit:
                at = begins[i] % length
                begin[axis], end[axis] = at, at + 1
            else:
                first = None if masks["begin"] & bit else begins[i]
                last = None if masks["end"] & bit else ends[i]
                begin[axis], end[axis], step[axis] = slice(first, last, strides[i]).indices(length)
                result.append(axis)
            axis += 1
    result.extend(range(axis, len(x.shape)))
    part = shape.cut(reader.graph, x, begin, end, step)
    return shape.reshape(reader.graph, part, [1 if i is None else part.shape[i] for i in result])


MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")


@operator("Tile")
def tile(reader: Reader, node: Node) -> Value:
    """A tensor and how often it repeats along each axis."""
    x, counts = reader.inputs(node, 2)[:2]
    repeats = reader.numbers(counts, "multiples")
    target = [n * count for n, count in zip(x.shape, repeats, strict=True)]
    if target == list(x.shape):
        return x
    plain = reader.graph.source_order(x)
    return reader.graph.node("Tile", [plain, reader.graph.constant(repeats, np.int64)], target)


@operator("Shape")
def shape_of(reader: Reader, node: Node) -> Value:
    """The shape of a tensor: a constant, for sizes are fixed at conversion."""
    return reader.graph.constant(reader.inputs(node)[0].shape, np.int32)


@operator("Size")
def size_of(reader: Reader, node: Node) -> Value:
    """The number of elements of a tensor."""
    return reader.graph.constant(np.int32(reader.inputs(node)[0].size))


@operator("Fill")
def fill(reader: Reader, node: Node) -> Value:
    """A shape and a value."""
    target, value = reader.inputs(node, 2)[:2]
    constant = value.constant("a fill value").reshape(())
    return reader.graph.constant(np.full(checked_shape(reader.numbers(target, "a shape")), constant))


@operator("ZerosLike", "OnesLike")
def like(reader: Reader, node: Node) -> Value:
    """A tensor's shape, filled with zeros or ones."""
    x = reader.inputs(node)[0]
    return reader.graph.constant(np.full(x.shape, node.op == "OnesLike", x.dtype))


@operator("Range")
def count(reader: Reader, node: Node) -> Value:
    """First, end and step."""
    first, end, step = (float(value.constant("a range").reshape(())) for value in reader.inputs(node, 3)[:3])
    if not step or abs((end - first) / step) > 1 << 20:
        raise ConversionError(f"{node.name} counts from {first} to {end} by {step}")
    return reader.graph.constant(np.arange(first, end, step), reader.inputs(node)[0].dtype)
