"""Reductions along axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bodylens_models.convert.graph import Graph
from bodylens_models.convert.operators.pooling import global_average_pool
from bodylens_models.convert.value import Value


def reduce(graph: Graph, op: str, x: Value, axes: Sequence[int], *, keep: bool) -> Value:
    """`op` (ReduceMean, ReduceMax, ReduceSum …) along the source's `axes`; `keep` leaves them with length 1."""
    rank = len(x.shape)
    wanted = sorted({axis + rank if axis < 0 else axis for axis in axes})
    kept = tuple(1 if axis in wanted else n for axis, n in enumerate(x.shape))
    if op == "ReduceMean" and wanted == [1, 2] and rank == 4:
        result = global_average_pool(graph, x)
    else:
        result = graph.node(
            op, [x], kept, channels_first=x.channels_first, axes=sorted(x.axis(axis) for axis in wanted), keepdims=1
        )
    if keep:
        return result
    shape = tuple(n for axis, n in enumerate(x.shape) if axis not in wanted)
    plain = graph.source_order(result)
    return graph.node("Reshape", [plain, graph.constant(np.asarray(shape, np.int64))], shape)


def arg_max(graph: Graph, x: Value, axis: int, dtype: Any = np.int64) -> Value:
    """The index of the largest element along the source's `axis`, int64 (cast when another dtype is asked for)."""
    x = graph.source_order(x) if len(x.shape) == 4 else x
    axis = axis + len(x.shape) if axis < 0 else axis
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    return graph.node("ArgMax", [x], shape, np.int64, axis=axis, keepdims=0)
