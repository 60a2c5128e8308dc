"""DENSIFY: block-sparse weights as plain ones.

ref: tensorflow/compiler/mlir/lite/schema/schema.fbs, SparsityParameters (after Chou et al. 2018, TACO)
"""

from typing import Any

import numpy as np
from tflite.DimensionType import DimensionType
from tflite.Int32Vector import Int32Vector
from tflite.SparseIndexVector import SparseIndexVector
from tflite.Uint8Vector import Uint8Vector
from tflite.Uint16Vector import Uint16Vector

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tflite.file import Operator, Tensor
from bodylens_models.convert.from_tflite.reader import Reader, operator
from bodylens_models.convert.graph import LARGEST_TENSOR
from bodylens_models.convert.value import Array, Value

VECTORS = {
    SparseIndexVector.Int32Vector: Int32Vector,
    SparseIndexVector.Uint16Vector: Uint16Vector,
    SparseIndexVector.Uint8Vector: Uint8Vector,
}


@operator("DENSIFY")
def densify(reader: Reader, op: Operator) -> Value:
    """A sparse constant."""
    tensor = reader.tensor(op.inputs[0])
    return reader.graph.constant(dense(tensor))


def dense(tensor: Tensor) -> Array:
    """The elements of a sparse `tensor`, with its shape and dtype; ConversionError when its indices do not fit."""
    if tensor.data is None or tensor.sparsity is None:
        raise ConversionError(f"DENSIFY of {tensor.name}, which is not sparse")
    table = tensor.sparsity
    rank = len(tensor.shape)
    order = [int(i) for i in table.TraversalOrderAsNumpy()]
    blocks = [int(i) for i in table.BlockMapAsNumpy()] if table.BlockMapLength() else []
    if sorted(order) != list(range(rank + len(blocks))) or table.DimMetadataLength() != len(order):
        raise ConversionError(f"{tensor.name}: the sparse index does not fit its shape")
    # Walk down the levels: `position` is where each surviving branch stands in the storage, `where` its coordinates.
    position = np.zeros(1, np.int64)
    where: dict[int, Array] = {}
    sizes: dict[int, int] = {}
    for level, dimension in enumerate(order):
        meta = table.DimMetadata(level)
        if meta.Format() == DimensionType.DENSE:
            count = int(meta.DenseSize())
            if not count > 0 or len(position) * count > LARGEST_TENSOR:
                raise ConversionError(f"{tensor.name}: the sparse index does not fit its shape")
            branch = np.repeat(np.arange(len(position)), count)
            coordinate = np.tile(np.arange(count), len(position))
            position = position[branch] * count + coordinate
            sizes[dimension] = count
        else:
            segments, indices = _vector(meta, "ArraySegments"), _vector(meta, "ArrayIndices")
            begin, end = segments[position], segments[position + 1]
            if (end < begin).any() or (begin < 0).any() or (end > len(indices)).any():
                raise ConversionError(f"{tensor.name}: the sparse index is damaged")
            branch = np.repeat(np.arange(len(position)), end - begin)
            first = np.cumsum(end - begin) - (end - begin)
            position = np.arange(len(branch)) - first[branch] + begin[branch]
            coordinate = indices[position]
        where = {known: values[branch] for known, values in where.items()} | {dimension: coordinate}
    full = [where[i] for i in range(rank)]
    for k, target in enumerate(blocks):
        full[target] = full[target] * sizes[rank + k] + where[rank + k]
    result = np.zeros(tensor.shape, tensor.dtype)
    if any(((axis < 0) | (axis >= n)).any() for axis, n in zip(full, tensor.shape, strict=True)):
        raise ConversionError(f"{tensor.name}: the sparse index leads out of its shape")
    result[tuple(full)] = tensor.data[position]
    return result


def _vector(meta: Any, name: str) -> Array:
    kind = getattr(meta, f"{name}Type")()
    if kind not in VECTORS:
        raise ConversionError("a sparse index of an unknown kind")
    table = getattr(meta, name)()
    vector = VECTORS[kind]()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy(), np.int64).reshape(-1)
