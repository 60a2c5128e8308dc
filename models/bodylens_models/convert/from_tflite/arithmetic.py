"""Element by element: arithmetic, activations, DEQUANTIZE of float16."""

import numpy as np
import tflite

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tflite import options
from bodylens_models.convert.from_tflite.file import Operator
from bodylens_models.convert.from_tflite.reader import Reader, operator
from bodylens_models.convert.operators import activation
from bodylens_models.convert.operators.elementwise import binary
from bodylens_models.convert.value import Value

ARITHMETIC = {
    "ADD": ("Add", tflite.AddOptions),
    "SUB": ("Sub", tflite.SubOptions),
    "MUL": ("Mul", tflite.MulOptions),
    "DIV": ("Div", tflite.DivOptions),
}
ACTIVATIONS = {
    "RELU": activation.relu,
    "RELU6": activation.relu6,
    "RELU_N1_TO_1": activation.relu_n1_to_1,
    "LOGISTIC": activation.sigmoid,
    "TANH": activation.tanh,
    "HARD_SWISH": activation.hard_swish,
}


@operator(*ARITHMETIC)
def arithmetic(reader: Reader, op: Operator) -> Value:
    """Two tensors that broadcast, and a fused activation."""
    name, kind = ARITHMETIC[op.name]
    a, b = reader.both(op)
    y = binary(reader.graph, name, a, b)
    return activation.fused(reader.graph, y, options.activation(op.options(kind).FusedActivationFunction()))


@operator(*ACTIVATIONS)
def activations(reader: Reader, op: Operator) -> Value:
    """One tensor."""
    return ACTIVATIONS[op.name](reader.graph, reader.first(op))


@operator("PRELU")
def prelu(reader: Reader, op: Operator) -> Value:
    """A tensor and a slope for each channel."""
    return activation.prelu(reader.graph, *reader.both(op))


@operator("DEQUANTIZE", "QUANTIZE")
def dequantize(reader: Reader, op: Operator) -> Value:
    """float16 constants to float32; of whole numbers nothing, for the graph computes with what they stand for."""
    x = reader.first(op)
    if x.dtype == np.float32:
        return x
    if x.data is None or x.dtype != np.float16:
        raise ConversionError(f"{op.name} of {x.dtype}, which is neither float16 weights nor quantised")
    return reader.graph.constant(x.data.astype(np.float32))
