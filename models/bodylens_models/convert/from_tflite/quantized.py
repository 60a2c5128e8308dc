"""Quantised tensors: whole numbers that stand for real ones, real = scale · (stored - zero point).

The graph computes with the real numbers. Weights are stored as the whole numbers that they are. What the original
rounds between its operators is rounded here too only when an exact copy of its answers is asked for: it costs time
and serves nobody else.
ref: Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference
"""

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tflite.file import Quantization, Tensor
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.operators import activation
from bodylens_models.convert.value import Array, Value

RANGES = {"int8": (-128, 127), "uint8": (0, 255)}
# Each reads whole numbers and gives them back unchanged, so there is nothing to round.
MOVES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PACK", "UNPACK", "GATHER_ND", "TRANSPOSE", "PAD", "DEQUANTIZE")


def real(tensor: Tensor) -> Array:
    """The real numbers that a quantised constant stands for, float32, in its own shape."""
    q = tensor.quantization
    assert q is not None
    assert tensor.data is not None
    scale, zero = q.scale, q.zero_point.astype(np.float32)
    if len(scale) > 1:
        if not 0 <= q.axis < len(tensor.shape) or tensor.shape[q.axis] != len(scale):
            raise ConversionError(f"tensor {tensor.name} is quantised along an axis that does not fit its shape")
        around = [len(scale) if axis == q.axis else 1 for axis in range(len(tensor.shape))]
        scale, zero = scale.reshape(around), zero.reshape(around)
    return np.asarray((tensor.data.astype(np.float32) - zero) * scale, np.float32)


def remember(graph: Graph, quantization: Quantization | None) -> None:
    """Let the file store the weights of the convolution that was added last as whole numbers."""
    conv = next((node for node in reversed(graph.nodes) if node.op == "Conv"), None)
    if quantization is None or conv is None:
        return
    weights = graph.constants[conv.inputs[1]]
    if len(quantization.scale) in (1, weights.shape[0]):
        around = (-1, 1, 1, 1)
        scale, zero = quantization.scale.reshape(around), quantization.zero_point.astype(np.float32).reshape(around)
        graph.scales[conv.inputs[1]] = (scale, zero)


def settle(graph: Graph, tensor: Tensor, value: Value, *, exact: bool) -> Value:
    """`value`, which stands for the quantised `tensor`, held to what that can hold; rounded as well when `exact`."""
    q = tensor.quantization
    if q is None or tensor.dtype.name not in RANGES or value.data is not None or value.dtype != np.float32:
        return value
    if len(q.scale) != 1:
        raise ConversionError(f"tensor {tensor.name} is computed and yet quantised along an axis")
    low, high = RANGES[tensor.dtype.name]
    zero = int(q.zero_point[0])
    if not low <= zero <= high or q.scale[0] <= 0:
        raise ConversionError(f"tensor {tensor.name} has a zero point or a scale that cannot be")
    if exact:
        # Written out: pairs of QuantizeLinear and DequantizeLinear make onnxruntime round the weights anew.
        scale = graph.constant(q.scale[0])
        steps = graph.node("Div", [value, scale], value.shape, channels_first=value.channels_first)
        whole = activation.unary(graph, "Round", steps)
        held = activation.clip(graph, whole, float(low - zero), float(high - zero))
        return graph.node("Mul", [held, scale], value.shape, channels_first=value.channels_first)
    if zero == low:
        # Nothing below zero can be held: this is how a rectifier is written.
        return activation.clip(graph, value, 0.0, float(q.scale[0] * (high - zero)))
    return value
