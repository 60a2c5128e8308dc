"""A finished graph as the bytes of an ONNX file: the same bytes every time."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph, Node
from bodylens_models.convert.value import Array, Value

# Below this many elements the Cast node costs more bytes than the float16 saves.
LEAST_FOR_FLOAT16 = 64


def serialize(
    graph: Graph, *, float16: str = "exact", metadata: Mapping[str, str] | None = None, any_size: bool = False
) -> bytes:
    """The ONNX file of `graph`.

    float16: "exact" stores those weights as float16 that lose nothing by it (a Cast, which runtimes fold when they
    load the file, restores float32), "all" stores every weight so, "none" stores float32.
    any_size: leave height and width open, for networks of convolutions alone.
    """
    nodes: list[Node] = []
    stored: dict[str, Array] = {}
    for name, array in graph.constants.items():
        whole = _as_whole_numbers(array, graph.scales.get(name)) if float16 != "none" else None
        half = _as_float16(array, float16)
        if whole is not None:
            _unpack(name, whole, graph.scales[name], stored, nodes)
        elif half is None:
            stored[name] = array
        else:
            stored[f"{name}_half"] = half
            nodes.append(Node("Cast", [f"{name}_half"], [name], {"to": onnx.TensorProto.FLOAT}))
    protos = [
        helper.make_node(node.op, node.inputs, node.outputs, **node.attributes) for node in [*nodes, *graph.nodes]
    ]
    inputs = [
        helper.make_tensor_value_info(
            v.name, helper.np_dtype_to_tensor_dtype(v.dtype), _dims(v, any_size, "height", "width")
        )
        for v in graph.inputs
    ]
    outputs = [
        helper.make_tensor_value_info(
            v.name, helper.np_dtype_to_tensor_dtype(v.dtype), _dims(v, any_size, "rows", "columns")
        )
        for v in graph.outputs
    ]
    proto = helper.make_graph(
        protos,
        "bodylens",
        inputs,
        outputs,
        initializer=[numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", graph.opset)],
        producer_name="bodylens",
        ir_version=7 if graph.opset < 15 else 8,
    )
    for key, value in sorted((metadata or {}).items()):
        model.metadata_props.add(key=key, value=value)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"the conversion made a graph that is not valid: {str(error).splitlines()[0]}") from error
    return bytes(model.SerializeToString(deterministic=True))


def _as_whole_numbers(array: Array, scales: tuple[Array, Array] | None) -> Array | None:
    """The int8 or uint8 numbers that give exactly `array` with this scale and zero point, or None."""
    if scales is None:
        return None
    scale, zero = scales
    numbers = np.round(array / scale) + zero
    for dtype in (np.int8, np.uint8):
        whole = numbers.astype(dtype) if np.isfinite(numbers).all() else np.zeros(array.shape, dtype)
        if np.array_equal((whole.astype(np.float32) - zero) * scale, array):
            return whole
    return None


def _unpack(name: str, whole: Array, scales: tuple[Array, Array], stored: dict[str, Array], nodes: list[Node]) -> None:
    """Nodes of constants that make the real weights; runtimes compute them once, when they load the file."""
    scale, zero = scales
    stored[f"{name}_whole"], stored[f"{name}_scale"] = whole, scale
    nodes.append(Node("Cast", [f"{name}_whole"], [f"{name}_number"], {"to": onnx.TensorProto.FLOAT}))
    number = f"{name}_number"
    if zero.any():
        stored[f"{name}_zero"] = zero
        nodes.append(Node("Sub", [number, f"{name}_zero"], [f"{name}_moved"]))
        number = f"{name}_moved"
    nodes.append(Node("Mul", [number, f"{name}_scale"], [name]))


def _dims(value: Value, any_size: bool, height: str, width: str) -> list[int | str]:
    n, c, *rest = value.stored_shape
    return [n, c, height, width] if any_size and value.channels_first else [n, c, *rest]


def _as_float16(array: Array, how: str) -> Array | None:
    if how == "none" or array.dtype != np.float32 or array.size < LEAST_FOR_FLOAT16:
        return None
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if how == "all":
        return half if np.isfinite(half).all() else None
    return half if np.array_equal(half.astype(np.float32), array) else None
