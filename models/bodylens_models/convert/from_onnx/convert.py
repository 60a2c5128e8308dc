"""An ONNX file of plain convolutions to a graph, so that its size and stride can be chosen and its layout is ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import MOST_NODES, Graph, checked_shape
from bodylens_models.convert.operators import activation
from bodylens_models.convert.operators.convolution import conv2d
from bodylens_models.convert.operators.elementwise import binary
from bodylens_models.convert.value import Array, Value


def load(data: bytes) -> onnx.ModelProto:
    """An ONNX file's content; ConversionError when it is none, is damaged or points to files beside it."""
    try:  # protobuf's own error has no public home
        model = onnx.load_from_string(data)
    except Exception as error:
        raise ConversionError("this is not an ONNX file, or it is damaged") from error
    if not model.graph.node or not model.graph.output:
        raise ConversionError("this is not an ONNX file, or it is empty")
    if len(model.graph.node) > MOST_NODES:
        raise ConversionError("the ONNX file has more operators than any of these networks")
    tensors = [*model.graph.initializer, *(sparse.values for sparse in model.graph.sparse_initializer)]
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise ConversionError(f"the ONNX file has an operator with a graph of its own ({node.op_type[:40]})")
            tensors += [attribute.t] if attribute.HasField("t") else []
            tensors += attribute.tensors
    for tensor in tensors:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise ConversionError(f"the ONNX file keeps {tensor.name[:80]!r} in another file, which is not followed")
        checked_shape(tensor.dims)
    return model


def convert(data: bytes, outputs: Mapping[str, str], *, size: tuple[int, int], start: str) -> Graph:
    """Convert an ONNX file of Conv, Clip, Relu, Min, Max and Add.

    outputs: {name in our file: name of a tensor in theirs}. size: (height, width). start: the tensor, stored as NCHW,
    that becomes the input "image" (1, 3, h, w) float32. Raises ConversionError, with one clear sentence.
    """
    model = load(data)
    try:
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    except (ValueError, TypeError, KeyError) as error:
        raise ConversionError(f"the ONNX file holds a tensor that does not fit its shape: {error}") from error
    graph = Graph()
    values: dict[str, Value] = {start: graph.input("image", (1, *size, 3))}
    wanted = set(outputs.values())
    for node in model.graph.node:
        if not wanted - set(values):
            break
        if node.op_type in OPERATORS and node.input and node.input[0] in values:
            values[node.output[0]] = OPERATORS[node.op_type](graph, node, values, constants)
    absent = sorted(wanted - set(values))
    if absent:
        raise ConversionError(f"the ONNX file does not lead by plain convolutions to {', '.join(absent)}")
    for name, tensor in outputs.items():
        graph.output(values[tensor], name)
    return graph


def _conv(graph: Graph, node: onnx.NodeProto, values: dict[str, Value], constants: dict[str, Array]) -> Value:
    a = _attributes(node)
    if len(node.input) < 2 or node.input[1] not in constants:
        raise ConversionError(f"the convolution {node.output[0]} has no constant weights")
    weights = constants[node.input[1]]
    bias = constants.get(node.input[2]) if len(node.input) > 2 else None
    rule = a.get("auto_pad", b"NOTSET").decode()
    padding: Any = {"SAME_UPPER": "same", "VALID": "valid"}.get(rule) or list(a.get("pads", [0, 0, 0, 0]))
    return conv2d(
        graph,
        values[node.input[0]],
        np.moveaxis(weights, 1, -1),
        bias,
        strides=a.get("strides", [1, 1]),
        dilations=a.get("dilations", [1, 1]),
        padding=padding,
    )


def _clip(graph: Graph, node: onnx.NodeProto, values: dict[str, Value], constants: dict[str, Array]) -> Value:
    a = _attributes(node)
    bounds = [constants[name].item() for name in node.input[1:] if name in constants]
    low, high = bounds if len(bounds) == 2 else (a.get("min", 0.0), a.get("max", 6.0))
    return activation.clip(graph, values[node.input[0]], low, high)


def _relu(graph: Graph, node: onnx.NodeProto, values: dict[str, Value], constants: dict[str, Array]) -> Value:
    return activation.relu(graph, values[node.input[0]])


def _bound(graph: Graph, node: onnx.NodeProto, values: dict[str, Value], constants: dict[str, Array]) -> Value:
    """Min or Max with one number, as a Clip: WebGL has no other."""
    limit = constants.get(node.input[1]) if len(node.input) == 2 else None
    if limit is None or limit.size != 1:
        return _two(graph, node, values, constants)
    far = float(np.finfo(np.float32).max)
    low, high = (-far, limit.item()) if node.op_type == "Min" else (limit.item(), far)
    return activation.clip(graph, values[node.input[0]], low, high)


def _two(graph: Graph, node: onnx.NodeProto, values: dict[str, Value], constants: dict[str, Array]) -> Value:
    name = node.input[1]
    if name in constants:
        array = constants[name]
        other = graph.constant(np.moveaxis(array, 1, -1) if array.ndim == 4 else array)
    elif name in values:
        other = values[name]
    else:
        raise ConversionError(f"{node.op_type} {node.output[0]} uses {name}, which is not there")
    return binary(graph, node.op_type, values[node.input[0]], other)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


OPERATORS = {"Conv": _conv, "Clip": _clip, "Relu": _relu, "Min": _bound, "Max": _bound, "Add": _two}
