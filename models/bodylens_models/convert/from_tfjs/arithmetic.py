"""Element by element."""

from collections.abc import Callable

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tfjs.file import Node
from bodylens_models.convert.from_tfjs.reader import Reader, operator
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.operators import activation
from bodylens_models.convert.operators.elementwise import binary
from bodylens_models.convert.operators.shape import cast
from bodylens_models.convert.value import Value

BINARY = {
    "Add": "Add",
    "AddV2": "Add",
    "BiasAdd": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "RealDiv": "Div",
    "Div": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Pow": "Pow",
}
COMPARISONS = {
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Equal": "Equal",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
}
UNARY = {
    "Sqrt": "Sqrt",
    "Exp": "Exp",
    "Log": "Log",
    "Abs": "Abs",
    "Neg": "Neg",
    "Floor": "Floor",
    "Reciprocal": "Reciprocal",
    "LogicalNot": "Not",
    "Relu": "Relu",
    "Sigmoid": "Sigmoid",
    "Tanh": "Tanh",
    "Elu": "Elu",
    "Softplus": "Softplus",
}
DTYPES = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_BOOL": np.bool_, "DT_INT64": np.int32, "DT_UINT8": np.uint8}
FUSED: dict[str, Callable[[Graph, Value], Value]] = {
    "Relu": activation.relu,
    "Relu6": activation.relu6,
    "Sigmoid": activation.sigmoid,
    "Tanh": activation.tanh,
    "Elu": lambda graph, x: activation.unary(graph, "Elu", x),
}


@operator(*BINARY)
def two(reader: Reader, node: Node) -> Value:
    """Two tensors that broadcast."""
    a, b = reader.inputs(node, 2)[:2]
    return binary(reader.graph, BINARY[node.op], a, b)


@operator(*COMPARISONS)
def compare(reader: Reader, node: Node) -> Value:
    """Two tensors that broadcast, to booleans."""
    a, b = reader.inputs(node, 2)[:2]
    return binary(reader.graph, COMPARISONS[node.op], a, b, np.bool_)


@operator(*UNARY)
def one(reader: Reader, node: Node) -> Value:
    """One tensor."""
    return activation.unary(reader.graph, UNARY[node.op], reader.inputs(node)[0])


@operator("Relu6")
def relu6(reader: Reader, node: Node) -> Value:
    """One tensor."""
    return activation.relu6(reader.graph, reader.inputs(node)[0])


@operator("Rsqrt")
def rsqrt(reader: Reader, node: Node) -> Value:
    """One tensor."""
    root = activation.unary(reader.graph, "Sqrt", reader.inputs(node)[0])
    return activation.unary(reader.graph, "Reciprocal", root)


@operator("LeakyRelu")
def leaky_relu(reader: Reader, node: Node) -> Value:
    """One tensor."""
    x = reader.inputs(node)[0]
    alpha = float(node.attributes.get("alpha", 0.2))
    return reader.graph.node("LeakyRelu", [x], x.shape, channels_first=x.channels_first, alpha=alpha)


@operator("Prelu")
def prelu(reader: Reader, node: Node) -> Value:
    """A tensor and a slope for each channel."""
    x, slope = reader.inputs(node, 2)[:2]
    return activation.prelu(reader.graph, x, slope)


@operator("AddN")
def add_n(reader: Reader, node: Node) -> Value:
    """The sum of any number of tensors."""
    total, *others = reader.inputs(node)
    for other in others:
        total = binary(reader.graph, "Add", total, other)
    return total


@operator("SquaredDifference")
def squared_difference(reader: Reader, node: Node) -> Value:
    """The square of the difference of two tensors."""
    a, b = reader.inputs(node, 2)[:2]
    difference = binary(reader.graph, "Sub", a, b)
    return binary(reader.graph, "Mul", difference, difference)


@operator("Square")
def square(reader: Reader, node: Node) -> Value:
    """One tensor."""
    x = reader.inputs(node)[0]
    return binary(reader.graph, "Mul", x, x)


@operator("FloorDiv")
def floor_div(reader: Reader, node: Node) -> Value:
    """Two tensors. Integers here are indices and lengths, never negative, so cutting off is rounding down."""
    a, b = reader.inputs(node, 2)[:2]
    quotient = binary(reader.graph, "Div", a, b)
    if quotient.dtype.kind == "f":
        return activation.unary(reader.graph, "Floor", quotient)
    return quotient


@operator("Cast")
def cast_to(reader: Reader, node: Node) -> Value:
    """One tensor; 64-bit integers do not exist in tfjs."""
    kind = node.attributes.get("DstT")
    if kind not in DTYPES:
        raise ConversionError(f"Cast to a type that is not supported ({kind})")
    return cast(reader.graph, reader.inputs(node)[0], np.dtype(DTYPES[kind]))


@operator("Select", "SelectV2")
def select(reader: Reader, node: Node) -> Value:
    """A condition, what is taken where it holds, and what elsewhere."""
    condition, a, b = (
        reader.graph.source_order(value) if len(value.shape) == 4 else value for value in reader.inputs(node, 3)[:3]
    )
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    return reader.graph.node("Where", [condition, a, b], shape, a.dtype)


@operator("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def batch_norm(reader: Reader, node: Node) -> Value:
    """A tensor and, for each channel, scale, offset, mean and variance; becomes one factor and one offset."""
    x, *rest = reader.inputs(node, 5)
    scale, offset, mean, variance = (value.constant("batch normalisation").astype(np.float64) for value in rest[:4])
    factor = scale / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-3)))
    scaled = binary(reader.graph, "Mul", x, reader.graph.constant(factor.astype(np.float32)))
    moved = (offset - mean * factor).astype(np.float32)
    return binary(reader.graph, "Add", scaled, reader.graph.constant(moved))


@operator("Identity", "StopGradient", "CheckNumerics", "PreventGradient")
def identity(reader: Reader, node: Node) -> Value:
    """One tensor, as it is."""
    return reader.inputs(node)[0]
