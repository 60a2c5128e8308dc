"""Picking elements by index."""

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.operators.shape import cast
from bodylens_models.convert.value import Value


def gather_nd(graph: Graph, x: Value, indices: Value) -> Value:
    """The elements of x that `indices` (…, k) point to, each with k numbers for the first k axes."""
    depth = indices.shape[-1] if indices.shape else 0
    if not 0 < depth <= len(x.shape):
        raise ConversionError(f"indices {list(indices.shape)} do not point into {list(x.shape)}")
    whole = cast(graph, graph.source_order(indices), np.dtype(np.int64))
    return graph.node("GatherND", [graph.source_order(x), whole], (*indices.shape[:-1], *x.shape[depth:]))
