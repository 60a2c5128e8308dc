"""Picking elements by index."""

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tfjs.file import Node
from bodylens_models.convert.from_tfjs.reader import Reader, operator
from bodylens_models.convert.operators import indexing
from bodylens_models.convert.operators.shape import cast
from bodylens_models.convert.value import Value

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


@operator("GatherNd")
def gather_nd(reader: Reader, node: Node) -> Value:
    """A tensor and indices (…, k) into its first k axes."""
    x, indices = reader.inputs(node, 2)[:2]
    return indexing.gather_nd(reader.graph, x, indices)


@operator("GatherV2", "Gather")
def gather(reader: Reader, node: Node) -> Value:
    """A tensor, indices, and for GatherV2 the axis."""
    x, indices, *at = reader.inputs(node, 2)
    axis = reader.numbers(at[0], "an axis")[0] % len(x.shape) if at else 0
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return reader.graph.node("Gather", [reader.graph.source_order(x), indices], shape, axis=axis)


@operator("TopKV2")
def top_k(reader: Reader, node: Node) -> list[Value]:
    """A tensor and k: the k largest along the last axis, and their indices."""
    x, k = reader.inputs(node, 2)[:2]
    count = reader.numbers(k, "k")[0]
    if not 0 < count <= x.shape[-1]:
        raise ConversionError(f"{node.name} takes the {count} largest of {list(x.shape)}")
    shape = (*x.shape[:-1], count)
    inputs = [reader.graph.source_order(x), reader.graph.constant([count], np.int64)]
    values, indices = reader.graph.split("TopK", inputs, [shape, shape], [x.dtype, INT64], axis=-1, largest=1, sorted=1)
    return [values, cast(reader.graph, indices, INT32)]
