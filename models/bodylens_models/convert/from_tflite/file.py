"""A tflite file, read into plain dataclasses and checked, so that nothing after this meets a hostile offset.

ref: tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite
from tflite.BuiltinOperator import BuiltinOperator
from tflite.TensorType import TensorType

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import MOST_NODES, checked_shape
from bodylens_models.convert.value import Array

# What the flatbuffer classes raise on offsets that lead out of the file or to things of another type.
DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, KeyError, MemoryError)

DTYPES: dict[int, Any] = {
    TensorType.FLOAT32: np.float32,
    TensorType.FLOAT16: np.float16,
    TensorType.INT32: np.int32,
    TensorType.UINT8: np.uint8,
    TensorType.INT64: np.int64,
    TensorType.BOOL: np.bool_,
    TensorType.INT16: np.int16,
    TensorType.INT8: np.int8,
    TensorType.UINT32: np.uint32,
}
OPERATOR_NAMES = {code: name for name, code in vars(BuiltinOperator).items() if isinstance(code, int)}


@dataclass(frozen=True)
class Quantization:
    """real = scale · (stored - zero_point), for the whole tensor or for each index along `axis`."""

    scale: Array
    zero_point: Array
    axis: int


@dataclass(frozen=True)
class Tensor:
    """One tensor: shape (NHWC), dtype, elements of a constant, quantisation, block sparsity (a flatbuffer table)."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    data: Array | None
    quantization: Quantization | None
    sparsity: Any


@dataclass(frozen=True)
class Operator:
    """One operator: its name (custom ones as "CUSTOM:name"), tensors by index (-1 for none), options."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    table: Any
    custom: bytes

    def options(self, kind: Any) -> Any:
        """The built-in options, as the flatbuffer class `kind`; ConversionError when the file has none."""
        table = self.table.BuiltinOptions()
        if table is None:
            raise ConversionError(f"{self.name} comes without its options")
        options = kind()
        options.Init(table.Bytes, table.Pos)
        return options


@dataclass(frozen=True)
class File:
    """The one subgraph of a file: tensors, operators in order, indices of inputs and outputs."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(data: bytes) -> File:
    """Read a tflite file; ConversionError when it is not one, is cut short, or holds shapes that do not fit."""
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise ConversionError("this is not a tflite file (its identifier TFL3 is missing)")
    try:
        return _read(data)
    except ConversionError:
        raise
    except DAMAGE as error:
        raise ConversionError(f"the tflite file is damaged: {error or type(error).__name__}") from error


def _read(data: bytes) -> File:
    model = tflite.Model.GetRootAsModel(data, 0)
    if model.SubgraphsLength() != 1:
        raise ConversionError(f"a tflite file with one subgraph is expected, this one has {model.SubgraphsLength()}")
    graph = model.Subgraphs(0)
    count = graph.TensorsLength()
    # Each entry takes at least four bytes, so a larger count is a lie; without this a loop could run for hours.
    for length in (count, graph.OperatorsLength(), model.BuffersLength(), model.OperatorCodesLength()):
        if length < 0 or length * 4 > len(data) or length > 4 * MOST_NODES:
            raise ConversionError("the tflite file is damaged: it claims more tensors or operators than it can hold")
    tensors = tuple(_tensor(model, graph.Tensors(i), i, len(data)) for i in range(count))

    def indices(vector: Any) -> tuple[int, ...]:
        result = tuple(int(i) for i in vector) if not isinstance(vector, int) else ()
        if any(not -1 <= i < count for i in result):
            raise ConversionError("the tflite file is damaged: an operator names a tensor that is not there")
        return result

    operators = []
    for i in range(graph.OperatorsLength()):
        table = graph.Operators(i)
        code = model.OperatorCodes(table.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = OPERATOR_NAMES.get(number, f"operator {number}")
        custom = b""
        if name == "CUSTOM":
            name = f"CUSTOM:{(code.CustomCode() or b'').decode()}"
            custom = bytes(table.CustomOptionsAsNumpy()) if table.CustomOptionsLength() else b""
        operators.append(Operator(name, indices(table.InputsAsNumpy()), indices(table.OutputsAsNumpy()), table, custom))
    return File(tensors, tuple(operators), indices(graph.InputsAsNumpy()), indices(graph.OutputsAsNumpy()))


def _tensor(model: Any, table: Any, index: int, limit: int) -> Tensor:
    kind = table.Type()
    name = (table.Name() or b"").decode()
    if kind not in DTYPES:
        raise ConversionError(f"tensor {name or index} has a type that is not supported ({kind})")
    dtype = np.dtype(DTYPES[kind])
    if table.ShapeLength() > 8:
        raise ConversionError(f"tensor {name or index} has {table.ShapeLength()} dimensions")
    shape = checked_shape(table.ShapeAsNumpy() if table.ShapeLength() else ())
    sparsity = table.Sparsity()
    if not 0 <= table.Buffer() < model.BuffersLength():
        raise ConversionError(f"tensor {name or index} names a buffer that is not there")
    buffer = model.Buffers(table.Buffer())
    data: Array | None = None
    if buffer is not None and buffer.DataLength():
        if buffer.DataLength() > limit:
            raise ConversionError(f"tensor {name or index} claims more bytes than the file has")
        raw = buffer.DataAsNumpy()
        if sparsity is None and raw.nbytes != int(np.prod(shape, dtype=np.int64)) * dtype.itemsize:
            raise ConversionError(f"tensor {name or index} of shape {list(shape)} comes with {raw.nbytes} bytes")
        data = np.frombuffer(raw.tobytes(), dtype)
        data = data if sparsity is not None else data.reshape(shape)
    return Tensor(index, name, shape, dtype, data, _quantization(table), sparsity)


def _quantization(table: Any) -> Quantization | None:
    quantization = table.Quantization()
    if quantization is None or not quantization.ScaleLength():
        return None
    scale = np.array(quantization.ScaleAsNumpy(), np.float32)
    zero = (
        np.array(quantization.ZeroPointAsNumpy(), np.int64)
        if quantization.ZeroPointLength()
        else np.zeros(len(scale), np.int64)
    )
    if len(zero) != len(scale) or not np.isfinite(scale).all():
        raise ConversionError("the tflite file is damaged: a quantisation whose scales and zero points do not fit")
    return Quantization(scale, zero, int(quantization.QuantizedDimension()))
