"""Arithmetic of two tensors with broadcasting."""

from typing import Any

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.value import Value


def binary(graph: Graph, op: str, a: Value, b: Value, dtype: Any = None) -> Value:
    """`op` (Add, Mul, Less …) of a and b, which broadcast as in numpy; dtype of the result, a's by default."""
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError as error:
        raise ConversionError(f"{op} of {list(a.shape)} and {list(b.shape)}, which do not broadcast") from error
    if a.channels_first or b.channels_first:
        a, b = aligned(graph, a, len(shape)), aligned(graph, b, len(shape))
    return graph.node(op, [a, b], shape, dtype, channels_first=a.channels_first or b.channels_first)


def aligned(graph: Graph, value: Value, rank: int) -> Value:
    """`value` stored as NCHW with rank 4, so that it broadcasts against an image; a scalar stays one."""
    if value.size == 1 and value.data is not None:
        return graph.constant(value.data.reshape(()))
    if rank != 4:
        return graph.source_order(value) if value.channels_first else value
    if len(value.shape) < 4:
        shape = (1,) * (4 - len(value.shape)) + value.shape
        if value.data is not None:
            value = graph.constant(value.data.reshape(shape))
        else:
            value = graph.node("Reshape", [value, graph.constant(shape, np.int64)], shape)
    return graph.channels_first(value)
