"""Arithmetic in float16, for graphics processors that have it: half the memory to move, twice the speed of many."""

from dataclasses import replace

import numpy as np
import onnx

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph, Node

HALF, FULL = np.dtype(np.float16), np.dtype(np.float32)
# These inputs describe the operator and stay float32 whatever it computes with.
DESCRIBING = {"Resize": (1, 2)}
ALLOWED = {
    *("Conv", "ConvTranspose", "Add", "Sub", "Mul", "Div", "Clip", "Relu", "Sigmoid", "HardSigmoid", "Tanh", "PRelu"),
    *(
        "GlobalAveragePool",
        "AveragePool",
        "MaxPool",
        "Resize",
        "Concat",
        "Reshape",
        "Transpose",
        "DepthToSpace",
        "Slice",
        "Pad",
    ),
}


def halve(graph: Graph) -> None:
    """Compute in float16 between the input and the outputs, which stay float32.

    Raises ConversionError for networks with operators whose answers would suffer (indices, sums over pictures).
    """
    unfit = sorted({node.op for node in graph.nodes} - ALLOWED)
    if unfit:
        raise ConversionError(f"this network cannot compute in float16: it has {', '.join(unfit)}")
    full = {node.inputs[i] for node in graph.nodes for i in DESCRIBING.get(node.op, ()) if i < len(node.inputs)}
    for name, array in graph.constants.items():
        if array.dtype == FULL and name not in full:
            graph.constants[name] = array.astype(HALF)
    renamed: dict[str, str] = {}
    first: list[Node] = []
    for value in graph.inputs:
        renamed[value.name] = f"{value.name}_half"
        first.append(Node("Cast", [value.name], [f"{value.name}_half"], {"to": onnx.TensorProto.FLOAT16}))
    last: list[Node] = []
    for value in graph.outputs:
        renamed[value.name] = f"{value.name}_half"
        last.append(Node("Cast", [f"{value.name}_half"], [value.name], {"to": onnx.TensorProto.FLOAT}))
    for node in graph.nodes:
        node.inputs = [renamed.get(name, name) for name in node.inputs]
        node.outputs = [renamed.get(name, name) for name in node.outputs]
    graph.values = {
        renamed.get(name, name): replace(
            value, name=renamed.get(name, name), dtype=HALF if value.dtype == FULL else value.dtype
        )
        for name, value in graph.values.items()
    }
    graph.nodes = [*first, *graph.nodes, *last]
