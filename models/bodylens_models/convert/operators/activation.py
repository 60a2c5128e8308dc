"""Activations, written so that every provider computes them.

WebGL has no HardSwish and no HardSigmoid and needs both bounds of a Clip. It fuses Relu and Sigmoid into the
convolution before them and computes a product of two such convolutions wrongly: hence spelt-out forms that it cannot
fuse.
"""

from collections.abc import Callable

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.value import Value


def unary(graph: Graph, op: str, x: Value) -> Value:
    """`op` of each element; the tensor stays stored as it is."""
    return graph.node(op, [x], x.shape, channels_first=x.channels_first)


def relu(graph: Graph, x: Value) -> Value:
    """max(x, 0)."""
    if graph.spelt_out:
        return graph.node("LeakyRelu", [x], x.shape, channels_first=x.channels_first, alpha=0.0)
    return unary(graph, "Relu", x)


def clip(graph: Graph, x: Value, low: float, high: float) -> Value:
    """X between `low` and `high`."""
    bounds = [graph.constant(np.float32(low)), graph.constant(np.float32(high))]
    return graph.node("Clip", [x, *bounds], x.shape, channels_first=x.channels_first)


def relu6(graph: Graph, x: Value) -> Value:
    """X between 0 and 6."""
    return clip(graph, x, 0.0, 6.0)


def relu_n1_to_1(graph: Graph, x: Value) -> Value:
    """X between -1 and 1."""
    return clip(graph, x, -1.0, 1.0)


def sigmoid(graph: Graph, x: Value) -> Value:
    """1 / (1 + exp(-x))."""
    if graph.spelt_out:
        x = clip(graph, x, -60.0, 60.0)  # changes nothing, and is fused in the sigmoid's place
    return unary(graph, "Sigmoid", x)


def tanh(graph: Graph, x: Value) -> Value:
    """The hyperbolic tangent."""
    return unary(graph, "Tanh", x)


def hard_swish(graph: Graph, x: Value) -> Value:
    """X · clip(x / 6 + 1/2, 0, 1); ref: Howard et al. 2019, Searching for MobileNetV3, section 5.2."""
    if graph.spelt_out:
        sixth = graph.node("Mul", [x, graph.constant(np.float32(1 / 6))], x.shape, channels_first=x.channels_first)
        moved = graph.node("Add", [sixth, graph.constant(np.float32(0.5))], x.shape, channels_first=x.channels_first)
        gate = clip(graph, moved, 0.0, 1.0)
    else:
        gate = graph.node("HardSigmoid", [x], x.shape, channels_first=x.channels_first, alpha=1 / 6, beta=0.5)
    return graph.node("Mul", [x, gate], x.shape, channels_first=x.channels_first)


def prelu(graph: Graph, x: Value, slope: Value) -> Value:
    """X where it is positive, slope · x elsewhere; slope (c,) or (1, 1, c)."""
    x = graph.channels_first(x)
    per_channel = slope.constant("a PRELU slope").reshape(-1, 1, 1)
    if per_channel.shape[0] != x.shape[-1]:
        raise ConversionError(f"a PRELU slope of {list(slope.shape)} for {list(x.shape)}")
    return graph.node("PRelu", [x, graph.constant(per_channel)], x.shape, channels_first=True)


FUSED: dict[str, Callable[[Graph, Value], Value]] = {
    "relu": relu,
    "relu6": relu6,
    "relu_n1_to_1": relu_n1_to_1,
    "tanh": tanh,
    "sigmoid": sigmoid,
}


def fused(graph: Graph, x: Value, name: str) -> Value:
    """The activation that a source writes into another operator, by its name; "none" for none."""
    if name == "none":
        return x
    if name not in FUSED:
        raise ConversionError(f"the fused activation {name} is not known")
    return FUSED[name](graph, x)
