"""Operators that move elements and compute none."""

from collections.abc import Sequence

import numpy as np
from onnx import helper

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph, checked_shape
from bodylens_models.convert.value import Value


def reshape(graph: Graph, x: Value, shape: Sequence[int]) -> Value:
    """The elements of x in the source's order as `shape`; one -1 stands for what is left."""
    wanted = [int(n) for n in shape]
    if wanted.count(-1) == 1:
        known = int(np.prod([n for n in wanted if n != -1], dtype=np.int64))
        wanted[wanted.index(-1)] = x.size // known if known else 0
    target = checked_shape(wanted)
    if int(np.prod(target, dtype=np.int64)) != x.size:
        raise ConversionError(f"{list(x.shape)} cannot be reshaped to {list(shape)}")
    if target == x.shape:
        return x
    if x.data is not None:
        return graph.constant(x.data.reshape(target))
    before = graph.reshaped.get(x.name)
    if before is not None and before.shape == target:
        return before  # there and back: networks drop and restore the axis of one picture
    result = _reshape(graph, x, target)
    graph.reshaped[result.name] = before or x
    return result


def _reshape(graph: Graph, x: Value, target: tuple[int, ...]) -> Value:
    if x.channels_first and _single(x):
        # One column: NCHW and NHWC hold the elements in the same order.
        return graph.node("Reshape", [x, graph.constant(target, np.int64)], target)
    plain = graph.source_order(x)
    return graph.node("Reshape", [plain, graph.constant(target, np.int64)], target)


def concat(graph: Graph, parts: Sequence[Value], axis: int) -> Value:
    """The parts one after another along the source's `axis`."""
    rank = len(parts[0].shape)
    axis = axis + rank if axis < 0 else axis
    if not 0 <= axis < rank or any(len(part.shape) != rank for part in parts):
        raise ConversionError(f"{[list(part.shape) for part in parts]} cannot be joined along axis {axis}")
    if rank == 4 and any(part.channels_first for part in parts):
        parts = [graph.channels_first(part) for part in parts]
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    for part in parts:
        if any(part.shape[i] != shape[i] for i in range(rank) if i != axis):
            raise ConversionError(f"{[list(part.shape) for part in parts]} cannot be joined along axis {axis}")
    if len(parts) == 1:
        return parts[0]
    return graph.node("Concat", parts, shape, channels_first=parts[0].channels_first, axis=parts[0].axis(axis))


def pad(graph: Graph, x: Value, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Value:
    """X with `value` around it, before[i] and after[i] times along the source's axis i."""
    if len(before) != len(x.shape) or len(after) != len(x.shape) or min(*before, *after, 0) < 0:
        raise ConversionError(f"{list(x.shape)} cannot be padded by {list(before)} and {list(after)}")
    if len(x.shape) == 4:
        x = graph.channels_first(x)
    shape = tuple(a + n + b for a, n, b in zip(before, x.shape, after, strict=True))
    order = [0, 3, 1, 2] if x.channels_first else range(len(x.shape))
    pads = [before[i] for i in order] + [after[i] for i in order]
    inputs = [x, graph.constant(pads, np.int64), graph.constant(np.asarray(value, x.dtype))]
    return graph.node("Pad", inputs, shape, channels_first=x.channels_first, mode="constant")


def depth_to_space(graph: Graph, x: Value, block: int) -> Value:
    """X (n, h, w, c · block²) to (n, h · block, w · block, c), blocks of depth spread over the plane."""
    n, h, w, c = x.shape
    if block < 1 or c % (block * block):
        raise ConversionError(f"{list(x.shape)} has no blocks of depth of {block}x{block}")
    x = graph.channels_first(x)
    shape = (n, h * block, w * block, c // (block * block))
    return graph.node("DepthToSpace", [x], shape, channels_first=True, blocksize=block, mode="DCR")


def transpose(graph: Graph, x: Value, order: Sequence[int]) -> Value:
    """The axes of x in another order."""
    axes = [int(i) + len(x.shape) if i < 0 else int(i) for i in order]
    if sorted(axes) != list(range(len(x.shape))):
        raise ConversionError(f"the axes of {list(x.shape)} cannot be ordered as {list(order)}")
    shape = tuple(x.shape[i] for i in axes)
    plain = graph.source_order(x)
    return graph.node("Transpose", [plain], shape, perm=axes)


def cut(
    graph: Graph, x: Value, begin: Sequence[int], end: Sequence[int], strides: Sequence[int] | None = None
) -> Value:
    """x[begin:end:strides] along the source's axes, 0 <= begin, end <= the length, strides positive."""
    steps = list(strides or [1] * len(x.shape))
    if len(begin) != len(x.shape) or len(end) != len(x.shape) or min(steps) < 1:
        raise ConversionError(f"{list(x.shape)} cannot be cut from {list(begin)} to {list(end)} by {steps}")
    shape = [len(range(a, min(b, n), s)) for a, b, s, n in zip(begin, end, steps, x.shape, strict=True)]
    if tuple(shape) == x.shape:
        return x
    axes = [i for i in range(len(shape)) if shape[i] != x.shape[i]]
    inputs = [
        x,
        graph.constant([begin[i] for i in axes], np.int64),
        graph.constant([end[i] for i in axes], np.int64),
        graph.constant([x.axis(i) for i in axes], np.int64),
        graph.constant([steps[i] for i in axes], np.int64),
    ]
    return graph.node("Slice", inputs, shape, channels_first=x.channels_first)


def pieces(graph: Graph, x: Value, axis: int, lengths: Sequence[int]) -> list[Value]:
    """X cut along the source's `axis` into pieces of these lengths; slices, for WebGL lacks the newer Split."""
    if sum(lengths) != x.shape[axis] or min(lengths, default=0) < 1:
        raise ConversionError(f"{list(x.shape)} cannot be cut along axis {axis} into pieces of {list(lengths)}")
    results, at = [], 0
    for length in lengths:
        begin, end = [0] * len(x.shape), list(x.shape)
        begin[axis], end[axis] = at, at + length
        results.append(cut(graph, x, begin, end))
        at += length
    return results


def stack(graph: Graph, parts: Sequence[Value], axis: int) -> Value:
    """The parts one beside another along a new axis."""
    axis = axis + len(parts[0].shape) + 1 if axis < 0 else axis
    return concat(graph, [reshape(graph, part, (*part.shape[:axis], 1, *part.shape[axis:])) for part in parts], axis)


def unstack(graph: Graph, x: Value, axis: int) -> list[Value]:
    """The slices of x along an axis, without that axis."""
    axis = axis + len(x.shape) if axis < 0 else axis
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    return [reshape(graph, part, rest) for part in pieces(graph, x, axis, [1] * x.shape[axis])]


def cast(graph: Graph, x: Value, dtype: np.dtype[np.generic]) -> Value:
    """X with another dtype."""
    if x.dtype == dtype:
        return x
    to = helper.np_dtype_to_tensor_dtype(dtype)
    return graph.node("Cast", [x], x.shape, dtype, channels_first=x.channels_first, to=to)


def _single(x: Value) -> bool:
    return x.shape[1] * x.shape[2] == 1 or x.shape[3] == 1
