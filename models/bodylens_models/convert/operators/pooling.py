"""Pooling over windows and over whole images."""

from collections.abc import Sequence

from bodylens_models.convert.graph import Graph
from bodylens_models.convert.operators.padding import window
from bodylens_models.convert.value import Value


def global_average_pool(graph: Graph, x: Value) -> Value:
    """The mean of each channel: (n, h, w, c) to (n, 1, 1, c)."""
    x = graph.channels_first(x)
    n, _, _, c = x.shape
    return graph.node("GlobalAveragePool", [x], (n, 1, 1, c), channels_first=True)


def average_pool(
    graph: Graph, x: Value, kernel: Sequence[int], strides: Sequence[int], padding: str | Sequence[int]
) -> Value:
    """The mean of each window; padding does not count."""
    x = graph.channels_first(x)
    _, h, w, _ = x.shape
    frame = window((h, w), kernel, strides, (1, 1), padding)
    if tuple(kernel) == (h, w) and frame.out == (1, 1) and not any(frame.pads):
        return global_average_pool(graph, x)
    return _pool(graph, "AveragePool", x, kernel, strides, padding)


def max_pool(
    graph: Graph, x: Value, kernel: Sequence[int], strides: Sequence[int], padding: str | Sequence[int]
) -> Value:
    """The maximum of each window."""
    return _pool(graph, "MaxPool", graph.channels_first(x), kernel, strides, padding)


def _pool(
    graph: Graph, op: str, x: Value, kernel: Sequence[int], strides: Sequence[int], padding: str | Sequence[int]
) -> Value:
    n, h, w, c = x.shape
    frame = window((h, w), kernel, strides, (1, 1), padding)
    return graph.node(
        op,
        [x],
        (n, *frame.out, c),
        channels_first=True,
        kernel_shape=list(kernel),
        strides=list(strides),
        pads=frame.pads,
    )
